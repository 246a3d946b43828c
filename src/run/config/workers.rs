//! How many connections, how many workers, and on which cores.

pub(super) mod host;

use std::net::SocketAddr;

use self::host::Host;
use super::error::Problems;
use super::{CONNECTIONS_DEFAULT, Dialing, DriverChoice, RawConfig};
use crate::run::machine::{UsableCores, cores_to_spare, default_cores, parse_core_list};

/// Descriptors kept for rings, files, the resolver and the standard streams.
const DESCRIPTORS_RESERVED: u64 = 64;
/// Slots of a driver are 24 bits wide.
const CONNECTIONS_MAX: u64 = 1 << 24;

/// Most connections to spare in a run.
const SPARE_MAX: u64 = 1000;

/// Which workers were asked for.
pub(super) enum Wish {
    /// These cores, in this order.
    Cores(Vec<usize>),
    /// This many workers.
    Threads(usize),
    /// As many as suit the machine.
    Default,
}

/// Reads `-t` and `--cores` against the cores that there are.
pub(super) fn wish(raw: &RawConfig, usable: &UsableCores, problems: &mut Problems) -> Wish {
    let threads = raw.threads.and_then(|threads| {
        if threads == 0 {
            problems.add("-t", "at least one worker is needed; leave -t out for a fitting number");
            return None;
        }
        usize::try_from(threads).ok()
    });
    let cores = raw.cores.as_deref().and_then(|text| {
        let cores = problems.note(
            "--cores",
            parse_core_list(text).map_err(|error| format!("`{text}`: {error} (a list looks like `1,3-5`)")),
        )?;
        check_cores(&cores, usable, problems).then_some(cores)
    });
    match (threads, cores) {
        (Some(threads), Some(cores)) if threads > cores.len() => {
            problems.add(
                "-t",
                format!(
                    "{threads} workers do not fit on the {} of --cores: each needs a core of its own",
                    plural(cores.len() as u64, "core")
                ),
            );
            Wish::Cores(cores)
        }
        (Some(threads), Some(mut cores)) => {
            cores.truncate(threads);
            Wish::Cores(cores)
        }
        (None, Some(cores)) => Wish::Cores(cores),
        // With --cores refused, its number says nothing about -t.
        (Some(threads), None) if raw.cores.is_none() && threads > usable.mask.len() => {
            problems.add(
                "-t",
                format!(
                    "{threads} workers, but this process may use only {}: each worker needs a core \
                     of its own. Leave -t out for a fitting number",
                    plural(usable.mask.len() as u64, "core")
                ),
            );
            Wish::Default
        }
        (Some(threads), None) => Wish::Threads(threads),
        (None, None) => Wish::Default,
    }
}

fn check_cores(cores: &[usize], usable: &UsableCores, problems: &mut Problems) -> bool {
    let outside: Vec<String> =
        cores.iter().filter(|core| !usable.mask.contains(core)).map(usize::to_string).collect();
    if outside.is_empty() {
        return true;
    }
    let inside: Vec<String> = usable.mask.iter().map(usize::to_string).collect();
    problems.add(
        "--cores",
        format!(
            "core {} does not exist or is not in this process's affinity mask; it may use {}",
            outside.join(", "),
            inside.join(", ")
        ),
    );
    false
}

impl Wish {
    /// Their number, where it was asked for; else 0.
    fn workers(&self) -> u64 {
        match self {
            Wish::Cores(cores) => cores.len() as u64,
            Wish::Threads(threads) => *threads as u64,
            Wish::Default => 0,
        }
    }
}

/// How many connections there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Most connections.
    pub(super) connections: u64,
    bound: Bound,
}

/// What bounds the number of connections.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// So many descriptors of the process.
    Descriptors(u64),
    /// The tables of so many rings, of so many entries each.
    Tables(u64, u64),
}

impl Room {
    /// Sockets of the io_uring driver are in its ring's table of fixed files, which may have as many entries as a process
    /// may have descriptors (io_uring_register(2), EMFILE), each ring for itself. With `auto` it may still come to epoll, where
    /// each connection is a descriptor; so more is promised only to those who ask for `--driver uring`.
    pub(super) fn of(driver: DriverChoice, wish: &Wish, descriptors: u64) -> Room {
        match driver {
            DriverChoice::Uring => {
                let workers = wish.workers().max(1);
                let connections = descriptors.saturating_mul(workers);
                Room { connections, bound: Bound::Tables(workers, descriptors) }
            }
            DriverChoice::Auto | DriverChoice::Epoll => {
                let connections = descriptors.saturating_sub(DESCRIPTORS_RESERVED);
                Room { connections, bound: Bound::Descriptors(descriptors) }
            }
        }
    }

