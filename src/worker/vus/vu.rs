//! One virtual user, and its connections.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::driver::ConnId;
use crate::driver::token::GENERATIONS;
use crate::http::response::ResponseParser;
use crate::load::share;
use crate::plan::cookies::CookieJar;
use crate::rng::Rng;
use crate::units::Nanos;

/// How many of a scenario's users a worker has: users take turns over the workers.
pub(super) fn count(vus: u32, worker: u32, workers: u32) -> u32 {
    share(u64::from(vus), worker, workers) as u32
}

/// Where a virtual user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not at work.
    Off,
    /// Waits for an arrival.
    Idle,
    /// Its next iteration or step begins in this turn or the next.
    Ready,
    /// Pauses until its timer; within an iteration or behind one.
    Thinking,
    /// Waits for its connection.
    Connecting,
    /// Its request is in the list of those to be sent.
    Sending,
    /// Its request is on the way.
    Waiting,
}

pub(super) struct Vu {
    pub(super) state: State,
    /// In an iteration.
    pub(super) in_iteration: bool,
    /// Is one too many: goes off behind this iteration, or when `leave_by` has come.
    pub(super) leaving: bool,
    /// `scheduled` is a time that the load model named, not merely the time of the send.
    pub(super) due: bool,
    /// The request in work counts: it was scheduled in the window.
    pub(super) measured: bool,
    /// The request in work was written into the slot's draft: its bytes are not the step's.
    pub(super) drafted: bool,
    /// Redirects followed for this step.
    pub(super) hops: u8,
    pub(super) scenario: u16,
    pub(super) flow: u16,
    /// Position in the flow.
    pub(super) at: u16,
    /// Stage in which the request in work was scheduled.
    pub(super) stage: u16,
    /// Origin of the request in work.
    pub(super) origin: u16,
    /// Its number over all scenarios and workers, from 0.
    pub(super) number: u32,
    /// Iterations begun.
    pub(super) iterations: u64,
    /// The iteration's number in its scenario.
    pub(super) sequence: u64,
    pub(super) begun: Nanos,
    pub(super) scheduled: Nanos,
    /// When it wanted its connection; MAX when it had one.
    pub(super) wanted: Nanos,
    /// How long it waited for it, and of that how long TCP and TLS took.
    pub(super) blocked: Nanos,
    pub(super) connecting: Nanos,
    pub(super) securing: Nanos,
    pub(super) sent: Nanos,
    /// When the kernel had taken the whole request, where that was reported; else MAX.
    pub(super) sent_whole: Nanos,
    pub(super) first_byte: Nanos,
    /// What it waits for, by its state: end of the pause, time limit.
    pub(super) deadline: Nanos,
    pub(super) leave_by: Nanos,
    /// Its earliest timer.
    pub(super) alarm: Nanos,
    pub(super) rng: Rng,
    pub(super) capture: Option<Box<Capture>>,
    pub(super) baggage: Option<Box<Baggage>>,
}

/// What only users of some plans carry.
#[derive(Default)]
pub(super) struct Baggage {
    pub(super) values: Vec<Option<Box<[u8]>>>,
    pub(super) rows: Vec<u64>,
    pub(super) jar: CookieJar,
    /// The request that follows a redirect, and path and query of the one in work.
    pub(super) redirect: Option<Vec<u8>>,
    pub(super) path: String,
}

/// The parts of an answer that a check or an extraction wants to see.
#[derive(Default)]
pub(super) struct Capture {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
}

impl Vu {
    pub(super) fn new(scenario: u16, number: u32, seed: u64) -> Vu {
        Vu {
            state: State::Off,
            in_iteration: false,
            leaving: false,
            due: false,
            measured: false,
            drafted: false,
            hops: 0,
            scenario,
            flow: 0,
            at: 0,
            stage: 0,
            origin: 0,
            number,
            iterations: 0,
            sequence: 0,
            begun: Nanos::ZERO,
            scheduled: Nanos::ZERO,
            wanted: Nanos::MAX,
            blocked: Nanos::ZERO,
            connecting: Nanos::ZERO,
            securing: Nanos::ZERO,
            sent: Nanos::MAX,
            sent_whole: Nanos::MAX,
            first_byte: Nanos::MAX,
            deadline: Nanos::MAX,
            leave_by: Nanos::MAX,
            alarm: Nanos::MAX,
            rng: Rng::stream(seed, u64::from(number)),
            capture: None,
            baggage: None,
        }
    }

