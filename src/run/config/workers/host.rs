//! What judging the options needs to know about the host: a seam for tests.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::run::machine::{self, LocalPorts, UsableCores};
use crate::run::resolve::{self, ResolveError};

/// The host, as far as the options depend on it.
pub(in crate::run::config) trait Host {
    /// Cores that this process may use.
    fn usable_cores(&self) -> UsableCores;
    /// Descriptors that this process may open.
    fn descriptors(&self) -> u64;
    /// The addresses of a name.
    fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError>;
    /// Whether an address is this host's.
    fn is_local(&self, addr: IpAddr) -> bool;
    /// The cores of whoever listens there.
    fn listener_cores(&self, addr: SocketAddr) -> Option<Vec<usize>>;
    /// The cores of whoever listens on a Unix socket.
    fn unix_listener_cores(&self, path: &Path) -> Option<Vec<usize>>;
    /// Whether connections may come from there.
    fn try_source(&self, source: IpAddr) -> io::Result<()>;
    /// Whether connections may have this congestion control; what the kernel calls it.
    fn try_congestion(&self, name: &str) -> io::Result<String>;
    /// A variable of the environment, if it is text.
    fn variable(&self, name: &str) -> Option<String>;
    /// The ports for outgoing connections.
    fn local_ports(&self) -> Option<LocalPorts>;
}

/// The host that this process runs on.
pub(in crate::run::config) struct ThisHost {
    descriptors: u64,
}

impl ThisHost {
    /// Raises the soft limit on descriptors to the hard one.
    pub(in crate::run::config) fn new() -> ThisHost {
        // A limit that cannot be read is not enforced here: opening sockets will tell.
        let descriptors = machine::raise_nofile().map_or(u64::MAX, |limits| limits.soft);
        ThisHost { descriptors }
    }
}

impl Host for ThisHost {
    fn usable_cores(&self) -> UsableCores {
        machine::usable_cores()
    }

    fn descriptors(&self) -> u64 {
        self.descriptors
    }

    fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        resolve::resolve(host, port, resolve::RESOLVE_LIMIT)
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        machine::is_local(addr)
    }

    fn listener_cores(&self, addr: SocketAddr) -> Option<Vec<usize>> {
        machine::listener_cores(addr)
    }

    fn unix_listener_cores(&self, path: &Path) -> Option<Vec<usize>> {
        machine::unix_listener_cores(path)
    }

    fn try_source(&self, source: IpAddr) -> io::Result<()> {
        machine::try_source(source)
    }

    fn try_congestion(&self, name: &str) -> io::Result<String> {
        machine::try_congestion(name)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn local_ports(&self) -> Option<LocalPorts> {
        machine::local_ports()
    }
}
