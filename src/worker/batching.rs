//! How many responses a sleeping worker waits for.
//!
//! Waking for each response costs a sleep, a wake-up and a system call per response; kernels from 6.13 on
//! hand over no more deferred completions after a sleep than were waited for. Waiting for many is a
//! third cheaper, but makes the first of them late.
//!
//! In a closed loop with c connections and throughput X the mean response time is c / X (Little's
//! law). So batches distort the response time exactly as far as they cost throughput: while the target
//! is the bottleneck, a batch only moves the queue from there to here. This is what is tried: short
//! spells of waking for each response and of waiting for half of the connections (or else for a sixth of
//! them, which saves most of it), in turn; batches are
//! kept for a while if the median spell with them had at least 90 % of the responses of the median spell
//! without, and tried again later and later if not. Medians, since on a busy host some spells are lost.

use crate::units::Nanos;

/// One spell of a trial, and how long figures are gathered before they are used.
const SPELL: Nanos = Nanos::from_millis(4);

/// Spells in a trial: half of them with batches.
const SPELLS: usize = 32;

/// Answers in a spell, 20,000 a second, from which on the worker's CPU time matters.
const MANY: u64 = 80;

/// After so many spells a trial that goes badly is broken off.
const FIRST_LOOK: usize = 12;

/// How long batches are kept before they must prove themselves again.
const KEEP: Nanos = Nanos::from_secs(10);

/// So many spells in a row must be off the throughput of the trial before it counts as changed.
const CHANGED: u32 = 8;

/// Until the next trial after one that failed: doubles from here on.
const RETRY: Nanos = Nanos::from_millis(500);

/// More is not cheaper, and a batch must fit into the receive buffers.
const WANT_MAX: u64 = 256;

/// Which parts of the connections are tried, in this order.
const PARTS: [u64; 2] = [2, 6];

/// Watches the responses and says how many to wait for.
#[derive(Debug)]
pub(super) struct Batching {
    spell: Spell,
    mode: Mode,
    /// Responses per second in each spell of this trial.
    rates: [f64; SPELLS],
    /// Index into [`PARTS`] of what is tried or kept.
    part: usize,
    retry: Nanos,
}

#[derive(Debug)]
struct Spell {
    began: Nanos,
    count: u64,
    sum: u64,
    min: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Wake for each response; try batches from `trial_at` on.
    Single { trial_at: Nanos },
    /// In spell `n` of a trial.
    Trial { n: usize },
    /// Wait for batches until `until`, or until the throughput is no longer about `rate` per second:
    /// it was not for the last `off` spells.
    Batches { until: Nanos, rate: f64, off: u32 },
}

impl Spell {
    fn new(began: Nanos) -> Spell {
        Spell { began, count: 0, sum: 0, min: u64::MAX }
    }

    /// So many responses that batches are worth while, and some of them wait in a queue, so that batches
    /// may be free: a target that takes its time has a mean close to its minimum.
    fn queueing(&self) -> bool {
        self.count >= MANY && self.sum / self.count >= self.min + self.min / 4
    }
}

impl Batching {
    pub(super) fn new(now: Nanos) -> Batching {
        Batching {
            spell: Spell::new(now),
            mode: Mode::Single { trial_at: now },
            rates: [0.0; SPELLS],
            part: 0,
            retry: RETRY,
        }
    }

    /// A response came, `service` after its request was sent.
    #[inline]
    pub(super) fn answered(&mut self, service: Nanos) {
        self.spell.count += 1;
        self.spell.sum += service.0;
        self.spell.min = self.spell.min.min(service.0);
    }

    /// How many responses to wait for when `busy` connections wait for one.
    #[inline]
    pub(super) fn want(&mut self, now: Nanos, busy: u64) -> u32 {
        if now - self.spell.began >= SPELL {
            let spell = std::mem::replace(&mut self.spell, Spell::new(now));
            self.mode = self.after(&spell, now);
        }
        let batches = match self.mode {
            Mode::Single { .. } => false,
            Mode::Trial { n } => in_batches(n),
            Mode::Batches { .. } => true,
        };
        if batches { (busy / PARTS[self.part]).clamp(1, WANT_MAX) as u32 } else { 1 }
    }

    #[cold]
    fn after(&mut self, spell: &Spell, now: Nanos) -> Mode {
        let rate = spell.count as f64 / (now - spell.began).as_secs_f64();
        match self.mode {
            Mode::Single { trial_at } if now >= trial_at && spell.queueing() => Mode::Trial { n: 0 },
            Mode::Single { .. } => self.mode,
            Mode::Trial { n } => {
                self.rates[n] = rate;
                self.judge(n + 1, now)
            }
            Mode::Batches { until, .. } if now >= until => {
                self.part = 0;
                Mode::Trial { n: 0 }
            }
            Mode::Batches { until, rate: usual, off } => {
                let off = if (rate / usual - 1.0).abs() > 0.3 { off + 1 } else { 0 };
                match off {
                    CHANGED.. if spell.queueing() => Mode::Trial { n: 0 },
                    CHANGED.. => Mode::Single { trial_at: now },
                    _ => Mode::Batches { until, rate: usual, off },
                }
            }
        }
    }

