//! One virtual user, and what its requests carry.

use super::super::flow::{TimerId, UserKey};
use crate::load::share;
use crate::units::Nanos;

/// No connection.
pub(super) const NONE: u32 = u32::MAX;

/// How many of a scenario's users a worker has: users take turns over the workers.
pub(super) fn count(vus: u32, worker: u32, workers: u32) -> u32 {
    share(u64::from(vus), worker, workers) as u32
}

/// Where a virtual user stands.
///
/// ```text
///               arrival, or its turn in a loop
///   Off / Idle ────────────────▶ Ready ──▶ Running ──┐
///      ▲                           ▲                 │ iteration over
///      │                           └──── Pausing ◀───┤
///      └─────────────────────────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VuState {
    /// Not at work.
    Off,
    /// Waits for an arrival.
    Idle,
    /// Its next iteration begins in this turn or the next.
    Ready,
    /// In an iteration.
    Running,
    /// Pauses behind an iteration.
    Pausing,
}

pub(super) struct User<S> {
    pub(super) key: UserKey,
    pub(super) state: VuState,
    /// Is one too many: goes off behind this iteration, or when `leave_by` has come.
    pub(super) leaving: bool,
    /// An arrival waits for it, or is what it runs: meant for `scheduled`.
    pub(super) has_arrival: bool,
    /// Its iteration counts: it was meant to begin in the window. Decided once, for its beginning and its end.
    pub(super) counts: bool,
    /// Its requests that are open.
    pub(super) open: u16,
    /// It has more to compute.
    pub(super) goes_on: bool,
    /// Its iteration's entry among the scenario tallies.
    pub(super) tally: u32,
    /// The first of its connections, each of which knows the next.
    pub(super) first_link: u32,
    /// Iterations begun.
    pub(super) iterations: u64,
    pub(super) scheduled: Nanos,
    pub(super) begun: Nanos,
    pub(super) pause_until: Nanos,
    pub(super) leave_by: Nanos,
    /// Its earliest timer.
    pub(super) alarm: Nanos,
    /// Those of its flow.
    pub(super) timers: FlowTimers,
    pub(super) flow: S,
}

impl<S> User<S> {
    pub(super) fn new(key: UserKey, flow: S) -> User<S> {
        User {
            key,
            state: VuState::Off,
            leaving: false,
            has_arrival: false,
            counts: false,
            goes_on: false,
            open: 0,
            tally: 0,
            first_link: NONE,
            iterations: 0,
            scheduled: Nanos::ZERO,
            begun: Nanos::ZERO,
            pause_until: Nanos::MAX,
            leave_by: Nanos::MAX,
            alarm: Nanos::MAX,
            timers: FlowTimers::default(),
            flow,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == VuState::Running
    }

    /// What it waits for by the clock.
    pub(super) fn next_due(&self) -> Nanos {
        match self.state {
            VuState::Running => self.timers.next().min(self.leave_by),
            VuState::Pausing => self.pause_until,
            _ => Nanos::MAX,
        }
    }
}

/// The timers of a flow. Mostly there is one, which takes no memory of its own.
#[derive(Debug, Default)]
pub(super) struct FlowTimers {
    first: Option<(Nanos, TimerId)>,
    /// Those behind it, in the order in which they were set.
    more: Vec<(Nanos, TimerId)>,
}

impl FlowTimers {
    pub(super) fn set(&mut self, timer: (Nanos, TimerId)) {
        match self.first {
            None => self.first = Some(timer),
            Some(_) => self.more.push(timer),
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    pub(super) fn clear(&mut self) {
        self.first = None;
        self.more.clear();
    }

    /// When the next one is due; MAX without one.
    pub(super) fn next(&self) -> Nanos {
        let all = self.first.iter().chain(&self.more);
        all.map(|(at, _)| *at).min().unwrap_or(Nanos::MAX)
    }

    /// Takes the one that is due first, if it is due by `now`; of several for the same time that which was set first.
    pub(super) fn take(&mut self, now: Nanos) -> Option<(Nanos, TimerId)> {
        let at = self.next();
        if self.len() == 0 || at > now {
            return None;
        }
        if self.first.is_some_and(|(first, _)| first == at) {
            let next = if self.more.is_empty() { None } else { Some(self.more.remove(0)) };
            return std::mem::replace(&mut self.first, next);
        }
        let place = self.more.iter().position(|(other, _)| *other == at)?;
        Some(self.more.remove(place))
    }
}

/// Whose a connection is, and its next one.
#[derive(Clone, Copy, Debug)]
pub(in crate::worker) struct OfUser {
    pub(super) user: u32,
    pub(super) next: u32,
}

impl Default for OfUser {
    fn default() -> OfUser {
        OfUser { user: NONE, next: NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::exchange::Exchange;
    use super::super::super::flow::ask::Ask;
    use super::super::super::flow::plan::PlanUser;
    use super::*;

    #[test]
    fn ten_thousand_idle_users_stay_small() {
        let each = size_of::<User<PlanUser>>() + size_of::<Exchange<Ask>>();
        assert!(each <= 512, "{each}");
    }

    #[test]
    fn timers_fire_in_their_order() {
        let mut timers = FlowTimers::default();
        for timer in [(Nanos(30), TimerId(1)), (Nanos(10), TimerId(2)), (Nanos(10), TimerId(3))] {
            timers.set(timer);
        }
        assert_eq!((timers.len(), timers.next()), (3, Nanos(10)));
        let fired: Vec<_> = std::iter::from_fn(|| timers.take(Nanos(20))).collect();
        assert_eq!(fired, [(Nanos(10), TimerId(2)), (Nanos(10), TimerId(3))]);
        assert_eq!((timers.take(Nanos(29)), timers.take(Nanos(30))), (None, Some((Nanos(30), TimerId(1)))));
        assert_eq!((timers.len(), timers.next()), (0, Nanos::MAX));
    }
}
