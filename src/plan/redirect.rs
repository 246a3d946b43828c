//! Following redirects (RFC 9110, 15.4): where to, and with which request.

use crate::http::url::{Scheme, Url};

/// Stands for the base's host, whose text need not be one that a browser would write: what is relative stays there.
const HERE: &str = "squall.invalid";

/// Resolves a Location against the request that was answered: `base` is its origin, `path` its target.
///
/// As browsers do it (WHATWG URL), and Go: space around it and tabs and line ends in it are dropped, `\` is `/`, and what
/// cannot stand in a request is percent-encoded byte by byte, whatever its encoding, so that the target is visible ASCII. A host in
/// another script becomes `xn--…`. User name, password and fragment are dropped.
///
/// # Errors
/// When what comes out is not an `http` or `https` URL that can be called.
pub fn resolve(location: impl AsRef<[u8]>, base: &Url, path: &str) -> Result<Url, String> {
    let location = ascii(location.as_ref());
    let path = if path.starts_with('/') { path } else { "/" };
    let here = format!("{}://{HERE}{path}", base.scheme.as_str());
    let bad = |why: &dyn std::fmt::Display| format!("`{}` cannot be followed: {why}", shown(&location));
    let found = url::Url::parse(&here).and_then(|here| here.join(&location)).map_err(|e| bad(&e))?;
    let scheme = match found.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(format!("`{}` is not an http or https URL", shown(&location))),
    };
    let query = found.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", found.path());
    if found.host_str() == Some(HERE) {
        // The host was not named.
        return Ok(Url { target, ..base.clone() });
    }
    let host = found.host_str().unwrap_or_default();
    // Written as in the base, where it is the same: so that the origin is.
    let same = url::Host::parse(&bracketed(&base.host)).is_ok_and(|own| own.to_string() == host);
    let host = if same { bracketed(&base.host) } else { host.to_owned() };
    let own = |url: Url| if same { Url { host: base.host.clone(), ..url } } else { url };
    let port = found.port().unwrap_or(scheme.default_port());
    // By the reader of all other URLs, so that every part is fit to be sent.
    format!("{}://{host}:{port}{target}", scheme.as_str()).parse().map(own).map_err(|e| bad(&e))
}

/// Where a URL in a plan leads: as it is given where it is absolute, else as [`resolve`] has it.
pub fn lead(text: &[u8], base: &Url, path: &str) -> Option<Url> {
    let absolute = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    absolute.or_else(|| resolve(text, base, path).ok())
}

