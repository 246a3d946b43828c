//! A small seeded pseudo-random generator. The same seed and stream give the same numbers on every
//! machine and in every version of squall.
//!
//! xoshiro256++ 1.0 by David Blackman and Sebastiano Vigna (<https://prng.di.unimi.it/>), its state
//! filled by splitmix64 as the authors advise. Not for cryptography.

/// The increment of splitmix64: the odd number next to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of splitmix64: a bijection that lets every input bit touch every output bit.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One stream of pseudo-random numbers; its period is 2^256 - 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream 0 of `seed`. Every seed is a good one, 0 included.
    pub fn new(seed: u64) -> Rng {
        Rng::stream(seed, 0)
    }

    /// Stream `stream` of `seed`: one for each worker, virtual user or purpose.
    ///
    /// Streams start at places of the 2^256 states that a hash picks; that two of them ever meet is
    /// as good as impossible.
    pub fn stream(seed: u64, stream: u64) -> Rng {
        // Hashing the stream's number first keeps (seed, stream + 1) away from (seed + 1, stream).
        let mut s = seed ^ mix(stream.wrapping_mul(GOLDEN));
        let state = std::array::from_fn(|_| {
            s = s.wrapping_add(GOLDEN);
            mix(s)
        });
        Rng { state }
    }

    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// A number in (0, 1], a multiple of 2^-53. Never 0, so that its logarithm is finite.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        ((self.next_u64() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in `0..bound`, each with the same probability; 0 when `bound` is 0.
    ///
    /// Daniel Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29(1), 2019.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // The lowest 2^64 mod bound products of each slice are the surplus that would bias it.
        let surplus = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= surplus {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_reference_implementation() {
        // From the state {1, 2, 3, 4}, as the authors' C code prints it.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let expected = [41_943_041, 58_720_359, 3_588_806_011_781_223];
        assert_eq!(expected, std::array::from_fn(|_| rng.next_u64()));
    }

    #[test]
    fn splitmix_follows_the_reference_implementation() {
        // The first output for the state 0.
        assert_eq!(mix(GOLDEN), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn same_seed_same_numbers_other_stream_other_numbers() {
        let draw = |mut rng: Rng| [rng.next_u64(), rng.next_u64()];
        assert_eq!(draw(Rng::new(7)), draw(Rng::stream(7, 0)));
        assert_ne!(draw(Rng::stream(7, 1)), draw(Rng::stream(7, 0)));
        assert_ne!(draw(Rng::stream(7, 1)), draw(Rng::stream(8, 0)));
    }

    #[test]
    fn bounds_hold() {
        let mut rng = Rng::new(1);
        for _ in 0..10_000 {
            let u = rng.unit();
            assert!(u > 0.0 && u <= 1.0);
            assert!(rng.below(7) < 7);
        }
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        assert!(rng.below(u64::MAX) < u64::MAX);
    }

    #[test]
    fn every_number_below_the_bound_comes_up() {
        let mut rng = Rng::new(2);
        let mut seen = [false; 10];
        (0..1_000).for_each(|_| seen[rng.below(10) as usize] = true);
        assert_eq!(seen, [true; 10]);
    }
}
