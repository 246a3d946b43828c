//! Scenarios and their executors, with k6's rules for what belongs to which.

use std::collections::BTreeMap;

use super::context::Context;
use super::form::{ArrivalsName, ExecutorName, PlanForm, ScenarioForm, StageForm};
use super::schema::suggestion;
use crate::load::{Arrivals, arrivals_seed};
use crate::plan::executors::{self, GRACE, MAX_DURATION, Pool, VUS_MAX};
use crate::plan::workload::{ArrivalPlan, Executor, Flow, Scenario, Think};
use crate::units::Nanos;

const SECOND: Nanos = Nanos::from_secs(1);
/// More would take gigabytes.
const BACKLOG_MAX: u64 = 100_000_000;

/// Keys that any scenario may have.
const COMMON: [&str; 8] =
    ["executor", "startTime", "gracefulStop", "tags", "flow", "flows", "setup", "think"];

/// An executor's name, the keys it needs, and those it may have.
fn keys(executor: ExecutorName) -> (&'static str, &'static [&'static str], &'static [&'static str]) {
    match executor {
        ExecutorName::ConstantVus => ("constant-vus", &["duration"], &["vus", "pacing"]),
        ExecutorName::RampingVus => ("ramping-vus", &["stages"], &["startVUs", "gracefulRampDown", "pacing"]),
        ExecutorName::SharedIterations => {
            ("shared-iterations", &[], &["vus", "iterations", "maxDuration", "pacing"])
        }
        ExecutorName::PerVuIterations => {
            ("per-vu-iterations", &[], &["vus", "iterations", "maxDuration", "pacing"])
        }
        ExecutorName::ConstantArrivalRate => (
            "constant-arrival-rate",
            &["rate", "duration", "preAllocatedVUs"],
            &["timeUnit", "maxVUs", "arrivals", "maxBacklog"],
        ),
        ExecutorName::RampingArrivalRate => (
            "ramping-arrival-rate",
            &["stages", "preAllocatedVUs"],
            &["startRate", "timeUnit", "maxVUs", "maxBacklog"],
        ),
    }
}

/// All scenarios: the named ones, or the one that the shortcuts make.
pub(super) fn scenarios(form: &PlanForm, flows: &[Flow], seed: u64, cx: &mut Context<'_>) -> Vec<Scenario> {
    let shortcuts = ["vus", "duration", "iterations", "stages"];
    if form.scenarios.is_empty() {
        return shortcut(form, cx).map(|executor| plain("default", executor)).into_iter().collect();
    }
    for key in shortcuts.into_iter().filter(|key| cx.has(&[key])).collect::<Vec<_>>() {
        cx.add(
            &[key],
            format!("`{key}` stands beside `scenarios`: put it into one of them, or leave these out"),
        );
    }
    let names = cx.keys(&["scenarios"]);
    let named = names.iter().filter_map(|name| Some((name, form.scenarios.get(name)?)));
    let scenarios: Vec<Scenario> = named
        .enumerate()
        .filter_map(|(index, (name, scenario))| one(name, scenario, flows, arrivals_seed(seed, index), cx))
        .collect();
    let users: u64 = scenarios.iter().map(|s| u64::from(s.executor.max_vus())).sum();
    if users > VUS_MAX {
        cx.add(
            &["scenarios"],
            format!("{users} users together are more than the {VUS_MAX} that squall can keep"),
        );
    }
    scenarios
}

/// A scenario that walks the first flow.
pub(in crate::plan) fn plain(name: &str, executor: Executor) -> Scenario {
    Scenario {
        name: name.into(),
        executor,
        start: Nanos::ZERO,
        graceful_stop: GRACE,
        flows: vec![(0, 1)],
        setup: None,
        think: Think::None,
        pacing: Think::None,
        tags: Vec::new(),
    }
}

/// k6's shortcuts, in its order: iterations, duration, stages, and one iteration without any.
fn shortcut(form: &PlanForm, cx: &mut Context<'_>) -> Option<Executor> {
    if form.stages.is_some() {
        for key in ["iterations", "duration"].into_iter().filter(|key| cx.has(&[key])).collect::<Vec<_>>() {
            cx.add(
                &[key],
                format!("`{key}` and `stages` exclude each other: keep one, or write `scenarios`"),
            );
        }
    }
    // A ramp may begin with nobody, as in k6.
    if let (Some(stages), None, None) = (&form.stages, &form.iterations, &form.duration) {
        return ramping_vus(&[], form.vus.unwrap_or(1), stages, GRACE, cx);
    }
    let vus = users(&["vus"], form.vus.unwrap_or(1), cx);
    if form.iterations.is_some() {
        let max_duration = cx.at_least(&["duration"], form.duration.as_ref(), SECOND).unwrap_or(MAX_DURATION);
        let iterations = shared(&["iterations"], form.iterations, vus?, cx)?;
        return Some(Executor::SharedIterations { vus: vus?, iterations, max_duration });
    }
    if form.duration.is_some() {
        let duration = cx.at_least(&["duration"], form.duration.as_ref(), SECOND)?;
        return Some(Executor::ConstantVus { vus: vus?, duration });
    }
    if form.vus.is_some() {
        cx.add(&["vus"], "`vus` alone sets no end: add `duration`, `iterations` or `stages`");
    }
    Some(Executor::SharedIterations { vus: 1, iterations: 1, max_duration: MAX_DURATION })
}

fn one(name: &str, form: &ScenarioForm, flows: &[Flow], seed: u64, cx: &mut Context<'_>) -> Option<Scenario> {
    let base = ["scenarios", name];
    let complete = belongs(&base, form.executor, cx);
    let start = cx.duration(&key(&base, "startTime"), form.start_time.as_ref()).unwrap_or(Nanos::ZERO);
    let stop = cx.duration(&key(&base, "gracefulStop"), form.graceful_stop.as_ref()).unwrap_or(GRACE);
    let think = cx.think(&key(&base, "think"), form.think.as_ref());
    let pacing = cx.think(&key(&base, "pacing"), form.pacing.as_ref());
    let weights = weights(&base, form, flows, cx);
    let executor = if complete { executor(&base, form, seed, cx) } else { None };
    Some(Scenario {
        name: name.into(),
        executor: executor?,
        start,
        graceful_stop: stop,
        flows: weights,
        setup: None,
        think,
        pacing,
        tags: pairs(&form.tags),
    })
}

/// `base` and one key more.
fn key<'a>(base: &[&'a str], key: &'a str) -> Vec<&'a str> {
    [base, &[key]].concat()
}

/// Tags as the workload has them.
pub(super) fn pairs(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Whether the executor has what it needs. Notes what is missing and what is another executor's.
fn belongs(base: &[&str], executor: ExecutorName, cx: &mut Context<'_>) -> bool {
    let (name, needed, allowed) = keys(executor);
    let mut complete = true;
    for missing in needed.iter().filter(|k| !cx.has(&key(base, k))).collect::<Vec<_>>() {
        cx.add(base, format!("{name} needs `{missing}`, which scenario `{}` lacks", base[1]));
        complete = false;
    }
    for given in cx.keys(base) {
        let known = [&COMMON, needed, allowed].concat();
        if !known.contains(&given.as_str()) {
            let own = [needed, allowed].concat().join(", ");
            let message = format!("`{given}` does not belong to {name}, which takes {own}");
            cx.add(&key(base, &given), message);
        }
    }
    complete
}

fn weights(base: &[&str], form: &ScenarioForm, flows: &[Flow], cx: &mut Context<'_>) -> Vec<(u32, u32)> {
    let names: Vec<&str> = flows.iter().map(|flow| flow.name.as_str()).collect();
    let index = |name: &str| names.iter().position(|known| *known == name).map(|i| i as u32);
    let mut found = Vec::new();
    match (&form.flow, &form.flows) {
        (Some(_), Some(_)) => cx.add(&key(base, "flow"), "there are `flows` too: give one of them"),
        (Some(name), None) => match index(name) {
            Some(flow) => found.push((flow, 1)),
            None => {
                cx.add(&key(base, "flow"), format!("there is no flow `{name}`{}", suggestion(name, &names)));
            }
        },
        (None, Some(weights)) => {
            for (name, weight) in weights {
                let path = [base, &["flows", name]].concat();
                match index(name) {
                    None => cx.add(&path, format!("there is no flow `{name}`{}", suggestion(name, &names))),
                    Some(_) if *weight == 0 => {
                        cx.add(
                            &path,
                            format!("flow `{name}` has the weight 0: leave it out, or give 1 or more"),
                        );
                    }
                    Some(flow) => found.push((flow, *weight)),
                }
            }
            if weights.is_empty() {
                cx.add(&key(base, "flows"), "there are no flows in it: leave it out for the only one");
            }
            if weights.values().map(|w| u64::from(*w)).sum::<u64>() > u64::from(u32::MAX) {
                cx.add(&key(base, "flows"), "the weights together are above 2^32: give smaller ones");
            }
        }
        (None, None) if flows.len() > 1 => {
            cx.add(
                base,
                format!("which flow? Add `flow`, one of {}, or `flows` with weights", names.join(", ")),
            );
        }
        (None, None) => found.push((0, 1)),
    }
    found
}

fn executor(base: &[&str], form: &ScenarioForm, seed: u64, cx: &mut Context<'_>) -> Option<Executor> {
    let at = |name| key(base, name);
    match form.executor {
        ExecutorName::ConstantVus => {
            let vus = users(&at("vus"), form.vus.unwrap_or(1), cx);
            let duration = cx.at_least(&at("duration"), form.duration.as_ref(), SECOND);
            Some(Executor::ConstantVus { vus: vus?, duration: duration? })
        }
        ExecutorName::RampingVus => {
            let grace =
                cx.duration(&at("gracefulRampDown"), form.graceful_ramp_down.as_ref()).unwrap_or(GRACE);
            let stages = form.stages.as_deref().unwrap_or_default();
            ramping_vus(base, form.start_vus.unwrap_or(1), stages, grace, cx)
        }
        ExecutorName::SharedIterations => {
            let vus = users(&at("vus"), form.vus.unwrap_or(1), cx);
            let most = cx.at_least(&at("maxDuration"), form.max_duration.as_ref(), SECOND);
            let iterations = shared(&at("iterations"), form.iterations, vus?, cx)?;
            Some(Executor::SharedIterations {
                vus: vus?,
                iterations,
                max_duration: most.unwrap_or(MAX_DURATION),
            })
        }
        ExecutorName::PerVuIterations => {
            let vus = users(&at("vus"), form.vus.unwrap_or(1), cx);
            let most = cx.at_least(&at("maxDuration"), form.max_duration.as_ref(), SECOND);
            let iterations = form.iterations.unwrap_or(1);
            if iterations == 0 {
                cx.add(&at("iterations"), "`iterations` is 0: give at least 1");
            }
            Some(Executor::PerVuIterations {
                vus: vus?,
                iterations,
                max_duration: most.unwrap_or(MAX_DURATION),
            })
        }
        ExecutorName::ConstantArrivalRate => constant_rate(base, form, seed, cx),
        ExecutorName::RampingArrivalRate => ramping_rate(base, form, cx),
    }
}

fn users(path: &[&str], vus: u64, cx: &mut Context<'_>) -> Option<u32> {
    let name = path.last().copied().unwrap_or_default();
    if vus == 0 {
        cx.add(path, format!("`{name}` is 0: at least one user is needed"));
        return None;
    }
    if vus > VUS_MAX {
        cx.add(path, format!("`{name}` is {vus}, more than the {VUS_MAX} users that squall can keep"));
        return None;
    }
    Some(vus as u32)
}

fn shared(path: &[&str], iterations: Option<u64>, vus: u32, cx: &mut Context<'_>) -> Option<u64> {
    let iterations = iterations.unwrap_or(1);
    if iterations < u64::from(vus) {
        cx.add(path, format!("{iterations} iterations are fewer than the {vus} users that share them"));
        return None;
    }
    Some(iterations)
}

fn ramping_vus(
    base: &[&str],
    start: u64,
    stages: &[StageForm],
    graceful_ramp_down: Nanos,
    cx: &mut Context<'_>,
) -> Option<Executor> {
    let path = key(base, "stages");
    let pairs = stage_list(&path, stages, cx)?;
    if start.max(pairs.iter().map(|s| s.1).max().unwrap_or(0)) > VUS_MAX {
        cx.add(&path, format!("more than the {VUS_MAX} users that squall can keep"));
        return None;
    }
    let executor = cx.note(&path, executors::ramping_vus(start, &pairs, graceful_ramp_down))?;
    if executor.max_vus() == 0 {
        cx.add(&path, "there is never any user: give a target above 0, or users at the start");
        return None;
    }
    Some(executor)
}

/// (duration, target) pairs.
fn stage_list(path: &[&str], stages: &[StageForm], cx: &mut Context<'_>) -> Option<Vec<(Nanos, u64)>> {
    if stages.is_empty() {
        cx.add(path, "there are no stages: give at least one, as in { duration = \"30s\", target = 10 }");
        return None;
    }
    let mut pairs = Vec::new();
    for (i, stage) in stages.iter().enumerate() {
        let index = i.to_string();
        let span = cx.duration(&[path, &[&index, "duration"]].concat(), Some(&stage.duration));
        let Some(span) = span else { continue };
        pairs.push((span, stage.target));
    }
    if pairs.len() == stages.len() && pairs.iter().all(|(span, _)| *span == Nanos::ZERO) {
        cx.add(path, "the stages take no time: give one a duration");
        return None;
    }
    (pairs.len() == stages.len()).then_some(pairs)
}

/// preAllocatedVUs, maxVUs, maxBacklog.
fn pool(base: &[&str], form: &ScenarioForm, cx: &mut Context<'_>) -> Option<Pool> {
    let pre = form.pre_allocated_vus.unwrap_or(0);
    let max = form.max_vus.unwrap_or(pre);
    if max < pre {
        cx.add(&key(base, "maxVUs"), format!("`maxVUs` is {max}, below `preAllocatedVUs`, which is {pre}"));
        return None;
    }
    let backlog = form.max_backlog.unwrap_or(0);
    if backlog > BACKLOG_MAX {
        cx.add(
            &key(base, "maxBacklog"),
            format!("{backlog} is above {BACKLOG_MAX}: each waiting arrival takes memory"),
        );
    }
    let field = if form.max_vus.is_some() { "maxVUs" } else { "preAllocatedVUs" };
    let max = users(&key(base, field), max, cx)?;
    Some(Pool { pre_allocated: pre as u32, max, max_backlog: backlog })
}

fn time_unit(base: &[&str], form: &ScenarioForm, cx: &mut Context<'_>) -> Option<Nanos> {
    match &form.time_unit {
        None => Some(SECOND),
        Some(unit) => cx.at_least(&key(base, "timeUnit"), Some(unit), Nanos(1)),
    }
}

fn constant_rate(base: &[&str], form: &ScenarioForm, seed: u64, cx: &mut Context<'_>) -> Option<Executor> {
    let duration = cx.at_least(&key(base, "duration"), form.duration.as_ref(), SECOND);
    let per = time_unit(base, form, cx);
    let pool = pool(base, form, cx);
    let rate =
        cx.note(&key(base, "rate"), executors::constant_rate(form.rate.unwrap_or(0), per.unwrap_or(SECOND)))?;
    per?;
    let process = match form.arrivals {
        Some(ArrivalsName::Poisson) => Arrivals::Poisson,
        _ => Arrivals::Uniform,
    };
    let arrivals = ArrivalPlan::Constant { rate, process, seed };
    Some(executors::arrival_rate(arrivals, vec![duration?], pool?))
}

fn ramping_rate(base: &[&str], form: &ScenarioForm, cx: &mut Context<'_>) -> Option<Executor> {
    let path = key(base, "stages");
    let stages = stage_list(&path, form.stages.as_deref().unwrap_or_default(), cx);
    let per = time_unit(base, form, cx);
    let pool = pool(base, form, cx);
    let executor =
        cx.note(&path, executors::ramping_rate(per?, form.start_rate.unwrap_or(0), &stages?, pool?))?;
    if matches!(&executor, Executor::ArrivalRate { arrivals: ArrivalPlan::Ramping(rates), .. } if rates.total() == 0)
    {
        cx.add(&path, "nothing ever arrives: give a target above 0, or `startRate`");
        return None;
    }
    Some(executor)
}
