//! How long the kernel kept this process's control groups from running: by a CPU quota, or while they waited for memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cgroup::{Hierarchy, directories};
use super::read;
use crate::units::Nanos;
use crate::verdict::Throttling;

/// What was counted since the groups were made. Empty where nothing can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// Of this process's group and each one around it, as far as they can be seen.
    quotas: BTreeMap<PathBuf, Throttling>,
    /// Some of this process's group waited for memory; none in version 1.
    memory: Option<Nanos>,
}

/// Reads them as they are now.
pub(super) fn stalls() -> Stalls {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let unified = directories(&groups, &mounts, Hierarchy::Unified);
    let memory = unified.first().and_then(|own| memory(own));
    let all = unified.into_iter().chain(directories(&groups, &mounts, Hierarchy::Cpu));
    let quotas = all.filter_map(|dir| {
        let throttled = parse_cpu_stat(&read(dir.join("cpu.stat"))?)?;
        Some((dir, throttled))
    });
    Stalls { quotas: quotas.collect(), memory }
}

impl Stalls {
    /// The quota that held most back since `earlier`.
    pub fn throttled_since(&self, earlier: &Stalls) -> Throttling {
        let each = self.quotas.iter().filter_map(|(dir, now)| {
            let then = earlier.quotas.get(dir)?;
            Some(Throttling {
                periods: now.periods.saturating_sub(then.periods),
                throttled: now.throttled.saturating_sub(then.throttled),
                time: now.time - then.time,
            })
        });
        each.max_by_key(|throttled| throttled.time).unwrap_or_default()
    }

    /// How long some of the group waited for memory since `earlier`.
    pub fn memory_since(&self, earlier: &Stalls) -> Nanos {
        match (self.memory, earlier.memory) {
            (Some(now), Some(then)) => now - then,
            _ => Nanos::ZERO,
        }
    }
}

/// `cpu.stat`: version 2 has `throttled_usec`, version 1 `throttled_time` in ns (Documentation/scheduler/sched-bwc.rst).
/// Groups without a quota have none of the keys, or zeros.
fn parse_cpu_stat(text: &str) -> Option<Throttling> {
    let of = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
    };
    let micros = of("throttled_usec").map(Nanos::from_micros);
    Some(Throttling {
        periods: of("nr_periods")?,
        throttled: of("nr_throttled")?,
        time: micros.or_else(|| of("throttled_time").map(Nanos))?,
    })
}

/// Of the group alone: the root's pressure is that of the whole machine, which need not concern us. Only the root has no `cgroup.type`.
fn memory(group: &Path) -> Option<Nanos> {
    if !group.join("cgroup.type").exists() {
        return None;
    }
    parse_pressure(&read(group.join("memory.pressure"))?)
}

/// The total of `some` (Documentation/accounting/psi.rst), in microseconds there.
fn parse_pressure(text: &str) -> Option<Nanos> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    total.parse().ok().map(Nanos::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let first = "nr_periods 42\nnr_throttled 39\nthrottled_time 1517380260\nnr_bursts 0\nburst_time 0\n";
        let expected = Throttling { periods: 42, throttled: 39, time: Nanos(1_517_380_260) };
        assert_eq!(parse_cpu_stat(first), Some(expected));
        let second = "usage_usec 1\nuser_usec 1\nnr_periods 42\nnr_throttled 39\nthrottled_usec 1517380\n";
        let expected = Throttling { time: Nanos::from_micros(1_517_380), ..expected };
        assert_eq!(parse_cpu_stat(second), Some(expected));
        for odd in ["", "usage_usec 5\n", "nr_periods 1\nnr_throttled x\nthrottled_usec 1\n"] {
            assert_eq!(parse_cpu_stat(odd), None, "{odd}");
        }
    }

    #[test]
    fn pressure_is_read() {
        let text = "some avg10=0.00 avg60=1.00 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n";
        assert_eq!(parse_pressure(text), Some(Nanos::from_micros(1_234)));
        for odd in ["", "full avg10=0.00 total=5\n", "some avg10=0.00\n"] {
            assert_eq!(parse_pressure(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_quota_that_held_most_back_is_told() {
        let stalls = |inner: u64, outer: u64, memory| Stalls {
            quotas: [("/a/b", inner), ("/a", outer)]
                .map(|(dir, ms)| {
                    let throttled =
                        Throttling { periods: ms, throttled: ms / 2, time: Nanos::from_millis(ms) };
                    (PathBuf::from(dir), throttled)
                })
                .into(),
            memory,
        };
        let (before, after) = (stalls(10, 20, Some(Nanos(5))), stalls(30, 24, Some(Nanos(9))));
        let expected = Throttling { periods: 20, throttled: 10, time: Nanos::from_millis(20) };
        assert_eq!(after.throttled_since(&before), expected);
        assert_eq!(after.memory_since(&before), Nanos(4));
        assert_eq!(before.throttled_since(&after), Throttling::default(), "backwards");
        assert_eq!(after.throttled_since(&Stalls::default()), Throttling::default());
        assert_eq!(after.memory_since(&stalls(0, 0, None)), Nanos::ZERO);
        let now = super::stalls();
        assert_eq!(now.throttled_since(&now).time, Nanos::ZERO);
    }
}
