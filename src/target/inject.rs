//! Faults on purpose: latency from a known distribution, errors at a known rate, stalls.
//!
//! A load generator is only believed when a distribution that was put in comes back out.

use std::f64::consts::TAU;
use std::str::FromStr;

use crate::rng::Rng;
use crate::units::{Nanos, UnitError, parse_duration};

/// The longest latency or stall that may be injected, and the cap on a drawn one: one hour.
const SPAN_MAX: Nanos = Nanos::from_secs(3_600);

/// A distribution that extra latency is drawn from, for each request on a load route.
///
/// Parsed from `const:5ms`, `exp:5ms` (the mean), `lognormal:5ms,0.5` (median, sigma of the
/// logarithm) or `uniform:1ms..10ms` (both ends included). Draws are capped at one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always this long.
    Const(Nanos),
    /// Exponential with this mean.
    Exp(Nanos),
    /// Log-normal: the logarithm is normal around that of `median` with deviation `sigma`.
    LogNormal {
        /// Half of the draws are below this.
        median: Nanos,
        /// Standard deviation of the logarithm, 0 to 10.
        sigma: f64,
    },
    /// Uniform between the two.
    Uniform {
        /// The shortest.
        low: Nanos,
        /// The longest.
        high: Nanos,
    },
}

/// A periodic stall: the last `length` of every `period`, no thread answers anything.
///
/// Parsed from `1s/5s`: still for 1 s in every 5 s. The first stall begins `period - length`
/// after the start, and all threads stand still together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How long the server stands still.
    pub length: Nanos,
    /// From the beginning of one stall to that of the next.
    pub period: Nanos,
}

/// Why a latency or stall specification was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// The latency names no known distribution.
    #[error("unknown latency {0:?}: use const:5ms, exp:5ms, lognormal:5ms,0.5 or uniform:1ms..10ms")]
    Distribution(String),
    /// The parameters of a distribution do not have its form.
    #[error("{given:?} does not fit {name}: write it like {example}")]
    Parameters {
        /// The distribution.
        name: &'static str,
        /// What was given after the colon.
        given: String,
        /// A specification that is right.
        example: &'static str,
    },
    /// A part is not a duration.
    #[error(transparent)]
    Duration(#[from] UnitError),
    /// A duration above one hour.
    #[error("{0:?} is longer than one hour, which is the most that is injected")]
    TooLong(String),
    /// Sigma is not a number from 0 to 10.
    #[error("{0:?} is not a sigma: use a number from 0 to 10, such as 0.5")]
    Sigma(String),
    /// The lower end lies above the upper one.
    #[error("the range {0:?} is upside down: write the shorter duration first")]
    Range(String),
    /// A stall without its two parts.
    #[error("{0:?} is not a stall: write length/period, such as 1s/5s")]
    Stall(String),
    /// A stall that is nothing, or that never ends.
    #[error("in {0:?} the stall must be longer than nothing and shorter than its period")]
    StallLength(String),
}

fn duration(text: &str) -> Result<Nanos, InjectError> {
    let span = parse_duration(text.trim())?;
    if span > SPAN_MAX {
        return Err(InjectError::TooLong(text.to_owned()));
    }
    Ok(span)
}

impl FromStr for Latency {
    type Err = InjectError;

    fn from_str(text: &str) -> Result<Latency, InjectError> {
        let (name, given) = text.split_once(':').ok_or_else(|| InjectError::Distribution(text.to_owned()))?;
        let misfit = |name, example| InjectError::Parameters { name, given: given.to_owned(), example };
        match name.trim() {
            "const" => Ok(Latency::Const(duration(given)?)),
            "exp" => Ok(Latency::Exp(duration(given)?)),
            "lognormal" => {
                let (median, sigma) =
                    given.split_once(',').ok_or_else(|| misfit("lognormal", "lognormal:5ms,0.5"))?;
                let sigma = match sigma.trim().parse::<f64>() {
                    Ok(value) if (0.0..=10.0).contains(&value) => value,
                    _ => return Err(InjectError::Sigma(sigma.to_owned())),
                };
                let median = duration(median)?;
                Ok(Latency::LogNormal { median, sigma })
            }
            "uniform" => {
                let (low, high) =
                    given.split_once("..").ok_or_else(|| misfit("uniform", "uniform:1ms..10ms"))?;
                let (low, high) = (duration(low)?, duration(high)?);
                if low > high {
                    return Err(InjectError::Range(given.to_owned()));
                }
                Ok(Latency::Uniform { low, high })
            }
            _ => Err(InjectError::Distribution(text.to_owned())),
        }
    }
}

impl FromStr for Stall {
    type Err = InjectError;

    fn from_str(text: &str) -> Result<Stall, InjectError> {
        let (length, period) = text.split_once('/').ok_or_else(|| InjectError::Stall(text.to_owned()))?;
        let (length, period) = (duration(length)?, duration(period)?);
        if length == Nanos::ZERO || length >= period {
            return Err(InjectError::StallLength(text.to_owned()));
        }
        Ok(Stall { length, period })
    }
}

impl Stall {
    /// The stall that `elapsed` (since the server's start) lies in, or the next one: its
    /// beginning and its end, since the start.
    pub(super) fn around(&self, elapsed: Nanos) -> (Nanos, Nanos) {
        let end = Nanos((elapsed.0 / self.period.0 + 1).saturating_mul(self.period.0));
        (end - self.length, end)
    }
}

