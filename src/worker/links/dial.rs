//! Opening connections: whose turn it is, how many at a time, to which address, for how long, and when to try again.

use super::failure::not_connected;
use super::link::back_off;
use super::origins::NextAddress;
use super::{Cause, Known, Links, Owner, State, Step};
use crate::driver::failure::Failure;
use crate::http::protocol::Protocol;
use crate::stats::outcome::ErrorKind;
use crate::transport::AddRoute;
use crate::units::Nanos;
use crate::worker::timers::rings;

/// Connection attempts under way at a time: below every common accept queue (nginx: 511), so that
/// no SYN is dropped and retried a second later.
pub(super) const CONNECTING_MAX: u32 = 128;

impl<D: AddRoute, O: Owner> Links<D, O> {
    /// Has a closed connection opened: at once, or when its back-off is over.
    pub(in crate::worker) fn want(&mut self, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        if link.state != State::Closed {
            return;
        }
        if link.deadline > now {
            link.state = State::Resting;
            let at = link.deadline;
            self.timers.set(&mut link.alarm, slot, at);
        } else {
            link.state = State::Queued;
            self.to_open.push_back(slot);
        }
    }

    /// Sets where a closed connection is to go.
    pub(in crate::worker) fn send_to(&mut self, slot: u32, origin: u32) {
        let link = &mut self.links[slot as usize];
        debug_assert!(link.state == State::Closed);
        link.origin = origin;
        link.failures = 0;
        link.opened_before = false;
        link.deadline = Nanos::ZERO;
    }

    /// Opens what is wanted, as far as the limit on attempts allows.
    #[inline]
    pub(in crate::worker) fn open_wanted(&mut self, owner: &mut O, now: Nanos) {
        while self.connecting < CONNECTING_MAX
            && let Some(slot) = self.to_open.pop_front()
        {
            self.open_one(owner, slot, now);
        }
    }

    fn open_one(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        if link.state != State::Queued {
            return; // no longer wanted
        }
        let origin = link.origin;
        match self.origins.next_address(origin, now) {
            NextAddress::At(address) => {
                self.connecting += 1;
                self.links[slot as usize].since = now;
                self.dial(slot, address, now);
            }
            NextAddress::Wait => self.origins.get_mut(origin).waiting.push(slot),
            // An attempt like any other, over at once.
            NextAddress::Unreachable(kind) => self.connect_failed(owner, slot, kind, None, now),
        }
    }

    /// One address within an attempt, which began at `since`.
    fn dial(&mut self, slot: u32, address: u16, now: Nanos) {
        let link = &mut self.links[slot as usize];
        let Some(addresses) = self.origins.addresses(link.origin) else { return };
        link.state = State::Connecting;
        link.address = address;
        let until = link.since + self.limits.connect;
        // One that says nothing must leave time for the others.
        link.deadline = match addresses.len() {
            1 => until,
            _ => now + Nanos((until - now).0 / (1 + addresses.others(address, now))),
        };
        self.driver.connect(link.id(slot), addresses.endpoint(address));
        self.timers.set(&mut link.alarm, slot, link.deadline);
    }

    /// An address could not be connected to: tries the next one, if there is one and time for it.
    fn dial_next(&mut self, slot: u32, now: Nanos) -> bool {
        let link = &mut self.links[slot as usize];
        let (origin, address) = (link.origin, link.address);
        let Some(addresses) = self.origins.addresses(origin) else { return false };
        if usize::from(address) >= addresses.len() {
            return false; // they were looked up anew meanwhile
        }
        addresses.failed(address, now);
        if now >= link.since + self.limits.connect {
            return false;
        }
        let Some(next) = addresses.after(address, now) else { return false };
        link.retire();
        self.dial(slot, next, now);
        true
    }

    /// TCP stands, TLS begins.
    pub(super) fn on_reached(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        let took = now - link.since;
        self.recorder.reached(took);
        link.state = State::Securing;
        link.since = now;
        link.deadline = now + self.limits.tls;
        self.timers.set(&mut link.alarm, slot, link.deadline);
        if let Some(exchange) = link.h1.first_queued(&mut self.store, slot) {
            owner.came_on(&mut exchange.ask, Step::Reached, took, now);
        }
    }

    pub(super) fn on_connected(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        let took = now - link.since;
        let step = match std::mem::replace(&mut link.state, State::Open) {
            State::Securing => {
                self.recorder.secured(took);
                Step::OpenSecure
            }
            _ => {
                self.recorder.reached(took);
                Step::OpenPlain
            }
        };
        self.recorder.connected();
        self.connecting -= 1;
        self.open += 1;
        if !std::mem::replace(&mut link.stands, true) {
            self.standing.change(true, now);
        }
        self.recorder.counts.reconnects += u64::from(std::mem::replace(&mut link.opened_before, true));
        if !std::mem::replace(&mut link.tried, true) {
            self.tried.tried += 1;
            self.tried.came_about += 1;
        }
        let (origin, address) = (link.origin, link.address);
        if let Some(exchange) = link.h1.first_queued(&mut self.store, slot) {
            owner.came_on(&mut exchange.ask, step, took, now);
            if !std::mem::replace(&mut link.dirty, true) {
                self.dirty.push(slot);
            }
        }
        self.origins.get_mut(origin).connections += 1;
        if let Some(addresses) = self.origins.addresses(origin)
            && usize::from(address) < addresses.len()
        {
            addresses.worked(address);
        }
        owner.opened(self, slot, now);
    }

