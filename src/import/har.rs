//! HAR 1.2, the recordings of browsers and proxies.

use base64::Engine;
use serde::Deserialize;

use super::recorded::{Body, Recorded, encode, is_connections, sendable};
use super::{ImportError, Imported, writer};
use crate::http::credentials::split_user_info;
use crate::http::url::Url;
use crate::units::Nanos;

/// Bytes of a recording at most. They hold responses, too.
pub const FILE_MAX: u64 = 512 << 20;

/// Requests at most.
const ENTRIES_MAX: usize = 10_000;
/// Pauses below this are not a person's.
const THINK_MIN: Nanos = Nanos::from_millis(10);

/// What becomes of pauses between requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Think {
    /// As long as they were.
    #[default]
    Keep,
    /// None.
    Drop,
}

/// What to take from a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HarOptions {
    /// Pauses.
    pub think: Think,
    /// `HOST` or `HOST:PORT`; all when empty.
    pub only_hosts: Vec<String>,
    /// Without images, fonts, styles and scripts.
    pub no_static: bool,
}

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    /// Milliseconds.
    time: Option<f64>,
    request: Request,
    response: Option<Response>,
    #[serde(rename = "_resourceType")]
    resource_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    mime_type: Option<String>,
    text: Option<String>,
    #[serde(default)]
    params: Vec<Param>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Param {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Response {
    /// Some write -1 for none.
    #[serde(default)]
    status: i64,
    #[serde(default)]
    headers: Vec<Pair>,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    mime_type: Option<String>,
}

/// Reads a recording. `name` is for messages and the plan's first line.
///
/// # Errors
/// What is no HAR; a request that cannot be sent; nothing left to do.
pub fn har(name: &str, bytes: &[u8], options: &HarOptions) -> Result<Imported, ImportError> {
    if bytes.len() as u64 > FILE_MAX {
        return Err(ImportError::new(name, format!("is longer than {FILE_MAX} bytes")));
    }
    // The specification allows a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file: File = serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("{name}:{}:{}", error.line(), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        ImportError::new(place, format!("this is no HAR: {what}"))
    })?;
    let mut reading = Reading { options, set_cookies: Vec::new(), warnings: Vec::new() };
    let mut steps: Vec<(Recorded, Option<Times>)> = Vec::new();
    for (i, entry) in file.log.entries.iter().enumerate() {
        let place = format!(
            "{name}: entry {} ({} {})",
            i + 1,
            brief(&entry.request.method),
            brief(&entry.request.url)
        );
        if let Some(recorded) = reading.entry(place, entry)? {
            steps.push((recorded, Times::of(entry)));
        }
        if steps.len() > ENTRIES_MAX {
            return Err(ImportError::new(
                name,
                format!("has more than {ENTRIES_MAX} requests: record fewer"),
            ));
        }
    }
    if steps.is_empty() {
        let all = file.log.entries.len();
        return Err(ImportError::new(name, format!("none of its {all} entries is left to be imported")));
    }
    let source = format!("Made by `squall import har` from {name}.");
    Ok(writer::write(&with_pauses(steps, options.think), &source, reading.warnings))
}

/// A word of the file, short enough for a message.
fn brief(text: &str) -> String {
    let mut short: String = text.chars().take(100).map(|c| if c.is_control() { '?' } else { c }).collect();
    if let Some(at) = short.find('?') {
        short.truncate(at); // Queries may hold secrets.
    }
    short
}

