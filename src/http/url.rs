//! The target: an absolute `http` or `https` URL (RFC 3986; RFC 9110, 4.2), checked once.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// How the target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// In lower case, as in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// A parsed URL. Every part is fit to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// Scheme.
    pub scheme: Scheme,
    /// Name or address in lower case; an IPv6 address without its brackets, with its zone behind a `%` if it has one (RFC 6874).
    pub host: String,
    /// 1 to 65535; the scheme's default where the URL has none.
    pub port: u16,
    /// Path and query in visible ASCII; starts with `/`. Sent as given, not normalised.
    pub target: String,
}

/// Why a URL cannot be used. The messages say what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Nothing was given.
    #[error("the URL is empty: give one such as http://localhost:8080/")]
    Empty,
    /// No `scheme://`.
    #[error("`{0}` has no scheme: write http://{0}")]
    MissingScheme(String),
    /// `http:` without `//`.
    #[error("`{0}` lacks `//` after the scheme: write {1}")]
    MissingSlashes(String, String),
    /// Neither `http` nor `https`.
    #[error("unknown scheme `{0}`: use http:// or https://")]
    UnknownScheme(String),
    /// `user:password@host`.
    #[error(
        "a user name or password cannot stand in this URL: leave `…@` out, and give them with `auth.basic`"
    )]
    UserInfo,
    /// No host.
    #[error("`{0}` has no host: write http://HOST{1}")]
    MissingHost(String, String),
    /// A host that is neither a name nor an address.
    #[error("`{0}` is not a host name or address: byte `{1}` cannot be in one{2}")]
    BadHost(String, char, &'static str),
    /// Something between brackets that is not an IPv6 address.
    #[error("`[{0}]` is not an IPv6 address: write it as in http://[::1]:8080/")]
    BadIpv6(String),
    /// A zone that names no interface, or behind an address that needs none.
    #[error("`[{0}]` has a zone that {1}: write it as in http://[fe80::1%25eth0]/")]
    BadZone(String, &'static str),
    /// Colons without brackets.
    #[error("`{0}` has more than one colon: write an IPv6 address in brackets, [{0}]")]
    UnbracketedIpv6(String),
    /// Not a port.
    #[error("`{0}` is not a port: give a number from 1 to 65535")]
    BadPort(String),
    /// A byte that a request target cannot hold.
    #[error("{what} at byte {at} of the URL's path or query cannot be sent: write %{byte:02X}")]
    BadTarget {
        /// The first such byte.
        byte: u8,
        /// Its offset in path and query.
        at: usize,
        /// What sort of byte it is.
        what: &'static str,
    },
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        let (scheme, rest) = split_scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(UrlError::MissingHost(text.into(), rest.into()));
        }
        Ok(Url {
            scheme,
            host: check_host(host)?,
            port: match port {
                // RFC 3986, 3.2.3 allows an empty port, and it means the default one.
                None | Some("") => scheme.default_port(),
                Some(port) => parse_port(port)?,
            },
            target: request_target(rest)?,
        })
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    if text.is_empty() {
        return Err(UrlError::Empty);
    }
    // A `://` after the authority belongs to the query, as in `host/?next=http://…`.
    let found = (text.split_once("://")).filter(|(name, _)| !name.contains(['/', '?', '#']));
    if let Some((name, rest)) = found {
        return match name.to_ascii_lowercase().as_str() {
            "http" => Ok((Scheme::Http, rest)),
            "https" => Ok((Scheme::Https, rest)),
            "" => Err(UrlError::MissingScheme(rest.into())),
            _ => Err(UrlError::UnknownScheme(name.into())),
        };
    }
    for scheme in [Scheme::Http, Scheme::Https] {
        let after_colon = (text.strip_prefix(scheme.as_str())).and_then(|t| t.strip_prefix(':'));
        // `http:8080` could be a host called "http"; `http:/host` and `http:host` are slips.
        if let Some(rest) = after_colon.filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) {
            let better = format!("{}://{}", scheme.as_str(), rest.trim_start_matches('/'));
            return Err(UrlError::MissingSlashes(text.into(), better));
        }
    }
    Err(UrlError::MissingScheme(text.trim_start_matches('/').into()))
}

