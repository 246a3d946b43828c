//! The cookies of one virtual user (RFC 6265), by the rules of `cookie_store`; without a list of public suffixes, as in k6.
//!
//! The crate says which cookie belongs to which URL. They do not lie in its `CookieStore`: that one asks the machine's
//! clock what has expired, which a simulated run does not go by, forgets which of two domains' cookies came first, and is larger
//! (docs/journal.md, "Cookies").

use std::cmp::Reverse;

use cookie_store::{Cookie, CookieDomain, RawCookie};
use time::{Date, Month};

use super::redirect::bracketed;
use crate::http::url::Url;
use crate::units::Nanos;

/// Cookies of a domain at most, as in browsers; the oldest goes.
const OF_A_DOMAIN_MAX: usize = 180;
/// Cookies of a user at most (RFC 6265, 6.1); the oldest goes.
const COOKIES_MAX: usize = 3000;
/// Bytes of a cookie at most (RFC 6265, 6.1); longer ones are not kept.
const COOKIE_LEN_MAX: usize = 4096;

/// Cookies that a virtual user was given, the oldest first. An empty jar has nothing on the heap.
#[derive(Clone, Debug, Default)]
pub struct CookieJar(Vec<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    cookie: Cookie<'static>,
    /// Since the Unix epoch; MAX for the session.
    until: Nanos,
}

/// Whether a head has a Set-Cookie field.
pub fn gives_any(head: &[u8]) -> bool {
    let name = b"set-cookie:";
    memchr::memchr_iter(b'\n', head).any(|end| {
        let line = &head[end + 1..];
        line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
    })
}

impl CookieJar {
    /// True when there is no cookie.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the Set-Cookie fields of a response's `head` in. `url` is the request's [`request_url`], `now` the time since
    /// the Unix epoch.
    pub fn store(&mut self, head: &[u8], url: &url::Url, now: Nanos) {
        for line in head.split(|b| *b == b'\n').skip(1) {
            let Some(at) = line.iter().position(|b| *b == b':') else { continue };
            if !line[..at].eq_ignore_ascii_case(b"set-cookie") {
                continue;
            }
            if let Ok(text) = std::str::from_utf8(line[at + 1..].trim_ascii())
                && text.len() <= COOKIE_LEN_MAX
                && let Ok(given) = RawCookie::parse(text)
                && let Ok(mut cookie) = Cookie::try_from_raw_cookie(&given, url)
            {
                confine(&mut cookie.domain, url);
                self.keep(Kept { until: until(&given, text, now), cookie: cookie.into_owned() }, now);
            }
        }
    }

    /// In place of the one with its name, domain and path, whose turn it takes over (5.3, 11); one that has expired only
    /// removes that.
    fn keep(&mut self, kept: Kept, now: Nanos) {
        self.0.retain(|old| old.until > now);
        let same = self.0.iter().position(|old| {
            (old.cookie.name(), &*old.cookie.path, old.cookie.domain.as_cow())
                == (kept.cookie.name(), &*kept.cookie.path, kept.cookie.domain.as_cow())
        });
        match same {
            Some(at) if kept.until > now => self.0[at] = kept,
            Some(at) => drop(self.0.remove(at)),
            None if kept.until > now => {
                self.make_room(&kept.cookie.domain);
                // Most users have one or two: room for four at once would be most of their memory.
                self.0.reserve_exact(1);
                self.0.push(kept);
            }
            None => {}
        }
    }

    fn make_room(&mut self, domain: &CookieDomain) {
        let mut own = (0..self.0.len()).filter(|at| self.0[*at].cookie.domain.as_cow() == domain.as_cow());
        let oldest = own.next();
        if 1 + own.count() >= OF_A_DOMAIN_MAX {
            self.0.remove(oldest.unwrap_or(0));
        } else if self.0.len() >= COOKIES_MAX {
            self.0.remove(0);
        }
    }

    /// Removes those that would be sent to `url`; with `name` those of that name alone.
    pub fn remove(&mut self, url: &url::Url, name: Option<&str>) {
        self.0
            .retain(|kept| !(kept.cookie.matches(url) && name.is_none_or(|name| kept.cookie.name() == name)));
    }

