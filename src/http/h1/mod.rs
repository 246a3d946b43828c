//! HTTP/1.1 as a [`Protocol`]: responses come in the order of the requests (RFC 9112, section 9.3.2), so the exchanges of a
//! connection are a queue, and the bytes that come are always for the oldest one that was sent.

mod queue;

use super::error::ParseError;
use super::protocol::Protocol;
use super::response::{Event, Expect, HeadCache, ResponseParser, Sink};

use queue::Cursor;
pub use queue::Queues;

/// One connection: the parser, and where its exchanges stand. 48 bytes.
#[derive(Default)]
pub struct H1 {
    parser: ResponseParser,
    /// Open exchanges, sent ones first.
    cursor: Cursor,
    /// How many at the end are queued and not sent.
    queued: u16,
}

impl<X: Default> Protocol<X> for H1 {
    type Store = Queues<X>;
    type Known = HeadCache;
    /// The oldest one is meant, always.
    type Id = ();

    fn store(connections: u32, depth: u16) -> Queues<X> {
        Queues::new(connections, depth)
    }

    #[inline]
    fn open(&self) -> u16 {
        self.cursor.len()
    }

    #[inline]
    fn queued(&self) -> u16 {
        self.queued
    }

    #[inline]
    fn queue(&mut self, store: &mut Queues<X>, connection: u32, exchange: X) {
        store.push(connection, &mut self.cursor, exchange);
        self.queued += 1;
    }

    fn unqueue(&mut self, store: &mut Queues<X>, connection: u32) -> Option<X> {
        self.queued = self.queued.checked_sub(1)?;
        store.pop_last(connection, &mut self.cursor)
    }

    #[inline]
    fn first_queued<'s>(&self, store: &'s mut Queues<X>, connection: u32) -> Option<&'s mut X> {
        (self.queued > 0).then(|| store.get_mut(connection, self.cursor, self.cursor.len() - self.queued))
    }

    #[inline]
    fn take_outgoing(&mut self, store: &mut Queues<X>, connection: u32, mut each: impl FnMut(&mut X)) {
        let first = self.cursor.len() - self.queued;
        self.queued = 0;
        for index in first..self.cursor.len() {
            each(store.get_mut(connection, self.cursor, index));
        }
    }

    #[inline]
    fn due(&self) -> Option<()> {
        (self.cursor.len() > self.queued).then_some(())
    }

    #[inline]
    fn exchange<'s>(&self, store: &'s mut Queues<X>, connection: u32, (): ()) -> &'s mut X {
        store.get_mut(connection, self.cursor, 0)
    }

    #[inline]
    fn feed<S: Sink>(
        &mut self,
        known: &mut HeadCache,
        expect: Expect,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<(usize, Event), ParseError> {
        self.parser.feed(known, expect, bytes, sink)
    }

    fn skip(&mut self, bytes: u64) -> Result<Event, ParseError> {
        self.parser.skip(bytes)
    }

    fn end_of_input(&mut self) -> Result<Event, ParseError> {
        self.parser.eof()
    }

    #[inline]
    fn rest_of_body(&self) -> Option<u64> {
        self.parser.remaining_body()
    }

    #[inline]
    fn finish(&mut self, store: &mut Queues<X>, connection: u32, (): ()) -> X {
        store.pop(connection, &mut self.cursor)
    }

    fn reset(&mut self) {
        self.parser = ResponseParser::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<H1>() <= 56, "{}", size_of::<H1>());
    }

    #[test]
    fn responses_are_for_the_oldest_exchange_that_was_sent() {
        let mut store = <H1 as Protocol<u32>>::store(2, 3);
        let mut known = HeadCache::new();
        let mut h1 = H1::default();
        for exchange in [10, 11] {
            h1.queue(&mut store, 1, exchange);
        }
        assert_eq!(Protocol::<u32>::due(&h1), None, "nothing was sent");
        let mut sent = Vec::new();
        h1.take_outgoing(&mut store, 1, |exchange| sent.push(*exchange));
        h1.queue(&mut store, 1, 12);
        assert_eq!(sent, [10, 11]);
        for wanted in [10, 11] {
            let id = Protocol::<u32>::due(&h1).expect("one is due");
            assert_eq!(*h1.exchange(&mut store, 1, id), wanted);
            let fed = Protocol::<u32>::feed(&mut h1, &mut known, Expect::Normal, OK, &mut ());
            assert!(matches!(fed, Ok((40, Event::Complete(_)))), "{fed:?}");
            assert_eq!(h1.finish(&mut store, 1, id), wanted);
        }
        assert_eq!(Protocol::<u32>::due(&h1), None);
        assert_eq!(h1.first_queued(&mut store, 1), Some(&mut 12));
        assert_eq!(h1.unqueue(&mut store, 1), Some(12));
        assert_eq!(Protocol::<u32>::unqueue(&mut h1, &mut store, 1), None);
    }
}
