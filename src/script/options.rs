//! k6's options: from the config file, the script, the environment and flags, in that order, to scenarios and settings.
//!
//! What a scenario's executor is made of is the same in plans and scripts, and so is the code: scenarios become the scenarios of a plan.

mod read;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use thiserror::Error;

use self::read::{duration, text_map, whole};
use super::program::{MetricDef, ScenarioSettings, Settings};
use crate::plan::file::{self, Format, Surroundings};
use crate::plan::workload::{ArrivalPlan, ConnectionPolicy, Executor, Scenario, Workload};
use crate::stats::registry::Kind;
use crate::threshold::Threshold;
use crate::units::Nanos;

/// What is wrong with the options: k6's exit code 104.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct OptionsError(pub String);

/// Options by their names in scripts.
pub type Layer = Map<String, Value>;

/// Where options come from, each over the ones before.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The config file.
    pub file: Layer,
    /// What the script exports.
    pub script: Layer,
    /// `K6_*` of the environment.
    pub env: Layer,
    /// Flags.
    pub flags: Layer,
}

/// What they come to.
#[derive(Debug)]
pub struct Options {
    /// All of them, as they are in force.
    pub map: Layer,
    /// What cannot be meant, in words.
    pub warnings: Vec<String>,
    /// What users go by.
    pub settings: Settings,
    /// The scenarios.
    pub workload: Workload,
    /// What the whole must come to, and what ends the run.
    pub thresholds: Vec<Threshold>,
    /// How long setup and teardown may take.
    pub setup_timeout: Nanos,
    /// The same of teardown.
    pub teardown_timeout: Nanos,
}

/// Options that say how much load there is.
const SHORTCUTS: [&str; 4] = ["vus", "iterations", "duration", "stages"];

/// Those that k6 knows.
const KNOWN: [&str; 45] = [
    "batch",
    "batchPerHost",
    "blacklistIPs",
    "blockHostnames",
    "cloud",
    "discardResponseBodies",
    "dns",
    "duration",
    "executionSegment",
    "executionSegmentSequence",
    "ext",
    "hosts",
    "httpDebug",
    "insecureSkipTLSVerify",
    "iterations",
    "linger",
    "localIPs",
    "maxRedirects",
    "minIterationDuration",
    "noConnectionReuse",
    "noCookiesReset",
    "noSetup",
    "noSummary",
    "noTeardown",
    "noThresholds",
    "noVUConnectionReuse",
    "paused",
    "rps",
    "scenarios",
    "setupTimeout",
    "stages",
    "summaryMode",
    "summaryTimeUnit",
    "summaryTrendStats",
    "systemTags",
    "tags",
    "teardownTimeout",
    "thresholds",
    "throw",
    "tlsAuth",
    "tlsCipherSuites",
    "tlsVersion",
    "userAgent",
    "vus",
    "vusMax",
];

/// Options that would change what is sent, and that are not carried out: a script that sets one is not run as if it had not.
const REFUSED: [(&str, &str); 6] = [
    (
        "executionSegment",
        "parts of a test on several machines are not there yet: run the whole, or divide its rates and users by hand",
    ),
    ("executionSegmentSequence", "parts of a test on several machines are not there yet: leave it out"),
    ("tlsAuth", "client certificates come from --cert and --key"),
    ("rps", "limit the rate with a constant-arrival-rate scenario, which says so in its figures"),
    ("blacklistIPs", "addresses are not blocked: leave the requests out of the script"),
    ("blockHostnames", "names are not blocked: leave the requests out of the script"),
];

