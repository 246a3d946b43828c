//! `rps`: at most so many requests a second, of all users of all workers together.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::Nanos;

/// When requests may go: one by one, with the same gap between them. As k6's limiter, a bucket that holds one token: what was not
/// used does not pile up.
#[derive(Debug)]
pub struct Pace {
    /// Between two requests, in nanoseconds.
    gap: u64,
    /// Before it no other one goes.
    next: AtomicU64,
}

impl Pace {
    /// So many a second.
    pub fn per_second(most: NonZeroU32) -> Pace {
        Pace { gap: 1_000_000_000 / u64::from(most.get()), next: AtomicU64::new(0) }
    }

    /// When a request goes that could go now: now, or later. Each call is of a request of its own.
    pub fn take(&self, now: Nanos) -> Nanos {
        let behind = |next: u64| Some(next.max(now.0).saturating_add(self.gap));
        let before = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, behind);
        Nanos(before.unwrap_or_else(|next| next).max(now.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_one_gap_apart_and_none_are_saved_up() {
        let pace = Pace::per_second(NonZeroU32::new(100).unwrap());
        let ms = Nanos::from_millis;
        let taken: Vec<Nanos> = (0..3).map(|_| pace.take(ms(5))).collect();
        assert_eq!(taken, [ms(5), ms(15), ms(25)]);
        assert_eq!(pace.take(ms(31)), ms(35));
        // A second later two come at once: only one goes.
        assert_eq!([pace.take(ms(1_000)), pace.take(ms(1_000))], [ms(1_000), ms(1_010)]);
    }
}
