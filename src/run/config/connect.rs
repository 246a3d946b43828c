//! How connections are made: where to, where from, with what congestion control.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::RawConfig;
use super::error::{ConfigError, Problem, Problems};
use super::workers::host::Host;
use crate::driver::Endpoint;
use crate::http::url::Url;
use crate::run::machine;

mod endpoints;
pub(super) mod names;
pub(super) mod ports;
mod resolve;
mod sources;
mod zone;

pub use self::resolve::Override;

/// Longest path of a Unix socket: sun_path of sockaddr_un (unix(7)) without the NUL behind it.
const UNIX_PATH_MAX: usize = 107;

/// How connections are dialled: where to, where from, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialing {
    /// The Unix socket that everything goes to, whatever the URLs' hosts.
    pub unix_socket: Option<PathBuf>,
    /// Addresses for names, in place of the resolver's.
    pub resolve: Vec<Override>,
    /// Local addresses that share the connections, each once; none: the kernel chooses.
    pub sources: Vec<IpAddr>,
    /// The sources as they were written.
    pub sources_given: Vec<String>,
    /// TCP congestion control, when it was asked for and may be had.
    pub congestion: Option<String>,
}

/// Reads the options and tries what can be tried without the target. `asked` are the names whose addresses are called; with
/// `open_ended` redirects may lead to others.
pub(super) fn dialing(
    raw: &RawConfig,
    asked: &[Url],
    open_ended: bool,
    host: &impl Host,
    problems: &mut Problems,
) -> Dialing {
    let given = &raw.connect;
    let (sources_given, sources) = sources::sources(&given.sources, host, problems);
    let dialing = Dialing {
        unix_socket: given.unix_socket.clone(),
        resolve: resolve::overrides(&given.resolve, problems),
        sources,
        sources_given,
        congestion: given.congestion.as_deref().and_then(|name| congestion(name, host, problems)),
    };
    let Some(path) = &dialing.unix_socket else {
        // Plans follow redirects unasked, and most lead nowhere else: there a slip of the pen is likelier.
        let others = open_ended && raw.max_redirects.is_some();
        if !others {
            dialing.match_names(asked, open_ended, problems);
        }
        return dialing;
    };
    if let Err(why) = unix_socket(path) {
        problems.add("--unix-socket", why);
    }
    for (flag, given) in [
        ("--resolve", !given.resolve.is_empty()),
        ("--source", !given.sources.is_empty()),
        ("--tcp-congestion", given.congestion.is_some()),
        ("--dns-ttl", given.dns_ttl.is_some()),
        ("--allow-host", !given.allow_hosts.is_empty()),
        ("--proxy", raw.proxy.as_ref().is_some_and(|proxy| !proxy.is_empty())),
    ] {
        if given {
            problems.add(flag, "does not go with --unix-socket, which has neither addresses nor TCP");
        }
    }
    dialing
}

/// `@name`, as ss(8) and /proc/net/unix write them.
fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"@")
}

fn unix_socket(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let length = path.as_os_str().len();
    if length == 0 {
        return Err("the path is empty: give that of the target's socket, for example /run/app.sock".into());
    }
    // An abstract one (unix(7)) is no file. Whether somebody listens there shows when it is called.
    if is_abstract(path) && length > 1 && length <= UNIX_PATH_MAX + 1 {
        return Ok(());
    }
    if length > UNIX_PATH_MAX {
        return Err(format!(
            "`{shown}` has {length} bytes, but a socket's path has at most {UNIX_PATH_MAX} (unix(7)): give a \
             shorter one, for example relative to another directory, or a symbolic link"
        ));
    }
    match fs::metadata(path) {
        Ok(file) if file.file_type().is_socket() => Ok(()),
        Ok(_) => Err(format!("`{shown}` is not a socket: give the one that the target listens on")),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(format!("there is no `{shown}`: is the target running, and is this its socket?"))
        }
        Err(e) => Err(format!("cannot reach `{shown}`: {e}")),
    }
}

fn congestion(name: &str, host: &impl Host, problems: &mut Problems) -> Option<String> {
    let tried = host.try_congestion(name);
    let why = match tried.as_ref().map_err(io::Error::raw_os_error) {
        Ok(_) => return tried.ok(),
        Err(Some(libc::EPERM)) => {
            let (_, allowed) = machine::congestion_controls();
            format!(
                "`{name}` is not for every process; those are: {} (root may take it, or allow it in \
                 net.ipv4.tcp_allowed_congestion_control)",
                allowed.join(", ")
            )
        }
        Err(_) => {
            let (available, allowed) = machine::congestion_controls();
            format!(
                "this kernel has no congestion control `{name}`; it has {}, of which every process may take {} \
                 (others are modules: modprobe tcp_{name})",
                available.join(", "),
                allowed.join(", ")
            )
        }
    };
    problems.add("--tcp-congestion", why);
    None
}

