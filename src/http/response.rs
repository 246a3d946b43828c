//! The response parser: bytes of one connection in, complete responses out.
//!
//! ```text
//!        head in the cache, or parsed
//! Idle ───────────────────────────────▶ Length │ Chunked │ UntilClose ──▶ complete: Idle
//!   │ part of a head                      ▲
//!   └──────▶ Head ────────────────────────┘      any error ──▶ Failed, for good
//!             └─▶ interim (1xx): Head again
//! ```
//!
//! The usual response takes the fast path in [`ResponseParser::feed`]: one comparison against the
//! [`HeadCache`], no parsing, no state kept. Everything else takes the slow path with the same
//! result; tests hold the two against each other.

use super::chunked::Chunked;
use super::error::ParseError;
use super::head::{self, Framing, Head};
use super::head_cache::Partial;

pub use super::head_cache::HeadCache;
pub use super::message::{Expect, Response};

/// A half-read head up to this length is tried again with each piece of input, so that an error
/// shows at once.
const EAGER_HEAD: usize = 2 * 1024;

/// A longer one up to this only when a line ended, so that a peer that sends single bytes costs little more; one that is longer
/// still when an empty line came, and whenever its length has doubled.
const LINEWISE_HEAD: usize = 16 * 1024;

impl Response {
    /// The response that `head` begins; complete if its framing is a length.
    pub(super) fn of(head: &Head) -> Response {
        Response {
            status: head.status,
            keep_alive: head.keep_alive,
            head_len: head.len as u32, // limits are far below
            body_len: match head.framing {
                Framing::Length(len) => len,
                Framing::Chunked | Framing::UntilClose => 0,
            },
        }
    }
}

/// What a call achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The response goes on.
    NeedMore,
    /// The response is complete; the next byte begins another one.
    Complete(Response),
}

/// Sees the pieces of a response while they pass by.
pub trait Sink {
    /// False if nothing is looked at: the compiler then leaves the calls out.
    const WANTED: bool;

    /// The final head, whole, empty line included, folded lines unfolded: once per response, before any
    /// body.
    fn head(&mut self, head: &[u8]);

    /// The next piece of payload, de-chunked, never empty. A response that ends in an error may have
    /// given some before.
    fn body(&mut self, bytes: &[u8]);
}

impl Sink for () {
    const WANTED: bool = false;
    fn head(&mut self, _: &[u8]) {}
    fn body(&mut self, _: &[u8]) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between responses.
    Idle,
    /// Within a head, or between an interim one and the next.
    Head,
    /// This many body bytes are left, at least one.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Failed(ParseError),
}

/// Parses the responses of one connection, one after the other. 40 bytes.
pub struct ResponseParser {
    state: State,
    /// The response in progress; meaningful once its head is complete.
    current: Response,
    /// A head that came in pieces.
    partial: Option<Box<Partial>>,
}

impl Default for ResponseParser {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseParser {
    /// For a new connection.
    pub const fn new() -> Self {
        ResponseParser {
            state: State::Idle,
            current: Response { status: 0, keep_alive: false, head_len: 0, body_len: 0 },
            partial: None,
        }
    }

