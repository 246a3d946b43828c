//! The load models: what decides that a request is due.

use crate::rng::Rng;
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

impl Schedule {
    /// How long the arrivals of a limit take at its rate, the time up to the one that would follow included: 2 at 2/s take a second.
    /// Zero without a limit.
    pub fn span_of_limit(&self) -> Nanos {
        self.limit.map_or(Nanos::ZERO, |limit| self.rate.time_of(limit))
    }
}

/// Purposes that streams of random numbers are kept apart by: users have those below.
const ARRIVALS: u64 = 1 << 40;

/// The seed of the arrivals of a run's scenario number `scenario`, so that no two scenarios draw from one stream of random numbers, nor
/// any of the users.
pub fn arrivals_seed(seed: u64, scenario: usize) -> u64 {
    Rng::stream(seed, ARRIVALS + scenario as u64).next_u64()
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

    #[test]
    fn scenarios_and_users_draw_from_streams_of_their_own() {
        let mut seeds: Vec<u64> = (0..100).map(|scenario| arrivals_seed(7, scenario)).collect();
        assert_eq!(seeds[3], arrivals_seed(7, 3), "reproducible");
        assert_ne!(seeds[3], arrivals_seed(8, 3));
        // Where a scenario's stream begins, no user's does.
        seeds.extend((0..100).map(|user| crate::rng::Rng::stream(7, user).next_u64()));
        seeds.push(7);
        let streams: Vec<u64> = seeds.iter().map(|seed| crate::rng::Rng::new(*seed).next_u64()).collect();
        let different: std::collections::BTreeSet<_> = streams.iter().collect();
        assert_eq!(different.len(), streams.len());
    }

    #[test]
    fn a_limit_takes_as_long_as_its_gaps() {
        let schedule = |limit| Schedule {
            rate: Rate::per_sec(2),
            arrivals: Arrivals::Uniform,
            seed: 0,
            end: None,
            limit,
        };
        assert_eq!(schedule(Some(2)).span_of_limit(), Nanos::from_secs(1));
        assert_eq!(schedule(Some(u64::MAX)).span_of_limit(), Nanos::MAX);
        assert_eq!(schedule(None).span_of_limit(), Nanos::ZERO);
    }

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
