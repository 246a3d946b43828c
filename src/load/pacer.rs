//! One worker's part of a schedule.

use crate::load::model::{Arrivals, Schedule, share};
use crate::rng::Rng;
use crate::units::{Nanos, Rate};

/// Hands out the arrivals of one worker, in order, each once.
///
/// Worker i of n takes arrivals i, i + n, i + 2n, … of the one schedule that all share, so that the
/// workers together take every arrival exactly once without talking to each other.
///
/// Cost: a uniform arrival is two additions. A Poisson arrival needs the gaps of all arrivals
/// since the worker's last one, so each worker draws the whole sequence and uses every n-th: about 180
/// instructions for each arrival of the *total* rate, whatever n is (40 to 60 ns on a busy virtual core:
/// 4 to 6 % of every worker's core at a million arrivals/s in all).
///
/// ```
/// use squall::load::{Arrivals, Pacer, Schedule};
/// use squall::units::{Nanos, Rate};
///
/// let rate = Rate { count: 3, per: Nanos(10) };
/// let schedule = Schedule { rate, arrivals: Arrivals::Uniform, seed: 0, end: None, limit: Some(4) };
/// let mut pacer = Pacer::new(&schedule, 0, 1);
/// let times: Vec<u64> = std::iter::from_fn(|| pacer.due(Nanos(100))).map(|t| t.0).collect();
/// assert_eq!(times, [0, 3, 6, 10]);
/// ```
#[derive(Clone, Debug)]
pub struct Pacer {
    times: Times,
    /// Exclusive.
    end: Nanos,
    /// How many arrivals may still be taken, the one in `next` included.
    left: u64,
    /// [`Nanos::MAX`] when there are no more: never due, since `due` compares with it.
    next: Nanos,
}

impl Pacer {
    /// The part of `worker` (from 0) of `workers`.
    pub fn new(schedule: &Schedule, worker: u32, workers: u32) -> Pacer {
        let mut pacer = Pacer {
            times: Times::new(schedule, worker, workers),
            end: schedule.end.unwrap_or(Nanos::MAX),
            left: share(schedule.limit.unwrap_or(u64::MAX), worker, workers),
            next: Nanos::MAX,
        };
        pacer.load();
        pacer
    }

    /// Takes the earliest arrival not yet taken whose time is at or before `now`.
    #[inline]
    pub fn due(&mut self, now: Nanos) -> Option<Nanos> {
        if self.next > now || self.next == Nanos::MAX {
            return None;
        }
        let scheduled = self.next;
        self.left -= 1;
        self.times.step();
        self.load();
        Some(scheduled)
    }

    /// The time of the earliest arrival not yet taken; `None` when there are no more.
    #[inline]
    pub fn next(&self) -> Option<Nanos> {
        (self.next != Nanos::MAX).then_some(self.next)
    }

    #[inline]
    fn load(&mut self) {
        let at = self.times.at();
        self.next = if self.left > 0 && at < self.end { at } else { Nanos::MAX };
    }
}

#[derive(Clone, Debug)]
enum Times {
    Never,
    Uniform(Uniform),
    Poisson(Poisson),
}

impl Times {
    fn new(schedule: &Schedule, worker: u32, workers: u32) -> Times {
        let rate = schedule.rate;
        match schedule.arrivals {
            _ if rate.count == 0 || rate.per == Nanos::ZERO => Times::Never,
            Arrivals::Uniform => Times::Uniform(Uniform::new(rate, worker, workers)),
            Arrivals::Poisson => Times::Poisson(Poisson::new(rate, schedule.seed, worker, workers)),
        }
    }

    #[inline]
    fn at(&self) -> Nanos {
        match self {
            Times::Never => Nanos::MAX,
            Times::Uniform(u) => u.at,
            Times::Poisson(p) => p.at,
        }
    }

    #[inline]
    fn step(&mut self) {
        match self {
            Times::Never => {}
            Times::Uniform(u) => u.step(),
            Times::Poisson(p) => p.step(),
        }
    }
}

/// `floor(k * per / count)` for k = i, i + n, … without a division for each.
///
/// The quotient and the remainder of n * per / count are added up; that equals the closed formula
/// for every k, so nothing drifts, however long the run.
#[derive(Clone, Debug)]
struct Uniform {
    at: Nanos,
    /// Below `count`: the part of `at` below a nanosecond, in 1/count ns.
    remainder: u64,
    step: Nanos,
    /// Below `count`.
    step_remainder: u64,
    count: u64,
}

impl Uniform {
    fn new(rate: Rate, worker: u32, workers: u32) -> Uniform {
        let (per, count) = (u128::from(rate.per.0), u128::from(rate.count));
        let split = |arrivals: u32| {
            let total = u128::from(arrivals) * per;
            // Past the end of time is never; the remainder is below `count`, so it fits.
            let whole = u64::try_from(total / count).unwrap_or(u64::MAX);
            (Nanos(whole), (total % count) as u64)
        };
        let (at, remainder) = split(worker);
        let (step, step_remainder) = split(workers);
        Uniform { at, remainder, step, step_remainder, count: rate.count }
    }

    #[inline]
    fn step(&mut self) {
        self.at += self.step;
        // remainder + step_remainder could exceed u64; the room up to a whole nanosecond cannot.
        let room = self.count - self.step_remainder;
        if self.remainder >= room {
            self.remainder -= room;
            self.at += Nanos(1);
        } else {
            self.remainder += self.step_remainder;
        }
    }
}

/// Exponential gaps, added up in fixed point: no gap is lost to rounding however late it comes.
///
/// The k-th gap is the same in every worker, since all draw from the same seed; and so is the sum.
#[derive(Clone, Debug)]
struct Poisson {
    rng: Rng,
    /// Mean gap in ns. The rounding to f64 changes the rate by 2^-53 of itself.
    mean: f64,
    at: Nanos,
    /// The part of `at` below a nanosecond, in 2^-32 ns.
    fraction: u32,
    workers: u32,
}

impl Poisson {
    fn new(rate: Rate, seed: u64, worker: u32, workers: u32) -> Poisson {
        let mut poisson = Poisson {
            rng: Rng::new(seed),
            mean: rate.per.0 as f64 / rate.count as f64,
            at: Nanos::ZERO,
            fraction: 0,
            workers,
        };
        poisson.skip(u64::from(worker) + 1);
        poisson
    }

    #[inline]
    fn step(&mut self) {
        self.skip(u64::from(self.workers));
    }

    #[inline]
    fn skip(&mut self, arrivals: u64) {
        for _ in 0..arrivals {
            // Inverse transform: -ln(u) of a uniform u in (0, 1] is exponential with mean 1.
            let gap = -self.rng.unit().ln() * self.mean;
            let whole = gap as u64;
            let fraction = ((gap - whole as f64) * (1u64 << 32) as f64) as u64;
            let sum = u64::from(self.fraction) + fraction;
            self.fraction = sum as u32;
            self.at += Nanos(whole) + Nanos(sum >> 32);
        }
    }
}

#[cfg(test)]
mod tests;