    /// What so many connections need and there is not, up to the way out.
    pub(super) fn lack(self, connections: u64) -> String {
        match self.bound {
            Bound::Descriptors(all) => format!(
                "need {} descriptors ({DESCRIPTORS_RESERVED} are for squall itself), but this process may open {all}",
                with_reserved(connections)
            ),
            Bound::Tables(1, each) => format!(
                "need a table of files of as many entries, but a ring's may have {each}, as many as this process may \
                 have descriptors"
            ),
            Bound::Tables(rings, each) => format!(
                "need tables of files of as many entries, but those of {rings} rings may have {each} each, as many as this \
                 process may have descriptors"
            ),
        }
    }
}

/// Descriptors for so many connections and squall itself.
pub(super) fn with_reserved(connections: u64) -> u64 {
    connections.saturating_add(DESCRIPTORS_RESERVED)
}

/// Reads `-c` against the room that there is.
pub(super) fn connections(raw: &RawConfig, wish: &Wish, room: Option<Room>, problems: &mut Problems) -> u32 {
    let workers = wish.workers();
    let connections = raw.connections.unwrap_or_else(|| CONNECTIONS_DEFAULT.max(workers));
    if connections == 0 {
        problems.add("-c", "at least one connection is needed");
    } else if connections > CONNECTIONS_MAX {
        problems.add(
            "-c",
            format!("{connections} connections are more than the {CONNECTIONS_MAX} that squall can keep"),
        );
    } else if let Some(room) = room.filter(|room| connections > room.connections) {
        let needed = with_reserved(connections);
        problems.add(
            "-c",
            format!(
                "{} {}, its soft limit raised to the hard one already. Raise the hard limit (as root `ulimit -n \
                 {needed}`, in a systemd unit LimitNOFILE={needed}, for a container `--ulimit nofile={needed}`), give \
                 each worker's ring a table of its own (--driver uring with more -t), or use at most -c {}",
                plural(connections, "connection"),
                room.lack(connections),
                room.connections
            ),
        );
    }
    u32::try_from(connections).unwrap_or(u32::MAX)
}

/// The workers' places, and what they share with the target.
pub(super) struct Workers {
    pub(super) cores: Vec<usize>,
    pub(super) shared_host: bool,
    pub(super) target_cores: Option<Vec<usize>>,
    pub(super) cores_to_spare: bool,
}

impl Workers {
    /// Connections beside those of `users` to the plan's origins, for origins that responses lead to: one for each user while they are few,
    /// so that following a redirect to and fro does not close a connection each time.
    pub(super) fn spare(&self, users: Option<u32>, origins: usize, room: Room) -> u32 {
        let users = u64::from(users.unwrap_or(0));
        // Each worker's share of both is rounded up.
        let planned = users * origins as u64 + self.cores.len() as u64;
        users.min(SPARE_MAX).min(room.connections.saturating_sub(planned)) as u32
    }
}

/// Settles the cores. There are never more workers than connections: the surplus ones would have
/// nothing to do.
pub(super) fn place(
    wish: Wish,
    connections: u32,
    usable: &UsableCores,
    addresses: &[SocketAddr],
    dialing: &Dialing,
    host: &impl Host,
) -> Workers {
    let unix_socket = dialing.unix_socket.as_deref();
    let shared_host = unix_socket.is_some() || addresses.iter().any(|addr| host.is_local(addr.ip()));
    let target_cores = match unix_socket {
        Some(path) => host.unix_listener_cores(path),
        None => listener_cores(addresses, host).filter(|_| shared_host),
    };
    let target = target_cores.as_deref();
    let most = connections as usize;
    let cores = match wish {
        Wish::Cores(mut cores) => {
            cores.truncate(most);
            cores
        }
        Wish::Threads(threads) => default_cores(Some(threads.min(most)), usable, shared_host, target),
        Wish::Default => {
            let cores = default_cores(None, usable, shared_host, target);
            cores[cores.len().saturating_sub(most)..].to_vec()
        }
    };
    let cores_to_spare = cores_to_spare(usable, &cores, shared_host, target);
    Workers { cores, shared_host, target_cores, cores_to_spare }
}

/// `localhost` has two addresses, and often only one has a listener.
fn listener_cores(addresses: &[SocketAddr], host: &impl Host) -> Option<Vec<usize>> {
    let mut cores: Vec<usize> =
        addresses.iter().filter_map(|addr| host.listener_cores(*addr)).flatten().collect();
    cores.sort_unstable();
    cores.dedup();
    (!cores.is_empty()).then_some(cores)
}

fn plural(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}
