//! Status line and the header fields that decide where a response ends (RFC 9112, 4 to 6).

use std::mem::MaybeUninit;

use httparse::{ParserConfig, Status};

use super::error::ParseError;
use super::message::Expect;

/// Longest head (status line, fields, empty line) that is read unless asked otherwise, in bytes.
pub const MAX_HEAD: usize = 256 * 1024;

/// Most field lines that are read.
pub const MAX_HEADERS: usize = 1_000;

/// Length of a Date value in its only current form, IMF-fixdate (RFC 9110, 5.6.7).
pub(super) const DATE_LEN: usize = 29;

/// How the end of the body is found (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes; 0 where there is no body at all.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Up to the end of the connection.
    UntilClose,
}

/// A parsed head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes, empty line included; at most as many as were allowed.
    pub len: usize,
    /// 100 to 999.
    pub status: u16,
    /// Whether the connection may carry another response after this one.
    pub keep_alive: bool,
    /// Where the body ends.
    pub framing: Framing,
    /// Offset of the Date value, if there is one in IMF-fixdate's length.
    pub date_at: Option<usize>,
    /// Field lines were folded; a sink is shown them unfolded.
    pub folded: bool,
}

impl Head {
    /// True for an interim response (1xx), after which another head follows. 101 is final: what
    /// follows it is not HTTP (RFC 9110, 15.2.2).
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Parses the head at the start of `bytes`, of `most` bytes at most; `None` while it is incomplete.
///
/// The syntax is httparse's strict one: no space before a colon (RFC 9112, 5.1), obs-text allowed in
/// values and reason, a bare LF taken as a line end (2.2). Empty lines before the status line are
/// the caller's to leave out. What only old or future servers
/// send costs the others nothing, for it is looked at once the strict reading has failed: folded
/// lines are unfolded (5.2), and HTTP/1.2 and above is read as HTTP/1.1 (RFC 9110, 2.5).
///
/// # Errors
/// Any [`ParseError`] that concerns a head, as soon as the bytes at hand prove it.
pub fn parse(bytes: &[u8], expect: Expect, most: usize) -> Result<Option<Head>, ParseError> {
    match bytes.first() {
        None => return Ok(None),
        Some(b'H') => {}
        Some(_) => return Err(ParseError::StatusLine),
    }
    let full = bytes.len() >= most;
    let bytes = &bytes[..bytes.len().min(most)];
    let parsed = match parse_strictly(bytes, expect) {
        Err(ParseError::Version) => parse_later_minor(bytes, expect),
        Err(ParseError::Field) => parse_folded(bytes, expect),
        parsed => parsed,
    };
    match parsed {
        Ok(None) if full => Err(ParseError::HeadTooLarge),
        parsed => parsed,
    }
}

#[cold]
fn parse_later_minor(bytes: &[u8], expect: Expect) -> Result<Option<Head>, ParseError> {
    let is_later = bytes.starts_with(b"HTTP/1.") && matches!(bytes.get(7), Some(b'2'..=b'9'));
    if !is_later {
        return Err(ParseError::Version);
    }
    let mut highest_known = bytes.to_vec();
    highest_known[7] = b'1';
    match parse_strictly(&highest_known, expect) {
        Err(ParseError::Field) => parse_folded(&highest_known, expect),
        parsed => parsed,
    }
}

#[cold]
fn parse_folded(bytes: &[u8], expect: Expect) -> Result<Option<Head>, ParseError> {
    let plain = unfolded(bytes).ok_or(ParseError::Field)?;
    let head = parse_strictly(&plain, expect)?;
    Ok(head.map(|head| Head { folded: true, ..head }))
}

/// The head at the start of `bytes` with each obs-fold replaced by blanks, as a user agent must
/// (RFC 9112, 5.2), so that all else keeps its place; `None` if there is none. A blank before the
/// first field is no fold (2.2). More than [`MAX_HEADERS`] folds stay, and so are errors: a
/// half-read head is tried again with each of its lines.
pub(super) fn unfolded(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, mut start, mut folds) = (Vec::new(), 0, 0);
    for end in (0..bytes.len()).filter(|&at| bytes[at] == b'\n') {
        let line = bytes[start..end].strip_suffix(b"\r").unwrap_or(&bytes[start..end]);
        if line.is_empty() || folds == MAX_HEADERS {
            break;
        }
        if start > 0 && matches!(bytes.get(end + 1), Some(b' ' | b'\t')) {
            if plain.is_empty() {
                plain = bytes.to_vec();
            }
            plain[start + line.len()..=end].fill(b' ');
            folds += 1;
        }
        start = end + 1;
    }
    (folds > 0).then_some(plain)
}

