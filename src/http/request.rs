//! One request as bytes (RFC 9112, 3 and 5). Encoded once per run, sent many times.

use super::response::Expect;

/// Sent as User-Agent unless the caller gives one.
pub const USER_AGENT: &str = concat!("squall/", env!("CARGO_PKG_VERSION"));

/// Longest chunk of a body, in bytes.
const CHUNK: usize = 64 * 1024;

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A token, in upper case by custom: methods are case-sensitive (RFC 9110, 9.1).
    pub method: String,
    /// Path and query, `*`, or an absolute URL for a proxy (RFC 9112, 3.2); visible ASCII.
    pub target: String,
    /// For the Host field, unless `headers` has one.
    pub authority: String,
    /// Sent in this order, after Host. An empty User-Agent means none.
    pub headers: Vec<(String, String)>,
    /// Framed by Content-Length; in chunks where `headers` has `Transfer-Encoding: chunked` (RFC 9112, 7.1).
    pub body: Vec<u8>,
}

/// Why a request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not a token (RFC 9110, 5.6.2).
    #[error("`{0}` is not a method: use letters only, such as GET or POST")]
    Method(String),
    /// A tunnel is not a request that can be repeated.
    #[error("CONNECT opens a tunnel, which cannot be put under load: use another method")]
    Connect,
    /// A byte that would break the request line.
    #[error(
        "the request target `{0}` is empty or holds a blank, control or non-ASCII byte: percent-encode it"
    )]
    Target(String),
    /// Not a token.
    #[error("`{0}` is not a header name: names are letters, digits and -, given as 'Name: value'")]
    HeaderName(String),
    /// CR, LF or NUL in a value (RFC 9110, 5.5).
    #[error("the value of header `{0}` holds a line break or NUL, which would end it: take it out")]
    HeaderValue(String),
    /// More than one Host (RFC 9112, 3.2).
    #[error("the Host header is given twice: keep one")]
    DuplicateHost,
    /// A Content-Length that does not fit the body.
    #[error("Content-Length is given as `{given}`, but the body has {body} bytes: leave the header out")]
    ContentLength {
        /// As given.
        given: String,
        /// Length of the body in bytes.
        body: usize,
    },
    /// A framing that cannot be made.
    #[error(
        "Transfer-Encoding `{0}` cannot be sent: give `chunked`, or leave it out for a body with Content-Length"
    )]
    TransferEncoding(String),
    /// Two framings (RFC 9112, 6.2).
    #[error("Transfer-Encoding and Content-Length are both given: leave one out")]
    TwoFramings,
    /// Chunks have a length, too.
    #[error("a body with templates is sent with Content-Length: leave Transfer-Encoding out")]
    ChunkedTemplate,
}

