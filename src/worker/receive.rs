//! From the wire to the recorder: completions, answers, and how a connection ends.

use super::Worker;
use super::connection::State;
use super::failure::broken;
use crate::driver::{Buffer, ConnId, Driver, Event};
use crate::http::response::{self, Response};
use crate::stats::outcome::{ErrorKind, Sample};
use crate::units::Nanos;

/// A rest of a body from here on is dropped in the kernel instead of being copied to us. Below it
/// the second receive costs more than the copy.
pub(super) const DISCARD_FROM: u64 = 16 * 1024;

/// What becomes of a connection after some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    /// The peer will send no more answers.
    Close,
    Fail(ErrorKind),
}

impl<D: Driver> Worker<'_, D> {
    /// Handles every completion that is there; returns how many.
    pub(super) fn receive(&mut self, now: Nanos) -> u32 {
        let mut handled = 0;
        while let Some(completion) = self.driver.next() {
            handled += 1;
            let id = completion.conn;
            match completion.event {
                Event::Data(buffer) => self.on_data(id, buffer, now),
                _ if !self.pool.get_mut(id.slot).is(id) => self.recorder.counts.stale += 1,
                Event::Discarded(bytes) => self.on_discarded(id.slot, bytes, now),
                Event::Sent => self.on_sent(id.slot),
                Event::Eof => self.on_eof(id.slot, now),
                Event::Failed(failure) => self.lose(id.slot, broken(failure), now),
                Event::Reached => self.on_reached(id.slot, now),
                Event::Connected(_) => self.on_connected(id.slot, now),
                Event::ConnectFailed(failure) => self.connect_failed(id.slot, Some(failure), now),
            }
        }
        handled
    }

    #[inline]
    fn on_data(&mut self, id: ConnId, buffer: Buffer, now: Nanos) {
        let slot = id.slot;
        if !self.pool.get_mut(slot).is(id) {
            self.recorder.counts.stale += 1;
            self.driver.release(buffer);
            return;
        }
        if now >= self.window.open {
            self.recorder.bytes_in(buffer.len() as u64);
        }
        let fate = self.parse(slot, &buffer, now);
        self.driver.release(buffer);
        match fate {
            Fate::Keep => self.drop_large_rest(slot),
            Fate::Close => self.retire(slot, ErrorKind::Closed, now),
            Fate::Fail(kind) => self.lose(slot, kind, now),
        }
    }

    #[inline]
    fn parse(&mut self, slot: u32, buffer: &Buffer, now: Nanos) -> Fate {
        let expect = self.plan.expect;
        let mut at = 0;
        while at < buffer.len() {
            let connection = &mut self.pool.connections[slot as usize];
            if connection.fifo.len() == connection.unsent {
                return Fate::Fail(ErrorKind::Protocol); // bytes that nobody asked for
            }
            if connection.first_byte == Nanos::MAX {
                connection.first_byte = now;
            }
            let rest = &self.driver.bytes(buffer)[at..];
            match connection.parser.feed(&mut self.cache, expect, rest, &mut ()) {
                Ok((used, response::Event::Complete(response))) => {
                    at += used;
                    if self.answered(slot, response, now) == Fate::Close {
                        return Fate::Close;
                    }
                }
                Ok((_, response::Event::NeedMore)) => break,
                Err(_) => return Fate::Fail(ErrorKind::Protocol),
            }
        }
        Fate::Keep
    }

    /// A whole answer: the oldest request of the connection has ended.
    #[inline]
    fn answered(&mut self, slot: u32, response: Response, now: Nanos) -> Fate {
        let connection = &mut self.pool.connections[slot as usize];
        let first_byte = std::mem::replace(&mut connection.first_byte, Nanos::MAX);
        connection.discarding = false;
        connection.answered = true;
        connection.failures = 0;
        let Some(entry) = self.inflight.pop(slot, &mut connection.fifo) else {
            return Fate::Close; // guarded by the caller: an answer has a request
        };
        self.pool.in_flight -= 1;
        self.batching.answered(now - entry.sent);
        if self.window.measures(entry.scheduled) {
            self.recorder.record(&Sample {
                scheduled: entry.scheduled,
                sent: entry.sent,
                first_byte,
                done: now,
                status: response.status,
            });
            self.last_done = now;
        }
        if !response.keep_alive {
            return Fate::Close;
        }
        self.refill(slot);
        Fate::Keep
    }

    /// Lets the kernel drop a large rest of a body that nobody reads.
    #[inline]
    fn drop_large_rest(&mut self, slot: u32) {
        let connection = &mut self.pool.connections[slot as usize];
        if connection.discarding {
            return;
        }
        if let Some(rest) = connection.parser.remaining_body()
            && rest >= DISCARD_FROM
        {
            connection.discarding = true;
            self.driver.discard(connection.id(slot), rest);
        }
    }

    fn on_discarded(&mut self, slot: u32, bytes: u64, now: Nanos) {
        if now >= self.window.open {
            self.recorder.bytes_in(bytes);
        }
        let fate = match self.pool.get_mut(slot).parser.skip(bytes) {
            Ok(response::Event::Complete(response)) => self.answered(slot, response, now),
            Ok(response::Event::NeedMore) => Fate::Keep,
            Err(_) => Fate::Fail(ErrorKind::Protocol),
        };
        match fate {
            Fate::Keep => {}
            Fate::Close => self.retire(slot, ErrorKind::Closed, now),
            Fate::Fail(kind) => self.lose(slot, kind, now),
        }
    }

    fn on_sent(&mut self, slot: u32) {
        let connection = self.pool.get_mut(slot);
        connection.sending = false;
        if connection.unsent > 0 && !connection.dirty {
            connection.dirty = true;
            self.dirty.push(slot);
        }
    }

    fn on_eof(&mut self, slot: u32, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        if !connection.parser.is_idle()
            && let Ok(response::Event::Complete(response)) = connection.parser.eof()
        {
            self.answered(slot, response, now); // a body that ends with the connection
            self.retire(slot, ErrorKind::Closed, now);
        } else {
            self.lose(slot, ErrorKind::Closed, now);
        }
    }

    /// The connection broke. If it has brought no answer the next attempt backs off: a server that
    /// accepts and hangs up must not keep us in a loop. If it has not even carried a request, the attempt to have
    /// it has failed: nothing else would tell of it.
    pub(super) fn lose(&mut self, slot: u32, kind: ErrorKind, now: Nanos) {
        let connection = self.pool.get_mut(slot);
        if !connection.answered {
            connection.failures = connection.failures.saturating_add(1);
            if connection.fifo.len() == connection.unsent {
                self.recorder.connect_failed(kind);
            }
        }
        self.retire(slot, kind, now);
    }

    /// Closes the connection: requests in flight on it fail as `kind`, assigned ones go back to the
    /// source, and the slot is opened again.
    pub(super) fn retire(&mut self, slot: u32, kind: ErrorKind, now: Nanos) {
        self.take_back_unsent(slot);
        let connection = &mut self.pool.connections[slot as usize];
        while let Some(entry) = self.inflight.pop(slot, &mut connection.fifo) {
            self.pool.in_flight -= 1;
            if self.window.measures(entry.scheduled) {
                self.recorder.failed(kind);
            }
        }
        if connection.state == State::Open {
            self.pool.open -= 1;
        } else {
            self.pool.connecting -= 1;
        }
        self.driver.close(connection.id(slot), false);
        connection.retire();
        self.reopen(slot, now);
    }
}
