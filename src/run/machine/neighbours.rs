//! Who else runs here: whether the target does, and on which cores.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;

use super::{cores, field, read};

/// True when connections to `addr` stay on this host: loopback, unspecified (Linux connects that
/// to itself), or an address of one of its interfaces (getifaddrs(3)).
///
/// A container on the same machine has its own interfaces, so its addresses do not count.
pub fn is_local(addr: IpAddr) -> bool {
    let addr = addr.to_canonical();
    if addr.is_loopback() || addr.is_unspecified() {
        return true;
    }
    let Ok(interfaces) = getifaddrs() else {
        return false;
    };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .any(|own| own == addr)
}

/// The cores that the processes listening on `addr` may run on, ascending.
///
/// Where some of their threads are pinned more tightly than others, those count alone: servers pin
/// the threads that work and leave the one that waits for signals where it was (nginx's master
/// process is such a one).
///
/// `None` when that cannot be known: the target is remote, in another network namespace, or belongs
/// to another user. Looks at every process once; call it before the workers are pinned, since the target may be in this
/// very process.
pub fn listener_cores(addr: SocketAddr) -> Option<Vec<usize>> {
    if !is_local(addr.ip()) {
        return None;
    }
    let tables =
        ["/proc/self/net/tcp", "/proc/self/net/tcp6"].into_iter().filter_map(|path| File::open(path).ok());
    let sockets: Vec<Listener> = tables.flat_map(|table| read_listeners(BufReader::new(table))).collect();
    cores_of(&inodes_serving(&sockets, addr))
}

/// As [`listener_cores`], for whoever listens on the Unix socket `path`.
pub fn unix_listener_cores(path: &Path) -> Option<Vec<usize>> {
    // The kernel tells the path that was bound, which may have been written in another way.
    let canonical = path.canonicalize().ok();
    let is_it = |bound: &str| Path::new(bound) == path || Some(Path::new(bound)) == canonical.as_deref();
    cores_of(&parse_unix_listeners(&read("/proc/self/net/unix")?, is_it))
}

fn cores_of(inodes: &BTreeSet<u64>) -> Option<Vec<usize>> {
    if inodes.is_empty() {
        return None;
    }
    let masks = processes()
        .filter(|process| holds_any(process, inodes))
        .flat_map(|process| thread_masks(&process))
        .collect();
    tightest(masks)
}

/// Inodes of listening sockets in /proc/net/unix whose path is the one (unix(7); flag 10000 is "listens").
fn parse_unix_listeners(table: &str, is_it: impl Fn(&str) -> bool) -> BTreeSet<u64> {
    let inodes = table.lines().filter_map(|line| {
        // Num RefCount Protocol Flags Type St Inode Path; the inode is padded, and a path may hold spaces.
        let mut rest = line;
        let mut word = || {
            let (word, behind) = rest.trim_start().split_once(' ')?;
            rest = behind;
            Some(word)
        };
        let flags = (0..4).map(|_| word()).last()??;
        let inode = (0..3).map(|_| word()).last()??;
        let listens = u32::from_str_radix(flags, 16).ok()? & 0x10000 != 0;
        if listens && is_it(rest) { inode.parse().ok() } else { None }
    });
    inodes.collect()
}

/// The cores in both lists: where generator and target may get into each other's way.
pub fn shared_cores(generator: &[usize], target: &[usize]) -> Vec<usize> {
    let both = generator.iter().filter(|core| target.contains(core));
    both.copied().collect()
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listener {
    local: SocketAddr,
    inode: u64,
}

/// Listening sockets in /proc/net/tcp or tcp6. They come first there (proc_net_tcp.rst in the kernel's documentation), and what follows
/// is not read: it can be tens of thousands of sockets in TIME_WAIT.
fn read_listeners(table: impl BufRead) -> Vec<Listener> {
    const LISTEN: &str = "0A";
    let listens = |line: &String| line.split_ascii_whitespace().nth(3) == Some(LISTEN);
    table
        .lines()
        .skip(1)
        .map_while(Result::ok)
        .take_while(listens)
        .filter_map(|line| parse_listener(&line))
        .collect()
}

fn parse_listener(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (ip, port) = words.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { local: SocketAddr::new(parse_ip(ip)?, port), inode: words.get(9)?.parse().ok()? })
}

/// Addresses are printed as words of 32 bits in the machine's own byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

/// The sockets that a connection to `addr` may reach: as the kernel does, those bound to the very
/// address win over those bound to all.
fn inodes_serving(listeners: &[Listener], addr: SocketAddr) -> BTreeSet<u64> {
    let wanted = addr.ip().to_canonical();
    let of = |matches: &dyn Fn(IpAddr) -> bool| -> BTreeSet<u64> {
        let found = listeners
            .iter()
            .filter(|socket| socket.local.port() == addr.port() && matches(socket.local.ip()));
        found.map(|socket| socket.inode).collect()
    };
    let exact = of(&|ip| ip.to_canonical() == wanted);
    if !exact.is_empty() {
        return exact;
    }
    // `::` takes IPv4 too unless IPV6_V6ONLY is set, which the table does not tell.
    of(&|ip| ip.is_unspecified() && (ip.is_ipv6() || wanted.is_ipv4()))
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn holds_any(process: &Path, inodes: &BTreeSet<u64>) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .filter_map(|link| parse_socket_link(link.to_str()?))
        .any(|inode| inodes.contains(&inode))
}

