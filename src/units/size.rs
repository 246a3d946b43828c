//! Amounts of bytes.

use std::fmt;
use std::str::FromStr;

use super::UnitError;
use super::decimal::Decimal;

const ACCEPTED: &str = "`512`, `64k` or `64KiB` (1,024), `64KB` (1,000), `1.5MiB`, `1G`";

/// The suffixes with their bytes; the first of equals is the one that is written.
const SUFFIXES: [(&str, u64); 18] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("t", 1 << 40),
    ("g", 1 << 30),
    ("m", 1 << 20),
    ("k", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// An amount of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    /// Reads `512`, `64k` and `64KiB` (times 1,024), `64KB` (times 1,000), `1.5MiB`, …
    ///
    /// # Errors
    /// Empty, negative, unknown suffix, not a whole number of bytes, or beyond `u64`.
    fn from_str(text: &str) -> Result<ByteSize, UnitError> {
        parse(text.trim()).map_err(|problem| UnitError {
            text: text.to_owned(),
            what: "an amount of bytes",
            problem,
            accepted: ACCEPTED,
        })
    }
}

fn parse(text: &str) -> Result<ByteSize, String> {
    let (number, suffix) = Decimal::take(text)?;
    let suffix = suffix.trim_start();
    let factor = match SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        Some((_, factor)) => *factor,
        None if suffix.is_empty() => 1,
        None => return Err(format!("unknown suffix `{suffix}`")),
    };
    match number.times(factor) {
        Some(bytes) => Ok(ByteSize(bytes)),
        None if number.overflows(factor) => Err("it is too large".into()),
        None => Err("it is not a whole number of bytes".into()),
    }
}

impl fmt::Display for ByteSize {
    /// Exact: `64KiB`, `1000B`. Reads back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SUFFIXES[..4].iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        match binary {
            Some((suffix, factor)) => write!(f, "{}{suffix}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_type_is_understood() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("64 kB", 64_000),
            ("1.5MiB", 1_572_864),
            ("1G", 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in ["", "-1", "1.5", "0.3k", "5x", "18446744073709551615k", "k"] {
            let message = bad.parse::<ByteSize>().unwrap_err().to_string();
            assert!(message.contains("`64KiB`"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(bytes: u64, shift in 0..50u32) {
            let size = ByteSize((bytes >> shift) << (shift % 41));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
