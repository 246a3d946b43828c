//! From queued exchanges to the wire, with one time stamp for all sends of a turn.

use super::{Links, Owner};
use crate::http::protocol::Protocol;
use crate::plan::request_template::RenderError;
use crate::stats::outcome::ErrorKind;
use crate::transport::AddRoute;
use crate::units::Nanos;

/// Submitting a send takes the kernel some 5 us, so that the last of many is on its way long after the
/// time stamp that they share. Also, responses to the first must not wait until all are sent.
const SENDS_PER_TURN: usize = 128;

impl<D: AddRoute, O: Owner> Links<D, O> {
    /// Sends what is queued, or the first part of it: the rest follows in the next turn, with a
    /// time stamp of its own.
    #[inline]
    pub(in crate::worker) fn flush(&mut self, owner: &mut O) {
        if self.dirty.is_empty() {
            return;
        }
        let sent = self.driver.now();
        let mut dirty = std::mem::take(&mut self.dirty);
        let count = dirty.len().min(SENDS_PER_TURN);
        for slot in dirty.drain(..count) {
            self.send(owner, slot, sent);
        }
        // With its capacity, and what is left; a request that could not be put together may have led to others.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    #[inline]
    fn send(&mut self, owner: &mut O, slot: u32, sent: Nanos) {
        let link = &mut self.links[slot as usize];
        link.dirty = false;
        let count = link.h1.queued();
        if !link.is_open() || count == 0 || link.sending {
            return; // lost meanwhile, or its turn comes when the send before is whole
        }
        let (h1, store) = (&mut link.h1, &mut self.store);
        let bytes =
            owner.bytes(&mut self.driver, &self.origins, slot, move || h1.first_queued(store, slot), count);
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => return self.not_to_be_sent(owner, slot, why, sent),
        };
        link.sending = bytes.notify;
        link.requests += u32::from(count);
        let (recorder, window) = (&mut self.recorder, &self.window);
        link.h1.take_outgoing(&mut self.store, slot, |exchange| {
            if exchange.is_again() {
                exchange.first_byte = Nanos::MAX;
                recorder.counts.resent += u64::from(window.measures(exchange.scheduled));
                return; // it was counted as started, and its time goes on
            }
            exchange.sent = sent;
            owner.sent(exchange, recorder, window);
        });
        self.driver.send(link.id(slot), bytes.payload, bytes.len, bytes.notify);
        if self.window.measures(sent) {
            self.recorder.bytes_out(u64::from(bytes.len));
        }
        self.in_flight += u64::from(count);
        self.timers.set(&mut link.alarm, slot, sent + bytes.limit);
    }

    /// The request could not be put together.
    #[cold]
    fn not_to_be_sent(&mut self, owner: &mut O, slot: u32, why: RenderError, now: Nanos) {
        let kind = if why == RenderError::NotAllowed { ErrorKind::NotAllowed } else { ErrorKind::Template };
        if let Some(exchange) = self.unqueue(slot) {
            owner.failed(self, exchange, kind, now);
        }
    }

    pub(super) fn on_sent(&mut self, owner: &mut O, slot: u32, now: Nanos) {
        let link = &mut self.links[slot as usize];
        link.sending = false;
        if let Some(id) = link.h1.due() {
            owner.sent_whole(&mut link.h1.exchange(&mut self.store, slot, id).ask, now);
        }
        if link.queued() > 0 && !std::mem::replace(&mut link.dirty, true) {
            self.dirty.push(slot);
        }
    }
}