    /// Names and values of the cookies for a request to `url`, in the order of [`header`](CookieJar::header). Those that are for TLS alone go over nothing
    /// else, as in Go's jar: not to this host either.
    pub fn pairs(&self, url: &url::Url, now: Nanos) -> impl Iterator<Item = (&str, &str)> {
        let is_tls = url.scheme() == "https";
        let goes = move |cookie: &&Cookie<'_>| is_tls || cookie.secure() != Some(true);
        self.fitting(url, now).into_iter().filter(goes).map(|cookie| cookie.name_value())
    }

    fn fitting(&self, url: &url::Url, now: Nanos) -> Vec<&Cookie<'static>> {
        let fits = |kept: &&Kept| kept.until > now && kept.cookie.matches(url);
        let mut found: Vec<&Cookie<'_>> = self.0.iter().filter(fits).map(|kept| &kept.cookie).collect();
        found.sort_by_key(|cookie| Reverse(cookie.path.len()));
        found
    }

    /// Appends the value of a Cookie field for a request to `url`, its [`request_url`]: longer paths first, then older
    /// cookies (5.4, 2); nothing when there is none.
    pub fn header(&self, url: &url::Url, now: Nanos, out: &mut Vec<u8>) {
        for (index, cookie) in self.fitting(url, now).iter().enumerate() {
            let between: &[u8] = if index > 0 { b"; " } else { b"" };
            for part in [between, cookie.name().as_bytes(), b"=", cookie.value().as_bytes()] {
                out.extend_from_slice(part);
            }
        }
    }
}

/// Appends `request` to `out`, its Cookie field with `cookies` in it, unless they are empty: there is one such field (RFC 6265, section
/// 5.4). What the request has there of its own comes first; without any, the field stands behind the request line.
pub fn with_field(request: &[u8], cookies: &[u8], out: &mut Vec<u8>) {
    let line = request.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
    if cookies.is_empty() {
        out.extend_from_slice(request);
        return;
    }
    let own = own_field(&request[line..]).map(|(begin, end)| (line + begin, line + end));
    let (at, begin, end): (_, &[u8], &[u8]) = match own {
        // Nothing but the name: what follows is all there is.
        Some((begin, end)) if begin == end => (end, b" ", b""),
        Some((_, end)) => (end, b"; ", b""),
        None => (line, b"Cookie: ", b"\r\n"),
    };
    for part in [&request[..at], begin, cookies, end, &request[at..]] {
        out.extend_from_slice(part);
    }
}

/// Where the value of the Cookie field among `fields` begins and ends, white space around it left out.
fn own_field(fields: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let line = fields[at..].split(|b| *b == b'\n').next()?.trim_ascii_end();
        if line.is_empty() {
            return None;
        }
        if let Some((name, value)) = line.split_at_checked(7)
            && name.eq_ignore_ascii_case(b"cookie:")
        {
            return Some((at + line.len() - value.trim_ascii_start().len(), at + line.len()));
        }
        at += fields[at..].iter().position(|b| *b == b'\n')? + 1;
    }
}

/// What the cookies of a request for `target` go by; `None` for a host that browsers do not call (`h.1`): it has no cookies.
pub fn request_url(origin: &Url, target: &str) -> Option<url::Url> {
    let host = origin.host.strip_suffix('.').unwrap_or(&origin.host);
    let path = target.split(['?', '#']).next().filter(|path| path.starts_with('/')).unwrap_or("/");
    url::Url::parse(&format!("{}://{}{path}", origin.scheme.as_str(), bracketed(host))).ok()
}

/// Whoever speaks for a whole top level (`Domain=com`) speaks for what has the last two labels of its host, as in Go's jar
/// without a list, and so in k6.
fn confine(domain: &mut CookieDomain, url: &url::Url) {
    if let (CookieDomain::Suffix(top), Some(host)) = (&*domain, url.host_str())
        && !top.contains('.')
    {
        let last_two = host.rmatch_indices('.').nth(1).map_or(host, |(at, _)| &host[at + 1..]);
        *domain = if top == host {
            CookieDomain::HostOnly(host.to_owned())
        } else {
            CookieDomain::Suffix(last_two.to_owned())
        };
    }
}

