//! Why the server could not start, or did not end well.

use std::io;
use std::net::SocketAddr;

use crate::driver::uring::Gate;

/// Why a [`Target`](super::Target) could not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The configuration names no core, so there would be no thread.
    #[error("the target needs at least one core: name them with --cores, such as --cores 0,1")]
    NoCores,
    /// The error rate is not a share.
    #[error("error rate {0} is not a share: use a number from 0 (never) to 1 (always)")]
    ErrorRate(f64),
    /// Another socket listens on the address.
    #[error("{addr} is in use: stop what listens there, or choose another --listen address")]
    AddressInUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The address cannot be listened on, for another reason.
    #[error("cannot listen on {addr}: {source}{}", remedy_for_bind(source))]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A thread could not be bound to its core.
    #[error(
        "cannot pin a thread to core {core}: it does not exist, or is outside the affinity mask (see taskset -p)"
    )]
    Pin {
        /// The core asked for.
        core: usize,
    },
    /// The kernel refused a ring.
    #[error("cannot set up io_uring: {source}{}", remedy_for_ring(source))]
    Ring {
        /// What the kernel answered.
        source: io::Error,
    },
    /// A thread, pipe or timer could not be had.
    #[error("cannot start the target's threads: {source}")]
    Resources {
        /// What the kernel answered.
        source: io::Error,
    },
    /// A serving thread ended with a panic: a bug.
    #[error("the target's thread on core {core} panicked; this is a bug in squall")]
    Crashed {
        /// The core that the thread was pinned to.
        core: usize,
    },
}

impl TargetError {
    /// The typed form of an error from socket, bind or listen.
    pub(super) fn from_listen(addr: SocketAddr, source: io::Error) -> TargetError {
        if source.kind() == io::ErrorKind::AddrInUse {
            TargetError::AddressInUse { addr }
        } else {
            TargetError::Listen { addr, source }
        }
    }
}

fn remedy_for_bind(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; no interface of this host has that address: try 127.0.0.1 or 0.0.0.0"
        }
        _ => "",
    }
}

fn remedy_for_ring(source: &io::Error) -> String {
    let remedy = match source.raw_os_error() {
        Some(errno @ (libc::EPERM | libc::EACCES)) => {
            return format!("; {}", Gate::behind(io::Error::from_raw_os_error(errno)));
        }
        Some(libc::ENOSYS) => "; the kernel has no io_uring: Linux 5.10 or later is needed",
        Some(libc::ENOMEM) => "; the locked-memory limit is too low: raise it with ulimit -l",
        Some(libc::EMFILE | libc::ENFILE) => "; out of descriptors: raise the limit with ulimit -n",
        _ => "",
    };
    remedy.to_owned()
}
