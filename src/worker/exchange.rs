//! One request and its response.

use crate::http::protocol::Entry;
use crate::http::response::Response;
use crate::stats::outcome::ErrorKind;
use crate::stats::samples::RequestEnd;
use crate::units::Nanos;

/// One request and its response, from when it was meant to start until its last byte. Whoever began it is told how it ended.
///
/// `A` is what the owner of the connections adds. What is the same for all of an owner's exchanges (in plain runs the time
/// limit and what framing to expect) is kept once, by the owner: see [`Owner::limit`](super::links::Owner::limit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange<A> {
    /// When the load model meant it to start. In the closed model set together with `sent`.
    pub(super) scheduled: Nanos,
    /// When its send was submitted; [`Nanos::MAX`] while it is queued.
    pub(super) sent: Nanos,
    /// When the first byte of the response was seen; [`Nanos::MAX`] before it, [`Exchange::AGAIN`] while it is queued for the second time.
    pub(super) first_byte: Nanos,
    /// The owner's own part.
    pub(super) ask: A,
}

impl<A> Exchange<A> {
    /// In the place of the first byte's time.
    const AGAIN: Nanos = Nanos(u64::MAX - 1);

    /// It was sent, was not processed, and is to be sent again: all that was counted when it was sent stands.
    pub(super) fn again(&mut self) {
        self.first_byte = Self::AGAIN;
    }

    /// It waits to be sent again.
    #[inline]
    pub(super) fn is_again(&self) -> bool {
        self.first_byte == Self::AGAIN
    }

    /// Not sent yet.
    #[inline]
    pub(super) fn new(scheduled: Nanos, ask: A) -> Exchange<A> {
        Exchange { scheduled, sent: Nanos::MAX, first_byte: Nanos::MAX, ask }
    }

    /// Its end at `done` as a sample; what the owner knows beside it is still to be filled in.
    pub(super) fn end(&self, result: Result<Response, ErrorKind>, done: Nanos) -> RequestEnd {
        RequestEnd {
            place: 0,
            stage: 0,
            expected: result.is_ok(),
            result: result.map(|response| response.status),
            scheduled: self.scheduled,
            sent: self.sent,
            first_byte: self.first_byte,
            done,
            body_bytes: result.map_or(0, |response| response.body_len),
            blocked: Nanos::ZERO,
            connecting: Nanos::ZERO,
            securing: Nanos::ZERO,
            sending: Nanos::ZERO,
        }
    }
}

impl<A: Entry> Entry for Exchange<A> {
    #[inline]
    fn take(&mut self) -> Exchange<A> {
        let Exchange { scheduled, sent, first_byte, ask } = self;
        Exchange { scheduled: *scheduled, sent: *sent, first_byte: *first_byte, ask: ask.take() }
    }
}
