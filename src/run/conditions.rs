//! The conditions of a run, read when its window opens and when it closes: whether its figures can be trusted.

use super::config::RunConfig;
use super::coordinator::Course;
use super::machine;
use super::samples::Written;
use crate::plan::workload::Workload;
use crate::stats::layout::{Layout, ScenarioKey};
use crate::stats::tally::{ScenarioTally, Tally};
use crate::units::{Nanos, human};
use crate::verdict::{Arrivals, Connections, Keys, Owed, Readings, Samples, WorkerReadings};
use crate::worker::channel::LoopReadings;
use crate::worker::flow::script::ScriptTask;

/// What was read over the measured window.
pub(super) fn readings(
    config: &RunConfig,
    layout: &Layout,
    course: &Course,
    pinned: &[bool],
    spinning: bool,
    written: Option<Written>,
) -> Readings {
    let workers = config.cores.iter().zip(&course.finished).zip(pinned);
    let workers = workers.map(|((&core, finished), &pinned)| worker(core, pinned, &finished.readings));
    let stood_still = course.finished.iter().map(|f| f.readings.stood_still).max();
    let target = config.target_cores.as_deref().unwrap_or(&[]);
    let (before, after) = &course.surroundings;
    Readings {
        workers: workers.collect(),
        spinning,
        open_model: config.is_open(),
        iterations: config
            .workload
            .as_ref()
            .map(|workload| iterations(workload, layout, &course.summary.tally)),
        keys: keys(config),
        steal_share: after.steal.share_since(&before.steal, &config.cores),
        script_share: config.script.is_some().then(|| script_share(course)),
        throttling: after.stalls.throttled_since(&before.stalls),
        memory_stall: after.stalls.memory_since(&before.stalls),
        wall: after.at - before.at,
        shared_cores: machine::shared_cores(&config.cores, target),
        stopped_for: stood_still.unwrap_or(Nanos::ZERO),
        samples: written.map(|written| samples(written, course)),
        owed: owed(config, layout, course),
        connections: standing(config, course),
        timeout: config.workload.is_none().then_some(config.timeout),
    }
}

/// Time in which scripts computed, as a share of all workers' time.
fn script_share(course: &Course) -> f64 {
    let computed: u64 = course.summary.tally.scenarios.iter().map(|scenario| scenario.script_time).sum();
    let wall: u64 = course.finished.iter().map(|finished| finished.readings.wall.0).sum();
    if wall == 0 { 0.0 } else { (computed as f64 / wall as f64).min(1.0) }
}

/// What was to be done to the last. A run that somebody ended owes nothing.
fn owed(config: &RunConfig, layout: &Layout, course: &Course) -> Option<Owed> {
    let called_off = config.script.as_ref().is_some_and(ScriptTask::is_called_off);
    if called_off || course.aborted || course.judged.iter().any(|(_, _, fatal)| *fatal) {
        return None;
    }
    let all = config.owes_requests;
    let Some(workload) = &config.workload else {
        let asked = config.requests.filter(|_| all)?;
        return Some(Owed { what: "requests", asked, begun: course.summary.counts.started, all });
    };
    let counted = workload.scenarios.iter().zip(&layout.scenarios).filter(|(s, _)| s.executor.is_counted());
    let stages = counted.flat_map(|(_, key)| slots(key, &course.summary.tally));
    let (begun, dropped) = stages.fold((0, 0), |sum, stage| (sum.0 + stage.started, sum.1 + stage.dropped));
    Some(Owed { what: "iterations", asked: begun + dropped, begun, all })
}

/// Connections over the window, summed over the workers.
fn standing(config: &RunConfig, course: &Course) -> Connections {
    let mut sum = Connections {
        asked: config.workload.is_none().then_some(config.connections),
        ..Connections::default()
    };
    for finished in &course.finished {
        let (least, most, mean) = finished.readings.standing.figures(finished.readings.wall);
        sum.least += least;
        sum.most += most;
        sum.mean += mean;
    }
    sum
}

fn worker(core: usize, pinned: bool, readings: &LoopReadings) -> WorkerReadings {
    let thread = &readings.thread;
    WorkerReadings {
        core,
        user_cpu: thread.user,
        system_cpu: thread.system,
        run_delay: thread.run_delay,
        slices: thread.slices,
        major_faults: thread.major_faults,
        ended_on: thread.core,
        wall: readings.wall,
        busy: readings.busy,
        cq_overflows: readings.driver.cq_overflows,
        buffer_starvations: readings.driver.buffer_starvations,
        enters: readings.driver.enters,
        turns: readings.turns,
        pinned,
        samples_wait: readings.samples.waited,
    }
}

