//! What the workers and the thread that runs them say to each other.

use crossbeam_channel::{Receiver, Sender};

use crate::driver::{DriverCounters, TlsReadings};
use crate::stats::snapshot::Snapshot;
pub use crate::stats::tally::{Cause, CheckSample};
use crate::units::Nanos;

pub use super::control::Control;
pub use super::links::{OriginUse, Reason, Standing, Tried};
use super::samples::SampleReadings;

/// How a worker stands before the load begins.
#[derive(Clone, Copy, Debug)]
pub enum Connected {
    /// Its connections were tried.
    Tried(Tried),
    /// They are opened when they are needed: there is nothing to wait for, and nothing is known.
    Lazy,
}

impl Connected {
    /// How opening them went, where that was tried.
    pub fn tried(&self) -> Option<Tried> {
        match self {
            Connected::Tried(tried) => Some(*tried),
            Connected::Lazy => None,
        }
    }
}

/// Another window on the same thread, ring and connections.
#[derive(Clone, Debug)]
pub struct NextWindow<L> {
    /// The worker's share of its load.
    pub load: L,
    /// Load before it is measured.
    pub warmup: Nanos,
    /// Spin between completions instead of sleeping.
    pub spin: bool,
}

/// What a worker knows at the end of a window.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Measured requests sent and neither answered nor failed, in a run that was stopped before its time.
    pub in_flight: u64,
    /// Measured arrivals that were never sent.
    pub backlog: u64,
    /// When its measuring ended: the end of the window, or with a request limit the last response.
    pub measured_until: Nanos,
    /// No connection could be had for so long that a run without an end in time was given up.
    pub gave_up: bool,
    /// Readings for the verdict.
    pub readings: LoopReadings,
    /// What its TLS handshakes came to, since the window before.
    pub tls: TlsReadings,
    /// The first responses that failed a check, a few of each.
    pub samples: Vec<CheckSample>,
    /// What ended iterations early, or kept requests from being sent.
    pub causes: Vec<Cause>,
    /// What it did with each origin, since the window before.
    pub origins: Vec<OriginUse>,
    /// Why connections failed within the window.
    pub reasons: Vec<Reason>,
}

/// What the kernel tells about a thread, counted from its beginning on. Zero is also what it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadReadings {
    /// CPU time in user mode.
    pub user: Nanos,
    /// CPU time in the kernel.
    pub system: Nanos,
    /// Time in which it was ready to run and did not: others had its core, or a quota was used up.
    pub run_delay: Nanos,
    /// How often it was given its core.
    pub slices: u64,
    /// Page faults that waited for storage.
    pub major_faults: u64,
    /// The core that it is on.
    pub core: Option<usize>,
}

impl ThreadReadings {
    fn since(self, earlier: &ThreadReadings) -> ThreadReadings {
        ThreadReadings {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
            run_delay: self.run_delay - earlier.run_delay,
            slices: self.slices.saturating_sub(earlier.slices),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            core: self.core,
        }
    }
}

/// Readings of a worker's loop over the measured window.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopReadings {
    /// Turns of the loop.
    pub turns: u64,
    /// Time in turns that did something.
    pub busy: Nanos,
    /// The time that these readings span: from the start of measuring.
    pub wall: Nanos,
    /// Longest that a turn came after it should have: the thread stood still.
    pub stood_still: Nanos,
    /// What the kernel gave to the thread, and kept from it.
    pub thread: ThreadReadings,
    /// The driver's own.
    pub driver: DriverCounters,
    /// Connections over the window.
    pub standing: Standing,
    /// What came of the stream of samples, since the window before.
    pub samples: SampleReadings,
}

impl LoopReadings {
    /// Readings that begin now: what has been counted so far is the base that [`ended`](LoopReadings::ended) takes off.
    pub(super) fn begun(driver: DriverCounters, thread: ThreadReadings) -> LoopReadings {
        LoopReadings { driver, thread, ..LoopReadings::default() }
    }

    /// The readings over `wall`, up to these totals.
    pub(super) fn ended(self, driver: DriverCounters, thread: ThreadReadings, wall: Nanos) -> LoopReadings {
        LoopReadings {
            wall,
            thread: thread.since(&self.thread),
            driver: DriverCounters {
                enters: driver.enters - self.driver.enters,
                cq_overflows: driver.cq_overflows - self.driver.cq_overflows,
                buffer_starvations: driver.buffer_starvations - self.driver.buffer_starvations,
            },
            ..self
        }
    }
}

/// From a worker to the collector.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "few are under way, and a box would allocate for each interval"
)]
pub enum Message {
    /// It is ready for the load.
    Connected(Connected),
    /// What happened up to an interval's edge.
    Interval(Snapshot),
    /// The worker is done with a window.
    Finished(Box<Finished>),
    /// The driver broke: the worker cannot go on.
    Broken(String),
}

/// A worker's ends of the two bounded channels: full snapshots go out, emptied ones come back.
#[derive(Debug)]
pub struct Channel {
    /// To the collector, with the worker's number.
    pub out: Sender<(u32, Message)>,
    /// Emptied snapshots.
    pub emptied: Receiver<Snapshot>,
}
