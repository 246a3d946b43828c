//! Cookies as scripts see and give them: those of a response, read as Go does, and the Cookie field of a request.

use time::{Date, Month};

use super::ask::GivenCookie;
use super::fields::values;
use crate::http::request::is_token_byte;

/// One of `res.cookies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    /// Its name.
    pub name: String,
    /// Its value, without quotation marks around it.
    pub value: String,
    /// As it was given; empty without one.
    pub domain: String,
    /// As it was given; empty without one.
    pub path: String,
    /// Not for scripts of pages.
    pub http_only: bool,
    /// For TLS alone.
    pub secure: bool,
    /// In seconds; 0 without one, -1 where it says now.
    pub max_age: i64,
    /// In milliseconds since the Unix epoch; [`NEVER`] without one.
    pub expires: i64,
}

/// What k6 has for no date: Go's first one, in nanoseconds of 64 bits, which it does not fit.
pub const NEVER: i64 = ms(-62_135_596_800);

/// Milliseconds of a time in seconds, as k6 has them.
const fn ms(seconds: i64) -> i64 {
    seconds.wrapping_mul(1_000_000_000) / 1_000_000
}

/// The cookies that a response's head gives, in their order. Those that Go does not take are left out.
pub fn given(head: &[u8]) -> Vec<SetCookie> {
    values(head, "set-cookie").iter().filter_map(|line| read(line)).collect()
}

fn read(line: &str) -> Option<SetCookie> {
    let mut parts = line.trim_ascii().split(';').map(str::trim_ascii);
    let (name, value) = parts.next()?.split_once('=')?;
    let name = name.trim_ascii();
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return None;
    }
    let mut cookie = plain(name, valid(unquoted(value))?);
    for attribute in parts {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let Some(value) = valid(value) else { continue };
        match name.to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "domain" => cookie.domain = value.to_owned(),
            "path" => cookie.path = value.to_owned(),
            "max-age" => cookie.max_age = max_age(value).unwrap_or(cookie.max_age),
            "expires" => cookie.expires = date(value).map_or(NEVER, ms),
            _ => {}
        }
    }
    Some(cookie)
}

/// Without attributes.
fn plain(name: &str, value: &str) -> SetCookie {
    SetCookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: String::new(),
        path: String::new(),
        http_only: false,
        secure: false,
        max_age: 0,
        expires: NEVER,
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// What may stand in a value.
fn valid(value: &str) -> Option<&str> {
    value.bytes().all(is_value_byte).then_some(value)
}

fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b' '..0x7f) && !b"\";\\".contains(&byte)
}

fn max_age(value: &str) -> Option<i64> {
    let seconds: i64 = value.parse().ok()?;
    let has_idle_zero = seconds != 0 && value.starts_with('0');
    (!has_idle_zero).then_some(if seconds <= 0 { -1 } else { seconds })
}

/// `Fri, 15 Jan 2027 08:01:00 GMT`, with dashes or without: the only forms that Go takes, whose names of days need not be right, in seconds since the Unix
/// epoch. Jars are more generous (`plan::cookies`).
pub fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (day_name, rest) = text.split_once(", ")?;
    let (date, rest) = rest.split_at_checked(11)?;
    let (time, zone) = rest.strip_prefix(' ')?.split_once(' ')?;
    let date: Vec<&str> = date.split(if date.as_bytes()[2] == b'-' { '-' } else { ' ' }).collect();
    let time: Vec<&str> = time.split(':').collect();
    let ([day, month, year], [hour, minute, second]) = (&date[..], &time[..]) else { return None };
    let is_zone = (3..=4).contains(&zone.len()) && zone.bytes().all(|b| b.is_ascii_uppercase());
    if !is_zone || !DAYS.contains(&day_name.to_ascii_lowercase().as_str()) {
        return None;
    }
    let number = |text: &str, digits: usize| {
        let fits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        if fits { text.parse::<u16>().ok() } else { None }
    };
    let two = |text: &str| number(text, 2).and_then(|number| u8::try_from(number).ok());
    let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))?;
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(year, 4)?), month, two(day)?).ok()?;
    let at = date.with_hms(two(hour)?, two(minute)?, two(second)?).ok()?;
    Some(at.assume_utc().unix_timestamp())
}

