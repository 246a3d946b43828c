//! What to send: target, method, headers and body.

use std::io;

use super::super::RawConfig;
use super::super::error::Problems;
use crate::http::credentials::{basic, split_user_info};
use crate::http::request::{Request, RequestError};
use crate::http::url::Url;
use crate::plan::limited_file;
use crate::units::{ByteSize, human};

/// A connection's requests are one buffer and one send, whose length is 32 bits wide.
const BODY_MAX: u64 = 1 << 30;

/// The request's parts, as far as they were given.
pub(in crate::run::config) struct RequestParts {
    pub(in crate::run::config) method: String,
    pub(in crate::run::config) headers: Vec<(String, String)>,
    pub(in crate::run::config) body: Vec<u8>,
}

/// Reads the URL, and what Authorization says for the user name and password in it.
pub(in crate::run::config) fn target(
    raw: &RawConfig,
    problems: &mut Problems,
) -> (Option<Url>, Option<String>) {
    let (url, credentials) = split_user_info(&raw.url);
    let authorization = credentials.and_then(|given| problems.note("URL", basic(&given)));
    let is_given = |line: &String| {
        line.split_once(':').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("authorization"))
    };
    if authorization.is_some() && raw.headers.iter().any(is_given) {
        problems.add("-H", "gives Authorization, and the URL has a user name: leave one out");
    }
    (problems.note("URL", url.parse::<Url>()), authorization)
}

/// Reads method, headers and body.
///
/// The encoder judges them: its rules are not repeated here. Of several headers that it refuses
/// only the first is told.
pub(in crate::run::config) fn request(
    raw: &RawConfig,
    pipeline: u32,
    problems: &mut Problems,
) -> RequestParts {
    let body = body(raw, pipeline, problems);
    let method = raw.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let headers = raw.headers.iter().filter_map(|line| problems.note("-H", header(line))).collect();
    let request = Request {
        method: method.to_owned(),
        target: "/".into(),
        authority: String::new(),
        headers,
        body: body.unwrap_or_default(),
    };
    if let Err(error) = request.encode() {
        problems.add(option_of(&error), error.to_string());
    }
    RequestParts { method: request.method, headers: request.headers, body: request.body }
}

/// The option whose value the encoder refused.
fn option_of(error: &RequestError) -> &'static str {
    match error {
        RequestError::Method(_) | RequestError::Connect => "-m",
        _ => "-H",
    }
}

/// `Name: value` (RFC 9110, section 5); space around the value is not part of it.
fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| {
        let shown = line.escape_debug();
        format!("`{shown}` has no colon; a header looks like `Name: value`")
    })?;
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn body(raw: &RawConfig, pipeline: u32, problems: &mut Problems) -> Option<Vec<u8>> {
    let limit = BODY_MAX / u64::from(pipeline);
    let copies = if pipeline > 1 { " divided by -p" } else { "" };
    let too_long =
        format!("the body is longer than {} bytes ({}{copies})", human::count(limit), ByteSize(BODY_MAX));
    match (&raw.body, &raw.body_file) {
        (Some(_), Some(_)) => {
            problems.add("--body", "there is a --body-file too; give one of them");
            None
        }
        (Some(text), None) => {
            let body = if text.len() as u64 > limit { Err(too_long) } else { Ok(text.clone().into_bytes()) };
            problems.note("--body", body)
        }
        (None, Some(path)) => {
            let is_input = path.as_os_str() == "-";
            let read = if is_input {
                limited_file::read_from(io::stdin().lock(), limit)
            } else {
                limited_file::read(path, limit)
            };
            let body = read.map_err(|error| match error.kind() {
                io::ErrorKind::FileTooLarge => too_long,
                _ if is_input => format!("cannot read standard input: {error}"),
                _ => format!("cannot read `{}`: {error}", path.display()),
            });
            problems.note("--body-file", body)
        }
        (None, None) => None,
    }
}
