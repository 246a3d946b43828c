//! A command's URL as curl sends it.

use percent_encoding::utf8_percent_encode;

use crate::http::credentials::split_user_info;
use crate::http::url::Url;
use crate::import::recorded::{NOT_SENT, encode};

/// A URL's parts: where to, and the user that stood in it.
type Target = (Url, Option<String>);

/// What a command does to its URL.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes<'a> {
    /// Goes behind its query.
    pub(super) query: Option<&'a str>,
    /// The path of a file that is sent: its name goes behind a path that ends in a slash.
    pub(super) file: Option<&'a str>,
    /// Dots in its path do not lead up. curl forgets it where something goes behind.
    pub(super) path_as_is: bool,
}

/// Takes `given` apart, and changes it.
///
/// # Errors
/// What no URL is.
pub(super) fn target(given: &str, changes: Changes<'_>) -> Result<Target, String> {
    let whole = with_scheme(given.split('#').next().unwrap_or_default());
    let (whole, user) = split_user_info(&whole);
    let start = whole.find("://").map_or(0, |at| at + 3);
    let end = whole[start..].find(['/', '?']).map_or(whole.len(), |at| start + at);
    let (origin, target) = whole.split_at(end);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut plain = without_dots(path);
    let file = changes.file.filter(|_| plain.is_empty() || plain.ends_with('/'));
    if let Some(file) = file {
        let slash = if plain.is_empty() { "/" } else { "" };
        plain += &format!("{slash}{}", encode(file.rsplit('/').next().unwrap_or_default().as_bytes()));
    }
    let stays = changes.path_as_is && changes.query.is_none() && file.is_none();
    let path = if stays { path.to_owned() } else { plain };
    // An empty one does not survive that either.
    let mut query = query.filter(|query| file.is_none() || !query.is_empty()).map(str::to_owned);
    if let Some(more) = changes.query {
        let mut both = query.unwrap_or_default();
        if !both.is_empty() && !both.ends_with('&') {
            both.push('&');
        }
        both += &lower_escapes(more);
        query = (!both.is_empty()).then_some(both);
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let (scheme, authority) = origin.split_at(start);
    let text = format!("{scheme}{}{}{}", plain_host(authority), sendable(&path), sendable(&query));
    text.parse().map(|url| (url, user)).map_err(|error: crate::http::url::UrlError| error.to_string())
}

/// curl guesses http, and makes two slashes of one or three.
fn with_scheme(url: &str) -> String {
    let name = url.split(['/', '?', ':']).next().unwrap_or_default();
    let behind = url[name.len()..].strip_prefix(':').unwrap_or_default();
    let slashes = behind.len() - behind.trim_start_matches('/').len();
    let known = name.eq_ignore_ascii_case("http") || name.eq_ignore_ascii_case("https");
    if known && (1..=3).contains(&slashes) {
        return format!("{name}://{}", &behind[slashes..]);
    }
    if behind.starts_with("//") { url.to_owned() } else { format!("http://{url}") }
}

/// The host as it is looked up: in its xn-- form, and addresses in theirs. What is none is left to be refused.
fn plain_host(authority: &str) -> String {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, format!(":{port}")),
        _ => (authority, String::new()),
    };
    match url::Host::parse(host) {
        Ok(url::Host::Ipv6(_)) | Err(_) => authority.to_owned(),
        Ok(plain) => format!("{plain}{port}"),
    }
}

/// RFC 3986, 5.2.4; `%2e` is no dot to curl.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." && kept.len() > 1 {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    kept.join("/")
}

/// What cannot stand in a request is percent-encoded, in the digits that curl writes.
fn sendable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let bytes = c.encode_utf8(&mut [0; 4]).to_owned();
        let encoded = utf8_percent_encode(&bytes, NOT_SENT).to_string();
        if encoded == bytes { out.push(c) } else { out += &encoded.to_ascii_lowercase() }
    }
    out
}

/// What curl puts into a URL has its escapes in lower case.
fn lower_escapes(text: &str) -> String {
    let mut bytes = text.to_owned().into_bytes();
    for at in 0..bytes.len() {
        if bytes[at] == b'%'
            && bytes[at + 1..].len() >= 2
            && bytes[at + 1..at + 3].iter().all(u8::is_ascii_hexdigit)
        {
            bytes[at + 1..at + 3].make_ascii_lowercase();
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_sent_as_curl_sends_them() {
        for (given, more, wanted) in [
            ("h", None, "http://h/"),
            ("http:/h/x", None, "http://h/x"),
            ("HTTPS:///h", None, "https://h/"),
            ("localhost:80/x", None, "http://localhost/x"),
            ("http://h/a/./b/../c/..", None, "http://h/a/"),
            ("http://h/../a/b/.", None, "http://h/a/b/"),
            ("http://h//a//../b", None, "http://h//a/b"),
            ("http://h/..", None, "http://h/"),
            ("http://h/a/..b/.c/...", None, "http://h/a/..b/.c/..."),
            ("http://h/a/%2e%2E/b?x=/../y#/..", None, "http://h/a/%2e%2E/b?x=/../y"),
            ("http://h?x", Some("a=1&b"), "http://h/?x&a=1&b"),
            ("http://h/?", Some("a=%2F%zz&"), "http://h/?a=%2f%zz&"),
            ("http://h/?a&", Some("b"), "http://h/?a&b"),
            ("http://h/?a", Some(""), "http://h/?a&"),
            ("http://h/?", Some(""), "http://h/"),
            ("http://h/ü x?ß", None, "http://h/%c3%bc%20x?%c3%9f"),
            ("http://bücher.de:81/", None, "http://xn--bcher-kva.de:81/"),
            ("http://127.1/", None, "http://127.0.0.1/"),
            ("http://[::1]:81/?x=[1]", None, "http://[::1]:81/?x=[1]"),
            ("http://a%20b:c@h/", None, "http://h/"),
        ] {
            let (url, user) = target(given, Changes { query: more, ..Changes::default() })
                .unwrap_or_else(|error| panic!("{given}: {error}"));
            assert_eq!(url.to_string(), wanted, "{given}");
            assert_eq!(user.as_deref(), given.contains('@').then_some("a%20b:c"));
        }
        let plain = Changes::default();
        for (given, wanted) in
            [("h", "/f%20x"), ("h/a/..?q", "/f%20x?q"), ("h/a/", "/a/f%20x"), ("h/a", "/a")]
        {
            let file = Changes { file: Some("d/f x"), path_as_is: true, ..plain };
            assert_eq!(target(given, file).unwrap().0.target, wanted);
        }
        assert_eq!(target("h/a/../b", Changes { path_as_is: true, ..plain }).unwrap().0.target, "/a/../b");
        assert!(target("ftp://h/", plain).unwrap_err().contains("unknown scheme `ftp`"));
        assert!(target("http://h:x/", plain).unwrap_err().contains("`x` is not a port"));
    }
}
