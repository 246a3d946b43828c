//! One response as checks and extractions see it.

use std::cell::OnceCell;

use super::json_path::{JsonPath, without_mark};
use crate::units::Nanos;

/// Which parts of a response must be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Status line and header fields.
    pub head: bool,
    /// The payload.
    pub body: bool,
}

impl Needs {
    /// What either needs.
    pub fn or(self, other: Needs) -> Needs {
        Needs { head: self.head || other.head, body: self.body || other.body }
    }
}

/// One response, or the lack of one.
#[derive(Debug)]
pub struct ResponseView<'a> {
    /// Status code; 0 when there was no whole response.
    pub status: u16,
    /// The final head, empty line included; empty unless it was wanted.
    pub head: &'a [u8],
    /// The payload, de-chunked; empty unless it was wanted.
    pub body: &'a [u8],
    /// Its length in bytes, wanted or not.
    pub body_len: u64,
    /// The payload was longer than the limit: `body` is only its beginning.
    pub truncated: bool,
    /// done - sent.
    pub duration: Nanos,
    /// The payload as JSON, parsed when first asked for; `None` inside when it is not JSON.
    json: OnceCell<Option<serde_json::Value>>,
}

impl<'a> ResponseView<'a> {
    /// A response of which only status, length and time are known.
    pub fn new(status: u16, body_len: u64, duration: Nanos) -> ResponseView<'a> {
        ResponseView {
            status,
            head: &[],
            body: &[],
            body_len,
            truncated: false,
            duration,
            json: OnceCell::new(),
        }
    }

    /// With what was kept of it.
    pub fn with_parts(self, head: &'a [u8], body: &'a [u8], truncated: bool) -> ResponseView<'a> {
        ResponseView { head, body, truncated, ..self }
    }

    /// The payload as JSON; `None` when it is not JSON, or not all of it is there.
    pub fn json(&self) -> Option<&serde_json::Value> {
        let parse =
            || if self.truncated { None } else { serde_json::from_slice(without_mark(self.body)).ok() };
        self.json.get_or_init(parse).as_ref()
    }

    /// The first value that a path leads to in the payload, as JSON that stands there; `None` where there is none, or not all of the
    /// payload is JSON, or there.
    pub fn json_at(&self, path: &JsonPath) -> Option<&str> {
        if self.truncated { None } else { path.find(self.body, || self.json()) }
    }

    /// Whether all of the payload is there, and JSON.
    pub fn is_json(&self) -> bool {
        !self.truncated && serde_json::from_slice::<serde::de::IgnoredAny>(without_mark(self.body)).is_ok()
    }

    /// The first field of this name (in any case), without the white space around its value.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut lines = self.head.split(|b| *b == b'\n');
        lines.find_map(|line| {
            let at = line.iter().position(|b| *b == b':')?;
            line[..at].eq_ignore_ascii_case(name.as_bytes()).then(|| line[at + 1..].trim_ascii())
        })
    }
}
