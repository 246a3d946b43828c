//! What the thread that leads a run says to all workers at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::units::Nanos;

/// Read by every worker each turn, written by the coordinator: start time and stop flag.
#[derive(Debug, Default)]
pub struct Control {
    start: AtomicU64,
    stop: AtomicBool,
}

impl Control {
    /// Nothing has started yet.
    pub fn new() -> Control {
        Control::default()
    }

    /// Lets the load begin at `at` on the monotonic clock.
    pub fn start(&self, at: Nanos) {
        self.start.store(at.0, Ordering::Release);
    }

    /// When the load begins; `None` while connections are still being opened.
    pub fn started(&self) -> Option<Nanos> {
        match self.start.load(Ordering::Acquire) {
            0 => None,
            at => Some(Nanos(at)),
        }
    }

    /// Back to where nothing has started, for another window. Every worker must have [finished](super::channel::Message::Finished) the one before.
    pub fn rewind(&self) {
        self.stop.store(false, Ordering::Relaxed);
        self.start.store(0, Ordering::Release);
    }

    /// Ends the load now; what is in flight is still waited for.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// True once [`stop`](Control::stop) was called.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
