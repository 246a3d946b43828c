//! Expressions of checks.

use regex::bytes::Regex;

use super::{CheckError, Predicate, Text};
use crate::plan::json_path::JsonPath;
use crate::plan::status::StatusSet;
use crate::relation::Relation;
use crate::units::{ByteSize, parse_duration};

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
            Text::Exists => refused(format!("`{text}`: a body is asked with contains, matches or ==")),
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
    if let Some(list) = rest.strip_prefix("in").filter(|list| !list.starts_with(char::is_alphanumeric)) {
        return list.trim().parse().map_err(|e| CheckError(format!("`{text}`: {e}")));
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
    let tests = [" exists", " contains ", " matches ", "==", "!="];
    let end = tests.iter().filter_map(|test| rest.find(test)).min();
    let Some(end) = end else {
        return refused(format!("`{text}`: write json, a path and a test, as in json $.status == ok"));
    };
    let path = JsonPath::compile(rest[..end].trim()).map_err(|e| CheckError(format!("`{text}`: {e}")))?;
    Ok(Predicate::Json { path, test: words(text, rest[end..].trim())? })
}

/// `exists`, `contains TEXT`, `matches REGEX`, `== TEXT`, `!= TEXT`.
fn words(text: &str, rest: &str) -> Result<Text, CheckError> {
    if rest == "exists" {
        return Ok(Text::Exists);
    }
    let forms = ["contains", "matches", "===", "==", "!="];
    let form = forms.iter().find_map(|form| Some((*form, rest.strip_prefix(form)?)));
    let Some((form, value)) = form else {
        return refused(format!("`{text}`: ask with exists, contains, matches, == or !="));
    };
    let value = unquoted(value.trim());
    if value.is_empty() {
        return refused(format!("`{text}`: {form} needs a text behind it"));
    }
    let bytes = value.as_bytes().to_vec();
    Ok(match form {
        "contains" => Text::Contains(bytes),
        "!=" => Text::Differs(bytes),
        "matches" => Text::Matches(
            Regex::new(value)
                .map_err(|e| CheckError(format!("`{text}`: `{value}` is not a regular expression: {e}")))?,
        ),
        _ => Text::Equals(bytes),
    })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}
