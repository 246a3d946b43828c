//! Which proxy leads to which origin: the one of `--proxy`, or those of the environment's variables, as curl reads them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::error::Problems;
use super::proxy::{Proxy, parse};
use crate::http::url::{Scheme, Url};
use crate::plan::forward::Forward;
use crate::plan::workload::Workload;

/// The proxies of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Named>,
    https: Option<Named>,
    /// Hosts that are called directly; nobody asks where `--proxy` was given.
    exempt: Option<Exempt>,
}

/// A proxy, and the option or variable that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    from: &'static str,
    proxy: Proxy,
}

impl Proxies {
    /// One proxy for everything.
    pub fn everywhere(proxy: Proxy) -> Proxies {
        let named = Named { from: "--proxy", proxy };
        Proxies { http: Some(named.clone()), https: Some(named), exempt: None }
    }

    /// The proxy that leads to `origin`; none where it is called directly.
    pub fn of(&self, origin: &Url) -> Option<&Proxy> {
        self.named(origin).map(|named| &named.proxy)
    }

    fn named(&self, origin: &Url) -> Option<&Named> {
        let named = match origin.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        };
        named.filter(|_| !self.exempt.as_ref().is_some_and(|exempt| exempt.has(&origin.host)))
    }

    /// How requests to `origin` are put; `None` where a tunnel leads to it, or nothing but TCP.
    pub(crate) fn forward(&self, origin: &Url) -> Option<Forward> {
        self.of(origin)?.forward(origin)
    }

    /// The request for a tunnel to `origin`; `None` where none leads there.
    pub(crate) fn connect(&self, origin: &Url) -> Option<Arc<[u8]>> {
        self.of(origin)?.connect(origin)
    }

    /// Puts the requests of `workload` that are to be forwarded.
    pub(super) fn forward_all(&self, workload: &mut Workload) {
        for origin in &mut workload.origins {
            origin.forward = self.forward(&origin.url);
        }
        for step in &mut workload.steps {
            // Those that go elsewhere each time are put when they begin.
            if step.open_url.is_none()
                && let Some(forward) = &workload.origins[step.origin as usize].forward
            {
                step.request.forward(forward);
            }
        }
    }

    /// Those that lead to one of `origins`, without their credentials, and who names them: each once, in their order.
    pub(crate) fn used<'a>(&self, origins: impl Iterator<Item = &'a Url>) -> Vec<(String, &'static str)> {
        let mut all = Vec::new();
        for named in origins.filter_map(|origin| self.named(origin)) {
            let shown = (format!("http://{}", named.proxy.url.authority()), named.from);
            if !all.contains(&shown) {
                all.push(shown);
            }
        }
        all
    }
}

/// Reads `--proxy` and, without it, what `variable` says. `origins` are those known now; with `open_ended` there may be others.
pub(super) fn proxies(
    given: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
    origins: &[&Url],
    open_ended: bool,
    problems: &mut Problems,
) -> Proxies {
    match given {
        // As with curl, an empty one is none, whatever the environment says.
        Some("") => return Proxies::default(),
        Some(text) => {
            let read = problems.note("--proxy", parse(text));
            return read.map(Proxies::everywhere).unwrap_or_default();
        }
        None => {}
    }
    // Lower case first; http_proxy in upper case is what a server makes of a request's field `Proxy` (CGI), and is not read.
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| Some((*name, variable(name).filter(|value| !value.is_empty())?)))
    };
    let exempt = Exempt::parse(&first(&["no_proxy", "NO_PROXY"]).map(|(_, list)| list).unwrap_or_default());
    let mut told = None;
    let mut read = |scheme: Scheme, names: &[&'static str]| {
        let (from, value) = first(names)?;
        let out = || origins.iter().filter(|origin| !exempt.has(&origin.host));
        // From hosts that are called directly redirects mostly lead to such ones: what would be for others may be of no use.
        let wanted = out().any(|origin| open_ended || origin.scheme == scheme);
        let read = parse(&value)
            .map_err(|why| format!("names no proxy that can be used: {why}, or go without one (--proxy '')"));
        if !wanted {
            return read.ok().filter(|_| open_ended).map(|proxy| Named { from, proxy });
        }
        // One variable may stand for both schemes: it is told of once.
        if told.replace(from) == Some(from) {
            return read.ok().map(|proxy| Named { from, proxy });
        }
        problems.note(from, read).map(|proxy| Named { from, proxy })
    };
    let http = read(Scheme::Http, &["http_proxy", "all_proxy", "ALL_PROXY"]);
    let https = read(Scheme::Https, &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
    Proxies { http, https, exempt: Some(exempt) }
}

/// Hosts that the environment's proxies are not asked for: this one, and those of no_proxy, as curl reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Exempt {
    /// `*`
    all: bool,
    /// Names in lower case, which stand for all below them, too.
    names: Vec<String>,
    networks: Vec<IpNet>,
}

