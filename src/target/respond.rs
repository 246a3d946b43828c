//! Answers as bytes. No I/O: what does not fit the buffer is returned as a [`Tail`] to stream.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use super::route::Route;
use super::scan::{Method, Refusal, Request};
use crate::units::Nanos;

/// The size of [`PATTERN`].
const PATTERN_LEN: usize = 256 * 1024;
/// How much of a body goes into the response's own buffer; the rest is streamed.
const INLINE_MAX: u64 = 16 * 1024;
/// The largest chunk of `/chunked/N`.
const CHUNK_MAX: u64 = 16 * 1024;

/// What bodies are cut from: the byte at offset `i` of a body is
/// `b'a' + (i % 262144) % 26`.
pub(super) static PATTERN: LazyLock<Box<[u8]>> =
    LazyLock::new(|| (0..PATTERN_LEN).map(|i| b'a' + (i % 26) as u8).collect());

const INDEX: &str = "\
squall target
/load-test    {\"status\":\"ok\"}
/bytes/N      N bytes with a Content-Length, up to 1 GiB
/chunked/N    N bytes in chunks, up to 1 GiB
/delay/MS     a response after MS milliseconds, fractions allowed
/status/CODE  a response with that status
/echo         the request's body and its Content-Type
/close        a response, then the end of the connection
/healthz      ok
/metrics      Prometheus text
";

/// The rest of a body that is streamed after the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// The bytes of the pattern from offset `from` up to `to`.
    Plain { from: u64, to: u64 },
    /// As `Plain`, in chunks of `size`, and the last chunk.
    Chunks { from: u64, to: u64, size: u64 },
}

/// The response made: its status, and what is left to stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) tail: Option<Tail>,
}

impl Answered {
    fn whole(status: u16) -> Answered {
        Answered { status, tail: None }
    }
}

/// Makes responses, with the Date of the current second and `/load-test` kept ready.
pub(super) struct Responder {
    /// The whole field line: `Date: …\r\n`.
    date: Vec<u8>,
    load_test: Vec<u8>,
}

/// One response's head and how it is framed.
struct Head<'a> {
    status: u16,
    content_type: &'a [u8],
    /// None is without a Content-Length: chunked, or until the end of the connection.
    length: Option<u64>,
    /// More field lines, each with its CRLF.
    extra: &'a [u8],
}

const JSON: &[u8] = b"application/json";
const TEXT: &[u8] = b"text/plain; charset=utf-8";
const BINARY: &[u8] = b"application/octet-stream";
const OK_BODY: &[u8] = b"{\"status\":\"ok\"}";

impl Responder {
    /// A responder for `wall`, the time since the Unix epoch.
    pub(super) fn new(wall: Nanos) -> Responder {
        let mut responder = Responder { date: Vec::new(), load_test: Vec::new() };
        responder.set_date(wall);
        responder
    }

