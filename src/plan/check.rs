//! What a response is judged by: `status==200`, `header Content-Type contains json`, `time<200ms`, …

mod parse;

pub use parse::GRAMMAR;

use std::sync::Arc;

use regex::bytes::Regex;

use super::json_path::JsonPath;
use super::response::{Needs, ResponseView};
use super::status::StatusSet;
use super::value::{Number, Value};
use crate::relation::Relation;
use crate::units::Nanos;

/// A named predicate on one response.
#[derive(Clone, Debug)]
pub struct Check {
    /// Shown in reports; k6's tag `check`.
    pub name: Arc<str>,
    predicate: Predicate,
}

/// Why a check cannot be used: the message names the place and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(pub String);

#[derive(Clone, Debug)]
enum Predicate {
    Status(StatusSet),
    Header {
        name: String,
        test: Text,
    },
    Body(Text),
    /// A value in a JSON body.
    Json {
        path: JsonPath,
        test: Text,
    },
    /// Length of the payload in bytes.
    Size(Relation, u64),
    /// done - sent.
    Time(Relation, Nanos),
}

/// What is asked of a piece of text.
#[derive(Clone, Debug)]
struct Text {
    ask: Ask,
    /// It is to be otherwise.
    negated: bool,
}

#[derive(Clone, Debug)]
enum Ask {
    Exists,
    /// A number that is written otherwise is the same number; so are lists and objects of JSON.
    Equals {
        text: Vec<u8>,
        number: Option<Number>,
    },
    Contains(Vec<u8>),
    Matches(Regex),
    Compares(Relation, Number),
}

impl Text {
    /// Whether what is asked holds for a text, which may be JSON. What is not there passes `not exists` alone.
    fn holds(&self, value: Option<(&[u8], bool)>) -> bool {
        let Some((text, is_json)) = value else { return self.negated && matches!(self.ask, Ask::Exists) };
        self.ask.holds(text, is_json) != self.negated
    }
}

impl Ask {
    fn holds(&self, text: &[u8], is_json: bool) -> bool {
        match self {
            Ask::Exists => true,
            Ask::Equals { text: wanted, .. } if text == wanted => true,
            Ask::Equals { text: wanted, number } => is_json && same_json(text, wanted, *number),
            Ask::Contains(part) => part.is_empty() || text.windows(part.len()).any(|window| window == part),
            Ask::Matches(regex) => regex.is_match(text),
            Ask::Compares(relation, bound) => {
                Number::read(text).is_some_and(|number| relation.holds(number, *bound))
            }
        }
    }
}

#[cold]
fn same_json(text: &[u8], wanted: &[u8], number: Option<Number>) -> bool {
    if number.is_some() {
        return Number::read(text) == number;
    }
    let read = |text| serde_json::from_slice::<serde_json::Value>(text).ok();
    read(text).is_some_and(|value| read(wanted).as_ref() == Some(&value))
}

impl Check {
    /// Reads an expression as a check of another name.
    ///
    /// # Errors
    /// As [`Check::parse`].
    pub fn named(name: &str, expression: &str) -> Result<Check, CheckError> {
        Ok(Check { name: name.into(), ..Check::parse(expression)? })
    }

