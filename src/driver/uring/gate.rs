//! Who refuses io_uring when the kernel has it: the sysctl for everybody, the sysctl for all but a
//! group, or a filter around this process. Each is opened in another way, so each is told apart.

use std::fs;
use std::io;

use thiserror::Error;

/// The gate that is shut, and how to open it.
#[derive(Debug, Error)]
pub enum Gate {
    /// `kernel.io_uring_disabled` is 2.
    #[error(
        "io_uring is switched off on this host for everybody (kernel.io_uring_disabled = 2); \
         `sysctl -w kernel.io_uring_disabled=0` on the host opens it"
    )]
    Everybody,
    /// `kernel.io_uring_disabled` is 1, and this process is not among those that it lets through.
    #[error(
        "io_uring is kept for the privileged and one group on this host (kernel.io_uring_disabled = 1, {}); \
         run squall with CAP_SYS_ADMIN or in that group, or open it to everybody with \
         `sysctl -w kernel.io_uring_disabled=0` on the host", named(*group)
    )]
    Group {
        /// `kernel.io_uring_group`, when there is one.
        group: Option<u32>,
    },
    /// A seccomp filter or a security module (SELinux has a class for it).
    #[error(
        "io_uring is refused ({errno}) by a seccomp filter or security module, as container engines do by \
         default; run the container with a profile that allows io_uring_setup, io_uring_enter and \
         io_uring_register (for example `--security-opt seccomp=unconfined`)"
    )]
    Filter {
        /// What the kernel answered.
        errno: io::Error,
    },
}

fn named(group: Option<u32>) -> String {
    match group {
        Some(group) => format!("kernel.io_uring_group = {group}"),
        None => "no kernel.io_uring_group: `sysctl -w kernel.io_uring_group=GID` names one".into(),
    }
}

impl Gate {
    /// The gate behind a refused `io_uring_setup`.
    pub fn behind(errno: io::Error) -> Gate {
        let sysctl = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        let own = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let group = sysctl("io_uring_group").and_then(|text| text.trim().parse().ok());
        match sysctl("io_uring_disabled").as_deref().map(str::trim) {
            Some("2") => Gate::Everybody,
            Some("1") if !excepted(group, &own("status"), &own("uid_map")) => Gate::Group { group },
            _ => Gate::Filter { errno },
        }
    }
}

/// Whether `kernel.io_uring_disabled` = 1 lets this process through (io_uring_allowed in the kernel): with
/// CAP_SYS_ADMIN on the host, not merely in a user namespace, or in the group.
fn excepted(group: Option<u32>, status: &str, uid_map: &str) -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    let capabilities = u64::from_str_radix(field("CapEff:").trim(), 16).unwrap_or(0);
    // The first namespace maps every user to itself.
    let on_host = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
    if capabilities >> CAP_SYS_ADMIN & 1 == 1 && on_host {
        return true;
    }
    // Real, effective, saved, file system: the kernel asks for the last, which follows the second.
    let effective = field("Gid:").split_whitespace().nth(1);
    let mut groups = field("Groups:").split_whitespace().chain(effective).map(str::parse);
    group.is_some_and(|group| groups.any(|of| of == Ok(group)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "         0          0 4294967295\n";
    const PLAIN: &str =
        "Name:\tsquall\nGid:\t1000\t1001\t1000\t1000\nGroups:\t4 27 1000 \nCapEff:\t0000000000000000\n";

    #[test]
    fn the_sysctl_excepts_the_privileged_of_the_host() {
        let privileged = PLAIN.replace("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff");
        assert!(excepted(None, &privileged, HOST));
        assert!(!excepted(None, &privileged, "0 100000 65536\n"), "root of a user namespace is nobody here");
        let all_but_one = PLAIN.replace("CapEff:\t0000000000000000", "CapEff:\t000001ffffdfffff");
        assert!(!excepted(None, &all_but_one, HOST));
        assert!(!excepted(None, PLAIN, HOST));
        assert!(!excepted(None, "", ""));
    }

    #[test]
    fn the_sysctl_excepts_its_group() {
        for group in [4, 27, 1000, 1001] {
            assert!(excepted(Some(group), PLAIN, HOST), "{group}");
        }
        assert!(!excepted(Some(100), PLAIN, HOST));
    }

    #[test]
    fn each_gate_has_a_way_out_of_its_own() {
        let text = Gate::Group { group: Some(1500) }.to_string();
        assert!(text.contains("io_uring_group = 1500") && text.contains("io_uring_disabled=0"), "{text}");
        let text = Gate::Group { group: None }.to_string();
        assert!(text.contains("sysctl -w kernel.io_uring_group=GID"), "{text}");
        assert!(!Gate::Everybody.to_string().contains("group"));
    }
}
