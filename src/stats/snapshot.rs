//! What happened within one interval, in one worker or, merged, in all of them.

use crate::stats::compact::CompactHistogram;
use crate::stats::counts::Counts;
use crate::stats::latencies::Latencies;
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// One interval of one worker; after merging, of several.
///
/// Moved from the worker to the collector and back, emptied, for the next interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is. Merging keeps the receiver's.
    pub worker: u32,
    /// What was counted within the interval.
    pub counts: Counts,
    /// What was measured within the interval.
    pub latencies: Latencies,
    /// What a run of scenarios keeps apart; empty in plain runs, whose latencies are in `latencies`.
    pub tally: Tally,
    /// Connections open at the interval's edge.
    pub connections: u64,
    /// Virtual users at the interval's edge.
    pub vus: u64,
    /// Requests in flight at the interval's edge.
    pub in_flight: u64,
    /// Arrivals waiting for a connection at the interval's edge.
    pub backlog: u64,
    /// The interval's edge, as an offset from the start of measuring.
    pub end: Nanos,
    /// It is behind the window: of what was in flight when that closed.
    pub drain: bool,
}

impl Snapshot {
    /// An empty one for `worker`. This is the only place that allocates; all else reuses it.
    pub fn new(worker: u32) -> Snapshot {
        Snapshot { worker, ..Snapshot::default() }
    }

    /// Adds the same interval of another worker: counts and histograms exactly, gauges as sums, the
    /// later of both edges.
    pub fn merge(&mut self, other: &Snapshot) {
        self.counts.merge(&other.counts);
        self.latencies.merge(&other.latencies);
        self.tally.merge(&other.tally);
        self.connections += other.connections;
        self.vus += other.vus;
        self.in_flight += other.in_flight;
        self.backlog += other.backlog;
        self.end = self.end.max(other.end);
        self.drain |= other.drain;
    }

    /// All response times.
    pub fn response_time(&self, open_model: bool) -> CompactHistogram {
        let mut all = CompactHistogram::default();
        if !self.tally.is_empty() {
            for series in self.tally.all_requests() {
                all.merge(&series.alike);
                all.merge(&series.response_time);
            }
        } else if open_model {
            all.merge_dense(&self.latencies.response_time);
        } else {
            all.merge_dense(&self.latencies.whole);
            all.merge_dense(&self.latencies.split_service);
        }
        all
    }

    /// Empties it for reuse, without allocating. It stays the worker's. 0.1 to 0.2 ms: histograms that
    /// hold nothing cost nothing.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.latencies.clear();
        self.tally.clear();
        self.connections = 0;
        self.vus = 0;
        self.in_flight = 0;
        self.backlog = 0;
        self.end = Nanos::ZERO;
        self.drain = false;
    }
}

#[cfg(test)]
mod tests;
