//! The processor quota of the control group (cgroups(7)), version 2 or 1.

use std::path::{Path, PathBuf};

use super::read;

/// How many cores' worth of time this process's groups allow: the smallest quota from its own
/// group up to the root. `None` when nothing limits it.
pub(super) fn quota() -> Option<f64> {
    let groups = read("/proc/self/cgroup")?;
    let mounts = read("/proc/self/mountinfo")?;
    let unified = directories(&groups, &mounts, Hierarchy::Unified)
        .into_iter()
        .filter_map(|dir| parse_cpu_max(&read(dir.join("cpu.max"))?));
    let legacy = directories(&groups, &mounts, Hierarchy::Cpu).into_iter().filter_map(|dir| {
        let quota = read(dir.join("cpu.cfs_quota_us"))?;
        let period = read(dir.join("cpu.cfs_period_us"))?;
        parse_cfs(&quota, &period)
    });
    unified.chain(legacy).reduce(f64::min)
}

/// Which of the hierarchies in /proc/self/cgroup.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// Version 2: the line `0::/path`.
    Unified,
    /// Version 1: the line whose controllers include `cpu`.
    Cpu,
    /// Version 1: the line whose controllers include `memory`.
    Memory,
}

impl Hierarchy {
    /// The controller of version 1.
    fn controller(self) -> Option<&'static str> {
        match self {
            Hierarchy::Unified => None,
            Hierarchy::Cpu => Some("cpu"),
            Hierarchy::Memory => Some("memory"),
        }
    }
}

/// The directories of this process's group and of its ancestors, innermost first.
///
/// `groups` is /proc/self/cgroup, `mounts` /proc/self/mountinfo.
pub(super) fn directories(groups: &str, mounts: &str, which: Hierarchy) -> Vec<PathBuf> {
    let (Some(group), Some((root, point))) = (group_path(groups, which), mount(mounts, which)) else {
        return Vec::new();
    };
    // In a container without a cgroup namespace, the path counts from the host's root, while only
    // the container's own subtree (the mount's root) is visible. Outside of it nothing can be seen.
    let inner = Path::new(group).strip_prefix(root).unwrap_or(Path::new("")).to_path_buf();
    let point = Path::new(point);
    inner.ancestors().map(|dir| point.join(dir)).collect()
}

fn group_path(groups: &str, which: Hierarchy) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let found = match which.controller() {
            None => id == "0" && controllers.is_empty(),
            Some(controller) => controllers.split(',').any(|name| name == controller),
        };
        found.then(|| path.trim_start_matches("/.."))
    })
}

/// Root and mount point of the hierarchy, from proc_pid_mountinfo(5).
fn mount(mounts: &str, which: Hierarchy) -> Option<(&str, &str)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, _, options) = (right.next()?, right.next()?, right.next()?);
        let found = match which.controller() {
            None => kind == "cgroup2",
            Some(controller) => kind == "cgroup" && options.split(',').any(|name| name == controller),
        };
        found.then_some((root, point))
    })
}

/// `cpu.max`: quota and period in microseconds, or `max` for no limit.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    parse_cfs(quota, period)
}

/// Quota over period; version 1 writes -1 for no limit.
fn parse_cfs(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
        33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";

    fn paths(groups: &str, mounts: &str, which: Hierarchy) -> Vec<String> {
        directories(groups, mounts, which)
            .iter()
            .map(|dir| dir.to_string_lossy().trim_end_matches('/').to_owned())
            .collect()
    }

    #[test]
    fn quotas_are_read() {
        assert_eq!(parse_cpu_max("150000 100000\n"), Some(1.5));
        assert_eq!(parse_cpu_max("max 100000\n"), None);
        assert_eq!(parse_cpu_max(""), None);
        assert_eq!(parse_cfs("50000\n", "100000\n"), Some(0.5));
        assert_eq!(parse_cfs("-1\n", "100000\n"), None);
        assert_eq!(parse_cfs("1", "0"), None);
    }

    #[test]
    fn groups_are_followed_up_to_the_root() {
        let groups = "3:cpuset:/x\n2:cpu,cpuacct:/a/b\n0::/user.slice/app:1.scope\n";
        assert_eq!(
            paths(groups, HYBRID, Hierarchy::Unified),
            [
                "/sys/fs/cgroup/unified/user.slice/app:1.scope",
                "/sys/fs/cgroup/unified/user.slice",
                "/sys/fs/cgroup/unified",
            ]
        );
        assert_eq!(
            paths(groups, HYBRID, Hierarchy::Cpu),
            ["/sys/fs/cgroup/cpu/a/b", "/sys/fs/cgroup/cpu/a", "/sys/fs/cgroup/cpu"]
        );
    }

    #[test]
    fn a_container_sees_only_its_own_subtree() {
        let mounts = "41 31 0:38 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(paths("0::/docker/abc\n", mounts, Hierarchy::Unified), ["/sys/fs/cgroup"]);
        assert_eq!(
            paths("0::/docker/abc/inner\n", mounts, Hierarchy::Unified),
            ["/sys/fs/cgroup/inner", "/sys/fs/cgroup"]
        );
        let namespaced = "41 31 0:38 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(paths("0::/../other\n", namespaced, Hierarchy::Unified)[1], "/sys/fs/cgroup");
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert!(paths("", HYBRID, Hierarchy::Unified).is_empty());
        assert!(paths("0::/\n", "", Hierarchy::Unified).is_empty());
        assert!(paths("nonsense", "a - b", Hierarchy::Cpu).is_empty());
        let _ = quota();
    }
}
