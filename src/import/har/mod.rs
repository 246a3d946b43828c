//! HAR 1.2, the recordings of browsers and proxies.

mod body;
mod fields;
mod time;

use base64::Engine;

use self::fields::{Entry, Field, Maybe, Pair, Request, Response};
use self::time::{Times, pauses};
use super::recorded::{Recorded, check_field, check_method, connection_field, decoded, encode, sendable};
use super::{ImportError, Imported, writer};
use crate::escapes::without_halves;
use crate::http::credentials::split_user_info;
use crate::http::url::Url;
use crate::units::Nanos;

/// Bytes of a recording at most. They hold responses, too.
pub const FILE_MAX: u64 = 512 << 20;

/// Requests at most.
const ENTRIES_MAX: usize = 10_000;
/// Reasons in a message at most.
const REASONS_MAX: usize = 3;

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

/// Reads a recording. `name` is for messages and the plan's first line. Entries that cannot be sent are left out, which is
/// said.
///
/// # Errors
/// What is no HAR; nothing left to do.
pub fn har(name: &str, bytes: &[u8], options: &HarOptions) -> Result<Imported, ImportError> {
    if bytes.len() as u64 > FILE_MAX {
        return Err(ImportError::new(name, format!("is longer than {FILE_MAX} bytes")));
    }
    // The specification allows a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let file: fields::File = serde_json::from_slice(&without_halves(text.as_bytes())).map_err(|error| {
        let place = format!("{name}:{}:{}", error.line(), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        ImportError::new(place, format!("this is no HAR: {what}"))
    })?;
    let all = file.log.entries.len();
    let mut reading = Reading { name, options, set_cookies: Vec::new(), warnings: Vec::new() };
    let (mut others, mut statics) = (Vec::new(), Vec::new());
    let (mut steps, mut times) = (Vec::new(), Vec::new());
    for (number, entry) in in_order(file.log.entries) {
        match reading.entry(number, &entry) {
            Ok(recorded) => {
                steps.push(recorded);
                times.push(Times::of(&entry));
            }
            Err(Left::OtherHost) => others.push(number.to_string()),
            Err(Left::Static) => statics.push(number.to_string()),
            Err(Left::Because(why)) => reading.warn(number, &entry, &format!("{why}; left out")),
        }
        if steps.len() > ENTRIES_MAX {
            return Err(ImportError::new(
                name,
                format!("has more than {ENTRIES_MAX} requests: record fewer"),
            ));
        }
    }
    for (option, left) in [("--only-host", others), ("--no-static", statics)] {
        if !left.is_empty() {
            let word = if left.len() == 1 { "entry" } else { "entries" };
            let left = left.join(", ");
            reading.warnings.push(format!("{name}: {word} {left}: left out, as {option} asks"));
        }
    }
    if steps.is_empty() {
        let mut what = format!("none of its {all} entries is left to be imported");
        for (i, warning) in reading.warnings.iter().take(REASONS_MAX).enumerate() {
            what += &format!("{} {warning}", if i == 0 { ":" } else { ";" });
        }
        return Err(ImportError::new(name, what));
    }
    if options.think == Think::Keep {
        for (step, pause) in steps.iter_mut().zip(pauses(&times)) {
            step.think = pause;
        }
    }
    let source = format!("Made by `squall import har` from {name}.");
    Ok(writer::write(&steps, &source, reading.warnings))
}

/// The entries with their numbers in the file, in the order in which they were sent. One without its time stays behind the one before it.
fn in_order(entries: Vec<Maybe<Entry>>) -> Vec<(usize, Entry)> {
    let mut last = Nanos::ZERO;
    let timed = entries.into_iter().enumerate().map(|(i, Maybe(entry))| {
        let entry = entry.unwrap_or_default();
        last = Times::of(&entry).map_or(last, |times| times.start);
        (last, i + 1, entry)
    });
    let mut timed: Vec<_> = timed.collect();
    timed.sort_by_key(|(start, ..)| *start);
    timed.into_iter().map(|(_, number, entry)| (number, entry)).collect()
}

