//! Arrival rates, as exact rational numbers.

use std::fmt;
use std::str::FromStr;

use super::decimal::Decimal;
use super::{Nanos, UnitError, duration};

const ACCEPTED: &str = "`500`, `50/s`, `3000/m`, `10k`, `2.5/s`, `5/2s`; k, M and G multiply by thousands";

/// `count` arrivals in each `per`: an exact rational number.
///
/// Both are above zero, and there is at most one arrival per nanosecond. Equality is that of the
/// two figures: `60/m` and `1/s` are the same rate, but not equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many arrivals.
    pub count: u64,
    /// In what time.
    pub per: Nanos,
}

impl Rate {
    /// `count` arrivals each second.
    pub const fn per_sec(count: u64) -> Rate {
        Rate { count, per: Nanos::from_secs(1) }
    }

    /// Arrivals per second, rounded to the nearest `f64`.
    pub fn per_second(self) -> f64 {
        self.count as f64 * 1e9 / self.per.0 as f64
    }

    /// Whole arrivals within `span`, rounded down; saturates at `u64::MAX`.
    pub fn arrivals_in(self, span: Nanos) -> u64 {
        let arrivals = u128::from(self.count) * u128::from(span.0) / u128::from(self.per.0.max(1));
        u64::try_from(arrivals).unwrap_or(u64::MAX)
    }

    /// The time in which so many arrive, rounded down; saturates at [`Nanos::MAX`].
    pub fn time_of(self, arrivals: u64) -> Nanos {
        let span = u128::from(arrivals) * u128::from(self.per.0) / u128::from(self.count.max(1));
        Nanos(u64::try_from(span).unwrap_or(u64::MAX))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    /// Reads `50/s`, `3000/m`, `10k`, `1.5k/s`, `2.5` (per second), `1/ms`, `5/2s`.
    ///
    /// # Errors
    /// Empty, zero, negative, unknown unit, more than one arrival per nanosecond, or beyond
    /// `u64` when written as whole arrivals per whole nanoseconds.
    fn from_str(text: &str) -> Result<Rate, UnitError> {
        parse(text.trim()).map_err(|problem| UnitError {
            text: text.to_owned(),
            what: "a rate",
            problem,
            accepted: ACCEPTED,
        })
    }
}

fn parse(text: &str) -> Result<Rate, String> {
    let (arrivals, per) = match text.split_once('/') {
        Some((arrivals, per)) => (arrivals.trim(), period(per.trim())?),
        None => (text, 1_000_000_000),
    };
    let (number, suffix) = Decimal::take(arrivals)?;
    let factor: u64 = match suffix.trim() {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        other => return Err(format!("unknown suffix `{other}` of the number")),
    };
    let count = u128::from(number.mantissa) * u128::from(factor);
    if count == 0 {
        return Err("a rate must be above zero".into());
    }
    // 2.5 a second is 5 in 2 seconds: only the point is reduced away, so that `3000/m` stays what
    // was typed.
    let common = gcd(count, number.divisor());
    let too_large = || "it is too large or too finely divided".to_owned();
    let count = u64::try_from(count / common).map_err(|_| too_large())?;
    let stretch = u64::try_from(number.divisor() / common).map_err(|_| too_large())?;
    let per = per.checked_mul(stretch).ok_or_else(too_large)?;
    if count > per {
        return Err("it is above one arrival per nanosecond".into());
    }
    Ok(Rate { count, per: Nanos(per) })
}

fn period(text: &str) -> Result<u64, String> {
    let nanos = match text {
        "" => return Err("a unit of time is missing after `/`".into()),
        "sec" | "second" => 1_000_000_000,
        "min" | "minute" => 60_000_000_000,
        "hour" => 3_600_000_000_000,
        unit if !unit.starts_with(|c: char| c.is_ascii_digit() || c == '.') => duration::unit_nanos(unit)?,
        span => super::parse_duration(span).map_err(|error| error.problem)?.0,
    };
    if nanos == 0 {
        return Err("the time after `/` must be above zero".into());
    }
    Ok(nanos)
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for Rate {
    /// Exact: `50/s`, `3000/m`, `5/2s`. Reads back to the same count and time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per.0 {
            1_000_000 => "ms".to_owned(),
            1_000_000_000 => "s".to_owned(),
            60_000_000_000 => "m".to_owned(),
            3_600_000_000_000 => "h".to_owned(),
            _ => self.per.to_string(),
        };
        write!(f, "{}/{per}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn what_people_type_is_understood_exactly() {
        for (text, count, per) in [
            ("50/s", 50, S),
            ("50", 50, S),
            ("3000/m", 3_000, 60 * S),
            ("7/h", 7, 3_600 * S),
            ("1/ms", 1, S / 1_000),
            ("10k", 10_000, S),
            ("1.5k/s", 1_500, S),
            ("2.5", 5, 2 * S),
            ("2.50", 5, 2 * S),
            ("0.1/s", 1, 10 * S),
            ("1M", 1_000_000, S),
            ("1G", S, S),
            ("5/2s", 5, 2 * S),
            (" 100 / 500ms ", 100, S / 2),
            ("12/min", 12, 60 * S),
        ] {
            let expected = Rate { count, per: Nanos(per) };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_accepted() {
        for (text, problem) in [
            ("", "it is empty"),
            ("0", "above zero"),
            ("0.0/s", "above zero"),
            ("-5", "negative"),
            ("10m", "unknown suffix `m`"),
            ("10rps", "unknown suffix `rps`"),
            ("10/", "a unit of time is missing"),
            ("10/x", "unknown unit `x`"),
            ("10/0s", "must be above zero"),
            ("10/-1s", "unknown unit"),
            ("2G", "above one arrival per nanosecond"),
            ("18446744073709551615G", "too large"),
            ("fast", "a number is missing"),
            ("1/s/s", "unknown unit"),
        ] {
            let message = text.parse::<Rate>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{text}` is not a rate: ")));
            assert!(message.contains(problem), "{message}");
            assert!(message.contains("`3000/m`"), "{message}");
        }
    }

    #[test]
    fn arrivals_in_a_span_are_exact_and_saturate() {
        let rate: Rate = "2.5".parse().unwrap();
        assert_eq!(rate.arrivals_in(Nanos::from_secs(3)), 7);
        assert_eq!(rate.per_second(), 2.5);
        assert_eq!(Rate::per_sec(S).arrivals_in(Nanos::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn display_parses_back(per in 1..=u64::MAX, count in 1..=u64::MAX) {
            let rate = Rate { count: count.min(per), per: Nanos(per) };
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn no_text_panics_and_no_rate_is_zero(text in "[-0-9.a-zkMG/ ]{0,24}") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert!(rate.count > 0 && rate.count <= rate.per.0);
            }
        }
    }
}
