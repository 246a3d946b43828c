//! Aligns the workers' interval snapshots and merges them, interval by interval.

use std::collections::BTreeMap;

use crate::stats::snapshot::Snapshot;
use crate::stats::summary::{Summary, SummaryBuilder, TimelinePoint};
use crate::units::Nanos;

/// Interval `k` is over when every worker has delivered it or a later one.
pub(super) struct Collector {
    interval: Nanos,
    /// The last interval that each worker has delivered; MAX once it is finished.
    marks: Vec<u64>,
    pending: BTreeMap<u64, Snapshot>,
    /// The last interval that was handed on.
    handed_on: u64,
    /// What came behind the window.
    rest: Snapshot,
    spare: Vec<Snapshot>,
    builder: SummaryBuilder,
}

impl Collector {
    pub(super) fn new(workers: usize, interval: Nanos, open_model: bool) -> Collector {
        Collector {
            interval,
            marks: vec![0; workers],
            pending: BTreeMap::new(),
            handed_on: 0,
            rest: Snapshot::default(),
            spare: Vec::new(),
            builder: SummaryBuilder::new(open_model),
        }
    }

    /// Takes a worker's snapshot in and leaves it empty, to be sent back.
    pub(super) fn add(&mut self, snapshot: &mut Snapshot) {
        if snapshot.drain {
            self.rest.merge(snapshot);
            snapshot.clear();
            return;
        }
        let number = snapshot.end.0.div_ceil(self.interval.0.max(1));
        // What comes after its interval was handed on joins the next one.
        let number = number.max(self.handed_on + 1);
        let spare = &mut self.spare;
        let merged = self.pending.entry(number).or_insert_with(|| spare.pop().unwrap_or_default());
        merged.merge(snapshot);
        let mark = &mut self.marks[snapshot.worker as usize];
        *mark = number.max(*mark);
        snapshot.clear();
    }

    /// A worker has delivered its last snapshot.
    pub(super) fn finished(&mut self, worker: u32) {
        self.marks[worker as usize] = u64::MAX;
    }

    /// The next interval that is over, with what was sent and answered in it.
    pub(super) fn next(&mut self) -> Option<(TimelinePoint, Snapshot)> {
        let (number, _) = self.pending.first_key_value()?;
        if self.marks.iter().any(|mark| mark < number) {
            return None;
        }
        let (number, merged) = self.pending.pop_first()?;
        self.handed_on = number;
        Some((self.builder.push(&merged)?, merged))
    }

    /// A snapshot in which nothing is.
    pub(super) fn empty(&mut self) -> Snapshot {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes back a snapshot that [`next`](Collector::next) or [`empty`](Collector::empty) handed on.
    pub(super) fn recycle(&mut self, mut snapshot: Snapshot) {
        snapshot.clear();
        self.spare.push(snapshot);
    }

    /// What was counted and measured in the intervals that were handed on.
    pub(super) fn so_far(&self) -> &SummaryBuilder {
        &self.builder
    }

    /// What came behind the window, which is in the totals from here on: after the last interval.
    pub(super) fn take_rest(&mut self) -> Snapshot {
        let rest = std::mem::take(&mut self.rest);
        self.builder.push_rest(&rest);
        rest
    }

    /// After [`take_rest`](Collector::take_rest).
    pub(super) fn finish(self, duration: Nanos, in_flight: u64, backlog: u64) -> Summary {
        self.builder.finish(duration, in_flight, backlog)
    }
}

#[cfg(test)]
mod tests;
