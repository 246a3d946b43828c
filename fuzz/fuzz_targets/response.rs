//! Any bytes, read whole with a fresh cache, in pieces with a fresh one, and in pieces with one that
//! knows the heads: the same responses and the same error each time.
//!
//! `cargo +nightly fuzz run response fuzz/corpus/response tests/data/responses`
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::http::error::ParseError;
use squall::http::response::{Event, Expect, HeadCache, Response, ResponseParser, Sink};

#[derive(Default)]
struct Payload(Vec<u8>);

impl Sink for Payload {
    const WANTED: bool = true;
    fn head(&mut self, head: &[u8]) {
        self.0.extend_from_slice(head);
    }
    fn body(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

type Reading = (Vec<(Response, Vec<u8>)>, Option<ParseError>);

fn read(cache: &mut HeadCache, expect: Expect, stream: &[u8], piece: usize) -> Reading {
    let (mut parser, mut sink) = (ResponseParser::new(), Payload::default());
    let mut seen = Vec::new();
    for mut rest in stream.chunks(piece) {
        while !rest.is_empty() {
            match parser.feed(cache, expect, rest, &mut sink) {
                Ok((used, event)) => {
                    rest = &rest[used..];
                    match event {
                        Event::Complete(r) => seen.push((r, std::mem::take(&mut sink.0))),
                        Event::NeedMore => assert!(rest.is_empty()),
                    }
                }
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    match parser.eof() {
        Ok(Event::Complete(response)) => seen.push((response, sink.0)),
        Ok(Event::NeedMore) => unreachable!("nothing follows the end"),
        Err(error) => return (seen, Some(error)),
    }
    (seen, None)
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (head, piece, stream) = input;
    // Longer lines may show their error only when they end.
    if stream.len() > 2048 {
        return;
    }
    let expect = if head { Expect::Head } else { Expect::Normal };
    let piece = usize::from(piece).max(1);
    let mut cache = HeadCache::new();
    let whole = read(&mut cache, expect, stream, usize::MAX);
    assert_eq!(read(&mut HeadCache::new(), expect, stream, piece), whole);
    assert_eq!(read(&mut cache, expect, stream, piece), whole);
    assert_eq!(read(&mut cache, expect, stream, usize::MAX), whole);
});
