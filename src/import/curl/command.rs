//! One curl command: what its options add up to, and the requests it sends.

use base64::Engine;

use super::options::Meaning::{self, Refused};
use super::{form, glob, url};
use crate::import::ImportError;
use crate::import::recorded::{Body, Part, Recorded, connection_field, decoded, encode};
use crate::units::{Nanos, parse_duration};

/// As curl has it.
const REDIRECTS_DEFAULT: u32 = 50;
/// What `--compressed` asks for, of a curl that knows all of them.
const CODINGS: &str = "deflate, gzip, br, zstd";
const FORM: &str = "application/x-www-form-urlencoded";

/// What has been read of one command.
#[derive(Default)]
pub(super) struct Curl {
    place: String,
    urls: Vec<String>,
    method: Option<String>,
    /// Those of `-H`.
    headers: Vec<(String, String)>,
    /// What `-H 'Name:'` takes away.
    removed: Vec<String>,
    agent: Option<String>,
    referer: Option<String>,
    cookies: Vec<String>,
    range: Option<String>,
    /// Put together of all that add to it.
    data: Option<Vec<u8>>,
    data_file: Option<String>,
    parts: Vec<Part>,
    /// One for each URL, in order; those that are left have none.
    uploads: Vec<String>,
    /// The option that gave the body.
    body_option: Option<String>,
    json: bool,
    query: Vec<String>,
    request_target: Option<String>,
    get: bool,
    head: bool,
    location: bool,
    compressed: bool,
    globoff: bool,
    path_as_is: bool,
    redirects_max: Option<u32>,
    timeout: Option<Nanos>,
    user: Option<String>,
    bearer: Option<String>,
}

impl Curl {
    pub(super) fn new(place: &str) -> Curl {
        Curl { place: place.into(), ..Curl::default() }
    }

    fn fail<T>(&self, what: impl Into<String>) -> Result<T, ImportError> {
        Err(ImportError::new(self.place.as_str(), what))
    }

    /// Takes one option. `on` is false where it is switched off again.
    pub(super) fn apply(
        &mut self,
        meaning: Meaning,
        on: bool,
        option: &str,
        value: &[u8],
    ) -> Result<(), ImportError> {
        match meaning {
            Meaning::Compressed => self.compressed = on,
            Meaning::Get => self.get = on,
            Meaning::Globoff => self.globoff = on,
            Meaning::Head => self.head = on,
            Meaning::Location => self.location = on,
            Meaning::PathAsIs => self.path_as_is = on,
            Meaning::Data
            | Meaning::DataBinary
            | Meaning::DataRaw
            | Meaning::Json
            | Meaning::DataUrlencode => return self.data(meaning, option, value),
            Refused(_) if !on => {}
            Refused(why) => return self.fail(format!("`{option}` cannot be imported: {why}")),
            _ => return self.apply_text(meaning, option, value),
        }
        Ok(())
    }

    /// Takes an option whose value is text.
    fn apply_text(&mut self, meaning: Meaning, option: &str, value: &[u8]) -> Result<(), ImportError> {
        let Ok(value) = str::from_utf8(value) else {
            return self
                .fail(format!("{} has bytes that are not UTF-8: only a body may have such", quoted(option)));
        };
        match meaning {
            Meaning::Agent => self.agent = Some(value.into()),
            Meaning::Bearer => self.bearer = Some(value.into()),
            Meaning::Cookie if value.contains('=') => self.cookies.push(value.into()),
            Meaning::Cookie if value.is_empty() => {} // It only makes curl keep cookies, as users do.
            Meaning::Cookie => {
                return self.fail(format!("`{option} {value}` is a file of cookies: give NAME=VALUE"));
            }
            Meaning::Form | Meaning::FormString => return self.form(meaning, option, value),
            Meaning::Header => return self.header(option, value),
            Meaning::MaxRedirects => match value.parse::<i64>() {
                // curl's -1 is no limit.
                Ok(most) => self.redirects_max = Some(u32::try_from(most).unwrap_or(REDIRECTS_DEFAULT)),
                Err(_) => return self.fail(format!("`{option} {value}`: give a whole number")),
            },
            Meaning::MaxTime => match parse_duration(value) {
                Ok(span) => self.timeout = (span > Nanos::ZERO).then_some(span),
                Err(error) => return self.fail(format!("`{option} {value}`: {error}")),
            },
            Meaning::Range => self.range = Some(value.into()),
            Meaning::Referer => self.referer = Some(value.split(";auto").next().unwrap_or_default().into()),
            Meaning::Request => self.method = Some(value.into()),
            Meaning::RequestTarget if !value.starts_with('/') => {
                return self.fail(format!(
                    "`{option} {value}`: a plan's requests have paths: give one with `/` first"
                ));
            }
            Meaning::RequestTarget => self.request_target = Some(value.into()),
            Meaning::Upload => return self.upload(option, value),
            Meaning::Url => self.urls.push(value.into()),
            Meaning::UrlQuery => {
                let encoded = match value.strip_prefix('+') {
                    Some(raw) => raw.to_owned(),
                    None => self.urlencode(option, value.as_bytes())?,
                };
                self.query.push(encoded);
            }
            Meaning::User if !value.contains(':') => {
                return self.fail(format!("`{option} {value}` has no password: give USER:PASSWORD"));
            }
            Meaning::User => self.user = Some(value.into()),
            _ => {} // taken before
        }
        Ok(())
    }

