//! The cookies of one virtual user (RFC 6265).

use cookie::Cookie;

use crate::units::Nanos;

/// Cookies of a user at most; the oldest goes.
const COOKIES_MAX: usize = 64;
/// Bytes of a cookie at most; longer ones are not kept.
const COOKIE_LEN_MAX: usize = 4096;

/// Cookies that a virtual user was given. An empty jar is one pointer.
#[derive(Debug, Default)]
pub struct CookieJar(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    name: String,
    value: String,
    /// Host or domain, without a leading dot.
    domain: String,
    /// Only for that very host.
    host_only: bool,
    path: String,
    secure: bool,
    /// Since the Unix epoch; MAX for the session.
    until: Nanos,
}

/// Whether a head has a Set-Cookie field.
pub fn gives_any(head: &[u8]) -> bool {
    let name = b"set-cookie:";
    head.split(|b| *b == b'\n')
        .any(|line| line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)))
}

impl CookieJar {
    /// True when there is no cookie.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the Set-Cookie fields of an answer's `head` in. `path` is the request's target, `now` the time since
    /// the Unix epoch.
    pub fn store(&mut self, head: &[u8], host: &str, path: &str, secure: bool, now: Nanos) {
        for line in head.split(|b| *b == b'\n').skip(1) {
            let Some(at) = line.iter().position(|b| *b == b':') else { continue };
            if !line[..at].eq_ignore_ascii_case(b"set-cookie") {
                continue;
            }
            if let Ok(text) = std::str::from_utf8(line[at + 1..].trim_ascii())
                && text.len() <= COOKIE_LEN_MAX
                && let Ok(given) = Cookie::parse(text)
            {
                self.keep(&given, host, path, secure, now);
            }
        }
    }

    fn keep(&mut self, given: &Cookie<'_>, host: &str, path: &str, secure: bool, now: Nanos) {
        let domain = given.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
        let domain = domain.filter(|domain| !domain.is_empty());
        // 5.3, 6: a host may speak for itself and for what it is part of; a single label (a top level) for nobody.
        if let Some(domain) = &domain
            && (!domain_matches(host, domain) || (domain != host && !domain.contains('.')))
        {
            return;
        }
        if given.secure() == Some(true) && !secure {
            return;
        }
        let kept = Kept {
            name: given.name().to_owned(),
            value: given.value().to_owned(),
            host_only: domain.is_none(),
            domain: domain.unwrap_or_else(|| host.to_owned()),
            path: given.path().filter(|path| path.starts_with('/')).unwrap_or(default_path(path)).to_owned(),
            secure: given.secure() == Some(true),
            until: until(given, now),
        };
        self.0.retain(|old| (&old.name, &old.domain, &old.path) != (&kept.name, &kept.domain, &kept.path));
        if kept.until > now {
            if self.0.len() == COOKIES_MAX {
                self.0.remove(0);
            }
            self.0.push(kept);
        }
    }

    /// Appends the value of a Cookie field for a request to `path` on `host`: longer paths first, then older
    /// cookies; nothing when there is none.
    pub fn header(&self, host: &str, path: &str, secure: bool, now: Nanos, out: &mut Vec<u8>) {
        let fits = |kept: &&Kept| {
            let domain =
                if kept.host_only { kept.domain == host } else { domain_matches(host, &kept.domain) };
            domain && path_matches(path, &kept.path) && (secure || !kept.secure) && kept.until > now
        };
        let mut sent: Vec<&Kept> = self.0.iter().filter(fits).collect();
        sent.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        for (index, kept) in sent.iter().enumerate() {
            let between: &[u8] = if index > 0 { b"; " } else { b"" };
            for part in [between, kept.name.as_bytes(), b"=", kept.value.as_bytes()] {
                out.extend_from_slice(part);
            }
        }
    }
}

fn until(given: &Cookie<'_>, now: Nanos) -> Nanos {
    if let Some(age) = given.max_age() {
        let seconds = u64::try_from(age.whole_seconds()).unwrap_or(0);
        return now + Nanos(seconds.saturating_mul(1_000_000_000));
    }
    match given.expires_datetime() {
        Some(at) => Nanos(u64::try_from(at.unix_timestamp()).unwrap_or(0).saturating_mul(1_000_000_000)),
        None => Nanos::MAX,
    }
}

/// 5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    host == domain || (is_name && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

/// 5.1.4.
fn path_matches(target: &str, path: &str) -> bool {
    let target = target.split('?').next().unwrap_or("/");
    target
        .strip_prefix(path)
        .is_some_and(|rest| path.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// 5.1.4: the directory of the request.
fn default_path(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or("/");
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::from_secs(1_800_000_000);

    fn jar(cookies: &[&str]) -> CookieJar {
        let mut jar = CookieJar::default();
        for cookie in cookies {
            let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\n\r\n");
            jar.store(head.as_bytes(), "www.example.com", "/app/login?x", false, NOW);
        }
        jar
    }

    fn sent(jar: &CookieJar, host: &str, path: &str) -> String {
        let mut out = Vec::new();
        jar.header(host, path, false, NOW, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let jar = jar(&[
            "a=1",
            "b=2; Path=/",
            "c=3; Domain=example.com; Path=/",
            "d=4; Path=/app/deep",
            "s=5; Secure",
        ]);
        assert_eq!(sent(&jar, "www.example.com", "/app/deep/x"), "d=4; a=1; b=2; c=3");
        assert_eq!(sent(&jar, "www.example.com", "/app"), "a=1; b=2; c=3");
        assert_eq!(sent(&jar, "www.example.com", "/application"), "b=2; c=3");
        assert_eq!(sent(&jar, "other.example.com", "/"), "c=3");
        assert_eq!(sent(&jar, "badexample.com", "/"), "");
    }

    #[test]
    fn cookies_are_replaced_expire_and_are_refused() {
        assert_eq!(sent(&jar(&["a=1", "a=2"]), "www.example.com", "/app/"), "a=2");
        assert_eq!(sent(&jar(&["a=1", "a=; Max-Age=0"]), "www.example.com", "/app/"), "");
        let expired = "a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(sent(&jar(&["a=1", expired]), "www.example.com", "/app/"), "");
        assert_eq!(sent(&jar(&["a=1; Domain=com", "b=1; Domain=evil.org"]), "www.example.com", "/app/"), "");
    }

    #[test]
    fn a_jar_is_bounded() {
        let many: Vec<String> = (0..100).map(|n| format!("c{n}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let jar = jar(&many);
        assert_eq!(jar.0.len(), COOKIES_MAX);
        assert!(size_of::<CookieJar>() <= 32);
    }
}
