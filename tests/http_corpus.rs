//! Raw responses from `tests/data/responses/`, each read whole, at every split, and byte by byte, with
//! a fresh cache and a primed one: always to the same outcome, which `EXPECTED.tsv` names.

#[path = "properties/payload.rs"]
mod payload;
#[path = "common/responses.rs"]
mod responses;

use squall::http::error::ParseError;
use squall::http::response::{Event, Expect, HeadCache, Response, ResponseParser};

use payload::Payload;
use responses::{Case, corpus, oversized};

/// Everything observable about a stream.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    /// Each response with its head and payload.
    responses: Vec<(Response, Vec<u8>, Vec<u8>)>,
    error: Option<ParseError>,
}

impl Reading {
    fn push(&mut self, response: Response, sink: &mut Payload) {
        assert_eq!(sink.head.len(), response.head_len as usize);
        assert_eq!(sink.body.len() as u64, response.body_len);
        let Payload { head, body } = std::mem::take(sink);
        self.responses.push((response, head, body));
    }

    /// In the notation of `EXPECTED.tsv`.
    fn outcomes(&self) -> Vec<String> {
        let responses = self.responses.iter().map(|(response, _, body)| {
            let connection = if response.keep_alive { "keep" } else { "close" };
            format!("{} {connection} \"{}\"", response.status, body.escape_ascii())
        });
        let error = self.error.map(|error| format!("error {error:?}"));
        responses.chain(error).collect()
    }
}

/// Reads `pieces`, then the end of the connection.
fn read<'a>(cache: &mut HeadCache, expect: Expect, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut parser = ResponseParser::new();
    let mut sink = Payload::default();
    let mut reading = Reading::default();
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            match parser.feed(cache, expect, rest, &mut sink) {
                Ok((used, Event::Complete(response))) => {
                    assert!(used <= rest.len() && parser.is_idle());
                    reading.push(response, &mut sink);
                    if !response.keep_alive {
                        return reading; // what follows is not looked at
                    }
                    rest = &rest[used..];
                }
                Ok((used, Event::NeedMore)) => {
                    assert_eq!(used, rest.len(), "NeedMore takes everything");
                    rest = &[];
                }
                Err(error) => {
                    let again = parser.feed(cache, expect, b"HTTP/1.1 200 OK\r\n\r\n", &mut sink);
                    assert_eq!(again, Err(error), "errors stay");
                    assert_eq!(parser.eof(), Err(error));
                    assert_eq!(parser.skip(0), Err(error));
                    reading.error = Some(error);
                    return reading;
                }
            }
        }
    }
    // Between responses the end is in order, but one is due.
    if !parser.is_idle() || reading.responses.is_empty() {
        match parser.eof() {
            Ok(Event::Complete(response)) => reading.push(response, &mut sink),
            Ok(Event::NeedMore) => panic!("nothing can follow the end"),
            Err(error) => reading.error = Some(error),
        }
    }
    reading
}

/// A cache that has seen this stream before, and so holds its heads.
fn primed(case: &Case) -> HeadCache {
    let mut cache = HeadCache::new();
    read(&mut cache, case.expect, [&case.raw[..]]);
    cache
}