    fn judge(&mut self, n: usize, now: Nanos) -> Mode {
        let (single, batches) = (self.median(n, false), self.median(n, true));
        if n == SPELLS && batches >= 0.9 * single {
            self.retry = RETRY;
            return Mode::Batches { until: now + KEEP, rate: batches, off: 0 };
        }
        if n == SPELLS || (n == FIRST_LOOK && batches < 0.75 * single) {
            if self.part + 1 < PARTS.len() {
                self.part += 1;
                return Mode::Trial { n: 0 };
            }
            self.part = 0;
            let trial_at = now + self.retry;
            self.retry = (self.retry + self.retry).min(Nanos::from_secs(60));
            return Mode::Single { trial_at };
        }
        Mode::Trial { n }
    }

    /// The median rate of the first `n` spells that were with batches, or without.
    fn median(&self, n: usize, batches: bool) -> f64 {
        let mut rates = [0.0; SPELLS];
        let mut count = 0;
        for (spell, rate) in self.rates[..n].iter().enumerate() {
            if in_batches(spell) == batches {
                rates[count] = *rate;
                count += 1;
            }
        }
        rates[..count].sort_unstable_by(f64::total_cmp);
        if count == 0 { 0.0 } else { rates[count / 2] }
    }
}

/// Single, batch, batch, single, …: a drift of the target's speed hits both alike.
fn in_batches(n: usize) -> bool {
    matches!(n % 4, 1 | 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTIONS: u64 = 50;

    /// Runs `seconds` in steps of 1 ms; `rate(want)` responses a second come, from `min` to `max`.
    fn watch(seconds: u64, service: (u64, u64), rate: impl Fn(u32) -> u64) -> Vec<u32> {
        let mut batching = Batching::new(Nanos::ZERO);
        let mut wants = Vec::new();
        for ms in 0..seconds * 1_000 {
            let want = batching.want(Nanos::from_millis(ms), CONNECTIONS);
            for k in 0..rate(want) / 1_000 {
                let us = if k % 2 == 0 { service.0 } else { service.1 };
                batching.answered(Nanos::from_micros(us));
            }
            wants.push(want);
        }
        wants
    }

    fn share_in_batches(wants: &[u32]) -> f64 {
        wants.iter().filter(|w| **w > 1).count() as f64 / wants.len() as f64
    }

    #[test]
    fn a_part_that_is_affordable_is_found() {
        let wants = watch(10, (100, 750), |want| if want > 10 { 80_000 } else { 117_000 });
        assert_eq!(wants.last(), Some(&8));
        assert!(share_in_batches(&wants) > 0.9);
    }

    #[test]
    fn a_saturated_target_is_met_in_batches() {
        let wants = watch(10, (100, 750), |_| 117_000);
        assert!(share_in_batches(&wants) > 0.9);
        assert!(wants.iter().all(|w| *w == 1 || *w == 25));
    }

    #[test]
    fn batches_that_cost_throughput_are_given_up() {
        let wants = watch(60, (100, 750), |want| if want > 1 { 80_000 } else { 117_000 });
        assert!(share_in_batches(&wants) < 0.01, "{}", share_in_batches(&wants));
    }

    #[test]
    fn responses_that_do_not_queue_are_never_batched() {
        let wants = watch(10, (5_000, 5_100), |_| 10_000);
        assert_eq!(share_in_batches(&wants), 0.0);
    }

    #[test]
    fn a_target_that_recovers_is_tried_anew() {
        let mut batching = Batching::new(Nanos::ZERO);
        let mut batched = [0, 0];
        for ms in 0..20_000u64 {
            // For ten seconds saturated, then each response takes 5 ms.
            let saturated = ms < 10_000;
            if batching.want(Nanos::from_millis(ms), CONNECTIONS) > 1 {
                batched[usize::from(saturated)] += 1;
            }
            let (count, first) = if saturated { (117, 100) } else { (10, 5_000) };
            for k in 0..count {
                batching.answered(Nanos::from_micros(first + if saturated { k * 6 } else { 0 }));
            }
        }
        assert!(batched[1] > 9_000, "{batched:?}");
        // The change is noticed at once; one more trial, and it stays single since nothing queues.
        assert!(batched[0] < 3_500, "{batched:?}");
    }
}
