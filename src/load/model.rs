//! The load models: what decides that a request is due.

use crate::units::{Nanos, Rate};

/// What decides that the next request starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadModel {
    /// The response to the one before, on the same connection: the target sets the pace.
    Closed,
    /// The schedule, whatever the target does.
    Open(Schedule),
}

impl LoadModel {
    /// True when requests follow a schedule.
    pub fn is_open(&self) -> bool {
        matches!(self, LoadModel::Open(_))
    }
}

/// How the arrivals of a rate lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly: arrival k at `floor(k * per / count)` ns, the first at 0.
    #[default]
    Uniform,
    /// A Poisson process: independent exponential gaps, the first one before the first arrival.
    Poisson,
}

/// When requests are to start: the whole run's arrivals, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Arrivals over time. With a `count` or `per` of zero nothing ever arrives.
    pub rate: Rate,
    /// How they lie in time.
    pub arrivals: Arrivals,
    /// Seeds [`Arrivals::Poisson`]; without effect on uniform arrivals.
    pub seed: u64,
    /// No arrival at or after this point.
    pub end: Option<Nanos>,
    /// At most so many arrivals, over all workers.
    pub limit: Option<u64>,
}

/// How many of `total` fall to `worker` (from 0) when `workers` (at least 1) take turns.
pub fn share(total: u64, worker: u32, workers: u32) -> u64 {
    debug_assert!(worker < workers);
    let workers = u64::from(workers.max(1));
    total / workers + u64::from(u64::from(worker) < total % workers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_add_up_and_differ_by_at_most_one(total: u64, workers in 1u32..200) {
            let shares: Vec<u64> = (0..workers).map(|w| share(total, w, workers)).collect();
            let sum: u128 = shares.iter().map(|&s| u128::from(s)).sum();
            prop_assert_eq!(sum, u128::from(total));
            prop_assert!(shares[0] - shares[shares.len() - 1] <= 1);
            prop_assert!(shares.is_sorted_by(|a, b| a >= b));
        }
    }
}
