//! Multipart bodies (RFC 7578, and RFC 2046, 5.1), part by part.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::context::Context;
use super::form::PartForm;

use crate::plan::limited_file;
use crate::plan::request_template::Body;

/// Bytes of all files of a body at most: a request's length is 32 bits wide.
const FILES_MAX: u64 = 1 << 30;
/// RFC 2046, 5.1.1.
const BOUNDARY_MAX: usize = 70;

/// What separates the parts: that of the Content-Type, where one is given, else as curl makes them, and the same for the
/// same parts.
pub(super) fn boundary(parts: &[PartForm], content_type: Option<&str>) -> String {
    if let Some(given) = content_type.and_then(given_boundary) {
        return given.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    for PartForm { name, value, file, file_name, content_type } in parts {
        [name, value, file, file_name, content_type].hash(&mut hasher);
    }
    // What data and files fill in is not known; 64 bits that nobody chose do not occur in it.
    format!("{}{:016x}", "-".repeat(24), hasher.finish())
}

fn given_boundary(content_type: &str) -> Option<&str> {
    let value = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    // RFC 2046, 5.1.1: bchars.
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    ((1..=BOUNDARY_MAX).contains(&value.len()) && value.bytes().all(fits)).then_some(value)
}

/// Writes the boundary into a Content-Type that has none.
pub(super) fn name_boundary(headers: &mut [(String, String)], boundary: &str) {
    let content_type = headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let Some((_, value)) = content_type.filter(|(_, value)| given_boundary(value).is_none()) {
        *value = format!("{}; boundary={boundary}", value.trim_end().trim_end_matches(';'));
    }
}

/// The body. Values may hold templates; names and files are as they are.
pub(super) fn body(
    path: &[&str],
    parts: &[PartForm],
    boundary: &str,
    base_dir: &Path,
    cx: &mut Context<'_>,
) -> Body {
    if parts.is_empty() {
        cx.add(path, "has no part: give one, such as { name = \"a\", value = \"b\" }");
        return Body::None;
    }
    let (mut whole, mut left) = (Vec::new(), FILES_MAX);
    for (i, part) in parts.iter().enumerate() {
        let index = i.to_string();
        let at = [path, &[index.as_str()]].concat();
        if part.content_type.as_ref().is_some_and(|kind| kind.contains(['\r', '\n', '\0'])) {
            let at = [at.as_slice(), &["contentType"]].concat();
            cx.add(&at, "holds a line break or NUL, which would end it: take it out");
        }
        whole.push(Body::Bytes(head(part, boundary).into_bytes()));
        whole.push(match (&part.value, &part.file) {
            (Some(value), None) => Body::Text(value.clone()),
            (None, Some(file)) => {
                let file = base_dir.join(file);
                let read = limited_file::read(&file, left);
                let read = read.map_err(|error| format!("cannot read `{}`: {error}", file.display()));
                let bytes = cx.note(&[at.as_slice(), &["file"]].concat(), read).unwrap_or_default();
                left = left.saturating_sub(bytes.len() as u64);
                Body::Bytes(bytes)
            }
            _ => {
                cx.add(&at, "give exactly one of `value` and `file`");
                Body::None
            }
        });
        whole.push(Body::Bytes(b"\r\n".to_vec()));
    }
    whole.push(Body::Bytes(format!("--{boundary}--\r\n").into_bytes()));
    Body::Parts(whole)
}

/// The boundary and the part's fields.
fn head(part: &PartForm, boundary: &str) -> String {
    let mut head = format!("--{boundary}\r\nContent-Disposition: form-data");
    for (key, value) in [("name", &part.name), ("filename", &part.file_name)] {
        if let Some(value) = value {
            head += &format!("; {key}=\"{}\"", quoted(value));
        }
    }
    if let Some(kind) = &part.content_type {
        head += &format!("\r\nContent-Type: {kind}");
    }
    head + "\r\n\r\n"
}

/// As browsers and curl do (HTML, 4.10.21.8).
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
