//! Which cores squall may use, and which of them it takes.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::{cgroup, field, read};

/// No machine that Linux runs on has more: CONFIG_NR_CPUS is 8,192 at most.
const CORES_MAX: usize = 8_192;

/// The cores that this process may use.
#[derive(Clone, Debug, PartialEq)]
pub struct UsableCores {
    /// Cores in the affinity mask, ascending; never empty.
    pub mask: Vec<usize>,
    /// How many cores' worth of time the control group allows, when it limits that.
    pub quota: Option<f64>,
}

impl UsableCores {
    /// How many threads can run all the time: the mask, or the quota rounded up; at least 1.
    pub fn count(&self) -> usize {
        let quota = self.quota.map_or(usize::MAX, |cores| cores.ceil().max(1.0) as usize);
        self.mask.len().min(quota)
    }
}

/// The calling thread's affinity mask (sched_getaffinity(2)), and the control group's quota.
///
/// Call it before the workers are pinned: a pinned thread sees only its own core.
pub fn usable_cores() -> UsableCores {
    UsableCores { mask: affinity(), quota: cgroup::quota() }
}

fn affinity() -> Vec<usize> {
    // The fixed-size mask of the C library holds 1,024 cores; larger machines answer EINVAL.
    if let Ok(set) = sched_getaffinity(Pid::from_raw(0)) {
        return (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect();
    }
    read("/proc/thread-self/status")
        .and_then(|status| parse_core_list(field(&status, "Cpus_allowed_list")?).ok())
        .filter(|cores| !cores.is_empty())
        .unwrap_or_else(|| vec![0])
}

/// Reads a list of cores as in `taskset -c` and in /proc: `1,3-5`. Sorted in the order given.
///
/// # Errors
/// Says what is wrong: empty, no number, a range that runs backwards, a core named twice, or a
/// number that no machine has.
pub fn parse_core_list(text: &str) -> Result<Vec<usize>, String> {
    let mut cores = Vec::new();
    for part in text.trim().split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (core_number(first)?, core_number(last)?);
        if first > last {
            return Err(format!("the range `{part}` runs backwards"));
        }
        for core in first..=last {
            if cores.contains(&core) {
                return Err(format!("core {core} is named twice"));
            }
            cores.push(core);
        }
    }
    Ok(cores)
}

fn core_number(text: &str) -> Result<usize, String> {
    let text = text.trim();
    match text.parse() {
        Ok(core) if core < CORES_MAX => Ok(core),
        Ok(_) => Err(format!("no machine has a core {text}")),
        Err(_) if text.is_empty() => Err("a core's number is missing".into()),
        Err(_) => Err(format!("`{text}` is not a core's number")),
    }
}

/// Chooses the cores to pin workers to, ascending.
///
/// `requested` is how many workers were asked for; without it all usable cores are taken, and half
/// of them (at least one) when the target is on this host (`local`). `target` are the cores that
/// the target may run on, when known.
///
/// Taken are the last cores of the mask, because servers and interrupts tend to sit on the first.
/// Cores on which the target is pinned are taken only when `requested` leaves no choice, or when it
/// is pinned everywhere.
pub fn default_cores(
    requested: Option<usize>,
    usable: &UsableCores,
    local: bool,
    target: Option<&[usize]>,
) -> Vec<usize> {
    let target = target.filter(|_| local).unwrap_or(&[]);
    let (taken, free): (Vec<usize>, Vec<usize>) = usable.mask.iter().partition(|core| target.contains(core));
    let wanted = requested.unwrap_or_else(|| {
        let all = usable.count();
        let share = if local { (all / 2).max(1) } else { all };
        if free.is_empty() { share } else { share.min(free.len()) }
    });
    let mut cores: Vec<usize> = free.iter().rev().chain(taken.iter().rev()).take(wanted).copied().collect();
    cores.sort_unstable();
    cores
}

