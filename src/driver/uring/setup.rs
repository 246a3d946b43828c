//! Building a ring: the best set-up flags that this kernel takes, and a clear word when it takes
//! none.

use std::io;

use io_uring::{Builder, IoUring};
use thiserror::Error;

use super::gate::Gate;

/// Why there is no ring, and how to get one.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A sysctl, a seccomp filter or a security module forbids it.
    #[error(transparent)]
    Shut(#[from] Gate),
    /// The kernel has no io_uring at all.
    #[error("this kernel has no io_uring (ENOSYS); Linux 6.0 or later is needed")]
    Absent,
    /// The kernel has io_uring, but without something that the driver stands on.
    #[error(
        "this kernel's io_uring lacks {what} ({errno}), which Linux {since} brought; Linux 6.0 or later is needed"
    )]
    Lacks {
        /// The missing feature.
        what: &'static str,
        /// The oldest version that has it. Vendors backport, so this is for people only.
        since: &'static str,
        /// What the kernel answered.
        errno: io::Error,
    },
    /// No memory for the smallest ring, or for what belongs to one.
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

type Set = for<'a> fn(&'a mut Builder) -> &'a mut Builder;

/// The optional flags in the order in which kernels learned them. A kernel that refuses one is tried again
/// with those before it alone; what a flag builds on stands before it.
const FLAGS: [(&str, Set); 6] = [
    ("submit_all", Builder::setup_submit_all),       // Linux 5.18
    ("coop_taskrun", Builder::setup_coop_taskrun),   // Linux 5.19
    ("taskrun_flag", Builder::setup_taskrun_flag),   // Linux 5.19, with coop_taskrun
    ("single_issuer", Builder::setup_single_issuer), // Linux 6.0
    ("defer_taskrun", Builder::setup_defer_taskrun), // Linux 6.1, with single_issuer
    ("no_sqarray", Builder::setup_no_sqarray),       // Linux 6.6
];

/// Builds a ring of `entries` submissions and `completions` completions, with fewer flags on older kernels.
///
/// Features are found by trying, never by the version: vendors backport.
pub(super) fn build(entries: u32, completions: u32) -> Result<Built, SetupError> {
    let mut last = io::Error::from_raw_os_error(libc::EINVAL);
    for taken in (0..=FLAGS.len()).rev() {
        let flags = &FLAGS[..taken];
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completions).setup_clamp().dontfork();
        for (_, set) in flags {
            set(&mut builder);
        }
        match builder.build(entries) {
            Ok(ring) => {
                let features = flags.iter().rev().map(|(name, _)| *name).collect();
                return Ok(Built { ring, features });
            }
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => last = e,
            Err(e) => {
                last = e;
                break;
            }
        }
    }
    Err(explain(last, "the set-up flags CQSIZE and CLAMP", "5.6"))
}

/// Names the gate that is shut, when `io_uring_setup` answered this to a call without optional flags, or
/// another call while setting up. `what` and `since` matter when the kernel did not understand it.
pub(super) fn explain(errno: io::Error, what: &'static str, since: &'static str) -> SetupError {
    match errno.raw_os_error() {
        Some(libc::ENOSYS) => SetupError::Absent,
        // Also without a number: our own buffers.
        _ if errno.kind() == io::ErrorKind::OutOfMemory => SetupError::Memory(errno),
        Some(libc::EPERM | libc::EACCES) => Gate::behind(errno).into(),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => SetupError::Lacks { what, since, errno },
        _ => SetupError::Other(errno),
    }
}

/// As [`explain`], of a call on a ring that stands: what forbids that cannot be the sysctl, which only
/// `io_uring_setup` looks at, and a kernel that has rings has this call.
pub(super) fn explain_later(errno: io::Error, what: &'static str, since: &'static str) -> SetupError {
    match errno.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES) => Gate::Filter { errno }.into(),
        _ => explain(errno, what, since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gate_is_named_with_its_remedy() {
        let text =
            |code| explain(io::Error::from_raw_os_error(code), "the set-up flag CLAMP", "5.6").to_string();
        assert!(text(libc::ENOSYS).contains("no io_uring"));
        assert!(text(libc::ENOMEM).contains("RLIMIT_MEMLOCK"));
        let lacks = text(libc::EINVAL);
        for part in ["the set-up flag CLAMP", "Linux 5.6", "6.0"] {
            assert!(lacks.contains(part), "{lacks}");
        }
        let refused = text(libc::EPERM);
        assert!(refused.contains("seccomp") || refused.contains("io_uring_disabled"), "{refused}");
    }

    #[test]
    fn a_ring_that_stands_is_refused_by_filters_only() {
        for code in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
            let text = explain_later(io::Error::from_raw_os_error(code), "buffer rings", "5.19").to_string();
            assert!(text.contains("seccomp"), "{text}");
        }
        let memory = explain_later(io::ErrorKind::OutOfMemory.into(), "buffer rings", "5.19");
        assert!(matches!(memory, SetupError::Memory(_)), "{memory}");
    }

    #[test]
    fn the_ladder_ends_in_a_ring_or_a_reason() {
        match build(64, 128) {
            Ok(built) => assert!(built.ring.params().cq_entries() >= 128),
            Err(reason) => crate::skip::skip(reason),
        }
    }
}