/// A cookie that lies in a jar, as Go has it: without quotation marks around its value; `None` for one that Go would not have taken.
pub fn kept<'a>((name, value): (&'a str, &'a str)) -> Option<(&'a str, &'a str)> {
    let is_name = !name.is_empty() && name.bytes().all(is_token_byte);
    is_name.then_some(name).zip(valid(unquoted(value)))
}

/// What a cookie of a script is in a jar: bytes that no value can have are left out, as Go does when it sends them.
pub fn fit_for_jar(value: &str) -> String {
    value.bytes().filter(|byte| is_value_byte(*byte)).map(char::from).collect()
}

/// The Cookie field of a request: what the script wrote into it, then the cookies of the request, then those of the jar.
/// Empty where there are none.
pub fn field<'a>(
    own: Option<&str>,
    given: &[GivenCookie],
    jar: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let is_replaced = |name: &str| given.iter().any(|cookie| cookie.replace && cookie.name == name);
    let own = own.into_iter().map(str::trim).filter(|own| !own.is_empty()).map(str::to_owned);
    let kept =
        jar.filter_map(kept).filter(|(name, _)| !is_replaced(name)).map(|(name, value)| pair(name, value));
    let given = given.iter().map(|cookie| pair(&cookie.name, &cookie.value));
    own.chain(given).chain(kept).collect::<Vec<_>>().join("; ")
}