fn parse_strictly(bytes: &[u8], expect: Expect) -> Result<Option<Head>, ParseError> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let len = match parsed {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(syntax_error(error)),
    };
    let status = response.code.unwrap_or(0);
    if status < 100 {
        return Err(ParseError::StatusCode);
    }
    let facts = Facts::collect(response.headers, bytes)?;
    let (framing, keep_alive) = facts.decide(status, response.version == Some(1), expect)?;
    Ok(Some(Head { len, status, keep_alive, framing, date_at: facts.date_at, folded: false }))
}

fn syntax_error(error: httparse::Error) -> ParseError {
    match error {
        httparse::Error::Version => ParseError::Version,
        httparse::Error::TooManyHeaders => ParseError::TooManyFields,
        httparse::Error::Status => ParseError::StatusLine,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => ParseError::Field,
        // NewLine is about a CR without LF, at the end of a line of either sort.
        httparse::Error::NewLine | httparse::Error::Token => ParseError::Field,
    }
}

/// What the framing fields say, before the rules weigh them against each other.
#[derive(Default)]
struct Facts {
    length: Option<Result<u64, ParseError>>,
    coding: Option<Coding>,
    close: bool,
    keep_alive: bool,
    date_at: Option<usize>,
}

/// The transfer codings, as far as they matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// `chunked` is the last one.
    ChunkedFinal,
    /// Others only.
    Other,
    /// `chunked` is followed by others.
    ChunkedWithin,
    /// `chunked` is applied twice or has parameters, or there is no coding at all.
    Invalid,
}

impl Facts {
    fn collect(fields: &[httparse::Header<'_>], bytes: &[u8]) -> Result<Facts, ParseError> {
        let mut facts = Facts::default();
        for field in fields {
            // The length is checked first: most fields are none of these, and this is cheap.
            match field.name.len() {
                4 if field.name.eq_ignore_ascii_case("date")
                    && facts.date_at.is_none()
                    && field.value.len() == DATE_LEN =>
                {
                    facts.date_at = Some(field.value.as_ptr().addr() - bytes.as_ptr().addr());
                }
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    for option in list(field.value) {
                        facts.close |= option.eq_ignore_ascii_case(b"close");
                        facts.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    let length = decimal(field.value).ok_or(ParseError::ContentLength);
                    facts.length = match facts.length {
                        Some(earlier) if earlier != length => Some(Err(ParseError::ContentLength)),
                        _ => Some(length),
                    };
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    facts.coding = Some(coding(facts.coding, field.value));
                }
                _ => {}
            }
        }
        Ok(facts)
    }

    /// RFC 9112, 6.3, in the order of its rules; and 9.3 for the connection.
    fn decide(&self, status: u16, http11: bool, expect: Expect) -> Result<(Framing, bool), ParseError> {
        let persistent = !self.close && (http11 || self.keep_alive);
        if expect == Expect::Head || status < 200 || status == 204 || status == 304 {
            return Ok((Framing::Length(0), persistent && status != 101));
        }
        match (self.coding, self.length) {
            (Some(Coding::Invalid), _) => Err(ParseError::TransferEncoding),
            // Rule 4: what is not chunked at last ends with the connection.
            (Some(Coding::Other | Coding::ChunkedWithin), _) => Ok((Framing::UntilClose, false)),
            // With Content-Length as well, or from an HTTP/1.0 server, the framing is suspect (6.1):
            // this response is read, the connection is not used again.
            (Some(Coding::ChunkedFinal), length) => {
                Ok((Framing::Chunked, persistent && http11 && length.is_none()))
            }
            (None, Some(length)) => Ok((Framing::Length(length?), persistent)),
            (None, None) => Ok((Framing::UntilClose, false)),
        }
    }
}

/// The members of a comma-separated list, empty ones left out (RFC 9110, 5.6.1.2).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn coding(earlier: Option<Coding>, value: &[u8]) -> Coding {
    let last = list(value).fold(earlier, |before, name| {
        // `chunked` has no parameters (RFC 9112, 7): "chunked;q=1" is a mistake, not another coding.
        let end = name.iter().position(|b| matches!(b, b';' | b' ' | b'\t')).unwrap_or(name.len());
        let is_chunked = name[..end].eq_ignore_ascii_case(b"chunked");
        Some(match before {
            Some(Coding::Invalid) => Coding::Invalid,
            Some(Coding::ChunkedFinal | Coding::ChunkedWithin) if is_chunked => Coding::Invalid,
            Some(Coding::ChunkedFinal | Coding::ChunkedWithin) => Coding::ChunkedWithin,
            _ if is_chunked && end < name.len() => Coding::Invalid,
            _ if is_chunked => Coding::ChunkedFinal,
            _ => Coding::Other,
        })
    });
    last.unwrap_or(Coding::Invalid)
}

/// 1*DIGIT that fits 64 bits: no sign, no list, no blanks within.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;
