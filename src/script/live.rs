//! Counts of a run while it goes on, for scripts that ask for them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Iterations and users, over all workers.
#[derive(Debug, Default)]
pub struct Live {
    completed: AtomicU64,
    interrupted: AtomicU64,
    active: AtomicU64,
    initialised: AtomicU64,
}

impl Live {
    /// An iteration is over.
    pub fn complete(&self) {
        self.completed.fetch_add(1, Relaxed);
    }

    /// An iteration was cut off.
    pub fn interrupt(&self) {
        self.interrupted.fetch_add(1, Relaxed);
    }

    /// A user is there.
    pub fn initialise(&self) {
        self.initialised.fetch_add(1, Relaxed);
    }

    /// A user has begun an iteration.
    pub fn begin(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    /// And is through with it.
    pub fn end(&self) {
        self.active.fetch_sub(1, Relaxed);
    }

    /// Iterations that are over.
    pub fn completed(&self) -> u64 {
        self.completed.load(Relaxed)
    }

    /// Iterations that were cut off.
    pub fn interrupted(&self) -> u64 {
        self.interrupted.load(Relaxed)
    }

    /// Users in an iteration.
    pub fn active(&self) -> u64 {
        self.active.load(Relaxed)
    }

    /// Users that are there.
    pub fn initialised(&self) -> u64 {
        self.initialised.load(Relaxed)
    }
}
