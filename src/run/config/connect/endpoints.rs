//! Pairs of a local address and one of the target's, in the order in which connections take turns.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socket2::SockAddr;

use crate::driver::Endpoint;

/// An abstract socket's address begins with a NUL, where it is written with an `@` (unix(7)).
pub(super) fn unix(path: &Path, is_abstract: bool) -> Vec<Endpoint> {
    let name = path.as_os_str().as_encoded_bytes();
    let bytes = if is_abstract { [b"\0", &name[1..]].concat() } else { name.to_vec() };
    let addr = SockAddr::unix(OsStr::from_bytes(&bytes)).expect("its length was judged with the options");
    vec![Endpoint { addr, source: None, congestion: None }]
}

pub(super) fn tcp(targets: &[SocketAddr], sources: &[IpAddr], congestion: Option<&str>) -> Vec<Endpoint> {
    let pairs = pairs(targets, sources).into_iter();
    pairs
        .map(|(target, source)| Endpoint {
            addr: target.into(),
            source,
            congestion: congestion.map(str::to_owned),
        })
        .collect()
}

/// Every target with every source of its family.
pub(super) fn pairs(targets: &[SocketAddr], sources: &[IpAddr]) -> Vec<(SocketAddr, Option<IpAddr>)> {
    if sources.is_empty() {
        return targets.iter().map(|target| (*target, None)).collect();
    }
    let family = |v4: bool| {
        let targets: Vec<SocketAddr> = targets.iter().copied().filter(|t| t.is_ipv4() == v4).collect();
        let sources: Vec<IpAddr> = sources.iter().copied().filter(|s| s.is_ipv4() == v4).collect();
        crossed(&targets, &sources)
    };
    let (first, second) = (family(true), family(false));
    // Both families from the start, each as often as its share: by how far along its own row a pair stands.
    let along = |at: usize, other: &[_]| (2 * at + 1) * other.len().max(1);
    let rows = [(&first, &second), (&second, &first)];
    let mut all: Vec<_> = rows
        .into_iter()
        .flat_map(|(own, other)| own.iter().enumerate().map(move |(at, pair)| (along(at, other), *pair)))
        .collect();
    all.sort_by_key(|(along, _)| *along);
    all.into_iter().map(|(_, (target, source))| (target, Some(source))).collect()
}

/// All pairs, so that any stretch of the row is even over the targets, and nearly so over the sources: both advance with each
/// pair. Where their counts share a factor that would come back too early, and the sources are shifted by one.
fn crossed(targets: &[SocketAddr], sources: &[IpAddr]) -> Vec<(SocketAddr, IpAddr)> {
    let (t, s) = (targets.len(), sources.len());
    if t == 0 || s == 0 {
        return Vec::new();
    }
    let back = t * s / gcd(t, s);
    (0..t * s).map(|at| (targets[at % t], sources[(at + at / back) % s])).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