    /// Reads an expression; its text is the name.
    ///
    /// The forms are those of [`GRAMMAR`]. A request without a whole response passes no check.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(expression: &str) -> Result<Check, CheckError> {
        let predicate = parse::predicate(expression.trim())?;
        Ok(Check { name: expression.trim().into(), predicate })
    }

    /// What of a response must be kept for it.
    pub fn needs(&self) -> Needs {
        match self.predicate {
            Predicate::Header { .. } => Needs { head: true, body: false },
            Predicate::Body(_) | Predicate::Json { .. } => Needs { head: false, body: true },
            Predicate::Status(_) | Predicate::Size(..) | Predicate::Time(..) => Needs::default(),
        }
    }

    /// Whether the response passes.
    pub fn judge(&self, response: &ResponseView<'_>) -> bool {
        if response.status == 0 {
            return false;
        }
        match &self.predicate {
            Predicate::Status(set) => set.contains(response.status),
            Predicate::Header { name, test } => test.holds(response.header(name).map(|value| (value, false))),
            // What is behind the limit might decide otherwise.
            Predicate::Body(test) => !response.truncated && test.holds(Some((response.body, false))),
            Predicate::Json { path, test } => match response.json_at(path).map(Value::of_json) {
                None => test.holds(None) && response.is_json(),
                Some(value) => test.holds(Some((&value.bytes, value.is_json))),
            },
            Predicate::Size(relation, bytes) => relation.holds(response.body_len, *bytes),
            Predicate::Time(relation, limit) => relation.holds(response.duration, *limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Count: 3\r\nX-Empty:\r\n\r\n";

    #[test]
    fn a_path_ends_at_a_blank_or_a_comparison_outside_of_its_brackets() {
        for (text, end) in [
            ("$.a == b", 3),
            ("$.a==b", 3),
            ("$.it's == x's", 6),
            ("$['a b'].c > 1", 10),
            ("$['a]b == c'].d<1", 15),
            ("$[?(@.a == 'x y')].b exists", 20),
            ("$.a", 3),
        ] {
            assert_eq!(parse::end_of_path(text), end, "{text}");
        }
    }

    /// What the documentation shows is what is read.
    #[test]
    fn the_grammar_is_what_is_read() {
        for (form, _) in GRAMMAR {
            let filled = form
                .replace("NAME", "X-A")
                .replace("PATH", "$.a")
                .replace("TEXT", "b")
                .replace("REGEX", "^b");
            let tests: &[&str] = if form.contains("TEST") { &["== b", "not exists"] } else { &["body"] };
            for test in tests.iter().filter(|test| !(form.starts_with("body") && test.ends_with("exists"))) {
                let subjects: &[&str] = if form.contains("TEST")
                    || form.contains("status")
                    || form.contains("size")
                    || form.contains("time")
                {
                    &[""]
                } else {
                    &["json $.a ", "header X-A "]
                };
                for subject in subjects {
                    let expression = format!("{subject}{}", filled.replace("TEST", test).replace(" N", " 5"));
                    Check::parse(&expression).unwrap_or_else(|e| panic!("{form}: {expression}: {e}"));
                }
            }
        }
    }

    #[test]
    fn numbers_are_compared_and_what_is_asked_may_be_denied() {
        let body =
            br#"{"v":1.10,"n":12345678901234567891,"s":"7","list":[ 1, {"a" : 2} ],"none":null,"t":true}"#;
        for (expression, passed) in [
            ("json $.v == 1.10", true),
            ("json $.v == 1.1", true),
            ("json $.v != 1.1", false),
            ("json $.v != 1.2", true),
            ("json $.v > 1", true),
            ("json $.v >= 1.1", true),
            ("json $.v < 1.1", false),
            ("json $.v<=1.1", true),
            ("json $.n > 12345678901234567890", true),
            ("json $.n == 12345678901234567890", false),
            ("json $.s > 6", true),
            ("json $.t > 0", false),
            ("json $.list[?@.a > 1].a == 2", true),
            ("json $.list[?@.a == 2].a > 1", true),
            ("json $.list == [1,{\"a\":2}]", true),
            ("json $.list contains \"a\"", true),
            ("json $.none == null", true),
            ("json $.none exists", true),
            ("json $.nothing exists", false),
            ("json $.nothing not exists", true),
            ("json $.v not exists", false),
            ("json $.nothing != 1", false),
            ("json $.nothing not contains 1", false),
            ("json $.s not contains 8", true),
            ("json $.s not matches ^7$", false),
            ("json $.s != \"\"", true),
            ("body not contains nothing", true),
            ("body not contains list", false),
            ("body not matches ^x", true),
            ("header Content-Type not contains html", true),
            ("header X-None not exists", true),
            ("header Content-Type not exists", false),
            ("header X-Count >= 3", true),
            ("header X-Count < 3", false),
            ("header Content-Type > 3", false),
            ("status not in 500-599", true),
            ("status not in 2xx", false),
        ] {
            assert_eq!(passes(expression, 200, body), passed, "{expression}");
        }
        assert!(!passes("json $.a not exists", 200, b"<html>"), "that is no JSON");
        assert!(!passes("body not contains a", 0, b""), "there is no response");
    }

    fn passes(expression: &str, status: u16, body: &[u8]) -> bool {
        let response = ResponseView::new(status, body.len() as u64, Nanos::from_millis(20));
        let response = response.with_parts(HEAD, body, false);
        Check::parse(expression).unwrap_or_else(|e| panic!("{expression}: {e}")).judge(&response)
    }

    #[test]
    fn expressions_judge_as_they_read() {
        for (expression, passing, failing) in [
            ("status==200", 200, 201),
            ("status == 200", 200, 500),
            ("status!=500", 200, 500),
            ("status<400", 399, 400),
            ("status >= 500", 503, 499),
            ("status in 200,201,300-399", 304, 400),
            ("status in 2xx", 299, 300),
        ] {
            assert!(passes(expression, passing, b""), "{expression} with {passing}");
            assert!(!passes(expression, failing, b""), "{expression} with {failing}");
            assert!(!passes(expression, 0, b""), "{expression} without a response");
        }
        for (expression, passed) in [
            ("header content-type exists", true),
            ("header X-None exists", false),
            ("header Content-Type == application/json", true),
            ("header Content-Type contains json", true),
            ("header Content-Type matches ^text/", false),
            ("header X-None != a", false),
            ("body contains \"ok\"", true),
            ("body contains nothing", false),
            ("body matches \"st[a-z]+s\"", true),
            ("body == {\"status\":\"ok\"}", true),
            ("json $.status == ok", true),
            ("json $.status == \"ok\"", true),
            ("json $.status != ok", false),
            ("json $.none exists", false),
            ("json $..status exists", true),
            ("size < 1KiB", true),
            ("size == 15", true),
            ("size > 15", false),
            ("time < 200ms", true),
            ("time<=20ms", true),
            ("time < 20ms", false),
        ] {
            assert_eq!(passes(expression, 200, b"{\"status\":\"ok\"}"), passed, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_out() {
        for (expression, part) in [
            ("", "status==200"),
            ("status=200", "write =="),
            ("status", "status==200"),
            ("status==20", "100 to 999"),
            ("status in", "200,201"),
            ("status in 300-200", "300-200"),
            ("header", "name"),
            ("header X", "exists"),
            ("header X == ", "needs a text"),
            ("header X > many", "`many` is not a number"),
            ("body not == a", "write !="),
            ("not status==200", "not stands behind"),
            ("json $.a not", "contains, matches or exists"),
            ("status not 200", "not in"),
            ("body matches (", "regular expression"),
            ("body exists", "contains"),
            ("json", "path"),
            ("json status == ok", "JSON path"),
            ("size < ten", "ten"),
            ("time < 5 parsecs", "parsecs"),
            ("latency<5ms", "starts with"),
        ] {
            let error = Check::parse(expression).expect_err(expression).to_string();
            assert!(error.contains(part), "{expression}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(status|header|body|size|time)? ?.{0,20}") {
            let _ = Check::parse(&text);
        }
    }
}