struct Reading<'a> {
    options: &'a HarOptions,
    /// Names of the cookies that answers have set so far: users are given their own.
    set_cookies: Vec<String>,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn entry(&mut self, place: String, entry: &Entry) -> Result<Option<Recorded>, ImportError> {
        let recorded = self.recorded(place, entry);
        for header in entry.response.iter().flat_map(|response| &response.headers) {
            if header.name.eq_ignore_ascii_case("set-cookie") {
                // Some write all of a response's into one, with line breaks between them.
                for line in header.value.lines() {
                    let name = line.split('=').next().unwrap_or_default().trim().to_owned();
                    if !self.set_cookies.contains(&name) {
                        self.set_cookies.push(name);
                    }
                }
            }
        }
        recorded
    }

    fn recorded(&mut self, place: String, entry: &Entry) -> Result<Option<Recorded>, ImportError> {
        let request = &entry.request;
        let scheme = request.url.split("://").next().unwrap_or_default().to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            self.warnings.push(format!("{place}: left out: it is not HTTP"));
            return Ok(None);
        }
        let (url, user) = split_user_info(&request.url);
        let url: Url = match sendable(&url).parse() {
            Ok(url) => url,
            Err(error) => return Err(ImportError::new(place, error.to_string())),
        };
        if !self.is_wanted(&url, entry) {
            return Ok(None);
        }
        let status = entry.response.as_ref().map_or(0, |response| response.status);
        if status <= 0 {
            self.warnings.push(format!("{place}: left out: it had no response (blocked, or cut off)"));
            return Ok(None);
        }
        if request.method == "CONNECT" {
            self.warnings.push(format!("{place}: left out: squall opens no tunnels"));
            return Ok(None);
        }
        let Some(body) = self.body(&place, request)? else { return Ok(None) };
        let mut recorded = Recorded {
            place,
            method: request.method.clone(),
            url,
            headers: self.headers(request),
            body,
            status: u16::try_from(status).ok().filter(|status| *status <= 599),
            redirects_max: 0, // each hop is an entry of its own
            timeout: None,
            think: Nanos::ZERO,
        };
        if let Some(user) = user
            && recorded.header("authorization").is_none()
        {
            let encoded = base64::engine::general_purpose::STANDARD.encode(user);
            recorded.headers.push(("Authorization".into(), format!("Basic {encoded}")));
        }
        recorded.check()?;
        Ok(Some(recorded))
    }

    fn is_wanted(&self, url: &Url, entry: &Entry) -> bool {
        let only = &self.options.only_hosts;
        let with_port = format!("{}:{}", url.host, url.port);
        let named = |host: &String| {
            [&url.host, &url.authority(), &with_port].iter().any(|own| own.eq_ignore_ascii_case(host))
        };
        (only.is_empty() || only.iter().any(named)) && !(self.options.no_static && is_static(url, entry))
    }

    fn headers(&self, request: &Request) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for Pair { name, value } in request.headers.iter().filter(|pair| !is_connections(&pair.name)) {
            let value =
                if name.eq_ignore_ascii_case("cookie") { self.own_cookies(value) } else { value.clone() };
            if !(value.is_empty() && name.eq_ignore_ascii_case("cookie")) {
                headers.push((name.clone(), value));
            }
        }
        headers
    }

    /// Cookies that no response of the recording has set.
    fn own_cookies(&self, value: &str) -> String {
        let own = value.split(';').map(str::trim).filter(|cookie| {
            let name = cookie.split('=').next().unwrap_or_default().trim();
            !cookie.is_empty() && !self.set_cookies.iter().any(|set| set == name)
        });
        own.collect::<Vec<_>>().join("; ")
    }

    /// The body; nothing when the request has to be left out.
    fn body(&mut self, place: &str, request: &Request) -> Result<Option<Body>, ImportError> {
        let Some(data) = &request.post_data else { return Ok(Some(Body::None)) };
        let mime = data.mime_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        let text = data.text.as_deref().unwrap_or_default();
        if text.is_empty() && !data.params.is_empty() {
            if !mime.starts_with("application/x-www-form-urlencoded") {
                self.warnings.push(format!("{place}: left out: the recording lacks the text of its body"));
                return Ok(None);
            }
            let pair = |p: &Param| format!("{}={}", encode(p.name.as_bytes()), encode(p.value.as_bytes()));
            return Ok(Some(Body::Text(data.params.iter().map(pair).collect::<Vec<_>>().join("&"))));
        }
        if !data.encoding.as_deref().is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")) {
            return Ok(Some(Body::of(text.as_bytes().to_vec())));
        }
        match base64::engine::general_purpose::STANDARD.decode(text.trim()) {
            Ok(bytes) => Ok(Some(Body::of(bytes))),
            Err(error) => Err(ImportError::new(place, format!("the base64 of its body: {error}"))),
        }
    }
}