    /// Refuses a second body of another kind.
    fn body_from(&mut self, option: &str, has_other: bool) -> Result<(), ImportError> {
        match &self.body_option {
            Some(first) if has_other => {
                self.fail(format!("has two bodies, from `{first}` and `{option}`: keep one"))
            }
            _ => {
                self.body_option = Some(option.into());
                Ok(())
            }
        }
    }

    fn data(&mut self, meaning: Meaning, option: &str, value: &[u8]) -> Result<(), ImportError> {
        self.json |= meaning == Meaning::Json;
        let takes_file = matches!(meaning, Meaning::Data | Meaning::DataBinary | Meaning::Json);
        if let Some(path) = value.strip_prefix(b"@").filter(|_| takes_file) {
            let path = String::from_utf8_lossy(path).into_owned();
            if meaning == Meaning::Data {
                return self.fail(format!(
                    "`{option} @{path}` takes the line breaks out of the file: give --data-binary @{path}, which \
                     sends it as it is"
                ));
            }
            if path == "-" {
                return self.fail(format!("`{option} @-` reads the standard input: give a file"));
            }
            self.body_from(option, true)?;
            self.data_file = Some(path);
            return Ok(());
        }
        self.body_from(option, self.data.is_none())?;
        let encoded;
        let value = if meaning == Meaning::DataUrlencode {
            encoded = self.urlencode(option, value)?;
            encoded.as_bytes()
        } else {
            value
        };
        match &mut self.data {
            None => self.data = Some(value.into()),
            Some(data) => {
                if meaning != Meaning::Json {
                    data.push(b'&');
                }
                data.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// `text`, `=text` or `name=text`.
    fn urlencode(&self, option: &str, value: &[u8]) -> Result<String, ImportError> {
        let plus = |text: &[u8]| encode(text).replace("%20", "+");
        match value.iter().position(|b| matches!(b, b'=' | b'@')) {
            Some(at) if value[at] == b'@' => {
                let value = String::from_utf8_lossy(value);
                self.fail(format!("`{option} {value}` reads a file: write what is in it"))
            }
            Some(0) => Ok(plus(&value[1..])),
            Some(at) => {
                let name = String::from_utf8_lossy(&value[..at]);
                Ok(format!("{name}={}", plus(&value[at + 1..])))
            }
            None => Ok(plus(value)),
        }
    }

    fn form(&mut self, meaning: Meaning, option: &str, value: &str) -> Result<(), ImportError> {
        self.body_from(option, self.parts.is_empty())?;
        let part = if meaning == Meaning::Form { form::part(value) } else { form::literal(value) };
        match part {
            Ok(part) => self.parts.push(part),
            Err(what) => return self.fail(format!("`{option} {}` {what}", value.escape_debug())),
        }
        Ok(())
    }

    fn upload(&mut self, option: &str, path: &str) -> Result<(), ImportError> {
        if path.is_empty() || path == "-" || path == "." {
            return self.fail(format!("`{option} {path}` reads the standard input: give a file"));
        }
        if path.contains(['{', '[']) && !self.globoff {
            return self.fail(format!("`{option} {path}` may stand for several files: give one"));
        }
        self.body_from(option, self.uploads.is_empty())?;
        self.uploads.push(path.into());
        Ok(())
    }

    fn header(&mut self, option: &str, line: &str) -> Result<(), ImportError> {
        if let Some(file) = line.strip_prefix('@') {
            return self.fail(format!("`{option} @{file}` reads a file: give each header"));
        }
        match line.split_once(':') {
            Some((name, value)) if value.trim().is_empty() => self.removed.push(name.trim().into()),
            Some((name, value)) => self.headers.push((name.trim().into(), value.trim().into())),
            None => match line.trim_end().strip_suffix(';') {
                Some(name) => self.headers.push((name.trim().into(), String::new())),
                None => {
                    let line = line.escape_debug();
                    return self.fail(format!("`{option} {line}` is no header: write NAME: VALUE"));
                }
            },
        }
        Ok(())
    }

    /// Whether `-H` says something of a field that curl would make.
    fn is_decided(&self, name: &str) -> bool {
        let mut given = self.headers.iter().map(|(name, _)| name).chain(&self.removed);
        given.any(|given| given.eq_ignore_ascii_case(name))
    }

    /// Whether `-H` takes it away.
    fn is_removed(&self, name: &str) -> bool {
        self.removed.iter().any(|removed| removed.eq_ignore_ascii_case(name))
    }

    /// All requests, one for each URL that it gives or stands for; at most so many.
    pub(super) fn finish(
        mut self,
        room: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Recorded>, ImportError> {
        if self.urls.is_empty() {
            return self.fail("has no URL: give one such as http://localhost:8080/");
        }
        if self.get {
            if let (Some(option), true) = (&self.body_option, self.data_file.is_some()) {
                return self.fail(format!("`{option}` cannot put a file into the URL: write what is in it"));
            }
            // curl does not use both.
            if let Some(data) = self.data.take() {
                let Ok(data) = String::from_utf8(data) else {
                    return self.fail("has bytes for the URL that are not UTF-8: percent-encode them");
                };
                self.query = vec![data];
            }
        } else if let (Some(option), true) = (&self.body_option, self.head) {
            return self.fail(format!("asks for HEAD, and has a body from `{option}`: leave one out"));
        }
        if let (Some(option), true) = (&self.body_option, self.uploads.len() > self.urls.len()) {
            return self.fail(format!("has more files from `{option}` than URLs: give a URL for each"));
        }
        let query = (!self.query.is_empty()).then(|| self.query.join("&"));
        let mut requests = Vec::new();
        for (i, given) in std::mem::take(&mut self.urls).into_iter().enumerate() {
            let upload = self.uploads.get(i).map(String::as_str);
            let all = if self.globoff { Ok(vec![given.clone()]) } else { glob::expand(&given, room) };
            let all = all.or_else(|what| {
                self.fail(format!("the URL `{}`: {what} (-g takes it as it is)", given.escape_debug()))
            })?;
            if requests.len() + all.len() > room {
                return self.fail("has more requests than a plan may have: give fewer");
            }
            for url in all {
                requests.push(self.request(&url, upload, query.as_deref(), warnings)?);
            }
        }
        Ok(requests)
    }

    fn request(
        &self,
        given: &str,
        upload: Option<&str>,
        query: Option<&str>,
        warnings: &mut Vec<String>,
    ) -> Result<Recorded, ImportError> {
        let changes = url::Changes { query, file: upload, path_as_is: self.path_as_is };
        let target = url::target(given, changes);
        let (mut url, user) =
            target.or_else(|error| self.fail(format!("the URL `{}`: {error}", given.escape_debug())))?;
        if let Some(target) = &self.request_target {
            url.target.clone_from(target);
        }
        let body = self.body(upload);
        let method = match &self.method {
            Some(method) => method.as_str(),
            None if self.head => "HEAD",
            None if upload.is_some() => "PUT",
            None if body != Body::None => "POST",
            None => "GET",
        };
        let recorded = Recorded {
            place: self.place.clone(),
            method: method.into(),
            url,
            headers: self.fields(user, &body, warnings)?,
            body,
            status: None,
            redirects_max: if self.location { self.redirects_max.unwrap_or(REDIRECTS_DEFAULT) } else { 0 },
            timeout: self.timeout,
            think: Nanos::ZERO,
        };
        recorded.check()?;
        Ok(recorded)
    }

    fn body(&self, upload: Option<&str>) -> Body {
        if !self.parts.is_empty() {
            return Body::Form(self.parts.clone());
        }
        match (&self.data, self.data_file.as_deref().or(upload)) {
            (Some(data), _) => Body::of(data.clone()),
            (None, Some(path)) => Body::File(path.into()),
            (None, None) => Body::None,
        }
    }

    /// The fields in curl's order: its own, those of `-H`, and what it says of the body.
    fn fields(
        &self,
        url_user: Option<String>,
        body: &Body,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(String, String)>, ImportError> {
        let mut fields = Vec::new();
        let mut own = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|_| !self.is_decided(name)) {
                fields.push((name.to_owned(), value));
            }
        };
        own("Authorization", self.authorization(url_user));
        let has_body = *body != Body::None;
        own("Range", self.range.as_ref().filter(|_| !has_body).map(|range| format!("bytes={range}")));
        own("User-Agent", self.agent.clone());
        own("Accept-Encoding", self.compressed.then(|| CODINGS.into()));
        own("Referer", self.referer.clone().filter(|referer| !referer.is_empty()));
        own("Cookie", (!self.cookies.is_empty()).then(|| self.cookies.join(";")));
        if self.is_removed("User-Agent")
            && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
        {
            // In a plan, none has to be asked for.
            fields.push(("User-Agent".into(), String::new()));
        }
        for (name, value) in &self.headers {
            let is_host = name.eq_ignore_ascii_case("host");
            match connection_field(name, value) {
                // curl takes the first.
                None if is_host && fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) => {}
                None => fields.push((name.clone(), value.clone())),
                Some(why) => {
                    let warning = format!("{}: left out: the header `{name}`: {why}", self.place);
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
        self.warn_of_removed(has_body, warnings);
        let mut own = |name: &str, value: &str| {
            if !self.is_decided(name) {
                fields.push((name.to_owned(), value.to_owned()));
            }
        };
        if self.json {
            own("Content-Type", "application/json");
            own("Accept", "application/json");
        } else if self.uploads.is_empty() && !matches!(body, Body::None | Body::Form(_)) {
            own("Content-Type", FORM);
        } else if matches!(body, Body::Form(_)) {
            let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
            // curl writes it where it writes its own.
            let given: Vec<_> = fields.extract_if(.., |field| is_type(field)).take(1).collect();
            fields.retain(|field| !is_type(field));
            let fits =
                |value: &str| value.trim_start().to_ascii_lowercase().starts_with("multipart/form-data");
            if let Some((_, value)) = given.iter().find(|(_, value)| !fits(value)) {
                return self.fail(format!(
                    "has a multipart form and the Content-Type `{}`: leave that out",
                    value.escape_debug()
                ));
            }
            fields.extend(given);
        }
        Ok(fields)
    }

    /// Says what `-H 'Name:'` cannot take away.
    fn warn_of_removed(&self, has_body: bool, warnings: &mut Vec<String>) {
        for (name, why) in [
            ("Host", "HTTP/1.1 needs it (RFC 9112, 3.2)"),
            ("Content-Length", "a body needs it, or chunks, which squall does not send"),
        ] {
            if self.is_removed(name) && (name == "Host" || has_body) {
                warnings.push(format!("{}: the header `{name}` is sent all the same: {why}", self.place));
            }
        }
    }

    /// The value of Authorization; what an option says comes before what the URL does.
    fn authorization(&self, url_user: Option<String>) -> Option<String> {
        if let Some(token) = &self.bearer {
            return Some(format!("Bearer {token}"));
        }
        let user = match (&self.user, url_user) {
            (Some(user), _) => user.clone().into_bytes(),
            (None, user) => credentials(&user?),
        };
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user)))
    }
}

/// `user:password` of a URL, decoded; without a password it is empty.
fn credentials(user: &str) -> Vec<u8> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    [decoded(user), b":".to_vec(), decoded(password)].concat()
}

/// An option in a message; the URL has no name.
fn quoted(option: &str) -> String {
    if option.starts_with('-') { format!("`{option}`") } else { option.to_owned() }
}
