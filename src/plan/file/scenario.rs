//! Scenarios and their executors, with k6's rules for what belongs to which.

use std::collections::BTreeMap;

use super::context::Context;
use super::form::{ArrivalsName, PlanForm, ScenarioForm, StageForm};
use super::schema::suggestion;
use crate::load::{Arrivals, arrivals_seed};
use crate::plan::executors::{self, Asked, ExecutorName, VUS_MAX};
use crate::plan::workload::{ArrivalPlan, Executor, Flow, GRACE, Scenario};
use crate::units::Nanos;

/// More would take gigabytes.
const BACKLOG_MAX: u64 = 100_000_000;

/// Keys that any scenario may have.
const COMMON: [&str; 8] =
    ["executor", "startTime", "gracefulStop", "tags", "flow", "flows", "setup", "think"];

/// What plans have for an executor beyond k6.
fn own_keys(executor: ExecutorName) -> &'static [&'static str] {
    match executor {
        ExecutorName::ConstantArrivalRate => &["arrivals", "maxBacklog"],
        ExecutorName::RampingArrivalRate => &["maxBacklog"],
        _ => &["pacing"],
    }
}

/// All scenarios: the named ones, or the one that the shortcuts make.
pub(super) fn scenarios(form: &PlanForm, flows: &[Flow], seed: u64, cx: &mut Context<'_>) -> Vec<Scenario> {
    let shortcuts = ["vus", "duration", "iterations", "stages"];
    if form.scenarios.is_empty() {
        return shortcut(form, cx).map(|executor| Scenario::new("default", executor)).into_iter().collect();
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
        let stages = stage_list(&["stages"], stages, cx)?;
        let asked = Asked { start_vus: form.vus, stages: Some(stages), ..Asked::default() };
        return executor(&[], &[("startVUs", "vus")], ExecutorName::RampingVus, &asked, cx);
    }
    let duration = cx.duration(&["duration"], form.duration.as_ref());
    let asked = Asked { vus: form.vus, ..Asked::default() };
    if form.iterations.is_some() {
        let asked = Asked { iterations: form.iterations, max_duration: duration, ..asked };
        let renamed = [("maxDuration", "duration")];
        return executor(&[], &renamed, ExecutorName::SharedIterations, &asked, cx);
    }
    if form.duration.is_some() {
        return executor(&[], &[], ExecutorName::ConstantVus, &Asked { duration, ..asked }, cx);
    }
    if form.vus.is_some() {
        cx.add(&["vus"], "`vus` alone sets no end: add `duration`, `iterations` or `stages`");
    }
    executor(&[], &[], ExecutorName::SharedIterations, &Asked::default(), cx)
}

