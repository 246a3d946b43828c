//! Opening connections: bounded attempts, time limits, back-off.

use super::Worker;
use super::connection::{State, back_off};
use crate::driver::Driver;
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
            let endpoint = self.next_endpoint % self.config.endpoints;
            self.next_endpoint = self.next_endpoint.wrapping_add(1);
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

    pub(super) fn on_connected(&mut self, slot: u32, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        let took = now - connection.since;
        connection.state = State::Open;
        self.pool.connecting -= 1;
        self.pool.open += 1;
        self.recorder.connected(took);
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

    pub(super) fn on_connect_failed(&mut self, slot: u32, errno: i32, now: Nanos) {
        self.connect_failed(slot, not_connected(errno), errno, now);
    }

    fn connect_failed(&mut self, slot: u32, kind: ErrorKind, errno: i32, now: Nanos) {
        self.recorder.connect_failed(kind);
        self.connected.last_failure = Some((kind, errno));
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
            let (state, since, id) = (connection.state, connection.since, connection.id(slot));
            match state {
                State::Closed if since == Nanos::MAX => {} // stands in the queue already
                State::Closed if since <= now => {
                    connection.since = Nanos::MAX;
                    self.pool.reopen(slot);
                }
                State::Closed => self.pool.set_timer(slot, since),
                State::Connecting => {
                    let limit = since + self.config.connect_timeout;
                    if limit <= now {
                        self.driver.close(id, false);
                        self.connect_failed(slot, ErrorKind::ConnectTimeout, 0, now);
                    } else {
                        self.pool.set_timer(slot, limit);
                    }
                }
                State::Open => self.check_request(slot, now),
            }
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

/// The kind of a connection attempt that failed.
pub(super) fn not_connected(errno: i32) -> ErrorKind {
    match errno {
        libc::EADDRNOTAVAIL => ErrorKind::PortExhausted,
        libc::EMFILE | libc::ENFILE => ErrorKind::FdExhausted,
        libc::ETIMEDOUT => ErrorKind::ConnectTimeout,
        _ => ErrorKind::Connect,
    }
}
