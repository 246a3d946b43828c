//! What holds for any bytes that a peer may send as its responses.

use squall::http::error::ParseError;
use squall::http::response::{Event, Expect, HeadCache, Response, ResponseParser};

#[path = "payload.rs"]
mod payload;

use payload::Payload;

/// Up to here a half-read head is tried with each piece; an error in a longer line shows when the line
/// ends, so that a stream which is cut off before has another error by then, or only that.
const EAGER: usize = 2 * 1024;

/// A stream is read whole, byte by byte, and in pieces, with the heads known and not, with bodies looked
/// at, and skipped: to the same responses and the same error.
pub(crate) fn holds(stream: &[u8]) {
    let mut seed = seed(stream);
    let mut sizes = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (seed >> 33) as usize % 24
    };
    for expect in [Expect::Normal, Expect::Head] {
        let mut known = HeadCache::new();
        let whole = read(&mut known, expect, stream, || usize::MAX);
        within_bounds(&whole, stream);
        let ways = [
            ("whole, heads known", read(&mut known, expect, stream, || usize::MAX)),
            ("bytes", read(&mut HeadCache::new(), expect, stream, || 1)),
            ("bytes, heads known", read(&mut known, expect, stream, || 1)),
            ("pieces", read(&mut HeadCache::new(), expect, stream, &mut sizes)),
            ("pieces, heads known", read(&mut known, expect, stream, &mut sizes)),
        ];
        for (way, reading) in ways {
            assert!(alike(&reading, &whole, stream), "{expect:?}, {way}: {reading:?} instead of {whole:?}");
        }
        let skipped = read_and_skip(&mut known, expect, stream, &mut sizes);
        let responses: Vec<Response> = whole.0.iter().map(|(response, _)| *response).collect();
        assert_eq!(skipped.0, responses, "{expect:?}, bodies skipped");
        assert_eq!(skipped.1.is_some(), whole.1.is_some(), "{expect:?}, bodies skipped");
    }
}

/// The same pieces for the same stream, so that a finding can be repeated.
fn seed(stream: &[u8]) -> u64 {
    stream.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

type Reading = (Vec<(Response, Vec<u8>)>, Option<ParseError>);

/// No response is longer than what came, and each is what its parts say.
fn within_bounds(reading: &Reading, stream: &[u8]) {
    let mut bytes = 0;
    for (response, body) in &reading.0 {
        assert!(response.status >= 200 || response.status == 101, "an interim response is none");
        assert!(response.status < 1000);
        assert_eq!(response.body_len, body.len() as u64);
        bytes += response.head_len as usize + body.len();
    }
    assert!(bytes <= stream.len(), "{bytes} bytes out of {}", stream.len());
}

fn alike(one: &Reading, other: &Reading, stream: &[u8]) -> bool {
    one.0 == other.0 && (one.1 == other.1 || stream.len() > EAGER && one.1.is_some() && other.1.is_some())
}

fn read(cache: &mut HeadCache, expect: Expect, stream: &[u8], mut size: impl FnMut() -> usize) -> Reading {
    let (mut parser, mut sink) = (ResponseParser::new(), Payload::default());
    let (mut seen, mut left) = (Vec::new(), stream);
    while !left.is_empty() {
        let (mut piece, after) = left.split_at(size().min(left.len()));
        left = after;
        while !piece.is_empty() {
            match parser.feed(cache, expect, piece, &mut sink) {
                Ok((used, Event::Complete(response))) => {
                    assert!(parser.is_idle());
                    let Payload { head, body } = std::mem::take(&mut sink);
                    assert_eq!(head.len(), response.head_len as usize);
                    seen.push((response, body));
                    // Panics when more was taken than there is.
                    piece = &piece[used..];
                }
                Ok((used, Event::NeedMore)) => {
                    assert_eq!(used, piece.len(), "NeedMore takes everything");
                    piece = &[];
                }
                Err(error) => return (seen, Some(stays(parser, cache, expect, error))),
            }
        }
    }
    if parser.is_idle() {
        return (seen, None);
    }
    match parser.eof() {
        Ok(Event::Complete(response)) => seen.push((response, sink.body)),
        Ok(Event::NeedMore) => panic!("nothing follows the end"),
        Err(error) => return (seen, Some(error)),
    }
    (seen, None)
}

/// After an error nothing on that connection can be trusted, however good it looks.
fn stays(mut parser: ResponseParser, cache: &mut HeadCache, expect: Expect, error: ParseError) -> ParseError {
    let good = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(parser.feed(cache, expect, good, &mut ()), Err(error));
    assert_eq!(parser.skip(0), Err(error));
    assert_eq!(parser.eof(), Err(error));
    error
}

/// Lets the kernel discard what it may: nobody looks at a body.
fn read_and_skip(
    cache: &mut HeadCache,
    expect: Expect,
    stream: &[u8],
    mut size: impl FnMut() -> usize,
) -> (Vec<Response>, Option<ParseError>) {
    let (mut parser, mut seen, mut left) = (ResponseParser::new(), Vec::new(), stream);
    while !left.is_empty() {
        let room = size().min(left.len());
        let step = match parser.remaining_body() {
            Some(rest) => {
                let n = rest.min(room as u64);
                parser.skip(n).map(|event| (n as usize, event))
            }
            None => parser.feed(cache, expect, &left[..room], &mut ()),
        };
        match step {
            Ok((used, event)) => {
                left = &left[used..];
                if let Event::Complete(response) = event {
                    seen.push(response);
                }
            }
            Err(error) => return (seen, Some(error)),
        }
    }
    if parser.is_idle() {
        return (seen, None);
    }
    match parser.eof() {
        Ok(Event::Complete(response)) => seen.push(response),
        Ok(Event::NeedMore) => panic!("nothing follows the end"),
        Err(error) => return (seen, Some(error)),
    }
    (seen, None)
}
