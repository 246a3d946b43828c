//! The addresses of one origin: whose turn it is, and which of them are left out for now.

use super::rotation::Rotation;
use crate::units::Nanos;

/// How long an address that failed is left out while others work: doubles with each failure from the first to the last of these.
const AVOID_MIN: Nanos = Nanos::from_secs(1);
const AVOID_DOUBLINGS: u32 = 6;

/// An origin's endpoints at the driver, which connections are dealt out over.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    endpoints: Vec<u32>,
    /// For each, how it has failed; empty while all work, which is the usual case.
    avoided: Vec<Avoided>,
    rotation: Rotation,
}

#[derive(Clone, Copy, Debug, Default)]
struct Avoided {
    until: Nanos,
    failures: u32,
}

impl Addresses {
    /// `endpoints` is not empty.
    pub(super) fn new(endpoints: Vec<u32>, rotation: Rotation) -> Addresses {
        Addresses { endpoints, avoided: Vec::new(), rotation }
    }

    pub(super) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// The driver's number of the address at `place`.
    pub(super) fn endpoint(&self, place: u16) -> u32 {
        self.endpoints[usize::from(place)]
    }

    fn is_good(&self, place: usize, now: Nanos) -> bool {
        self.avoided.get(place).is_none_or(|avoided| avoided.until <= now)
    }

    /// The place of the address whose turn it is, among those that work; among all, where none does.
    pub(super) fn next(&mut self, now: Nanos) -> u16 {
        let all = self.endpoints.len();
        if self.avoided.is_empty() {
            return self.rotation.next(all as u32) as u16;
        }
        let good: Vec<usize> = (0..all).filter(|place| self.is_good(*place, now)).collect();
        if good.is_empty() {
            return self.rotation.next(all as u32) as u16;
        }
        good[self.rotation.next(good.len() as u32) as usize] as u16
    }

    /// The one to try after `place` in the same attempt; `None` when all others are left out.
    pub(super) fn after(&self, place: u16, now: Nanos) -> Option<u16> {
        let all = self.endpoints.len();
        let others = (1..all).map(|step| (usize::from(place) + step) % all);
        others.into_iter().find(|other| self.is_good(*other, now)).map(|other| other as u16)
    }

    /// How many others could be tried.
    pub(super) fn others(&self, place: u16, now: Nanos) -> u64 {
        let all = self.endpoints.len();
        (0..all).filter(|other| *other != usize::from(place) && self.is_good(*other, now)).count() as u64
    }

    /// The address at `place` could not be connected to.
    pub(super) fn failed(&mut self, place: u16, now: Nanos) {
        if self.endpoints.len() == 1 {
            return; // there is no other to prefer
        }
        self.avoided.resize(self.endpoints.len(), Avoided::default());
        let avoided = &mut self.avoided[usize::from(place)];
        avoided.until = now + Nanos(AVOID_MIN.0 << avoided.failures.min(AVOID_DOUBLINGS));
        avoided.failures = avoided.failures.saturating_add(1);
    }

    /// It was.
    #[inline]
    pub(super) fn worked(&mut self, place: u16) {
        if !self.avoided.is_empty() {
            self.avoided[usize::from(place)] = Avoided::default();
            if self.avoided.iter().all(|avoided| avoided.failures == 0) {
                self.avoided.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Addresses {
        Addresses::new(vec![10, 11, 12], Rotation::new(0, 1))
    }

    #[test]
    fn all_take_turns_while_all_work() {
        let mut addresses = three();
        let dealt: Vec<u16> = (0..6).map(|_| addresses.next(Nanos::ZERO)).collect();
        let count = |place| dealt.iter().filter(|d| **d == place).count();
        assert_eq!((count(0), count(1), count(2)), (2, 2, 2), "{dealt:?}");
        assert_eq!(addresses.endpoint(2), 12);
    }

    #[test]
    fn one_that_fails_is_left_out_and_tried_again_later() {
        let mut addresses = three();
        let at = Nanos::from_millis;
        assert_eq!(addresses.after(0, at(0)), Some(1));
        addresses.failed(0, at(0));
        assert_eq!(addresses.others(1, at(0)), 1);
        assert!((0..20).all(|_| addresses.next(at(999)) != 0));
        assert!((0..20).any(|_| addresses.next(at(1_000)) == 0), "a second later");
        addresses.failed(0, at(1_000));
        assert!((0..20).all(|_| addresses.next(at(2_999)) != 0), "then for two");
        addresses.worked(0);
        assert!((0..20).any(|_| addresses.next(at(2_000)) == 0));
        assert!(addresses.avoided.is_empty());
    }

    #[test]
    fn where_all_fail_all_are_tried_and_an_attempt_is_one() {
        let mut addresses = three();
        for place in 0..3 {
            addresses.failed(place, Nanos::ZERO);
        }
        let dealt: Vec<u16> = (0..30).map(|_| addresses.next(Nanos::ZERO)).collect();
        assert!((0..3).all(|place| dealt.contains(&place)), "{dealt:?}");
        assert_eq!(addresses.after(0, Nanos::ZERO), None);
    }
}