/// Host without brackets, and what stands after the colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (address, after) = (inner.split_once(']')).ok_or(UrlError::BadIpv6(inner.into()))?;
        check_ipv6(address)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((address, Some(port))),
            None if after.is_empty() => Ok((address, None)),
            None => Err(UrlError::BadPort(after.into())),
        };
    }
    match authority.split_once(':') {
        None => Ok((authority, None)),
        Some((_, port)) if port.contains(':') => Err(UrlError::UnbracketedIpv6(authority.into())),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// An IPv6 address, perhaps with a zone (RFC 6874), whose `%` may stand as it is, as in curl and browsers.
fn check_ipv6(text: &str) -> Result<(), UrlError> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let address: Ipv6Addr = address.parse().map_err(|_| UrlError::BadIpv6(text.into()))?;
    let Some(zone) = zone else { return Ok(()) };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    match zone.strip_prefix("25").unwrap_or(zone) {
        "" => Err(UrlError::BadZone(text.into(), "is empty")),
        name if !name.chars().all(fits) => {
            Err(UrlError::BadZone(text.into(), "is no interface's name or number"))
        }
        _ if !address.is_unicast_link_local() => {
            Err(UrlError::BadZone(text.into(), "only link-local addresses (fe80::/10) have"))
        }
        _ => Ok(()),
    }
}

fn check_host(host: &str) -> Result<String, UrlError> {
    if let Some((address, zone)) = host.split_once('%').filter(|(address, _)| address.contains(':')) {
        // The names of interfaces have cases.
        return Ok(format!("{}%{}", address.to_ascii_lowercase(), zone.strip_prefix("25").unwrap_or(zone)));
    }
    // Colons are left only in an address that was in brackets.
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:".contains(c);
    if let Some(bad) = host.chars().find(|&c| !fits(c)) {
        let hint = if bad.is_ascii() { "" } else { "; write the name in its xn-- form" };
        return Err(UrlError::BadHost(host.into(), bad, hint));
    }
    Ok(host.to_ascii_lowercase())
}

fn parse_port(port: &str) -> Result<u16, UrlError> {
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number != 0 => Ok(number),
        _ => Err(UrlError::BadPort(port.into())),
    }
}

/// Path and query from what follows the authority; the fragment stays with the client (RFC 9110, 7.1).
fn request_target(rest: &str) -> Result<String, UrlError> {
    let sent = rest.split_once('#').map_or(rest, |(sent, _)| sent);
    if let Some(at) = sent.bytes().position(|b| !b.is_ascii_graphic()) {
        let byte = sent.as_bytes()[at];
        let what = match byte {
            b' ' => "the space",
            0..0x80 => "the control character",
            _ => "the non-ASCII character",
        };
        return Err(UrlError::BadTarget { byte, at, what });
    }
    let slash = if sent.starts_with('/') { "" } else { "/" };
    Ok(format!("{slash}{sent}"))
}

impl Url {
    /// The host without its zone, which means something on this machine alone (RFC 6874, section 4).
    pub fn unzoned_host(&self) -> &str {
        self.host.split_once('%').map_or(&self.host, |(address, _)| address)
    }

    /// The zone of an IPv6 address: the name or number of an interface.
    pub fn zone(&self) -> Option<&str> {
        self.host.split_once('%').map(|(_, zone)| zone)
    }

    /// The host as others are told it: without a zone, with brackets around an IPv6 address.
    pub fn bracketed_host(&self) -> String {
        let host = self.unzoned_host();
        if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
    }

    /// Host and port as in the Host field: brackets around an IPv6 address, the default port left out
    /// (RFC 9110, 7.2).
    pub fn authority(&self) -> String {
        let host = self.bracketed_host();
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, mut authority) = (self.scheme.as_str(), self.authority());
        if let Some(zone) = self.zone() {
            authority = authority.replacen(']', &format!("%25{zone}]"), 1);
        }
        write!(f, "{scheme}://{authority}{}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_stand_in_a_path_is_named() {
        for (url, named) in [
            ("http://h/a b", "the space"),
            ("http://h/a\u{7f}", "the control character"),
            ("http://h/\u{1}", "the control character"),
        ] {
            let said = url.parse::<Url>().unwrap_err().to_string();
            assert!(said.contains(named), "{url:?}: {said}");
        }
        let said = "http://h/\u{e9}".parse::<Url>().unwrap_err().to_string();
        assert!(!said.contains("control") && !said.contains("space"), "{said}");
    }

    fn parts(text: &str) -> (Scheme, String, u16, String) {
        let url: Url = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        (url.scheme, url.host, url.port, url.target)
    }

