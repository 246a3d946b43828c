//! Durations as people type them.
//!
//! A parser of our own rather than humantime's: that one knows no decimals and no bare numbers,
//! and reads `1M` as a month, which nobody means who types it at a load generator.

use std::fmt;

use super::decimal::Decimal;
use super::{Nanos, UnitError};

const ACCEPTED: &str = "`500ms`, `10us`, `1.5s`, `1m30s`, `2h`, or a bare number of seconds";

/// The units, largest first, with their nanoseconds.
const UNITS: [(&str, u64); 9] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("\u{b5}s", 1_000),  // micro sign: what a keyboard gives
    ("\u{3bc}s", 1_000), // Greek mu: what Unicode recommends
    ("ns", 1),
];

/// Reads a duration: `500ms`, `10us`, `1.5s`, `1m30s`, `1h`; a bare number is seconds.
///
/// Parts go from the largest unit to the smallest, each unit once; decimals may stand in any
/// part. The result is exact.
///
/// # Errors
/// Empty, negative, unknown unit, a part without unit beside others, finer than a nanosecond, or
/// more than `u64` nanoseconds (584 years).
pub fn parse_duration(text: &str) -> Result<Nanos, UnitError> {
    parse(text.trim()).map_err(|problem| UnitError {
        text: text.to_owned(),
        what: "a duration",
        problem,
        accepted: ACCEPTED,
    })
}

fn parse(text: &str) -> Result<Nanos, String> {
    let mut rest = text;
    let mut total = 0u64;
    let mut smallest = u64::MAX;
    loop {
        let (number, tail) = Decimal::take(rest)?;
        let tail = tail.trim_start();
        let end =
            tail.find(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let nanos = if unit.is_empty() && smallest == u64::MAX && tail.is_empty() {
            1_000_000_000
        } else {
            unit_nanos(unit)?
        };
        if nanos >= smallest {
            return Err(format!("`{unit}` must come once, after the larger units"));
        }
        smallest = nanos;
        let part = match number.times(nanos) {
            Some(part) => part,
            None if number.overflows(nanos) => return Err("it is too long".into()),
            None => return Err("it is finer than a nanosecond".into()),
        };
        total = total.checked_add(part).ok_or("it is too long")?;
        rest = tail.trim_start();
        if rest.is_empty() {
            return Ok(Nanos(total));
        }
    }
}

/// Nanoseconds of a unit's name.
pub(super) fn unit_nanos(unit: &str) -> Result<u64, String> {
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, nanos)) => Ok(*nanos),
        None if unit.is_empty() => Err("a part has no unit".into()),
        None => Err(format!("unknown unit `{unit}`")),
    }
}

/// Writes `span` so that [`parse_duration`] reads the same value.
pub(super) fn write_exact(span: Nanos, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const MINUTE: u64 = 60_000_000_000;
    const HOUR: u64 = 60 * MINUTE;
    if span.0 < MINUTE {
        return write!(f, "{:?}", std::time::Duration::from_nanos(span.0));
    }
    let (hours, minutes, rest) = (span.0 / HOUR, span.0 % HOUR / MINUTE, span.0 % MINUTE);
    if hours > 0 {
        write!(f, "{hours}h")?;
    }
    if minutes > 0 {
        write!(f, "{minutes}m")?;
    }
    if rest > 0 {
        write!(f, "{:?}", std::time::Duration::from_nanos(rest))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_type_is_understood() {
        for (text, nanos) in [
            ("500ms", 500_000_000),
            ("1m30s", 90_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
            ("10us", 10_000),
            ("10\u{b5}s", 10_000),
            ("10\u{3bc}s", 10_000),
            ("7ns", 7),
            ("1.5s", 1_500_000_000),
            ("1.5m", 90_000_000_000),
            ("0.000000001", 1),
            ("10", 10_000_000_000),
            ("0", 0),
            (" 1m 30 s ", 90_000_000_000),
            ("1h0.5s", 3_600_500_000_000),
            ("18446744073709551615ns", u64::MAX),
        ] {
            assert_eq!(parse_duration(text), Ok(Nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_accepted() {
        for (text, problem) in [
            ("", "it is empty"),
            ("  ", "it is empty"),
            ("-1s", "it is negative"),
            ("5x", "unknown unit `x`"),
            ("1M", "unknown unit `M`"),
            ("s", "a number is missing before `s`"),
            ("1m30", "a part has no unit"),
            ("10 20s", "a part has no unit"),
            ("1s1s", "`s` must come once, after the larger units"),
            ("1us1\u{b5}s", "must come once"),
            ("30s1m", "`m` must come once, after the larger units"),
            ("0.5ns", "finer than a nanosecond"),
            ("1.2.3s", "two decimal points"),
            ("600000000h", "too long"),
            ("18446744073709551615s", "too long"),
            ("{\"a\":1}", "a number is missing before `{`"),
            ("1e3", "unknown unit `e`"),
        ] {
            let message = parse_duration(text).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{text}` is not a duration: ")));
            assert!(message.contains(problem), "{message}");
            assert!(message.contains("`1m30s`"), "{message}");
        }
    }

    #[test]
    fn display_is_short_where_it_can_be() {
        for (nanos, text) in [
            (0, "0ns"),
            (1_500_000, "1.5ms"),
            (10_000_000_000, "10s"),
            (90_000_000_000, "1m30s"),
            (7_200_000_000_000, "2h"),
            (3_600_000_000_001, "1h1ns"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(nanos in prop_oneof![any::<u64>(), 0..10_000_000_000_000u64]) {
            prop_assert_eq!(parse_duration(&Nanos(nanos).to_string()), Ok(Nanos(nanos)));
        }

        #[test]
        fn no_text_panics(text in "[-0-9.a-z\u{b5} ]{0,24}") {
            let _ = parse_duration(&text);
        }
    }
}
