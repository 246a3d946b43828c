//! Whose turn it is: connections are dealt out over the endpoints, evenly over all workers.

/// One worker's part of dealing connections out.
///
/// As with arrivals, the k-th connection of worker i of n is number i + k·n of one global row, and number m goes to
/// endpoint m modulo their count. Where both counts share a factor g, that would show a worker every g-th endpoint only; so each
/// time that it has seen all of those it moves on by one, together with the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    worker: u64,
    workers: u64,
    dealt: u64,
}

impl Rotation {
    pub(super) fn new(worker: u32, workers: u32) -> Rotation {
        Rotation { worker: worker.into(), workers: workers.max(1).into(), dealt: 0 }
    }

    /// The endpoint of the next connection, below `endpoints`, which is not 0 and always the same.
    pub(super) fn next(&mut self, endpoints: u32) -> u32 {
        let endpoints = u64::from(endpoints);
        let dealt = self.dealt % (endpoints * endpoints); // a whole number of rounds, so that nothing overflows
        self.dealt += 1;
        let before_moving_on = endpoints / gcd(self.workers, endpoints);
        let row = self.worker + dealt * (self.workers % endpoints);
        ((row + dealt / before_moving_on) % endpoints) as u32
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::load::share;

    /// How many connections each endpoint gets when each worker has opened so many.
    fn dealt(endpoints: u32, counts: &[u64]) -> Vec<u64> {
        let mut shares = vec![0; endpoints as usize];
        for (worker, count) in counts.iter().enumerate() {
            let mut rotation = Rotation::new(worker as u32, counts.len() as u32);
            (0..*count).for_each(|_| shares[rotation.next(endpoints) as usize] += 1);
        }
        shares
    }

    fn spread(shares: &[u64]) -> u64 {
        shares.iter().max().unwrap() - shares.iter().min().unwrap()
    }

    proptest! {
        #[test]
        fn connections_of_all_workers_are_even(endpoints in 1u32..40, workers in 1u32..20, total in 0u64..600) {
            let counts: Vec<u64> = (0..workers).map(|worker| share(total, worker, workers)).collect();
            prop_assert!(spread(&dealt(endpoints, &counts)) <= 1, "{:?}", dealt(endpoints, &counts));
        }

        #[test]
        fn each_worker_visits_every_endpoint_once_in_a_round(
            endpoints in 1u32..40, workers in 1u32..20, worker in 0u32..20, rounds in 0u64..90,
        ) {
            let mut rotation = Rotation::new(worker % workers, workers);
            for _ in 0..rounds * u64::from(endpoints) {
                rotation.next(endpoints);
            }
            let mut seen: Vec<u32> = (0..endpoints).map(|_| rotation.next(endpoints)).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..endpoints).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_common_factor_does_not_leave_endpoints_out() {
        assert_eq!(dealt(4, &[2, 2]), [1, 1, 1, 1]);
        assert_eq!(dealt(2, &[1, 1]), [1, 1]);
        assert_eq!(dealt(2, &[100, 0]), [50, 50], "one worker alone is even, too");
    }
}