    /// Changes the Date to `wall`. Call it once a second (RFC 9110 section 6.6.1).
    pub(super) fn set_date(&mut self, wall: Nanos) {
        let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_nanos(wall.0));
        self.date.clear();
        let _ = write!(self.date, "Date: {date}\r\n");
        let mut ready = std::mem::take(&mut self.load_test);
        ready.clear();
        let head = Head { status: 200, content_type: JSON, length: Some(OK_BODY.len() as u64), extra: b"" };
        self.head(&mut ready, &head);
        ready.extend_from_slice(b"\r\n");
        ready.extend_from_slice(OK_BODY);
        self.load_test = ready;
    }

    /// Appends the response to `request`, whose collected body is `body` and whose head is `raw`.
    ///
    /// `keep` is whether the connection stays open afterwards. `metrics` is asked for only by
    /// its route.
    pub(super) fn response(
        &self,
        out: &mut Vec<u8>,
        request: &Request,
        keep: bool,
        body: &[u8],
        content_type: &[u8],
        metrics: impl FnOnce() -> String,
    ) -> Answered {
        let to = To { request, keep };
        let allowed = request.route.allowed();
        if !allowed.contains(request.method.name()) {
            let allow = format!("Allow: {allowed}\r\n");
            let why = "the method is not allowed on this route\n";
            return self.small(out, to, 405, TEXT, why.as_bytes(), allow.as_bytes());
        }
        match request.route {
            Route::LoadTest if keep && !request.http_10 && request.method != Method::Head => {
                out.extend_from_slice(&self.load_test);
                Answered::whole(200)
            }
            Route::LoadTest | Route::Delay(_) | Route::Close | Route::Healthz => {
                self.small(out, to, 200, JSON, OK_BODY, b"")
            }
            Route::Index => self.small(out, to, 200, TEXT, INDEX.as_bytes(), b""),
            Route::Metrics => {
                let kind = b"text/plain; version=0.0.4; charset=utf-8";
                self.small(out, to, 200, kind, metrics().as_bytes(), b"")
            }
            Route::Echo => {
                let kind = if content_type.is_empty() { BINARY } else { content_type };
                let extra = format!("X-Request-Method: {}\r\n", request.method.name());
                self.small(out, to, 200, kind, body, extra.as_bytes())
            }
            Route::Status(code) => {
                let redirects = matches!(code, 301 | 302 | 303 | 307 | 308);
                let extra: &[u8] = if redirects { b"Location: /load-test\r\n" } else { b"" };
                let text = format!("{code} {}\n", reason(code));
                self.small(out, to, code, TEXT, text.as_bytes(), extra)
            }
            Route::Bytes(length) => self.bytes(out, to, length),
            Route::Chunked(length) => self.chunked(out, to, length),
            Route::Invalid(rule) => self.small(out, to, 400, TEXT, rule.as_bytes(), b""),
            Route::Unknown => self.small(out, to, 404, TEXT, b"no such route; / lists them\n", b""),
        }
    }

    /// Appends the response for an error that is injected.
    pub(super) fn injected(&self, out: &mut Vec<u8>, request: &Request, keep: bool) -> Answered {
        let to = To { request, keep };
        self.small(out, to, 500, TEXT, b"an error on purpose\n", b"")
    }

    /// Appends the response to a request that is refused; the connection ends with it.
    pub(super) fn refuse(&self, out: &mut Vec<u8>, refusal: Refusal) {
        let head = Head {
            status: refusal.status,
            content_type: TEXT,
            length: Some(refusal.why.len() as u64),
            extra: b"Connection: close\r\n",
        };
        self.head(out, &head);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(refusal.why.as_bytes());
    }

    /// A response whose whole body is at hand.
    fn small(
        &self,
        out: &mut Vec<u8>,
        to: To<'_>,
        status: u16,
        content_type: &[u8],
        body: &[u8],
        extra: &[u8],
    ) -> Answered {
        // 204 has neither body nor length; 304 has no body (RFC 9110 sections 8.6 and 15.4.5).
        let bodiless = matches!(status, 204 | 304);
        let head = Head {
            status,
            content_type: if bodiless { b"" } else { content_type },
            length: (!bodiless).then_some(body.len() as u64),
            extra,
        };
        self.head(out, &head);
        to.finish(out);
        if !bodiless && !to.is_head() {
            out.extend_from_slice(body);
        }
        Answered::whole(status)
    }

    fn bytes(&self, out: &mut Vec<u8>, to: To<'_>, length: u64) -> Answered {
        let head = Head { status: 200, content_type: BINARY, length: Some(length), extra: b"" };
        self.head(out, &head);
        to.finish(out);
        Answered { status: 200, tail: if to.is_head() { None } else { plain(out, length) } }
    }

    fn chunked(&self, out: &mut Vec<u8>, to: To<'_>, length: u64) -> Answered {
        // HTTP/1.0 knows no chunks: there the body ends with the connection.
        let framed = !to.request.http_10;
        let extra: &[u8] = if framed { b"Transfer-Encoding: chunked\r\n" } else { b"" };
        let head = Head { status: 200, content_type: BINARY, length: None, extra };
        self.head(out, &head);
        to.finish(out);
        let tail = if to.is_head() {
            None
        } else if framed {
            // Short bodies come in four chunks, too: one chunk would test little.
            let size = length.div_ceil(4).clamp(1, CHUNK_MAX);
            chunks(out, 0, length, size, INLINE_MAX)
        } else {
            plain(out, length)
        };
        Answered { status: 200, tail }
    }

    /// Status line, Date and the fields of `head`, without the empty line.
    fn head(&self, out: &mut Vec<u8>, head: &Head<'_>) {
        // Writing into a Vec cannot fail.
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", head.status, reason(head.status));
        out.extend_from_slice(&self.date);
        if !head.content_type.is_empty() {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(head.content_type);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(length) = head.length {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        out.extend_from_slice(head.extra);
    }
}

/// Whom the response is for.
#[derive(Clone, Copy)]
struct To<'a> {
    request: &'a Request,
    keep: bool,
}

