//! HTTP/1.1 as a [`Protocol`]: responses come in the order of the requests (RFC 9112, section 9.3.2), so the exchanges of a
//! connection are a queue, and the bytes that come are always for the oldest one that was sent.

mod queue;

use super::error::ParseError;
use super::protocol::{Entry, Protocol, Reader};
use super::response::{Event, HeadCache, ResponseParser, Sink};

use queue::Cursor;
pub use queue::Queues;

/// One connection: the parser, and where its exchanges stand.
///
/// The oldest exchange is kept here, beside the parser: without pipelining it is the only one, and nothing else is looked at.
#[derive(Default)]
pub struct H1<X> {
    parser: ResponseParser,
    /// The oldest open exchange; meaningless where there is none.
    oldest: X,
    /// The others, in their order.
    behind: Cursor,
    /// Open exchanges, sent ones first.
    open: u16,
    /// How many of them, at the end, are queued and not sent.
    queued: u16,
}

impl<X: Entry> H1<X> {
    /// The `index`-th oldest open exchange.
    #[inline]
    fn get<'s>(&'s mut self, store: &'s mut Queues<X>, connection: u32, index: u16) -> &'s mut X {
        match index {
            0 => &mut self.oldest,
            _ => store.get_mut(connection, self.behind, index - 1),
        }
    }
}

/// Which exchange of a connection is meant: the oldest, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest;

impl<X: Entry> Protocol<X> for H1<X> {
    type Store = Queues<X>;
    type Known = HeadCache;
    type Id = Oldest;

    fn store(connections: u32, depth: u16) -> Queues<X> {
        Queues::new(connections, depth - 1)
    }

    #[inline]
    fn open(&self) -> u16 {
        self.open
    }

    #[inline]
    fn queued(&self) -> u16 {
        self.queued
    }

    #[inline]
    fn queue(&mut self, store: &mut Queues<X>, connection: u32, exchange: X) {
        if self.open == 0 {
            self.oldest = exchange;
        } else {
            store.push(connection, &mut self.behind, exchange);
        }
        self.open += 1;
        self.queued += 1;
    }

    fn unqueue(&mut self, store: &mut Queues<X>, connection: u32) -> Option<X> {
        self.queued = self.queued.checked_sub(1)?;
        self.open -= 1;
        match self.open {
            0 => Some(self.oldest.take()),
            _ => store.pop_last(connection, &mut self.behind),
        }
    }

    #[inline]
    fn first_queued<'s>(&'s mut self, store: &'s mut Queues<X>, connection: u32) -> Option<&'s mut X> {
        (self.queued > 0).then(|| self.get(store, connection, self.open - self.queued))
    }

    #[inline]
    fn take_outgoing(&mut self, store: &mut Queues<X>, connection: u32, mut each: impl FnMut(&mut X)) {
        let mut index = self.open - self.queued;
        self.queued = 0;
        if index == 0 {
            each(&mut self.oldest);
            index = 1;
        }
        while index < self.open {
            each(store.get_mut(connection, self.behind, index - 1));
            index += 1;
        }
    }

    #[inline]
    fn due(&self) -> Option<Oldest> {
        (self.open > self.queued).then_some(Oldest)
    }

    #[inline]
    fn exchange<'s>(&'s mut self, _: &'s mut Queues<X>, _: u32, _: Oldest) -> &'s mut X {
        &mut self.oldest
    }

    #[inline]
    fn current(&self) -> &X {
        &self.oldest
    }

    #[inline]
    fn feed<R: Reader<X>>(
        &mut self,
        known: &mut HeadCache,
        bytes: &[u8],
        reader: &mut R,
    ) -> Result<(usize, Event), ParseError> {
        let expect = reader.expect(&self.oldest);
        self.parser.feed(known, expect, bytes, &mut Shown { exchange: &mut self.oldest, reader })
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
    fn finish(&mut self, store: &mut Queues<X>, connection: u32, _: Oldest) -> X {
        let finished = self.oldest.take();
        self.open -= 1;
        if self.open > 0 {
            self.oldest = store.pop(connection, &mut self.behind);
        }
        finished
    }

    fn reset(&mut self) {
        self.parser = ResponseParser::new();
    }
}

/// Shows a reader what passes by.
struct Shown<'a, X, R> {
    exchange: &'a mut X,
    reader: &'a mut R,
}

