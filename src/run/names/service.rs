//! What is done about a question: limits, lookups side by side, and the ways to what was found.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::sync::mpsc;

use super::{LOOKUPS_MAX, ORIGINS_MAX, Setup, reach};
use crate::clock;
use crate::driver::Endpoint;
use crate::http::url::{Scheme, Url};
use crate::run::resolve::{self, ResolveError, Resolver};
use crate::stats::outcome::ErrorKind;
use crate::transport::Route;
use crate::transport::tls::{Connector, MinVersion, PeerName, Roots, TlsSettings};
use crate::units::{Nanos, human};
use crate::worker::names::{Found, Lookup, Unreachable};

/// A worker's question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) worker: usize,
    pub(super) lookup: Lookup,
}

/// What happens to the service.
pub(super) enum Event {
    /// Somebody asks.
    Asked(Asked),
    /// A name was looked up.
    Resolved(String, Result<Vec<IpAddr>, ResolveError>),
    /// Nobody asks any more.
    Over,
}

type Ways = Vec<(Endpoint, Route)>;

/// Answers the questions of all workers.
pub(super) struct Service {
    setup: Setup,
    resolver: Arc<Resolver>,
    /// To each worker.
    found: Vec<Sender<Found>>,
    /// Who waits for which name; those of the names in `queue` and under way.
    waiting: HashMap<String, Vec<Asked>>,
    /// Names whose lookup has not begun.
    queue: VecDeque<String>,
    under_way: usize,
    /// Addresses of names, and when they were learnt.
    known: HashMap<String, (Vec<IpAddr>, Nanos)>,
    /// Origins that the plan does not name: at most [`ORIGINS_MAX`].
    foreign: HashSet<(Scheme, String, u16)>,
    /// Hosts and ports that were found, and whether they are on this host or in a private network.
    inner: HashMap<(String, u16), bool>,
    connector: Option<Result<Connector, String>>,
}

impl Service {
    pub(super) fn new(setup: Setup, found: Vec<Sender<Found>>) -> Service {
        let mut inner = HashMap::new();
        let mut known = HashMap::new();
        for (url, addresses) in &setup.planned {
            let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
            let proxy = setup.routes.proxies.of(url);
            // Through a proxy the addresses are the proxy's.
            if proxy.is_none() && !ips.is_empty() {
                inner.insert((url.host.clone(), url.port), ips.iter().any(|ip| reach::is_inner(*ip)));
            }
            let called = proxy.map_or(url, |proxy| &proxy.url);
            if setup.dialing.overridden(called).is_none() && !ips.is_empty() {
                known.insert(called.host.clone(), (ips, clock::now()));
            }
        }
        Service {
            resolver: Arc::new(Resolver::new(setup.sources.clone())),
            connector: setup.routes.connector.clone().map(Ok),
            setup,
            found,
            waiting: HashMap::new(),
            queue: VecDeque::new(),
            under_way: 0,
            known,
            foreign: HashSet::new(),
            inner,
        }
    }

