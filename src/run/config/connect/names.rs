//! Names that are looked up while load is sent: how long an address is believed, and whom a target may lead to.

use std::fmt;
use std::str::FromStr;

use super::super::error::Problems;
use super::super::{Dialing, RawConfig};
use crate::http::url::Url;
use crate::run::resolve;
use crate::units::{Nanos, parse_duration};

/// What the run may look up while it sends load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameRules {
    /// How long addresses are believed (`--dns-ttl`; 0: each connection has them looked up); `None`: for the whole run.
    pub ttl: Option<Nanos>,
    /// Public hosts that a target on this host or in a private network may lead to (`--allow-host`).
    pub allowed: Vec<HostPattern>,
    /// Responses may lead to origins that nobody named: redirects are followed.
    pub open_ended: bool,
}

impl NameRules {
    /// How long addresses are believed; [`Nanos::MAX`] for the whole run.
    pub fn ttl(&self) -> Nanos {
        self.ttl.unwrap_or(Nanos::MAX)
    }

    /// True when names may have to be looked up after the start.
    pub fn asks(&self) -> bool {
        self.open_ended || self.ttl.is_some()
    }
}

/// A host, or all hosts below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case, without `*.` and brackets.
    host: String,
    /// Written with `*.`: the names below it, at any depth, and not itself.
    below: bool,
}

impl HostPattern {
    /// Whether `host`, in lower case and without brackets, is meant.
    pub fn fits(&self, host: &str) -> bool {
        if !self.below {
            return host == self.host;
        }
        host.strip_suffix(self.host.as_str()).is_some_and(|above| above.len() > 1 && above.ends_with('.'))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.host)
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<HostPattern, String> {
        let bad = |what: &str| format!("`{text}`: {what}; write a host, such as cdn.example, or *.example");
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.is_empty() || rest.contains('*') {
            return Err(bad("this names no host"));
        }
        if rest.contains("://") || rest.contains('/') {
            return Err(bad("this is a URL"));
        }
        let bare = rest.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(rest);
        let address = bare.parse::<std::net::IpAddr>();
        if let Ok(address) = address {
            return if below {
                Err(bad("there is nothing below an address"))
            } else {
                Ok(HostPattern { host: address.to_string(), below })
            };
        }
        if rest.contains(':') {
            return Err(bad("this has a port, and all ports are meant"));
        }
        // As the host of a URL, whose rules are not repeated here.
        let url: Url = format!("http://{rest}/").parse().map_err(|e| format!("`{text}`: {e}"))?;
        Ok(HostPattern { host: url.host, below })
    }
}

/// Reads the options. `asked` are the names whose addresses are called; with `open_ended` there may be others.
pub(in crate::run::config) fn rules(
    raw: &RawConfig,
    asked: &[Url],
    dialing: &Dialing,
    open_ended: bool,
    problems: &mut Problems,
) -> NameRules {
    let given = &raw.connect;
    let ttl = given.dns_ttl.as_deref().map(|text| problems.note("--dns-ttl", parse_duration(text)));
    let ttl = ttl.flatten();
    let allowed = given.allow_hosts.iter().filter_map(|text| problems.note("--allow-host", text.parse()));
    let rules = NameRules { ttl, allowed: allowed.collect(), open_ended };
    // Without a target there are other problems, which come first.
    if asked.is_empty() || given.unix_socket.is_some() {
        return rules;
    }
    if !given.allow_hosts.is_empty() && !open_ended {
        problems.add(
            "--allow-host",
            "nothing in this run leads to other hosts: let redirects be followed (--max-redirects), or leave it out",
        );
    }
    let fixed = |url: &Url| resolve::literal(&url.host).is_some() || dialing.overridden(url).is_some();
    if rules.ttl.is_some() && !open_ended && asked.iter().all(fixed) {
        let why = "is an address, or has its addresses from --resolve";
        let message = format!("`{}` {why}: nothing is ever looked up, so leave it out", asked[0].host);
        problems.add("--dns-ttl", message);
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_host_or_all_below_one() {
        let fits = |pattern: &str, host| pattern.parse::<HostPattern>().unwrap().fits(host);
        assert!(fits("CDN.example", "cdn.example") && !fits("cdn.example", "a.cdn.example"));
        assert!(fits("*.example", "a.example") && fits("*.example", "b.a.example"));
        assert!(!fits("*.example", "example") && !fits("*.example", "badexample"));
        assert!(!fits("*.example", ".example"));
        assert!(fits("[2001:DB8::1]", "2001:db8::1") && fits("192.0.2.1", "192.0.2.1"));
        assert_eq!("*.A.example".parse::<HostPattern>().unwrap().to_string(), "*.a.example");
    }

    #[test]
    fn what_is_none_is_refused_with_an_example() {
        for (text, part) in [
            ("", "no host"),
            ("*", "no host"),
            ("*.", "no host"),
            ("a.*.example", "no host"),
            ("http://a.example", "a URL"),
            ("a.example/x", "a URL"),
            ("a.example:80", "a port"),
            ("*.192.0.2.1", "below an address"),
            ("a b", "byte ` `"),
        ] {
            let error = text.parse::<HostPattern>().unwrap_err();
            assert!(error.contains(part) && error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
