//! From the form to the workload.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::bind::Names;
use super::context::Context;
use super::form::{
    CookiesForm, CookiesUntil, DataEnd, DataForm, DataFormat, DataOrder, PlanForm, StepForm, StepsForm,
    ThresholdEntry, ThresholdItem, ThresholdsForm,
};
use super::scenario::scenarios;
use super::schema::suggestion;
use super::step::Steps;
use crate::plan::data::{AtEnd, DataSet, DataSpec, Format, Order};
use crate::plan::template::{Constant, Place};
use crate::plan::value::is_number;
use crate::plan::workload::{
    BODY_LIMIT, ConnectionPolicy, CookiePolicy, Flow, Once, Scenario, Step, Workload,
};
use crate::threshold::Threshold;
use crate::units::Nanos;

/// A plan, ready to run.
#[derive(Debug)]
pub struct Compiled {
    /// All that is to be done.
    pub workload: Workload,
    /// What the whole must come to.
    pub thresholds: Vec<Threshold>,
    /// Seed of everything random, if the file sets it.
    pub seed: Option<u64>,
}

/// What a plan may use beside its file.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// `--var`.
    pub variables: BTreeMap<String, String>,
    /// Files are relative to this.
    pub base_dir: &'a Path,
    /// Used unless the file sets one, …
    pub seed: u64,
    /// … and even then.
    pub seed_wins: bool,
}

/// Compiles a form, whose places are in `cx`.
pub(super) fn compile(form: &PlanForm, around: &Surroundings<'_>, cx: &mut Context<'_>) -> Compiled {
    let seed = form.seed.filter(|_| !around.seed_wins).unwrap_or(around.seed);
    let mut names = names(form, around, cx);
    names.data = data(form, around.base_dir, &names, cx);
    check_constants(&mut names, cx);
    let mut steps = Steps { form, names: &names, base_dir: around.base_dir, origins: Vec::new() };
    steps.read_origins(cx);
    let found = steps.read(cx);
    let origins = steps.origins;
    if cx.keys(&["steps"]).is_empty() && found.is_empty() && !cx.has(&["steps", "0"]) {
        cx.add(&["steps"], "there are no steps: give at least one, as in steps.home.url = \"http://HOST/\"");
    }
    let mut flows = flows(form, &found, cx);
    let mut scenarios = scenarios(form, &flows, seed, cx);
    let once = setups(form, &found, &mut flows, &mut scenarios, cx);
    let written = thresholds(form, cx);
    let connections = connections(form, cx);
    let Names { data, variables, .. } = names;
    let workload = Workload {
        origins,
        steps: found,
        flows,
        scenarios,
        data,
        variables,
        once,
        connections,
        cookies: cookies(form),
        open_ended: false,
        body_limit: BODY_LIMIT,
    };
    enough_rows(&workload, cx);
    // Tags are known only once all else is.
    if cx.is_clean() {
        let mut layout = workload.layout();
        for (path, threshold) in &written {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            cx.note(&path, threshold.prepare(&mut layout));
        }
    }
    let thresholds = written.into_iter().map(|(_, threshold)| threshold).collect();
    Compiled { workload, thresholds, seed: form.seed }
}

fn names(form: &PlanForm, around: &Surroundings<'_>, cx: &mut Context<'_>) -> Names {
    let constant = |name: &String, form, cx: &Context<'_>| Names::constant(form, &["variables", name], cx);
    let mut constants: BTreeMap<String, Constant> =
        form.variables.iter().map(|(name, form)| (name.clone(), constant(name, form, cx))).collect();
    let known: Vec<&str> = form.variables.keys().map(String::as_str).collect();
    for (name, value) in &around.variables {
        if !form.variables.contains_key(name) {
            let message = format!("--var {name}: the plan has no such variable{}", suggestion(name, &known));
            cx.add(&["variables"], message);
        }
        // It keeps the type of what it stands for, where it can.
        let is_json = constants.get(name).is_some_and(|own| own.is_json)
            && (is_number(value.as_bytes()) || matches!(value.as_str(), "true" | "false"));
        constants.insert(name.clone(), Constant { text: value.clone(), is_json });
    }
    let mut variables: Vec<String> = Vec::new();
    let steps: Vec<&StepForm> = match &form.steps {
        StepsForm::Table(table) => table.values().collect(),
        StepsForm::List(list) => list.iter().collect(),
    };
    for name in steps.iter().flat_map(|step| step.extract.keys()) {
        if constants.contains_key(name) {
            cx.add(
                &["variables", name],
                format!("a step extracts `{name}` too: give one of them another name"),
            );
        }
        if !variables.contains(name) {
            variables.push(name.clone());
        }
    }
    Names { constants, env: around.env.clone(), variables, data: Vec::new() }
}