impl<X, R: Reader<X>> Sink for Shown<'_, X, R> {
    const WANTED: bool = R::WANTED;

    #[inline]
    fn head(&mut self, head: &[u8]) {
        self.reader.head(self.exchange, head);
    }

    #[inline]
    fn body(&mut self, bytes: &[u8]) {
        self.reader.body(self.exchange, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Unread;
    use super::super::response::Expect;
    use super::*;

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    struct Number(u64, [u64; 2]);

    impl Entry for Number {}

    fn number(n: u64) -> Number {
        Number(n, [0; 2])
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<H1<Number>>() <= 80, "{}", size_of::<H1<Number>>());
    }

    /// Keeps what it is shown in the exchange itself.
    struct Shows;

    impl Reader<(Number, Vec<u8>)> for Shows {
        const WANTED: bool = true;

        fn expect(&self, _: &(Number, Vec<u8>)) -> Expect {
            Expect::Normal
        }

        fn head(&mut self, exchange: &mut (Number, Vec<u8>), head: &[u8]) {
            exchange.1.extend_from_slice(head);
        }

        fn body(&mut self, exchange: &mut (Number, Vec<u8>), bytes: &[u8]) {
            exchange.1.push(b'|');
            exchange.1.extend_from_slice(bytes);
        }
    }

    impl Entry for (Number, Vec<u8>) {}

    #[test]
    fn a_reader_sees_what_comes_with_the_exchange_that_it_is_for() {
        let mut store = H1::<(Number, Vec<u8>)>::store(1, 2);
        let mut known = HeadCache::new();
        let mut h1 = H1::<(Number, Vec<u8>)>::default();
        for exchange in [10, 11] {
            h1.queue(&mut store, 0, (number(exchange), Vec::new()));
        }
        h1.take_outgoing(&mut store, 0, |_| {});
        // The first time a head is parsed, then it is known.
        for wanted in [10, 11] {
            assert_eq!(h1.current().0, number(wanted));
            let id = h1.due().unwrap();
            let (first, rest) = OK.split_at(39);
            assert!(matches!(h1.feed(&mut known, first, &mut Shows), Ok((39, Event::NeedMore))));
            assert!(matches!(h1.feed(&mut known, rest, &mut Shows), Ok((1, Event::Complete(_)))));
            let shown = h1.finish(&mut store, 0, id).1;
            assert_eq!(shown, [&OK[..38], b"|o|k"].concat());
        }
    }

    #[test]
    fn responses_are_for_the_oldest_exchange_that_was_sent() {
        let mut store = H1::<Number>::store(2, 3);
        let mut known = HeadCache::new();
        let mut h1 = H1::<Number>::default();
        for exchange in [10, 11] {
            h1.queue(&mut store, 1, number(exchange));
        }
        assert_eq!(h1.due(), None, "nothing was sent");
        assert_eq!((h1.open(), h1.queued(), h1.sent()), (2, 2, 0));
        let mut sent = Vec::new();
        h1.take_outgoing(&mut store, 1, |exchange| sent.push(exchange.0));
        h1.queue(&mut store, 1, number(12));
        assert_eq!(sent, [10, 11]);
        assert_eq!((h1.open(), h1.queued(), h1.sent()), (3, 1, 2));
        assert_eq!(h1.first_queued(&mut store, 1), Some(&mut number(12)), "the third of the connection");
        for wanted in [10, 11] {
            let id = h1.due().expect("one is due");
            assert_eq!(h1.exchange(&mut store, 1, id).0, wanted);
            let fed = h1.feed(&mut known, OK, &mut Unread(Expect::Normal));
            assert!(matches!(fed, Ok((40, Event::Complete(_)))), "{fed:?}");
            assert_eq!(h1.finish(&mut store, 1, id).0, wanted);
        }
        assert_eq!(h1.due(), None);
        assert_eq!(h1.first_queued(&mut store, 1), Some(&mut number(12)));
        assert_eq!(h1.unqueue(&mut store, 1), Some(number(12)));
        assert_eq!(h1.unqueue(&mut store, 1), None);
    }
}
