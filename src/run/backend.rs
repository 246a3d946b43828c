//! The backend of a run, which is the driver that all workers get: io_uring when each of them has its ring, else epoll for all.
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
pub(super) struct Backend {
    /// io_uring; else epoll.
    pub(super) uring: bool,
    /// Why it is not io_uring, if that was not asked for; or what is amiss with the rings.
    pub(super) note: Option<String>,
    /// What every ring has.
    pub(super) features: Vec<&'static str>,
}

impl Backend {
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
pub(super) struct Trials {
    asked: DriverChoice,
    attempts: Receiver<Attempt>,
    /// One word for each worker: true to go on with its ring.
    decisions: Sender<bool>,
}

/// A worker's end.
#[derive(Clone)]
pub(super) struct Trial {
    asked: DriverChoice,
    attempt: Sender<Attempt>,
    decision: Receiver<bool>,
}

/// What a worker is to go on with.
pub(super) enum Chosen {
    Uring(Box<UringDriver>),
    Epoll,
}

/// The trials of `workers`, each of which gets a clone of its end.
pub(super) fn trials(asked: DriverChoice, workers: usize) -> (Trials, Trial) {
    let (attempt, attempts) = bounded(workers);
    let (decisions, decision) = bounded(workers);
    (Trials { asked, attempts, decisions }, Trial { asked, attempt, decision })
}

impl Trials {
    /// Waits for the attempts of `workers` and tells all of them what to do. On an error they end.
    ///
    /// # Errors
    /// When io_uring was asked for and one of them cannot have it.
    pub(super) fn decide(self, workers: usize) -> Result<Backend, SetupError> {
        if self.asked == DriverChoice::Epoll {
            return Ok(Backend::default());
        }
        let backend = count(self.asked, self.attempts.iter().take(workers))?;
        for _ in 0..workers {
            // There is room, and who has gone needs none.
            let _ = self.decisions.send(backend.uring);
        }
        Ok(backend)
    }
}

/// One ring that cannot be had settles it: workers with different drivers would not be comparable.
fn count(asked: DriverChoice, attempts: impl Iterator<Item = Attempt>) -> Result<Backend, SetupError> {
    let mut backend = Backend { uring: true, ..Backend::default() };
    for (at, attempt) in attempts.enumerate() {
        match attempt {
            Ok(ring) => {
                if at == 0 {
                    backend.features = ring.features;
                } else {
                    backend.features.retain(|feature| ring.features.contains(feature));
                }
                backend.note = backend.note.or(ring.notice);
            }
            Err(e) if asked == DriverChoice::Uring => return Err(e),
            Err(e) => {
                return Ok(Backend { note: Some(format!("{e}; going on with epoll")), ..Backend::default() });
            }
        }
    }
    Ok(backend)
}

impl Trial {
    /// What this worker goes on with; `None`: there is no run. Called on the worker's own thread, to which
    /// the ring belongs (IORING_SETUP_SINGLE_ISSUER).
    pub(super) fn attempt(self, config: DriverConfig) -> Option<Chosen> {
        if self.asked == DriverChoice::Epoll {
            return Some(Chosen::Epoll);
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
        match (self.decision.recv().ok()?, driver) {
            (true, Some(driver)) => Some(Chosen::Uring(driver)),
            _ => Some(Chosen::Epoll),
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
        let backend = count(DriverChoice::Auto, attempts.into_iter()).unwrap();
        assert_eq!((backend.driver(), backend.features.as_slice()), ("uring", &["b"][..]));
        assert_eq!(backend.note.as_deref(), Some("small"));
    }

    #[test]
    fn one_ring_that_is_missing_settles_it() {
        let attempts = || [ring(&["a"], Some("small")), Err(SetupError::Absent)].into_iter();
        let backend = count(DriverChoice::Auto, attempts()).unwrap();
        assert_eq!((backend.driver(), backend.features.as_slice()), ("epoll", &[][..]));
        assert!(backend.note.unwrap().contains("going on with epoll"));
        assert!(matches!(count(DriverChoice::Uring, attempts()), Err(SetupError::Absent)));
    }
}