    /// True when no answer has given it a cookie.
    pub(super) fn has_no_cookies(&self) -> bool {
        self.baggage.as_ref().is_none_or(|baggage| baggage.jar.is_empty())
    }

    /// True while it has a request that is neither answered nor failed.
    pub(super) fn has_request(&self) -> bool {
        matches!(self.state, State::Connecting | State::Sending | State::Waiting)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Closed,
    /// Stands in the queue of those to be opened.
    Queued,
    Connecting,
    /// TCP stands, TLS does not yet.
    Securing,
    Open,
}

/// One connection of a virtual user.
pub(super) struct Connection {
    pub(super) parser: ResponseParser,
    pub(super) generation: u32,
    pub(super) state: Link,
    /// Connections in a row that failed or brought no answer: the exponent of the back-off.
    pub(super) failures: u8,
    /// A send that reports is unfinished.
    pub(super) sending: bool,
    pub(super) discarding: bool,
    pub(super) opened_before: bool,
    /// Requests sent on it.
    pub(super) requests: u32,
    /// It has brought at least one whole answer.
    pub(super) answered: bool,
    /// Since when it has been connecting; no attempt before this while closed.
    pub(super) since: Nanos,
}

impl Connection {
    pub(super) fn new() -> Connection {
        Connection {
            parser: ResponseParser::new(),
            generation: 0,
            state: Link::Closed,
            failures: 0,
            sending: false,
            discarding: false,
            opened_before: false,
            requests: 0,
            answered: false,
            since: Nanos::ZERO,
        }
    }

    #[inline]
    pub(super) fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.generation }
    }

    #[inline]
    pub(super) fn is(&self, id: ConnId) -> bool {
        self.generation == id.generation
            && matches!(self.state, Link::Connecting | Link::Securing | Link::Open)
    }

    /// Forgets the connection; what comes late carries the old generation.
    pub(super) fn retire(&mut self) {
        self.generation = (self.generation + 1) % GENERATIONS;
        self.state = Link::Closed;
        self.parser = ResponseParser::new();
        self.sending = false;
        self.discarding = false;
        self.requests = 0;
        self.answered = false;
    }
}

/// Timers of users: at most one entry matters for each.
pub(super) struct Timers(BinaryHeap<Reverse<(Nanos, u32)>>);

impl Timers {
    pub(super) fn with_capacity(capacity: usize) -> Timers {
        Timers(BinaryHeap::with_capacity(capacity))
    }

    /// Wakes `vu` at `at` at the latest: when an earlier timer fires it is asked again.
    #[inline]
    pub(super) fn set(&mut self, vus: &mut [Vu], vu: u32, at: Nanos) {
        let user = &mut vus[vu as usize];
        if at < user.alarm {
            user.alarm = at;
            self.0.push(Reverse((at, vu)));
        }
    }

    #[inline]
    pub(super) fn next(&self) -> Nanos {
        self.0.peek().map_or(Nanos::MAX, |Reverse((at, _))| *at)
    }

    /// A user whose timer has fired by `now`.
    #[inline]
    pub(super) fn take_expired(&mut self, vus: &mut [Vu], now: Nanos) -> Option<u32> {
        while self.next() <= now {
            let Reverse((at, vu)) = self.0.pop()?;
            let user = &mut vus[vu as usize];
            // One that was overtaken by an earlier one is void.
            if user.alarm == at {
                user.alarm = Nanos::MAX;
                return Some(vu);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_idle_users_stay_small() {
        let each = size_of::<Vu>() + size_of::<Connection>();
        assert!(each <= 512, "{each}");
    }

    #[test]
    fn an_earlier_timer_voids_a_later_one() {
        let mut vus = vec![Vu::new(0, 0, 1)];
        let mut timers = Timers::with_capacity(1);
        timers.set(&mut vus, 0, Nanos(100));
        timers.set(&mut vus, 0, Nanos(50));
        timers.set(&mut vus, 0, Nanos(80));
        assert_eq!(timers.next(), Nanos(50));
        assert_eq!(timers.take_expired(&mut vus, Nanos(60)), Some(0));
        assert_eq!(timers.take_expired(&mut vus, Nanos(1_000)), None);
    }
}