impl Latency {
    /// Draws one latency.
    pub(super) fn draw(&self, dice: &mut Dice) -> Nanos {
        let drawn = match *self {
            Latency::Const(span) => span.0 as f64,
            Latency::Exp(mean) => -dice.0.unit().ln() * mean.0 as f64,
            Latency::LogNormal { median, sigma } => (dice.normal() * sigma).exp() * median.0 as f64,
            Latency::Uniform { low, high } => low.0 as f64 + dice.0.unit() * (high.0 - low.0) as f64,
        };
        // The cast saturates: the far tail of a log-normal becomes the cap.
        Nanos(drawn as u64).min(SPAN_MAX)
    }
}

/// What one serving thread draws its faults from.
#[derive(Clone, Debug)]
pub(super) struct Dice(Rng);

impl Dice {
    /// The stream of thread `thread` under `seed`.
    pub(super) fn new(seed: u64, thread: usize) -> Dice {
        Dice(Rng::stream(seed, thread as u64))
    }

    /// Standard normal, by Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.0.unit().ln()).sqrt() * (TAU * self.0.unit()).cos()
    }

    /// True with probability `share`; 0 is never, 1 is always.
    pub(super) fn hits(&mut self, share: f64) -> bool {
        self.0.unit() <= share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(latency: Latency) -> Vec<u64> {
        let mut dice = Dice::new(7, 0);
        let mut all: Vec<u64> = (0..20_000).map(|_| latency.draw(&mut dice).0).collect();
        all.sort_unstable();
        all
    }

    fn near(measured: f64, wanted: f64) {
        assert!((measured / wanted - 1.0).abs() < 0.05, "{measured} is not near {wanted}");
    }

    #[test]
    fn specifications_parse() {
        let ms = Nanos::from_millis;
        assert_eq!("const:5ms".parse(), Ok(Latency::Const(ms(5))));
        assert_eq!("exp:1.5ms".parse(), Ok(Latency::Exp(Nanos::from_micros(1_500))));
        assert_eq!("const:0.25".parse(), Ok(Latency::Const(ms(250))));
        assert_eq!("const:1m30s".parse(), Ok(Latency::Const(Nanos::from_secs(90))));
        assert_eq!("lognormal:5ms,0.5".parse(), Ok(Latency::LogNormal { median: ms(5), sigma: 0.5 }));
        assert_eq!("uniform:1ms..10ms".parse(), Ok(Latency::Uniform { low: ms(1), high: ms(10) }));
        assert_eq!("1s/5s".parse(), Ok(Stall { length: Nanos::from_secs(1), period: Nanos::from_secs(5) }));
    }

    #[test]
    fn refusals_show_the_right_form() {
        for (text, hint) in [
            ("5ms", "const:5ms"),
            ("gauss:5ms", "const:5ms"),
            ("const:five", "not a duration"),
            ("const:-5ms", "not a duration"),
            ("const:2h", "one hour"),
            ("lognormal:5ms", "lognormal:5ms,0.5"),
            ("lognormal:5ms,-1", "sigma"),
            ("uniform:5ms", "uniform:1ms..10ms"),
            ("uniform:9ms..5ms", "shorter duration first"),
        ] {
            let message = text.parse::<Latency>().expect_err(text).to_string();
            assert!(message.contains(hint), "{text}: {message}");
        }
        for (text, hint) in [("1s", "1s/5s"), ("5s/5s", "shorter than"), ("0s/5s", "longer than")] {
            let message = text.parse::<Stall>().expect_err(text).to_string();
            assert!(message.contains(hint), "{text}: {message}");
        }
    }

    #[test]
    fn distributions_have_their_parameters() {
        let ms5 = Nanos::from_millis(5);
        let exp = draws(Latency::Exp(ms5));
        near(exp.iter().sum::<u64>() as f64 / exp.len() as f64, 5e6);
        near(exp[exp.len() / 2] as f64, 5e6 * 2f64.ln());

        let lognormal = draws(Latency::LogNormal { median: ms5, sigma: 0.5 });
        near(lognormal[lognormal.len() / 2] as f64, 5e6);
        near(lognormal[lognormal.len() * 8413 / 10_000] as f64, 5e6 * 0.5f64.exp());

        let uniform = draws(Latency::Uniform { low: ms5, high: Nanos::from_millis(9) });
        assert!(uniform[0] >= 5_000_000 && *uniform.last().unwrap() <= 9_000_000);
        near(uniform.iter().sum::<u64>() as f64 / uniform.len() as f64, 7e6);
    }

    #[test]
    fn seeds_repeat_and_threads_differ() {
        let run = |seed, thread| {
            let mut dice = Dice::new(seed, thread);
            (0..64).map(|_| dice.hits(0.5)).collect::<Vec<_>>()
        };
        assert_eq!(run(1, 0), run(1, 0));
        assert_ne!(run(1, 0), run(1, 1));
        assert_ne!(run(1, 0), run(2, 0));
        let mut dice = Dice::new(3, 0);
        assert!((0..1_000).all(|_| !dice.hits(0.0) && dice.hits(1.0)));
    }

    #[test]
    fn stalls_end_each_period() {
        let stall: Stall = "1s/5s".parse().unwrap();
        let s = Nanos::from_secs;
        assert_eq!(stall.around(s(0)), (s(4), s(5)));
        assert_eq!(stall.around(Nanos::from_millis(4_500)), (s(4), s(5)));
        assert_eq!(stall.around(s(5)), (s(9), s(10)));
    }
}
