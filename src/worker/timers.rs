//! Timers of many things that each have at most one that matters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::units::Nanos;

/// Timers by number. Each thing keeps its *alarm*, the earliest time that is set for it ([`Nanos::MAX`]: none), beside its other
/// fields, where it is at hand.
///
/// Setting a later time than the alarm does nothing: when the earlier one fires, its owner looks what it was waiting for, and
/// sets the next. So a busy connection costs one entry for each time-out span, not one for each request.
#[derive(Debug)]
pub(super) struct Timers(BinaryHeap<Reverse<(Nanos, u32)>>);

impl Timers {
    pub(super) fn with_capacity(capacity: usize) -> Timers {
        Timers(BinaryHeap::with_capacity(capacity))
    }

    /// Wakes `number`, whose alarm is `alarm`, at `at` at the latest.
    #[inline]
    pub(super) fn set(&mut self, alarm: &mut Nanos, number: u32, at: Nanos) {
        if at < *alarm {
            *alarm = at;
            self.0.push(Reverse((at, number)));
        }
    }

    /// When the next one fires.
    #[inline]
    pub(super) fn next(&self) -> Nanos {
        self.0.peek().map_or(Nanos::MAX, |Reverse((at, _))| *at)
    }

    /// The next one that has fired by `now`. It counts only if it is still the alarm: one that was overtaken is void.
    pub(super) fn take_expired(&mut self, now: Nanos) -> Option<(Nanos, u32)> {
        if self.next() > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

/// True when a timer for `at` is the one that is waited for; the alarm is then off.
#[inline]
pub(super) fn rings(alarm: &mut Nanos, at: Nanos) -> bool {
    let rings = *alarm == at;
    if rings {
        *alarm = Nanos::MAX;
    }
    rings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_timer_overtakes_and_voids_a_later_one() {
        let mut timers = Timers::with_capacity(2);
        let mut alarm = Nanos::MAX;
        timers.set(&mut alarm, 7, Nanos(100));
        timers.set(&mut alarm, 7, Nanos(200)); // covered by the first
        timers.set(&mut alarm, 7, Nanos(50));
        assert_eq!(timers.next(), Nanos(50));
        let (at, number) = timers.take_expired(Nanos(60)).expect("it is due");
        assert!(number == 7 && rings(&mut alarm, at));
        assert_eq!(timers.take_expired(Nanos(60)), None);
        let (at, _) = timers.take_expired(Nanos(1_000)).expect("the one that was overtaken");
        assert!(!rings(&mut alarm, at));
        assert_eq!(timers.next(), Nanos::MAX);
    }
}
