//! The request scanner: bytes in, one request head out. No I/O, no clock.
//!
//! It stands on httparse and on nothing of `crate::http`, so that a mistake in the generator's
//! own HTTP code meets a server that does not share it.

use std::mem::MaybeUninit;

use super::route::Route;

/// The largest request head, in bytes. A larger one is answered with 431.
pub(super) const HEAD_MAX: usize = 16 * 1024;
/// The most header fields in one head. More are answered with 431.
const HEADERS_MAX: usize = 100;
/// The largest head that the memo keeps.
const MEMO_MAX: usize = 1024;

/// How the body of a request ends (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// After that many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// The request methods that routes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Other,
}

impl Method {
    fn parse(text: &str) -> Method {
        match text {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            _ => Method::Other,
        }
    }

    /// The method's name, as sent.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Other => "other",
        }
    }
}

/// One request head. Holds no reference into the input, so that it can be remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Request {
    /// Bytes of the head, the empty line included.
    pub(super) head_len: usize,
    pub(super) method: Method,
    pub(super) route: Route,
    /// Whether the client speaks HTTP/1.0: it gets no chunks and must ask for keep-alive.
    pub(super) http_10: bool,
    pub(super) keep_alive: bool,
    pub(super) framing: Framing,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// Where in the head the value of Content-Type stands: from, to. Equal if there is none.
    pub(super) content_type: (usize, usize),
}

/// A request that is answered with an error and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// What is wrong, as the body of the response.
    pub(super) why: &'static str,
}

impl Refusal {
    pub(super) const fn bad(why: &'static str) -> Refusal {
        Refusal { status: 400, why }
    }
}

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scan {
    /// The beginning of a head: read on.
    Partial,
    /// A whole head.
    Whole(Request),
    /// Something that will never be one.
    Refused(Refusal),
}

/// A scanner that remembers the last head: load generators repeat themselves byte for byte.
///
/// What a head means depends on its bytes alone, so equal bytes need no second parse.
#[derive(Default)]
pub(super) struct Scanner {
    head: Vec<u8>,
    request: Option<Request>,
}

impl Scanner {
    /// Scans the front of `input`.
    #[inline]
    pub(super) fn scan(&mut self, input: &[u8]) -> Scan {
        if let Some(request) = self.request
            && input.starts_with(&self.head)
        {
            return Scan::Whole(request);
        }
        let scan = parse(input);
        if let Scan::Whole(request) = scan
            && request.head_len <= MEMO_MAX
        {
            self.head.clear();
            self.head.extend_from_slice(&input[..request.head_len]);
            self.request = Some(request);
        }
        scan
    }
}

const TOO_LARGE: Refusal =
    Refusal { status: 431, why: "the request head is larger than 16 KiB or has more than 100 fields\n" };

fn parse(input: &[u8]) -> Scan {
    let mut storage = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut raw = httparse::Request::new(&mut []);
    let window = &input[..input.len().min(HEAD_MAX)];
    match raw.parse_with_uninit_headers(window, &mut storage) {
        Ok(httparse::Status::Complete(head_len)) => match interpret(input, head_len, &raw) {
            Ok(request) => Scan::Whole(request),
            Err(refusal) => Scan::Refused(refusal),
        },
        Ok(httparse::Status::Partial) if input.len() >= HEAD_MAX => Scan::Refused(TOO_LARGE),
        Ok(httparse::Status::Partial) => Scan::Partial,
        Err(httparse::Error::TooManyHeaders) => Scan::Refused(TOO_LARGE),
        Err(httparse::Error::Version) => {
            Scan::Refused(Refusal { status: 505, why: "only HTTP/1.0 and HTTP/1.1 are spoken here\n" })
        }
        Err(_) => Scan::Refused(Refusal::bad("the request is not HTTP/1.1\n")),
    }
}

/// The header fields that matter here, as they are met.
#[derive(Default)]
struct Fields {
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    content_type: (usize, usize),
}

