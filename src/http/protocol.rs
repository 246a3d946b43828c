//! What a connection needs of a version of HTTP: the seam behind which HTTP/1.1 stands, and another version can.
//!
//! A [`Protocol`] is the client's side of one connection without I/O. It keeps the *exchanges* of the connection (requests
//! with what belongs to their responses; `X` is the caller's own type) and says which of them the bytes that come are for.
//!
//! ```text
//!  queue            take_outgoing            feed, skip, end_of_input          finish
//! ───────▶ queued ────────────────▶ sent ──────────────────────────────▶ complete ───────▶ handed back
//!    ◀──── unqueue (never sent)
//! ```

use super::error::ParseError;
use super::response::{Event, Expect};

/// What exchanges are kept as.
pub trait Entry: Default {
    /// Takes it out. What is left behind means nothing, and need not be reset.
    fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl Entry for () {
    #[inline]
    fn take(&mut self) {}
}

/// One connection's side of a version of HTTP.
pub trait Protocol<X>: Default {
    /// Where the exchanges of all connections of a worker are kept, so that none allocates.
    type Store;
    /// What is known of an origin, whatever connection it came by.
    type Known: Default;
    /// Names one of the connection's exchanges that were sent.
    type Id: Copy;

    /// A store for so many connections with at most `depth` exchanges open on each.
    fn store(connections: u32, depth: u16) -> Self::Store;

    /// Exchanges that are open: queued or sent.
    fn open(&self) -> u16;

    /// Those of them that were not sent.
    fn queued(&self) -> u16;

    /// Those of them that were.
    #[inline]
    fn sent(&self) -> u16 {
        self.open() - self.queued()
    }

    /// Appends an exchange, to be sent. `connection` is this connection's number in the store; the caller keeps
    /// [`open`](Protocol::open) below the store's depth.
    fn queue(&mut self, store: &mut Self::Store, connection: u32, exchange: X);

    /// Takes back the exchange that was queued last, if there is one that was not sent.
    fn unqueue(&mut self, store: &mut Self::Store, connection: u32) -> Option<X>;

    /// The exchange that is to be sent first.
    fn first_queued<'s>(&'s mut self, store: &'s mut Self::Store, connection: u32) -> Option<&'s mut X>;

    /// All that are queued go out now, in one send; shows each, in order.
    fn take_outgoing(&mut self, store: &mut Self::Store, connection: u32, each: impl FnMut(&mut X));

    /// The exchange that the next bytes are for; `None` when no response is due.
    fn due(&self) -> Option<Self::Id>;

    /// An exchange that was sent.
    fn exchange<'s>(&'s mut self, store: &'s mut Self::Store, connection: u32, id: Self::Id) -> &'s mut X;

    /// The exchange that is due, where the caller knows that one is.
    fn current(&self) -> &X;

    /// Reads on in `bytes`, up to the end of one response: how many were consumed, and whether it is complete. They are for the
    /// exchange that is [`due`](Protocol::due); `reader` sees them.
    ///
    /// # Errors
    /// As soon as the bytes cannot become a valid response; the connection is of no use then.
    fn feed<R: Reader<X>>(
        &mut self,
        known: &mut Self::Known,
        bytes: &[u8],
        reader: &mut R,
    ) -> Result<(usize, Event), ParseError>;

    /// So many bytes of a body came and were thrown away.
    ///
    /// # Errors
    /// When the body has fewer bytes left.
    fn skip(&mut self, bytes: u64) -> Result<Event, ParseError>;

    /// The peer closed its side: completes a body that ends with the connection.
    ///
    /// # Errors
    /// When that is no end of a response.
    fn end_of_input(&mut self) -> Result<Event, ParseError>;

    /// Exactly how many more bytes of the body will come on the wire, where that is known and all that comes next.
    fn rest_of_body(&self) -> Option<u64>;

    /// Takes out an exchange that is complete, or failed.
    fn finish(&mut self, store: &mut Self::Store, connection: u32, id: Self::Id) -> X;

    /// For the next connection in the same place: forgets what was half read, but not what is queued.
    fn reset(&mut self);
}

/// Sees the pieces of a response while they pass by, with the exchange that they are for.
pub trait Reader<X> {
    /// False if nothing is looked at: the compiler then leaves the calls out.
    const WANTED: bool;

    /// What framing the response to an exchange has.
    fn expect(&self, exchange: &X) -> Expect;

    /// The final head, whole; see [`Sink::head`](super::response::Sink::head).
    fn head(&mut self, exchange: &mut X, head: &[u8]);

    /// The next piece of payload; see [`Sink::body`](super::response::Sink::body).
    fn body(&mut self, exchange: &mut X, bytes: &[u8]);
}

/// Looks at nothing; knows what to expect.
pub struct Unread(pub Expect);

impl<X> Reader<X> for Unread {
    const WANTED: bool = false;

    #[inline]
    fn expect(&self, _: &X) -> Expect {
        self.0
    }

    fn head(&mut self, _: &mut X, _: &[u8]) {}

    fn body(&mut self, _: &mut X, _: &[u8]) {}
}