impl To<'_> {
    fn is_head(self) -> bool {
        self.request.method == Method::Head
    }

    /// The Connection field, where it says something new (RFC 9112 section 9.3), and the
    /// empty line.
    fn finish(self, out: &mut Vec<u8>) {
        if !self.keep {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if self.request.http_10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn plain(out: &mut Vec<u8>, length: u64) -> Option<Tail> {
    let inline = length.min(INLINE_MAX);
    out.extend_from_slice(&PATTERN[..inline as usize]);
    (inline < length).then_some(Tail::Plain { from: inline, to: length })
}

/// The longest piece of the pattern that a body has in one run from offset `from` up to `to`.
pub(super) fn piece(from: u64, to: u64) -> &'static [u8] {
    let at = (from % PATTERN_LEN as u64) as usize;
    let run = (to - from).min((PATTERN_LEN - at) as u64) as usize;
    &PATTERN[at..at + run]
}

/// Appends chunks of `size` until about `room` bytes are made or the body ends.
pub(super) fn chunks(out: &mut Vec<u8>, mut from: u64, to: u64, size: u64, room: u64) -> Option<Tail> {
    let stop = from.saturating_add(room);
    while from < to {
        if from >= stop {
            return Some(Tail::Chunks { from, to, size });
        }
        let end = (from + size).min(to);
        let _ = write!(out, "{:x}\r\n", end - from);
        while from < end {
            let piece = piece(from, end);
            out.extend_from_slice(piece);
            from += piece.len() as u64;
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    None
}

/// The registered reason phrase; empty where there is none, which is legal (RFC 9112 section 4).
fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_patched_everywhere() {
        let mut responder = Responder::new(Nanos::ZERO);
        responder.set_date(Nanos::from_secs(784_111_777));
        let text = String::from_utf8(responder.load_test.clone()).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"
        );
    }

    #[test]
    fn streamed_chunks_equal_those_made_at_once() {
        let (length, size) = (300_000, 7_001);
        let mut at_once = Vec::new();
        assert_eq!(chunks(&mut at_once, 0, length, size, u64::MAX), None);
        let mut streamed = Vec::new();
        let mut tail = chunks(&mut streamed, 0, length, size, 10_000);
        while let Some(Tail::Chunks { from, to, size }) = tail {
            tail = chunks(&mut streamed, from, to, size, 10_000);
        }
        assert!(streamed == at_once);
    }

    #[test]
    fn pieces_follow_the_pattern() {
        let mut from = 1_000;
        let mut body = Vec::new();
        while from < 600_000 {
            let piece = piece(from, 600_000);
            body.extend_from_slice(piece);
            from += piece.len() as u64;
        }
        assert_eq!(body.len(), 599_000);
        let wanted = |i: usize| b'a' + (i % PATTERN_LEN % 26) as u8;
        assert!(body.iter().enumerate().all(|(i, byte)| *byte == wanted(i + 1_000)));
    }
}
