//! Expressions of checks.

use regex::bytes::Regex;

use super::{Ask, CheckError, Predicate, Text};
use crate::plan::json_path::JsonPath;
use crate::plan::status::StatusSet;
use crate::plan::value::{Number, is_number};
use crate::relation::Relation;
use crate::units::{ByteSize, parse_duration};

/// What a check can ask, and what that means. For documentation and help; held to the reader by a test.
pub const GRAMMAR: [(&str, &str); 13] = [
    ("status==200", "the status; also with `!=`, `<`, `<=`, `>`, `>=`"),
    ("status in 200,201,300-399,5xx", "one of these; `status not in …`: none of these"),
    ("header NAME TEST", "the first field of that name, in any case"),
    ("body TEST", "the payload"),
    (
        "json PATH TEST",
        "the first value that the path (RFC 9535, `$.user.tags[0]`) leads to; strings are without their quotes",
    ),
    ("size < 10KiB", "length of the payload; also with `==`, `!=`, `<=`, `>`, `>=`"),
    ("time < 200ms", "from the send to the last byte; likewise"),
    (
        "exists",
        "a TEST, as those below: it is there; `not exists`: it is not. What is not there passes no other test",
    ),
    (
        "== TEXT",
        "it is that text; in JSON `1.10` and `1.1` are the same number. Double quotes around a text are left out",
    ),
    ("!= TEXT", "it is another"),
    ("contains TEXT", "`not contains TEXT`: it does not"),
    ("matches REGEX", "`not matches REGEX`: it does not"),
    ("> N", "a number above it; also `>=`, `<`, `<=`"),
];

fn refused<T>(message: impl Into<String>) -> Result<T, CheckError> {
    Err(CheckError(message.into()))
}

pub(super) fn predicate(text: &str) -> Result<Predicate, CheckError> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (subject, rest) = (&text[..end], text[end..].trim());
    match subject {
        "status" => status(text, rest).map(Predicate::Status),
        "header" => header(text, rest),
        "body" => match words(text, rest)? {
            Text { ask: Ask::Exists, .. } => {
                refused(format!("`{text}`: a body is asked with contains, matches or =="))
            }
            test => Ok(Predicate::Body(test)),
        },
        "json" => json(text, rest),
        "size" => {
            let (relation, value) = relation(text, rest)?;
            let bytes: ByteSize = value.parse().map_err(|e| CheckError(format!("`{text}`: {e}")))?;
            Ok(Predicate::Size(relation, bytes.0))
        }
        "time" => {
            let (relation, value) = relation(text, rest)?;
            let limit = parse_duration(value).map_err(|e| CheckError(format!("`{text}`: {e}")))?;
            Ok(Predicate::Time(relation, limit))
        }
        "not" => refused(format!(
            "`{text}`: not stands behind what is asked, as in body not contains TEXT; write != for another status"
        )),
        _ => refused(format!(
            "`{text}`: a check starts with status, header, body, json, size or time, as in status==200"
        )),
    }
}

fn relation<'a>(text: &str, rest: &'a str) -> Result<(Relation, &'a str), CheckError> {
    if let Some((relation, value)) = Relation::take(rest) {
        return Ok((relation, value.trim()));
    }
    if rest.starts_with('=') {
        return refused(format!("`{text}`: write == to compare"));
    }
    refused(format!("`{text}`: it lacks one of == != < <= > >=, as in status==200"))
}

fn status(text: &str, rest: &str) -> Result<StatusSet, CheckError> {
    let (negated, list) = without_not(rest);
    if let Some(list) = list.strip_prefix("in").filter(|list| !list.starts_with(char::is_alphanumeric)) {
        let set: StatusSet = list.trim().parse().map_err(|e| CheckError(format!("`{text}`: {e}")))?;
        return Ok(if negated { set.others() } else { set });
    }
    if negated {
        return refused(format!("`{text}`: behind not stands in, as in status not in 500-599"));
    }
    let (relation, value) = relation(text, rest)?;
    let bound = value.parse().ok().filter(|code| (100..1000).contains(code));
    let Some(bound) = bound else {
        return refused(format!("`{text}`: `{value}` is not a status: it is a number from 100 to 999"));
    };
    let mut set = StatusSet::empty();
    let codes = (100..1000u16).filter(|code| relation.holds(*code, bound));
    codes.for_each(|code| set.insert_range(code, code));
    Ok(set)
}

