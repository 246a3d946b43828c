//! URLs as k6 reads and shows them, which is as Go's net/url does (RFC 3986): paths that are no valid ones are encoded, queries stay as they
//! are, and messages are Go's.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use crate::http::credentials;
use crate::http::url::{Scheme, Url};
use crate::script::errors::{BLOCKED, DIAL, NO_URL, OTHER};

/// A URL that a request can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where it goes. Its target is what is sent, which a query can make one that no server takes.
    pub url: Url,
    /// `Host`, unless a script gives one: host and port as they were written.
    pub authority: String,
    /// What `res.url` has: the whole of it, with user name, password and fragment.
    pub text: String,
    /// The tags `name` and `url`: user name and password are `****`.
    pub tag: String,
    /// `user:password`, percent-encoded, for Basic authentication.
    pub user: Option<String>,
}

impl Address {
    /// The value of Authorization that stands for the user in it.
    pub fn authorization(&self) -> Option<String> {
        self.user.as_deref().and_then(|user| credentials::basic(user).ok())
    }

    /// Without user name and password: what Referer has.
    pub fn referer(&self) -> String {
        match self.user {
            Some(_) => credentials::split_user_info(&self.text).0,
            None => self.text.clone(),
        }
    }
}

/// Why nothing is sent to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `res.error`.
    pub text: String,
    /// k6's error code.
    pub code: u32,
    /// The URL as the tags have it, where it is one, to which nothing can be sent: k6 counts a failed request then. `None`: it counts none.
    pub tag: Option<String>,
}

impl Refusal {
    /// The options block the host of `to`.
    pub fn blocked(to: &Address) -> Refusal {
        Refusal { text: "hostname is blocked".into(), code: BLOCKED, tag: Some(to.tag.clone()) }
    }
}

/// Reads a URL, or says why none can be sent to it.
///
/// # Errors
/// k6's message, its code, and whether a request counts as failed.
pub fn parse(given: &str) -> Result<Address, Refusal> {
    let parts = Parts::parse(given).map_err(|error| Refusal {
        text: format!("invalid URL: {error}"),
        code: NO_URL,
        tag: None,
    })?;
    parts.address()
}

/// Why it is no URL, in Go's words; `None` where it is one, relative ones among them.
pub fn fault(given: &str) -> Option<String> {
    Parts::parse(given).err()
}

/// Whether it names a scheme, and so a host of its own.
pub fn is_absolute(given: &str) -> bool {
    Parts::parse(given).is_ok_and(|parts| !parts.scheme.is_empty())
}

/// The fragment as it is shown, where there is one.
pub fn fragment(given: &str) -> Option<String> {
    Parts::parse(given).ok()?.fragment
}

/// A URL in its parts, each as it is shown.
#[derive(Debug, Default)]
struct Parts {
    scheme: String,
    /// What follows a scheme without a slash.
    opaque: Option<String>,
    user: Option<User>,
    /// With its port.
    host: Option<String>,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

#[derive(Debug)]
struct User {
    name: String,
    password: Option<String>,
}

impl Parts {
    fn parse(given: &str) -> Result<Parts, String> {
        let (url, fragment) = given.split_once('#').map_or((given, None), |(url, rest)| (url, Some(rest)));
        let mut parts = Parts::without_fragment(url).map_err(|e| format!("parse {}: {e}", quoted(url)))?;
        if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
            check_escapes(fragment).map_err(|e| format!("parse {}: {e}", quoted(given)))?;
            parts.fragment = Some(Part::Fragment.shown(fragment));
        }
        Ok(parts)
    }

    fn without_fragment(url: &str) -> Result<Parts, String> {
        if url.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err("net/url: invalid control character in URL".into());
        }
        let (scheme, rest) = scheme(url)?;
        let mut parts = Parts { scheme: scheme.to_ascii_lowercase(), ..Parts::default() };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        parts.query = query.map(str::to_owned);
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                parts.opaque = Some(rest.to_owned());
                return Ok(parts);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".into());
            }
        }
        let has_authority = !scheme.is_empty() || !rest.starts_with("///");
        let path = match rest.strip_prefix("//").filter(|_| has_authority) {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let (user, host) =
                    authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
                check_host(host)?;
                parts.host = Some(host.to_owned());
                parts.user = user.map(read_user).transpose()?;
                path
            }
            None => rest,
        };
        check_escapes(path)?;
        parts.path = Part::Path.shown(path);
        Ok(parts)
    }

    /// As a whole; the user as `user` has it.
    fn shown(&self, user: Option<&str>) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            let _ = write!(out, "{}:", self.scheme);
        }
        let host = self.host.as_deref().unwrap_or_default();
        match &self.opaque {
            Some(opaque) => out += opaque,
            None => {
                if self.host.is_some() && (!host.is_empty() || !self.path.is_empty() || user.is_some()) {
                    out += "//";
                }
                if let Some(user) = user {
                    let _ = write!(out, "{user}@");
                }
                out += &Part::Host.shown(host);
                out += &self.path;
            }
        }
        if let Some(query) = &self.query {
            let _ = write!(out, "?{query}");
        }
        if let Some(fragment) = &self.fragment {
            let _ = write!(out, "#{fragment}");
        }
        out
    }

    fn address(self) -> Result<Address, Refusal> {
        let user = self.user.as_ref().map(|user| match &user.password {
            Some(password) => format!("{}:{password}", user.name),
            None => user.name.clone(),
        });
        let masked = self.user.as_ref().map(|user| match user.password {
            Some(_) => "****:****",
            None => "****",
        });
        let (text, tag) = (self.shown(user.as_deref()), self.shown(masked));
        let refused = |text: String, code| Refusal { text, code, tag: Some(tag.clone()) };
        let scheme = match self.scheme.as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(refused(format!("unsupported protocol scheme {}", quoted(other)), OTHER)),
        };
        let Some(authority) = self.host.filter(|host| !host.is_empty()) else {
            return Err(refused("http: no Host in request URL".into(), OTHER));
        };
        let (host, port) = split_port(&authority);
        let port = match port {
            "" => Ok(scheme.default_port()),
            port => {
                port.parse().map_err(|_| refused(format!("dial tcp: address {port}: invalid port"), DIAL))
            }
        }?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = lookup_name(host).to_ascii_lowercase();
        let path = if self.path.is_empty() { "/" } else { &self.path };
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = Url { scheme, host, port, target: format!("{path}{query}") };
        Ok(Address { url, authority: lookup_name(&authority).into_owned(), text, tag, user })
    }
}