fn one(name: &str, form: &ScenarioForm, flows: &[Flow], seed: u64, cx: &mut Context<'_>) -> Option<Scenario> {
    let base = ["scenarios", name];
    belongs(&base, form.executor, cx);
    let start = cx.duration(&key(&base, "startTime"), form.start_time.as_ref()).unwrap_or(Nanos::ZERO);
    let stop = cx.duration(&key(&base, "gracefulStop"), form.graceful_stop.as_ref()).unwrap_or(GRACE);
    let think = cx.think(&key(&base, "think"), form.think.as_ref());
    let pacing = cx.think(&key(&base, "pacing"), form.pacing.as_ref());
    let weights = weights(&base, form, flows, cx);
    let asked = asked(&base, form, seed, cx);
    let executor = executor(&base, &[], form.executor, &asked?, cx);
    Some(Scenario {
        start,
        graceful_stop: stop,
        flows: weights,
        think,
        pacing,
        tags: pairs(&form.tags),
        ..Scenario::new(name, executor?)
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

/// Notes what is another executor's.
fn belongs(base: &[&str], executor: ExecutorName, cx: &mut Context<'_>) {
    let own = [executor.keys(), own_keys(executor)].concat();
    for given in cx.keys(base) {
        if !COMMON.contains(&given.as_str()) && !own.contains(&given.as_str()) {
            let message =
                format!("`{given}` does not belong to {}, which takes {}", executor.name(), own.join(", "));
            cx.add(&key(base, &given), message);
        }
    }
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

/// What a scenario asks of its executor; `None` where its stages cannot be used.
fn asked(base: &[&str], form: &ScenarioForm, seed: u64, cx: &mut Context<'_>) -> Option<Asked> {
    let at = |name| key(base, name);
    let stages = match &form.stages {
        Some(stages) => Some(stage_list(&at("stages"), stages, cx)?),
        None => None,
    };
    let backlog = form.max_backlog.unwrap_or(0);
    if backlog > BACKLOG_MAX {
        let message = format!("{backlog} is above {BACKLOG_MAX}: each waiting arrival takes memory");
        cx.add(&at("maxBacklog"), message);
    }
    Some(Asked {
        vus: form.vus,
        duration: cx.duration(&at("duration"), form.duration.as_ref()),
        start_vus: form.start_vus,
        stages,
        graceful_ramp_down: cx.duration(&at("gracefulRampDown"), form.graceful_ramp_down.as_ref()),
        iterations: form.iterations,
        max_duration: cx.duration(&at("maxDuration"), form.max_duration.as_ref()),
        rate: form.rate,
        start_rate: form.start_rate,
        time_unit: cx.duration(&at("timeUnit"), form.time_unit.as_ref()),
        pre_allocated_vus: form.pre_allocated_vus,
        max_vus: form.max_vus,
        max_backlog: backlog,
        process: match form.arrivals {
            Some(ArrivalsName::Poisson) => Arrivals::Poisson,
            _ => Arrivals::Uniform,
        },
        seed,
    })
}

/// Makes it. `renamed` are k6's keys that the plan has under other names, with these.
fn executor(
    base: &[&str],
    renamed: &[(&str, &str)],
    name: ExecutorName,
    asked: &Asked,
    cx: &mut Context<'_>,
) -> Option<Executor> {
    let made = match executors::executor(name, asked) {
        Ok(made) => made,
        Err(misfits) => {
            for misfit in misfits {
                let other = renamed.iter().find(|(own, _)| *own == misfit.key);
                let (path, message) = match other {
                    Some((own, other)) => {
                        (key(base, other), misfit.message.replace(&format!("`{own}`"), &format!("`{other}`")))
                    }
                    None => (key(base, misfit.key), misfit.message),
                };
                // What is there and could not be read has been noted.
                if !(misfit.is_missing && cx.has(&path)) {
                    cx.add(&path, message);
                }
            }
            return None;
        }
    };
    // k6 takes loads that come to nothing.
    if made.max_vus() == 0 {
        let path = if asked.max_vus.is_some() { "maxVUs" } else { "preAllocatedVUs" };
        cx.add(&key(base, path), format!("`{path}` is 0: at least one user is needed"));
        return None;
    }
    if matches!(&made, Executor::ArrivalRate { arrivals: ArrivalPlan::Ramping(rates), .. } if rates.total() == 0)
    {
        cx.add(&key(base, "stages"), "nothing ever arrives: give a target above 0, or `startRate`");
        return None;
    }
    Some(made)
}

/// (duration, target) pairs.
fn stage_list(path: &[&str], stages: &[StageForm], cx: &mut Context<'_>) -> Option<Vec<(Nanos, u64)>> {
    let mut pairs = Vec::new();
    for (i, stage) in stages.iter().enumerate() {
        let index = i.to_string();
        let span = cx.duration(&[path, &[&index, "duration"]].concat(), Some(&stage.duration));
        let Some(span) = span else { continue };
        pairs.push((span, stage.target));
    }
    if pairs.len() == stages.len() && !stages.is_empty() && pairs.iter().all(|(span, _)| *span == Nanos::ZERO)
    {
        cx.add(path, "the stages take no time: give one a duration");
        return None;
    }
    (pairs.len() == stages.len()).then_some(pairs)
}
