//! One connection's state.
//!
//! ```text
//!         want           its turn              Connected (with TLS: Reached, then Securing until Connected)
//! Closed ─────▶ Queued ───────────▶ Connecting ───────────▶ Open
//!   ▲   ╲         ▲                    │ failed, late        │ end of file, error, time limit, last response
//!   │    Resting ─┘ back-off over      │                     │
//!   └──────────────────────────────────┴─────────────────────┘
//! ```

use super::Owner;
use crate::driver::ConnId;
use crate::driver::token::GENERATIONS;
use crate::http::h1::H1;
use crate::http::protocol::Protocol;
use crate::units::Nanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum State {
    /// Nobody wants it.
    Closed,
    /// Wanted, but its back-off is not over.
    Resting,
    /// Stands in the queue of those to be opened, or waits for its origin's addresses.
    Queued,
    Connecting,
    /// TCP stands, TLS does not yet.
    Securing,
    Open,
}

/// One connection, or the place for one.
pub(in crate::worker) struct Link<O: Owner> {
    pub(in crate::worker::links) h1: H1<super::ExchangeOf<O>>,
    pub(in crate::worker::links) generation: u32,
    pub(in crate::worker::links) state: State,
    /// Connections in a row that failed or brought no response: the exponent of the back-off.
    pub(in crate::worker::links) failures: u8,
    /// A send that reports is unfinished: no other may start.
    pub(in crate::worker::links) sending: bool,
    /// The driver drops the rest of this response's body.
    pub(in crate::worker::links) discarding: bool,
    /// It has brought at least one whole response.
    pub(in crate::worker::links) answered: bool,
    /// The first attempt in this place has ended, well or not.
    pub(in crate::worker::links) tried: bool,
    /// An earlier connection in this place came about.
    pub(in crate::worker::links) opened_before: bool,
    /// Its place counts as standing: it does, or it is opened again behind a response.
    pub(in crate::worker::links) stands: bool,
    /// Is in the list of connections with requests to send.
    pub(in crate::worker::links) dirty: bool,
    /// Which of its origin's addresses it goes to.
    pub(in crate::worker::links) address: u16,
    /// Requests sent on it.
    pub(in crate::worker::links) requests: u32,
    /// Where it goes.
    pub(in crate::worker::links) origin: u32,
    /// Connecting: when the attempt began. Securing: when TCP stood. Open: when its last response was complete.
    pub(in crate::worker::links) since: Nanos,
    /// Connecting, Securing: until when. Closed, Resting: no attempt before it.
    pub(in crate::worker::links) deadline: Nanos,
    /// The earliest timer that is set for it; MAX without one.
    pub(in crate::worker::links) alarm: Nanos,
    pub(in crate::worker) own: O::OfLink,
}

impl<O: Owner> Link<O> {
    pub(in crate::worker::links) fn new() -> Link<O> {
        Link {
            h1: H1::default(),
            generation: 0,
            state: State::Closed,
            failures: 0,
            sending: false,
            discarding: false,
            answered: false,
            tried: false,
            opened_before: false,
            stands: false,
            dirty: false,
            address: 0,
            requests: 0,
            origin: 0,
            since: Nanos::ZERO,
            deadline: Nanos::ZERO,
            alarm: Nanos::MAX,
            own: O::OfLink::default(),
        }
    }

    /// Its name at the driver, if it sits in `slot`.
    #[inline]
    pub(in crate::worker::links) fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.generation }
    }

    /// True when `id` is about this very connection and not about one before it in the slot.
    #[inline]
    pub(in crate::worker::links) fn is(&self, id: ConnId) -> bool {
        self.generation == id.generation
            && matches!(self.state, State::Connecting | State::Securing | State::Open)
    }

    #[inline]
    pub(in crate::worker) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    #[inline]
    pub(in crate::worker) fn state(&self) -> State {
        self.state
    }

    #[inline]
    pub(in crate::worker) fn origin(&self) -> u32 {
        self.origin
    }

    /// Exchanges on it, queued or sent.
    #[inline]
    pub(in crate::worker) fn exchanges(&self) -> u16 {
        self.h1.open()
    }

    /// Those that were sent.
    #[inline]
    pub(in crate::worker::links) fn sent(&self) -> u16 {
        self.h1.sent()
    }

    /// True while a response is due on it.
    pub(in crate::worker) fn has_sent(&self) -> bool {
        self.sent() > 0
    }

    /// Those that were not.
    #[inline]
    pub(in crate::worker::links) fn queued(&self) -> u16 {
        self.h1.queued()
    }

    /// Forgets the connection; what comes late carries the old generation. Queued exchanges stay.
    pub(in crate::worker::links) fn retire(&mut self) {
        self.generation = (self.generation + 1) % GENERATIONS;
        self.state = State::Closed;
        self.h1.reset();
        self.sending = false;
        self.discarding = false;
        self.answered = false;
        self.requests = 0;
        self.deadline = Nanos::ZERO;
    }
}

/// How long to wait before attempt number `failures` + 1: 1 ms doubling up to about a second, so that
/// a server that comes back is met soon and one that stays away is not hammered.
pub(in crate::worker::links) fn back_off(failures: u8) -> Nanos {
    Nanos::from_millis(1 << failures.saturating_sub(1).min(10))
}

#[cfg(test)]
mod tests {
    use super::super::super::pool::Pool;
    use super::*;

    #[test]
    fn back_off_doubles_up_to_a_second() {
        assert_eq!(back_off(1), Nanos::from_millis(1));
        assert_eq!(back_off(4), Nanos::from_millis(8));
        assert_eq!(back_off(200), Nanos::from_millis(1024));
    }

    #[test]
    fn generations_wrap_within_the_token() {
        let mut link = Link::<Pool>::new();
        link.generation = GENERATIONS - 1;
        link.retire();
        assert_eq!(link.generation, 0);
    }

    #[test]
    fn ten_thousand_connections_stay_small() {
        assert!(size_of::<Link<Pool>>() <= 128, "{}", size_of::<Link<Pool>>());
    }
}