fn header(text: &str, rest: &str) -> Result<Predicate, CheckError> {
    let end = rest.find(|c: char| c.is_whitespace() || "=!".contains(c)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return refused(format!("`{text}`: the header's name is missing, as in header Content-Type exists"));
    }
    Ok(Predicate::Header { name: name.to_owned(), test: words(text, rest.trim())? })
}

fn json(text: &str, rest: &str) -> Result<Predicate, CheckError> {
    let (path, test) = rest.split_at(end_of_path(rest));
    if test.trim().is_empty() {
        return refused(format!("`{text}`: write json, a path and a test, as in json $.status == ok"));
    }
    let path = JsonPath::compile(path).map_err(|e| CheckError(format!("`{text}`: {e}")))?;
    Ok(Predicate::Json { path, test: words(text, test.trim())? })
}

/// Where a path ends: at the first blank or comparison that is neither in brackets nor in quotes.
pub(super) fn end_of_path(text: &str) -> usize {
    let (mut depth, mut quote) = (0u32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if depth > 0 => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, _) if depth == 0 && (c.is_whitespace() || "=!<>".contains(c)) => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether `text` begins with the word `not`, and what is behind it.
fn without_not(text: &str) -> (bool, &str) {
    match text.strip_prefix("not").filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    }
}

/// A test of text, as in [`GRAMMAR`].
fn words(text: &str, rest: &str) -> Result<Text, CheckError> {
    let (negated, rest) = without_not(rest);
    if rest == "exists" {
        return Ok(Text { ask: Ask::Exists, negated });
    }
    let word = ["contains", "matches"].into_iter().find_map(|word| Some((word, rest.strip_prefix(word)?)));
    if let Some((word, value)) = word {
        let value = operand(text, word, value)?;
        let ask =
            match word {
                "contains" => Ask::Contains(value.into()),
                _ => Ask::Matches(Regex::new(value).map_err(|e| {
                    CheckError(format!("`{text}`: `{value}` is not a regular expression: {e}"))
                })?),
            };
        return Ok(Text { ask, negated });
    }
    match Relation::take(rest) {
        Some(_) if negated => {
            refused(format!("`{text}`: not goes with contains, matches or exists; write != for not equal"))
        }
        Some((relation @ (Relation::Equal | Relation::NotEqual), value)) => {
            let sign = if relation == Relation::Equal { "==" } else { "!=" };
            let value = operand(text, sign, value)?.as_bytes();
            let number = if is_number(value) { Number::read(value) } else { None };
            let ask = Ask::Equals { text: value.into(), number };
            Ok(Text { ask, negated: relation == Relation::NotEqual })
        }
        Some((relation, value)) => {
            let bound = Number::read(value.as_bytes()).ok_or_else(|| {
                CheckError(format!(
                    "`{text}`: `{}` is not a number, which < <= > >= compare with",
                    value.trim()
                ))
            })?;
            Ok(Text { ask: Ask::Compares(relation, bound), negated })
        }
        None if negated => refused(format!("`{text}`: behind not stands contains, matches or exists")),
        None => refused(format!("`{text}`: ask with exists, contains, matches, == != < <= > or >=")),
    }
}

/// The text behind a word or sign: with quotes around it, it may be empty.
fn operand<'a>(text: &str, sign: &str, value: &'a str) -> Result<&'a str, CheckError> {
    let value = value.trim();
    if value.is_empty() {
        return refused(format!("`{text}`: {sign} needs a text behind it"));
    }
    Ok(value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value))
}
