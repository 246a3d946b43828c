//! Newtypes for the quantities that must not be mixed up, with their parsers and formatters.
//!
//! Two kinds of text: what `Display` writes is exact and parses back to the same value; what
//! [`human`] writes is rounded for reading.

mod decimal;
mod duration;
mod go;
pub mod human;
mod rate;
mod size;

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

pub use self::duration::parse_duration;
pub use self::go::{format_go_duration, parse_go_duration};
pub use self::rate::Rate;
pub use self::size::ByteSize;

/// A text that is not the quantity it should be.
///
/// The message names the text, what is wrong with it, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {problem} (accepted: {accepted})")]
pub struct UnitError {
    /// The text as it was given.
    pub text: String,
    /// What it should have been, with its article: "a duration".
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// Examples of what is accepted.
    pub accepted: &'static str,
}

/// A span of time, or a point on the monotonic clock, in nanoseconds.
///
/// Range: 0 to about 584 years. Arithmetic saturates: a clock that is read out of order can
/// never wrap into an absurd latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Nanos = Nanos(0);
    /// Never: later than every point that a run can reach.
    pub const MAX: Nanos = Nanos(u64::MAX);

    /// `us` microseconds.
    pub const fn from_micros(us: u64) -> Nanos {
        Nanos(us.saturating_mul(1_000))
    }

    /// `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms.saturating_mul(1_000_000))
    }

    /// `s` seconds.
    pub const fn from_secs(s: u64) -> Nanos {
        Nanos(s.saturating_mul(1_000_000_000))
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add for Nanos {
    type Output = Nanos;
    #[inline]
    fn add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    #[inline]
    fn add_assign(&mut self, other: Nanos) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Nanos;
    #[inline]
    fn sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Nanos {
    /// Exact: `1.5ms`, `10s`, `1m30s`, `2h`. [`parse_duration`] reads it back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        duration::write_exact(*self, f)
    }
}

impl std::str::FromStr for Nanos {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Nanos, UnitError> {
        parse_duration(text)
    }
}