/// When it expires. Max-Age comes before Expires, which is read here: servers write more forms than the crate knows.
fn until(given: &RawCookie<'_>, text: &str, now: Nanos) -> Nanos {
    let nanos = |seconds: i64| Nanos(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000));
    if let Some(age) = given.max_age() {
        return Nanos(now.0.saturating_add(nanos(age.whole_seconds()).0));
    }
    let expires = |attribute: &str| {
        let (name, value) = attribute.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("expires") { date(value) } else { None }
    };
    text.split(';').skip(1).filter_map(expires).last().map_or(Nanos::MAX, nanos)
}

/// A date as it stands in cookies, in seconds since the Unix epoch (RFC 6265, 5.1.1): whatever the order and what is between.
fn date(text: &str) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    // Not what is between, besides letters, digits and colons: control characters, and what is not ASCII.
    let between = |c: char| c == '\t' || c == ' ' || (c.is_ascii_punctuation() && c != ':');
    for token in text.split(between) {
        if time.is_none()
            && let Some(found) = time_of_day(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let (hour, minute, second) = time?;
    let date = Date::from_calendar_date(i32::from(year), month?, u8::try_from(day?).ok()?).ok()?;
    (year >= 1601).then_some(date.with_hms(hour, minute, second).ok()?.assume_utc().unix_timestamp())
}

/// The digits at the token's beginning, if they are so many.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u16> {
    let len = token.bytes().take_while(u8::is_ascii_digit).count();
    if digits.contains(&len) { token[..len].parse().ok() } else { None }
}

fn time_of_day(token: &str) -> Option<(u8, u8, u8)> {
    let mut parts = token.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let part = |text| number(text, 1..=2).and_then(|number| u8::try_from(number).ok());
    // Only behind the seconds may there be more.
    let whole = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !whole(hour) || !whole(minute) {
        return None;
    }
    Some((part(hour)?, part(minute)?, part(second)?))
}