fn samples(written: Written, course: &Course) -> Samples {
    let lost: u64 = course.finished.iter().map(|f| f.readings.samples.lost).sum();
    let stopped = || format!("stopped while {} samples could not be handed over", human::count(lost));
    Samples {
        place: written.place,
        written: written.samples,
        error: written.error.or_else(|| (lost > 0).then(stopped)),
    }
}

/// The arrivals of all scenarios that have a schedule. What the others leave undone at their end, no schedule has called for.
fn iterations(workload: &Workload, layout: &Layout, tally: &Tally) -> Arrivals {
    let mut sum = Arrivals::default();
    for (scenario, key) in workload.scenarios.iter().zip(&layout.scenarios) {
        if !scenario.executor.is_open() {
            continue;
        }
        for stage in slots(key, tally) {
            sum.scheduled += stage.scheduled;
            sum.started += stage.started;
            sum.dropped += stage.dropped;
        }
    }
    sum.waiting = sum.scheduled.saturating_sub(sum.started + sum.dropped);
    sum
}

/// The books of a scenario, by stage; without an interval there is no tally either.
fn slots<'t>(key: &ScenarioKey, tally: &'t Tally) -> impl Iterator<Item = &'t ScenarioTally> {
    tally.scenarios.iter().skip(key.first_slot as usize).take(key.stage_ends.len())
}

/// Where the user has said how much load there is to be.
fn keys(config: &RunConfig) -> Keys {
    match config.counted_by {
        "plan" if config.is_open() => Keys::PLAN,
        "plan" => Keys { users: "the plan's vus", ..Keys::PLAN },
        users => Keys { users, ..Keys::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::RawConfig;

    fn config(plan: &str) -> RunConfig {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.toml");
        std::fs::write(&path, plan).unwrap();
        RunConfig::validate(RawConfig { url: path.display().to_string(), ..RawConfig::default() }).unwrap()
    }

    const OPEN: &str = r#"
        [steps.a]
        url = "http://127.0.0.1:9/"
        [scenarios.first]
        executor = "shared-iterations"
        iterations = 5
        [scenarios.ramp]
        executor = "ramping-arrival-rate"
        preAllocatedVUs = 1
        stages = [{ duration = "1s", target = 5 }, { duration = "1s", target = 9 }]
        [scenarios.rate]
        executor = "constant-arrival-rate"
        rate = 5
        duration = "1s"
        preAllocatedVUs = 1
    "#;

    #[test]
    fn arrivals_are_those_of_a_schedule_over_all_stages() {
        let config = config(OPEN);
        let layout = config.layout();
        let mut tally = Tally::new(&layout);
        for (at, slot) in tally.scenarios.iter_mut().enumerate() {
            let at = at as u64;
            *slot = ScenarioTally { scheduled: 10 + at, started: 5, dropped: 3, ..ScenarioTally::default() };
        }
        let workload = config.workload.as_ref().unwrap();
        let open = layout.scenarios.iter().filter(|key| key.name != "first");
        let slots: Vec<u64> = open
            .flat_map(|key| {
                u64::from(key.first_slot)..u64::from(key.first_slot) + key.stage_ends.len() as u64
            })
            .collect();
        assert_eq!(slots.len(), 3);
        let scheduled: u64 = slots.iter().map(|at| 10 + at).sum();
        let expected = Arrivals { scheduled, started: 15, dropped: 9, waiting: scheduled - 24 };
        assert_eq!(iterations(workload, &layout, &tally), expected);
        assert_eq!(iterations(workload, &layout, &Tally::default()), Arrivals::default());
    }

    #[test]
    fn advice_names_what_the_user_has_written() {
        assert_eq!(keys(&config(OPEN)), Keys::PLAN);
        let closed = "vus = 2\nduration = \"1s\"\n[steps.a]\nurl = \"http://127.0.0.1:9/\"\n";
        assert_eq!(keys(&config(closed)).users, "the plan's vus");
        let flags = |change: fn(&mut RawConfig)| {
            let mut raw = RawConfig { url: "http://127.0.0.1:9/".into(), ..RawConfig::default() };
            change(&mut raw);
            keys(&RunConfig::validate(raw).unwrap())
        };
        assert_eq!(flags(|raw| raw.rate = Some("5".into())), Keys { users: "-c", rate: "-R" });
        let with_users = flags(|raw| (raw.rate, raw.vus) = (Some("5".into()), Some(3)));
        assert_eq!(with_users, Keys { users: "--vus", rate: "-R" });
    }
}
