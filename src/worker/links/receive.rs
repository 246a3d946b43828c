//! From the wire to the owner: completions, and the responses in them.

use super::end::Manner;
use super::failure::broken;
use super::{Cause, ExchangeOf, IdOf, Links, Owner};
use crate::driver::{Buffer, ConnId, Event};
use crate::http::protocol::Protocol;
use crate::http::response::{self, Response};
use crate::stats::outcome::ErrorKind;
use crate::transport::AddRoute;
use crate::units::Nanos;

/// A rest of a body from here on is dropped in the kernel instead of being copied to us. Below it
/// the second receive costs more than the copy.
const DISCARD_FROM: u64 = 16 * 1024;

/// What some bytes meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The connection goes on.
    Keep,
    /// It has ended.
    Gone,
    /// They are no response from this place on, or none was due.
    Bad(Cause, usize),
}

impl<D: AddRoute, O: Owner> Links<D, O> {
    /// Handles every completion that is there; returns how many.
    #[inline]
    pub(in crate::worker) fn receive(&mut self, owner: &mut O, now: Nanos) -> u32 {
        let mut handled = 0;
        while let Some(completion) = self.driver.next() {
            handled += 1;
            let id = completion.conn;
            match completion.event {
                Event::Data(buffer) => self.on_data(owner, id, buffer, now),
                _ if !self.links[id.slot as usize].is(id) => self.recorder.counts.stale += 1,
                Event::Discarded(bytes) => self.on_discarded(owner, id.slot, bytes, now),
                Event::Sent => self.on_sent(owner, id.slot, now),
                Event::Eof => self.on_eof(owner, id.slot, now),
                Event::Failed(failure) => {
                    let kind = broken(failure);
                    self.has_reason(id.slot, kind, Cause::Failure(failure), None, now);
                    self.lose(owner, id.slot, kind, now);
                }
                Event::Reached => self.on_reached(owner, id.slot, now),
                // There is one protocol: whatever TLS agreed on, HTTP/1.1 is spoken.
                Event::Connected(_) => self.on_connected(owner, id.slot, now),
                Event::ConnectFailed(failure) => self.on_connect_failed(owner, id.slot, failure, now),
            }
        }
        handled
    }

    #[inline]
    fn on_data(&mut self, owner: &mut O, id: ConnId, buffer: Buffer, now: Nanos) {
        if !self.links[id.slot as usize].is(id) {
            self.recorder.counts.stale += 1;
            self.driver.release(buffer);
            return;
        }
        let fate = self.parse(owner, id, &buffer, now);
        if let Fate::Bad(cause, at) = fate {
            self.has_reason(id.slot, ErrorKind::Protocol, cause, Some((&buffer, at)), now);
        }
        self.driver.release(buffer);
        match fate {
            Fate::Keep => self.drop_large_rest(owner, id.slot),
            Fate::Gone => {}
            Fate::Bad(..) => self.lose(owner, id.slot, ErrorKind::Protocol, now),
        }
    }

    #[inline]
    fn parse(&mut self, owner: &mut O, id: ConnId, buffer: &Buffer, now: Nanos) -> Fate {
        let slot = id.slot;
        self.count(owner, slot, buffer.len() as u64, now);
        let mut at = 0;
        while at < buffer.len() {
            let link = &mut self.links[slot as usize];
            let Some(due) = link.h1.due() else {
                // What comes next could not be told from them, unless it is an empty line behind a body.
                let rest = &self.driver.bytes(buffer)[at..];
                let empty = rest.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                return if empty { Fate::Keep } else { Fate::Bad(Cause::Unasked, at) };
            };
            let exchange = link.h1.exchange(&mut self.store, slot, due);
            if exchange.first_byte == Nanos::MAX {
                exchange.first_byte = now;
            }
            let rest = &self.driver.bytes(buffer)[at..];
            let known = &mut self.known[link.origin as usize];
            match owner.feed(&mut link.h1, known, rest) {
                Ok((used, response::Event::Complete(response))) => {
                    at += used;
                    let more = at < buffer.len();
                    if !self.complete(owner, slot, due, response, more, now) {
                        return Fate::Gone;
                    }
                    if O::MAY_END_CONNECTIONS && more && !self.links[slot as usize].is(id) {
                        return Fate::Gone;
                    }
                }
                Ok((_, response::Event::NeedMore)) => break,
                Err(error) => return Fate::Bad(Cause::NotHttp(error), at),
            }
        }
        Fate::Keep
    }