#[test]
fn each_file_is_read_as_expected() {
    let mut wrong = Vec::new();
    for case in corpus() {
        let reading = read(&mut HeadCache::new(), case.expect, [&case.raw[..]]);
        if reading.outcomes() != case.outcomes {
            wrong.push(format!("{}: {:?} instead of {:?}", case.name, reading.outcomes(), case.outcomes));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_oversized_are_read_as_expected_in_any_pieces() {
    for case in oversized() {
        let mut known = HeadCache::new();
        for piece in [usize::MAX, 1 << 14, 1000, 1] {
            for cache in [&mut HeadCache::new(), &mut known] {
                let reading = read(cache, case.expect, case.raw.chunks(piece));
                let same = reading.outcomes() == case.outcomes;
                assert!(same, "{} in pieces of {piece}: {:?}", case.name, reading.error);
            }
        }
    }
}

#[test]
fn splits_change_nothing() {
    for case in corpus() {
        let whole = read(&mut HeadCache::new(), case.expect, [&case.raw[..]]);
        let mut warm = primed(&case);
        for at in 0..=case.raw.len() {
            let (one, two) = case.raw.split_at(at);
            let cold = read(&mut HeadCache::new(), case.expect, [one, two]);
            assert_eq!(cold, whole, "{} split at {at}", case.name);
            let warm = read(&mut warm, case.expect, [one, two]);
            assert_eq!(warm, whole, "{} split at {at}, heads known", case.name);
        }
        for mut cache in [HeadCache::new(), warm] {
            let bytes = read(&mut cache, case.expect, case.raw.chunks(1));
            assert_eq!(bytes, whole, "{} byte by byte", case.name);
        }
    }
}

#[test]
fn fast_path_equals_slow_path() {
    // One cache that has seen everything, in both directions: no head may be taken for another's.
    let corpus = corpus();
    let mut cache = HeadCache::new();
    for case in corpus.iter().chain(corpus.iter().rev()) {
        let fresh = read(&mut HeadCache::new(), case.expect, [&case.raw[..]]);
        for _ in 0..2 {
            let reading = read(&mut cache, case.expect, [&case.raw[..]]);
            assert_eq!(reading, fresh, "{}", case.name);
        }
    }
}

#[test]
fn the_same_head_answers_get_and_head() {
    // The cache must not carry the framing of one method over to the other.
    for case in corpus() {
        for other in [Expect::Normal, Expect::Head] {
            let fresh = read(&mut HeadCache::new(), other, [&case.raw[..]]);
            let reading = read(&mut primed(&case), other, [&case.raw[..]]);
            assert_eq!(reading, fresh, "{} asked {other:?}", case.name);
        }
    }
}

#[test]
fn folded_fields_are_shown_unfolded() {
    let raw = b"HTTP/1.1 200 OK\r\nX: a\r\n\tContent-Length: 9\n b\r\nContent-Length: 2\r\n\r\nok";
    let shown = b"HTTP/1.1 200 OK\r\nX: a  \tContent-Length: 9  b\r\nContent-Length: 2\r\n\r\n";
    let mut cache = HeadCache::new();
    for piece in [usize::MAX, 1, 7, usize::MAX] {
        let reading = read(&mut cache, Expect::Normal, raw.chunks(piece));
        let [(response, head, body)] = &reading.responses[..] else { panic!("{:?}", reading.error) };
        assert_eq!(
            (head.escape_ascii().to_string(), &body[..]),
            (shown.escape_ascii().to_string(), &b"ok"[..])
        );
        assert_eq!((response.status, response.keep_alive), (200, true));
    }
}

#[test]
fn two_back_to_back() {
    for case in corpus() {
        let one = read(&mut HeadCache::new(), case.expect, [&case.raw[..]]);
        let persistent = one.responses.iter().all(|(response, ..)| response.keep_alive);
        if one.error.is_some() || !persistent {
            continue;
        }
        let twice = case.raw.repeat(2);
        let expected = [one.outcomes(), one.outcomes()].concat();
        let mut warm = primed(&case);
        for at in 0..=twice.len() {
            let (first, second) = twice.split_at(at);
            let reading = read(&mut HeadCache::new(), case.expect, [first, second]);
            assert_eq!(reading.outcomes(), expected, "{} twice, split at {at}", case.name);
            let reading = read(&mut warm, case.expect, [first, second]);
            assert_eq!(reading.outcomes(), expected, "{} twice, split at {at}, warm", case.name);
        }
    }
}

#[test]
fn every_prefix_of_a_good_stream_needs_more() {
    for case in corpus() {
        let whole = read(&mut HeadCache::new(), case.expect, [&case.raw[..]]);
        if whole.error.is_some() {
            continue;
        }
        for end in 0..case.raw.len() {
            let reading = read(&mut HeadCache::new(), case.expect, [&case.raw[..end]]);
            let fine = matches!(reading.error, None | Some(ParseError::Truncated));
            assert!(fine, "{} up to {end}: {:?}", case.name, reading.error);
        }
    }
}
