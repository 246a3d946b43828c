//! Had the workers their cores, and their memory, when they wanted them?

use super::{Findings, Readings, WorkerReadings, percent, share};
use crate::units::{Nanos, human};

/// Above this share of the window others on the core are in the figures. Below it are the wake-ups of a worker that has its core for itself: up to
/// 3 % of the time beyond [`WAKE_UP`](super::WAKE_UP) on a virtual machine that nobody disturbed (docs/journal.md).
const KEPT_MAX: f64 = 0.05;
/// A worker that mostly sleeps waits for less: of the time in which it wants to run, above this share others are in the figures...
const KEPT_OF_WANTED_MAX: f64 = 0.2;
/// ...unless it is less than this of the window.
const KEPT_LEAST: f64 = 0.01;
/// Above this share a quota is.
const THROTTLED_MAX: f64 = 0.02;
/// Above this share of the window waiting for memory is.
const MEMORY_MAX: f64 = 0.02;
/// Page faults that wait for storage, each for some 100 us on a fast one.
const MAJOR_FAULTS_PER_S_MAX: f64 = 10.0;
/// So many are pages of the program itself that are read when they are first needed.
const MAJOR_FAULTS_FIRST: u64 = 50;

pub(super) fn judge(readings: &Readings, findings: &mut Findings) {
    kept_from_cores(readings, findings);
    wrong_cores(readings, findings);
    memory(readings, findings);
}

/// By a quota, which stops all threads alike, or by whoever else ran there.
fn kept_from_cores(readings: &Readings, findings: &mut Findings) {
    let kept = readings.workers.iter().map(WorkerReadings::kept_share).fold(0.0, f64::max);
    let throttled = share(readings.throttling.time.0, readings.wall.0).min(1.0);
    if throttled > THROTTLED_MAX {
        let sound = percent(THROTTLED_MAX);
        let share = if kept > KEPT_MAX { kept } else { throttled };
        findings.suspect(format!(
            "a CPU quota kept the generator from running for {} of the time (at most {sound} is sound): it was used up in {} of {} \
             periods; raise the quota, or give whole cores instead (cpuset)",
            percent(share),
            human::count(readings.throttling.throttled),
            human::count(readings.throttling.periods),
        ));
        return;
    }
    let others = readings.workers.iter().filter(|worker| is_kept(worker));
    let of = format!("{} of {} workers", others.clone().count(), readings.workers.len());
    if let Some(worst) = others.max_by(|a, b| a.kept_share().total_cmp(&b.kept_share())) {
        let kept = worst.kept_share();
        findings.suspect(format!(
            "others ran on the workers' cores: {of} had to wait for theirs, the one on core {} for {} of the time{}; end what else \
             runs there, or choose others (--cores)",
            worst.core,
            percent(kept),
            if kept > KEPT_MAX {
                format!(" (at most {} is sound)", percent(KEPT_MAX))
            } else {
                format!(
                    ", {} of that in which it wanted to run (at most {} is sound)",
                    percent(of_wanted(worst)),
                    percent(KEPT_OF_WANTED_MAX)
                )
            }
        ));
    }
}

/// Others had the worker's core for so long that it shows.
fn is_kept(worker: &WorkerReadings) -> bool {
    let kept = worker.kept_share();
    kept > KEPT_MAX || (kept > KEPT_LEAST && of_wanted(worker) > KEPT_OF_WANTED_MAX)
}

/// How long it waited for its core, as a share of the time in which it waited or ran.
fn of_wanted(worker: &WorkerReadings) -> f64 {
    let (kept, ran) = (worker.kept_share(), worker.cpu_share());
    if kept + ran > 0.0 { kept / (kept + ran) } else { 0.0 }
}

fn wrong_cores(readings: &Readings, findings: &mut Findings) {
    let astray =
        |worker: &&WorkerReadings| !worker.pinned || worker.ended_on.is_some_and(|on| on != worker.core);
    let Some(worker) = readings.workers.iter().find(astray) else { return };
    let count = readings.workers.iter().filter(astray).count();
    let where_to = match worker.ended_on {
        Some(on) if on != worker.core => format!("was on core {on} at the end"),
        _ => "could not be pinned".to_owned(),
    };
    findings.suspect(format!(
        "{count} of {} workers did not stay on their cores (none should leave): the one for core {} {where_to}; let nobody else \
         move them (taskset, cpuset), and allow sched_setaffinity",
        readings.workers.len(),
        worker.core,
    ));
}

fn memory(readings: &Readings, findings: &mut Findings) {
    let stalled = share(readings.memory_stall.0, readings.wall.0);
    if stalled > MEMORY_MAX {
        findings.suspect(format!(
            "the generator's control group waited for memory for {} of the time (at most {} is sound); raise its limit, or lower {}",
            percent(stalled),
            percent(MEMORY_MAX),
            readings.keys.users,
        ));
    }
    let faults = readings.workers.iter().map(|worker| worker.major_faults).fold(0, u64::saturating_add);
    let wall = readings.workers.iter().map(|worker| worker.wall).max().unwrap_or(Nanos::ZERO).as_secs_f64();
    if faults > MAJOR_FAULTS_FIRST && wall > 0.0 && faults as f64 / wall > MAJOR_FAULTS_PER_S_MAX {
        findings.suspect(format!(
            "the workers waited for storage {} times because memory was short ({:.0} page faults a second, at most {:.0} are sound); \
             free some memory, or lower {}",
            human::count(faults),
            faults as f64 / wall,
            MAJOR_FAULTS_PER_S_MAX,
            readings.keys.users,
        ));
    }
}