impl Dialing {
    /// The addresses of each of the `asked` names.
    pub(super) fn resolve(
        &self,
        asked: &[Url],
        host: &impl Host,
    ) -> Result<Vec<Vec<SocketAddr>>, ConfigError> {
        let all = asked.iter().map(|url| self.addresses(url, host)).collect::<Result<Vec<_>, _>>()?;
        self.match_sources(&all.concat())?;
        Ok(all)
    }

    /// The addresses that lead to `url`; none where everything goes to a Unix socket. Of a name with addresses of both families only
    /// those that a source can reach.
    fn addresses(&self, url: &Url, host: &impl Host) -> Result<Vec<SocketAddr>, ConfigError> {
        if self.unix_socket.is_some() {
            return Ok(Vec::new());
        }
        let all = match (self.overridden(url), self.zoned(url)) {
            (Some(addresses), _) => addresses,
            (None, Some(zoned)) => vec![zoned.map_err(refused_url)?],
            (None, None) => host.resolve(&url.host, url.port).map_err(ConfigError::Resolve)?,
        };
        self.reachable(&url.host, &all).map_err(refused_source)
    }

    /// The address of `url` where that is link-local, with its interface.
    pub(crate) fn zoned(&self, url: &Url) -> Option<Result<SocketAddr, String>> {
        zone::is_link_local(url).then(|| zone::address(url))
    }

    /// The addresses that `--resolve` gives for `url`.
    pub(crate) fn overridden(&self, url: &Url) -> Option<Vec<SocketAddr>> {
        self.resolve.iter().find(|entry| entry.is_for(url)).map(Override::socket_addresses)
    }

    /// Those of `all`, the addresses of `name`, that a source can reach.
    ///
    /// # Errors
    /// What is to be given to `--source` when none is.
    pub(crate) fn reachable(&self, name: &str, all: &[SocketAddr]) -> Result<Vec<SocketAddr>, String> {
        let reachable: Vec<SocketAddr> = all.iter().copied().filter(|to| self.reaches(*to)).collect();
        if reachable.is_empty() {
            let family = if all[0].is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(format!(
                "`{name}` has only {family} addresses ({}), which none of these can reach ({}): give one of this host's \
                 {family} addresses",
                all[0].ip(),
                self.sources_given.join(", ")
            ));
        }
        Ok(reachable)
    }

    fn reaches(&self, target: SocketAddr) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|source| source.is_ipv4() == target.is_ipv4())
    }

    /// Names the entries of `--resolve` that are for none of the `asked` names.
    fn match_names(&self, asked: &[Url], open_ended: bool, problems: &mut Problems) {
        // Without any there are other problems, which come first.
        if asked.is_empty() {
            return;
        }
        for entry in self.resolve.iter().filter(|entry| !asked.iter().any(|url| entry.is_for(url))) {
            let mut names: Vec<String> =
                asked.iter().map(|url| format!("{}:{}", url.host, url.port)).collect();
            names.dedup();
            let way_out =
                if open_ended { " (name a host that redirects lead to in the plan's origins)" } else { "" };
            problems.add(
                "--resolve",
                format!("`{entry}` is for nothing in this run, which asks for {}{way_out}", names.join(", ")),
            );
        }
    }

    /// Refuses a source that can reach none of the `targets`; of scripts none is known before the run.
    fn match_sources(&self, targets: &[SocketAddr]) -> Result<(), ConfigError> {
        let lost = |source: &&IpAddr| targets.iter().all(|target| target.is_ipv4() != source.is_ipv4());
        let (Some(source), Some(target)) = (self.sources.iter().find(lost), targets.first()) else {
            return Ok(());
        };
        let (own, other) = if source.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
        Err(refused_source(format!(
            "`{source}` is {own}, but the target has only {other} addresses ({}): leave it out, or give an {other} one",
            target.ip()
        )))
    }

    /// Each pair of one of `addresses` and a source, in the order in which connections take turns.
    pub(super) fn pairs(&self, addresses: &[SocketAddr]) -> Vec<(SocketAddr, Option<IpAddr>)> {
        endpoints::pairs(addresses, &self.sources)
    }

    /// What the driver is told: every address with every source of its family, so that each is one in its turn.
    pub(crate) fn endpoints(&self, addresses: &[SocketAddr]) -> Vec<Endpoint> {
        match &self.unix_socket {
            Some(path) => endpoints::unix(path, is_abstract(path)),
            None => endpoints::tcp(addresses, &self.sources, self.congestion.as_deref()),
        }
    }
}

fn refused_url(message: String) -> ConfigError {
    ConfigError::Refused(vec![Problem { option: "URL", message }])
}

fn refused_source(message: String) -> ConfigError {
    ConfigError::Refused(vec![Problem { option: "--source", message }])
}
