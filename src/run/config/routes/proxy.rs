//! A proxy between us and the target.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::super::error::Problems;
use crate::http::url::{Scheme, Url};
use crate::plan::forward::{Forward, Forwarding};
use crate::plan::workload::Workload;

/// An HTTP proxy: forwards requests with absolute targets (RFC 9112, section 3.2.2), and opens tunnels to https
/// origins (RFC 9110, section 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is.
    pub url: Url,
    /// Value of Proxy-Authorization, when credentials were given (RFC 9110, section 11.7.2).
    pub authorization: Option<String>,
}

impl Proxy {
    /// How requests are put for it.
    pub(crate) fn forwarding(&self) -> Forwarding {
        Forwarding { authorization: self.authorization.clone() }
    }

    /// How requests to `origin` are put; `None` where a tunnel leads to it.
    pub(crate) fn forward(&self, origin: &Url) -> Option<Forward> {
        self.forwarding().to(origin)
    }

    /// Puts the requests of `workload` that are to be forwarded.
    pub(in crate::run::config) fn forward_all(&self, workload: &mut Workload) {
        for origin in &mut workload.origins {
            origin.forward = self.forward(&origin.url);
        }
        for step in &mut workload.steps {
            // Those that go elsewhere each time are put when they begin.
            if step.open_url.is_none()
                && let Some(forward) = &workload.origins[step.origin as usize].forward
            {
                step.request.forward(forward);
            }
        }
    }

    /// The request for a tunnel to `origin`; `None` where requests are forwarded.
    pub(crate) fn connect(&self, origin: &Url) -> Option<Arc<[u8]>> {
        if origin.scheme == Scheme::Http {
            return None;
        }
        // The authority form has the port even where it is the scheme's own (RFC 9112, section 3.2.3).
        let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
        let authority = format!("{host}:{}", origin.port);
        let user_agent = crate::http::request::USER_AGENT;
        let mut head =
            format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n");
        if let Some(value) = &self.authorization {
            head.push_str(&format!("Proxy-Authorization: {value}\r\n"));
        }
        head.push_str("\r\n");
        Some(head.into_bytes().into())
    }
}

/// Reads `--proxy`.
pub(in crate::run::config) fn proxy(text: Option<&str>, problems: &mut Problems) -> Option<Proxy> {
    problems.note("--proxy", parse(text?))
}

fn parse(text: &str) -> Result<Proxy, String> {
    // As with curl, a proxy without a scheme is an HTTP proxy.
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (credentials, address) = match authority.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, authority),
    };
    let url: Url =
        format!("{scheme}://{address}").parse().map_err(|e: crate::http::url::UrlError| e.to_string())?;
    if url.scheme == Scheme::Https {
        return Err(
            "TLS to the proxy itself is not spoken: use http://; through it, https:// targets are tunnelled"
                .into(),
        );
    }
    if !matches!(path, "" | "/") {
        return Err(format!("a proxy has no path: leave `{path}` out"));
    }
    let authorization = credentials.map(basic).transpose()?;
    Ok(Proxy { url, authorization })
}

/// `user:password`, percent-encoded as in any URL, as RFC 7617 sends it.
fn basic(credentials: &str) -> Result<String, String> {
    let plain = percent_decoded(credentials).ok_or_else(|| {
        "the credentials hold a % that is not followed by two hex digits: write %25".to_owned()
    })?;
    Ok(format!("Basic {}", BASE64_STANDARD.encode(plain)))
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        out.push((digit(bytes.next())? * 16 + digit(bytes.next())?) as u8);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_and_perhaps_credentials() {
        let proxy = parse("http://me:p%40ss%3A@Proxy.example:3128/").unwrap();
        assert_eq!((proxy.url.host.as_str(), proxy.url.port), ("proxy.example", 3128));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic bWU6cEBzczo="));
        assert_eq!(parse("127.0.0.1:3128").unwrap().url.port, 3128);
        assert_eq!(parse("[::1]:3128").unwrap().url.host, "::1");
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, part) in [
            ("https://proxy:1", "not spoken"),
            ("socks5://proxy:1", "unknown scheme"),
            ("http://proxy:1/path", "no path"),
            ("http://a%2@proxy", "%25"),
            ("", "no host"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn https_is_tunnelled_and_http_forwarded() {
        let proxy = parse("http://u:p@proxy:3128").unwrap();
        let secure: Url = "https://[::1]/x".parse().unwrap();
        let request = String::from_utf8(proxy.connect(&secure).unwrap().to_vec()).unwrap();
        assert!(request.starts_with("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"), "{request}");
        assert!(request.contains("\r\nProxy-Authorization: Basic dTpw\r\n"), "{request}");
        assert_eq!(proxy.forward(&secure), None);
        let plain: Url = "http://h/x".parse().unwrap();
        assert_eq!(proxy.connect(&plain), None);
        assert_eq!(proxy.forward(&plain).unwrap().prefix, "http://h");
    }
}
