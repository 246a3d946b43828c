//! A request's bytes, as Go's client writes them: Host, User-Agent, Content-Length, then the other fields by name.

use super::ask::Ask;

/// Writes `ask` with these cookies (`a=1; b=2`, or nothing) into `out`. `authority` is host and port of its URL as `Host` has them.
pub fn write(ask: &Ask, authority: &str, cookies: &str, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    let host = ask.host.as_deref().unwrap_or(authority);
    put(&[&ask.method, " ", &ask.url.target, " HTTP/1.1\r\nHost: ", host, "\r\n"]);
    let agent = ask.headers.iter().find(|(name, _)| name == AGENT);
    if let Some((name, value)) = agent.filter(|(_, value)| !value.is_empty()) {
        put(&[name, ": ", value, "\r\n"]);
    }
    // Go says 0 where a method without a body usually has one.
    let length = match &ask.body {
        Some(body) => Some(body.len()),
        None if matches!(&*ask.method, "POST" | "PUT" | "PATCH") => Some(0),
        None => None,
    };
    if let Some(length) = length {
        put(&["Content-Length: ", digits.format(length), "\r\n"]);
    }
    let mut cookies = Some(cookies).filter(|cookies| !cookies.is_empty());
    for (name, value) in ask.headers.iter().filter(|(name, _)| name != AGENT) {
        if name.as_str() > COOKIE
            && let Some(cookies) = cookies.take()
        {
            put(&[COOKIE, ": ", cookies, "\r\n"]);
        }
        put(&[name, ": ", value, "\r\n"]);
    }
    if let Some(cookies) = cookies {
        put(&[COOKIE, ": ", cookies, "\r\n"]);
    }
    put(&["\r\n"]);
    out.extend_from_slice(ask.body.as_deref().unwrap_or_default());
}

const AGENT: &str = "User-Agent";
const COOKIE: &str = "Cookie";