    /// Until nobody asks any more.
    pub(super) async fn work(mut self, own: mpsc::Sender<Event>, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Asked(asked) => self.asked(asked),
                Event::Resolved(name, result) => self.resolved(&name, result),
                Event::Over => return,
            }
            self.look_up(&own);
        }
    }

    fn asked(&mut self, asked: Asked) {
        if let Err(unreachable) = self.admit(&asked.lookup.url) {
            return self.reply(&asked, Err(unreachable), Nanos::MAX);
        }
        let ttl = self.setup.rules.ttl();
        let called = self.called(&asked.lookup.url).clone();
        if self.setup.dialing.unix_socket.is_some() {
            return self.settle(&asked, Vec::new(), ttl);
        }
        if let Some(addresses) = self.setup.dialing.overridden(&called) {
            let addresses = addresses.into_iter().map(|addr| addr.ip()).collect();
            return self.settle(&asked, addresses, ttl);
        }
        if let Some((addresses, at)) = self.known.get(&called.host) {
            let age = clock::now() - *at;
            if age < ttl {
                let left = if ttl == Nanos::MAX { ttl } else { ttl - age };
                return self.settle(&asked, addresses.clone(), left);
            }
        }
        let waiting = self.waiting.entry(called.host.clone()).or_default();
        waiting.push(asked);
        if waiting.len() == 1 {
            self.queue.push_back(called.host);
        }
    }

    /// Counts an origin that the plan does not name.
    fn admit(&mut self, url: &Url) -> Result<(), Unreachable> {
        if self.is_planned(url) {
            return Ok(());
        }
        let origin = (url.scheme, url.host.clone(), url.port);
        if self.foreign.len() >= ORIGINS_MAX && !self.foreign.contains(&origin) {
            return Err(Unreachable {
                kind: ErrorKind::NotAllowed,
                cause: format!(
                    "{} is one origin too many: a run may meet {} that its plan does not name; name them there, or \
                     follow fewer redirects (--max-redirects)",
                    url.authority(),
                    human::count(ORIGINS_MAX as u64)
                ),
            });
        }
        self.foreign.insert(origin);
        Ok(())
    }

    fn is_planned(&self, url: &Url) -> bool {
        let same = |own: &Url| (own.scheme, &own.host, own.port) == (url.scheme, &url.host, url.port);
        self.setup.planned.iter().any(|(own, _)| same(own))
    }

    /// Whose addresses are called for `url`: its own, or the proxy's.
    fn called<'a>(&'a self, url: &'a Url) -> &'a Url {
        self.setup.routes.proxies.of(url).map_or(url, |proxy| &proxy.url)
    }

    /// Begins lookups, as many as there may be.
    fn look_up(&mut self, own: &mpsc::Sender<Event>) {
        while self.under_way < LOOKUPS_MAX
            && let Some(name) = self.queue.pop_front()
        {
            self.under_way += 1;
            let (resolver, events, limit) = (Arc::clone(&self.resolver), own.clone(), self.setup.limit);
            tokio::spawn(async move {
                let result = resolver.addresses(&name, limit).await;
                let _ = events.send(Event::Resolved(name, result)).await;
            });
        }
    }

    fn resolved(&mut self, name: &str, result: Result<Vec<IpAddr>, ResolveError>) {
        self.under_way -= 1;
        let waiting = self.waiting.remove(name).unwrap_or_default();
        match result {
            Ok(addresses) => {
                self.known.insert(name.to_owned(), (addresses.clone(), clock::now()));
                let ttl = self.setup.rules.ttl();
                waiting.iter().for_each(|asked| self.settle(asked, addresses.clone(), ttl));
            }
            Err(error) => {
                let unreachable = Unreachable { kind: kind_of(&error), cause: error.to_string() };
                waiting.iter().for_each(|asked| self.reply(asked, Err(unreachable.clone()), Nanos::MAX));
            }
        }
    }

    /// Says where the origin is, whose addresses, or the proxy's, are these.
    fn settle(&mut self, asked: &Asked, addresses: Vec<IpAddr>, ttl: Nanos) {
        let ways = self.may_reach(&asked.lookup, addresses).and_then(|addresses| {
            let route = self.route(&asked.lookup.url)?;
            let endpoints = self.endpoints(&asked.lookup.url, &addresses)?;
            Ok(endpoints.into_iter().map(|endpoint| (endpoint, route.clone())).collect())
        });
        self.reply(asked, ways, ttl);
    }

    /// The addresses that may be called. What the plan names was the user's wish; a Unix socket is where everything goes.
    fn may_reach(&mut self, lookup: &Lookup, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Unreachable> {
        let Lookup { url, from, .. } = lookup;
        if self.is_planned(url) || self.setup.dialing.unix_socket.is_some() {
            return Ok(addresses);
        }
        let inner = self.inner.get(&(from.host.clone(), from.port)).copied();
        let inner = inner.unwrap_or_else(|| reach::is_inner_by_name(&from.host));
        let rules = &self.setup.rules;
        let direct = self.setup.routes.proxies.of(url).is_none();
        let allowed = if direct {
            reach::allowed(rules, (from, inner), url, addresses)
        } else if inner
            && !reach::is_inner_by_name(&url.host)
            && !rules.allowed.iter().any(|pattern| pattern.fits(&url.host))
        {
            // The proxy alone knows its addresses.
            Err(reach::refusal(from, url, "through the proxy"))
        } else {
            Ok(addresses)
        };
        let allowed = allowed.map_err(|cause| Unreachable { kind: ErrorKind::NotAllowed, cause })?;
        if direct {
            let inner = allowed.iter().any(|ip| reach::is_inner(*ip));
            self.inner.insert((url.host.clone(), url.port), inner);
        }
        Ok(allowed)
    }

    fn endpoints(&self, url: &Url, addresses: &[IpAddr]) -> Result<Vec<Endpoint>, Unreachable> {
        let dialing = &self.setup.dialing;
        if dialing.unix_socket.is_some() {
            return Ok(dialing.endpoints(&[]));
        }
        let called = self.called(url);
        let all: Vec<SocketAddr> = match dialing.zoned(called) {
            Some(zoned) => vec![zoned.map_err(|cause| Unreachable { kind: ErrorKind::Connect, cause })?],
            None => addresses.iter().map(|ip| SocketAddr::new(*ip, called.port)).collect(),
        };
        let reachable = dialing.reachable(&called.host, &all);
        let reachable = reachable.map_err(|cause| Unreachable { kind: ErrorKind::Connect, cause })?;
        Ok(dialing.endpoints(&reachable))
    }

    fn route(&mut self, url: &Url) -> Result<Route, Unreachable> {
        if url.scheme == Scheme::Http {
            return Ok(Route::default());
        }
        let tunnel = self.setup.routes.proxies.connect(url);
        let failed = |cause| Unreachable { kind: ErrorKind::Tls, cause };
        let name = PeerName::new(url.unzoned_host()).map_err(|e| failed(e.to_string()))?;
        let connector = self.connector.get_or_insert_with(default_connector).clone().map_err(failed)?;
        Ok(Route { tunnel, tls: Some((connector, name)) })
    }

    fn reply(&self, asked: &Asked, result: Result<Ways, Unreachable>, ttl: Nanos) {
        let found = Found { origin: asked.lookup.origin, result, ttl };
        // A worker that has gone needs no reply; one that is there has room for each of its questions.
        let _ = self.found[asked.worker].try_send(found);
    }
}

/// As what requests are counted whose name was not found.
fn kind_of(error: &ResolveError) -> ErrorKind {
    match error {
        ResolveError::Timeout { .. } => ErrorKind::DnsTimeout,
        ResolveError::Failed { cause, .. } if resolve::is_exhausted(cause) => ErrorKind::FdExhausted,
        ResolveError::Failed { .. } | ResolveError::Empty { .. } => ErrorKind::Dns,
    }
}

/// For runs in which nothing was https from the start, and no flag asks for other settings.
fn default_connector() -> Result<Connector, String> {
    let settings = TlsSettings {
        roots: Roots::System,
        identity: None,
        resumption: false,
        min_version: MinVersion::default(),
    };
    Connector::new(&settings).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_no_fault_of_the_name() {
        let failed = |cause| kind_of(&ResolveError::Failed { host: "h".into(), cause });
        assert_eq!(failed(io::Error::from_raw_os_error(libc::EMFILE)), ErrorKind::FdExhausted);
        assert_eq!(failed(io::Error::other("SERVFAIL")), ErrorKind::Dns);
        let timeout = ResolveError::Timeout { host: "h".into(), limit: Nanos::ZERO };
        assert_eq!(kind_of(&timeout), ErrorKind::DnsTimeout);
    }
}
