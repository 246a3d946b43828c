//! Paths into JSON (RFC 9535). Plain ones, such as `$.user.tags[0]`, are walked; others go through a query engine.

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

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

    /// The first value that it leads to.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match &self.0 {
            Path::Plain(segments) => segments.iter().try_fold(value, |at, segment| match segment {
                Segment::Key(key) => at.get(key),
                Segment::Index(index) => at.get(index),
            }),
            Path::Query(query) => js_path_process(query, value)
                .ok()?
                .into_iter()
                .next()
                .map(jsonpath_rust::query::QueryRef::val),
        }
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

/// A value as text: strings without their quotes, all else as compact JSON.
pub(super) fn text_of(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_other_paths_find_the_first_value() {
        let value: Value =
            serde_json::from_str(r#"{"a":{"b-c":[1,{"d":"x"}]},"list":[{"n":1},{"n":5}],"odd key":true}"#)
                .unwrap();
        for (path, found) in [
            ("$", Some(value.to_string())),
            ("$.a.b-c[1].d", Some("\"x\"".into())),
            ("$.a.b-c[0]", Some("1".into())),
            ("$['odd key']", Some("true".into())),
            ("$..n", Some("1".into())),
            ("$.list[?@.n > 2].n", Some("5".into())),
            ("$.list[-1].n", Some("5".into())),
            ("$.nothing", None),
            ("$.a.b-c[7]", None),
        ] {
            let path = JsonPath::compile(path).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(path.find(&value).map(ToString::to_string), found);
        }
        for bad in ["", "a.b", "$.a[", "$.[", "$..["] {
            assert!(JsonPath::compile(bad).is_err(), "{bad}");
        }
    }
}