    /// Reads on in `bytes`, up to the end of one response. Returns how many bytes were consumed: all
    /// of them with [`Event::NeedMore`].
    ///
    /// `expect` must not change within one response. Interim (1xx) responses are passed over.
    ///
    /// # Errors
    /// As soon as the bytes cannot become a valid response. The error stays: every further call
    /// returns it.
    #[inline]
    pub fn feed<S: Sink>(
        &mut self,
        cache: &mut HeadCache,
        expect: Expect,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<(usize, Event), ParseError> {
        if matches!(self.state, State::Idle)
            && let Some(entry) = cache.find(expect, bytes)
        {
            let head_len = entry.response.head_len as usize;
            if let Framing::Length(len) = entry.framing
                && len <= (bytes.len() - head_len) as u64
            {
                let end = head_len + len as usize;
                if S::WANTED {
                    sink.head(&bytes[..head_len]);
                    if len > 0 {
                        sink.body(&bytes[head_len..end]);
                    }
                }
                return Ok((end, Event::Complete(entry.response)));
            }
            let (response, framing) = (entry.response, entry.framing);
            if S::WANTED {
                sink.head(&bytes[..head_len]);
            }
            self.begin_body(response, framing);
            return self.feed_on(cache, expect, bytes, head_len, sink);
        }
        self.feed_on(cache, expect, bytes, 0, sink)
    }

    /// The slow path, from `bytes[used..]` on.
    #[inline(never)]
    fn feed_on<S: Sink>(
        &mut self,
        cache: &mut HeadCache,
        expect: Expect,
        bytes: &[u8],
        mut used: usize,
        sink: &mut S,
    ) -> Result<(usize, Event), ParseError> {
        loop {
            // Interim heads loop here; a body of no bytes completes without input.
            if used == bytes.len() && !matches!(self.state, State::Length(0)) {
                return match self.state {
                    State::Failed(error) => Err(error),
                    _ => Ok((used, Event::NeedMore)),
                };
            }
            let rest = &bytes[used..];
            match self.state {
                State::Idle | State::Head => {
                    let taken = self.head(cache, expect, rest, sink);
                    used += taken.map_err(|error| self.fail(error))?;
                }
                _ => {
                    let (taken, event) = self.body(rest, sink).map_err(|e| self.fail(e))?;
                    return Ok((used + taken, event));
                }
            }
        }
    }

    /// Reads on in a head; returns the bytes consumed. On return the state tells what is next.
    fn head<S: Sink>(
        &mut self,
        cache: &mut HeadCache,
        expect: Expect,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<usize, ParseError> {
        let Some(mut partial) = self.partial.take() else {
            // Some servers end a body, or an interim response, with an empty line that no length counts. What is left of the state
            // says whether anything of a response has come.
            let empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if empty > 0 {
                return Ok(empty);
            }
            self.state = State::Head;
            let Some(head) = head::parse(bytes, expect, cache.head_most)? else {
                let mut partial = cache.lend();
                partial.bytes.extend_from_slice(bytes);
                self.partial = Some(partial);
                return Ok(bytes.len());
            };
            self.accept(cache, expect, &head, bytes, sink);
            return Ok(head.len);
        };
        let before = partial.bytes.len();
        let room = bytes.len().min(cache.head_most - before);
        partial.bytes.extend_from_slice(&bytes[..room]);
        let parsed = if is_worthwhile(&partial.bytes, before, cache.head_most) {
            head::parse(&partial.bytes, expect, cache.head_most)?
        } else {
            None
        };
        let Some(head) = parsed else {
            self.partial = Some(partial);
            return Ok(bytes.len());
        };
        self.accept(cache, expect, &head, &partial.bytes, sink);
        cache.give_back(partial);
        // A head ends in an empty line, and was tried when that came: the end is in this input.
        Ok(head.len - before)
    }

    /// A head is complete, at the start of `bytes`.
    fn accept<S: Sink>(
        &mut self,
        cache: &mut HeadCache,
        expect: Expect,
        head: &Head,
        bytes: &[u8],
        sink: &mut S,
    ) {
        if head.is_interim() {
            return;
        }
        let bytes = &bytes[..head.len];
        if head.folded {
            // Not to be remembered: the cache hands out heads as they came.
            if S::WANTED {
                sink.head(&head::unfolded(bytes).unwrap_or_default());
            }
        } else {
            cache.learn(expect, head, bytes);
            if S::WANTED {
                sink.head(bytes);
            }
        }
        self.begin_body(Response::of(head), head.framing);
    }

    fn begin_body(&mut self, response: Response, framing: Framing) {
        self.current = response;
        self.state = match framing {
            Framing::Length(len) => State::Length(len),
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::UntilClose => State::UntilClose,
        };
    }

    fn body<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(usize, Event), ParseError> {
        match self.state {
            State::Length(left) => {
                let n = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                if S::WANTED && n > 0 {
                    sink.body(&bytes[..n]);
                }
                Ok((n, self.count(left, n as u64)))
            }
            State::Chunked(mut chunked) => {
                let progress = chunked.feed(bytes, |payload| {
                    if S::WANTED {
                        sink.body(payload);
                    }
                })?;
                self.current.body_len += progress.payload;
                if progress.done {
                    return Ok((progress.consumed, self.complete()));
                }
                self.state = State::Chunked(chunked);
                Ok((progress.consumed, Event::NeedMore))
            }
            State::UntilClose => {
                if S::WANTED && !bytes.is_empty() {
                    sink.body(bytes);
                }
                self.current.body_len = self.current.body_len.saturating_add(bytes.len() as u64);
                Ok((bytes.len(), Event::NeedMore))
            }
            State::Failed(error) => Err(error),
            State::Idle | State::Head => unreachable!("feed_on reads heads first"),
        }
    }

    /// `n` of `left` bytes came.
    fn count(&mut self, left: u64, n: u64) -> Event {
        if n == left {
            return self.complete();
        }
        self.state = State::Length(left - n);
        Event::NeedMore
    }

    fn complete(&mut self) -> Event {
        self.state = State::Idle;
        Event::Complete(self.current)
    }

    fn fail(&mut self, error: ParseError) -> ParseError {
        self.partial = None;
        self.state = State::Failed(error);
        error
    }

    /// Exactly how many more body bytes will follow, where Content-Length says so and the head is
    /// complete; at least 1. `None` between responses, in a head, and for other framings.
    #[inline]
    pub fn remaining_body(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            _ => None,
        }
    }

    /// `n` body bytes arrived that nobody looked at.
    ///
    /// Meant for `n` up to [`remaining_body`](Self::remaining_body); also counts in a body that ends
    /// with the connection.
    ///
    /// # Errors
    /// [`ParseError::SkipPastEnd`] if the body has fewer bytes left, or its framing must be read.
    pub fn skip(&mut self, n: u64) -> Result<Event, ParseError> {
        match self.state {
            State::Length(left) if n <= left => Ok(self.count(left, n)),
            State::UntilClose => {
                self.current.body_len = self.current.body_len.saturating_add(n);
                Ok(Event::NeedMore)
            }
            State::Failed(error) => Err(error),
            _ if n == 0 => Ok(Event::NeedMore),
            _ => Err(self.fail(ParseError::SkipPastEnd)),
        }
    }

    /// The peer closed its side: completes a body that ends with the connection.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] in any other place, also between responses: whether one was due
    /// there the caller knows (see [`is_idle`](Self::is_idle)).
    pub fn eof(&mut self) -> Result<Event, ParseError> {
        match self.state {
            State::UntilClose => Ok(self.complete()),
            State::Failed(error) => Err(error),
            _ => Err(self.fail(ParseError::Truncated)),
        }
    }

    /// True between responses: not a byte of the next one, not even of an interim head, has come.
    #[inline]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}

/// Whether a half-read head is to be tried again, now that there is more than `before`.
fn is_worthwhile(head: &[u8], before: usize, most: usize) -> bool {
    if head.len() == most || before < EAGER_HEAD {
        return true;
    }
    if before < LINEWISE_HEAD {
        return head[before..].contains(&b'\n');
    }
    let doubled = before.ilog2() < head.len().ilog2();
    // An empty line may have begun before.
    let tail = &head[before - 2..];
    doubled || tail.windows(2).any(|two| two == b"\n\n") || tail.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::head::MAX_HEAD;
    use super::*;

    fn feed(parser: &mut ResponseParser, bytes: &[u8]) -> Result<(usize, Event), ParseError> {
        parser.feed(&mut HeadCache::new(), Expect::Normal, bytes, &mut ())
    }

    #[test]
    fn a_parser_is_small() {
        assert!(size_of::<ResponseParser>() <= 48);
    }

    #[test]
    fn a_skipped_body_counts() {
        let mut parser = ResponseParser::new();
        assert_eq!(parser.remaining_body(), None);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        let first = [&head[..], b"0123456789"].concat();
        assert_eq!(feed(&mut parser, &first), Ok((first.len(), Event::NeedMore)));
        assert_eq!(parser.remaining_body(), Some(90));
        assert_eq!(parser.skip(50), Ok(Event::NeedMore));
        assert_eq!(feed(&mut parser, &[b'x'; 10]), Ok((10, Event::NeedMore)));
        assert_eq!(parser.remaining_body(), Some(30));
        let whole = Response { status: 200, keep_alive: true, head_len: head.len() as u32, body_len: 100 };
        assert_eq!(parser.skip(30), Ok(Event::Complete(whole)));
        assert!(parser.is_idle() && parser.remaining_body().is_none());
    }

    #[test]
    fn a_head_in_two_pieces_takes_no_more_of_the_second_than_is_its_own() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        for at in 1..head.len() {
            let (mut parser, mut cache) = (ResponseParser::new(), HeadCache::new());
            let (first, rest) = head.split_at(at);
            let fed = parser.feed(&mut cache, Expect::Normal, first, &mut ());
            assert_eq!(fed, Ok((at, Event::NeedMore)));
            let whole = Response { status: 200, keep_alive: true, head_len: head.len() as u32, body_len: 2 };
            let fed = parser.feed(&mut cache, Expect::Normal, &[rest, b"okHTTP/1.1"].concat(), &mut ());
            assert_eq!(fed, Ok((rest.len() + 2, Event::Complete(whole))), "cut at {at}");
        }
    }

    #[test]
    fn a_head_alone_leaves_the_whole_body() {
        // With the head known and not: both must tell how much is left.
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n";
        let mut cache = HeadCache::new();
        for _ in 0..2 {
            let mut parser = ResponseParser::new();
            let fed = parser.feed(&mut cache, Expect::Normal, head, &mut ());
            assert_eq!(fed, Ok((head.len(), Event::NeedMore)));
            assert_eq!(parser.remaining_body(), Some(65536));
        }
    }

    #[test]
    fn skipping_too_much_is_an_error() {
        let mut parser = ResponseParser::new();
        feed(&mut parser, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").expect("valid");
        assert_eq!(parser.skip(11), Err(ParseError::SkipPastEnd));
        assert_eq!(feed(&mut parser, b"x"), Err(ParseError::SkipPastEnd));
        let mut parser = ResponseParser::new();
        assert_eq!(parser.skip(0), Ok(Event::NeedMore));
        assert_eq!(parser.skip(1), Err(ParseError::SkipPastEnd));
    }

    /// Payload in pieces.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl Sink for Pieces {
        const WANTED: bool = true;
        fn head(&mut self, _: &[u8]) {}
        fn body(&mut self, bytes: &[u8]) {
            self.0.push(bytes.to_vec());
        }
    }

    #[test]
    fn payload_is_shown_without_framing_and_never_empty() {
        let mut cache = HeadCache::new();
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        // Heads that are known take another way than those that are not.
        for _ in 0..2 {
            for (bytes, pieces, len) in
                [(&chunked[..], &["abc", "de"][..], 5), (empty, &[], 0), (short, &["ok"], 2)]
            {
                let (mut parser, mut shown) = (ResponseParser::new(), Pieces::default());
                let fed = parser.feed(&mut cache, Expect::Normal, bytes, &mut shown);
                let Ok((used, Event::Complete(response))) = fed else { panic!("{fed:?}") };
                assert_eq!((used, response.body_len), (bytes.len(), len));
                assert_eq!(shown.0, pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn an_error_stays() {
        let mut parser = ResponseParser::new();
        assert_eq!(feed(&mut parser, b"junk"), Err(ParseError::StatusLine));
        assert_eq!(parser.skip(0), Err(ParseError::StatusLine));
        assert_eq!(parser.skip(5), Err(ParseError::StatusLine));
        assert_eq!(parser.eof(), Err(ParseError::StatusLine));
    }

    #[test]
    fn idle_means_not_a_byte_has_come() {
        let mut parser = ResponseParser::new();
        assert!(parser.is_idle());
        assert_eq!(feed(&mut parser, b""), Ok((0, Event::NeedMore)));
        assert!(parser.is_idle());
        feed(&mut parser, b"H").expect("may become a head");
        assert!(!parser.is_idle());
        let mut parser = ResponseParser::new();
        feed(&mut parser, b"HTTP/1.1 100 Continue\r\n\r\n").expect("interim");
        assert!(!parser.is_idle());
    }

    /// A head of exactly `len` bytes.
    fn head_of(len: usize) -> Vec<u8> {
        let (start, end) = ("HTTP/1.1 204 X\r\nA: ", "\r\n\r\n");
        let fill = "x".repeat(len - start.len() - end.len());
        [start, &fill, end].concat().into_bytes()
    }

    #[test]
    fn the_head_limit_holds_to_the_byte() {
        for piece in [1, 7, 1000, MAX_HEAD, 2 * MAX_HEAD] {
            for len in [MAX_HEAD - 1, MAX_HEAD, MAX_HEAD + 1, 2 * MAX_HEAD] {
                let mut parser = ResponseParser::new();
                let mut last = Ok((0, Event::NeedMore));
                for bytes in head_of(len).chunks(piece) {
                    last = feed(&mut parser, bytes);
                }
                match last {
                    Ok((_, Event::Complete(r))) if len <= MAX_HEAD => {
                        assert_eq!(r.head_len as usize, len);
                    }
                    Err(ParseError::HeadTooLarge) if len > MAX_HEAD => {}
                    other => panic!("{len} bytes in pieces of {piece}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn an_error_in_an_endless_line_shows() {
        // Past EAGER_HEAD a line is tried again when it ends.
        let mut parser = ResponseParser::new();
        let start = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &[b'x'; 3000]].concat();
        assert!(feed(&mut parser, &start).is_ok());
        assert!(feed(&mut parser, b"\0").is_ok());
        assert_eq!(feed(&mut parser, b"\r\n"), Err(ParseError::Field));
    }
}
