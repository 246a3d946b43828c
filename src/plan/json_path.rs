//! Paths into JSON (RFC 9535). Plain ones, such as `$.user.tags[0]`, are walked; others go through a query engine.

use std::borrow::Cow;
use std::fmt;

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A compiled path.
#[derive(Clone, Debug)]
pub struct JsonPath(Path);

#[derive(Clone, Debug)]
enum Path {
    Plain(Vec<Segment>),
    Query(Box<JpQuery>),
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Key(String),
    Index(usize),
}

impl JsonPath {
    /// Compiles `text`.
    ///
    /// # Errors
    /// When it is not a path.
    pub fn compile(text: &str) -> Result<JsonPath, String> {
        if let Some(segments) = plain(text) {
            return Ok(JsonPath(Path::Plain(segments)));
        }
        let query = parse_json_path(text)
            .map_err(|e| format!("`{text}` is not a JSON path such as $.user.tags[0]: {e}"))?;
        Ok(JsonPath(Path::Query(Box::new(query))))
    }

    /// The first value that it leads to in the JSON `text`, as it stands there; `None` where there is none, or no JSON. `parsed` gives
    /// the same as a tree, where one is needed.
    pub fn find<'a>(&self, text: &'a [u8], parsed: impl FnOnce() -> Option<&'a Value>) -> Option<&'a str> {
        match &self.0 {
            Path::Plain(segments) => seek(text, segments),
            Path::Query(query) => {
                let root = parsed()?;
                let found = js_path_process(query, root).ok()?.into_iter().next()?.val();
                let mut way = Vec::new();
                way_to(root, found, &mut way).then(|| seek(text, &way))?
            }
        }
    }
}

/// Without the byte order mark that some servers put first, which readers may pass over (RFC 8259, 8.1).
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Finds the way from `at` to a part of it.
fn way_to(at: &Value, wanted: &Value, way: &mut Vec<Segment>) -> bool {
    if std::ptr::eq(at, wanted) {
        return true;
    }
    let mut enter = |segment: Segment, inner: &Value| {
        way.push(segment);
        let found = way_to(inner, wanted, way);
        if !found {
            way.pop();
        }
        found
    };
    match at {
        Value::Array(items) => items.iter().enumerate().any(|(i, item)| enter(Segment::Index(i), item)),
        Value::Object(entries) => entries.iter().any(|(key, item)| enter(Segment::Key(key.clone()), item)),
        _ => false,
    }
}

fn seek<'a>(text: &'a [u8], segments: &[Segment]) -> Option<&'a str> {
    let mut reader = serde_json::Deserializer::from_slice(without_mark(text));
    let found = Seek(segments).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    found
}

/// Reads a value and keeps the part that the segments lead to, as it stands.
struct Seek<'s>(&'s [Segment]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => <&RawValue>::deserialize(deserializer).map(|raw| Some(raw.get())),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    /// Of keys that come twice the last one counts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.0 {
                [Segment::Key(wanted), rest @ ..] if *wanted == *key => {
                    found = map.next_value_seed(Seek(rest))?
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        for index in 0.. {
            let item = match self.0 {
                [Segment::Index(wanted), rest @ ..] if *wanted == index => {
                    list.next_element_seed(Seek(rest))?.inspect(|item| found = *item).map(drop)
                }
                _ => list.next_element::<IgnoredAny>()?.map(drop),
            };
            if item.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// `$.a.b[0]`: names of letters, digits, - and _, and indexes from the front.
fn plain(text: &str) -> Option<Vec<Segment>> {
    let mut rest = text.strip_prefix('$')?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let end = after.find(|c| !fits(c)).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            segments.push(Segment::Key(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            segments.push(Segment::Index(index.parse().ok()?));
            rest = after;
        }
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_other_paths_find_the_first_value() {
        let text = r#"{"a":{"b-c":[1.10,{"d":"x"}]},"list":[{"n":1},{"n":5}],"odd key":true, "it's" : { "b" : 1 , "a" : [ ] } }"#;
        let value: Value = serde_json::from_str(text).unwrap();
        for (path, found) in [
            ("$", Some(text)),
            ("$.a.b-c[1].d", Some("\"x\"")),
            ("$.a.b-c[0]", Some("1.10")),
            ("$['odd key']", Some("true")),
            ("$[\"it's\"]", Some("{ \"b\" : 1 , \"a\" : [ ] }")),
            ("$..n", Some("1")),
            ("$.list[?@.n > 2].n", Some("5")),
            ("$.list[-1].n", Some("5")),
            ("$.nothing", None),
            ("$.a.b-c[7]", None),
            ("$.a.b-c.d", None),
            ("$.a[0]", None),
            ("$.list[0].n.x", None),
        ] {
            let path = JsonPath::compile(path).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(path.find(text.as_bytes(), || Some(&value)), found, "{path:?}");
        }
        let plain = JsonPath::compile("$.a").unwrap();
        for (text, found) in [
            ("{\"a\":1,\"a\":2}", Some("2")),
            ("{\"a\":1,\"b\":", None),
            ("{\"a\":1}x", None),
            ("{\"\\u0061\":12345678901234567890123}", Some("12345678901234567890123")),
            (" {\"a\" : -1e5 } ", Some("-1e5")),
            ("\u{feff}{\"a\":1}", Some("1")),
        ] {
            assert_eq!(plain.find(text.as_bytes(), || None), found, "{text}");
        }
        for bad in ["", "a.b", "$.a[", "$.[", "$..["] {
            assert!(JsonPath::compile(bad).is_err(), "{bad}");
        }
    }
}