    pub(super) fn on_connect_failed(&mut self, owner: &mut O, slot: u32, failure: Failure, now: Nanos) {
        // Our own descriptors are no better for another address; TLS and the proxy have their say once TCP stands.
        let next = match failure {
            Failure::Os(libc::EMFILE | libc::ENFILE) => false,
            Failure::Os(_) => self.links[slot as usize].state == State::Connecting,
            _ => false,
        };
        if next && self.dial_next(slot, now) {
            return;
        }
        self.connect_failed(owner, slot, not_connected(failure), Some(failure), now);
    }

    /// An attempt came to nothing: `failure` says why, if the operating system, TLS or a proxy did.
    fn connect_failed(
        &mut self,
        owner: &mut O,
        slot: u32,
        kind: ErrorKind,
        failure: Option<Failure>,
        now: Nanos,
    ) {
        self.recorder.connect_failed(kind);
        if let Some(failure) = failure {
            self.has_reason(slot, kind, Cause::Failure(failure), None, now);
        }
        self.tried.last_failure = Some((kind, failure));
        let link = &mut self.links[slot as usize];
        if !std::mem::replace(&mut link.tried, true) {
            self.tried.tried += 1;
        }
        link.failures = link.failures.saturating_add(1);
        if link.state == State::Queued {
            link.state = State::Closed; // the driver has not heard of it: its generation is still to come
        } else {
            link.retire();
            self.connecting -= 1;
        }
        self.stands_no_more(slot, now);
        self.rest(slot, now);
        self.fail_queued(owner, slot, kind, false, now);
        self.reopen(owner, slot, now);
    }

    /// After a failure the next attempt of that place waits.
    pub(super) fn rest(&mut self, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        if link.failures > 0 {
            link.deadline = now + back_off(link.failures).min(O::BACK_OFF_MAX);
        }
    }

    pub(super) fn reopen(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        if owner.reopens(&self.links[slot as usize]) {
            self.want(slot, now);
        }
    }

    /// Replies of the resolver: connections that have waited for them go on.
    #[cold]
    pub(in crate::worker) fn take_found(&mut self, now: Nanos) {
        let driver = &mut self.driver;
        let mut add = |endpoint, route| driver.add_route(endpoint, route);
        while let Some(origin) = self.origins.take_found(now, &mut add) {
            let waiting = std::mem::take(&mut self.origins.get_mut(origin).waiting);
            self.to_open.extend(waiting);
        }
    }

    /// Origins may have been added: each has a memory of its own.
    pub(in crate::worker) fn make_room_for_origins(&mut self) {
        if self.known.len() < self.origins.len() {
            let head_most = self.head_most;
            self.known.resize_with(self.origins.len(), || Known::up_to(head_most));
        }
    }

    /// Asks each connection whose timer has fired what it was waiting for.
    #[cold]
    pub(in crate::worker) fn fire_timers(&mut self, owner: &mut O, now: Nanos) {
        while let Some((at, slot)) = self.timers.take_expired(now) {
            let link = &mut self.links[slot as usize];
            if !rings(&mut link.alarm, at) {
                continue;
            }
            let (state, deadline) = (link.state, link.deadline);
            match state {
                State::Closed | State::Queued => {}
                State::Open => self.check_exchange(owner, slot, now),
                State::Resting | State::Connecting | State::Securing if deadline > now => {
                    self.timers.set(&mut link.alarm, slot, deadline);
                }
                State::Resting => {
                    link.state = State::Closed;
                    self.reopen(owner, slot, now);
                }
                State::Connecting => {
                    self.driver.close(self.links[slot as usize].id(slot), false);
                    if !self.dial_next(slot, now) {
                        self.connect_failed(owner, slot, ErrorKind::ConnectTimeout, None, now);
                    }
                }
                State::Securing => {
                    self.driver.close(self.links[slot as usize].id(slot), false);
                    self.connect_failed(owner, slot, ErrorKind::TlsTimeout, None, now);
                }
            }
        }
    }

    /// The exchange that is due is the first to be late: it was sent first.
    fn check_exchange(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        let Some(id) = link.h1.due() else {
            return; // idle: the next send sets a timer again
        };
        let exchange = link.h1.exchange(&mut self.store, slot, id);
        let limit = exchange.sent + owner.limit(&exchange.ask);
        if limit <= now {
            self.lose(owner, slot, ErrorKind::Timeout, now);
        } else {
            self.timers.set(&mut link.alarm, slot, limit);
        }
    }
}
