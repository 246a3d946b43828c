//! The machine that squall runs on: what it may use, what else runs there, what it is.
//!
//! Every reader tolerates missing files (containers hide many): it answers `None` or nothing,
//! never a panic. Each is a thin wrapper around a parser of text, so that samples of other
//! machines can be tested.

mod cgroup;
mod cores;
mod environment;
mod free;
mod limits;
mod neighbours;
mod network;
mod stalls;
mod steal;
mod surroundings;
mod thread;

pub use self::cores::{UsableCores, cores_to_spare, default_cores, parse_core_list, usable_cores};
pub use self::environment::{Facts, facts};
pub use self::free::free_memory;
pub use self::limits::{Nofile, max_rss_bytes, nofile, raise_nofile, rss_bytes};
pub use self::neighbours::{is_local, listener_cores, shared_cores, unix_listener_cores};
pub use self::network::{LocalPorts, congestion_controls, local_ports, try_congestion, try_source};
pub use self::surroundings::Surroundings;
pub use self::thread::thread_readings;

/// The file's text, or nothing when it cannot be read.
fn read(path: impl AsRef<std::path::Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The value after `key` and a colon in a file like /proc/self/status.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim_end() == key).then(|| value.trim())
    })
}