/// Whether it is a part of a page that a cache would hold.
fn is_static(url: &Url, entry: &Entry) -> bool {
    const KINDS: [&str; 6] = ["image", "stylesheet", "script", "font", "media", "manifest"];
    const ENDINGS: [&str; 19] = [
        "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "css", "js", "mjs", "map", "woff",
        "woff2", "ttf", "otf", "eot", "mp4", "webm",
    ];
    if let Some(kind) = &entry.resource_type {
        return KINDS.contains(&kind.as_str());
    }
    let content = entry.response.as_ref().and_then(|response| response.content.as_ref());
    let mime =
        content.and_then(|content| content.mime_type.as_deref()).unwrap_or_default().to_ascii_lowercase();
    let by_mime =
        ["image/", "font/", "video/", "audio/", "text/css"].iter().any(|kind| mime.starts_with(kind));
    let path = url.target.split('?').next().unwrap_or_default();
    let ending = path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map(|(_, ending)| ending);
    by_mime
        || mime.contains("javascript")
        || ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// When a request began and ended, since the epoch.
#[derive(Clone, Copy)]
struct Times {
    start: Nanos,
    end: Nanos,
}

impl Times {
    fn of(entry: &Entry) -> Option<Times> {
        let start = instant(entry.started_date_time.as_deref()?)?;
        let took = entry.time.filter(|ms| ms.is_finite() && *ms > 0.0).unwrap_or(0.0);
        Some(Times { start, end: Nanos(start.0.saturating_add((took * 1e6) as u64)) })
    }
}

/// ISO 8601 with any offset, since the epoch.
fn instant(text: &str) -> Option<Nanos> {
    let at = text.rfind(['Z', 'z', '+', '-']).filter(|at| *at >= 19)?;
    let (local, zone) = text.split_at(at);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let local = local.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos() as i128;
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let offset: i128 = match (zone.as_bytes().first(), digits.len()) {
        (Some(b'Z' | b'z'), _) => 0,
        (Some(sign), 4) => {
            let minutes = digits[..2].parse::<i128>().ok()? * 60 + digits[2..].parse::<i128>().ok()?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    u64::try_from(local - offset * 60_000_000_000).ok().map(Nanos)
}

/// Puts the time between a response and the next request behind each.
fn with_pauses(steps: Vec<(Recorded, Option<Times>)>, think: Think) -> Vec<Recorded> {
    let times: Vec<Option<Times>> = steps.iter().map(|(_, times)| *times).collect();
    let mut requests: Vec<Recorded> = steps.into_iter().map(|(recorded, _)| recorded).collect();
    if think == Think::Drop {
        return requests;
    }
    for (i, pair) in times.windows(2).enumerate() {
        if let [Some(this), Some(next)] = pair {
            let gap = Nanos(next.start.0.saturating_sub(this.end.0));
            if gap >= THINK_MIN {
                requests[i].think = gap;
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_any_offset() {
        let second = |text: &str| instant(text).map(|at| at.0 / 1_000_000);
        assert_eq!(second("1970-01-01T00:00:01.500Z"), Some(1_500));
        assert_eq!(second("1970-01-01T02:00:01+02:00"), Some(1_000));
        assert_eq!(second("1969-12-31T19:00:01.25-0500"), None, "humantime begins in 1970");
        assert_eq!(second("1970-01-01T19:00:01.25-05:00"), Some(86_401_250));
        for bad in ["", "Z", "1970-01-01", "1970-01-01T00:00:01", "1970-01-01T00:00:01+1", "ü+00:00"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
