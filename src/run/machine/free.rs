//! Memory that is free: of the machine, and within the limits of this process's control groups.

use super::cgroup::{Hierarchy, directories};
use super::{field, read};

/// Bytes; the least of what the machine has available (MemAvailable, proc_meminfo(5)) and what each control group around this process
/// may still take (cgroups(7), versions 2 and 1). `None` where nothing can be read.
pub fn free_memory() -> Option<u64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let left = |which, limit: &str, usage: &str| -> Vec<u64> {
        let dirs = directories(&groups, &mounts, which).into_iter();
        dirs.filter_map(|dir| left(&read(dir.join(limit))?, &read(dir.join(usage))?)).collect()
    };
    let unified = left(Hierarchy::Unified, "memory.max", "memory.current");
    let legacy = left(Hierarchy::Memory, "memory.limit_in_bytes", "memory.usage_in_bytes");
    let machine = read("/proc/meminfo").and_then(|text| available(&text));
    unified.into_iter().chain(legacy).chain(machine).min()
}

fn available(meminfo: &str) -> Option<u64> {
    let kib: u64 = field(meminfo, "MemAvailable")?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

/// `None` for a limit of `max`; version 1 writes a huge number instead.
fn left(limit: &str, usage: &str) -> Option<u64> {
    let limit: u64 = limit.trim().parse().ok()?;
    Some(limit.saturating_sub(usage.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read() {
        assert_eq!(left("1000\n", "300\n"), Some(700));
        assert_eq!(left("1000", "3000"), Some(0));
        assert_eq!(left("max\n", "300\n"), None);
        assert_eq!(left("9223372036854771712", "1"), Some(9_223_372_036_854_771_711));
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   12 kB\n"), Some(12 * 1_024));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
        assert!(free_memory().is_some_and(|free| free > 1 << 20));
    }
}
