//! Values taken from answers, for later steps.

use std::sync::Arc;

use jsonpath_rust::JsonPath as _;
use regex::bytes::Regex;
use serde_json::Value;

use super::answer::{Answer, Needs};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first match of a JSONPath (RFC 9535) in the body.
    Json(String),
    /// A header's value.
    Header(String),
    /// Group 1 of a regular expression in the body, or the whole match if it has no group.
    Regex(String),
    /// The status code.
    Status,
}

/// Why an extraction cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExtractError(pub String);

/// Takes one value from an answer.
#[derive(Clone, Debug)]
pub struct Extract {
    /// Index into [`Workload::variables`](super::workload::Workload::variables).
    pub variable: u32,
    /// Used when nothing is found; without it the iteration ends there.
    pub default: Option<Box<[u8]>>,
    from: Arc<From>,
}

#[derive(Debug)]
enum From {
    Json(JsonPath),
    Header(String),
    Regex(Regex),
    Status,
}

impl Extract {
    /// Compiles an extraction.
    ///
    /// # Errors
    /// When the path or the regular expression is none.
    pub fn compile(
        variable: u32,
        source: Source,
        default: Option<Box<[u8]>>,
    ) -> Result<Extract, ExtractError> {
        let from = match source {
            Source::Json(path) => From::Json(JsonPath::compile(&path)?),
            Source::Header(name) => From::Header(name),
            Source::Regex(pattern) => From::Regex(
                Regex::new(&pattern)
                    .map_err(|e| ExtractError(format!("`{pattern}` is not a regular expression: {e}")))?,
            ),
            Source::Status => From::Status,
        };
        Ok(Extract { variable, default, from: Arc::new(from) })
    }

    /// What of an answer must be kept for it.
    pub fn needs(&self) -> Needs {
        match *self.from {
            From::Json(_) | From::Regex(_) => Needs { head: false, body: true },
            From::Header(_) => Needs { head: true, body: false },
            From::Status => Needs::default(),
        }
    }

    /// The value; `None` when the answer has none (the caller then takes `default`).
    pub fn take(&self, answer: &Answer<'_>) -> Option<Box<[u8]>> {
        if answer.status == 0 {
            return None;
        }
        match &*self.from {
            From::Json(path) => match path.first(answer.json()?)? {
                Value::String(text) => Some(text.as_bytes().into()),
                value => serde_json::to_vec(value).ok().map(Vec::into_boxed_slice),
            },
            From::Header(name) => answer.header(name).map(Into::into),
            From::Regex(regex) => {
                let found = regex.captures(answer.body)?;
                let group = if regex.captures_len() > 1 { found.get(1) } else { found.get(0) };
                group.map(|part| part.as_bytes().into())
            }
            From::Status => Some(answer.status.to_string().into_bytes().into()),
        }
    }
}

/// A JSONPath; plain ones (`$.a.b[0].c`) are walked without an engine.
#[derive(Clone, Debug)]
pub(super) enum JsonPath {
    Plain(Vec<Part>),
    Any(String),
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key(String),
    Index(usize),
}

impl JsonPath {
    pub(super) fn compile(path: &str) -> Result<JsonPath, ExtractError> {
        if let Some(parts) = plain(path) {
            return Ok(JsonPath::Plain(parts));
        }
        match jsonpath_rust::parser::parse_json_path(path) {
            Ok(_) => Ok(JsonPath::Any(path.to_owned())),
            Err(e) => Err(ExtractError(format!("`{path}` is not a JSONPath such as `$.a.b[0]`: {e}"))),
        }
    }

    /// The first value it finds.
    pub(super) fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        match self {
            JsonPath::Plain(parts) => parts.iter().try_fold(root, |value, part| match part {
                Part::Key(key) => value.as_object()?.get(key),
                Part::Index(at) => value.as_array()?.get(*at),
            }),
            JsonPath::Any(path) => root.query(path).ok()?.into_iter().next(),
        }
    }
}

fn plain(path: &str) -> Option<Vec<Part>> {
    let mut rest = path.strip_prefix('$')?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !word(c)).unwrap_or(after.len());
            if end == 0 || after.as_bytes()[0].is_ascii_digit() {
                return None;
            }
            parts.push(Part::Key(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            if !index.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            parts.push(Part::Index(index.parse().ok()?));
            rest = after;
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    #[test]
    fn values_come_from_all_parts() {
        let head = b"HTTP/1.1 201 Created\r\nLocation: /x\r\n\r\n";
        let body = br#"{"a":[{"t":"x\"y"},{"t":2}],"o":{"k":null}}"#;
        let answer = Answer::new(201, 40, Nanos(1)).with_parts(head, body, false);
        let take = |source| Extract::compile(0, source, None).expect("valid").take(&answer);
        for (path, value) in [
            ("$.a[0].t", Some("x\"y")),
            ("$.a[1].t", Some("2")),
            ("$..t", Some("x\"y")),
            ("$.o", Some("{\"k\":null}")),
            ("$.none", None),
        ] {
            assert_eq!(take(Source::Json(path.into())).as_deref(), value.map(str::as_bytes), "{path}");
        }
        assert_eq!(take(Source::Header("location".into())).as_deref(), Some(&b"/x"[..]));
        assert_eq!(take(Source::Regex("\"t\":([0-9])".into())).as_deref(), Some(&b"2"[..]));
        assert_eq!(take(Source::Status).as_deref(), Some(&b"201"[..]));
        assert!(Extract::compile(0, Source::Json("$.[".into()), None).is_err());
    }
}