/// Names in other scripts are asked for, and sent, in their `xn--` form; a zone's `%25` is a `%`.
fn lookup_name(host: &str) -> std::borrow::Cow<'_, str> {
    if host.contains("%25") {
        return host.replacen("%25", "%", 1).into();
    }
    if host.is_ascii() {
        return host.into();
    }
    let (name, port) = split_port(host);
    let colon = if name.len() < host.len() { ":" } else { "" };
    match url::Host::parse(name) {
        Ok(name) => format!("{name}{colon}{port}").into(),
        Err(_) => host.into(),
    }
}

/// Host and digits behind its last colon, which is none of an address in brackets.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    }
}

/// Scheme and what follows its colon.
fn scheme(url: &str) -> Result<(&str, &str), String> {
    for (at, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".into()),
            ':' => return Ok((&url[..at], &url[at + 1..])),
            _ => break,
        }
    }
    Ok(("", url))
}

fn read_user(given: &str) -> Result<User, String> {
    if !given.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b)) {
        return Err("net/url: invalid userinfo".into());
    }
    check_escapes(given)?;
    let shown = |text: &str| Part::User.encoded(text);
    Ok(match given.split_once(':') {
        Some((name, password)) => User { name: shown(name), password: Some(shown(password)) },
        None => User { name: shown(given), password: None },
    })
}

fn check_host(host: &str) -> Result<(), String> {
    let invalid_port = |port: &str| format!("invalid port {} after host", quoted(port));
    let is_port = |port: &str| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    };
    if host.starts_with('[') {
        let end = host.rfind(']').ok_or("missing ']' in host")?;
        if !is_port(&host[end + 1..]) {
            return Err(invalid_port(&host[end + 1..]));
        }
        if let Some(zone) = host[..end].find("%25") {
            check_name(&host[..zone])?;
            return check_escapes(&host[zone..end]);
        }
    } else if let Some(colon) = host.rfind(':')
        && !is_port(&host[colon..])
    {
        return Err(invalid_port(&host[colon..]));
    }
    check_name(host)
}

/// In a host only what is beyond ASCII may be percent-encoded.
fn check_name(host: &str) -> Result<(), String> {
    check_escapes(host)?;
    for (at, c) in host.char_indices() {
        if c == '%' && matches!(host.as_bytes()[at + 1], b'0'..=b'7') {
            return Err(format!("invalid URL escape {}", quoted(&host[at..at + 3])));
        }
        if c.is_ascii() && c != '%' && !Part::Host.keeps(c as u8) {
            return Err(format!("invalid character {} in host name", quoted(&c.to_string())));
        }
    }
    Ok(())
}

/// Each `%` is followed by two hex digits.
fn check_escapes(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    for at in (0..bytes.len()).filter(|&at| bytes[at] == b'%') {
        let digits = bytes.get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let shown = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 3)]).into_owned();
            return Err(format!("invalid URL escape {}", quoted(&shown)));
        }
    }
    Ok(())
}

/// A part of a URL, whose characters have rules of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    User,
    Path,
    Fragment,
}

impl Part {
    /// Whether a byte is never encoded here.
    fn keeps(self, byte: u8) -> bool {
        let own: &[u8] = match self {
            Part::Host => b"!$&'()*+,;=:[]<>\"",
            Part::User => b"$&+,;=",
            Part::Path => b"$&+,/:;=@",
            Part::Fragment => b"$&+,/:;=?@!()*",
        };
        byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || own.contains(&byte)
    }

    /// As it was given, where it is valid as it is; else decoded and encoded anew.
    fn shown(self, given: &str) -> String {
        let also: &[u8] = match self {
            Part::Path | Part::Fragment => b"!'()*[]%",
            _ => b"%",
        };
        if given.bytes().all(|byte| self.keeps(byte) || also.contains(&byte)) {
            return given.to_owned();
        }
        self.encoded(given)
    }

    fn encoded(self, given: &str) -> String {
        let mut out = String::with_capacity(given.len());
        for byte in percent_decode_str(given) {
            if self.keeps(byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    }
}

/// In quotation marks, as Go's `%q` has it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", c as u8);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
