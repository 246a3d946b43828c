//! What the kernel lets this process have, and what it has used.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{field, read};

/// The limits on open descriptors (RLIMIT_NOFILE, getrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nofile {
    /// What holds now.
    pub soft: u64,
    /// How far a process without privileges may raise it.
    pub hard: u64,
}

/// The limits as they are.
///
/// # Errors
/// What getrlimit(2) responses; not expected on Linux.
pub fn nofile() -> io::Result<Nofile> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(Nofile { soft, hard })
}

/// Raises the soft limit to the hard one and returns the limits that hold then.
///
/// Where raising is refused (a seccomp filter, say) the old limits hold and are returned.
///
/// # Errors
/// As [`nofile`].
pub fn raise_nofile() -> io::Result<Nofile> {
    let limits = nofile()?;
    if limits.soft < limits.hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, limits.hard, limits.hard);
    }
    nofile()
}

/// The most memory that this process has had resident, in bytes; 0 when /proc is not there.
pub fn max_rss_bytes() -> u64 {
    read("/proc/self/status").and_then(|status| parse_max_rss(&status)).unwrap_or(0)
}

/// The memory that this process has resident now, in bytes; 0 when /proc is not there.
pub fn rss_bytes() -> u64 {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4_096);
    // The second field of proc_pid_statm(5), in pages.
    let pages = read("/proc/self/statm").and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(page as u64)
}

/// VmHWM in /proc/PID/status, which the kernel writes in kB of 1,024 bytes.
fn parse_max_rss(status: &str) -> Option<u64> {
    let kib: u64 = field(status, "VmHWM")?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        let status = "Name:\tsquall\nVmPeak:\t   99999 kB\nVmHWM:\t   12345 kB\nThreads:\t1\n";
        assert_eq!(parse_max_rss(status), Some(12_345 * 1_024));
        assert_eq!(parse_max_rss("Name:\tsquall\n"), None);
        assert!(rss_bytes() > 1 << 20 && rss_bytes() <= max_rss_bytes().max(rss_bytes()));
        assert_eq!(parse_max_rss("VmHWM:\tlots\n"), None);
        assert!(max_rss_bytes() > 100_000);
    }

    #[test]
    fn raising_the_limit_reaches_the_hard_one() {
        let limits = raise_nofile().unwrap();
        assert_eq!(limits.soft, limits.hard);
        assert_eq!(nofile().unwrap(), limits);
    }
}
