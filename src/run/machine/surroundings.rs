//! What is counted outside of this process, all at one moment.

use super::stalls::{Stalls, stalls};
use super::steal::{StealTicks, steal_ticks};
use crate::clock;
use crate::units::Nanos;

/// Readings of which two make a span.
pub struct Surroundings {
    /// When they were taken, on the monotonic clock.
    pub at: Nanos,
    /// Time that the hypervisor took.
    pub steal: StealTicks,
    /// Time that control groups were kept from running.
    pub stalls: Stalls,
}

impl Surroundings {
    /// Reads all of them now: some files of /proc and /sys, a tenth of a millisecond.
    pub fn read() -> Surroundings {
        Surroundings { at: clock::now(), steal: steal_ticks(), stalls: stalls() }
    }
}