fn interpret(input: &[u8], head_len: usize, raw: &httparse::Request<'_, '_>) -> Result<Request, Refusal> {
    let mut fields = Fields::default();
    for header in raw.headers.iter() {
        fields.take(input, header)?;
    }
    let http_10 = raw.version == Some(0);
    if fields.hosts > 1 || (fields.hosts == 0 && !http_10) {
        // RFC 9112 section 3.2.
        return Err(Refusal::bad("exactly one Host field is needed\n"));
    }
    if fields.chunked && (http_10 || fields.length.is_some()) {
        // RFC 9112 section 6.1: a sign of request smuggling, or of a broken sender.
        return Err(Refusal::bad("Transfer-Encoding goes with neither Content-Length nor HTTP/1.0\n"));
    }
    let framing = match fields.length {
        _ if fields.chunked => Framing::Chunked,
        Some(0) | None => Framing::None,
        Some(length) => Framing::Length(length),
    };
    Ok(Request {
        head_len,
        method: Method::parse(raw.method.unwrap_or_default()),
        route: Route::parse(raw.path.unwrap_or_default()),
        http_10,
        keep_alive: !fields.close && (!http_10 || fields.keep_alive),
        framing,
        // RFC 9110 section 10.1.1: ignored in HTTP/1.0, and pointless without a body.
        expects_continue: fields.expects_continue && !http_10 && framing != Framing::None,
        content_type: fields.content_type,
    })
}

impl Fields {
    fn take(&mut self, input: &[u8], header: &httparse::Header<'_>) -> Result<(), Refusal> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            self.hosts += 1;
        } else if is("content-length") {
            let length = length(header.value)?;
            if self.length.is_some_and(|earlier| earlier != length) {
                return Err(Refusal::bad("two Content-Length fields differ\n"));
            }
            self.length = Some(length);
        } else if is("transfer-encoding") {
            if self.chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal {
                    status: 501,
                    why: "the only transfer coding spoken here is chunked, once\n",
                });
            }
            self.chunked = true;
        } else if is("connection") {
            for token in header.value.split(|byte| *byte == b',') {
                let token = token.trim_ascii();
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("expect") {
            if !header.value.trim_ascii().eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal { status: 417, why: "the only expectation met here is 100-continue\n" });
            }
            self.expects_continue = true;
        } else if is("content-type") {
            let from = header.value.as_ptr() as usize - input.as_ptr() as usize;
            self.content_type = (from, from + header.value.len());
        }
        Ok(())
    }
}

/// Digits only: no sign, no list, no overflow (RFC 9110 section 8.6).
fn length(value: &[u8]) -> Result<u64, Refusal> {
    let value = value.trim_ascii();
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok())
        .ok_or(Refusal::bad("the Content-Length is not a number\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(input: &str) -> Scan {
        Scanner::default().scan(input.as_bytes())
    }

    fn whole(input: &str) -> Request {
        match scan(input) {
            Scan::Whole(request) => request,
            other => panic!("{input:?}: {other:?}"),
        }
    }

    fn status(input: &str) -> u16 {
        match scan(input) {
            Scan::Refused(refusal) => refusal.status,
            other => panic!("{input:?}: {other:?}"),
        }
    }

    #[test]
    fn every_prefix_is_partial() {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/x\r\n\
                    Content-Length: 12\r\nExpect: 100-continue\r\n\r\n";
        let mut scanner = Scanner::default();
        for end in 0..head.len() {
            assert_eq!(scanner.scan(&head.as_bytes()[..end]), Scan::Partial, "{end}");
        }
        let request = whole(head);
        assert_eq!(request.head_len, head.len());
        assert_eq!(request.framing, Framing::Length(12));
        assert!(request.keep_alive && request.expects_continue);
        let (from, to) = request.content_type;
        assert_eq!(&head[from..to], "text/x");
    }

    #[test]
    fn keep_alive_follows_version_and_connection() {
        let keep = |version: &str, field: &str| {
            whole(&format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n")).keep_alive
        };
        assert!(keep("1.1", ""));
        assert!(!keep("1.1", "Connection: Close\r\n"));
        assert!(!keep("1.1", "Connection: x, close\r\n"));
        assert!(!keep("1.0", ""));
        assert!(keep("1.0", "Connection: keep-alive\r\n"));
        assert!(!keep("1.0", "Connection: keep-alive, close\r\n"));
    }

    #[test]
    fn bad_heads_are_refused() {
        for (input, wanted) in [
            ("GET\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n\r\n", 417),
        ] {
            assert_eq!(status(input), wanted, "{input:?}");
        }
    }

    #[test]
    fn large_heads_are_refused() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(HEAD_MAX));
        assert_eq!(status(&long), 431);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100));
        assert_eq!(status(&many), 431);
    }

    proptest! {
        #[test]
        fn the_memo_changes_nothing(
            targets in prop::collection::vec("/(load-test|bytes/[0-9]{1,2}|x)", 1..20),
        ) {
            let mut scanner = Scanner::default();
            for target in targets {
                let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\n");
                prop_assert_eq!(scanner.scan(head.as_bytes()), parse(head.as_bytes()));
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Scanner::default().scan(&noise);
        }
    }
}