/// Variables in variables. One that cannot be used is told once, not wherever it stands.
fn check_constants(names: &mut Names, cx: &mut Context<'_>) {
    let with_templates = names.constants.iter().filter(|(_, constant)| constant.text.contains("{{"));
    let wrong = with_templates.filter_map(|(name, constant)| {
        let compiled = names.template(&constant.text, Place::Body);
        compiled.err().map(|error| (name.clone(), error.to_string()))
    });
    for (name, message) in wrong.collect::<Vec<_>>() {
        cx.add(&["variables", &name], message);
        names.constants.insert(name, Constant::text("x"));
    }
}

fn cookies(form: &PlanForm) -> CookiePolicy {
    match form.cookies {
        Some(CookiesForm::Kept(false)) => CookiePolicy::Off,
        None | Some(CookiesForm::Kept(true) | CookiesForm::Until(CookiesUntil::Iteration)) => {
            CookiePolicy::Iteration
        }
        Some(CookiesForm::Until(CookiesUntil::User)) => CookiePolicy::User,
    }
}

/// Where each user has a row of its own, there must be one for each user that takes any.
fn enough_rows(workload: &Workload, cx: &mut Context<'_>) {
    for (index, set) in workload.data.iter().enumerate().filter(|(_, set)| set.is_known() && set.is_unique())
    {
        let takers = workload.scenarios.iter().filter(|own| workload.takes_rows(own, index as u32));
        let users: u64 = takers.map(|scenario| u64::from(scenario.executor.max_vus())).sum();
        if set.rows() < users {
            let message = format!(
                "{} rows are not enough for {users} users that each have one of their own: add rows, or use another order",
                set.rows()
            );
            cx.add(&["data", &set.name], message);
        }
    }
}

/// The named flows, or one with all steps that are not apart.
fn flows(form: &PlanForm, steps: &[Step], cx: &mut Context<'_>) -> Vec<Flow> {
    if form.flows.is_empty() {
        let of_scenarios = form.scenarios.values().filter_map(|scenario| scenario.setup.as_ref());
        let apart: Vec<&String> = form.once.iter().chain(&form.setup).chain(of_scenarios).flatten().collect();
        let own = |index: &usize| !apart.iter().any(|name| ***name == *steps[*index].name);
        let own: Vec<u32> = (0..steps.len()).filter(own).map(|index| index as u32).collect();
        if own.is_empty() && !steps.is_empty() {
            let key = if form.setup.is_some() { "setup" } else { "once" };
            let message =
                "every step is taken once, and none is left for iterations: add one, or give `flows`";
            cx.add(&[key], message);
        }
        return vec![Flow { name: "default".into(), steps: own }];
    }
    let mut flows = Vec::new();
    for name in cx.keys(&["flows"]) {
        let Some(wanted) = form.flows.get(&name) else { continue };
        flows.push(Flow { name: name.clone(), steps: steps_named(&["flows", &name], wanted, steps, cx) });
        if wanted.is_empty() {
            cx.add(&["flows", &name], format!("flow `{name}` has no steps: name at least one"));
        }
    }
    flows
}

/// The steps of a list of names.
fn steps_named(path: &[&str], wanted: &[String], steps: &[Step], cx: &mut Context<'_>) -> Vec<u32> {
    // A step that is refused is still there.
    let all = cx.keys(&["steps"]);
    let mut known: Vec<&str> = all.iter().map(String::as_str).collect();
    known.extend(steps.iter().map(|step| &*step.name));
    known.sort_unstable();
    known.dedup();
    let mut found = Vec::new();
    for (i, step) in wanted.iter().enumerate() {
        match steps.iter().position(|known| *known.name == **step) {
            Some(index) => found.push(index as u32),
            None if known.contains(&step.as_str()) => {}
            None => {
                let message = format!("there is no step `{step}`{}", suggestion(step, &known));
                cx.add(&[path, &[&i.to_string()]].concat(), message);
            }
        }
    }
    found
}

/// What is done once for all, and what users do once: the plan's, or a scenario's own; an empty list is none.
fn setups(
    form: &PlanForm,
    steps: &[Step],
    flows: &mut Vec<Flow>,
    scenarios: &mut [Scenario],
    cx: &mut Context<'_>,
) -> Once {
    let mut add = |name: String, path: &[&str], wanted: &Vec<String>, cx: &mut Context<'_>| {
        let steps = steps_named(path, wanted, steps, cx);
        if steps.is_empty() {
            return None;
        }
        flows.push(Flow { name, steps });
        Some(flows.len() as u32 - 1)
    };
    let common = form.setup.as_ref().and_then(|wanted| add("setup".into(), &["setup"], wanted, cx));
    for scenario in scenarios {
        let name = scenario.name.to_string();
        let own = form.scenarios.get(&name).and_then(|form| form.setup.as_ref());
        scenario.setup = match own {
            Some(wanted) => add(format!("setup of {name}"), &["scenarios", &name, "setup"], wanted, cx),
            None => common,
        };
    }
    let flow = form.once.as_ref().and_then(|wanted| add("once".into(), &["once"], wanted, cx));
    Once { flow, ..Once::default() }
}

