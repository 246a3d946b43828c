//! Who is told how a run goes, while it goes; and the flag that ends one early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::Report;
use crate::stats::counts::Counts;
use crate::stats::latencies::Latencies;
use crate::stats::layout::Layout;
use crate::stats::snapshot::Snapshot;
use crate::stats::summary::TimelinePoint;
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// What a run is doing. A run goes through these in order; it may leave some out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opening connections. Nothing of it is measured as load.
    Connect,
    /// Sending load that is not measured.
    Warmup,
    /// Measuring.
    Measure,
    /// Waiting for what is in flight.
    Drain,
}

/// How far a run has come. Rate and percentiles are those of the last interval, `completed` and
/// `failed` are totals, the rest is as it stood at the interval's end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Since measuring began; 0 before.
    pub elapsed: Nanos,
    /// How long it will measure; `None` when a number of requests ends the run.
    pub total: Option<Nanos>,
    /// Whole responses per second.
    pub rate: f64,
    /// Median response time.
    pub p50: Nanos,
    /// 99th percentile of the response time.
    pub p99: Nanos,
    /// Requests that got no whole response.
    pub failed: u64,
    /// Whole responses.
    pub completed: u64,
    /// Open connections. Before measuring: those that have come about, of the workers that are done with connecting.
    pub connections: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Arrivals that wait for a connection.
    pub backlog: u64,
}

/// A stretch of the run, and how far the run has come with it.
///
/// While the run measures there is one whenever every worker has handed its figures over: one for each of the
/// configured spans, or fewer when a worker was late. In the other phases nothing is measured; there one comes about as often
/// and says only that time passes.
#[derive(Clone, Debug)]
pub struct Interval {
    /// From 1, counted over the whole run: a gap is as many intervals as were lost.
    pub number: u64,
    /// What the run was doing when the interval was handed over. The last figures, those of the drain among them, may come
    /// with any phase from `Measure` on.
    pub phase: Phase,
    /// For how long it had been doing that.
    pub in_phase: Nanos,
    /// What is shown of it; `None` where nothing was measured.
    pub point: Option<TimelinePoint>,
    /// How far the run has come.
    pub progress: Progress,
    /// All that was measured in it, over all workers; empty where nothing was.
    pub snapshot: Snapshot,
    /// What was counted so far, this interval included.
    pub counts: Counts,
    /// What was measured so far, this interval included; only where an observer asked for [`Detail::Totals`].
    pub totals: Option<Box<Totals>>,
    /// What the indexes in the tallies mean.
    pub layout: Arc<Layout>,
}

impl Interval {
    /// One in which nothing has happened. Allocates all tables of its snapshot.
    pub fn empty(layout: Arc<Layout>) -> Interval {
        Interval {
            number: 0,
            phase: Phase::Connect,
            in_phase: Nanos::ZERO,
            point: None,
            progress: Progress::default(),
            snapshot: Snapshot::default(),
            counts: Counts::default(),
            totals: None,
            layout,
        }
    }
}

/// What was measured since measuring began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of plain runs; in runs of scenarios what is not in the tally (`connect`, `tls_handshake`, `pickup_lag`).
    pub latencies: Latencies,
    /// What scenarios keep apart; empty in plain runs.
    pub tally: Tally,
}

/// How much an observer wants to know of each interval. Who wants more gets the rest, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// No intervals at all.
    Nothing,
    /// Intervals. One costs the run next to nothing: its snapshot is handed on, not copied.
    Intervals,
    /// With [`Interval::totals`], which are copied for each interval: about a millisecond of the thread that leads the run.
    Totals,
}

/// Is told how a run goes.
///
/// Each observer is called from a thread of its own, never from a worker or the thread that leads the run. One that takes
/// long loses intervals, and nothing else: phases, notices and the report come in order, however late. One
/// that panics is told nothing more, and the run goes on. It is dropped when there is nothing more to tell.
///
/// Every method does nothing unless implemented.
pub trait Observer: Send {
    /// What it is called where something is to be said about it.
    fn name(&self) -> &'static str {
        "observer"
    }
    /// What it wants to know. Asked once, before the run.
    fn detail(&self) -> Detail {
        Detail::Intervals
    }
    /// The run enters a phase; the first one is [`Phase::Connect`].
    fn on_phase(&mut self, _phase: Phase) {}
    /// An interval is over.
    fn on_interval(&mut self, _interval: &Arc<Interval>) {}
    /// So many intervals were over while the observer was busy, and were passed over. Told before the next interval that it
    /// gets, before the report, or at the end.
    fn on_lost(&mut self, _intervals: u64) {}
    /// The run met something that its user should know of and that does not end it.
    fn on_notice(&mut self, _notice: &str) {}
    /// The run is over. Not called for a run that has no report.
    fn on_report(&mut self, _report: &Arc<Report>) {}
}

/// Ends a run before its time, from another thread or a signal handler. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that is not set.
    pub fn new() -> StopFlag {
        StopFlag::default()
    }

    /// Asks the run to stop. It still drains and reports. There is no way back.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True once [`StopFlag::set`] was called.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl AsRef<AtomicBool> for StopFlag {
    /// For those who wait for a plain flag, such as the bundled target.
    fn as_ref(&self) -> &AtomicBool {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_the_same_flag() {
        let flag = StopFlag::new();
        let other = flag.clone();
        assert!(!other.is_set());
        flag.set();
        assert!(other.is_set());
        assert!(!StopFlag::new().is_set());
    }
}