/// Makes one of the layers.
///
/// # Errors
/// What has no value that it can have, with its place.
pub fn consolidate(
    layers: Layers,
    exports: impl Fn(&str) -> bool,
    metrics: &BTreeMap<String, MetricDef>,
    seed: u64,
) -> Result<Options, OptionsError> {
    let mut warnings = Vec::new();
    let mut map = layers.file;
    over(&mut map, layers.script, "the script", &mut warnings)?;
    let mut outer = layers.env;
    outer.extend(layers.flags);
    over(&mut map, outer, "flags or K6_* variables", &mut warnings)?;
    for name in map.keys() {
        if !KNOWN.contains(&name.as_str()) {
            warnings.push(format!("There were unknown fields in the options exported in the script: {name}"));
        }
    }
    map.retain(|_, value| !value.is_null());
    for (name, why) in REFUSED {
        if map.get(name).is_some_and(|value| !is_empty(value)) {
            return Err(OptionsError(format!("option `{name}` is not supported: {why}")));
        }
    }
    let (workload, scenarios) = workload(&map, seed, &mut warnings)?;
    for scenario in &scenarios {
        if !exports(&scenario.exec) {
            return Err(OptionsError(format!(
                "executor {}: function '{}' not found in exports",
                scenario.name, scenario.exec
            )));
        }
    }
    let thresholds = if truth(&map, "noThresholds") { Vec::new() } else { thresholds(&map, metrics)? };
    let span = |name: &str, otherwise: Nanos| match map.get(name) {
        Some(value) => duration(value, name),
        None => Ok(otherwise),
    };
    let count = |name: &str, otherwise: u64| map.get(name).map_or(Ok(otherwise), |value| whole(value, name));
    let settings = Settings {
        user_agent: map.get("userAgent").and_then(Value::as_str).unwrap_or("Grafana k6/1.1.0").to_owned(),
        max_redirects: count("maxRedirects", 10)?.min(1_000) as u32,
        batch: count("batch", 20)? as usize,
        batch_per_host: count("batchPerHost", 6)? as usize,
        discard_response_bodies: truth(&map, "discardResponseBodies"),
        no_cookies_reset: truth(&map, "noCookiesReset"),
        throw: truth(&map, "throw"),
        min_iteration_duration: span("minIterationDuration", Nanos::ZERO)?,
        hosts: read::hosts(map.get("hosts"))?,
        tags: text_map(map.get("tags"), "tags")?,
        options: Value::Object(map.clone()).to_string(),
        scenarios,
    };
    let minute = Nanos::from_secs(60);
    Ok(Options {
        warnings,
        settings,
        thresholds,
        setup_timeout: span("setupTimeout", minute)?,
        teardown_timeout: span("teardownTimeout", minute)?,
        workload: Workload {
            open_ended: true,
            connections: ConnectionPolicy {
                requests_max: truth(&map, "noConnectionReuse").then_some(1),
                close_after_iteration: truth(&map, "noVUConnectionReuse"),
            },
            ..workload
        },
        map,
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Bool(yes) => !yes,
        Value::Null => true,
    }
}

/// Whether an option is set.
pub fn truth(map: &Layer, name: &str) -> bool {
    match map.get(name) {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "true" || text == "1",
        _ => false,
    }
}

/// Lays options over others. What says how much load there is replaces all that said so before.
fn over(map: &mut Layer, layer: Layer, whose: &str, warnings: &mut Vec<String>) -> Result<(), OptionsError> {
    // `vus` alone says nothing of it.
    let by = SHORTCUTS.into_iter().find(|name| *name != "vus" && layer.contains_key(*name));
    if let Some(by) = by {
        if layer.contains_key("scenarios") {
            return Err(OptionsError(format!(
                "conflicting execution options: `{by}` and `scenarios` in {whose}: keep one of them"
            )));
        }
        if map.remove("scenarios").is_some() {
            warnings.push(format!("`{by}` of {whose} replaces the script's scenarios"));
        }
        for other in ["iterations", "duration", "stages"] {
            map.remove(other);
        }
    }
    if layer.contains_key("scenarios") {
        for name in SHORTCUTS {
            map.remove(name);
        }
    }
    map.extend(layer);
    Ok(())
}

/// Scenarios of a plan, and what only scripts have of them.
fn workload(
    map: &Layer,
    seed: u64,
    warnings: &mut Vec<String>,
) -> Result<(Workload, Vec<ScenarioSettings>), OptionsError> {
    let mut plan = Map::new();
    let mut own: BTreeMap<String, ScenarioSettings> = BTreeMap::new();
    match map.get("scenarios") {
        Some(Value::Object(all)) => {
            for (name, form) in all {
                let (executor, settings) = read::scenario(name, form)?;
                own.insert(name.clone(), settings);
                plan.insert(name.clone(), executor);
            }
            if all.is_empty() {
                return Err(OptionsError("`scenarios` has none".into()));
            }
        }
        Some(_) => return Err(OptionsError("`scenarios` must be an object of scenarios".into())),
        None => {
            let executor = read::shortcut(map, warnings)?;
            own.insert("default".into(), ScenarioSettings { exec: "default".into(), ..Default::default() });
            plan.insert("default".into(), executor);
        }
    }
    let workload = compiled(&plan, seed)?;
    let mut settings = Vec::new();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for scenario in &workload.scenarios {
        let mut mine = own.remove(&*scenario.name).unwrap_or_default();
        mine.name = scenario.name.to_string();
        mine.executor = scenario.executor.name().into();
        mine.start = scenario.start;
        mine.duration = scenario.executor.duration();
        mine.iterations = match scenario.executor {
            Executor::SharedIterations { iterations, .. } => Some(iterations),
            Executor::PerVuIterations { iterations, vus, .. } => Some(iterations * u64::from(vus)),
            _ => None,
        };
        scenarios.push(Scenario {
            executor: inclusive(scenario.executor.clone()),
            flows: Vec::new(),
            tags: mine.tags.clone(),
            ..scenario.clone()
        });
        settings.push(mine);
    }
    let workload =
        Workload { origins: Vec::new(), steps: Vec::new(), flows: Vec::new(), scenarios, ..workload };
    Ok((workload, settings))
}

/// What a plan with these scenarios is.
fn compiled(scenarios: &Layer, seed: u64) -> Result<Workload, OptionsError> {
    let text = json!({
        "steps": { "s": { "url": "http://localhost/" } },
        "flows": { "f": ["s"] },
        "scenarios": scenarios,
    })
    .to_string();
    let around = Surroundings {
        env: BTreeMap::new(),
        variables: BTreeMap::new(),
        base_dir: Path::new(""),
        seed,
        seed_wins: true,
    };
    let compiled = file::compile("options", &text, Format::Json, &around).map_err(|e| {
        let words: Vec<String> = e.problems.iter().map(|problem| problem.message.clone()).collect();
        OptionsError(format!(
            "there were problems with the specified script configuration: {}",
            words.join("; ")
        ))
    })?;
    Ok(compiled.workload)
}

/// k6's constant rate ticks at both ends: 20 a second for one second are 21.
fn inclusive(mut executor: Executor) -> Executor {
    if let Executor::ArrivalRate { arrivals: ArrivalPlan::Constant { .. }, duration, stage_ends, .. } =
        &mut executor
    {
        *duration += Nanos(1);
        *stage_ends = vec![*duration];
    }
    executor
}

fn thresholds(map: &Layer, metrics: &BTreeMap<String, MetricDef>) -> Result<Vec<Threshold>, OptionsError> {
    let Some(given) = map.get("thresholds") else { return Ok(Vec::new()) };
    let Value::Object(given) = given else {
        return Err(OptionsError("`thresholds` must be an object of lists".into()));
    };
    let mut own: Vec<(&str, Kind)> = metrics.iter().map(|(name, def)| (name.as_str(), def.kind)).collect();
    own.push(("group_duration", Kind::Trend));
    let mut all = Vec::new();
    for (selector, list) in given {
        let Value::Array(list) = list else {
            return Err(OptionsError(format!(
                "thresholds of `{selector}` must be a list, such as ['p(95)<200']"
            )));
        };
        for entry in list {
            let (expression, abort, delay) = match entry {
                Value::String(text) => (text.as_str(), false, Nanos::ZERO),
                Value::Object(form) => (
                    form.get("threshold").and_then(Value::as_str).unwrap_or_default(),
                    form.get("abortOnFail").and_then(Value::as_bool).unwrap_or(false),
                    form.get("delayAbortEval").map_or(Ok(Nanos::ZERO), |v| duration(v, "delayAbortEval"))?,
                ),
                _ => return Err(OptionsError(format!("thresholds of `{selector}` must be text or objects"))),
            };
            let selector = read::selector(selector)?;
            let mut parsed = Threshold::parse_with(&selector, expression, &own)
                .map_err(|e| OptionsError(format!("invalid threshold defined on {selector}; {e}")))?;
            (parsed.abort_on_fail, parsed.delay_abort_eval) = (abort, delay);
            all.push(parsed);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
