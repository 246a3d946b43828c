//! How many answers a sleeping worker waits for.
//!
//! Waking for each answer costs a sleep, a wake-up and a system call per answer; kernels from 6.13 on
//! hand over no more deferred completions after a sleep than were waited for. Waiting for many makes
//! the first of them late. In a closed loop with c connections and throughput X, Little's law fixes
//! the mean response time at c / X: while answers queue at the target anyway, waiting for a few of
//! them only moves the queue. So the wait for a batch is bounded by the time that answers spend
//! queueing, as far as it shows: mean minus minimum of the service times of a moment ago.

use crate::units::Nanos;

/// A batch may make its first answer late by this much at most.
const LATE_MAX: Nanos = Nanos::from_micros(150);

/// How long figures are gathered before they are used.
const PERIOD: Nanos = Nanos::from_millis(5);

/// Watches the answers and says how many to wait for.
#[derive(Debug)]
pub(super) struct Batching {
    began: Nanos,
    count: u64,
    sum: u64,
    min: u64,
    want: u32,
}

impl Batching {
    pub(super) fn new(now: Nanos) -> Batching {
        Batching { began: now, count: 0, sum: 0, min: u64::MAX, want: 1 }
    }

    /// An answer came, `service` after its request was sent.
    #[inline]
    pub(super) fn answered(&mut self, service: Nanos) {
        self.count += 1;
        self.sum += service.0;
        self.min = self.min.min(service.0);
    }

    /// How many answers to wait for when `busy` connections wait for one: 1 to half of them.
    #[inline]
    pub(super) fn want(&mut self, now: Nanos, busy: u64) -> u32 {
        let span = now - self.began;
        if span >= PERIOD {
            self.decide(span);
            *self = Batching { want: self.want, ..Batching::new(now) };
        }
        self.want.min((busy / 2).max(1) as u32)
    }

    fn decide(&mut self, span: Nanos) {
        if self.count == 0 {
            self.want = 1;
            return;
        }
        let mean = self.sum / self.count;
        // Half of the queueing, or where there is none a thirty-second part of the answer itself.
        let late = ((mean - self.min) / 2).max(mean / 32).min(LATE_MAX.0);
        let come = u128::from(self.count) * u128::from(late) / u128::from(span.0);
        self.want = u32::try_from(come).unwrap_or(u32::MAX).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rate` answers a second, each after `service`, for one period.
    fn watched(rate: u64, service: impl Fn(u64) -> u64) -> u32 {
        let mut batching = Batching::new(Nanos::ZERO);
        for k in 0..rate * PERIOD.0 / 1_000_000_000 {
            batching.answered(Nanos::from_micros(service(k)));
        }
        batching.want(PERIOD, 1_000)
    }

    #[test]
    fn queueing_answers_are_taken_in_batches() {
        // 50 connections at a saturated target: 100 to 750 us.
        assert!((10..=20).contains(&watched(117_000, |k| 100 + (k * 131) % 650)));
    }

    #[test]
    fn answers_that_do_not_queue_are_taken_one_by_one() {
        // 5 ms each, 50 connections.
        assert_eq!(watched(10_000, |_| 5_000), 1);
        // 1 ms each: a batch may take 31 us, which is one and a half answers at this rate.
        assert_eq!(watched(50_000, |_| 1_000), 1);
    }

    #[test]
    fn silence_and_few_connections_mean_one() {
        assert_eq!(watched(0, |_| 0), 1);
        let mut batching = Batching::new(Nanos::ZERO);
        for k in 0..10_000 {
            batching.answered(Nanos(k * 100));
        }
        assert_eq!(batching.want(PERIOD, 1), 1);
        assert_eq!(batching.want(PERIOD, 8), 4);
    }
}
