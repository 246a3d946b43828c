//! Names to addresses: literals, /etc/hosts, then DNS (hickory) as /etc/resolv.conf has it.
//!
//! What needs no question is resolved without a runtime and without a packet. Modules of nsswitch.conf(5) other than `files` and
//! `dns` are not asked; systemd-resolved is reached through the name server that it puts into resolv.conf.

mod order;
#[cfg(test)]
pub(in crate::run) mod scripted;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use crate::clock;
use crate::units::Nanos;

/// How long resolving may take before the run is given up.
pub const RESOLVE_LIMIT: Nanos = Nanos::from_secs(10);

/// Name servers that are asked; as in glibc (MAXNS, resolv.conf(5)).
const SERVERS_MAX: usize = 3;
/// Questions under way to one name server: two for each of the names that are looked up at a time, and room for retries.
const QUESTIONS_MAX: usize = 1_024;

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The resolver said no.
    #[error("cannot resolve `{host}`: {cause} (check the name, or give an address in the URL)")]
    Failed {
        /// The name.
        host: String,
        /// What the resolver says.
        cause: io::Error,
    },
    /// The resolver said nothing in time.
    #[error(
        "cannot resolve `{host}`: no response within {limit} (check /etc/resolv.conf, or give an address in the URL)"
    )]
    Timeout {
        /// The name.
        host: String,
        /// How long it was waited for.
        limit: Nanos,
    },
    /// The name exists, but has no address.
    #[error("cannot resolve `{host}`: the name has no address")]
    Empty {
        /// The name.
        host: String,
    },
}

/// Where the responses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// hosts(5). Read anew for each name, as it may change during a run.
    pub hosts: PathBuf,
    /// resolv.conf(5). Read once.
    pub resolv_conf: PathBuf,
    /// Port of the name servers, which resolv.conf cannot name.
    pub port: u16,
}

impl Default for Sources {
    /// The system's.
    fn default() -> Sources {
        Sources { hosts: "/etc/hosts".into(), resolv_conf: "/etc/resolv.conf".into(), port: 53 }
    }
}

/// Resolves names from the same [`Sources`]. Belongs to one tokio runtime from its first question on.
#[derive(Debug, Default)]
pub struct Resolver {
    sources: Sources,
    dns: OnceLock<Dns>,
}

/// All addresses of `host` (a name, or an address without brackets) in the order of RFC 6724; each once. Blocks.
///
/// # Errors
/// See [`ResolveError`].
pub fn resolve(host: &str, port: u16, limit: Nanos) -> Result<Vec<SocketAddr>, ResolveError> {
    resolve_from(Sources::default(), host, port, limit)
}

fn resolve_from(
    sources: Sources,
    host: &str,
    port: u16,
    limit: Nanos,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let resolver = Resolver::new(sources);
    let addresses = match resolver.known(host) {
        Some(addresses) => addresses,
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|cause| ResolveError::Failed { host: host.to_owned(), cause })?;
            runtime.block_on(resolver.ask(host, limit))?
        }
    };
    Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

impl Resolver {
    /// Reads and asks nothing yet.
    pub fn new(sources: Sources) -> Resolver {
        Resolver { sources, dns: OnceLock::new() }
    }

    /// All addresses of `host` in the order of RFC 6724; each once.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn addresses(&self, host: &str, limit: Nanos) -> Result<Vec<IpAddr>, ResolveError> {
        match self.known(host) {
            Some(addresses) => Ok(addresses),
            None => self.ask(host, limit).await,
        }
    }

    /// The addresses of what needs no question: a literal, a name of the hosts file, localhost (RFC 6761, section 6.3).
    fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        if let Some(ip) = literal(host) {
            return Some(vec![ip]);
        }
        let found = self.in_hosts(host);
        if !found.is_empty() {
            return Some(order::sorted(found));
        }
        is_localhost(host).then(|| {
            let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            let usable: Vec<IpAddr> = both.into_iter().filter(|ip| order::is_usable(*ip)).collect();
            if usable.is_empty() { vec![both[0]] } else { order::sorted(usable) }
        })
    }

    /// As in glibc, a name that the hosts file has in one family only has no addresses of the other.
    fn in_hosts(&self, host: &str) -> Vec<IpAddr> {
        let Ok(text) = std::fs::read(&self.sources.hosts) else { return Vec::new() };
        let Ok(name) = Name::from_str_relaxed(host) else { return Vec::new() };
        let mut hosts = Hosts::default();
        // Of a line that is not UTF-8 only that name is lost, and text in memory can always be read.
        let _ = hosts.read_hosts_conf(String::from_utf8_lossy(&text).as_bytes());
        let both = [RecordType::A, RecordType::AAAA].map(|family| Query::query(name.clone(), family));
        let lookups = both.iter().filter_map(|query| hosts.lookup_static_host(query));
        let addresses: Vec<IpAddr> = lookups
            .flat_map(|lookup| addresses_of(lookup.answers().iter().map(|record| &record.data)))
            .collect();
        unique(addresses)
    }

    async fn ask(&self, host: &str, limit: Nanos) -> Result<Vec<IpAddr>, ResolveError> {
        let failed = |cause| ResolveError::Failed { host: host.to_owned(), cause };
        let dns = match self.dns.get() {
            Some(dns) => dns,
            None => {
                let dns = Dns::new(&self.sources).map_err(|e| failed(explained(&e)))?;
                self.dns.get_or_init(|| dns)
            }
        };
        let begun = clock::now();
        // Its own reading of a text has no underscores, which names of containers have.
        let name = Name::from_str_relaxed(host).map_err(|e| failed(explained(&e.into())))?;
        let question = dns.0.lookup_ip(name);
        let response = tokio::time::timeout(Duration::from_nanos(limit.0), question).await;
        let waited = |limit| ResolveError::Timeout { host: host.to_owned(), limit };
        let found: Vec<IpAddr> = match response {
            Err(_) => return Err(waited(limit)),
            // What resolv.conf allows is over; told in tenths of a second.
            Ok(Err(NetError::Timeout)) => {
                let took = (clock::now() - begun).0;
                return Err(waited(limit.min(Nanos(took - took % 100_000_000))));
            }
            Ok(Err(error)) if is_empty(&error) => Vec::new(),
            Ok(Err(error)) => return Err(failed(explained(&error))),
            Ok(Ok(found)) => found.iter().collect(),
        };
        let found = order::sorted(unique(found));
        if found.is_empty() { Err(ResolveError::Empty { host: host.to_owned() }) } else { Ok(found) }
    }
}

