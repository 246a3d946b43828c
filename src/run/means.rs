//! Which driver the workers get: io_uring when each of them has its ring, else epoll for all.
//!
//! Only trying tells, and only trying in full: a small ring says nothing about a large one, nor one
//! worker's ring about the next one's. So each worker builds its own and says how that went; once all
//! have, all are told what to go on with.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::config::DriverChoice;
use crate::driver::DriverConfig;
use crate::driver::uring::{SetupError, UringDriver};

/// What the workers of a run carry the bytes with, and why.
#[derive(Debug, Default)]
pub(super) struct Means {
    /// io_uring; else epoll.
    pub(super) uring: bool,
    /// Why it is not io_uring, if that was not asked for; or what is amiss with the rings.
    pub(super) note: Option<String>,
    /// What every ring has.
    pub(super) features: Vec<&'static str>,
}

impl Means {
    /// As on the command line and in the report.
    pub(super) fn driver(&self) -> &'static str {
        if self.uring { "uring" } else { "epoll" }
    }
}

/// What a worker says about its ring.
#[derive(Debug, PartialEq, Eq)]
struct Ring {
    features: Vec<&'static str>,
    notice: Option<String>,
}

type Attempt = Result<Ring, SetupError>;

/// The end of the thread that starts the workers.
pub(super) struct Election {
    asked: DriverChoice,
    attempts: Receiver<Attempt>,
    /// One word for each worker: true to go on with its ring.
    verdicts: Sender<bool>,
}

/// A worker's end.
#[derive(Clone)]
pub(super) struct Ballot {
    asked: DriverChoice,
    attempt: Sender<Attempt>,
    verdict: Receiver<bool>,
}

/// What a worker is to go on with.
pub(super) enum Elected {
    Uring(Box<UringDriver>),
    Epoll,
}

/// An election among `workers`, each of which gets a clone of the ballot.
pub(super) fn election(asked: DriverChoice, workers: usize) -> (Election, Ballot) {
    let (attempt, attempts) = bounded(workers);
    let (verdicts, verdict) = bounded(workers);
    (Election { asked, attempts, verdicts }, Ballot { asked, attempt, verdict })
}

impl Election {
    /// Waits for the attempts of `workers` and tells all of them what to do. On an error they go home.
    ///
    /// # Errors
    /// When io_uring was asked for and one of them cannot have it.
    pub(super) fn decide(self, workers: usize) -> Result<Means, SetupError> {
        if self.asked == DriverChoice::Epoll {
            return Ok(Means::default());
        }
        let means = count(self.asked, self.attempts.iter().take(workers))?;
        for _ in 0..workers {
            // There is room, and who has gone needs none.
            let _ = self.verdicts.send(means.uring);
        }
        Ok(means)
    }
}

/// One ring that cannot be had settles it: workers with different drivers would not be comparable.
fn count(asked: DriverChoice, attempts: impl Iterator<Item = Attempt>) -> Result<Means, SetupError> {
    let mut means = Means { uring: true, ..Means::default() };
    for (at, attempt) in attempts.enumerate() {
        match attempt {
            Ok(ring) => {
                if at == 0 {
                    means.features = ring.features;
                } else {
                    means.features.retain(|feature| ring.features.contains(feature));
                }
                means.note = means.note.or(ring.notice);
            }
            Err(e) if asked == DriverChoice::Uring => return Err(e),
            Err(e) => {
                return Ok(Means { note: Some(format!("{e}; going on with epoll")), ..Means::default() });
            }
        }
    }
    Ok(means)
}

impl Ballot {
    /// What this worker goes on with; `None`: there is no run. Called on the worker's own thread, to which
    /// the ring belongs (IORING_SETUP_SINGLE_ISSUER).
    pub(super) fn cast(self, config: DriverConfig) -> Option<Elected> {
        if self.asked == DriverChoice::Epoll {
            return Some(Elected::Epoll);
        }
        let (attempt, driver) = match UringDriver::new(config) {
            Ok(driver) => {
                let ring = Ring { features: driver.features().to_vec(), notice: driver.notice() };
                (Ok(ring), Some(Box::new(driver)))
            }
            Err(e) => (Err(e), None),
        };
        // Nobody listens once the matter is settled.
        let _ = self.attempt.send(attempt);
        drop(self.attempt);
        match (self.verdict.recv().ok()?, driver) {
            (true, Some(driver)) => Some(Elected::Uring(driver)),
            _ => Some(Elected::Epoll),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(features: &[&'static str], notice: Option<&str>) -> Attempt {
        Ok(Ring { features: features.to_vec(), notice: notice.map(str::to_owned) })
    }

    #[test]
    fn rings_for_all_are_used_and_what_all_have_is_named() {
        let attempts = [ring(&["a", "b"], None), ring(&["b", "c"], Some("small")), ring(&["b"], None)];
        let means = count(DriverChoice::Auto, attempts.into_iter()).unwrap();
        assert_eq!((means.driver(), means.features.as_slice()), ("uring", &["b"][..]));
        assert_eq!(means.note.as_deref(), Some("small"));
    }

    #[test]
    fn one_ring_that_is_missing_settles_it() {
        let attempts = || [ring(&["a"], Some("small")), Err(SetupError::Absent)].into_iter();
        let means = count(DriverChoice::Auto, attempts()).unwrap();
        assert_eq!((means.driver(), means.features.as_slice()), ("epoll", &[][..]));
        assert!(means.note.unwrap().contains("going on with epoll"));
        assert!(matches!(count(DriverChoice::Uring, attempts()), Err(SetupError::Absent)));
    }
}
