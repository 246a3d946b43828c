//! Building a ring: the best set-up flags that this kernel takes, and a clear word when it takes
//! none.

use std::fs;
use std::io;

use io_uring::IoUring;
use thiserror::Error;

/// Why there is no ring, and how to get one.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The sysctl forbids it.
    #[error(
        "io_uring is switched off on this host (kernel.io_uring_disabled = {0}); \
         `sysctl kernel.io_uring_disabled=0` opens it"
    )]
    Sysctl(u8),
    /// A seccomp filter or another security module forbids it.
    #[error(
        "io_uring is refused ({errno}) by a seccomp filter or security module, as container engines do by \
         default; run the container with a profile that allows io_uring_setup, io_uring_enter and \
         io_uring_register (for example `--security-opt seccomp=unconfined`)"
    )]
    Refused {
        /// What the kernel answered.
        errno: io::Error,
    },
    /// The kernel has no io_uring at all.
    #[error("this kernel has no io_uring (ENOSYS); Linux 6.0 or later is needed")]
    Absent,
    /// The kernel has io_uring, but without something that the driver stands on.
    #[error("this kernel's io_uring lacks {what} ({errno}); Linux 6.0 or later is needed")]
    Lacks {
        /// The missing feature.
        what: &'static str,
        /// What the kernel answered.
        errno: io::Error,
    },
    /// No memory for the smallest ring.
    #[error("no memory for a ring ({0}); raise RLIMIT_MEMLOCK (`ulimit -l unlimited`) or free memory")]
    Memory(io::Error),
    /// Anything else.
    #[error("io_uring set-up failed: {0}")]
    Other(io::Error),
}

/// A ring and which of the optional flags it has.
pub(super) struct Built {
    pub(super) ring: IoUring,
    pub(super) features: Vec<&'static str>,
}

/// The rungs of the ladder, best first: (NO_SQARRAY, DEFER + SINGLE, COOP + TASKRUN + SUBMIT_ALL).
const RUNGS: [(bool, bool, bool); 4] =
    [(true, true, true), (false, true, true), (false, false, true), (false, false, false)];

/// Builds a ring of `entries` submissions and `completions` completions, with fewer flags on older
/// kernels and fewer entries where memory is short.
///
/// Features are found by trying, never by the version: vendors backport.
pub(super) fn build(entries: u32, completions: u32) -> Result<Built, SetupError> {
    let mut entries = entries;
    let mut completions = completions;
    loop {
        match descend(entries, completions) {
            Err(e) if e.raw_os_error() == Some(libc::ENOMEM) && entries > 64 => {
                entries /= 2;
                completions = (completions / 2).max(entries);
            }
            Err(e) => return Err(explain(e)),
            Ok(built) => return Ok(built),
        }
    }
}

fn descend(entries: u32, completions: u32) -> io::Result<Built> {
    let mut last = io::Error::from_raw_os_error(libc::EINVAL);
    for (no_sqarray, defer, coop) in RUNGS {
        let mut builder = IoUring::builder();
        let mut features = Vec::new();
        builder.setup_cqsize(completions).setup_clamp().dontfork();
        if no_sqarray {
            builder.setup_no_sqarray();
            features.push("no_sqarray");
        }
        if defer {
            builder.setup_single_issuer().setup_defer_taskrun();
            features.extend(["single_issuer", "defer_taskrun"]);
        }
        if coop {
            builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all();
            features.extend(["coop_taskrun", "taskrun_flag", "submit_all"]);
        }
        match builder.build(entries) {
            Ok(ring) => return Ok(Built { ring, features }),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

/// Names the gate that is shut.
fn explain(errno: io::Error) -> SetupError {
    match errno.raw_os_error() {
        Some(libc::ENOSYS) => SetupError::Absent,
        Some(libc::ENOMEM) => SetupError::Memory(errno),
        Some(libc::EPERM | libc::EACCES) => match sysctl() {
            Some(value @ 1..) => SetupError::Sysctl(value),
            _ => SetupError::Refused { errno },
        },
        Some(libc::EINVAL) => SetupError::Lacks { what: "every known set-up flag", errno },
        _ => SetupError::Other(errno),
    }
}

/// `kernel.io_uring_disabled`: 0 open, 1 for the privileged and one group, 2 shut (Linux 6.6).
fn sysctl() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gate_is_named_with_its_remedy() {
        let text = |code| explain(io::Error::from_raw_os_error(code)).to_string();
        assert!(text(libc::ENOSYS).contains("no io_uring"));
        assert!(text(libc::ENOMEM).contains("RLIMIT_MEMLOCK"));
        assert!(text(libc::EINVAL).contains("6.0"));
        let refused = text(libc::EPERM);
        assert!(refused.contains("seccomp") || refused.contains("io_uring_disabled"), "{refused}");
    }

    #[test]
    fn the_ladder_ends_in_a_ring_or_a_reason() {
        match build(64, 128) {
            Ok(built) => assert!(built.ring.params().cq_entries() >= 128),
            Err(reason) => eprintln!("skipped: {reason}"),
        }
    }
}
