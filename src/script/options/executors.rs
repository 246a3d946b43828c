//! A scenario's options become what its users carry out.

use std::collections::BTreeMap;

use super::scenario::{Fields, ScenarioForm};
use super::value::{Span, Stage, Whole};
use crate::plan::executors::{self, Asked, SPAN_MAX};
use crate::plan::workload::{Executor, GRACE};
use crate::units::{Nanos, format_go_duration};

/// A scenario that a script's users carry out.
#[derive(Clone, Debug)]
pub struct ScriptScenario {
    /// Its name.
    pub name: String,
    /// When users begin iterations. Arrivals are k6's ([`executors::with_k6_arrivals`]).
    pub executor: Executor,
    /// From the start of the load.
    pub start: Nanos,
    /// How long running iterations may go on after the executor's end.
    pub graceful_stop: Nanos,
    /// The exported function that an iteration calls.
    pub exec: String,
    /// Variables of this scenario alone, over those of the script.
    pub env: BTreeMap<String, String>,
    /// Its own tags.
    pub tags: BTreeMap<String, String>,
}

impl ScriptScenario {
    /// Iterations that it has in all, where they are counted.
    pub fn iterations(&self) -> Option<u64> {
        match self.executor {
            Executor::SharedIterations { iterations, .. } => Some(iterations),
            Executor::PerVuIterations { iterations, vus, .. } => Some(iterations * u64::from(vus)),
            _ => None,
        }
    }
}

/// What is wrong with a scenario, all at once. What is below zero, which no executor can be asked, is told here; something that can be
/// asked stands for it.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    fn span(&mut self, key: &str, span: Option<Span>) -> Option<Nanos> {
        let span = span?;
        match span.nanos() {
            Some(nanos) if nanos <= SPAN_MAX => return Some(nanos),
            Some(_) => self.add(format!("`{key}` is longer than ten years: give less")),
            None => {
                self.add(format!("`{key}` is {}, below zero: give 0s or more", format_go_duration(span.0)));
            }
        }
        Some(Nanos::from_secs(1))
    }

    fn number(&mut self, key: &str, number: Option<Whole>) -> Option<u64> {
        let number = number?.0;
        Some(u64::try_from(number).unwrap_or_else(|_| {
            self.add(format!("`{key}` is {number}, below zero: give 0 or more"));
            1
        }))
    }

    fn stage(&mut self, index: usize, stage: &Stage) -> (Nanos, u64) {
        if stage.duration.is_none() {
            self.add(format!("`stages[{index}].duration` is missing: say how long, as in \"30s\""));
        }
        if stage.target.is_none() {
            self.add(format!("`stages[{index}].target` is missing: say where it leads to, as in 10"));
        }
        let span = self.span(&format!("stages[{index}].duration"), stage.duration);
        let target = self.number(&format!("stages[{index}].target"), stage.target);
        (span.unwrap_or(Nanos::ZERO), target.unwrap_or(1))
    }

    fn asked(&mut self, fields: &Fields) -> Asked {
        let stages = fields.stages.as_ref();
        Asked {
            vus: self.number("vus", fields.vus),
            duration: self.span("duration", fields.duration),
            start_vus: self.number("startVUs", fields.start_vus),
            stages: stages
                .map(|all| all.iter().enumerate().map(|(index, stage)| self.stage(index, stage)).collect()),
            // k6 takes spans below zero here, and gives nobody any time.
            graceful_ramp_down: fields.graceful_ramp_down.map(|span| span.nanos().unwrap_or(Nanos::ZERO)),
            iterations: self.number("iterations", fields.iterations),
            max_duration: self.span("maxDuration", fields.max_duration),
            rate: self.number("rate", fields.rate),
            start_rate: self.number("startRate", fields.start_rate),
            time_unit: self.span("timeUnit", fields.time_unit),
            pre_allocated_vus: self.number("preAllocatedVUs", fields.pre_allocated_vus),
            max_vus: self.number("maxVUs", fields.max_vus),
            ..Asked::default()
        }
    }
}

/// Makes the scenario of a form.
///
/// # Errors
/// All that is wrong with it.
pub fn scenario(name: &str, form: &ScenarioForm) -> Result<ScriptScenario, Vec<String>> {
    let (fields, mut problems) = (&form.fields, Problems::default());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_plain) {
        problems.add("its name has more than letters, digits, _ and -: give it another one");
    }
    let exec = fields.exec.clone().unwrap_or_else(|| "default".into());
    if exec.is_empty() {
        problems.add("`exec` is empty: name a function that the script exports, or leave it out");
    }
    let start = problems.span("startTime", fields.start_time).unwrap_or(Nanos::ZERO);
    let graceful_stop = problems.span("gracefulStop", fields.graceful_stop).unwrap_or(GRACE);
    let asked = problems.asked(fields);
    match executors::executor(form.executor, &asked) {
        Ok(executor) if problems.0.is_empty() => Ok(ScriptScenario {
            name: name.into(),
            executor: executors::with_k6_arrivals(executor),
            start,
            graceful_stop,
            exec,
            env: fields.env.clone().unwrap_or_default(),
            tags: fields.tags.clone().unwrap_or_default(),
        }),
        Ok(_) => Err(problems.0),
        Err(misfits) => {
            problems.0.extend(misfits.into_iter().map(|misfit| misfit.message));
            Err(problems.0)
        }
    }
}
