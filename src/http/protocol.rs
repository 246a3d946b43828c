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
use super::response::{Event, Expect, Sink};

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
    fn first_queued<'s>(&self, store: &'s mut Self::Store, connection: u32) -> Option<&'s mut X>;

    /// All that are queued go out now, in one send; shows each, in order.
    fn take_outgoing(&mut self, store: &mut Self::Store, connection: u32, each: impl FnMut(&mut X));

    /// The exchange that the next bytes are for; `None` when no response is due.
    fn due(&self) -> Option<Self::Id>;

    /// An exchange that was sent.
    fn exchange<'s>(&self, store: &'s mut Self::Store, connection: u32, id: Self::Id) -> &'s mut X;

    /// Reads on in `bytes`, up to the end of one response: how many were consumed, and whether it is complete. `expect` is
    /// that of the exchange that is [`due`](Protocol::due).
    ///
    /// # Errors
    /// As soon as the bytes cannot become a valid response; the connection is of no use then.
    fn feed<S: Sink>(
        &mut self,
        known: &mut Self::Known,
        expect: Expect,
        bytes: &[u8],
        sink: &mut S,
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