/// A word of the file, short enough for a message.
fn brief(text: &Field) -> String {
    let Some(text) = text.text() else { return "?".into() };
    // Queries and user information may hold secrets.
    let (text, _) = split_user_info(text.split(['?', '#']).next().unwrap_or_default());
    text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Why an entry is left out.
enum Left {
    OtherHost,
    Static,
    Because(String),
}

impl From<String> for Left {
    fn from(why: String) -> Left {
        Left::Because(why)
    }
}

impl From<&str> for Left {
    fn from(why: &str) -> Left {
        Left::Because(why.into())
    }
}

struct Reading<'a> {
    name: &'a str,
    options: &'a HarOptions,
    /// Names of the cookies that responses have set so far: users are given their own.
    set_cookies: Vec<String>,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn place(&self, number: usize, entry: &Entry) -> String {
        let words = match &entry.request.0 {
            Some(request) => format!(" ({} {})", brief(&request.method), brief(&request.url)),
            None => String::new(),
        };
        format!("{}: entry {number}{words}", self.name)
    }

    fn warn(&mut self, number: usize, entry: &Entry, what: &str) {
        let place = self.place(number, entry);
        self.warnings.push(format!("{place}: {what}"));
    }

    fn entry(&mut self, number: usize, entry: &Entry) -> Result<Recorded, Left> {
        let recorded = self.recorded(number, entry);
        for Pair { name, value } in entry.response.0.iter().flat_map(|response| &response.headers.items) {
            if let (Some("set-cookie"), Some(value)) =
                (name.text().map(str::to_ascii_lowercase).as_deref(), value.text())
            {
                // Some write all of a response's into one, with line breaks between them.
                for line in value.lines() {
                    let name = line.split('=').next().unwrap_or_default().trim().to_owned();
                    if !self.set_cookies.contains(&name) {
                        self.set_cookies.push(name);
                    }
                }
            }
        }
        recorded
    }

    fn recorded(&mut self, number: usize, entry: &Entry) -> Result<Recorded, Left> {
        let Some(request) = &entry.request.0 else { return Err("it has no request".into()) };
        let Some(method) = request.method.text() else { return Err("its request has no method".into()) };
        let Some(given) = request.url.text() else { return Err("its request has no URL".into()) };
        let (url, user) = url_of(given, request)?;
        let wanted = self.options;
        if !is_of(&url, &wanted.only_hosts) {
            return Err(Left::OtherHost);
        }
        if wanted.no_static && is_static(&url, entry) {
            return Err(Left::Static);
        }
        let response = entry.response.0.as_ref();
        let status = response.and_then(|response| response.status.number()).map(|status| status as i64);
        is_plain_exchange(entry, request, status)?;
        check_method(method)?;
        let (mut headers, notes) = self.headers(request, &url);
        let mut notes: Vec<String> = notes;
        let lists = [
            ("headers", &request.headers),
            ("cookies", &request.cookies),
            ("queryString", &request.query_string),
        ];
        let others = lists.into_iter().filter(|(_, list)| list.is_none);
        notes.extend(others.map(|(name, _)| format!("`{name}` is no list; skipped")));
        let of_header = |name: &str| {
            let found =
                headers.iter().position(|(given, _): &(String, String)| given.eq_ignore_ascii_case(name));
            found.map(|at| headers[at].1.clone())
        };
        let content_type = of_header("content-type");
        let found = match &request.post_data.0 {
            Some(data) => body::body(data, content_type.as_deref(), recorded_length(request))?,
            None => body::Found::default(),
        };
        notes.extend(found.warnings);
        if let Some(kind) = found.content_type {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            headers.push(("Content-Type".into(), kind));
        }
        if let Some(user) = user
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            let encoded = base64::engine::general_purpose::STANDARD.encode(decoded(&user));
            headers.push(("Authorization".into(), format!("Basic {encoded}")));
        }
        notes.iter().for_each(|note| self.warn(number, entry, note));
        let recorded = Recorded {
            place: self.place(number, entry),
            method: method.to_owned(),
            url,
            headers,
            body: found.body,
            status: status.and_then(|status| u16::try_from(status).ok()).filter(|status| *status <= 599),
            redirects_max: 0, // each hop is an entry of its own
            timeout: None,
            think: Nanos::ZERO,
        };
        recorded.check().map_err(|error| Left::Because(error.what))?;
        Ok(recorded)
    }

    /// The fields, and what was skipped of them.
    fn headers(&self, request: &Request, url: &Url) -> (Vec<(String, String)>, Vec<String>) {
        let (mut headers, mut notes) = (Vec::<(String, String)>::new(), Vec::new());
        let mut cookies: Option<(usize, Vec<String>)> = None;
        for pair in &request.headers.items {
            let Some(name) = pair.name.text() else {
                notes.push("a header has no name; skipped".into());
                continue;
            };
            if name.starts_with(':') {
                continue; // HTTP/2's, whatever it holds
            }
            let Some(value) = pair.value.text() else {
                let why = pair.value.instead_of_text();
                notes.push(format!("the header `{}` {why}; skipped", name.escape_debug()));
                continue;
            };
            let is_host = name.eq_ignore_ascii_case("host");
            let own_host = is_host && value.trim().eq_ignore_ascii_case(&url.authority());
            let second_host = is_host && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
            let usual =
                name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("keep-alive");
            if connection_field(name, value).is_some() || own_host || second_host || usual {
                continue;
            }
            if let Err(why) = check_field(name, value) {
                notes.push(format!("{why}; skipped"));
            } else if name.eq_ignore_ascii_case("cookie") {
                let at = headers.len();
                cookies.get_or_insert_with(|| (at, Vec::new())).1.extend(self.own_cookies(value));
                if cookies.as_ref().is_some_and(|(first, _)| *first == at) {
                    headers.push((name.to_owned(), String::new()));
                }
            } else {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        match cookies {
            Some((at, own)) if own.is_empty() => _ = headers.remove(at),
            Some((at, own)) => headers[at].1 = own.join("; "),
            None => headers.extend(self.cookie_field(request)),
        }
        (headers, notes)
    }

    /// Cookies that no response of the recording has set.
    fn own_cookies(&self, value: &str) -> Vec<String> {
        let own = value.split(';').map(str::trim).filter(|cookie| {
            let name = cookie.split('=').next().unwrap_or_default().trim();
            !cookie.is_empty() && !self.set_cookies.iter().any(|set| set == name)
        });
        own.map(str::to_owned).collect()
    }

    /// Where there is no Cookie among the headers, what the list of cookies says.
    fn cookie_field(&self, request: &Request) -> Option<(String, String)> {
        let pairs = request.cookies.items.iter().filter_map(|pair| {
            let cookie = format!("{}={}", pair.name.text()?, pair.value.text()?);
            check_field("Cookie", &cookie).is_ok().then_some(cookie)
        });
        let own = self.own_cookies(&pairs.collect::<Vec<_>>().join("; "));
        (!own.is_empty()).then(|| ("Cookie".into(), own.join("; ")))
    }
}

/// The URL, with the query of its own list where it has none, and the user in it.
fn url_of(given: &str, request: &Request) -> Result<(Url, Option<String>), Left> {
    let scheme = given.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "https" => {}
        "ws" | "wss" => return Err("it is a WebSocket, which squall does not speak".into()),
        _ => return Err("it is not HTTP".into()),
    }
    let (url, user) = split_user_info(given.split('#').next().unwrap_or_default());
    let mut url = sendable(&url);
    let part = |field: &Field| encode(field.text().unwrap_or_default().as_bytes());
    if !url.contains('?') && !request.query_string.items.is_empty() {
        let pairs =
            request.query_string.items.iter().map(|p| format!("{}={}", part(&p.name), part(&p.value)));
        url = format!("{url}?{}", pairs.collect::<Vec<_>>().join("&"));
    }
    let url = url.parse::<Url>().map_err(|error| Left::Because(error.to_string()))?;
    Ok((url, user))
}

