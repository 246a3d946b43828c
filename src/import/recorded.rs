//! A request as it was found, whatever it was found in. Nothing in it is a template.

use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};

use super::ImportError;
use crate::http::url::Url;
use crate::units::Nanos;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Where it stands, for messages.
    pub(super) place: String,
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    /// Its response's, where it is known.
    pub(super) status: Option<u16>,
    pub(super) redirects_max: u32,
    pub(super) timeout: Option<Nanos>,
    /// Pause behind it.
    pub(super) think: Nanos,
}

/// What a request sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
    #[default]
    None,
    /// May be empty, which is not the same as none.
    Text(String),
    /// Goes to a file of its own.
    Bytes(Vec<u8>),
    /// A file that is there.
    File(String),
    /// multipart/form-data.
    Form(Vec<Part>),
}

/// A part of a multipart form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: Option<String>,
    pub(super) content: Content,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

/// What a part sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Text(String),
    /// A file that is there.
    File(String),
}

impl Default for Content {
    fn default() -> Content {
        Content::Text(String::new())
    }
}

impl Body {
    /// Text where it can stand in a plan.
    pub(super) fn of(bytes: Vec<u8>) -> Body {
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Body::Text(text),
            Ok(text) => Body::Bytes(text.into_bytes()),
            Err(error) => Body::Bytes(error.into_bytes()),
        }
    }
}

impl Recorded {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Refuses what no request can hold.
    pub(super) fn check(&self) -> Result<(), ImportError> {
        let fail = |what: String| Err(ImportError::new(self.place.as_str(), what));
        check_method(&self.method).or_else(fail)?;
        if self.url.target.is_empty() || !self.url.target.bytes().all(|b| b.is_ascii_graphic()) {
            let target = self.url.target.escape_debug();
            return fail(format!(
                "the request target `{target}` is empty or holds what has to be percent-encoded"
            ));
        }
        self.headers.iter().try_for_each(|(name, value)| check_field(name, value).or_else(fail))
    }
}

/// Refuses what is no method.
pub(super) fn check_method(method: &str) -> Result<(), String> {
    match method {
        "CONNECT" => Err("CONNECT opens a tunnel, which squall does not put under load".into()),
        _ if is_token(method) => Ok(()),
        _ => Err(format!("`{}` is no method (RFC 9110, 9.1)", method.escape_debug())),
    }
}

/// Refuses what is no field of a head.
pub(super) fn check_field(name: &str, value: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("`{}` is no name of a header (RFC 9110, 5.1)", name.escape_debug()));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(format!("the value of `{name}` has a line break or NUL in it"));
    }
    Ok(())
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// Why a header is not taken: it belongs to a connection or to how a body is framed, which are squall's own.
pub(super) fn connection_field(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim().to_ascii_lowercase();
    match name.to_ascii_lowercase().as_str() {
        name if name.starts_with(':') => Some("it is HTTP/2's"),
        "content-length" => Some("squall makes it, from the body"),
        "transfer-encoding" | "trailer" => Some("squall sends a body whole, with its Content-Length"),
        "expect" => Some("squall sends a body without being asked"),
        "upgrade" | "http2-settings" => Some("squall speaks HTTP/1.1 and nothing else"),
        "connection" if value == "keep-alive" || value == "close" => None,
        "connection" => Some("squall speaks HTTP/1.1 and nothing else"),
        "te" if value == "trailers" => None,
        "te" => Some("squall reads no transfer coding but chunked"),
        "keep-alive" | "proxy-connection" => Some("it belongs to a connection, and those are squall's own"),
        _ => None,
    }
}

/// What a URL cannot have when it is sent: blanks and control bytes; bytes beyond ASCII cannot either.
pub(super) const NOT_SENT: &AsciiSet = &CONTROLS.add(b' ');
/// RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes what cannot be sent as it is in a URL, as browsers do. The fragment stays away.
pub(super) fn sendable(url: &str) -> String {
    utf8_percent_encode(url.split('#').next().unwrap_or_default(), NOT_SENT).to_string()
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(super) fn encode(text: &[u8]) -> String {
    percent_encode(text, RESERVED).to_string()
}

/// The bytes of a percent-encoded text.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}
