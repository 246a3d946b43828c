//! Values taken from responses, for later steps.

use regex::bytes::Regex;

use super::json_path::JsonPath;
use super::response::{Needs, ResponseView};
use super::value::Value;

/// Takes one value from a response.
#[derive(Clone, Debug)]
pub struct Extract {
    /// Index into [`Workload::variables`](super::workload::Workload::variables).
    pub variable: u32,
    /// Used when nothing is found; without it the iteration ends there.
    pub default: Option<Value>,
    source: Compiled,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path into a JSON body: its first value.
    Json(String),
    /// A header field: its first value.
    Header(String),
    /// A regular expression on the body: its first group, or all of the match where it has no group.
    Regex(String),
}

#[derive(Clone, Debug)]
enum Compiled {
    Json(JsonPath),
    Header(String),
    Regex(Regex),
}

impl Extract {
    /// Compiles a source.
    ///
    /// # Errors
    /// A path or an expression that is none.
    pub fn compile(variable: u32, source: &Source, default: Option<Value>) -> Result<Extract, String> {
        let source = match source {
            Source::Json(path) => Compiled::Json(JsonPath::compile(path)?),
            Source::Header(name) => Compiled::Header(name.clone()),
            Source::Regex(text) => Compiled::Regex(
                Regex::new(text).map_err(|e| format!("`{text}` is not a regular expression: {e}"))?,
            ),
        };
        Ok(Extract { variable, default, source })
    }

    /// What of a response must be kept for it.
    pub fn needs(&self) -> Needs {
        let head = matches!(self.source, Compiled::Header(_));
        Needs { head, body: !head }
    }

    /// The value; `None` when the response has none (the caller then takes `default`).
    pub fn take(&self, response: &ResponseView<'_>) -> Option<Value> {
        match &self.source {
            Compiled::Json(path) => response.json_at(path).map(Value::of_json),
            Compiled::Header(name) => response.header(name).map(Value::text),
            Compiled::Regex(regex) => {
                let found = regex.captures(response.body)?;
                found.get(1).or_else(|| found.get(0)).map(|part| Value::text(part.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    #[test]
    fn values_come_from_bodies_and_heads() {
        let head = b"HTTP/1.1 200 OK\r\nX-Token: t 1 \r\n\r\n";
        let response =
            ResponseView::new(200, 0, Nanos::ZERO).with_parts(head, br#"{"id":7.10,"name":"a\"b"}"#, false);
        for (source, value) in [
            (Source::Json("$.id".into()), Some("7.10")),
            (Source::Json("$.name".into()), Some("a\"b")),
            (Source::Json("$.none".into()), None),
            (Source::Header("x-token".into()), Some("t 1")),
            (Source::Header("x-none".into()), None),
            (Source::Regex("\"id\":([0-9]+)".into()), Some("7")),
            (Source::Regex("i.\":".into()), Some("id\":")),
            (Source::Regex("zzz".into()), None),
        ] {
            let taken = Extract::compile(0, &source, None).unwrap().take(&response);
            let taken = taken.map(|value| String::from_utf8(value.bytes.into()).unwrap());
            assert_eq!(taken.as_deref(), value, "{source:?}");
        }
        let cut = ResponseView::new(200, 0, Nanos::ZERO).with_parts(head, b"{\"id\":7", true);
        assert_eq!(Extract::compile(0, &Source::Json("$.id".into()), None).unwrap().take(&cut), None);
        assert!(Extract::compile(0, &Source::Regex("(".into()), None).is_err());
    }
}
