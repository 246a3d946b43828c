//! `--resolve`: addresses for a name, in place of the resolver's.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::super::error::Problems;
use crate::http::url::Url;

const FORM: &str = "write HOST:PORT:ADDR, for example shop.example:80:10.0.0.7,10.0.0.8 or \
                    shop.example:443:[2001:db8::7]";

/// Addresses for a name and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The name, in lower case.
    pub host: String,
    /// The port, of the name and of the addresses.
    pub port: u16,
    /// Each once. Never empty.
    pub addresses: Vec<IpAddr>,
}

impl Override {
    /// Whether the name and port are those of `url`.
    pub(super) fn is_for(&self, url: &Url) -> bool {
        (&self.host, self.port) == (&url.host, url.port)
    }

    pub(super) fn socket_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|ip| SocketAddr::new(*ip, self.port)).collect()
    }
}

impl fmt::Display for Override {
    /// As on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{host}:{}:{}", self.port, addresses.join(","))
    }
}

/// Reads every `--resolve`.
pub(super) fn overrides(texts: &[String], problems: &mut Problems) -> Vec<Override> {
    let mut all: Vec<Override> = Vec::new();
    for text in texts {
        let Some(entry) = problems.note("--resolve", parse(text)) else { continue };
        if all.iter().any(|other| (&other.host, other.port) == (&entry.host, entry.port)) {
            problems.add(
                "--resolve",
                format!(
                    "`{}:{}` is given twice: put all of its addresses into one, with commas between",
                    entry.host, entry.port
                ),
            );
        }
        all.push(entry);
    }
    all
}

fn parse(text: &str) -> Result<Override, String> {
    let bad = |what: &str| format!("`{text}`: {what}; {FORM}");
    // An IPv6 address in the host's place stands in brackets, as in a URL.
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or_else(|| bad("the bracket is not closed before a colon"))?,
        None => text.split_once(':').ok_or_else(|| bad("there is no port"))?,
    };
    if host.is_empty() {
        return Err(bad("there is no host"));
    }
    if host == "*" {
        return Err(bad("`*` is not taken: name the host"));
    }
    let (port, list) = rest.split_once(':').ok_or_else(|| bad("there is no address"))?;
    let port = port.parse().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| bad("the port is a number from 1 to 65535"))?;
    let mut addresses = Vec::new();
    for word in list.split(',').map(str::trim) {
        let bare = word.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(word);
        let ip: IpAddr = bare.parse().map_err(|_| bad(&format!("`{word}` is not an IP address")))?;
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    Ok(Override { host: host.to_ascii_lowercase(), port, addresses })
}