impl Request {
    /// The bytes to send.
    ///
    /// Host comes first (RFC 9110, 7.2), then the caller's fields, then User-Agent unless given, and
    /// Content-Length if there is a body or the method is one that usually has one (RFC 9110, 8.6).
    ///
    /// # Errors
    /// Whatever would make the bytes mean something else than one request.
    pub fn encode(&self) -> Result<Vec<u8>, RequestError> {
        self.check_line()?;
        let host = self.check_headers()?.unwrap_or(&self.authority);
        if !is_value(host) {
            return Err(RequestError::HeaderValue("Host".into()));
        }
        let mut out = Vec::with_capacity(256 + self.body.len());
        for part in [&self.method, " ", &self.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        push(&mut out, "Host", host);
        for (name, value) in &self.headers {
            let replaced = name.eq_ignore_ascii_case("host");
            let unwanted = name.eq_ignore_ascii_case("user-agent") && value.trim().is_empty();
            if !replaced && !unwanted {
                push(&mut out, name, value);
            }
        }
        if !self.has("user-agent") {
            push(&mut out, "User-Agent", USER_AGENT);
        }
        let usual = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let chunked = self.has("transfer-encoding");
        if (usual || !self.body.is_empty()) && !chunked && !self.has("content-length") {
            push(&mut out, "Content-Length", &self.body.len().to_string());
        }
        out.extend_from_slice(b"\r\n");
        if chunked {
            push_chunks(&mut out, &self.body)
        } else {
            out.extend_from_slice(&self.body)
        }
        Ok(out)
    }

    /// What the parser must know about the response.
    pub fn expect(&self) -> Expect {
        if self.method == "HEAD" { Expect::Head } else { Expect::Normal }
    }

    fn has(&self, name: &str) -> bool {
        (self.headers.iter()).any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    fn check_line(&self) -> Result<(), RequestError> {
        if !is_token(&self.method) {
            return Err(RequestError::Method(self.method.clone()));
        }
        if self.method == "CONNECT" {
            return Err(RequestError::Connect);
        }
        if self.target.is_empty() || !self.target.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(RequestError::Target(self.target.clone()));
        }
        Ok(())
    }

    /// Checks the caller's fields; returns their Host.
    fn check_headers(&self) -> Result<Option<&str>, RequestError> {
        let (mut host, mut chunked) = (None, false);
        for (name, value) in &self.headers {
            if !is_token(name) {
                return Err(RequestError::HeaderName(name.clone()));
            }
            if !is_value(value) {
                return Err(RequestError::HeaderValue(name.clone()));
            }
            match name.to_ascii_lowercase().as_str() {
                "host" if host.replace(value.as_str()).is_some() => {
                    return Err(RequestError::DuplicateHost);
                }
                "content-length" if value.trim() != self.body.len().to_string() => {
                    return Err(RequestError::ContentLength { given: value.clone(), body: self.body.len() });
                }
                "transfer-encoding" if self.has("content-length") => return Err(RequestError::TwoFramings),
                "transfer-encoding" if chunked || !value.trim().eq_ignore_ascii_case("chunked") => {
                    return Err(RequestError::TransferEncoding(value.clone()));
                }
                "transfer-encoding" => chunked = true,
                _ => {}
            }
        }
        Ok(host)
    }
}

/// Chunks as curl makes them, whose buffer for uploads is as large.
fn push_chunks(out: &mut Vec<u8>, body: &[u8]) {
    for chunk in body.chunks(CHUNK) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
}

fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    let value = value.trim_matches([' ', '\t']);
    let colon = if value.is_empty() { ":" } else { ": " };
    for part in [name, colon, value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// 1*tchar (RFC 9110, 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// RFC 9110, 5.6.2.
pub fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Without the bytes that end a field or a string somewhere on the way (RFC 9110, 5.5).
fn is_value(text: &str) -> bool {
    !text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)], body: &str) -> Request {
        Request {
            method: method.into(),
            target: "/x?y".into(),
            authority: "h:81".into(),
            headers: headers.iter().map(|&(n, v)| (n.into(), v.into())).collect(),
            body: body.into(),
        }
    }

    fn text(request: &Request) -> String {
        String::from_utf8(request.encode().expect("valid")).expect("ASCII")
    }

    #[test]
    fn a_get_is_three_lines() {
        let expected = format!("GET /x?y HTTP/1.1\r\nHost: h:81\r\nUser-Agent: {USER_AGENT}\r\n\r\n");
        assert_eq!(text(&request("GET", &[], "")), expected);
    }

    #[test]
    fn given_headers_win() {
        let given = [("X-A", " 1 "), ("hOsT", "other"), ("user-agent", "me"), ("X-E", "")];
        assert_eq!(
            text(&request("GET", &given, "")),
            "GET /x?y HTTP/1.1\r\nHost: other\r\nX-A: 1\r\nuser-agent: me\r\nX-E:\r\n\r\n"
        );
        let none = [("User-Agent", "")];
        assert_eq!(text(&request("GET", &none, "")), "GET /x?y HTTP/1.1\r\nHost: h:81\r\n\r\n");
    }

    #[test]
    fn content_length_where_it_belongs() {
        let quiet = [("User-Agent", "")];
        for (method, body, there) in [
            ("POST", "", true),
            ("PUT", "", true),
            ("PATCH", "", true),
            ("DELETE", "", false),
            ("GET", "", false),
            ("GET", "q", true),
            ("DELETE", "q", true),
        ] {
            let line = format!("Content-Length: {}\r\n\r\n{body}", body.len());
            let encoded = text(&request(method, &quiet, body));
            assert_eq!(encoded.ends_with(&line), there, "{method} {body}");
        }
        let own = [("User-Agent", ""), ("content-length", "2")];
        let encoded = text(&request("POST", &own, "ok"));
        assert_eq!(encoded.to_lowercase().matches("content-length").count(), 1);
    }

    #[test]
    fn what_would_break_the_request_is_refused() {
        let error = |request: Request| request.encode().expect_err("must be refused");
        for method in ["", "GE T", "GET\r\n", "G:T"] {
            assert_eq!(error(request(method, &[], "")), RequestError::Method(method.into()));
        }
        assert_eq!(error(request("CONNECT", &[], "")), RequestError::Connect);
        for target in ["", "/a b", "/\r\n", "/ü"] {
            let bad = Request { target: target.into(), ..request("GET", &[], "") };
            assert_eq!(error(bad), RequestError::Target(target.into()));
        }
        for name in ["", "A B", "A:", "A\r"] {
            let bad = request("GET", &[(name, "x")], "");
            assert_eq!(error(bad), RequestError::HeaderName(name.into()));
        }
        for value in ["a\r\nX: y", "a\n", "\0"] {
            let bad = request("GET", &[("A", value)], "");
            assert_eq!(error(bad), RequestError::HeaderValue("A".into()));
        }
        let twice = request("GET", &[("Host", "a"), ("host", "b")], "");
        assert_eq!(error(twice), RequestError::DuplicateHost);
        for given in ["3", "+2", "02", "2, 2", ""] {
            let bad = request("POST", &[("Content-Length", given)], "ok");
            assert!(matches!(error(bad), RequestError::ContentLength { body: 2, .. }));
        }
        let twice = [("Transfer-Encoding", "chunked"), ("transfer-encoding", "chunked")];
        for (headers, refused) in [
            (
                &[("Transfer-Encoding", "gzip, chunked")][..],
                RequestError::TransferEncoding("gzip, chunked".into()),
            ),
            (&[("Transfer-Encoding", "")], RequestError::TransferEncoding(String::new())),
            (&twice, RequestError::TransferEncoding("chunked".into())),
            (&[("Content-Length", "2"), ("Transfer-Encoding", "chunked")], RequestError::TwoFramings),
            (&[("Transfer-Encoding", "chunked"), ("Content-Length", "2")], RequestError::TwoFramings),
        ] {
            assert_eq!(error(request("POST", headers, "ok")), refused, "{headers:?}");
        }
        let bad = Request { authority: "h\r\nX: y".into(), ..request("GET", &[], "") };
        assert!(matches!(error(bad), RequestError::HeaderValue(_)));
    }

    #[test]
    fn a_body_goes_in_chunks_where_that_is_asked_for() {
        let sent = |body: &str| {
            let request = request("POST", &[("Transfer-Encoding", "Chunked")], body);
            String::from_utf8(request.encode().unwrap()).unwrap()
        };
        let short = sent("hello");
        assert!(
            short.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n") && !short.contains("Content-Length"),
            "{short}"
        );
        assert!(sent("").ends_with("\r\n\r\n0\r\n\r\n"));
        let long = sent(&"x".repeat(CHUNK + 1));
        assert!(long.contains(&format!("\r\n\r\n10000\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", "x".repeat(CHUNK))));
    }

    #[test]
    fn only_head_expects_no_body() {
        assert_eq!(request("HEAD", &[], "").expect(), Expect::Head);
        for method in ["GET", "POST", "head", "OPTIONS"] {
            assert_eq!(request(method, &[], "").expect(), Expect::Normal);
        }
    }
}
