//! `curl` commands, as people write them and as browsers copy them.

use super::recorded::{Body, Recorded, encode, is_connections, sendable};
use super::{ImportError, Imported, shell, writer};
use crate::http::credentials::split_user_info;
use crate::http::url::Url;
use crate::units::{Nanos, parse_duration};

/// Bytes of a command at most.
pub const COMMAND_MAX: usize = 4 << 20;

/// As curl has it.
const REDIRECTS_DEFAULT: u32 = 50;
/// Requests at most.
const COMMANDS_MAX: usize = 10_000;

/// What an option does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Agent,
    Bearer,
    Cookie,
    Data,
    DataBinary,
    DataRaw,
    DataUrlencode,
    Get,
    Head,
    Header,
    Json,
    Location,
    MaxRedirects,
    MaxTime,
    Referer,
    Request,
    Url,
    UrlQuery,
    User,
    /// Changes nothing that a plan knows; takes a value or not.
    Ignored(bool),
    /// Cannot be done; why, or what else to do.
    Refused(&'static str),
}

use Meaning::{Ignored, Refused};

const FORM: &str = "multipart forms are not made here: put the body into a file and give --data-binary @FILE with \
                    its Content-Type";
const AUTH: &str = "only basic and bearer authentication are known";
const OF_RUN: &str = "leave it out here, and give it to `squall run` with the plan";
const PROXY: &str =
    "leave it out here; `squall run` knows HTTP proxies, with --proxy http://USER:PASSWORD@HOST:PORT";
const FILES: &str = "give the options themselves";

/// (letter or NUL, long name, meaning).
const OPTIONS: &[(char, &str, Meaning)] = &[
    ('A', "user-agent", Meaning::Agent),
    ('\0', "oauth2-bearer", Meaning::Bearer),
    ('b', "cookie", Meaning::Cookie),
    ('d', "data", Meaning::Data),
    ('\0', "data-ascii", Meaning::Data),
    ('\0', "data-binary", Meaning::DataBinary),
    ('\0', "data-raw", Meaning::DataRaw),
    ('\0', "data-urlencode", Meaning::DataUrlencode),
    ('G', "get", Meaning::Get),
    ('I', "head", Meaning::Head),
    ('H', "header", Meaning::Header),
    ('\0', "json", Meaning::Json),
    ('L', "location", Meaning::Location),
    ('\0', "location-trusted", Meaning::Location),
    ('\0', "max-redirs", Meaning::MaxRedirects),
    ('m', "max-time", Meaning::MaxTime),
    ('e', "referer", Meaning::Referer),
    ('X', "request", Meaning::Request),
    ('\0', "url", Meaning::Url),
    ('\0', "url-query", Meaning::UrlQuery),
    ('u', "user", Meaning::User),
    ('\0', "basic", Ignored(false)),
    ('\0', "compressed", Ignored(false)),
    ('\0', "connect-timeout", Ignored(true)),
    ('c', "cookie-jar", Ignored(true)),
    ('\0', "create-dirs", Ignored(false)),
    ('D', "dump-header", Ignored(true)),
    ('f', "fail", Ignored(false)),
    ('\0', "fail-with-body", Ignored(false)),
    ('g', "globoff", Ignored(false)),
    ('\0', "http1.1", Ignored(false)),
    ('\0', "http2", Ignored(false)),
    ('\0', "http3", Ignored(false)),
    ('i', "include", Ignored(false)),
    ('\0', "show-headers", Ignored(false)),
    ('k', "insecure", Ignored(false)),
    ('4', "ipv4", Ignored(false)),
    ('6', "ipv6", Ignored(false)),
    ('\0', "keepalive-time", Ignored(true)),
    ('N', "no-buffer", Ignored(false)),
    ('\0', "no-progress-meter", Ignored(false)),
    ('o', "output", Ignored(true)),
    ('\0', "path-as-is", Ignored(false)),
    ('#', "progress-bar", Ignored(false)),
    ('J', "remote-header-name", Ignored(false)),
    ('O', "remote-name", Ignored(false)),
    ('\0', "resolve", Ignored(true)),
    ('\0', "connect-to", Ignored(true)),
    ('\0', "retry", Ignored(true)),
    ('\0', "retry-delay", Ignored(true)),
    ('\0', "retry-max-time", Ignored(true)),
    ('\0', "retry-all-errors", Ignored(false)),
    ('\0', "retry-connrefused", Ignored(false)),
    ('S', "show-error", Ignored(false)),
    ('s', "silent", Ignored(false)),
    ('\0', "stderr", Ignored(true)),
    ('\0', "tcp-nodelay", Ignored(false)),
    ('\0', "tlsv1.2", Ignored(false)),
    ('\0', "tlsv1.3", Ignored(false)),
    ('\0', "trace-ascii", Ignored(true)),
    ('v', "verbose", Ignored(false)),
    ('w', "write-out", Ignored(true)),
    ('F', "form", Refused(FORM)),
    ('\0', "form-string", Refused(FORM)),
    ('\0', "anyauth", Refused(AUTH)),
    ('\0', "aws-sigv4", Refused(AUTH)),
    ('\0', "digest", Refused(AUTH)),
    ('\0', "negotiate", Refused(AUTH)),
    ('\0', "ntlm", Refused(AUTH)),
    ('n', "netrc", Refused(AUTH)),
    ('\0', "cacert", Refused(OF_RUN)),
    ('E', "cert", Refused(OF_RUN)),
    ('\0', "key", Refused(OF_RUN)),
    ('x', "proxy", Refused(OF_RUN)),
    ('U', "proxy-user", Refused(PROXY)),
    ('\0', "socks5", Refused(PROXY)),
    ('\0', "socks5-hostname", Refused(PROXY)),
    ('K', "config", Refused(FILES)),
    ('T', "upload-file", Refused("give --data-binary @FILE with -X PUT")),
    (':', "next", Refused("give each request as a command of its own, with `;` between them")),
    ('r', "range", Refused("give -H 'Range: bytes=FROM-TO'")),
    ('z', "time-cond", Refused("give the header itself")),
    ('\0', "unix-socket", Refused(OF_RUN)),
];

