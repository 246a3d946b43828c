//! Samples: were all of them written, and did the load wait for that?

use super::{Findings, Readings, WorkerReadings, percent, share};
use crate::units::human;

/// Above this share of the window waiting for `--samples` is in the figures.
const WAIT_MAX: f64 = 0.01;

pub(super) fn judge(readings: &Readings, findings: &mut Findings) {
    let Some(samples) = &readings.samples else { return };
    if let Some(error) = &samples.error {
        findings.invalid(format!(
            "the samples in {} are incomplete ({} were written, all were asked for): {error}; write them where there is \
             room (--samples), and keep whoever reads them until the end",
            samples.place,
            human::count(samples.written)
        ));
    }
    let waited = |worker: &WorkerReadings| share(worker.samples_wait.0, worker.wall.0);
    let Some(worst) = readings.workers.iter().max_by(|a, b| waited(a).total_cmp(&waited(b))) else { return };
    if waited(worst) > WAIT_MAX {
        findings.suspect(format!(
            "workers waited until samples were written (--samples): the one on core {} for {} of the time (at most {} is \
             sound), so the load was held up; write them to a faster disk or reader, send fewer requests, or do without",
            worst.core,
            percent(waited(worst)),
            percent(WAIT_MAX)
        ));
    }
}
