//! A request as it was found, whatever it was found in. Nothing in it is a template.

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
    Text(String),
    /// Goes to a file of its own.
    Bytes(Vec<u8>),
    /// A file that is there.
    File(String),
}

impl Body {
    /// Text where it can stand in a plan.
    pub(super) fn of(bytes: Vec<u8>) -> Body {
        match String::from_utf8(bytes) {
            Ok(text) if text.is_empty() => Body::None,
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
        if !is_token(&self.method) {
            return fail(format!("`{}` is no method (RFC 9110, 9.1)", self.method.escape_debug()));
        }
        for (name, value) in &self.headers {
            if !is_token(name) {
                return fail(format!("`{}` is no name of a header (RFC 9110, 5.1)", name.escape_debug()));
            }
            if value.contains(['\r', '\n', '\0']) {
                return fail(format!("the value of `{name}` has a line break or NUL in it"));
            }
        }
        Ok(())
    }
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// Whether a client makes this header itself, or it belongs to a connection and not to a request.
pub(super) fn is_connections(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "host",
        "content-length",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "accept-encoding",
        "expect",
    ];
    name.starts_with(':') || NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Percent-encodes what cannot be sent as it is in a URL, as browsers and curl do. The fragment stays away.
pub(super) fn sendable(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for byte in url.split('#').next().unwrap_or_default().bytes() {
        if byte.is_ascii_graphic() { out.push(char::from(byte)) } else { out += &format!("%{byte:02X}") }
    }
    out
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(super) fn encode(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        if plain { out.push(char::from(*byte)) } else { out += &format!("%{byte:02X}") }
    }
    out
}
