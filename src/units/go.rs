//! Durations as Go writes them, since k6's options are such: `1m30s`, `1h0m0.5s`, `-500ms`, and k6's `1d2h`.

use super::decimal::Decimal;
use super::duration::unit_nanos;

/// The units of Go's `time.ParseDuration`; `d` is k6's, and stands in front.
const DAY: i64 = 86_400_000_000_000;

/// Reads a duration in nanoseconds, below zero too, as `time.ParseDuration` does: decimals with units `h`, `m`, `s`, `ms`, `us`, `µs` and `ns`
/// in any order, and `0`; what is below a nanosecond is cut off. In front may stand whole days, as in k6.
///
/// # Errors
/// What is wrong with it.
pub fn parse_go_duration(text: &str) -> Result<i64, String> {
    let (negative, amount) = match text.strip_prefix(['-', '+']) {
        Some(amount) => (text.starts_with('-'), amount),
        None => (false, text),
    };
    let nanos = match amount.split_once('d') {
        None => sum_of_parts(amount)?,
        Some((days, rest)) => {
            let whole: i64 = days.parse().map_err(|_| format!("`{days}` is no whole number of days"))?;
            let days = whole.checked_mul(DAY).ok_or("it is too long")?;
            let rest = if rest.is_empty() { 0 } else { sum_of_parts(rest)? };
            days.checked_add(rest).ok_or("it is too long")?
        }
    };
    Ok(if negative { -nanos } else { nanos })
}

fn sum_of_parts(text: &str) -> Result<i64, String> {
    let (mut rest, mut total) = (text, 0i64);
    if text == "0" {
        return Ok(0);
    }
    loop {
        let (number, tail) = Decimal::take(rest)?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, behind) = tail.split_at(end);
        let nanos = if unit == "d" { Err(format!("unknown unit `{unit}`")) } else { unit_nanos(unit) }?;
        let part = u128::from(number.mantissa) * u128::from(nanos) / number.divisor();
        let part = i64::try_from(part).map_err(|_| "it is too long")?;
        total = total.checked_add(part).ok_or("it is too long")?;
        if behind.is_empty() {
            return Ok(total);
        }
        rest = behind;
    }
}

/// Writes nanoseconds as Go's `Duration.String` does: `1h0m0.001s`, `1.5µs`, `0s`.
pub fn format_go_duration(nanos: i64) -> String {
    let (sign, amount) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let seconds = amount / 1_000_000_000;
    if amount == 0 {
        return "0s".into();
    }
    if seconds == 0 {
        // Below a second Rust's debug form is Go's.
        return format!("{sign}{:?}", std::time::Duration::from_nanos(amount));
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = format!("{:?}", std::time::Duration::from_nanos(amount % 60_000_000_000));
    // Of less than a second that Go writes behind minutes, it writes seconds.
    let rest = match amount % 60_000_000_000 {
        0 => "0s".into(),
        nanos if nanos < 1_000_000_000 => {
            format!("0.{}s", format!("{nanos:09}").trim_end_matches('0'))
        }
        _ => rest,
    };
    match (hours, minutes) {
        (0, 0) => format!("{sign}{rest}"),
        (0, minutes) => format!("{sign}{minutes}m{rest}"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// k6 1.1.0: `minIterationDuration` as given, and as `k6 archive` writes it.
    #[test]
    fn durations_are_those_of_k6() {
        for (text, written) in [
            ("-1d", "-24h0m0s"),
            ("-1d2h", "-26h0m0s"),
            ("1d", "24h0m0s"),
            ("1d2h", "26h0m0s"),
            ("0", "0s"),
            ("-0.5s", "-500ms"),
            ("1.0000000005s", "1s"),
            ("1us", "1µs"),
            ("1µs", "1µs"),
            ("1.5us", "1.5µs"),
            ("90m", "1h30m0s"),
            ("36h", "36h0m0s"),
            ("1h1ms", "1h0m0.001s"),
            ("0.1h", "6m0s"),
            ("+2s", "2s"),
            ("2s1m", "1m2s"),
            (".5m", "30s"),
            ("2.s", "2s"),
            ("1ms1us1ns", "1.001001ms"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
        ] {
            let read = parse_go_duration(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(format_go_duration(read), written, "{text}");
        }
        for text in [
            "",
            "1.5d",
            "1h 2m",
            "1x",
            "1e3s",
            "2D",
            "1s1d",
            "1d1d",
            "1d-2h",
            "1d ",
            " 1s",
            "1m30",
            "0x10",
            ".s",
            "9223372036854775808ns",
            "d",
            "inf",
        ] {
            assert!(parse_go_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nanos in prop_oneof![any::<i64>(), -100_000_000_000i64..100_000_000_000]) {
            prop_assume!(nanos != i64::MIN);
            prop_assert_eq!(parse_go_duration(&format_go_duration(nanos)), Ok(nanos));
        }

        #[test]
        fn no_text_is_a_panic(text in "[-+0-9.a-z\u{b5} ]{0,24}") {
            let _ = parse_go_duration(&text);
        }
    }
}
