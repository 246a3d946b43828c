//! Values as k6 reads them from JSON: numbers may be texts, durations are Go's texts or milliseconds.

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::units::{Nanos, format_go_duration, parse_go_duration};

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Whole, D::Error> {
        let value = Value::deserialize(from)?;
        let read = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        read.map(Whole)
            .ok_or_else(|| D::Error::custom(format!("{value} is no whole number: write one, as in 10")))
    }
}

/// A span of time in nanoseconds; also below zero, as far as k6 takes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

impl Span {
    /// Reads `1m30s`, `1d`, or a number of milliseconds.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub fn parse(text: &str) -> Result<Span, String> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        let nanos = number.map_or_else(|| parse_go_duration(text), of_millis);
        let why = |why| format!("`{text}` is no duration ({why}): write one, as in \"1m30s\" or \"500ms\"");
        nanos.map(Span).map_err(why)
    }

    /// The span, where it is not below zero.
    pub fn nanos(self) -> Option<Nanos> {
        u64::try_from(self.0).ok().map(Nanos)
    }
}

fn of_millis(millis: f64) -> Result<i64, String> {
    let nanos = millis * 1e6;
    if nanos.abs() < i64::MAX as f64 { Ok(nanos as i64) } else { Err("it is too long".into()) }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let read = match Value::deserialize(from)? {
            Value::String(text) => Span::parse(&text),
            Value::Number(number) => Span::parse(&number.to_string()),
            other => Err(format!("{other} is no duration: write one, as in \"1m30s\" or \"500ms\"")),
        };
        read.map_err(D::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_go_duration(self.0))
    }
}

/// One stage of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
pub struct Stage {
    /// How long it takes.
    pub duration: Option<Span>,
    /// Where it leads to.
    pub target: Option<Whole>,
}