/// True when workers on these cores have them for themselves, so that they may spin.
///
/// At least one usable core must be left over for the rest of the system. A target on this host
/// (`local`) needs one more, unless it is known to be pinned to other cores than the workers'.
pub fn cores_to_spare(
    usable: &UsableCores,
    workers: &[usize],
    local: bool,
    target: Option<&[usize]>,
) -> bool {
    let apart = target.is_some_and(|target| !target.iter().any(|core| workers.contains(core)));
    let needed = workers.len() + usize::from(local && !apart);
    usable.count() > needed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usable(mask: impl IntoIterator<Item = usize>, quota: Option<f64>) -> UsableCores {
        UsableCores { mask: mask.into_iter().collect(), quota }
    }

    #[test]
    fn core_lists_are_read() {
        assert_eq!(parse_core_list("1,3-5"), Ok(vec![1, 3, 4, 5]));
        assert_eq!(parse_core_list(" 2 , 0 \n"), Ok(vec![2, 0]));
        for (bad, problem) in [
            ("", "missing"),
            ("1,", "missing"),
            ("a", "`a` is not a core's number"),
            ("5-3", "runs backwards"),
            ("1,0-2", "core 1 is named twice"),
            ("-1", "missing"),
            ("0-99999999999", "no machine has"),
        ] {
            let message = parse_core_list(bad).unwrap_err();
            assert!(message.contains(problem), "{bad}: {message}");
        }
    }

    #[test]
    fn the_quota_is_rounded_up_and_never_zero() {
        assert_eq!(usable(0..8, None).count(), 8);
        assert_eq!(usable(0..8, Some(1.5)).count(), 2);
        assert_eq!(usable(0..8, Some(0.1)).count(), 1);
        assert_eq!(usable(0..2, Some(16.0)).count(), 2);
    }

    #[test]
    fn a_local_target_keeps_the_first_half() {
        assert_eq!(default_cores(None, &usable(0..4, None), false, None), [0, 1, 2, 3]);
        assert_eq!(default_cores(None, &usable(0..4, None), true, None), [2, 3]);
        assert_eq!(default_cores(None, &usable(0..2, None), true, None), [1]);
        assert_eq!(default_cores(None, &usable([5], None), true, None), [5]);
        assert_eq!(default_cores(None, &usable(0..8, Some(2.0)), false, None), [6, 7]);
        assert_eq!(default_cores(Some(3), &usable(0..4, None), true, None), [1, 2, 3]);
    }

    #[test]
    fn the_targets_own_cores_come_last() {
        let four = usable(0..4, None);
        assert_eq!(default_cores(None, &four, true, Some(&[3])), [1, 2]);
        assert_eq!(default_cores(None, &four, true, Some(&[1, 2, 3])), [0]);
        assert_eq!(default_cores(None, &four, true, Some(&[0, 1, 2, 3])), [2, 3]);
        assert_eq!(default_cores(Some(2), &four, true, Some(&[1, 2, 3])), [0, 3]);
        assert_eq!(default_cores(None, &four, false, Some(&[0, 1])), [0, 1, 2, 3]);
    }

    #[test]
    fn spinning_needs_a_core_beside_the_workers_and_the_target() {
        let four = usable(0..4, None);
        assert!(cores_to_spare(&four, &[1, 2, 3], false, None));
        assert!(!cores_to_spare(&four, &[0, 1, 2, 3], false, None));
        assert!(!cores_to_spare(&four, &[1, 2, 3], true, None));
        assert!(cores_to_spare(&four, &[1, 2, 3], true, Some(&[0])));
        assert!(!cores_to_spare(&four, &[1, 2, 3], true, Some(&[0, 1])));
        assert!(!cores_to_spare(&usable(0..4, Some(1.0)), &[3], false, None));
    }

    #[test]
    fn this_machine_has_a_core() {
        let here = usable_cores();
        assert!(!here.mask.is_empty() && here.count() >= 1);
    }

    proptest! {
        #[test]
        fn chosen_cores_are_distinct_usable_and_as_many_as_can_be(
            cores in 1..64usize, quota in proptest::option::of(0.1..80.0f64), local: bool,
            requested in proptest::option::of(1..80usize),
            target in proptest::option::of(proptest::collection::vec(0..64usize, 0..8)),
        ) {
            let usable = usable(0..cores, quota);
            let chosen = default_cores(requested, &usable, local, target.as_deref());
            prop_assert!(!chosen.is_empty());
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(chosen.iter().all(|core| usable.mask.contains(core)));
            if let Some(n) = requested {
                prop_assert_eq!(chosen.len(), n.min(cores));
            }
        }
    }
}
