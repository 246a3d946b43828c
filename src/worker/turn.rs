//! One turn of the loop, and how it waits.

use std::io;

use super::channel::Message;
use super::{LoadOwner, Worker};
use crate::driver::Wait;
use crate::stats::snapshot::Snapshot;
use crate::transport::AddRoute;
use crate::units::Nanos;

/// The longest that a batch is waited for, should responses come more slowly than a moment ago. A
/// shorter limit would have to program the timer hardware for each wait.
const BATCH_WAIT: Nanos = Nanos::from_millis(2);

/// A turn that comes so much later than it should have means that the thread stood still: responses may have come in
/// time and lie in the kernel.
const STANDSTILL: Nanos = Nanos::from_millis(10);

/// For so long after a standstill nobody's time is up: first the responses that are there are to be seen.
const GRACE: Nanos = Nanos::from_millis(20);

/// Replies of the resolver wake nobody: they are looked for this often while any is to come.
const LOOK_FOR_NAMES: Nanos = Nanos::from_millis(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) began: Nanos,
    pub(super) did: bool,
    pub(super) next_due: Nanos,
}

/// From when on time limits are enforced, given from when they were, the turn before, and this turn's time.
#[inline]
pub(super) fn grace(timers_from: Nanos, before: &Turn, now: Nanos) -> Nanos {
    // One grace does not follow the other: on a host that is always late, time limits must hold, too.
    let enforced = before.began >= timers_from;
    if now - before.next_due > STANDSTILL && enforced { now + GRACE } else { timers_from }
}

#[expect(private_bounds, reason = "owners are the worker module's own")]
impl<D: AddRoute, O: LoadOwner> Worker<'_, D, O> {
    /// One turn of the loop, which ends with a wait until something happens or the clock reads
    /// `limit`. Returns when it began.
    #[inline]
    pub(super) fn turn(&mut self, limit: Nanos) -> io::Result<Nanos> {
        let now = self.links.driver.now();
        self.account(now);
        if now >= self.links.window.close {
            self.stop(now);
        }
        let handled = self.links.receive(&mut self.owner, now);
        if self.links.next_timer() <= now && now >= self.timers_from {
            self.links.fire_timers(&mut self.owner, now);
        }
        if self.links.origins.is_waiting() {
            self.links.take_found(now);
        }
        self.owner.take_due(&mut self.links, now);
        self.links.open_wanted(&mut self.owner, now);
        if now >= self.edge && self.edge < self.links.window.close {
            self.rotate(now);
        }
        let did = handled > 0 || self.links.has_to_send();
        self.links.flush(&mut self.owner);
        let wait = self.how_to_wait(limit, now);
        self.before = Turn {
            began: now,
            did,
            next_due: match wait {
                Wait::Poll => now,
                Wait::Until { until, .. } => until.max(now),
            },
        };
        self.links.driver.wait(wait)?;
        Ok(now)
    }

    /// Nothing goes out any more.
    pub(super) fn stop(&mut self, now: Nanos) {
        let limit = self.links.window.close + self.config.drain;
        self.owner.stop(&mut self.links, now, limit);
    }

    /// Books the time since the turn before.
    #[inline]
    fn account(&mut self, now: Nanos) {
        self.readings.turns += 1;
        // Waiting for room for samples has a figure of its own.
        let waited = self.links.samples.take_waited();
        if self.before.did {
            self.readings.busy += now - self.before.began - waited;
        }
        let late = now - self.before.next_due - waited;
        if late > self.readings.stood_still {
            self.readings.stood_still = late;
        }
        self.timers_from = grace(self.timers_from, &self.before, now);
    }

    #[inline]
    fn how_to_wait(&mut self, limit: Nanos, now: Nanos) -> Wait {
        if self.config.spin || self.links.has_to_send() || self.owner.is_at_hand() {
            return Wait::Poll;
        }
        // In the open model a batch would make responses late and save nothing: the schedule sets the pace. Nor are
        // connections under way to wait for a batch of them.
        let want = if self.owner.is_open_model() || self.links.is_connecting() {
            1
        } else {
            let busy = self.links.busy();
            self.links.batching.want(now, busy)
        };
        // A timer that must not fire yet is no reason to look at once, and again, and again.
        let timer = self.links.next_timer().max(self.timers_from);
        let mut until = limit.min(self.edge).min(timer).min(self.owner.next_due());
        if want > 1 {
            until = until.min(now + BATCH_WAIT);
        }
        if self.links.origins.is_waiting() {
            until = until.min(now + LOOK_FOR_NAMES);
        }
        Wait::Until { until, want }
    }

    /// Hands the interval's figures over, if the collector has sent an empty snapshot back; if not,
    /// the interval goes on and nothing is lost.
    #[cold]
    fn rotate(&mut self, now: Nanos) {
        let mut passed = self.edge;
        while self.edge <= now {
            passed = self.edge;
            self.edge += self.config.interval;
        }
        if let Ok(empty) = self.channel.emptied.try_recv() {
            self.hand_over(empty, passed, false);
        }
        self.links.samples.hand_over();
    }

    /// Says what has happened since the last edge, up to this one: of the window, or of the drain behind it.
    pub(super) fn hand_over(&mut self, empty: Snapshot, edge: Nanos, drain: bool) {
        self.owner.gauge(&mut self.links);
        let mut full = self.links.recorder.rotate(empty);
        full.worker = self.config.worker;
        full.connections = u64::from(self.links.open());
        full.in_flight = self.links.in_flight();
        full.end = edge - self.links.window.open;
        full.drain = drain;
        self.owner.describe(&mut full);
        self.say(Message::Interval(full));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_suspends_time_limits_for_a_while_and_not_for_ever() {
        let ms = Nanos::from_millis;
        let turn = |began, next_due| Turn { began: ms(began), did: true, next_due: ms(next_due) };
        assert_eq!(grace(ms(0), &turn(100, 120), ms(125)), ms(0), "as late as it may be");
        assert_eq!(grace(ms(0), &turn(100, 120), ms(1_120)), ms(1_140));
        assert_eq!(grace(ms(1_140), &turn(1_120, 1_120), ms(2_000)), ms(1_140), "it is over");
        assert_eq!(grace(ms(1_140), &turn(2_000, 2_000), ms(3_000)), ms(3_020), "they were enforced between");
    }
}
