//! Properties of the HTTP floor: random valid responses come back whatever the splits and the cache;
//! random bytes neither panic nor consume more than there is. The stable twin of `fuzz/`.

use proptest::collection::vec;
use proptest::prelude::*;

use squall::http::chunked::Chunked;
use squall::http::error::ParseError;
use squall::http::request::Request;
use squall::http::response::{Event, Expect, HeadCache, Response, ResponseParser, Sink};

#[path = "properties/url.rs"]
mod url;

#[derive(Default)]
struct Payload(Vec<u8>);

impl Sink for Payload {
    const WANTED: bool = true;
    fn head(&mut self, _: &[u8]) {}
    fn body(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[derive(Clone, Debug)]
enum Body {
    Length,
    /// Sizes of the chunks, an extension, a trailer line.
    Chunked(Vec<usize>, String, String),
}

#[derive(Clone, Debug)]
struct Written {
    interim: u8,
    status: u16,
    reason: String,
    fields: Vec<(String, String)>,
    date: Option<u8>,
    close: bool,
    framing: Body,
    payload: Vec<u8>,
}

impl Written {
    fn encode(&self) -> Vec<u8> {
        let mut out = String::new();
        for _ in 0..self.interim {
            out += "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        }
        out += &format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        for (name, value) in &self.fields {
            out += &format!("X-{name}: {value}\r\n");
        }
        if let Some(second) = self.date {
            out += &format!("Date: Sun, 06 Nov 1994 08:49:{second:02} GMT\r\n");
        }
        if self.close {
            out += "Connection: close\r\n";
        }
        let mut out = out.into_bytes();
        match &self.framing {
            Body::Length => {
                out.extend(format!("Content-Length: {}\r\n\r\n", self.payload.len()).bytes());
                out.extend(&self.payload);
            }
            Body::Chunked(sizes, extension, trailer) => {
                out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                let mut rest = &self.payload[..];
                for &size in sizes.iter().chain([&usize::MAX]) {
                    let (chunk, after) = rest.split_at(size.min(rest.len()));
                    if !chunk.is_empty() {
                        out.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
                        out.extend(chunk);
                        out.extend(b"\r\n");
                    }
                    rest = after;
                }
                out.extend(format!("0\r\n{trailer}\r\n").bytes());
            }
        }
        out
    }
}

fn written() -> impl Strategy<Value = Written> {
    let framing = prop_oneof![
        Just(Body::Length),
        (
            vec(1usize..40, 0..5),
            "(;[a-z]{1,5}(=\"[ -!#-~]{0,5}\")?){0,2}",
            "(T[a-z]{0,3}: [ -~]{0,9}\r\n){0,2}"
        )
            .prop_map(|(sizes, extension, trailer)| Body::Chunked(sizes, extension, trailer)),
    ];
    let status = (200u16..1000).prop_filter("has no body", |s| *s != 204 && *s != 304);
    let fields = vec(("[a-zA-Z0-9-]{0,8}", "[!-~]([ -~\t]{0,20}[!-~])?"), 0..6);
    (
        (0u8..3, status, "[ -~]{0,12}", fields),
        (proptest::option::of(0u8..60), prop::bool::weighted(0.2), framing, vec(any::<u8>(), 0..120)),
    )
        .prop_map(|((interim, status, reason, fields), (date, close, framing, payload))| Written {
            interim,
            status,
            reason,
            fields,
            date,
            close,
            framing,
            payload,
        })
}

/// Feeds `stream` in pieces of the sizes given, over and over.
fn read_all(cache: &mut HeadCache, stream: &[u8], sizes: &[usize]) -> Vec<(Response, Vec<u8>)> {
    let (mut parser, mut sink) = (ResponseParser::new(), Payload::default());
    let (mut seen, mut rest) = (Vec::new(), stream);
    for size in sizes.iter().cycle() {
        let (mut piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        while !piece.is_empty() {
            let fed = parser.feed(cache, Expect::Normal, piece, &mut sink);
            let (used, event) = fed.expect("the stream is valid");
            assert!(used <= piece.len());
            piece = &piece[used..];
            if let Event::Complete(response) = event {
                seen.push((response, std::mem::take(&mut sink.0)));
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    assert!(parser.is_idle());
    seen
}

proptest! {
    #[test]
    fn valid_responses_come_back(
        all in vec(written(), 1..6),
        sizes in vec(1usize..200, 1..8),
    ) {
        let stream: Vec<u8> = all.iter().flat_map(Written::encode).collect();
        let mut cache = HeadCache::new();
        for _ in 0..3 {
            let seen = read_all(&mut cache, &stream, &sizes);
            prop_assert_eq!(seen.len(), all.len());
            for ((response, payload), one) in seen.iter().zip(&all) {
                prop_assert_eq!(response.status, one.status);
                prop_assert_eq!(response.keep_alive, !one.close);
                prop_assert_eq!(response.body_len, one.payload.len() as u64);
                prop_assert_eq!(payload, &one.payload);
            }
        }
    }

    #[test]
    fn one_changed_byte_reads_the_same_with_and_without_cache(
        one in written(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let good = one.encode();
        let mut cache = HeadCache::new();
        let first = ResponseParser::new().feed(&mut cache, Expect::Normal, &good, &mut ());
        prop_assert!(first.is_ok());
        let mut bad = good.clone();
        bad[at.index(good.len())] = byte;
        let warm = ResponseParser::new().feed(&mut cache, Expect::Normal, &bad, &mut ());
        let cold = ResponseParser::new().feed(&mut HeadCache::new(), Expect::Normal, &bad, &mut ());
        prop_assert_eq!(warm, cold);
    }

    #[test]
    fn random_bytes_do_no_harm(
        start in prop::sample::select(vec![
            "", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: ",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]),
        pieces in vec(vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0')], 0..60), 0..8),
        head in any::<bool>(),
    ) {
        let expect = if head { Expect::Head } else { Expect::Normal };
        let (mut cache, mut parser) = (HeadCache::new(), ResponseParser::new());
        let mut failed: Option<ParseError> = None;
        for piece in std::iter::once(start.as_bytes()).chain(pieces.iter().map(Vec::as_slice)) {
            match parser.feed(&mut cache, expect, piece, &mut ()) {
                Ok((used, Event::NeedMore)) => {
                    prop_assert_eq!(used, piece.len());
                    prop_assert!(failed.is_none());
                }
                Ok((used, Event::Complete(response))) => {
                    prop_assert!(used <= piece.len() && failed.is_none());
                    prop_assert!((100..1000).contains(&response.status));
                }
                Err(error) => {
                    prop_assert_eq!(*failed.get_or_insert(error), error);
                }
            }
        }
    }

    #[test]
    fn random_chunks_do_no_harm(bytes in vec(prop_oneof![
        any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'3'), Just(b';')
    ], 0..200), at in any::<prop::sample::Index>()) {
        let mut payload = Vec::new();
        let whole = Chunked::new().feed(&bytes, |piece| payload.extend_from_slice(piece));
        let (one, two) = bytes.split_at(at.index(bytes.len() + 1));
        let (mut chunked, mut again) = (Chunked::new(), Vec::new());
        let split = chunked.feed(one, |piece| again.extend_from_slice(piece)).and_then(|first| {
            let second = chunked.feed(two, |piece| again.extend_from_slice(piece))?;
            Ok((first.consumed + second.consumed, second.done))
        });
        prop_assert_eq!(split, whole.map(|progress| (progress.consumed, progress.done)));
        prop_assert_eq!(&payload, &again);
        prop_assert!(whole.is_err() || payload.len() <= bytes.len());
    }

    #[test]
    fn any_text_is_a_url_or_an_error(text in "(https?://)?[ -~é]{0,30}") {
        url::holds(text.as_bytes());
    }

    #[test]
    fn what_is_encoded_is_one_request(
        method in "[A-Z]{1,7}",
        headers in vec(("[a-zA-Z-]{1,12}", "[^\r\n\0]{0,20}"), 0..5),
        body in vec(any::<u8>(), 0..50),
    ) {
        let request = Request {
            method,
            target: "/x".into(),
            authority: "h".into(),
            headers,
            body,
        };
        let Ok(bytes) = request.encode() else { return Ok(()) };
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut fields);
        // Control bytes that the caller asked for may be refused there; what is read must agree.
        if let Ok(httparse::Status::Complete(head)) = parsed.parse(&bytes) {
            prop_assert_eq!(&bytes[head..], &request.body[..]);
            prop_assert_eq!(parsed.method, Some(&request.method[..]));
            prop_assert!(parsed.headers[0].name.eq_ignore_ascii_case("host"));
        }
    }
}
