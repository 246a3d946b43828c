//! What a plan does once, before its load: one user takes those steps, and the values that they give are there for all.

use std::sync::{Arc, OnceLock};

use super::config::RunConfig;
use super::{RunError, RunResult, alone};
use crate::plan::workload::{Once, Workload};
use crate::report::OnceSection;
use crate::units::Nanos;

/// How long it may take, as k6's setupTimeout.
const LIMIT: Nanos = Nanos::from_secs(60);

/// Does it by `run`, and gives the values to `config`'s workload. `None` where the plan has nothing to do once.
///
/// # Errors
/// When a step of it had no whole response, or found no value: then no load is sent.
pub(super) fn carry_out(
    config: &mut RunConfig,
    run: impl FnOnce(RunConfig) -> Result<RunResult, RunError>,
) -> Result<Option<OnceSection>, RunError> {
    let Some(workload) = &config.workload else { return Ok(None) };
    let Some(flow) = workload.once.flow else { return Ok(None) };
    let gained = Arc::new(OnceLock::new());
    let once = Once { flow: None, values: Vec::new(), gained: Some(Arc::clone(&gained)) };
    let scenarios = vec![alone::scenario("once", vec![(flow, 1)], LIMIT)];
    let steps = Workload { scenarios, once, ..(**workload).clone() };
    let one = alone::config(config, steps, LIMIT);
    let result = run(one)?;
    let report = &result.report;
    if report.aborted {
        return Err(RunError::Interrupted);
    }
    let values = gained.get().cloned();
    let (Some(values), 0) = (values, report.requests.failed) else {
        return Err(RunError::Once(why(&result)));
    };
    let Some(workload) = config.workload.as_mut() else { return Ok(None) };
    Arc::make_mut(workload).once = Once { flow: None, values, gained: None };
    let RunResult { summary, .. } = &result;
    Ok(Some(OnceSection {
        requests: report.requests.completed,
        failed: report.requests.failed,
        duration_s: summary.duration.as_secs_f64(),
    }))
}

/// What went wrong, as far as it is known.
fn why(result: &RunResult) -> String {
    let report = &result.report;
    if let Some(cause) = report.scenarios.first().and_then(|scenario| scenario.causes.first()) {
        return format!("step {}: {}", cause.step, cause.what);
    }
    if let Some(step) = report.steps.iter().find(|step| step.failed > 0) {
        let kinds: Vec<&str> =
            report.errors.iter().filter(|(_, count)| **count > 0).map(|(kind, _)| kind.as_str()).collect();
        return format!("step {}: no whole response ({})", step.name, kinds.join(", "));
    }
    format!("it was not over within {LIMIT}")
}
