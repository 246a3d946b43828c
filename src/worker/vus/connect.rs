//! Connections of virtual users: opened when one is wanted, closed by policy, by the peer, or for want of an answer.

use super::VuWorker;
use super::vu::{Link, State};
use crate::driver::Driver;
use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;
use crate::worker::connection::back_off;
use crate::worker::pool::CONNECTING_MAX;

/// Longest pause before the next attempt to connect: an arrival must not lose its user for long.
const BACK_OFF_MAX: Nanos = Nanos::from_millis(64);

impl<D: Driver> VuWorker<'_, D> {
    /// The slot of a user's connection to the origin of its request.
    #[inline]
    pub(super) fn slot_of(&self, vu: u32) -> u32 {
        vu * self.workload.origins.len() as u32 + u32::from(self.vus[vu as usize].origin)
    }

    /// The user whose connection sits in `slot`.
    #[inline]
    pub(super) fn user_of(&self, slot: u32) -> u32 {
        slot / self.workload.origins.len() as u32
    }

    pub(super) fn want_connection(&mut self, vu: u32, now: Nanos) {
        let slot = self.slot_of(vu);
        let connection = &mut self.connections[slot as usize];
        let user = &mut self.vus[vu as usize];
        if connection.state == Link::Open {
            user.state = State::Sending;
            self.dirty.push_back(vu);
            return;
        }
        user.state = State::Connecting;
        user.wanted = now;
        if connection.state == Link::Closed {
            if connection.since > now {
                user.deadline = connection.since; // the back-off is not over
                let at = user.deadline;
                self.timers.set(&mut self.vus, vu, at);
                return;
            }
            self.queue_connect(slot);
        }
    }

    fn queue_connect(&mut self, slot: u32) {
        self.connections[slot as usize].state = Link::Queued;
        self.to_open.push_back(slot);
    }

    pub(super) fn open_connections(&mut self, now: Nanos) {
        while self.connecting < CONNECTING_MAX
            && let Some(slot) = self.to_open.pop_front()
        {
            let vu = self.user_of(slot);
            let origins = self.workload.origins.len() as u32;
            let connection = &mut self.connections[slot as usize];
            if connection.state != Link::Queued {
                continue; // no longer wanted
            }
            let origin = (slot % origins) as usize;
            let (first, count) = self.config.endpoints[origin];
            let endpoint = first + self.rotations[origin].next(count);
            connection.state = Link::Connecting;
            connection.since = now;
            self.connecting += 1;
            self.driver.connect(connection.id(slot), endpoint);
            let limit = now + self.config.connect_timeout;
            self.vus[vu as usize].deadline = limit;
            self.timers.set(&mut self.vus, vu, limit);
        }
    }

    /// TCP stands, TLS begins.
    pub(super) fn on_reached(&mut self, slot: u32, now: Nanos) {
        let connection = &mut self.connections[slot as usize];
        let took = now - connection.since;
        connection.state = Link::Securing;
        connection.since = now;
        self.recorder.reached(took);
        let vu = self.user_of(slot);
        if self.waits_for(vu, slot) {
            let limit = now + self.config.tls_timeout;
            let user = &mut self.vus[vu as usize];
            user.connecting = took;
            user.deadline = limit;
            self.timers.set(&mut self.vus, vu, limit);
        }
    }

    pub(super) fn on_connected(&mut self, slot: u32, now: Nanos) {
        let connection = &mut self.connections[slot as usize];
        let took = now - connection.since;
        let secure = std::mem::replace(&mut connection.state, Link::Open) == Link::Securing;
        self.connecting -= 1;
        self.open += 1;
        self.recorder.counts.reconnects += u64::from(std::mem::replace(&mut connection.opened_before, true));
        self.recorder.connected();
        if secure {
            self.recorder.secured(took);
        } else {
            self.recorder.reached(took);
        }
        let vu = self.user_of(slot);
        if self.waits_for(vu, slot) {
            let user = &mut self.vus[vu as usize];
            user.blocked = now - user.wanted;
            if secure {
                user.securing = took;
            } else {
                user.connecting = took;
            }
            user.state = State::Sending;
            user.deadline = Nanos::MAX;
            self.dirty.push_back(vu);
        }
    }

    fn waits_for(&self, vu: u32, slot: u32) -> bool {
        self.vus[vu as usize].state == State::Connecting && self.slot_of(vu) == slot
    }

    pub(super) fn connect_failed(&mut self, slot: u32, kind: ErrorKind, now: Nanos) {
        let connection = &mut self.connections[slot as usize];
        connection.failures = connection.failures.saturating_add(1);
        let pause = back_off(connection.failures).min(BACK_OFF_MAX);
        connection.retire();
        connection.since = now + pause;
        self.connecting -= 1;
        self.recorder.connect_failed(kind);
        let vu = self.user_of(slot);
        if self.waits_for(vu, slot) {
            self.request_failed(vu, kind, now);
        }
    }

    /// Asks each user whose timer has fired what it was waiting for.
    pub(super) fn fire_timers(&mut self, now: Nanos) {
        while let Some(vu) = self.timers.take_expired(&mut self.vus, now) {
            let user = &self.vus[vu as usize];
            if user.in_iteration && user.leave_by <= now {
                self.interrupt(vu);
                continue;
            }
            if user.deadline > now {
                self.set_next_timer(vu);
                continue;
            }
            match user.state {
                State::Thinking => self.wake(vu),
                State::Connecting => self.connect_late(vu, now),
                State::Waiting => {
                    self.lose(self.slot_of(vu), now);
                    self.request_failed(vu, ErrorKind::Timeout, now);
                }
                State::Off | State::Idle | State::Ready | State::Sending => {}
            }
            self.set_next_timer(vu);
        }
    }

    fn set_next_timer(&mut self, vu: u32) {
        let user = &self.vus[vu as usize];
        let leave_by = if user.in_iteration { user.leave_by } else { Nanos::MAX };
        let at = user.deadline.min(leave_by);
        if at != Nanos::MAX {
            self.timers.set(&mut self.vus, vu, at);
        }
    }

    /// A user has waited for its connection until its deadline: an attempt took too long, or a back-off is over.
    fn connect_late(&mut self, vu: u32, now: Nanos) {
        let slot = self.slot_of(vu);
        self.vus[vu as usize].deadline = Nanos::MAX;
        let connection = &self.connections[slot as usize];
        match connection.state {
            Link::Closed => self.queue_connect(slot),
            Link::Connecting | Link::Securing => {
                let kind = match connection.state {
                    Link::Securing => ErrorKind::TlsTimeout,
                    _ => ErrorKind::ConnectTimeout,
                };
                self.driver.close(connection.id(slot), false);
                self.connect_failed(slot, kind, now);
            }
            Link::Queued | Link::Open => {}
        }
    }

    /// Closes a connection that broke or went wrong. If it has brought no answer the next attempt backs off: a
    /// server that accepts and hangs up must not keep us in a loop.
    pub(super) fn lose(&mut self, slot: u32, now: Nanos) {
        let connection = &mut self.connections[slot as usize];
        let fruitless = connection.state == Link::Open && !connection.answered;
        connection.failures = connection.failures.saturating_add(u8::from(fruitless));
        let pause = back_off(connection.failures).min(BACK_OFF_MAX);
        self.close_link(slot);
        if fruitless {
            self.connections[slot as usize].since = now + pause;
        }
    }

    /// Closes the connection of the user's request.
    pub(super) fn lose_link(&mut self, vu: u32) {
        let slot = self.slot_of(vu);
        self.close_link(slot);
    }

    pub(super) fn close_link(&mut self, slot: u32) {
        self.end_link(slot, false);
    }

    /// Closes a connection on which nothing is outstanding, without TIME_WAIT.
    pub(super) fn reset_link(&mut self, slot: u32) {
        self.end_link(slot, true);
    }

    fn end_link(&mut self, slot: u32, reset: bool) {
        let connection = &mut self.connections[slot as usize];
        match connection.state {
            Link::Closed => return,
            Link::Queued => {
                connection.state = Link::Closed;
                return;
            }
            Link::Connecting | Link::Securing => self.connecting -= 1,
            Link::Open => self.open -= 1,
        }
        self.driver.close(connection.id(slot), reset && connection.state == Link::Open);
        connection.retire();
        connection.since = Nanos::ZERO;
    }

    /// Closes all connections of a user that is not to use them any more.
    pub(super) fn close_links(&mut self, vu: u32) {
        self.end_links(vu, false);
    }

    /// Closes all connections of a user whose iteration is over, without TIME_WAIT: nothing is outstanding on any.
    pub(super) fn reset_links(&mut self, vu: u32) {
        self.end_links(vu, true);
    }

    fn end_links(&mut self, vu: u32, reset: bool) {
        let origins = self.workload.origins.len() as u32;
        for slot in vu * origins..(vu + 1) * origins {
            self.end_link(slot, reset);
        }
    }
}