fn month_of(token: &str) -> Option<Month> {
    let begin = token.get(..3)?.to_ascii_lowercase();
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let index = names.iter().position(|name| *name == begin)?;
    Month::try_from(index as u8 + 1).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::url::Scheme;

    const NOW: Nanos = Nanos::from_secs(1_800_000_000);

    fn store(jar: &mut CookieJar, cookie: &str, url: &str, now: Nanos) {
        let head = format!("HTTP/1.1 200 OK\r\nset-cookie:{cookie}\r\n\r\n");
        jar.store(head.as_bytes(), &at(url).unwrap(), now);
    }

    fn at(url: &str) -> Option<url::Url> {
        let url: Url = url.parse().unwrap();
        request_url(&url, &url.target)
    }

    fn jar(cookies: &[&str]) -> CookieJar {
        let mut jar = CookieJar::default();
        for cookie in cookies {
            store(&mut jar, cookie, "http://www.example.com/app/login?x", NOW);
        }
        jar
    }

    fn given(url: &str, cookie: &str) -> CookieJar {
        let mut jar = CookieJar::default();
        store(&mut jar, cookie, url, NOW);
        jar
    }

    fn sent_at(jar: &CookieJar, url: &str, now: Nanos) -> String {
        let mut out = Vec::new();
        jar.header(&at(url).unwrap(), now, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn sent(jar: &CookieJar, host: &str, path: &str) -> String {
        sent_at(jar, &format!("http://{host}{path}"), NOW)
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
        for refused in
            ["b=1; Domain=evil.org", "b=1; Domain=example.com.", "b=1; Domain=x.www.example.com", "b", "=b"]
        {
            assert!(jar(&[refused]).is_empty(), "{refused}");
        }
        // What is the same cookie keeps its turn; another path or domain makes another one.
        let jar = jar(&["a=1", "b=1", "a=2; Path=/", "b=2; Domain=www.example.com", "a=3"]);
        assert_eq!(sent(&jar, "www.example.com", "/app/"), "a=3; b=2; a=2");
    }

    #[test]
    fn cookies_are_removed_by_name_or_all_that_would_be_sent() {
        let mut jar = jar(&["a=1; Path=/", "b=2; Path=/", "c=3; Path=/deep"]);
        let home = at("http://www.example.com/").unwrap();
        jar.remove(&home, Some("a"));
        assert_eq!(sent(&jar, "www.example.com", "/"), "b=2");
        jar.remove(&home, None);
        assert_eq!(sent(&jar, "www.example.com", "/deep"), "c=3", "it would not have been sent there");
    }

    #[test]
    fn a_request_has_one_field_of_cookies() {
        for (request, cookies, wanted) in [
            (
                "GET / HTTP/1.1\r\nHost: h\r\ncookie: own=1\r\nX: y\r\n\r\nCookie: a=b\r\n",
                "a=b; c=d",
                "GET / HTTP/1.1\r\nHost: h\r\ncookie: own=1; a=b; c=d\r\nX: y\r\n\r\nCookie: a=b\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nCookies: no\r\n\r\nCookie: body\r\n",
                "a=b",
                "GET / HTTP/1.1\r\nCookie: a=b\r\nCookies: no\r\n\r\nCookie: body\r\n",
            ),
            ("GET / HTTP/1.1\r\nCookie:\r\n\r\n", "a=b", "GET / HTTP/1.1\r\nCookie: a=b\r\n\r\n"),
            ("GET / HTTP/1.1\r\nCookie: own=1\r\n\r\n", "", "GET / HTTP/1.1\r\nCookie: own=1\r\n\r\n"),
        ] {
            let mut out = Vec::new();
            with_field(request.as_bytes(), cookies.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn longer_paths_come_first_then_older_cookies_whatever_their_domains() {
        let jar = jar(&[
            "a=1; Path=/",
            "b=1; Path=/; Domain=example.com",
            "c=1; Path=/",
            "d=1; Path=/app/",
            "e=1; Path=/; Domain=.example.com",
            "f=1",
        ]);
        assert_eq!(sent(&jar, "www.example.com", "/app/x"), "d=1; f=1; a=1; b=1; c=1; e=1");
        assert_eq!(sent(&jar, "WWW.example.com.", "/app?x/"), "f=1; a=1; b=1; c=1; e=1");
    }

    /// As in k6: its jar knows no public suffixes either.
    #[test]
    fn top_levels_speak_for_the_last_two_labels() {
        let all = jar(&["a=1; Domain=com; Path=/", "b=1; Domain=example.com; Path=/"]);
        assert_eq!(sent(&all, "other.example.com", "/"), "a=1; b=1");
        assert_eq!(sent(&all, "example.com", "/"), "a=1; b=1");
        assert_eq!(sent(&all, "other.com", "/"), "");
        assert_eq!(sent(&given("http://a.co.uk/", "a=1; Domain=co.uk"), "b.co.uk", "/"), "a=1");
        let local = given("http://localhost/", "a=1; Domain=localhost");
        assert_eq!((&*sent(&local, "localhost", "/"), &*sent(&local, "a.localhost", "/")), ("a=1", ""));
        // Addresses have no parts, and each spelling of one is the same.
        assert_eq!(sent(&given("http://127.0.0.1/", "a=1; Domain=127.0.0.1"), "127.0.0.1", "/"), "a=1");
        assert_eq!(sent(&given("http://127.0.0.1/", "a=1; Domain=0.0.1"), "127.0.0.1", "/"), "");
        let six = given("http://[2001:db8::1]/", "a=1");
        assert_eq!((&*sent(&six, "[2001:db8:0::1]", "/"), &*sent(&six, "[2001:db8::2]", "/")), ("a=1", ""));
        assert_eq!(at("http://h.1/"), None);
    }

    #[test]
    fn secure_cookies_go_over_tls_and_to_this_host() {
        let jar = jar(&["a=1; Secure; HttpOnly; SameSite=Strict"]);
        assert_eq!(sent(&jar, "www.example.com", "/app/"), "");
        assert_eq!(sent_at(&jar, "https://www.example.com:444/app/", NOW), "a=1");
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let local = given(&format!("http://{host}:81/"), "a=1; Secure");
            assert_eq!(sent(&local, host, "/"), "a=1", "{host}");
        }
    }

    #[test]
    fn cookies_end_when_they_say() {
        let at = |jar: &CookieJar, seconds: u64| {
            sent_at(jar, "http://www.example.com/app/", NOW + Nanos::from_secs(seconds))
        };
        // NOW is 2027-01-15 08:00:00.
        for ends in [
            "a=1; Max-Age=60",
            "a=1; Expires=Fri, 15 Jan 2027 08:01:00 GMT",
            "a=1; Expires=Fri, 15-Jan-27 08:01:00 UTC; Path=/app",
            "a=1; expires = Fri Jan 15 8:1:0 2027",
            "a=1; Expires=soon; Expires=08:01:00 15 january 2027 (CET)",
            "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            let jar = jar(&[ends]);
            assert_eq!((&*at(&jar, 59), &*at(&jar, 60)), ("a=1", ""), "{ends}");
        }
        for session in [
            "a=1",
            "a=1; Expires=",
            "a=1; Expires=never",
            "a=1; Max-Age=x",
            "a=1; Max-Age=99999999999999999999",
        ] {
            assert_eq!(at(&jar(&[session]), 1_000_000_000), "a=1", "{session}");
        }
        for gone in [
            "a=2; Max-Age=0",
            "a=2; Max-Age=-1",
            "a=2; Expires=Thu, 01 Jan 1970 00:00:00 UTC",
            "a=2; Expires=Mon, 01-Jan-1601 00:00:00 GMT",
            "a=2; Expires=Fri, 15 Jan 2027 08:00:00 GMT",
        ] {
            assert!(jar(&["a=1", gone]).is_empty(), "{gone}");
        }
        // What has expired goes when another comes.
        let mut jar = jar(&["a=1; Max-Age=1"]);
        store(&mut jar, "b=1", "http://www.example.com/app/", NOW + Nanos::from_secs(1));
        assert_eq!(jar.0.len(), 1);
    }

    #[test]
    fn dates_are_read_as_rfc_6265_has_it() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("1994 NOVEMBER 6th 08:49:37+0100", Some(784_111_777)),
            ("6 Nov 1994 8:49:37x", Some(784_111_777)),
            ("\t6/nov/94;08:49:37", Some(784_111_777)),
            ("1 Jan 69 0:0:0", Some(3_124_224_000)),
            ("1 Jan 70 0:0:0", Some(0)),
            ("1 Jan 1600 0:0:0", None),
            ("31 Feb 2000 0:0:0", None),
            ("32 Jan 2000 0:0:0", None),
            ("1 Jan 2000 24:0:0", None),
            ("1 Jan 2000 0:60:0", None),
            ("1 Jan 2000 0:0", None),
            ("1 Jan 2000", None),
            ("1 Foo 2000 0:0:0", None),
            ("1 Jän 2000 0:0:0", None),
            ("", None),
        ] {
            assert_eq!(date(text), seconds, "{text}");
        }
    }

    #[test]
    fn a_jar_is_bounded() {
        let many: Vec<String> = (0..300).map(|n| format!("c{n}=1")).collect();
        let mut jar = jar(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(jar.0.len(), OF_A_DOMAIN_MAX);
        assert!(sent(&jar, "www.example.com", "/app/").starts_with("c120=1; c121=1; "));
        for n in 0..4000 {
            store(&mut jar, "a=1", &format!("http://h{n}.example.com/"), NOW);
        }
        assert_eq!((jar.0.len(), &*sent(&jar, "h3999.example.com", "/")), (COOKIES_MAX, "a=1"));
        let long = format!("a={}", "x".repeat(COOKIE_LEN_MAX));
        store(&mut jar, &long, "http://long.example.com/", NOW);
        assert_eq!(sent(&jar, "long.example.com", "/"), "");
        assert!(size_of::<CookieJar>() <= 24 && size_of::<Kept>() <= 400, "{}", size_of::<Kept>());
    }

    proptest! {
        /// Whatever servers send: nothing panics, and nothing gets into the field that was not in one line of theirs.
        #[test]
        fn any_cookie_is_kept_or_refused(
            cookie in "[ -~\u{80}-\u{200}]{0,20}=[ -~\u{80}-\u{200}]{0,20}(; ?(Path|Domain|Expires|Max-Age|secure)=?[ -~\u{80}-\u{200}]{0,20}){0,4}",
            path in "/[!-~]{0,20}",
            host in "[a-z0-9.-]{1,20}",
        ) {
            let origin = Url { scheme: Scheme::Https, host, port: 443, target: "/".into() };
            if let Some(url) = request_url(&origin, &path) {
                let (mut jar, mut out) = (CookieJar::default(), Vec::new());
                jar.store(format!("HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\n\r\n").as_bytes(), &url, NOW);
                jar.header(&url, NOW, &mut out);
                prop_assert!(!out.contains(&b'\r') && !out.contains(&b'\n') && !out.contains(&b';'));
            }
        }
    }
}
