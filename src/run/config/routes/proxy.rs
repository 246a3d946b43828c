//! A proxy between us and the target.

use std::sync::Arc;

use crate::http::credentials::{basic, split_user_info};
use crate::http::url::{Scheme, Url};
use crate::plan::forward::Forward;

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
    /// How requests to `origin` are put; `None` where a tunnel leads to it.
    pub(super) fn forward(&self, origin: &Url) -> Option<Forward> {
        (origin.scheme == Scheme::Http).then(|| Forward {
            prefix: format!("http://{}", origin.authority()),
            authorization: self.authorization.clone(),
        })
    }

    /// The request for a tunnel to `origin`; `None` where requests are forwarded.
    pub(super) fn connect(&self, origin: &Url) -> Option<Arc<[u8]>> {
        if origin.scheme == Scheme::Http {
            return None;
        }
        // The authority form has the port even where it is the scheme's own (RFC 9112, section 3.2.3).
        let authority = format!("{}:{}", origin.bracketed_host(), origin.port);
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

/// Reads a proxy's URL.
pub(super) fn parse(text: &str) -> Result<Proxy, String> {
    // As with curl, a proxy without a scheme is an HTTP proxy.
    let (bare, credentials) = split_user_info(text);
    let (scheme, rest) = bare.split_once("://").unwrap_or(("http", &bare));
    let (address, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(format!("`{scheme}` proxies are not spoken to: give an HTTP proxy, http://HOST:PORT"));
    }
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
    let authorization = credentials.as_deref().map(basic).transpose()?;
    Ok(Proxy { url, authorization })
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
            ("socks5://proxy:1", "`socks5` proxies are not spoken to"),
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