impl Exempt {
    fn parse(list: &str) -> Exempt {
        let mut exempt = Exempt { all: list.trim() == "*", ..Exempt::default() };
        for word in list.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
            let bare = word.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(word);
            if let Ok(network) = bare.parse::<IpNet>().or_else(|_| bare.parse::<IpAddr>().map(IpNet::from)) {
                exempt.networks.push(network);
            } else {
                exempt.names.push(bare.trim_matches('.').to_ascii_lowercase());
            }
        }
        exempt
    }

    /// `host` is in lower case, an address without brackets.
    fn has(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        // A zone is this host's own: to a proxy the address means another, or none.
        if self.all || host.contains('%') {
            return true;
        }
        let address = host.parse::<IpAddr>();
        if let Ok(address) = address {
            return address.is_loopback() || self.networks.iter().any(|network| network.contains(&address));
        }
        let is_below = |name: &str| {
            host.strip_suffix(name).is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        is_below("localhost") || self.names.iter().any(|name| !name.is_empty() && is_below(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    /// What leads to each of `origins` with these variables, as the report has it.
    fn used(
        variables: &[(&str, &str)],
        given: Option<&str>,
        origins: &[&str],
    ) -> Vec<(String, &'static str)> {
        let origins: Vec<Url> = origins.iter().map(|text| url(text)).collect();
        let variable =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let mut problems = Problems::default();
        let all: Vec<&Url> = origins.iter().collect();
        let proxies = proxies(given, variable, &all, false, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        proxies.used(origins.iter())
    }

    #[test]
    fn variables_are_read_as_curl_reads_them() {
        let (plain, secure) = ("http://a.example/", "https://a.example/");
        let one = |name: &'static str, to: &str| used(&[(name, "p.example:3128")], None, &[to]);
        for (name, leads_plain, leads_secure) in [
            ("http_proxy", true, false),
            ("HTTP_PROXY", false, false),
            ("https_proxy", false, true),
            ("HTTPS_PROXY", false, true),
            ("all_proxy", true, true),
            ("ALL_PROXY", true, true),
        ] {
            let there = vec![("http://p.example:3128".to_owned(), name)];
            assert_eq!(one(name, plain), if leads_plain { there.clone() } else { vec![] }, "{name}");
            assert_eq!(one(name, secure), if leads_secure { there } else { vec![] }, "{name}");
        }
        let several =
            [("https_proxy", ""), ("HTTPS_PROXY", "http://u:secret@two:2"), ("all_proxy", "three:3")];
        assert_eq!(
            used(&several, None, &[plain, secure, plain]),
            [("http://three:3".to_owned(), "all_proxy"), ("http://two:2".to_owned(), "HTTPS_PROXY")]
        );
        assert_eq!(used(&several, Some(""), &[plain, secure]), []);
        assert_eq!(
            used(&several, Some("four:4"), &[plain, secure]),
            [("http://four:4".to_owned(), "--proxy")]
        );
    }

    #[test]
    fn hosts_are_left_out_as_curl_leaves_them_out() {
        let goes = |list: &'static str, host: &str| {
            !used(&[("all_proxy", "p:1"), ("NO_PROXY", list)], None, &[&format!("http://{host}/")]).is_empty()
        };
        for host in [
            "localhost",
            "app.localhost",
            "localhost.",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[fe80::1%25eth0]",
        ] {
            assert!(!goes("", host), "{host} is this host");
            assert!(
                !used(&[("all_proxy", "p:1")], Some("p:1"), &[&format!("http://{host}/")]).is_empty(),
                "{host}"
            );
        }
        for (list, out, through) in [
            ("*", &["a.example", "192.0.2.1"][..], &[][..]),
            (
                "a.example, .b.example",
                &["a.example", "x.a.example", "b.example", "y.b.example"],
                &["ba.example", "example"],
            ),
            ("A.Example.", &["a.example", "a.example."], &["c.example"]),
            ("192.0.2.0/24 10.0.0.1", &["192.0.2.77", "10.0.0.1"], &["192.0.3.1", "10.0.0.2", "a.example"]),
            ("[2001:db8::1],2001:db9::/32", &["[2001:db8::1]", "[2001:db9::5]"], &["[2001:db8::2]"]),
            ("notlocalhost", &[], &["my-localhost", "a.example"]),
        ] {
            out.iter().for_each(|host| assert!(!goes(list, host), "{list}: {host}"));
            through.iter().for_each(|host| assert!(goes(list, host), "{list}: {host}"));
        }
        let lower = [("all_proxy", "p:1"), ("no_proxy", "a.example"), ("NO_PROXY", "b.example")];
        assert_eq!(used(&lower, None, &["http://a.example/"]), []);
        assert!(!used(&lower, None, &["http://b.example/"]).is_empty(), "the lower case comes first");
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named_where_it_would_be() {
        let told = |to: &str, open_ended| {
            let mut problems = Problems::default();
            let variable = |name: &str| (name == "ALL_PROXY").then(|| "socks5://p:1080".to_owned());
            proxies(None, variable, &[&url(to)], open_ended, &mut problems);
            problems.into_vec().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            told("http://a.example/", false),
            [
                "ALL_PROXY: names no proxy that can be used: `socks5` proxies are not spoken to: give an HTTP proxy, http://HOST:PORT, or go without one (--proxy '')"
            ]
        );
        assert_eq!(told("https://a.example/", false), told("http://a.example/", false));
        assert!(told("http://127.0.0.1/", false).is_empty() && told("http://127.0.0.1/", true).is_empty());
        assert_eq!(
            told("http://a.example/", true),
            told("http://a.example/", false),
            "once, though a redirect may lead to https"
        );
    }
}
