//! The layers on top of each other, and the scenarios that they come to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::environment;
use super::error::{CONFIGURATION, Layer, OptionsError};
use super::executors::{self, ScriptScenario};
use super::form::{Options, Read};
use super::scenario::{Fields, ScenarioForm};
use super::settings::{self, Settings};
use super::thresholds;
use super::value::Whole;
use crate::plan::executors::ExecutorName;
use crate::plan::workload::{BODY_LIMIT, ConnectionPolicy, CookiePolicy, Once, Scenario, Workload};
use crate::stats::registry::Kind;
use crate::threshold::Threshold;

/// What was asked for in all places together.
#[derive(Clone, Debug)]
pub struct Consolidated {
    /// As it was asked for, with the scenario that shortcuts make.
    pub options: Options,
    /// The same with defaults.
    pub settings: Settings,
    /// Who does what when, in k6's order: by start, then by name. Those without any user are left out, as in k6.
    pub scenarios: Vec<ScriptScenario>,
    /// The options as k6/execution shows them: JSON.
    pub shown: String,
    /// What was taken otherwise than it was written.
    pub warnings: Vec<String>,
}

/// What says who does what when: of these the highest layer that has any is meant.
const EXECUTION: [&str; 4] = ["duration", "iterations", "stages", "scenarios"];

/// Lays k6's layers on top of each other: `file` is what `--config` names, `script` what the script exports as `options` (null where it
/// exports none), `variables` those of the system with those of `-e` over them, `flags` what [`ScriptFlags::layer`] gives.
///
/// [`ScriptFlags::layer`]: super::flags::ScriptFlags::layer
///
/// # Errors
/// All that is wrong with the first layer that cannot be used, or with the scenarios; k6's exit code.
pub fn consolidate(
    file: Map<String, Value>,
    script: Value,
    variables: &BTreeMap<String, String>,
    flags: Map<String, Value>,
) -> Result<Consolidated, OptionsError> {
    let mut warnings = Vec::new();
    let mut read = |layer, given| {
        let (read, unknown) = read(layer, given)?;
        warnings.extend(unknown);
        Ok(read.map)
    };
    let layers = [
        (Layer::File, read(Layer::File, file)?),
        (Layer::Script, read(Layer::Script, exported(script)?)?),
        (Layer::Environment, environment::read(variables)?),
        (Layer::Flags, read(Layer::Flags, flags)?),
    ];
    let mut all = Map::new();
    for (layer, above) in layers {
        lay_over(&mut all, layer, above, &mut warnings);
    }
    let mut options = Options::of(Layer::Flags, all)?;
    derive(&mut options, &mut warnings)?;
    let settings = Settings::new(&options)?;
    let scenarios = scenarios(&options, &mut warnings)?;
    let shown = settings.shown(&options);
    Ok(Consolidated { options, settings, scenarios, shown, warnings })
}

/// The options that a script exports, and what is said about them.
///
/// # Errors
/// Those that are none; k6's exit code.
pub fn of_script(exported_options: Value) -> Result<(Options, Vec<String>), OptionsError> {
    let (read, unknown) = read(Layer::Script, exported(exported_options)?)?;
    Ok((read.options, unknown))
}

fn exported(options: Value) -> Result<Map<String, Value>, OptionsError> {
    match options {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        other => Err(OptionsError::configuration(format!(
            "{}: {other} is no object: export options as one, as in {{ vus: 10, duration: '30s' }}",
            Layer::Script
        ))),
    }
}

/// A layer, and what is said about keys that are none.
fn read(layer: Layer, given: Map<String, Value>) -> Result<(Read, Vec<String>), OptionsError> {
    let read = Options::read(layer, given)?;
    let told = |key: &String| format!("{layer}: there is no option `{key}`; it is left out");
    let unknown = read.unknown.iter().map(told).collect();
    Ok((read, unknown))
}

/// Puts what `above` says in the place of what `below` says.
fn lay_over(
    below: &mut Map<String, Value>,
    layer: Layer,
    mut above: Map<String, Value>,
    warnings: &mut Vec<String>,
) {
    if let Some(first) = EXECUTION.into_iter().find(|key| above.contains_key(*key)) {
        let had_scenarios =
            below.get("scenarios").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
        if had_scenarios && layer > Layer::Script {
            warnings.push(format!("{layer}: `{first}` takes the place of all scenarios"));
        }
        EXECUTION.iter().for_each(|key| drop(below.remove(*key)));
    }
    // Of `dns` each part is an option by itself.
    if let (Some(Value::Object(dns)), Some(Value::Object(more))) =
        (below.get_mut("dns"), above.get_mut("dns"))
    {
        let said = std::mem::take(more).into_iter().filter(|(_, value)| !value.is_null());
        dns.extend(said);
        above.remove("dns");
    }
    below.extend(above);
}

