//! Names to addresses, through the system's resolver.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use crate::units::Nanos;

/// How long resolving may take before the run is given up.
pub const RESOLVE_LIMIT: Nanos = Nanos::from_secs(10);

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The resolver said no.
    #[error("cannot resolve `{host}`: {cause} (check the name, or give an address in the URL)")]
    Failed {
        /// The name.
        host: String,
        /// What the system's resolver says.
        cause: io::Error,
    },
    /// The resolver said nothing in time.
    #[error(
        "cannot resolve `{host}`: no answer within {limit} (check /etc/resolv.conf, or give an address in the URL)"
    )]
    Timeout {
        /// The name.
        host: String,
        /// The limit.
        limit: Nanos,
    },
    /// The name exists, but has no address.
    #[error("cannot resolve `{host}`: the name has no address")]
    Empty {
        /// The name.
        host: String,
    },
}

/// All addresses of `host` (a name, or an address without brackets) in the resolver's order, which
/// is that of RFC 6724; each once.
///
/// Asks on a thread of its own, because getaddrinfo(3) knows no time limit. After a timeout that
/// thread is left behind until the resolver gives up.
///
/// # Errors
/// See [`ResolveError`].
pub fn resolve(host: &str, port: u16, limit: Nanos) -> Result<Vec<SocketAddr>, ResolveError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let name = host.to_owned();
    resolve_with(host, limit, move || Ok((name.as_str(), port).to_socket_addrs()?.collect()))
}

fn resolve_with(
    host: &str,
    limit: Nanos,
    ask: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let host = || host.to_owned();
    let failed = |cause| ResolveError::Failed { host: host(), cause };
    let (answer, answered) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("resolve".into())
        .spawn(move || {
            // Nobody listens any more after the time limit; that is no fault.
            let _ = answer.send(ask());
        })
        .map_err(failed)?;
    let addresses = match answered.recv_timeout(Duration::from_nanos(limit.0)) {
        Ok(answer) => answer.map_err(failed)?,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            return Err(ResolveError::Timeout { host: host(), limit });
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            return Err(failed(io::Error::other("the resolver died")));
        }
    };
    let mut unique = Vec::with_capacity(addresses.len());
    for addr in addresses {
        if !unique.contains(&addr) {
            unique.push(addr);
        }
    }
    if unique.is_empty() {
        return Err(ResolveError::Empty { host: host() });
    }
    Ok(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn literals_need_no_resolver() {
        let limit = Nanos::ZERO;
        assert_eq!(resolve("127.0.0.1", 80, limit).unwrap(), [addr("127.0.0.1:80")]);
        assert_eq!(resolve("::1", 81, limit).unwrap(), [addr("[::1]:81")]);
    }

    #[test]
    fn localhost_is_loopback() {
        let addresses = resolve("localhost", 80, RESOLVE_LIMIT).unwrap();
        assert!(addresses.iter().all(|addr| addr.ip().is_loopback()));
    }

    #[test]
    fn order_is_kept_and_doubles_are_dropped() {
        let answer = ["192.0.2.2:1", "192.0.2.1:1", "192.0.2.2:1"].map(addr);
        let addresses = resolve_with("x", RESOLVE_LIMIT, move || Ok(answer.to_vec())).unwrap();
        assert_eq!(addresses, [addr("192.0.2.2:1"), addr("192.0.2.1:1")]);
    }

    #[test]
    fn errors_name_the_host() {
        let failed = resolve_with("nowhere.invalid", RESOLVE_LIMIT, || Err(io::Error::other("no such name")));
        let (hold, held) = mpsc::channel::<()>();
        let late = resolve_with("slow.example", Nanos::from_millis(10), move || {
            let _ = held.recv();
            Ok(Vec::new())
        });
        let empty = resolve_with("empty.example", RESOLVE_LIMIT, || Ok(Vec::new()));
        drop(hold);
        for (result, host, cause) in [
            (failed, "`nowhere.invalid`", "no such name"),
            (late, "`slow.example`", "within 10ms"),
            (empty, "`empty.example`", "no address"),
        ] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(host) && message.contains(cause), "{message}");
        }
    }

    #[test]
    fn a_name_reserved_for_that_does_not_resolve() {
        let message = resolve("squall-test.invalid", 80, RESOLVE_LIMIT).unwrap_err().to_string();
        assert!(message.contains("`squall-test.invalid`"), "{message}");
    }
}