/// `socket:[12345]`
fn parse_socket_link(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn thread_masks(process: &Path) -> Vec<Vec<usize>> {
    let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| {
            let status = read(thread.path().join("status"))?;
            cores::parse_core_list(field(&status, "Cpus_allowed_list")?).ok()
        })
        .collect()
}

/// The union of the masks; without the widest ones where there are narrower ones.
fn tightest(masks: Vec<Vec<usize>>) -> Option<Vec<usize>> {
    let widest = masks.iter().map(Vec::len).max()?;
    let narrower = masks.iter().any(|mask| mask.len() < widest);
    let union: BTreeSet<usize> =
        masks.into_iter().filter(|mask| !narrower || mask.len() < widest).flatten().collect();
    Some(union.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1111 1 0 100 0 0 10 0\n\
        \x20  1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2222 1 0 100 0 0 10 0\n\
        \x20  2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 3333 1 0 20 4 30 10 -1\n";
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1 0 100 0 0 10 0\n\
        \x20  1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5555 1 0 100 0 0 10 0\n";

    fn serving(table: &str, addr: &str) -> Vec<u64> {
        let found = inodes_serving(&read_listeners(table.as_bytes()), addr.parse().unwrap());
        found.into_iter().collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets_are_found_as_the_kernel_finds_them() {
        assert_eq!(read_listeners(TCP.as_bytes()).len(), 2, "established ones are no listeners");
        assert_eq!(serving(TCP, "127.0.0.1:8080"), [1111], "the very address wins");
        assert_eq!(serving(TCP, "127.0.0.2:8080"), [2222]);
        assert!(serving(TCP, "127.0.0.1:8081").is_empty());
        assert_eq!(serving(TCP6, "127.0.0.1:80"), [4444], "dual stack");
        assert_eq!(serving(TCP6, "[::1]:80"), [4444]);
        assert_eq!(serving(TCP6, "[::1]:81"), [5555]);
        assert!(serving(TCP6, "127.0.0.1:81").is_empty());
        assert!(serving("garbage\n1 2 3\n", "127.0.0.1:81").is_empty());
    }

    #[test]
    fn only_the_pinned_threads_count_where_some_are() {
        assert_eq!(tightest(vec![]), None);
        assert_eq!(tightest(vec![vec![0, 1]]), Some(vec![0, 1]));
        assert_eq!(tightest(vec![vec![0, 1], vec![1], vec![0]]), Some(vec![0, 1]));
        assert_eq!(tightest(vec![vec![0, 1, 2], vec![2]]), Some(vec![2]));
        assert_eq!(shared_cores(&[1, 2], &[0, 2, 3]), [2]);
    }

    #[test]
    fn descriptors_name_their_sockets() {
        assert_eq!(parse_socket_link("socket:[42]"), Some(42));
        assert_eq!(parse_socket_link("pipe:[42]"), None);
        assert_eq!(parse_socket_link("/dev/null"), None);
    }

    #[test]
    fn a_listener_of_our_own_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let cores = listener_cores(addr).expect("our own descriptors can be read");
        assert!(!cores.is_empty());
        drop(listener);
        assert_eq!(listener_cores(addr), None);
    }

    #[test]
    fn local_addresses_are_told_from_remote_ones() {
        for addr in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0"] {
            assert!(is_local(addr.parse().unwrap()), "{addr}");
        }
        // Reserved for documentation (RFC 5737, RFC 3849): never on an interface.
        for addr in ["192.0.2.1", "2001:db8::1"] {
            assert!(!is_local(addr.parse().unwrap()), "{addr}");
            assert_eq!(listener_cores(SocketAddr::new(addr.parse().unwrap(), 80)), None);
        }
    }

    #[test]
    fn unix_listeners_are_found_by_their_path() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000000024f11311: 00000003 00000000 00000000 0001 03 798315\n\
                     0000000024f11312: 00000002 00000000 00010000 0001 01 20111 /run/app.sock\n\
                     0000000024f11313: 00000003 00000000 00000000 0001 03   20112 /run/app.sock\n\
                     0000000024f11314: 00000002 00000000 00010000 0001 01 20113 /run/with space.sock\n";
        let of = |path: &str| parse_unix_listeners(table, |bound| bound == path);
        assert_eq!(of("/run/app.sock"), BTreeSet::from([20_111]));
        assert_eq!(of("/run/with space.sock"), BTreeSet::from([20_113]));
        assert_eq!(of("/run/other.sock"), BTreeSet::new());

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("own");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(unix_listener_cores(&path).is_some_and(|cores| !cores.is_empty()));
        assert_eq!(unix_listener_cores(&directory.path().join("none")), None);
    }
}