/// A client of the name servers.
#[derive(Clone)]
struct Dns(TokioResolver);

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dns")
    }
}

impl Dns {
    fn new(sources: &Sources) -> Result<Dns, NetError> {
        let (config, options) = settings(sources)?;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::new());
        *builder.options_mut() = options;
        builder.build().map(Dns)
    }
}

/// resolv.conf as glibc understands it, LOCALDOMAIN and RES_OPTIONS included.
///
/// Other than glibc, all name servers are asked at once (as musl does): one that is dead costs no time.
fn settings(sources: &Sources) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    // Without the file there is a name server on this host.
    let mut text = std::fs::read(&sources.resolv_conf).unwrap_or_default();
    for (keyword, variable) in [("search", "LOCALDOMAIN"), ("options", "RES_OPTIONS")] {
        if let Ok(value) = std::env::var(variable) {
            text.extend(format!("\n{keyword} {value}").bytes());
        }
    }
    let (config, mut options) = parse_resolv_conf(&text).or_else(|_| {
        text.extend(b"\nnameserver 127.0.0.1");
        parse_resolv_conf(&text)
    })?;
    let (domain, mut search, mut servers) = config.into_parts();
    // `search` replaces the domain; hickory would try both.
    if search.is_empty() {
        search.extend(domain.filter(|domain| !domain.is_root()));
    }
    servers.truncate(SERVERS_MAX);
    for connection in servers.iter_mut().flat_map(|server| &mut server.connections) {
        connection.port = sources.port;
    }
    // All attempts end before the limit does: where a server leaves one family without a response, the other's counts.
    let tries = options.attempts.max(1) as u32;
    options.timeout = options.timeout.min(Duration::from_nanos(RESOLVE_LIMIT.0 / 10 * 9) / tries);
    // There an attempt is a question, here one after the first.
    options.attempts = options.attempts.saturating_sub(1);
    options.num_concurrent_reqs = servers.len();
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.max_active_requests = QUESTIONS_MAX;
    // The hosts file was looked at before, and whoever asks again wants to know anew.
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    Ok((ResolverConfig::from_parts(None, search, servers), options))
}

/// An address, also in the numeric forms of inet_aton(3) that getaddrinfo(3) takes, such as `127.1`.
pub(in crate::run) fn literal(host: &str) -> Option<IpAddr> {
    // The zone of an IPv6 address is no part of it.
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    if let Ok(ip) = host.parse() {
        return Some(ip);
    }
    match url::Host::parse(host) {
        Ok(url::Host::Ipv4(ip)) => Some(ip.into()),
        _ => None,
    }
}

/// `localhost`, and names below it.
pub(in crate::run) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn addresses_of<'a>(data: impl Iterator<Item = &'a RData>) -> Vec<IpAddr> {
    data.filter_map(RData::ip_addr).collect()
}

fn unique(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut unique = Vec::with_capacity(addresses.len());
    for ip in addresses {
        if !unique.contains(&ip) {
            unique.push(ip);
        }
    }
    unique
}

/// The name is there, but has no address of either family.
fn is_empty(error: &NetError) -> bool {
    error.is_no_records_found() && !error.is_nx_domain()
}

/// No descriptor was left for a question.
pub(in crate::run) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// A sentence for people.
fn explained(error: &NetError) -> io::Error {
    if error.is_nx_domain() {
        return io::Error::new(io::ErrorKind::NotFound, "there is no such name (NXDOMAIN)");
    }
    match error {
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => {
            io::Error::other("the name server failed (SERVFAIL)")
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            io::Error::other(format!("the name server says: {code}"))
        }
        // Told as it is: the generator's own limit, and no fault of the name.
        NetError::Io(error) if is_exhausted(error) => {
            io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EMFILE))
        }
        NetError::Io(error) => {
            io::Error::new(error.kind(), format!("no name server can be reached: {error}"))
        }
        NetError::NoConnections => io::Error::other("no name server can be reached"),
        other => io::Error::other(other.to_string()),
    }
}
