//! One connection's state.
//!
//! ```text
//!            open                 Connected (with TLS: Reached, then Securing until Connected)
//! Closed ───────────▶ Connecting ───────────▶ Open
//!   ▲                      │ failed, late       │ end of file, error, timeout, last answer
//!   └──────────────────────┴────────────────────┘   (reopened at once, or after a back-off)
//! ```

use super::inflight::Cursor;
use crate::driver::ConnId;
use crate::driver::token::GENERATIONS;
use crate::http::response::ResponseParser;
use crate::units::Nanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Connecting,
    /// TCP stands, TLS does not yet.
    Securing,
    Open,
}

pub(super) struct Connection {
    pub(super) parser: ResponseParser,
    /// Assigned requests, sent ones first.
    pub(super) fifo: Cursor,
    /// How many at the end of the FIFO are assigned but not sent.
    pub(super) unsent: u16,
    pub(super) generation: u32,
    pub(super) state: State,
    /// Connections in a row that failed or brought no answer: the exponent of the back-off.
    pub(super) failures: u8,
    /// A send that reports is unfinished: no other may start.
    pub(super) sending: bool,
    /// The driver drops the rest of this answer's body.
    pub(super) discarding: bool,
    /// It has brought at least one whole answer.
    pub(super) answered: bool,
    /// Its first attempt has ended, well or not.
    pub(super) tried: bool,
    /// Is in the list of connections with requests to send.
    pub(super) dirty: bool,
    /// Is in the queue of connections with room for a request.
    pub(super) queued: bool,
    /// When the first byte of the answer in work was seen; MAX before it.
    pub(super) first_byte: Nanos,
    /// Connecting, Securing: since when. Closed: when to open again (MAX: not at all).
    pub(super) since: Nanos,
    /// The earliest timer that is set for the slot; MAX without one.
    pub(super) alarm: Nanos,
}

impl Connection {
    pub(super) fn new() -> Connection {
        Connection {
            parser: ResponseParser::new(),
            fifo: Cursor::default(),
            unsent: 0,
            generation: 0,
            state: State::Closed,
            failures: 0,
            sending: false,
            discarding: false,
            answered: false,
            tried: false,
            dirty: false,
            queued: false,
            first_byte: Nanos::MAX,
            since: Nanos::MAX,
            alarm: Nanos::MAX,
        }
    }

    /// Its name at the driver, if it sits in `slot`.
    #[inline]
    pub(super) fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.generation }
    }

    /// True when `id` is about this very connection and not about one before it in the slot.
    #[inline]
    pub(super) fn is(&self, id: ConnId) -> bool {
        self.generation == id.generation && self.state != State::Closed
    }

    /// Forgets the connection; what comes late carries the old generation.
    pub(super) fn retire(&mut self) {
        self.generation = (self.generation + 1) % GENERATIONS;
        self.state = State::Closed;
        self.parser = ResponseParser::new();
        self.fifo = Cursor::default();
        self.unsent = 0;
        self.sending = false;
        self.discarding = false;
        self.answered = false;
        self.first_byte = Nanos::MAX;
        self.since = Nanos::MAX;
    }
}

/// How long to wait before attempt number `failures` + 1: 1 ms doubling up to about a second, so that
/// a server that comes back is met soon and one that stays away is not hammered.
pub(super) fn back_off(failures: u8) -> Nanos {
    Nanos::from_millis(1 << failures.saturating_sub(1).min(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_a_second() {
        assert_eq!(back_off(1), Nanos::from_millis(1));
        assert_eq!(back_off(4), Nanos::from_millis(8));
        assert_eq!(back_off(200), Nanos::from_millis(1024));
    }

    #[test]
    fn generations_wrap_within_the_token() {
        let mut connection = Connection::new();
        connection.generation = GENERATIONS - 1;
        connection.retire();
        assert_eq!(connection.generation, 0);
    }

    #[test]
    fn ten_thousand_connections_stay_small() {
        assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
    }
}
