//! What a response is judged by: `status==200`, `header Content-Type contains json`, `time<200ms`, …

mod parse;

use std::sync::Arc;

use regex::bytes::Regex;

use super::json_path::{JsonPath, text_of};
use super::response::{Needs, ResponseView};
use super::status::StatusSet;
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
enum Text {
    Exists,
    Equals(Vec<u8>),
    Differs(Vec<u8>),
    Contains(Vec<u8>),
    Matches(Regex),
}

impl Text {
    fn holds(&self, text: &[u8]) -> bool {
        match self {
            Text::Exists => true,
            Text::Equals(wanted) => text == wanted,
            Text::Differs(unwanted) => text != unwanted,
            Text::Contains(part) => part.is_empty() || text.windows(part.len()).any(|window| window == part),
            Text::Matches(regex) => regex.is_match(text),
        }
    }
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
    /// - `status==200`, `status!=500`, `status<400`, `status in 200,201,300-399`
    /// - `header NAME exists`, `header NAME == VALUE`, and with `!=`, `contains`, `matches`
    /// - `body contains TEXT`, `body matches REGEX`, `body == TEXT`
    /// - `json $.status == ok`, `json $.user.id exists`, …: strings are compared without their quotes
    /// - `size < 10KiB`: length of the payload
    /// - `time < 200ms`: from the send to the last byte
    ///
    /// Text may stand in double quotes. A request without a whole response passes no check.
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
            Predicate::Header { name, test } => response.header(name).is_some_and(|value| test.holds(value)),
            Predicate::Body(test) => test.holds(response.body),
            Predicate::Json { path, test } => response
                .json()
                .and_then(|json| path.find(json))
                .is_some_and(|value| test.holds(&text_of(value))),
            Predicate::Size(relation, bytes) => relation.holds(response.body_len, *bytes),
            Predicate::Time(relation, limit) => relation.holds(response.duration, *limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Empty:\r\n\r\n";

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