/// Bytes that no value can have are left out; one with blanks or commas is quoted.
fn pair(name: &str, value: &str) -> String {
    let value = fit_for_jar(value);
    let name = name.replace(['\r', '\n'], "-");
    if value.contains([' ', ',']) { format!("{name}=\"{value}\"") } else { format!("{name}={value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(line: &str) -> Option<SetCookie> {
        given(format!("HTTP/1.1 200 OK\r\nSet-Cookie: {line}\r\n\r\n").as_bytes()).pop()
    }

    /// Each was given to k6 1.1.0, and shown by it like this.
    #[test]
    fn cookies_of_responses_are_those_of_k6() {
        let at = 1_800_000_060_000;
        let full = SetCookie {
            domain: "127.0.0.1".into(),
            path: "/p".into(),
            http_only: true,
            secure: true,
            max_age: 60,
            expires: at,
            ..plain("full", "v1")
        };
        let full_line = "full=v1; Domain=127.0.0.1; Path=/p; HttpOnly; Secure; Max-Age=60; Expires=Fri, 15 Jan 2027 08:01:00 GMT";
        for (line, wanted) in [
            (full_line, full),
            ("quoted=\"a b\"", plain("quoted", "a b")),
            ("sp=a b,c", plain("sp", "a b,c")),
            (
                "dash=1; Expires=Fri, 15-Jan-2027 08:01:00 GMT",
                SetCookie { expires: at, ..plain("dash", "1") },
            ),
            ("wd=1; Expires=Mon, 15 Jan 2027 08:01:00 GMT", SetCookie { expires: at, ..plain("wd", "1") }),
            (
                "old=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
                SetCookie { expires: 1_000, ..plain("old", "1") },
            ),
            (
                "y1600=1; Expires=Fri, 15 Jan 1600 08:01:00 GMT",
                SetCookie { expires: 6_771_886_533_709, ..plain("y1600", "1") },
            ),
            ("two=1; Expires=Fri, 15-Jan-27 08:01:00 GMT", plain("two", "1")),
            ("tz=1; Expires=Fri, 15 Jan 2027 08:01:00 +0100", plain("tz", "1")),
            ("asct=1; Expires=Fri Jan 15 08:01:00 2027", plain("asct", "1")),
            ("badexp=1; Expires=soon", plain("badexp", "1")),
            ("neg=1; Max-Age=-1", SetCookie { max_age: -1, ..plain("neg", "1") }),
            ("zero=1; Max-Age=0", SetCookie { max_age: -1, ..plain("zero", "1") }),
            ("badage=1; Max-Age=x", plain("badage", "1")),
            ("frac=1; Max-Age=1.5", plain("frac", "1")),
            ("lead0=1; Max-Age=060", plain("lead0", "1")),
            ("dom=1; Domain=.example.com", SetCookie { domain: ".example.com".into(), ..plain("dom", "1") }),
            ("noval=", plain("noval", "")),
            ("emptyval=\"\"", plain("emptyval", "")),
            ("  trim  =  v  ; Path = /q ; secure", SetCookie { secure: true, ..plain("trim", "  v") }),
            ("dup2=1; Path=/a; Path=/b", SetCookie { path: "/b".into(), ..plain("dup2", "1") }),
            ("sam=1; SameSite=Lax; Partitioned", plain("sam", "1")),
            ("eq=a=b=c", plain("eq", "a=b=c")),
        ] {
            assert_eq!(cookie(line), Some(wanted), "{line}");
        }
        assert_eq!(NEVER, -6_795_364_578_871);
        for refused in ["novaleq", "=x", "bad name=1", "semi=a\"b", "bs=a\\b", "utf=é"] {
            assert_eq!(cookie(refused), None, "{refused}");
        }
    }

    fn of(name: &str, value: &str) -> GivenCookie {
        GivenCookie { name: name.into(), value: value.into(), replace: false }
    }

    /// As k6 1.1.0 sent them.
    #[test]
    fn values_are_sent_as_by_k6() {
        let given = [
            of("a", "1"),
            of("b", "x y"),
            of("c", "\"q\""),
            of("d", "a;b"),
            of("e", "é"),
            of("f", "a,b"),
            of("g", ""),
            of("h i", "1"),
            of("n=m", "2"),
            of("a\nb", "1"),
            of("bs", "a\\b"),
        ];
        let wanted = "a=1; b=\"x y\"; c=q; d=ab; e=; f=\"a,b\"; g=; h i=1; n=m=2; a-b=1; bs=ab";
        let sent = |own, given: &[GivenCookie], jar: &[(&str, &str)]| field(own, given, jar.iter().copied());
        assert_eq!(sent(None, &given, &[]), wanted);
        assert_eq!(sent(Some("own=1"), &given[..1], &[("fromr", "1")]), "own=1; a=1; fromr=1");
        // Those of a jar, as a server gave them: `sp=a b,c`, `q="quoted v"`, `q2="plain"`; and what Go does not take.
        let jar = [
            ("sp", "a b,c"),
            ("q", "\"quoted v\""),
            ("q2", "\"plain\""),
            ("e", ""),
            ("eq", "a=b"),
            ("bad", "a\"b"),
            ("bs", "a\\b"),
            ("n v", "1"),
        ];
        assert_eq!(sent(None, &[], &jar), "sp=\"a b,c\"; q=\"quoted v\"; q2=plain; e=; eq=a=b");
    }

    #[test]
    fn cookies_of_a_request_stand_beside_those_of_the_jar_or_for_them() {
        let jar = || [("a", "1"), ("b", "2")].into_iter();
        assert_eq!(field(None, &[of("a", "x")], jar()), "a=x; a=1; b=2");
        let replacing = GivenCookie { replace: true, ..of("a", "x") };
        assert_eq!(field(None, &[replacing], jar()), "a=x; b=2");
        assert_eq!(
            (field(None, &[], jar().take(0)), field(None, &[], jar().skip(1))),
            (String::new(), "b=2".into())
        );
    }
}
