//! Workers, rings and the machine: was there room to spare?

use super::{Findings, Readings, WorkerReadings, percent, times_over};
use crate::units::{Nanos, human};

/// Above this share of a worker's time arrivals begin to queue in the generator.
const OPEN_LOAD_MAX: f64 = 0.95;
/// From this share on a closed loop goes no faster because the worker cannot.
const CLOSED_LOAD_LIMIT: f64 = 0.99;
/// A script that takes more of the workers' time than all the rest is what they are busy with.
const SCRIPT_MOST: f64 = 0.5;
/// Above this share other guests of the host are in the figures.
const STEAL_MAX: f64 = 0.02;
/// A worker that stood still for longer was suspended, not just descheduled.
const STANDSTILL_MAX: Nanos = Nanos::from_millis(100);

pub(super) fn judge(readings: &Readings, findings: &mut Findings) {
    saturation(readings, findings);
    rings(readings, findings);
    surroundings(readings, findings);
}

fn saturation(readings: &Readings, findings: &mut Findings) {
    let over = |load: f64| {
        if readings.open_model { load > OPEN_LOAD_MAX } else { load >= CLOSED_LOAD_LIMIT }
    };
    let load = |worker: &WorkerReadings| worker.load(readings.spinning);
    let saturated = readings.workers.iter().filter(|worker| over(load(worker)));
    let count = saturated.clone().count();
    let Some(worst) = saturated.max_by(|a, b| load(a).total_cmp(&load(b))) else {
        return;
    };
    let of = format!("{count} of {} workers", readings.workers.len());
    let (core, load) = (worst.core, percent(load(worst)));
    if let Some(share) = readings.script_share.filter(|share| *share > SCRIPT_MOST) {
        return findings.suspect(format!(
            "the script is the limit: its own code took {} of the workers' time, and {of} used all of theirs; use more workers \
             (--threads), or let the script do less",
            percent(share)
        ));
    }
    findings.suspect(if readings.open_model {
        format!(
            "{of} had no room to spare: the one on core {core} was busy for {load} of the time (at most {} is \
             sound); use more workers (-t), or lower {}",
            percent(OPEN_LOAD_MAX),
            readings.keys.rate
        )
    } else {
        format!(
            "generator-bound: the target may be faster than this; {of} used all of their time, the one on core \
             {core} {load} (below {} is sound): use more workers (-t), or read the rate as a lower bound",
            percent(CLOSED_LOAD_LIMIT)
        )
    });
}

fn rings(readings: &Readings, findings: &mut Findings) {
    let total =
        |count: fn(&WorkerReadings) -> u64| readings.workers.iter().map(count).fold(0, u64::saturating_add);
    let overflows = total(|worker| worker.cq_overflows);
    if overflows > 0 {
        findings.suspect(format!(
            "completion queues overflowed {} (none should), so some responses were seen late; use more workers (-t), \
             or fewer connections ({})",
            times_over(overflows),
            readings.keys.users
        ));
    }
    let starvations = total(|worker| worker.buffer_starvations);
    if starvations > 0 {
        findings.suspect(format!(
            "receives found no free buffer {} (none should), so some responses were seen late; use more workers (-t), \
             or fewer connections ({})",
            times_over(starvations),
            readings.keys.users
        ));
    }
}

fn surroundings(readings: &Readings, findings: &mut Findings) {
    // A reading that is not a number compares as false and is none.
    if readings.steal_share > STEAL_MAX {
        findings.suspect(format!(
            "the hypervisor gave {} of the workers' cores to others (at most {} is sound); use a quieter machine, or \
             dedicated cores",
            percent(readings.steal_share),
            percent(STEAL_MAX)
        ));
    }
    if !readings.shared_cores.is_empty() {
        let cores: Vec<String> = readings.shared_cores.iter().map(usize::to_string).collect();
        let noun = if cores.len() == 1 { "core" } else { "cores" };
        findings.suspect(format!(
            "generator and target may both run on {noun} {} (none should be shared), so each slows the other down; \
             pin the target elsewhere (taskset), choose others with --cores, or use a second machine",
            cores.join(", ")
        ));
    }
    if readings.stopped_for > STANDSTILL_MAX {
        findings.suspect(format!(
            "a worker stood still for {} (at most {} is sound): suspended (SIGSTOP), or kept from its core; repeat \
             the run without the interruption",
            human::duration(readings.stopped_for),
            human::duration(STANDSTILL_MAX)
        ));
    }
}
