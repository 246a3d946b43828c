//! What an answer is judged by: expressions such as `status in 200,300-399` or `time < 200ms`.

use std::sync::Arc;

use regex::bytes::Regex;
use serde_json::Value;

use super::answer::{Answer, Needs};
use super::extract::JsonPath;
use super::status::StatusSet;
use crate::units::{ByteSize, Nanos};

/// A named predicate on one answer.
#[derive(Clone, Debug)]
pub struct Check {
    /// Shown in reports; k6's tag `check`.
    pub name: Arc<str>,
    test: Arc<Test>,
}

/// Why a check cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
enum Text {
    Exists,
    Contains(Vec<u8>),
    Matches(Regex),
    Equal(Vec<u8>),
    NotEqual(Vec<u8>),
}

#[derive(Debug)]
enum Test {
    Status(Compare, u16),
    StatusIn(StatusSet),
    Header(String, Text),
    Body(Text),
    JsonExists(JsonPath),
    Json(JsonPath, Compare, Value),
    Size(Compare, u64),
    Time(Compare, u64),
}

/// Longest first, so that `<` does not hide `<=`.
const COMPARES: [(&str, Compare); 6] = [
    ("==", Compare::Equal),
    ("!=", Compare::NotEqual),
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

impl Compare {
    fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool {
        match self {
            Compare::Equal => a == b,
            Compare::NotEqual => a != b,
            Compare::Less => a < b,
            Compare::LessOrEqual => a <= b,
            Compare::Greater => a > b,
            Compare::GreaterOrEqual => a >= b,
        }
    }
}

impl Check {
    /// Reads an expression such as `status==200`; its text is the name.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(expression: &str) -> Result<Check, CheckError> {
        Check::named(expression.trim(), expression)
    }

    /// Reads an expression that has a name of its own.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn named(name: &str, expression: &str) -> Result<Check, CheckError> {
        let expression = expression.trim();
        let end = expression.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(expression.len());
        let (subject, rest) = expression.split_at(end);
        let rest = rest.trim_start();
        let test = match subject {
            "status" => status(rest),
            "header" => header(rest),
            "body" => text(rest).map(Test::Body),
            "json" => json(rest),
            "size" => compare(rest).and_then(|(how, value)| {
                let size: ByteSize = value.parse().map_err(|e: crate::units::UnitError| e.to_string())?;
                Ok(Test::Size(how, size.0))
            }),
            "time" => compare(rest).and_then(|(how, value)| {
                let time: Nanos = value.parse().map_err(|e: crate::units::UnitError| e.to_string())?;
                Ok(Test::Time(how, time.0))
            }),
            _ => Err("begin it with `status`, `header`, `body`, `json`, `size` or `time`".into()),
        };
        let test = test.map_err(|what| CheckError(format!("check `{expression}`: {what}")))?;
        Ok(Check { name: name.into(), test: Arc::new(test) })
    }

    /// What of an answer must be kept for it.
    pub fn needs(&self) -> Needs {
        match *self.test {
            Test::Header(..) => Needs { head: true, body: false },
            Test::Body(_) | Test::JsonExists(_) | Test::Json(..) => Needs { head: false, body: true },
            _ => Needs::default(),
        }
    }

    /// Whether the answer passes. Without a whole answer none does.
    pub fn judge(&self, answer: &Answer<'_>) -> bool {
        if answer.status == 0 {
            return false;
        }
        match &*self.test {
            Test::Status(how, code) => how.holds(&answer.status, code),
            Test::StatusIn(set) => set.contains(answer.status),
            Test::Header(name, text) => answer.header(name).is_some_and(|value| text.holds(value)),
            Test::Body(text) => text.holds(answer.body),
            Test::JsonExists(path) => answer.json().is_some_and(|root| path.first(root).is_some()),
            Test::Json(path, how, wanted) => {
                let found = answer.json().and_then(|root| path.first(root));
                found.is_some_and(|found| json_holds(found, *how, wanted))
            }
            Test::Size(how, size) => how.holds(&answer.body_len, size),
            Test::Time(how, time) => how.holds(&answer.duration.0, time),
        }
    }
}

impl Text {
    fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Text::Exists => true,
            Text::Contains(part) => memchr::memmem::find(bytes, part).is_some(),
            Text::Matches(regex) => regex.is_match(bytes),
            Text::Equal(other) => bytes == other,
            Text::NotEqual(other) => bytes != other,
        }
    }
}

fn json_holds(found: &Value, how: Compare, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => how.holds(&a, &b),
            _ => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| how.holds(&a, &b)),
        },
        (Value::String(a), Value::String(b)) => how.holds(a, b),
        _ if how == Compare::Equal => found == wanted,
        _ if how == Compare::NotEqual => found != wanted,
        _ => false,
    }
}

/// What quotes hold, or the text as it is.
fn unquoted(text: &str) -> Result<&str, String> {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner
                .strip_suffix(quote)
                .ok_or_else(|| format!("{text} is not closed: end it with {quote}"));
        }
    }
    if text.is_empty() { Err("a value is missing at the end".into()) } else { Ok(text) }
}

