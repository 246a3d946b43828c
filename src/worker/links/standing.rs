//! How many connections stood, over time.

use crate::units::Nanos;

/// Connections over a window. One that is opened again behind its last response counts as standing meanwhile: its loop goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    now: u32,
    since: Nanos,
    least: u32,
    most: u32,
    /// Connections times nanoseconds.
    area: u128,
}

impl Standing {
    /// A window opens.
    pub(super) fn begin(&mut self, now: Nanos) {
        *self = Standing { now: self.now, since: now, least: self.now, most: self.now, area: 0 };
    }

    /// There is one more, or one less.
    #[inline]
    pub(super) fn change(&mut self, more: bool, now: Nanos) {
        self.pass(now);
        self.now = if more { self.now + 1 } else { self.now.saturating_sub(1) };
        self.least = self.least.min(self.now);
        self.most = self.most.max(self.now);
    }

    /// The window closes.
    pub(super) fn end(mut self, now: Nanos) -> Standing {
        self.pass(now);
        self
    }

    fn pass(&mut self, now: Nanos) {
        self.area += u128::from(self.now) * u128::from((now - self.since).0);
        self.since = self.since.max(now);
    }

    /// Fewest, most, and on average over `wall`, the window's length.
    pub fn figures(&self, wall: Nanos) -> (u32, u32, f64) {
        let mean = if wall == Nanos::ZERO { f64::from(self.now) } else { self.area as f64 / wall.0 as f64 };
        (self.least, self.most, mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_time() {
        let ms = Nanos::from_millis;
        let mut standing = Standing::default();
        standing.change(true, ms(5));
        standing.change(true, ms(6));
        standing.begin(ms(10));
        standing.change(false, ms(15));
        standing.change(true, ms(25));
        standing.change(true, ms(25));
        let standing = standing.end(ms(30));
        assert_eq!(standing.figures(ms(20)), (1, 3, (2.0 * 5.0 + 10.0 + 3.0 * 5.0) / 20.0));
        assert_eq!(standing.figures(Nanos::ZERO), (1, 3, 3.0));
    }

    #[test]
    fn none_stays_none() {
        let mut standing = Standing::default();
        standing.begin(Nanos(7));
        assert_eq!(standing.end(Nanos(9)).figures(Nanos(2)), (0, 0, 0.0));
    }
}
