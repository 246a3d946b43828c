//! Following redirects (RFC 9110, 15.4): where to, and with which request.

use crate::http::url::Url;

/// Resolves a Location against the request that was answered: `base` is its origin, `path` its target.
///
/// Absolute, scheme-relative, absolute-path, relative-path, query-only and empty references; dot segments are taken
/// out, a fragment is dropped (RFC 3986, 5.2).
///
/// # Errors
/// When what comes out is not an `http` or `https` URL.
pub fn resolve(location: &str, base: &Url, path: &str) -> Result<Url, String> {
    let location = location.split('#').next().unwrap_or_default().trim();
    let authority = format!("{}://{}", base.scheme.as_str(), base.authority());
    let here = path.split(['?', '#']).next().unwrap_or("/");
    let lower = location.to_ascii_lowercase();
    let absolute = if lower.starts_with("http://") || lower.starts_with("https://") {
        location.to_owned()
    } else if has_scheme(location) {
        return Err(format!("`{location}` is not an http or https URL"));
    } else if location.starts_with("//") {
        format!("{}:{location}", base.scheme.as_str())
    } else if location.starts_with('/') {
        format!("{authority}{location}")
    } else if location.is_empty() {
        format!("{authority}{path}")
    } else if location.starts_with('?') {
        format!("{authority}{here}{location}")
    } else {
        let directory = &here[..=here.rfind('/').unwrap_or(0)];
        format!("{authority}{directory}{location}")
    };
    let mut url: Url = absolute.parse().map_err(|e| format!("{e}"))?;
    url.target = without_dots(&url.target);
    Ok(url)
}

/// RFC 3986, 3.1.
fn has_scheme(reference: &str) -> bool {
    let scheme = reference.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// RFC 3986, 5.2.4.
fn without_dots(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    let path = format!("/{}", kept.join("/"));
    query.map_or(path.clone(), |query| format!("{path}?{query}"))
}

/// The request that follows: `rendered` with another target and Host.
///
/// With `keep` method and body stay (307, 308); else it becomes a GET without body (HEAD stays HEAD). What
/// authenticates to one host is not shown to another: Authorization and Cookie go when the authority changes.
/// `None` when `rendered` is not a request.
pub fn rewrite(rendered: &[u8], target: &str, authority: &str, keep: bool) -> Option<Vec<u8>> {
    let end = rendered.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&rendered[..end]).ok()?, &rendered[end + 4..]);
    let mut lines = head.split("\r\n");
    let method = lines.next()?.split(' ').next()?;
    let method = if keep || method == "HEAD" { method } else { "GET" };
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    let same = fields.iter().any(|(name, value)| is(name, "host") && value.trim() == authority);
    let mut out = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n");
    for (name, value) in &fields {
        let secret = !same && (is(name, "authorization") || is(name, "cookie"));
        let of_body = !keep && name.len() >= 8 && name[..8].eq_ignore_ascii_case("content-");
        // What is for a proxy is put again for the next one.
        let of_proxy = is(name, "proxy-authorization");
        if !is(name, "host") && !secret && !of_body && !of_proxy {
            out.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    if keep {
        out.extend_from_slice(body);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_resolve_as_the_rfc_has_it() {
        let base: Url = "http://h:81/".parse().unwrap();
        for (location, expected) in [
            ("http://other/x?y#z", "http://other/x?y"),
            ("HTTPS://other:444/", "https://other:444/"),
            ("//third/p", "http://third/p"),
            ("/abs/./a/../b", "http://h:81/abs/b"),
            ("rel", "http://h:81/dir/rel"),
            ("../up", "http://h:81/up"),
            ("../../../top/.", "http://h:81/top/"),
            ("?q=1", "http://h:81/dir/page?q=1"),
            ("", "http://h:81/dir/page?old"),
        ] {
            let url = resolve(location, &base, "/dir/page?old").unwrap_or_else(|e| panic!("{location}: {e}"));
            assert_eq!(url.to_string(), expected, "{location}");
        }
        for bad in ["ftp://x/", "http://", "mailto:a b"] {
            assert!(resolve(bad, &base, "/").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_is_rewritten_without_what_it_must_not_carry() {
        let request = b"POST /a HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\nCookie: c=1\r\nX-A: 1\r\n\
                        Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
        let text = |target, authority, keep| {
            String::from_utf8(rewrite(request, target, authority, keep).unwrap()).unwrap()
        };
        assert_eq!(
            text("/b", "h", false),
            "GET /b HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\nCookie: c=1\r\nX-A: 1\r\n\r\n"
        );
        assert_eq!(text("/b", "other", false), "GET /b HTTP/1.1\r\nHost: other\r\nX-A: 1\r\n\r\n");
        assert!(
            text("/b", "h", true).starts_with("POST /b ") && text("/b", "h", true).ends_with("2\r\n\r\nok")
        );
        assert_eq!(rewrite(b"nonsense", "/", "h", true), None);
    }
}
