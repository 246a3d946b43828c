//! Multipart bodies (RFC 7578, and RFC 2046, 5.1), part by part.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::bind::Names;
use super::context::Context;
use super::form::PartForm;
use crate::plan::limited_file;
use crate::plan::template::{Place, Template};

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

/// A header's value, with the boundary in it where it is a Content-Type that has none.
pub(super) fn with_boundary<'a>(name: &str, value: &'a str, boundary: Option<&str>) -> Cow<'a, str> {
    match boundary {
        Some(boundary) if name.eq_ignore_ascii_case("content-type") && given_boundary(value).is_none() => {
            format!("{}; boundary={boundary}", value.trim_end().trim_end_matches(';')).into()
        }
        _ => value.into(),
    }
}

/// The body. Values may hold templates; names and files are as they are.
pub(super) fn body(
    path: &[&str],
    parts: &[PartForm],
    boundary: &str,
    base_dir: &Path,
    names: &Names,
    cx: &mut Context<'_>,
) -> Option<Template> {
    if parts.is_empty() {
        cx.add(path, "has no part: give one, such as { name = \"a\", value = \"b\" }");
        return None;
    }
    let (mut whole, mut left) = (Template::default(), FILES_MAX);
    for (i, part) in parts.iter().enumerate() {
        let index = i.to_string();
        let at = [path, &[index.as_str()]].concat();
        if part.content_type.as_ref().is_some_and(|kind| kind.contains(['\r', '\n', '\0'])) {
            let at = [at.as_slice(), &["contentType"]].concat();
            cx.add(&at, "holds a line break or NUL, which would end it: take it out");
        }
        whole.literal(head(part, boundary).as_bytes());
        match (&part.value, &part.file) {
            (Some(value), None) => {
                let at = [at.as_slice(), &["value"]].concat();
                whole.append(cx.note(&at, names.template(value, Place::Body)).unwrap_or_default());
            }
            (None, Some(file)) => {
                let file = base_dir.join(file);
                let read = limited_file::read(&file, left);
                let read = read.map_err(|error| format!("cannot read `{}`: {error}", file.display()));
                let bytes = cx.note(&[at.as_slice(), &["file"]].concat(), read).unwrap_or_default();
                left = left.saturating_sub(bytes.len() as u64);
                whole.literal(&bytes);
            }
            _ => cx.add(&at, "give exactly one of `value` and `file`"),
        }
        whole.literal(b"\r\n");
    }
    whole.literal(format!("--{boundary}--\r\n").as_bytes());
    Some(whole)
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
