//! From the source to the wire: who sends next, and one time stamp for all sends of a turn.

use super::Worker;
use super::connection::State;
use super::inflight::Entry;
use super::source::Source;
use crate::driver::{Driver, PayloadId};
use crate::units::Nanos;

/// Submitting a send takes the kernel some 5 us, so that the last of many is on its way long after the
/// time stamp that they share. Also, answers to the first must not wait until all are sent.
pub(super) const SENDS_PER_TURN: usize = 128;

/// The one payload of a run.
const PAYLOAD: PayloadId = PayloadId(0);

impl<D: Driver> Worker<'_, D> {
    /// Gives requests to connections that have room: in the open model first those of the backlog,
    /// then the arrivals that are due; in the closed model to connections that stood by.
    pub(super) fn admit(&mut self, now: Nanos) {
        let depth = self.plan.pipeline;
        match &mut self.source {
            Source::Closed(closed) => {
                while let Some(slot) = self.pool.take_idle(depth) {
                    if !closed.take() {
                        // Nothing to send now; it stays at hand for what is put back later.
                        self.pool.offer(slot);
                        break;
                    }
                    assign(&mut self.pool, &mut self.inflight, &mut self.dirty, slot, Nanos::ZERO);
                    self.pool.offer_if_room(slot, depth);
                }
            }
            Source::Open(open) => {
                while open.waiting()
                    && let Some(slot) = self.pool.take_idle(depth)
                    && let Some(scheduled) = open.unqueue()
                {
                    assign(&mut self.pool, &mut self.inflight, &mut self.dirty, slot, scheduled);
                    self.pool.offer_if_room(slot, depth);
                }
                while let Some(scheduled) = open.due(now) {
                    let may_send = open.on() && !open.waiting();
                    let idle = if may_send { self.pool.take_idle(depth) } else { None };
                    match idle {
                        Some(slot) => {
                            if self.window.measures(scheduled) {
                                self.recorder.picked_up(now - scheduled);
                            }
                            assign(&mut self.pool, &mut self.inflight, &mut self.dirty, slot, scheduled);
                            self.pool.offer_if_room(slot, depth);
                        }
                        None => open.queue(scheduled, now, &mut self.recorder, &self.window),
                    }
                }
            }
        }
    }

    /// A connection has room again. In the closed model it takes its next request at once.
    #[inline]
    pub(super) fn refill(&mut self, slot: u32) {
        if let Source::Closed(closed) = &mut self.source
            && closed.take()
        {
            assign(&mut self.pool, &mut self.inflight, &mut self.dirty, slot, Nanos::ZERO);
        } else {
            self.pool.offer(slot);
        }
    }

    /// Sends what was assigned, or the first part of it: the rest follows in the next turn, with a
    /// time stamp of its own.
    pub(super) fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let sent = self.driver.now();
        let stamp = match &self.source {
            Source::Closed(closed) => Some(closed.scheduled(sent, &self.window)),
            Source::Open(_) => None,
        };
        let notify = self.plan.notify();
        let mut dirty = std::mem::take(&mut self.dirty);
        let count = dirty.len().min(SENDS_PER_TURN);
        for slot in dirty.drain(..count) {
            let connection = self.pool.get_mut(slot);
            connection.dirty = false;
            if connection.state != State::Open || connection.unsent == 0 || connection.sending {
                continue; // lost meanwhile, or its turn comes when the send before is whole
            }
            let (fifo, count) = (connection.fifo, connection.unsent);
            let id = connection.id(slot);
            connection.unsent = 0;
            connection.sending = notify;
            for index in fifo.len() - count..fifo.len() {
                let entry = self.inflight.get_mut(slot, fifo, index);
                entry.sent = sent;
                if let Some(scheduled) = stamp {
                    entry.scheduled = scheduled;
                }
                if self.window.measures(entry.scheduled) {
                    self.recorder.started(entry.scheduled, sent);
                }
            }
            let bytes = u32::from(count) * self.plan.request_len;
            self.driver.send(id, PAYLOAD, bytes, notify);
            if self.window.measures(sent) {
                self.recorder.bytes_out(u64::from(bytes));
            }
            self.pool.in_flight += u64::from(count);
            self.pool.set_timer(slot, sent + self.config.timeout);
        }
        self.dirty = dirty; // with its capacity, and what is left
    }

    /// Takes back what was assigned to any connection and not sent.
    #[cold]
    pub(super) fn take_back_all_unsent(&mut self) {
        for slot in 0..self.config.connections {
            if self.pool.get_mut(slot).unsent > 0 {
                self.take_back_unsent(slot);
                self.pool.offer(slot);
            }
        }
    }

    /// Takes back what was assigned to `slot` and not sent: the schedule must not lose it.
    pub(super) fn take_back_unsent(&mut self, slot: u32) {
        let connection = self.pool.get_mut(slot);
        let (fifo, count) = (connection.fifo, connection.unsent);
        connection.unsent = 0;
        connection.fifo.shorten(count);
        match &mut self.source {
            Source::Closed(closed) => closed.put_back(u64::from(count)),
            Source::Open(open) => {
                for index in (fifo.len() - count..fifo.len()).rev() {
                    open.put_back(self.inflight.get(slot, fifo, index).scheduled);
                }
            }
        }
    }
}

#[inline]
fn assign(
    pool: &mut super::Pool,
    inflight: &mut super::Inflight,
    dirty: &mut Vec<u32>,
    slot: u32,
    scheduled: Nanos,
) {
    let connection = pool.get_mut(slot);
    inflight.push(slot, &mut connection.fifo, Entry { scheduled, sent: Nanos::MAX });
    connection.unsent += 1;
    if !connection.dirty {
        connection.dirty = true;
        dirty.push(slot);
    }
}
