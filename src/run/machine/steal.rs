//! Time that the hypervisor took away, from /proc/stat (proc_stat(5)).

use std::collections::BTreeMap;

use super::read;

/// Steal and total ticks of each core since the machine started. Empty where /proc is hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StealTicks {
    cores: BTreeMap<usize, Ticks>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    steal: u64,
    total: u64,
}

/// Reads the ticks as they are now.
pub(super) fn steal_ticks() -> StealTicks {
    parse(&read("/proc/stat").unwrap_or_default())
}

fn parse(stat: &str) -> StealTicks {
    let cores = stat.lines().filter_map(|line| {
        let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
        // The first line, the sum over all cores, starts with a space instead of a number.
        let core = line
            .as_bytes()
            .get(3)
            .filter(|byte| byte.is_ascii_digit())
            .and_then(|_| words.next()?.parse().ok())?;
        // user nice system idle iowait irq softirq steal; guest time is part of user already.
        let ticks: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
        let steal = *ticks.get(7)?;
        let total = ticks.iter().sum();
        Some((core, Ticks { steal, total }))
    });
    StealTicks { cores: cores.collect() }
}

impl StealTicks {
    /// The share of `cores`' time since `earlier` that was stolen, 0 to 1.
    ///
    /// 0 when no time has passed or none of the cores is known. A tick is 10 ms: over intervals
    /// below a second the figure is coarse.
    pub fn share_since(&self, earlier: &StealTicks, cores: &[usize]) -> f64 {
        let (mut steal, mut total) = (0, 0);
        for core in cores {
            if let (Some(now), Some(then)) = (self.cores.get(core), earlier.cores.get(core)) {
                // Kernels have let single counters run backwards (iowait does); never below zero.
                steal += now.steal.saturating_sub(then.steal);
                total += now.total.saturating_sub(then.total);
            }
        }
        if total == 0 {
            return 0.0;
        }
        (steal as f64 / total as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "cpu  300 0 100 1000 10 0 5 40 0 0\n\
        cpu0 100 0 50 500 5 0 5 30 0 0\n\
        cpu1 200 0 50 500 5 0 0 10 0 0\n\
        intr 12345\nctxt 1\n";
    const AFTER: &str = "cpu  450 0 150 1000 10 0 5 90 0 0\n\
        cpu0 140 0 60 500 5 0 5 80 40 0\n\
        cpu1 290 0 60 500 5 0 0 10 0 0\n";

    #[test]
    fn the_share_is_that_of_the_cores_asked_for() {
        let (before, after) = (parse(BEFORE), parse(AFTER));
        assert_eq!(before.cores.len(), 2);
        assert_eq!(after.share_since(&before, &[0]), 0.5);
        assert_eq!(after.share_since(&before, &[1]), 0.0);
        assert_eq!(after.share_since(&before, &[0, 1]), 0.25);
        assert_eq!(after.share_since(&before, &[7]), 0.0);
        assert_eq!(after.share_since(&after, &[0]), 0.0);
        assert_eq!(before.share_since(&after, &[0]), 0.0, "backwards");
    }

    #[test]
    fn odd_files_give_nothing() {
        for text in ["", "cpu\n", "cpu0 1 2 3\n", "cpux 1 2 3 4 5 6 7 8\n", "cpu0"] {
            assert_eq!(parse(text), StealTicks::default(), "{text}");
        }
        let now = steal_ticks();
        assert!((0.0..=1.0).contains(&now.share_since(&StealTicks::default(), &[0])));
    }
}
