//! Thresholds while a run goes on, and at its end.

use std::sync::Arc;

use crate::stats::layout::Layout;
use crate::stats::tally::Tally;
use crate::threshold::{Outcome, Threshold};
use crate::units::Nanos;

/// How often thresholds that may end the run are looked at: as often as k6 does.
const EVERY: Nanos = Nanos::from_secs(2);

/// The thresholds of a run.
pub(super) struct Judge {
    layout: Arc<Layout>,
    thresholds: Vec<Threshold>,
    next: Nanos,
    /// Which ones ended the run.
    fatal: Vec<bool>,
}

impl Judge {
    /// `layout` was prepared for all of them.
    pub(super) fn new(layout: Arc<Layout>, thresholds: Vec<Threshold>) -> Judge {
        let fatal = vec![false; thresholds.len()];
        Judge { layout, thresholds, next: EVERY, fatal }
    }

    /// True when a threshold that is to end the run has failed. Asked at the end of each interval.
    pub(super) fn gives_up(&mut self, tally: &Tally, elapsed: Nanos) -> bool {
        if elapsed < self.next || self.fatal.contains(&true) {
            return false;
        }
        // From tick to tick, whatever span the intervals have: a look that comes late delays none behind it.
        self.next = Nanos(elapsed.0 - elapsed.0 % EVERY.0) + EVERY;
        for (threshold, fatal) in self.thresholds.iter().zip(&mut self.fatal) {
            if threshold.abort_on_fail && elapsed >= threshold.delay_abort_eval {
                let outcome = threshold.evaluate_so_far(&self.layout, tally, elapsed);
                *fatal = outcome.is_some_and(|outcome| !outcome.ok);
            }
        }
        self.fatal.contains(&true)
    }

    /// How all of them came out.
    pub(super) fn last_word(self, tally: &Tally, elapsed: Nanos) -> Vec<(Threshold, Outcome, bool)> {
        let layout = self.layout;
        let all = self.thresholds.into_iter().zip(self.fatal);
        all.map(|(threshold, fatal)| {
            let outcome = threshold.evaluate(&layout, tally, elapsed);
            // What ended the run has failed, whatever came in behind it.
            (threshold, Outcome { ok: outcome.ok && !fatal, ..outcome }, fatal)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests;