/// As browsers and Go take it: bytes beyond ASCII stand for themselves, percent-encoded.
fn ascii(location: &[u8]) -> String {
    let mut out = String::with_capacity(location.len());
    for byte in location {
        match byte {
            0..0x80 => out.push(char::from(*byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The beginning, on one line.
fn shown(location: &str) -> String {
    const MOST: usize = 100;
    let start: String = location.chars().take(MOST).collect();
    format!("{}{}", start.escape_debug(), if location.len() > MOST { "…" } else { "" })
}

/// As others write it: without a zone.
pub(super) fn bracketed(host: &str) -> String {
    let host = host.split('%').next().unwrap_or(host);
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
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
        let of_body = !keep
            && (is(name, "transfer-encoding")
                || name.len() >= 8 && name[..8].eq_ignore_ascii_case("content-"));
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
    use proptest::prelude::*;

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
        for bad in [
            "ftp://x/",
            "http://",
            "mailto:a b",
            "javascript:1",
            "http://h:0/",
            "http://h:x/",
            "http://[::1",
            "//",
        ] {
            assert!(resolve(bad, &base, "/").is_err(), "{bad}");
        }
    }

    /// RFC 3986, 5.4: all of its examples. A fragment stays with the client, and what is no http or https URL is not followed.
    #[test]
    fn the_examples_of_rfc_3986_come_out_as_it_says() {
        let base: Url = "http://a/".parse().unwrap();
        let normal = [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
        ];
        let abnormal = [
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g"),
            ("g#s/../x", "http://a/b/c/g"),
            // 5.4.2 leaves this one open; browsers take it as relative where the scheme is the base's.
            ("http:g", "http://a/b/c/g"),
        ];
        for (location, expected) in normal.into_iter().chain(abnormal) {
            let url = resolve(location, &base, "/b/c/d;p?q").unwrap_or_else(|e| panic!("{location}: {e}"));
            assert_eq!(url.to_string(), expected, "{location}");
        }
        let refused = resolve("g:h", &base, "/b/c/d;p?q").unwrap_err();
        assert!(refused.contains("not an http or https URL"), "{refused}");
    }

    #[test]
    fn hosts_ports_and_schemes_as_servers_write_them() {
        let base: Url = "https://[2001:db8::1]:8443/".parse().unwrap();
        for (location, expected) in [
            // Only what names no host stays on the base's port.
            ("/x", "https://[2001:db8::1]:8443/x"),
            ("//[2001:db8::1]/x", "https://[2001:db8::1]/x"),
            ("//[2001:db8::2]:8443/x", "https://[2001:db8::2]:8443/x"),
            ("HtTpS://Other.Example/X", "https://other.example/X"),
            ("HTTP://h:80/", "http://h/"),
            ("http://h:443/", "http://h:443/"),
            ("https://h:443/", "https://h/"),
            ("http://h:/", "http://h/"),
            ("http://h:00081/", "http://h:81/"),
            ("http://h?q", "http://h/?q"),
            ("http://h#part", "http://h/"),
            ("http://[::1]:81", "http://[::1]:81/"),
            ("http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"),
            // Who logs in by a URL is not shown to anybody; an `@` further on is part of the path.
            ("http://user@h/", "http://h/"),
            ("http://user:pass%40word@h:81/a", "http://h:81/a"),
            ("//u:p@[::1]/", "https://[::1]/"),
            ("http://a@b@h/", "http://h/"),
            ("http://h/a@b", "http://h/a@b"),
        ] {
            let url = resolve(location, &base, "/").unwrap_or_else(|e| panic!("{location}: {e}"));
            assert_eq!(url.to_string(), expected, "{location}");
        }
        for bad in
            ["http://h:65536/", "http://a b/", "http://%00/", "http://[::1]x/", "http://u@/", "file:///x"]
        {
            assert!(resolve(bad, &base, "/").is_err(), "{bad}");
        }
    }

    /// What k6 (Go) and browsers ask for; where the two differ, what can be sent.
    #[test]
    fn what_cannot_be_sent_is_encoded() {
        let base: Url = "http://h:81/".parse().unwrap();
        let cases: [(&[u8], &str); 22] = [
            (b"/a b", "http://h:81/a%20b"),
            (b"/a?b c", "http://h:81/a?b%20c"),
            (b"  /a\t\r\n", "http://h:81/a"),
            (b"/a\tb\nc", "http://h:81/abc"),
            ("/ü?ü".as_bytes(), "http://h:81/%C3%BC?%C3%BC"),
            // Latin-1 is kept as it came.
            (b"/\xfc", "http://h:81/%FC"),
            (b"/a\x00b\x7f", "http://h:81/a%00b%7F"),
            (b"/\"<>`{}", "http://h:81/%22%3C%3E%60%7B%7D"),
            (b"\\a\\b", "http://h:81/a/b"),
            (b"\\\\other\\x", "http://other/x"),
            (b"http:\\\\other/x", "http://other/x"),
            (b"/%zz%41", "http://h:81/%zz%41"),
            (b"/a/%2e%2E/b", "http://h:81/b"),
            (b"http://user:secret@other/x", "http://other/x"),
            (b"//user@other", "http://other/"),
            (b"#part", "http://h:81/dir/page?old"),
            (b"/a#b c", "http://h:81/a"),
            ("http://bücher.example/".as_bytes(), "http://xn--bcher-kva.example/"),
            (b"http://OTHER:80/", "http://other/"),
            (b"http://127.1/", "http://127.0.0.1/"),
            (b"http://[2001:DB8:0:0::1]/", "http://[2001:db8::1]/"),
            (b"https:rel", "https://rel/"),
        ];
        for (location, expected) in cases {
            let shown = location.escape_ascii();
            let url = resolve(location, &base, "/dir/page?old").unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert_eq!(url.to_string(), expected, "{shown}");
        }
    }

    #[test]
    fn the_origin_stays_as_it_is_written() {
        for (base, location) in [
            ("http://127.1:81/", "http://127.0.0.1:81/x"),
            ("http://[2001:db8:0::1]/", "http://[2001:DB8::1]:80/x"),
            ("http://under_score/", "/x"),
            ("http://xn--zzzzzz/", "x"),
            ("https://h/", "https:/x"),
            ("https://h/", "//h/x"),
        ] {
            let base: Url = base.parse().unwrap();
            let url = resolve(location, &base, "/").unwrap();
            assert_eq!(url, Url { target: "/x".into(), ..base });
        }
    }

    proptest! {
        /// Whatever the bytes, what comes out is one line of visible ASCII, and leads to the same when it is read again.
        #[test]
        fn any_location_gives_one_line(
            location in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                "(https?:|//|\\\\|)?[ -~\\t\\n\u{80}-\u{200}]{0,40}".prop_map(String::into_bytes),
            ],
            path in "/[!-~]{0,20}",
        ) {
            let base: Url = "http://h:81/".parse().unwrap();
            if let Ok(url) = resolve(&location, &base, &path) {
                prop_assert!(url.target.starts_with('/'));
                prop_assert_eq!(url.to_string().parse::<Url>(), Ok(url.clone()));
                let next = rewrite(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &url.target, &url.authority(), true);
                let next = String::from_utf8(next.unwrap()).unwrap();
                let line = next.strip_suffix("\r\n\r\n").unwrap().split("\r\n").collect::<Vec<_>>();
                prop_assert_eq!(line.len(), 2);
                prop_assert_eq!(line[0].split(' ').count(), 3);
                prop_assert!(line.iter().all(|l| l.bytes().all(|b| b == b' ' || b.is_ascii_graphic())), "{:?}", line);
            }
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
        let chunked =
            b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(rewrite(chunked, "/b", "h", false).unwrap(), b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(rewrite(chunked, "/b", "h", true).unwrap().ends_with(b"chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
        assert_eq!(rewrite(b"nonsense", "/", "h", true), None);
    }
}
