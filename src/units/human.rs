//! Rounded figures for people. Nothing here is meant to be parsed again.

use super::Nanos;

/// A duration in µs, ms or s with four significant digits: `0.812µs`, `12.34ms`, `1.500s`.
///
/// From 1,000 s on: whole seconds as `16m40s`.
pub fn duration(span: Nanos) -> String {
    const UNITS: [(&str, u128); 3] = [("\u{b5}s", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
    for (unit, nanos) in UNITS {
        if let Some(figure) = four_digits(u128::from(span.0), nanos) {
            return figure + unit;
        }
    }
    // 1,000 s at least, so rounding to whole seconds keeps four digits too.
    let seconds = span.0 / 1_000_000_000 + u64::from(span.0 % 1_000_000_000 >= 500_000_000);
    Nanos::from_secs(seconds).to_string()
}

/// `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate of events: four significant digits below 1,000, whole with separators from there on.
///
/// Anything that is not a finite number above zero is `0`.
pub fn per_second(rate: f64) -> String {
    if !rate.is_finite() || rate <= 0.0 {
        return "0".into();
    }
    // Rounded to thousandths first, so that 999.9996 does not become "1000.000".
    let thousandths = (rate * 1e3).round() as u128;
    four_digits(thousandths, 1_000).unwrap_or_else(|| count(rate.round() as u64))
}

/// An amount of bytes in decimal units: `512B`, `1.234kB`, `56.78MB`.
pub fn bytes(n: u64) -> String {
    if n < 1_000 {
        return format!("{n}B");
    }
    const UNITS: [(&str, u128); 6] = [
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("PB", 1_000_000_000_000_000),
        ("EB", 1_000_000_000_000_000_000),
    ];
    UNITS
        .iter()
        .find_map(|(unit, size)| Some(four_digits(u128::from(n), *size)? + unit))
        .unwrap_or_else(|| format!("{n}B"))
}

/// A rate of bytes in decimal units: `56.78MB/s`.
pub fn bytes_per_second(rate: f64) -> String {
    let whole = if rate.is_finite() { rate.round() } else { 0.0 };
    bytes(whole as u64) + "/s"
}

/// `amount / unit` with four significant digits (three decimals at most); `None` from 1,000 on.
fn four_digits(amount: u128, unit: u128) -> Option<String> {
    // The rounded figure decides about the next form: 9.9996 is "10.00", not "10.000".
    for decimals in (1..=3usize).rev() {
        let power = 10u128.pow(decimals as u32);
        let scaled = (amount * power + unit / 2) / unit;
        if scaled < 10_000 {
            return Some(format!("{}.{:0decimals$}", scaled / power, scaled % power));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_carry_into_the_next_form() {
        for (nanos, text) in [
            (0, "0.000\u{b5}s"),
            (812, "0.812\u{b5}s"),
            (46_123, "46.12\u{b5}s"),
            (999_949, "999.9\u{b5}s"),
            (999_950, "1.000ms"),
            (9_999_600, "10.00ms"),
            (950_000_000, "950.0ms"),
            (1_500_000_000, "1.500s"),
            (999_949_999_999, "999.9s"),
            (1_000_000_000_000, "16m40s"),
            (3_600_400_000_000, "1h"),
        ] {
            assert_eq!(duration(Nanos(nanos)), text);
        }
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(per_second(0.0), "0");
        assert_eq!(per_second(f64::NAN), "0");
        assert_eq!(per_second(2.5), "2.500");
        assert_eq!(per_second(999.9996), "1,000");
        assert_eq!(per_second(123_456.7), "123,457");
        assert_eq!(bytes(999), "999B");
        assert_eq!(bytes(999_960), "1.000MB");
        assert_eq!(bytes_per_second(56_780_000.0), "56.78MB/s");
        assert_eq!(bytes_per_second(f64::INFINITY), "0B/s");
    }

    proptest! {
        /// Half a unit of the fourth digit, at most.
        #[test]
        fn durations_are_close(nanos in 1_000_000..900_000_000_000u64) {
            let text = duration(Nanos(nanos));
            let read = crate::units::parse_duration(&text).unwrap().0;
            prop_assert!(read.abs_diff(nanos) as f64 <= nanos as f64 * 0.000_501, "{}", text);
        }

        #[test]
        fn separators_only_separate(n: u64) {
            prop_assert_eq!(count(n).replace(',', "").parse(), Ok(n));
        }
    }
}
