//! What the users of all workers share in one window.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::workload::Workload;

/// Numbers that are taken one by one, whichever worker a user is on: of iterations that a scenario's users share, and of rows
/// that come in one order. Taken from once per iteration at most.
#[derive(Debug)]
pub struct Shared {
    iterations: Box<[AtomicU64]>,
    rows: Box<[AtomicU64]>,
    /// What may be kept of bodies.
    pub(super) bodies: Arc<Allowance>,
}

impl Shared {
    /// Of a window in which nothing was taken yet; of bodies so many bytes may be kept at a time.
    pub fn new(workload: &Workload, bodies: u64) -> Arc<Shared> {
        let numbers = |len: usize| (0..len).map(|_| AtomicU64::new(0)).collect();
        let (iterations, rows) = (numbers(workload.scenarios.len()), numbers(workload.data.len()));
        Arc::new(Shared { iterations, rows, bodies: Allowance::of(bodies) })
    }

    /// Takes so many of a scenario's iterations: the number of the first, from 0.
    pub(super) fn take_iterations(&self, scenario: usize, count: u64) -> u64 {
        self.iterations[scenario].fetch_add(count, Ordering::Relaxed)
    }

    /// Takes the next row of a data set: its number in the order, from 0.
    pub(super) fn take_row(&self, set: usize) -> u64 {
        self.rows[set].fetch_add(1, Ordering::Relaxed)
    }

    /// How many rows of a data set were taken.
    pub(super) fn rows_taken(&self, set: usize) -> u64 {
        self.rows[set].load(Ordering::Relaxed)
    }
}

/// Bytes of bodies that may be kept at a time, over all workers. Asked when a buffer grows, not for each response.
#[derive(Debug)]
pub struct Allowance(AtomicU64);

impl Allowance {
    /// So many bytes.
    pub fn of(bytes: u64) -> Arc<Allowance> {
        Arc::new(Allowance(AtomicU64::new(bytes)))
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}