impl Meaning {
    fn takes_value(self) -> bool {
        !matches!(self, Meaning::Get | Meaning::Head | Meaning::Location | Ignored(false) | Refused(_))
    }
}

/// Reads one or several commands, with `;`, `&` or line breaks between them.
///
/// # Errors
/// What is no curl command, or asks for what a plan does not have.
pub fn curl(text: &str) -> Result<Imported, ImportError> {
    if text.len() > COMMAND_MAX {
        return Err(ImportError::new("the command", format!("is longer than {COMMAND_MAX} bytes")));
    }
    let commands = shell::commands(text)?;
    if commands.is_empty() {
        return Err(ImportError::new(
            "the command",
            "is empty: give one such as 'curl http://localhost:8080/'",
        ));
    }
    if commands.len() > COMMANDS_MAX {
        return Err(ImportError::new("the command", format!("there are more than {COMMANDS_MAX} of them")));
    }
    let (mut requests, mut ignored, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let several = commands.len() > 1;
    for (i, words) in commands.iter().enumerate() {
        let place = if several { format!("command {}", i + 1) } else { "the command".into() };
        let mut command = Curl::new(place);
        command.read(words)?;
        for option in std::mem::take(&mut command.ignored) {
            if !ignored.contains(&option) {
                ignored.push(option);
            }
        }
        requests.push(command.finish(&mut warnings)?);
    }
    if !ignored.is_empty() {
        warnings.insert(0, format!("left out, as no plan has it: {}", ignored.join(", ")));
    }
    Ok(writer::write(&requests, "Made by `squall import curl`.", warnings))
}

/// What has been read of one command.
#[derive(Default)]
struct Curl {
    place: String,
    url: Option<String>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    /// Parts of the body, and what stands between them.
    data: Option<String>,
    data_file: Option<String>,
    json: bool,
    query: Vec<String>,
    get: bool,
    head: bool,
    location: bool,
    redirects_max: Option<u32>,
    timeout: Option<Nanos>,
    user: Option<String>,
    bearer: Option<String>,
    ignored: Vec<String>,
}

impl Curl {
    fn new(place: String) -> Curl {
        Curl { place, ..Curl::default() }
    }

    fn fail<T>(&self, what: impl Into<String>) -> Result<T, ImportError> {
        Err(ImportError::new(self.place.as_str(), what))
    }

    fn read(&mut self, words: &[String]) -> Result<(), ImportError> {
        let words = words.strip_prefix(&["$".to_owned()]).unwrap_or(words);
        let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
        if program != "curl" && program != "curl.exe" {
            let first = words.first().map_or("", String::as_str).escape_debug();
            return self.fail(format!(
                "begins with `{first}`, not with `curl`: put a URL with `&` or `;` in it between ' '"
            ));
        }
        let mut words = words[1..].iter();
        let mut only_urls = false;
        while let Some(word) = words.next() {
            if only_urls || !word.starts_with('-') || word == "-" {
                self.set_url(word)?;
            } else if word == "--" {
                only_urls = true;
            } else if let Some(long) = word.strip_prefix("--") {
                let meaning = self.long(long)?;
                let value = if meaning.takes_value() { self.value(word, words.next())? } else { "" };
                self.apply(meaning, word, value)?;
            } else {
                self.letters(&word[1..], &mut words)?;
            }
        }
        Ok(())
    }

    fn value<'w>(&self, option: &str, word: Option<&'w String>) -> Result<&'w str, ImportError> {
        match word {
            Some(word) => Ok(word),
            None => self.fail(format!("`{option}` is the last word, and needs a value behind it")),
        }
    }

    fn long(&self, name: &str) -> Result<Meaning, ImportError> {
        let found = OPTIONS.iter().find(|(_, long, _)| *long == name);
        if let Some((_, _, meaning)) = found {
            return Ok(*meaning);
        }
        let positive =
            name.strip_prefix("no-").and_then(|rest| OPTIONS.iter().find(|(_, long, _)| *long == rest));
        match positive {
            Some((_, _, Ignored(false))) => Ok(Ignored(false)),
            _ => self
                .fail(format!("`--{}` is no option that is known here: leave it out", name.escape_debug())),
        }
    }

    /// `-sSXPOST`: letters, the last of which may have its value behind it.
    fn letters<'w>(
        &mut self,
        letters: &'w str,
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), ImportError> {
        for (at, letter) in letters.char_indices() {
            let option = format!("-{letter}");
            let found = OPTIONS.iter().find(|(short, _, _)| *short == letter && letter != '\0');
            let Some((_, _, meaning)) = found else {
                return self.fail(format!(
                    "`{}` is no option that is known here: leave it out",
                    option.escape_debug()
                ));
            };
            if !meaning.takes_value() {
                self.apply(*meaning, &option, "")?;
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { self.value(&option, words.next())? } else { rest };
            return self.apply(*meaning, &option, value);
        }
        Ok(())
    }

    fn apply(&mut self, meaning: Meaning, option: &str, value: &str) -> Result<(), ImportError> {
        match meaning {
            Meaning::Agent => self.set_header("User-Agent", value),
            Meaning::Bearer => self.bearer = Some(value.into()),
            Meaning::Cookie if value.contains('=') => self.set_header("Cookie", value),
            Meaning::Cookie => {
                return self.fail(format!("`{option} {value}` is a file of cookies: give NAME=VALUE"));
            }
            Meaning::Data | Meaning::DataBinary | Meaning::DataRaw | Meaning::Json => {
                return self.data(meaning, option, value);
            }
            Meaning::DataUrlencode => {
                let encoded = self.urlencode(option, value)?;
                return self.add_data("&", &encoded);
            }
            Meaning::Get => self.get = true,
            Meaning::Head => self.head = true,
            Meaning::Header => return self.header(value),
            Meaning::Location => self.location = true,
            Meaning::MaxRedirects => match value.parse::<i64>() {
                // curl's -1 is no limit.
                Ok(most) => self.redirects_max = Some(u32::try_from(most).unwrap_or(REDIRECTS_DEFAULT)),
                Err(_) => return self.fail(format!("`{option} {value}`: give a whole number")),
            },
            Meaning::MaxTime => match parse_duration(value) {
                Ok(span) => self.timeout = (span > Nanos::ZERO).then_some(span),
                Err(error) => return self.fail(format!("`{option} {value}`: {error}")),
            },
            Meaning::Referer => self.set_header("Referer", value.split(";auto").next().unwrap_or_default()),
            Meaning::Request => self.method = Some(value.into()),
            Meaning::Url => return self.set_url(value),
            Meaning::UrlQuery => {
                let encoded = match value.strip_prefix('+') {
                    Some(raw) => raw.to_owned(),
                    None => self.urlencode(option, value)?,
                };
                self.query.push(encoded);
            }
            Meaning::User => self.user = Some(value.into()),
            Ignored(_) => self.ignored.push(option.into()),
            Refused(why) => return self.fail(format!("`{option}` cannot be imported: {why}")),
        }
        Ok(())
    }

    fn set_url(&mut self, url: &str) -> Result<(), ImportError> {
        match self.url.replace(url.into()) {
            None => Ok(()),
            Some(first) => self.fail(format!(
                "has two URLs, `{}` and `{}`: give each as a command of its own, with `;` between them",
                first.escape_debug(),
                url.escape_debug()
            )),
        }
    }

    fn data(&mut self, meaning: Meaning, option: &str, value: &str) -> Result<(), ImportError> {
        if let Some(path) = value.strip_prefix('@').filter(|_| meaning != Meaning::DataRaw) {
            if meaning == Meaning::Data {
                return self.fail(format!(
                    "`{option} @{path}` takes the line breaks out of the file: give --data-binary @{path}, which \
                     sends it as it is"
                ));
            }
            if path == "-" {
                return self.fail(format!("`{option} @-` reads the standard input: give a file"));
            }
            if self.data.is_some() || self.data_file.replace(path.into()).is_some() {
                return self.fail("has a file and another body: keep one");
            }
            self.json |= meaning == Meaning::Json;
            return Ok(());
        }
        self.json |= meaning == Meaning::Json;
        self.add_data(if meaning == Meaning::Json { "" } else { "&" }, value)
    }

    fn add_data(&mut self, between: &str, value: &str) -> Result<(), ImportError> {
        if self.data_file.is_some() {
            return self.fail("has a file and another body: keep one");
        }
        match &mut self.data {
            None => self.data = Some(value.into()),
            Some(data) => {
                *data += between;
                *data += value;
            }
        }
        Ok(())
    }

    /// `text`, `=text` or `name=text`.
    fn urlencode(&self, option: &str, value: &str) -> Result<String, ImportError> {
        match value.find(['=', '@']) {
            Some(at) if value[at..].starts_with('@') => {
                self.fail(format!("`{option} {value}` reads a file: write what is in it"))
            }
            Some(0) => Ok(encode(&value.as_bytes()[1..])),
            Some(at) => Ok(format!("{}={}", &value[..at], encode(&value.as_bytes()[at + 1..]))),
            None => Ok(encode(value.as_bytes())),
        }
    }

    fn header(&mut self, line: &str) -> Result<(), ImportError> {
        if let Some(file) = line.strip_prefix('@') {
            return self.fail(format!("`-H @{file}` reads a file: give each header"));
        }
        match line.split_once(':') {
            // `Name:` takes away what curl would send by itself.
            Some((_, value)) if value.trim().is_empty() => {}
            Some((name, value)) => self.headers.push((name.trim().into(), value.trim().into())),
            None => match line.strip_suffix(';') {
                Some(name) => self.headers.push((name.into(), String::new())),
                None => {
                    return self
                        .fail(format!("`-H {}` is no header: write NAME: VALUE", line.escape_debug()));
                }
            },
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    fn set_header(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.headers.push((name.into(), value.into()));
        }
    }

    fn default_header(&mut self, name: &str, value: &str) {
        if !self.has(name) {
            self.set_header(name, value);
        }
    }

    fn finish(mut self, warnings: &mut Vec<String>) -> Result<Recorded, ImportError> {
        let Some(given) = self.url.take() else {
            return self.fail("has no URL: give one such as http://localhost:8080/");
        };
        let url = self.target(&given)?;
        self.headers.retain(|(name, _)| {
            // A virtual host is not the connection's affair.
            let dropped = is_connections(name) && !name.eq_ignore_ascii_case("host");
            if dropped {
                warnings.push(format!(
                    "left out: the header `{name}`, which squall sends as it needs it, or not"
                ));
            }
            !dropped
        });
        let body = match (self.data.take().filter(|_| !self.get), self.data_file.take()) {
            (Some(text), _) => Body::of(text.into_bytes()),
            (None, Some(path)) => Body::File(path),
            (None, None) => Body::None,
        };
        if self.json {
            self.default_header("Content-Type", "application/json");
            self.default_header("Accept", "application/json");
        } else if body != Body::None {
            self.default_header("Content-Type", "application/x-www-form-urlencoded");
        }
        self.authorize()?;
        let method = self.method.take().unwrap_or_else(|| {
            let posts = body != Body::None;
            if self.head {
                "HEAD"
            } else if posts {
                "POST"
            } else {
                "GET"
            }
            .into()
        });
        let followed = self.redirects_max.unwrap_or(REDIRECTS_DEFAULT);
        let recorded = Recorded {
            place: self.place,
            method,
            url,
            headers: self.headers,
            body,
            status: None,
            redirects_max: if self.location { followed } else { 0 },
            timeout: self.timeout,
            think: Nanos::ZERO,
        };
        recorded.check()?;
        Ok(recorded)
    }

    /// The URL, with what `-G` and `--url-query` put behind it.
    fn target(&mut self, given: &str) -> Result<Url, ImportError> {
        let (mut url, user) = split_user_info(given.split('#').next().unwrap_or_default());
        if let Some(user) = user {
            self.user.get_or_insert(user);
        }
        if self.get {
            if self.data_file.is_some() {
                return self.fail("`-G` cannot put a file into the URL: write what is in it");
            }
            self.query.splice(0..0, self.data.take());
        }
        for part in std::mem::take(&mut self.query) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url += &part;
        }
        if !url.contains("://") {
            url.insert_str(0, "http://"); // curl's guess
        }
        let url = sendable(&url);
        match url.parse() {
            Ok(url) => Ok(url),
            Err(error) => self.fail(format!("`{}`: {error}", given.escape_debug())),
        }
    }

    fn authorize(&mut self) -> Result<(), ImportError> {
        use base64::Engine;
        if let Some(token) = self.bearer.take() {
            self.default_header("Authorization", &format!("Bearer {token}"));
        } else if let Some(user) = self.user.take() {
            if !user.contains(':') {
                return self.fail(format!("`-u {user}` has no password: give USER:PASSWORD"));
            }
            let encoded = base64::engine::general_purpose::STANDARD.encode(user);
            self.default_header("Authorization", &format!("Basic {encoded}"));
        }
        Ok(())
    }
}
