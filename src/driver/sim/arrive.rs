//! From the peer to the worker: what arrives, and the receives that hand it over.

use std::sync::Arc;

use super::peer::{Chunk, Delivery, Last};
use super::{SimDriver, State};
use crate::driver::failure::Failure;
use crate::driver::{ConnId, Event};

/// Receives of one connection per turn: the worker can discard before a large response has used up
/// every buffer.
const RECEIVES_PER_TURN: u32 = 4;

impl SimDriver {
    pub(super) fn arrive(&mut self, conn: ConnId, delivery: Delivery) {
        let slot = &mut self.slots[conn.slot as usize];
        if slot.cut_off {
            return;
        }
        match delivery {
            Delivery::Bytes { chunk, last } => {
                slot.arrived += chunk.len() as u64;
                self.books.response_bytes += chunk.len() as u64;
                match last {
                    Last::Nothing => {}
                    Last::Garbage => self.books.garbage += 1,
                    Last::Response(cookie) => {
                        self.books.responses += 1;
                        slot.response_ends.push_back((slot.arrived, cookie));
                    }
                }
                slot.received.push_back(chunk);
            }
            Delivery::Eof => {
                self.books.eofs += 1;
                slot.ending = Some(Event::Eof);
            }
            Delivery::Reset => {
                self.books.resets += 1;
                slot.ending = Some(Event::Failed(Failure::Os(libc::ECONNRESET)));
            }
            Delivery::Broken(errno) => {
                self.books.stream_errors += 1;
                slot.ending = Some(Event::Failed(Failure::Os(errno)));
            }
            Delivery::SendFailed { errno, first } => {
                self.books.send_errors += 1;
                let failed = Event::Failed(Failure::Os(errno));
                if first {
                    slot.state = State::Dead;
                    return self.report(conn, failed);
                }
                slot.ending = Some(failed);
            }
        }
        if !slot.listed {
            self.receive(conn);
        }
    }

    /// Turns what has arrived into completions, as far as buffers and the turn's share go.
    fn receive(&mut self, conn: ConnId) {
        let mut share = RECEIVES_PER_TURN;
        while let Some(chunk) = self.slots[conn.slot as usize].received.front() {
            let slot = &self.slots[conn.slot as usize];
            let discards = slot.discard > 0 && !slot.discard_lags;
            if !discards && share == 0 {
                return self.put_off(conn);
            }
            let taken = if discards {
                let bytes = slot.discard.min(chunk.len() as u64);
                self.slot(conn).discard -= bytes;
                self.report(conn, Event::Discarded(bytes));
                bytes
            } else {
                share -= 1;
                let refused = self.dice.happens(self.faults[slot.endpoint as usize].buffer_starvation);
                if self.buffers.is_empty() || (refused && !slot.starved) {
                    return self.starve(conn);
                }
                let Some(buffer) = self.buffers.lend(chunk) else {
                    return self.starve(conn);
                };
                let bytes = u64::from(buffer.len);
                let slot = self.slot(conn);
                slot.starved = false;
                slot.discard_lags = false;
                slot.discard = slot.discard.saturating_sub(bytes);
                slot.queued += bytes;
                self.report(conn, Event::Data(buffer));
                bytes
            };
            let received = &mut self.slot(conn).received;
            if let Some(chunk) = received.front_mut() {
                chunk.from += taken as usize;
                if chunk.len() == 0 {
                    received.pop_front();
                }
            }
        }
        if let Some(ending) = self.slot(conn).ending.take() {
            self.slot(conn).state = State::Dead;
            self.slot(conn).drafted = false;
            self.report(conn, ending);
        }
    }

    fn starve(&mut self, conn: ConnId) {
        let slot = self.slot(conn);
        if !std::mem::replace(&mut slot.starved, true) {
            self.counters.buffer_starvations += 1;
            self.starved_now = true;
        }
        self.put_off(conn);
    }

    fn put_off(&mut self, conn: ConnId) {
        self.slot(conn).listed = true;
        self.unread.push(conn);
    }

    pub(super) fn receive_unread(&mut self) {
        for conn in std::mem::take(&mut self.unread) {
            if self.live(conn) && self.slot(conn).listed {
                self.slot(conn).listed = false;
                self.receive(conn);
            }
        }
    }

    pub(super) fn report_stale(&mut self, conn: ConnId) {
        let event = match self.dice.between(0, 5) {
            0 => Event::Eof,
            1 => Event::Failed(Failure::Os(libc::ECANCELED)),
            2 => Event::Sent,
            3 => Event::Discarded(7),
            _ => {
                let bytes = Arc::clone(&self.responses[0]);
                match self.buffers.lend(&Chunk { from: 0, to: bytes.len(), bytes }) {
                    Some(buffer) => Event::Data(buffer),
                    None => return,
                }
            }
        };
        self.books.stale += 1;
        self.report(conn, event);
    }

    /// The worker has taken `bytes` of what arrived.
    pub(super) fn take(&mut self, conn: ConnId, bytes: u64) {
        let slot = &mut self.slots[conn.slot as usize];
        slot.taken += bytes;
        while let Some((_, cookie)) = slot.response_ends.pop_front_if(|(end, _)| *end <= slot.taken) {
            slot.drafted = false;
            self.books.delivered += 1;
            if let Some(cookie) = cookie {
                self.cookies.handed_over(cookie, &mut self.books);
            }
        }
    }

    /// An outage begins.
    pub(super) fn cut_everything_off(&mut self) {
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            let Some(generation) = slot.generation.filter(|_| slot.state == State::Open) else { continue };
            if slot.peer.cut_off() && slot.ending.is_none() {
                self.books.cut_off += 1;
                self.arrive(ConnId { slot: at as u32, generation }, Delivery::Reset);
                self.slots[at].cut_off = true;
            }
        }
    }
}
