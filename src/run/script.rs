//! A script's whole life: setup, load, teardown, each a run of its own with figures of its own.

use std::sync::Arc;

use super::config::RunConfig;
use super::events::Events;
use super::script_memory::Watch;
use super::{RunError, RunResult, alone, run_sampled};
use crate::observer::StopFlag;
use crate::plan::workload::Workload;
use crate::stats::samples::Sink;
use crate::units::Nanos;
use crate::worker::flow::script::{ScriptTask, Task};

/// How a script's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// All was done, or the load was stopped by a signal or a threshold.
    Done,
    /// The script called `exec.test.abort`.
    Aborted(String),
    /// `setup` threw: no load was sent.
    SetupThrew(String),
    /// `setup` took too long: no load was sent.
    SetupTimedOut,
    /// `teardown` threw.
    TeardownThrew(String),
    /// `teardown` took too long.
    TeardownTimedOut,
    /// The module code threw for one of the users.
    UserThrew(String),
    /// Its users took more memory than the run may have: what was under way was cut off.
    OutOfMemory(String),
}

/// What a script's run came to.
#[derive(Debug)]
pub struct ScriptRun {
    /// Of setup, …
    pub setup: Option<RunResult>,
    /// … of the load, …
    pub load: Option<RunResult>,
    /// … and of teardown.
    pub teardown: Option<RunResult>,
    /// How it ended.
    pub end: ScriptEnd,
}

/// What is done once, and for how long at most.
#[derive(Clone, Copy, Debug)]
pub struct Errands {
    /// Time for setup; `None` where there is none.
    pub setup: Option<Nanos>,
    /// Time for teardown; `None` where there is none.
    pub teardown: Option<Nanos>,
}

/// Runs setup, load and teardown of the script of `config`. Samples of all three go to the sinks, each of which is of one of them.
///
/// # Errors
/// When one of them could not be run at all.
pub fn script(
    config: &RunConfig,
    errands: Errands,
    mut samples: impl FnMut() -> Option<Box<dyn Sink>>,
    events: &mut Events,
    stop: &StopFlag,
) -> Result<ScriptRun, RunError> {
    let mut run = ScriptRun { setup: None, load: None, teardown: None, end: ScriptEnd::Done };
    let Some(script) = &config.script else { return Ok(run) };
    let program = &script.program;
    let watch = Watch::begin(program, config.max_memory).map_err(RunError::Observer)?;
    let out_of_memory = || watch.too_much().map(|why| ScriptEnd::OutOfMemory(why.into()));
    if let Some(limit) = errands.setup {
        let (result, came) = errand(config, Task::Setup, limit, samples(), stop)?;
        run.setup = Some(result);
        run.end = match came {
            _ if program.aborted().is_some() => {
                ScriptEnd::Aborted(program.aborted().unwrap_or_default().into())
            }
            Some(Ok(json)) => {
                program.has_set_up(json);
                ScriptEnd::Done
            }
            Some(Err(thrown)) => ScriptEnd::SetupThrew(thrown),
            None if stop.is_set() => return Err(RunError::Interrupted),
            None => ScriptEnd::SetupTimedOut,
        };
        if let Some(end) = out_of_memory() {
            run.end = end;
        }
        if run.end != ScriptEnd::Done {
            return Ok(run);
        }
    }
    let result = run_sampled(config, samples(), events, stop)?;
    run.load = Some(result);
    if let Some(why) = program.broken() {
        run.end = out_of_memory().unwrap_or_else(|| ScriptEnd::UserThrew(why.into()));
        return Ok(run);
    }
    if let Some(limit) = errands.teardown {
        // Whoever interrupts the load still has it cleaned up.
        let (result, came) = errand(config, Task::Teardown, limit, samples(), &StopFlag::new())?;
        run.teardown = Some(result);
        run.end = match came {
            Some(Ok(_)) => ScriptEnd::Done,
            Some(Err(thrown)) => ScriptEnd::TeardownThrew(thrown),
            None => ScriptEnd::TeardownTimedOut,
        };
    }
    if let Some(reason) = program.aborted() {
        run.end = ScriptEnd::Aborted(reason.into());
    }
    Ok(run)
}

/// What `handleSummary` returned for `data`, both as JSON; or what it threw.
///
/// # Errors
/// When it could not be run at all.
pub fn summary(
    config: &RunConfig,
    data: &str,
    limit: Nanos,
) -> Result<Result<Option<String>, String>, RunError> {
    let task = Task::Summary(Arc::from(data));
    let (_, came) = errand(config, task, limit, None, &StopFlag::new())?;
    Ok(came.unwrap_or_else(|| Err("it was not over in time".into())))
}

/// What an errand came to: JSON, or what was thrown; nothing where it was cut off.
type Came = Option<Result<Option<String>, String>>;

/// Does something once, with one user.
fn errand(
    config: &RunConfig,
    task: Task,
    limit: Nanos,
    samples: Option<Box<dyn Sink>>,
    stop: &StopFlag,
) -> Result<(RunResult, Came), RunError> {
    let Some(workload) = &config.workload else { return Err(RunError::SessionIsOver) };
    let Some(script) = &config.script else { return Err(RunError::SessionIsOver) };
    let program = Arc::clone(&script.program);
    let once = Workload { scenarios: vec![alone::scenario("", Vec::new(), limit)], ..(**workload).clone() };
    let one = RunConfig {
        spare_connections: config.spare_connections.clamp(1, 64),
        drain: Nanos::ZERO,
        script: Some(ScriptTask { program: Arc::clone(&program), task }),
        ..alone::config(config, once, limit)
    };
    let result = run_sampled(&one, samples, &mut Events::silent(), stop)?;
    Ok((result, program.take_errand()))
}