fn connections(form: &PlanForm, cx: &mut Context<'_>) -> ConnectionPolicy {
    if form.requests_per_connection == Some(0) {
        cx.add(&["requestsPerConnection"], "must be at least 1; leave it out for no limit");
    }
    if form.no_connection_reuse && form.requests_per_connection.is_some_and(|n| n > 1) {
        cx.add(&["requestsPerConnection"], "contradicts `noConnectionReuse`, which is 1: keep one of them");
    }
    let once = form.no_connection_reuse.then_some(1);
    ConnectionPolicy {
        requests_max: once.or(form.requests_per_connection),
        close_after_iteration: form.no_vu_connection_reuse,
    }
}

/// A threshold and where it stands.
type Written = (Vec<String>, Threshold);

fn thresholds(form: &PlanForm, cx: &mut Context<'_>) -> Vec<Written> {
    let mut all = Vec::new();
    for metric in cx.keys(&["thresholds"]) {
        let base = ["thresholds", metric.as_str()];
        match form.thresholds.get(&metric) {
            None => {}
            Some(ThresholdsForm::Expression(text)) => all.extend(expression(&base, &metric, text, cx)),
            Some(ThresholdsForm::Full(item)) => all.extend(full(&base, &metric, item, cx)),
            Some(ThresholdsForm::List(entries)) => {
                for (i, entry) in entries.iter().enumerate() {
                    let index = i.to_string();
                    let path = [base[0], base[1], &index];
                    all.extend(match entry {
                        ThresholdEntry::Expression(text) => expression(&path, &metric, text, cx),
                        ThresholdEntry::Full(item) => full(&path, &metric, item, cx),
                    });
                }
            }
        }
    }
    all
}

fn expression(path: &[&str], metric: &str, text: &str, cx: &mut Context<'_>) -> Option<Written> {
    let threshold = cx.note(path, Threshold::parse(metric, text))?;
    Some((path.iter().map(|key| (*key).to_owned()).collect(), threshold))
}

fn full(path: &[&str], metric: &str, item: &ThresholdItem, cx: &mut Context<'_>) -> Option<Written> {
    let at = [path, &["delayAbortEval"]].concat();
    let delay = cx.duration(&at, item.delay_abort_eval.as_ref()).unwrap_or(Nanos::ZERO);
    let (path, mut threshold) = expression(path, metric, &item.threshold, cx)?;
    threshold.abort_on_fail = item.abort_on_fail;
    threshold.delay_abort_eval = delay;
    Some((path, threshold))
}

fn data(form: &PlanForm, base_dir: &Path, names: &Names, cx: &mut Context<'_>) -> Vec<Arc<DataSet>> {
    let mut sets = Vec::new();
    for name in cx.keys(&["data"]) {
        let Some(set) = form.data.get(&name) else { continue };
        let set = data_set(&name, set, base_dir, names, cx).unwrap_or_else(|| DataSet::unknown(&name));
        sets.push(Arc::new(set));
    }
    sets
}

fn data_set(
    name: &str,
    set: &DataForm,
    base_dir: &Path,
    names: &Names,
    cx: &mut Context<'_>,
) -> Option<DataSet> {
    let file = cx.note(&["data", name, "file"], names.fill(&set.file))?;
    let delimiter = match set.delimiter.as_deref().map(str::as_bytes) {
        None => None,
        Some([only]) if only.is_ascii() && !b"\r\n\"".contains(only) => Some(*only),
        Some(_) => {
            let message =
                "a delimiter is one character, such as \";\" or \"\\t\", and neither a quote nor a line end";
            cx.add(&["data", name, "delimiter"], message);
            return None;
        }
    };
    let spec = DataSpec {
        path: base_dir.join(file),
        format: set.format.map(|format| match format {
            DataFormat::Csv => Format::Csv,
            DataFormat::Tsv => Format::Tsv,
            DataFormat::Jsonl => Format::JsonLines,
            DataFormat::Json => Format::Json,
        }),
        delimiter,
        columns: set.columns.clone(),
        order: match set.order {
            None | Some(DataOrder::Sequential) => Order::Sequential,
            Some(DataOrder::Random) => Order::Random,
            Some(DataOrder::Unique) => Order::Unique,
        },
        at_end: match set.at_end {
            None | Some(DataEnd::Wrap) => AtEnd::Wrap,
            Some(DataEnd::Stop) => AtEnd::Stop,
        },
        name: name.to_owned(),
    };
    cx.note(&["data", name, "file"], DataSet::load(&spec))
}