/// Leaves out what is no request with one response that ends.
fn is_plain_exchange(entry: &Entry, request: &Request, status: Option<i64>) -> Result<(), Left> {
    let kind = entry.resource_type.text().unwrap_or_default();
    let asks = |wanted: &str, for_what: &str| {
        request.headers.items.iter().any(|pair| {
            let is = |field: &Field, text: &str| {
                field.text().is_some_and(|own| own.trim().eq_ignore_ascii_case(text))
            };
            is(&pair.name, wanted) && is(&pair.value, for_what)
        })
    };
    let socket = kind == "websocket" || entry.messages != Field::Missing || asks("upgrade", "websocket");
    if socket || status == Some(101) {
        return Err("it is a WebSocket, which squall does not speak".into());
    }
    if kind == "eventsource" || response_type(entry).starts_with("text/event-stream") {
        return Err("its response is a stream of events, which has no end".into());
    }
    if status.is_some_and(|status| status <= 0) {
        return Err("it had no response (blocked, or cut off)".into());
    }
    Ok(())
}

/// What Content-Length says of a body that stands as it was sent.
fn recorded_length(request: &Request) -> Option<u64> {
    let field = |name: &str| {
        let named = |pair: &&Pair| pair.name.text().is_some_and(|own| own.eq_ignore_ascii_case(name));
        request.headers.items.iter().find(named).and_then(|pair| pair.value.text())
    };
    field("content-length").filter(|_| field("content-encoding").is_none())?.trim().parse().ok()
}

fn is_of(url: &Url, hosts: &[String]) -> bool {
    let with_port = format!("{}:{}", url.host, url.port);
    let named = |host: &String| {
        [&url.host, &url.authority(), &with_port].iter().any(|own| own.eq_ignore_ascii_case(host))
    };
    hosts.is_empty() || hosts.iter().any(named)
}

fn response_type(entry: &Entry) -> String {
    let content = entry.response.0.as_ref().and_then(|Response { content, .. }| content.0.as_ref());
    content.and_then(|content| content.mime_type.text()).unwrap_or_default().to_ascii_lowercase()
}

/// Whether it is a part of a page that a cache would hold.
fn is_static(url: &Url, entry: &Entry) -> bool {
    const KINDS: [&str; 6] = ["image", "stylesheet", "script", "font", "media", "manifest"];
    const ENDINGS: [&str; 19] = [
        "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "css", "js", "mjs", "map", "woff",
        "woff2", "ttf", "otf", "eot", "mp4", "webm",
    ];
    if let Some(kind) = entry.resource_type.text() {
        return KINDS.contains(&kind);
    }
    let mime = response_type(entry);
    let by_mime =
        ["image/", "font/", "video/", "audio/", "text/css"].iter().any(|kind| mime.starts_with(kind));
    let path = url.target.split('?').next().unwrap_or_default();
    let ending = path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map(|(_, ending)| ending);
    by_mime
        || mime.contains("javascript")
        || ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
