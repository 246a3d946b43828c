//! Opening connections: bounded attempts, time limits, back-off.

use super::Worker;
use super::connection::{State, back_off};
use super::failure::not_connected;
use crate::driver::Driver;
use crate::driver::failure::Failure;
use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;

impl<D: Driver> Worker<'_, D> {
    pub(super) fn open_connections(&mut self, now: Nanos) {
        while let Some(slot) = self.pool.take_to_open() {
            let connection = self.pool.get_mut(slot);
            connection.state = State::Connecting;
            connection.since = now;
            let id = connection.id(slot);
            self.pool.connecting += 1;
            let endpoint = self.rotation.next(self.config.endpoints);
            self.driver.connect(id, endpoint);
            self.pool.set_timer(slot, now + self.config.connect_timeout);
        }
    }

    /// Queues a closed slot to be opened, after a pause if it failed before.
    pub(super) fn reopen(&mut self, slot: u32, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        if connection.failures == 0 {
            self.pool.reopen(slot);
        } else {
            connection.since = now + back_off(connection.failures);
            let at = connection.since;
            self.pool.set_timer(slot, at);
        }
    }

    /// TCP stands, TLS begins.
    pub(super) fn on_reached(&mut self, slot: u32, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        self.recorder.reached(now - connection.since);
        connection.state = State::Securing;
        connection.since = now;
        self.pool.set_timer(slot, now + self.config.tls_timeout);
    }

    pub(super) fn on_connected(&mut self, slot: u32, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        let took = now - connection.since;
        match std::mem::replace(&mut connection.state, State::Open) {
            State::Securing => self.recorder.secured(took),
            _ => self.recorder.reached(took),
        }
        self.recorder.connected();
        self.pool.connecting -= 1;
        self.pool.open += 1;
        if std::mem::replace(&mut self.pool.get_mut(slot).tried, true) {
            self.recorder.counts.reconnects += 1;
        } else {
            self.connected.tried += 1;
            self.connected.came_about += 1;
        }
        for _ in 0..self.plan.pipeline {
            self.refill(slot);
        }
    }

    /// An attempt came to nothing: `failure` says why, or our own time limit was over.
    pub(super) fn connect_failed(&mut self, slot: u32, failure: Option<Failure>, now: Nanos) {
        let late = match self.pool.get_mut(slot).state {
            State::Securing => ErrorKind::TlsTimeout,
            _ => ErrorKind::ConnectTimeout,
        };
        let kind = failure.map_or(late, not_connected);
        self.recorder.connect_failed(kind);
        self.connected.last_failure = Some((kind, failure));
        let connection = self.pool.get_mut(slot);
        if !std::mem::replace(&mut connection.tried, true) {
            self.connected.tried += 1;
        }
        connection.failures = connection.failures.saturating_add(1);
        connection.retire();
        self.pool.connecting -= 1;
        self.reopen(slot, now);
    }

    /// Asks each slot whose timer has fired what it was waiting for.
    #[cold]
    pub(super) fn fire_timers(&mut self, now: Nanos) {
        while let Some(slot) = self.pool.take_expired(now) {
            let connection = self.pool.get_mut(slot);
            let (state, since) = (connection.state, connection.since);
            match state {
                State::Closed if since == Nanos::MAX => {} // stands in the queue already
                State::Closed if since <= now => {
                    connection.since = Nanos::MAX;
                    self.pool.reopen(slot);
                }
                State::Closed => self.pool.set_timer(slot, since),
                State::Connecting => self.check_attempt(slot, since + self.config.connect_timeout, now),
                State::Securing => self.check_attempt(slot, since + self.config.tls_timeout, now),
                State::Open => self.check_request(slot, now),
            }
        }
    }

    fn check_attempt(&mut self, slot: u32, limit: Nanos, now: Nanos) {
        if limit <= now {
            let id = self.pool.get_mut(slot).id(slot);
            self.driver.close(id, false);
            self.connect_failed(slot, None, now);
        } else {
            self.pool.set_timer(slot, limit);
        }
    }

    /// The oldest request is the first to be late: all have the same time limit.
    fn check_request(&mut self, slot: u32, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        if connection.fifo.len() == connection.unsent {
            return; // idle: the next send sets a timer again
        }
        let fifo = connection.fifo;
        let Some(oldest) = self.inflight.front(slot, fifo) else {
            return;
        };
        let limit = oldest.sent + self.config.timeout;
        if limit <= now {
            self.lose(slot, ErrorKind::Timeout, now);
        } else {
            self.pool.set_timer(slot, limit);
        }
    }
}
