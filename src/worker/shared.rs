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
}

impl Shared {
    /// Of a window in which nothing was taken yet.
    pub fn new(workload: &Workload) -> Arc<Shared> {
        let numbers = |len: usize| (0..len).map(|_| AtomicU64::new(0)).collect();
        let (iterations, rows) = (numbers(workload.scenarios.len()), numbers(workload.data.len()));
        Arc::new(Shared { iterations, rows })
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
