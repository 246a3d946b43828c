//! What to send: target, method, headers and body.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::RawConfig;
use super::error::Problems;
use crate::http::url::{Scheme, Url};
use crate::units::{ByteSize, human};

/// A connection's requests are one buffer and one send, whose length is 32 bits wide.
const BODY_MAX: u64 = 1 << 30;

/// The request's parts, as far as they were given.
#[derive(Default)]
pub(super) struct RequestParts {
    pub(super) method: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Reads the URL.
pub(super) fn target(raw: &RawConfig, problems: &mut Problems) -> Option<Url> {
    let url = problems.note("URL", raw.url.parse::<Url>())?;
    if url.scheme == Scheme::Https {
        problems.add(
            "URL",
            format!(
                "`{}`: this version of squall cannot speak TLS yet; use an http:// URL (behind a \
                 TLS proxy, the port of the server itself)",
                raw.url
            ),
        );
        return None;
    }
    Some(url)
}

/// Reads method, headers and body.
pub(super) fn request(raw: &RawConfig, pipeline: u32, problems: &mut Problems) -> RequestParts {
    let body = body(raw, pipeline, problems);
    let headers = raw
        .headers
        .iter()
        .filter_map(|line| problems.note("-H", header(line)))
        .collect();
    check_framing(&headers, body.as_deref(), problems);
    let method = match raw.method.as_deref() {
        Some(method) => {
            if let Err(error) = check_method(method) {
                problems.add("-m", error);
            }
            method
        }
        None if body.is_some() => "POST",
        None => "GET",
    };
    RequestParts {
        method: method.to_owned(),
        headers,
        body: body.unwrap_or_default(),
    }
}

/// RFC 9110, section 9.1: a method is a token.
fn check_method(method: &str) -> Result<(), String> {
    if !is_token(method) {
        return Err(format!(
            "`{}` is not a method: letters, digits and !#$%&'*+-.^_`|~ only, such as GET",
            method.escape_debug()
        ));
    }
    if method == "CONNECT" {
        return Err("CONNECT makes a tunnel, not requests that can be measured".into());
    }
    Ok(())
}

/// `Name: value` by RFC 9110, sections 5.1 and 5.5: the name is a token; the value has no control
/// characters that could end it, and space around it is not part of it.
fn header(line: &str) -> Result<(String, String), String> {
    let shown = line.escape_debug();
    let Some((name, value)) = line.split_once(':') else {
        return Err(format!(
            "`{shown}` has no colon; a header looks like `Name: value`"
        ));
    };
    if !is_token(name) {
        return Err(format!(
            "`{shown}`: `{}` is not a header's name (no spaces, no separators)",
            name.escape_debug()
        ));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(format!(
            "`{shown}`: a header's value has no CR, LF or NUL; use one -H per header"
        ));
    }
    let value = value.trim_matches([' ', '\t']);
    Ok((name.to_owned(), value.to_owned()))
}

/// Framing that contradicts the body would make the server wait, or take the next request for the
/// rest of this one (RFC 9112, section 6).
fn check_framing(headers: &Vec<(String, String)>, body: Option<&[u8]>, problems: &mut Problems) {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("transfer-encoding") {
            problems.add(
                "-H",
                "Transfer-Encoding cannot be set: squall sends bodies with their length",
            );
        }
        let length = body.map_or(0, <[u8]>::len);
        if name.eq_ignore_ascii_case("content-length") && value.parse() != Ok(length) {
            problems.add(
                "-H",
                format!(
                    "Content-Length: {value} contradicts the body's {length} bytes; leave it out, \
                     squall adds it"
                ),
            );
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn body(raw: &RawConfig, pipeline: u32, problems: &mut Problems) -> Option<Vec<u8>> {
    let limit = BODY_MAX / u64::from(pipeline);
    let (option, body) = match (&raw.body, &raw.body_file) {
        (Some(_), Some(_)) => {
            problems.add("--body", "there is a --body-file too; give one of them");
            return None;
        }
        (Some(text), None) => ("--body", text.clone().into_bytes()),
        (None, Some(path)) => {
            let read = read_file(path, limit + 1);
            let read = read.map_err(|error| format!("cannot read `{}`: {error}", path.display()));
            ("--body-file", problems.note("--body-file", read)?)
        }
        (None, None) => return None,
    };
    if body.len() as u64 > limit {
        let copies = if pipeline > 1 { " divided by -p" } else { "" };
        problems.add(
            option,
            format!(
                "the body is longer than {} bytes ({}{copies})",
                human::count(limit),
                ByteSize(BODY_MAX)
            ),
        );
        return None;
    }
    Some(body)
}

/// At most `most` bytes: the file may be a device without end.
fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
