//! Options that take one of a few words.

use std::fmt;
use std::str::FromStr;

use crate::load::Arrivals;
use crate::transport::tls::MinVersion;

/// How a worker waits for the next arrival or response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitMode {
    /// Spin in the open model when the workers have their cores for themselves, else sleep.
    #[default]
    Auto,
    /// Never sleep: the sharpest timing, at a whole core per worker.
    Spin,
    /// Sleep in the kernel: the least CPU time, at tens of microseconds per wake-up.
    Sleep,
}

/// Which driver carries the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverChoice {
    /// io_uring where it is allowed, else epoll.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

/// Implements the way from word to value and back, and keeps both in one table.
macro_rules! words {
    ($type:ty, $($word:literal => $value:expr),+) => {
        impl FromStr for $type {
            type Err = String;
            /// # Errors
            /// Any other word; the message lists the ones there are.
            fn from_str(text: &str) -> Result<$type, String> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(unknown(text, &[$($word),+])),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let known = [$(($word, $value)),+];
                let word = known.iter().find(|(_, value)| value == self);
                f.write_str(word.map_or("", |(word, _)| word))
            }
        }
    };
}

words!(WaitMode, "auto" => WaitMode::Auto, "spin" => WaitMode::Spin, "sleep" => WaitMode::Sleep);
words!(MinVersion, "1.2" => MinVersion::Tls12, "1.3" => MinVersion::Tls13);
words!(DriverChoice, "auto" => DriverChoice::Auto, "uring" => DriverChoice::Uring, "epoll" => DriverChoice::Epoll);

/// Reads `--arrivals`.
pub(in crate::run::config) fn arrivals(text: &str) -> Result<Arrivals, String> {
    match text {
        "uniform" => Ok(Arrivals::Uniform),
        "poisson" => Ok(Arrivals::Poisson),
        _ => Err(unknown(text, &["uniform", "poisson"])),
    }
}

fn unknown(text: &str, known: &[&str]) -> String {
    format!("`{text}` is not one of {}", known.join(", "))
}