    #[inline]
    fn count(&mut self, owner: &mut O, slot: u32, bytes: u64, now: Nanos) {
        if now < self.window.open {
            return;
        }
        self.recorder.bytes_in(bytes);
        if O::COUNTS_BYTES {
            let link = &mut self.links[slot as usize];
            let due = link.h1.due();
            let ask = due.map(|id| &link.h1.exchange(&mut self.store, slot, id).ask);
            owner.received(ask, bytes, &mut self.recorder);
        }
    }

    /// A whole response to the exchange that is due. False when the connection has ended with it; `more`: bytes have come
    /// behind it.
    #[inline(always)]
    fn complete(
        &mut self,
        owner: &mut O,
        slot: u32,
        id: IdOf<O>,
        response: Response,
        more: bool,
        now: Nanos,
    ) -> bool {
        let link = &mut self.links[slot as usize];
        link.discarding = false;
        link.answered = true;
        link.since = now;
        link.failures = 0;
        let exchange = link.h1.finish(&mut self.store, slot, id);
        self.in_flight -= 1;
        self.batching.answered(now - exchange.sent);
        // A response to a request that the peer has not wholly read: the rest of it would be taken for the next one.
        let early = link.sending && link.sent() == 0;
        let used_up = owner.is_used_up(link.requests);
        if response.keep_alive && !early && !used_up {
            owner.answered(self, slot, exchange, response, true, now);
            return true;
        }
        // Whoever closes first lets the port rest for a minute (TIME_WAIT), and where each request has a
        // connection of its own that soon takes all of them. Where nothing is outstanding: reset.
        let manner = if used_up && !more && !early { Manner::Reset } else { Manner::Close };
        self.end_with(owner, slot, exchange, response, manner, now);
        false
    }

    /// The connection ends with this response.
    #[cold]
    fn end_with(
        &mut self,
        owner: &mut O,
        slot: u32,
        exchange: ExchangeOf<O>,
        response: Response,
        manner: Manner,
        now: Nanos,
    ) {
        // First the connection, so that what the owner begins next gets a new one.
        self.end_behind_last(owner, slot, manner, now);
        owner.answered(self, slot, exchange, response, false, now);
    }

    /// Lets the kernel drop a large rest of a body that nobody reads.
    #[inline]
    fn drop_large_rest(&mut self, owner: &mut O, slot: u32) {
        let link = &mut self.links[slot as usize];
        if link.discarding {
            return;
        }
        if let Some(rest) = link.h1.rest_of_body()
            && rest >= DISCARD_FROM
            && let Some(id) = link.h1.due()
            && !owner.reads_body(&link.h1.exchange(&mut self.store, slot, id).ask)
        {
            link.discarding = true;
            self.driver.discard(link.id(slot), rest);
        }
    }

    fn on_discarded(&mut self, owner: &mut O, slot: u32, bytes: u64, now: Nanos) {
        self.count(owner, slot, bytes, now);
        let link = &mut self.links[slot as usize];
        let Some(due) = link.h1.due() else {
            return self.lose(owner, slot, ErrorKind::Protocol, now);
        };
        match link.h1.skip(bytes) {
            Ok(response::Event::Complete(response)) => {
                self.complete(owner, slot, due, response, false, now);
            }
            Ok(response::Event::NeedMore) => {}
            Err(_) => self.lose(owner, slot, ErrorKind::Protocol, now),
        }
    }

    fn on_eof(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        // Only a body that ends with the connection is whole.
        let Some(id) = link.h1.due() else {
            return self.lose(owner, slot, ErrorKind::Closed, now);
        };
        match link.h1.end_of_input() {
            Ok(response::Event::Complete(response)) => {
                link.answered = true;
                link.failures = 0;
                let exchange = link.h1.finish(&mut self.store, slot, id);
                self.in_flight -= 1;
                self.batching.answered(now - exchange.sent);
                self.end_with(owner, slot, exchange, response, Manner::Close, now);
            }
            _ => self.lose(owner, slot, ErrorKind::Closed, now),
        }
    }
}