    #[test]
    fn takes_urls_apart() {
        use Scheme::{Http, Https};
        let cases = [
            ("http://example.com", Http, "example.com", 80, "/"),
            ("HTTP://Example.COM/A", Http, "example.com", 80, "/A"),
            ("https://h", Https, "h", 443, "/"),
            ("http://h:8080/a/b?c=d&e", Http, "h", 8080, "/a/b?c=d&e"),
            ("http://h?q", Http, "h", 80, "/?q"),
            ("http://h:/x", Http, "h", 80, "/x"),
            ("http://h#frag", Http, "h", 80, "/"),
            ("http://h/a?b#c?d", Http, "h", 80, "/a?b"),
            ("http://[::1]:81/x", Http, "::1", 81, "/x"),
            ("http://[2001:DB8::1]", Http, "2001:db8::1", 80, "/"),
            ("http://[FE80::1%25Eth0.7]:81/", Http, "fe80::1%Eth0.7", 81, "/"),
            ("http://[fe80::1%2]", Http, "fe80::1%2", 80, "/"),
            ("http://127.0.0.1:1/@:", Http, "127.0.0.1", 1, "/@:"),
            ("http://h/?to=http://x", Http, "h", 80, "/?to=http://x"),
            ("http://h/a%20b[]{}|", Http, "h", 80, "/a%20b[]{}|"),
        ];
        for (text, scheme, host, port, target) in cases {
            assert_eq!(parts(text), (scheme, host.into(), port, target.into()), "{text}");
        }
    }

    #[test]
    fn authority_leaves_the_default_port_out() {
        let authority = |text: &str| text.parse::<Url>().map(|url| url.authority());
        assert_eq!(authority("http://h:80/"), Ok("h".into()));
        assert_eq!(authority("http://h:443/"), Ok("h:443".into()));
        assert_eq!(authority("https://h:443/"), Ok("h".into()));
        assert_eq!(authority("http://[::1]:8080/"), Ok("[::1]:8080".into()));
        assert_eq!(authority("http://[::1]/"), Ok("[::1]".into()));
        assert_eq!(authority("http://[fe80::1%25eth0]:81/"), Ok("[fe80::1]:81".into()));
    }

    #[test]
    fn messages_name_the_thing_and_the_way_out() {
        let cases = [
            ("", "http://localhost"),
            ("example.com/x", "`example.com/x` has no scheme: write http://example.com/x"),
            ("localhost:8080", "write http://localhost:8080"),
            ("//h/x", "write http://h/x"),
            ("h/?to=http://x", "write http://h/?to=http://x"),
            ("http:/h/x", "write http://h/x"),
            ("https:h", "write https://h"),
            ("http:8080/x", "write http://http:8080/x"),
            ("ftp://h/", "unknown scheme `ftp`"),
            ("http://u:p@h/", "auth.basic"),
            ("http://[::1%25lo]/", "`[::1%25lo]` has a zone that only link-local addresses (fe80::/10) have"),
            ("http://[fe80::1%25]/", "is empty"),
            ("http://[fe80::1%25a%25b]/", "is no interface's name"),
            ("http://", "no host"),
            ("http:///x", "write http://HOST/x"),
            ("http://:80/", "no host"),
            ("http://a b/", "byte ` `"),
            ("http://bücher.de/", "xn--"),
            ("http://::1/", "[::1]"),
            ("http://[::1/", "IPv6"),
            ("http://[fe80::g%25eth0]/", "IPv6"),
            ("http://[::1]x/", "`x` is not a port"),
            ("http://h:0/", "`0` is not a port"),
            ("http://h:65536/", "`65536` is not a port"),
            ("http://h:+80/", "`+80` is not a port"),
            ("http://h/a b", "the space at byte 2 of the URL's path or query cannot be sent: write %20"),
            ("http://h/a\r\nX: y", "write %0D"),
            ("http://h/ü", "write %C3"),
        ];
        for (text, wanted) in cases {
            let message = match text.parse::<Url>() {
                Ok(url) => panic!("{text} was taken for {url}"),
                Err(error) => error.to_string(),
            };
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn display_parses_to_the_same() {
        for text in ["http://h/", "https://h:8443/a?b", "http://[::1]:81/", "http://[fe80::1%25Eth0]:81/"] {
            assert_eq!(text.parse::<Url>().map(|url| url.to_string()), Ok(text.into()));
        }
    }
}