/// k6's shortcuts become the scenario `default`.
fn derive(options: &mut Options, warnings: &mut Vec<String>) -> Result<(), OptionsError> {
    let has_stages = options.stages.as_ref().is_some_and(|stages| !stages.is_empty());
    let has_scenarios = options.scenarios.as_ref().is_some_and(|scenarios| !scenarios.is_empty());
    let given = [
        ("iterations", options.iterations.is_some()),
        ("duration", options.duration.is_some()),
        ("stages", has_stages),
        ("scenarios", has_scenarios),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, is)| *is).map(|(key, _)| key).collect();
    if let [first, .., last] = given[..]
        && given != ["iterations", "duration"]
    {
        return Err(OptionsError::configuration(format!(
            "`{first}` and `{last}` exclude each other: keep one of them"
        )));
    }
    if options.duration.is_some_and(|duration| duration.0 <= 0) {
        return Err(OptionsError::configuration("`duration` is not above zero: give at least 1s"));
    }
    let vus = options.vus.or(Some(Whole(1)));
    let (executor, fields) = match given.first() {
        Some(&"iterations") => {
            let own = Fields { vus, iterations: options.iterations, ..Fields::default() };
            (ExecutorName::SharedIterations, Fields { max_duration: options.duration, ..own })
        }
        Some(&"duration") => {
            (ExecutorName::ConstantVus, Fields { vus, duration: options.duration, ..Fields::default() })
        }
        Some(&"stages") => {
            let own = Fields { start_vus: options.vus, ..Fields::default() };
            (ExecutorName::RampingVus, Fields { stages: options.stages.clone(), ..own })
        }
        Some(_) => return Ok(()),
        None => {
            if let Some(Whole(vus)) = options.vus.filter(|vus| vus.0 != 1) {
                warnings.push(format!(
                    "`vus` is {vus}, and without `iterations`, `duration` or `stages` it is 1"
                ));
            }
            for (key, is_empty) in
                [("stages", options.stages.is_some()), ("scenarios", options.scenarios.is_some())]
            {
                if is_empty {
                    warnings.push(format!("`{key}` is empty: there is one iteration of one user"));
                }
            }
            (ExecutorName::PerVuIterations, Fields::default())
        }
    };
    options.scenarios = Some([("default".to_owned(), ScenarioForm { executor, fields })].into());
    Ok(())
}

fn scenarios(options: &Options, warnings: &mut Vec<String>) -> Result<Vec<ScriptScenario>, OptionsError> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (name, form) in options.scenarios.iter().flatten() {
        match executors::scenario(name, form) {
            Ok(scenario) if scenario.executor.max_vus() == 0 => {
                warnings
                    .push(format!("scenario `{name}` has no users, and is left out: give `preAllocatedVUs`"));
            }
            Ok(scenario) => all.push(scenario),
            Err(why) => problems.extend(why.into_iter().map(|why| format!("scenario `{name}`: {why}"))),
        }
    }
    if !problems.is_empty() {
        return Err(OptionsError { exit: CONFIGURATION, problems });
    }
    all.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
    Ok(all)
}

impl Consolidated {
    /// Whether squall carries it out; what has no effect.
    ///
    /// # Errors
    /// Options that would change what is sent, and do not.
    pub fn check_support(&self) -> Result<Vec<String>, OptionsError> {
        let problems = settings::not_there(&self.options);
        if problems.is_empty() {
            return Ok(settings::without_effect(&self.options));
        }
        Err(OptionsError { exit: CONFIGURATION, problems })
    }

    /// Whether the script exports the functions that its scenarios call.
    ///
    /// # Errors
    /// Those that it does not.
    pub fn check_exports(&self, is_exported: impl Fn(&str) -> bool) -> Result<(), OptionsError> {
        let missing = self.scenarios.iter().filter(|scenario| !is_exported(&scenario.exec));
        let problems: Vec<String> = missing
            .map(|s| format!("scenario `{}`: the script exports no function `{}`: export it", s.name, s.exec))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(OptionsError { exit: CONFIGURATION, problems }) }
    }

    /// What the workers are given of it. Where requests go shows when the script runs.
    pub fn workload(&self) -> Workload {
        let tags = |scenario: &ScriptScenario| scenario.tags.clone().into_iter().collect();
        let scenarios = self.scenarios.iter().map(|one| Scenario {
            start: one.start,
            graceful_stop: one.graceful_stop,
            flows: Vec::new(),
            tags: tags(one),
            ..Scenario::new(&one.name, one.executor.clone())
        });
        Workload {
            origins: Vec::new(),
            steps: Vec::new(),
            flows: Vec::new(),
            scenarios: scenarios.collect(),
            data: Vec::new(),
            variables: Vec::new(),
            once: Once::default(),
            connections: ConnectionPolicy {
                requests_max: self.settings.no_connection_reuse.then_some(1),
                close_after_iteration: self.settings.no_vu_connection_reuse,
            },
            cookies: CookiePolicy::default(),
            body_limit: BODY_LIMIT,
            open_ended: true,
        }
    }

    /// The thresholds; `own` are the metrics that the script makes, by name and kind.
    ///
    /// # Errors
    /// Those that cannot be judged.
    pub fn thresholds(&self, own: &[(String, Kind)]) -> Result<Vec<Threshold>, OptionsError> {
        self.options.thresholds.as_ref().map_or(Ok(Vec::new()), |asked| thresholds::thresholds(asked, own))
    }
}
