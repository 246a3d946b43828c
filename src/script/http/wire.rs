//! A request's bytes, as Go's client writes them: Host, User-Agent, the framing, then the other fields by name.

use super::ask::Ask;
use crate::http::request::is_token_byte;

/// Why Go's client would not send it, in its words: k6 counts it as failed then, with the code [`OTHER`](crate::script::errors::OTHER).
pub fn fault(ask: &Ask) -> Option<String> {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
    for (name, value) in ask.headers.iter() {
        if !is_token(name) {
            return Some(format!("net/http: invalid header field name {name:?}"));
        }
        if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
            return Some(format!("net/http: invalid header field value for {name:?}"));
        }
    }
    (!is_token(&ask.method)).then(|| format!("net/http: invalid method {:?}", &*ask.method))
}

/// Writes `ask` with this Cookie field (`a=1; b=2`, or nothing) into `out`.
pub fn write(ask: &Ask, cookies: &str, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    let host = ask.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(&ask.to.authority);
    // One that cannot be sent is left empty.
    let host = if host.bytes().all(is_host_byte) { host } else { "" };
    put(&[&ask.method, " ", &ask.to.url.target, " HTTP/1.1\r\nHost: ", host, "\r\n"]);
    let agent = ask.headers.iter().find(|(name, _)| name == AGENT);
    if let Some((name, value)) = agent.filter(|(_, value)| !value.is_empty()) {
        put(&[name, ": ", value.trim_ascii(), "\r\n"]);
    }
    let framing = Framing::of(ask);
    match framing {
        Framing::Length(length) => put(&["Content-Length: ", digits.format(length), "\r\n"]),
        Framing::NoChunks => put(&["Transfer-Encoding: chunked\r\n"]),
        Framing::None => {}
    }
    let authorization = if ask.to.user.is_some() && !has(ask, AUTHORIZATION) {
        ask.to.authorization().unwrap_or_default()
    } else {
        String::new()
    };
    let mut more = [(AUTHORIZATION, authorization.as_str()), (COOKIE, cookies)].into_iter().peekable();
    let is_other = |name: &str| !SET_HERE.contains(&name);
    for (name, value) in ask.headers.iter().filter(|(name, _)| is_other(name)) {
        while let Some((before, value)) = more.next_if(|(before, _)| *before < name.as_str()) {
            if !value.is_empty() {
                put(&[before, ": ", value, "\r\n"]);
            }
        }
        put(&[name, ": ", value.trim_ascii(), "\r\n"]);
    }
    for (name, value) in more.filter(|(_, value)| !value.is_empty()) {
        put(&[name, ": ", value, "\r\n"]);
    }
    put(&["\r\n"]);
    match framing {
        Framing::NoChunks => out.extend_from_slice(b"0\r\n\r\n"),
        _ => out.extend_from_slice(ask.body.as_deref().unwrap_or_default()),
    }
}

/// How the end of the body is told.
enum Framing {
    None,
    Length(usize),
    /// Chunked, with no chunk.
    NoChunks,
}

impl Framing {
    /// Go says 0 where a method without a body usually has one. An empty body is one of unknown length to it: it looks whether there is
    /// anything in it for methods that usually have none, and sends chunks for others.
    fn of(ask: &Ask) -> Framing {
        match (ask.body.as_deref(), &*ask.method) {
            (None, "POST" | "PUT" | "PATCH") => Framing::Length(0),
            (None, _)
            | (Some([]), "GET" | "HEAD" | "DELETE" | "OPTIONS" | "PROPFIND" | "SEARCH" | "CONNECT") => {
                Framing::None
            }
            (Some([]), _) => Framing::NoChunks,
            (Some(body), _) => Framing::Length(body.len()),
        }
    }
}

fn has(ask: &Ask, wanted: &str) -> bool {
    ask.headers.iter().any(|(name, _)| name == wanted)
}

/// What Go lets stand in Host.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&()*+,-.:;='[]_~".contains(&byte)
}

const AGENT: &str = "User-Agent";
const AUTHORIZATION: &str = "Authorization";
const COOKIE: &str = "Cookie";
/// Fields that are not taken from the script's, or not at their place by name.
const SET_HERE: [&str; 6] = [AGENT, COOKIE, "Content-Length", "Host", "Trailer", "Transfer-Encoding"];

#[cfg(test)]
mod tests;