fn compare(rest: &str) -> Result<(Compare, &str), String> {
    for (sign, how) in COMPARES {
        if let Some(value) = rest.strip_prefix(sign) {
            return Ok((how, unquoted(value)?));
        }
    }
    if rest.starts_with('=') {
        return Err("`=` is no comparison: write `==`".into());
    }
    Err("a comparison is missing: write one of == != < <= > >=".into())
}

fn status(rest: &str) -> Result<Test, String> {
    if let Some(list) = word(rest, "in") {
        return StatusSet::parse(list).map(Test::StatusIn).map_err(|e| e.to_string());
    }
    let (how, value) = compare(rest).map_err(|what| format!("{what}, or `in 200,300-399`"))?;
    let code = value.parse().ok().filter(|code| (100..=999).contains(code));
    let code = code.ok_or_else(|| format!("`{value}` is not a status: write a number such as 200"))?;
    Ok(Test::Status(how, code))
}

/// What follows the word, if the text begins with it.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '"', '\''])).then(|| rest.trim())
}

fn header(rest: &str) -> Result<Test, String> {
    let end = rest.find(|c: char| c.is_whitespace() || "=!<>".contains(c)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    // `!` may be part of a name, but nobody has such a one.
    if name.is_empty() {
        return Err("a name is missing: write `header Content-Type contains json`".into());
    }
    Ok(Test::Header(name.trim_end_matches(':').to_owned(), text(rest.trim_start())?))
}

fn text(rest: &str) -> Result<Text, String> {
    if rest == "exists" {
        return Ok(Text::Exists);
    }
    if let Some(part) = word(rest, "contains") {
        return Ok(Text::Contains(unquoted(part)?.into()));
    }
    if let Some(pattern) = word(rest, "matches") {
        let regex = Regex::new(unquoted(pattern)?);
        return regex.map(Text::Matches).map_err(|e| format!("not a regular expression: {e}"));
    }
    match compare(rest) {
        Ok((Compare::Equal, value)) => Ok(Text::Equal(value.into())),
        Ok((Compare::NotEqual, value)) => Ok(Text::NotEqual(value.into())),
        Err(what) if rest.starts_with(['=', '!']) => Err(what),
        _ => Err("write `contains TEXT`, `matches REGEX`, `== TEXT`, `!= TEXT` or `exists` next".into()),
    }
}

fn json(rest: &str) -> Result<Test, String> {
    if !rest.starts_with('$') {
        return Err("a path is missing: write `json $.a.b == 1`".into());
    }
    if let Some(path) = rest.strip_suffix("exists") {
        return JsonPath::compile(path.trim()).map(Test::JsonExists).map_err(|e| e.to_string());
    }
    // Comparisons inside brackets belong to a filter of the path.
    let (mut depth, mut at) = (0, rest.len());
    for (place, byte) in rest.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b'=' | b'!' | b'<' | b'>' if depth == 0 => {
                at = place;
                break;
            }
            _ => {}
        }
    }
    let path = JsonPath::compile(rest[..at].trim()).map_err(|e| e.to_string())?;
    let (how, value) = compare(&rest[at..]).map_err(|what| format!("{what}, or `exists`"))?;
    let bare = rest[at..].trim_end().ends_with(['"', '\'']);
    let plain = || Value::String(value.to_owned());
    let wanted = if bare { plain() } else { serde_json::from_str(value).unwrap_or_else(|_| plain()) };
    Ok(Test::Json(path, how, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_judge() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
        let body = br#"{"a":{"b":3},"s":"x"}"#;
        let answer = Answer::new(200, 21, Nanos(5_000_000)).with_parts(head, body, false);
        for (expression, passes) in [
            ("status==200", true),
            ("status != 500", true),
            ("status<200", false),
            ("status in 200,201,300-399", true),
            ("status in 4xx", false),
            ("header Content-Type contains json", true),
            ("header content-type == application/json", true),
            ("header X exists", false),
            ("body contains \"b\"", true),
            ("body matches 's.:'", true),
            ("json $.a.b == 3", true),
            ("json $.a.b > 3", false),
            ("json $.s == x", true),
            ("json $.s == \"x\"", true),
            ("json $.a.c exists", false),
            ("size <= 10kb", true),
            ("time < 5ms", false),
        ] {
            assert_eq!(Check::parse(expression).expect(expression).judge(&answer), passes, "{expression}");
        }
    }

    #[test]
    fn no_answer_passes_nothing() {
        let none = Answer::new(0, 0, Nanos(1));
        for expression in ["status != 200", "time < 1s", "size < 1k", "body != x"] {
            assert!(!Check::parse(expression).expect(expression).judge(&none));
        }
    }

    #[test]
    fn errors_say_the_way_out() {
        for (expression, hint) in [
            ("status=200", "write `==`"),
            ("stats==1", "begin it with"),
            ("status==x", "not a status"),
            ("body matches (", "regular expression"),
            ("json a == 1", "a path is missing"),
            ("header X", "contains TEXT"),
        ] {
            let error = Check::parse(expression).expect_err(expression).to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
