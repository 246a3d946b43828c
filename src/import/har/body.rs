//! What a recorded request sent.

use base64::Engine;

use super::fields::{Field, Param, PostData};
use crate::import::recorded::{Body, Content, Part, encode};

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// A body, and what the request has to say of it where its headers do not.
#[derive(Default)]
pub(super) struct Found {
    pub(super) body: Body,
    pub(super) content_type: Option<String>,
    /// What it lacks.
    pub(super) warnings: Vec<String>,
}

/// Puts a body together. `content_type` and `length` are what the headers say.
///
/// # Errors
/// Why it cannot be.
pub(super) fn body(
    data: &PostData,
    content_type: Option<&str>,
    length: Option<u64>,
) -> Result<Found, String> {
    let recorded_type = data.mime_type.text().map(str::trim).filter(|text| !text.is_empty());
    let text = data.text.text().unwrap_or_default();
    let mut found = Found::default();
    if data.params.is_none {
        found.warnings.push("`params` of its body is no list; skipped".into());
    }
    if matches!(data.text, Field::Number(_) | Field::Other) {
        found.warnings.push(format!("the text of its body {}; skipped", data.text.instead_of_text()));
    }
    let kind = content_type.or(recorded_type).unwrap_or_default().to_ascii_lowercase();
    if !text.is_empty() {
        found.body = if data.encoding.text().is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")) {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim());
            Body::of(bytes.map_err(|error| format!("the base64 of its body: {error}"))?)
        } else {
            let (body, warning) = of_length(text, length);
            found.warnings.extend(warning);
            body
        };
        found.content_type = recorded_type.filter(|_| content_type.is_none()).map(str::to_owned);
        if kind.starts_with(MULTIPART)
            && !kind.contains("boundary=")
            && let Some(boundary) = boundary(text)
        {
            found.content_type = Some(format!("{MULTIPART}; boundary={boundary}"));
        }
        return Ok(found);
    }
    if data.params.items.is_empty() {
        return Ok(found);
    }
    found.content_type = recorded_type.filter(|_| content_type.is_none()).map(str::to_owned);
    let params = data.params.items.iter();
    if kind.starts_with(MULTIPART) {
        found.body = Body::Form(params.map(|param| part(param, &mut found.warnings)).collect());
    } else if kind.starts_with("text/plain") {
        // HTML, 4.10.21.9.
        found.body =
            Body::Text(params.map(|param| format!("{}={}\r\n", name(param), value(param))).collect());
    } else if kind.is_empty() || kind.starts_with(FORM) {
        let pairs = params.map(|p| format!("{}={}", encode(name(p).as_bytes()), encode(value(p).as_bytes())));
        found.body = Body::Text(pairs.collect::<Vec<_>>().join("&"));
        if kind.is_empty() {
            found.content_type = Some(FORM.into());
        }
    } else {
        return Err(format!("it has parameters, and not the text of its body, which is `{kind}`"));
    }
    Ok(found)
}

fn name(param: &Param) -> &str {
    param.name.text().unwrap_or_default()
}

fn value(param: &Param) -> &str {
    param.value.text().unwrap_or_default()
}

fn part(param: &Param, warnings: &mut Vec<String>) -> Part {
    let own = |field: &Field| field.text().filter(|text| !text.is_empty()).map(str::to_owned);
    let file_name = own(&param.file_name);
    if let (Some(file), None) = (&file_name, param.value.text()) {
        warnings.push(format!(
            "the file `{}` is not in the recording, and sent empty: give it in the plan, as `file`",
            file.escape_debug()
        ));
    }
    Part {
        name: param.name.text().map(str::to_owned),
        content: Content::Text(value(param).to_owned()),
        file_name,
        content_type: own(&param.content_type),
    }
}

/// Browsers write bytes that are no text as a character each; that the length then fits shows it.
fn of_length(text: &str, length: Option<u64>) -> (Body, Option<String>) {
    let Some(length) = length.filter(|length| *length != text.len() as u64) else {
        return (Body::of(text.as_bytes().to_vec()), None);
    };
    if text.chars().count() as u64 == length
        && let Some(bytes) = text.chars().map(|c| u8::try_from(c).ok()).collect()
    {
        return (Body::of(bytes), None);
    }
    let warning = format!("its body had {length} bytes, and has {} in the recording", text.len());
    (Body::of(text.as_bytes().to_vec()), Some(warning))
}

/// The boundary that a multipart text begins with.
fn boundary(text: &str) -> Option<&str> {
    let line = text.lines().next()?.strip_prefix("--")?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
    ((1..=70).contains(&line.len()) && line.bytes().all(fits)).then_some(line)
}
