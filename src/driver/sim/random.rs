//! The simulation's own dice: every fault and delay of a run follows from one seed.

use crate::units::Nanos;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability. Draws even when the response is certain, so that switching one
    /// fault on leaves the others where they were.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// In [low, high); `low` when the range is empty.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low);
        if span == 0 {
            return low;
        }
        low + ((u128::from(self.word()) * u128::from(span)) >> 64) as u64
    }

    /// Exponentially distributed with this mean.
    pub(super) fn exponential(&mut self, mean: Nanos) -> Nanos {
        Nanos((-(1.0 - self.unit()).ln() * mean.0 as f64) as u64)
    }
}
