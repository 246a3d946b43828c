//! Who is told how a run goes, while it goes; and the flag that ends one early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::Report;
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
    /// Since measuring began.
    pub elapsed: Nanos,
    /// How long it will measure; `None` when a number of requests ends the run.
    pub total: Option<Nanos>,
    /// Whole answers per second.
    pub rate: f64,
    /// Median response time.
    pub p50: Nanos,
    /// 99th percentile of the response time.
    pub p99: Nanos,
    /// Requests that got no whole answer.
    pub failed: u64,
    /// Whole answers.
    pub completed: u64,
    /// Open connections.
    pub connections: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Arrivals that wait for a connection.
    pub backlog: u64,
}

/// Is told how a run goes.
///
/// Called from the thread that leads the run, never from a worker; what takes long here delays
/// the next call but no request. Every method does nothing unless implemented.
pub trait Observer {
    /// The run enters a phase.
    fn on_phase(&mut self, _phase: Phase) {}
    /// An interval is over.
    fn on_snapshot(&mut self, _progress: &Progress) {}
    /// The run met something that its user should know of and that does not end it.
    fn on_notice(&mut self, _notice: &str) {}
    /// The run is over.
    fn on_report(&mut self, _report: &Report) {}
}

/// Nobody is told anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

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
