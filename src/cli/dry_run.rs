//! `--dry-run`: what would be done, and the first requests, byte by byte.

use std::io::{self, Write};

use crate::clock;
use crate::http::url::Url;
use crate::plan::redirect;
use crate::plan::request_template::{Destination, RenderError};
use crate::plan::scope::Scope;
use crate::plan::workload::{Executor, OpenUrl, Scenario, Step, Workload};
use crate::rng::Rng;
use crate::secrets::Redactor;
use crate::threshold::Threshold;

/// Prints the plan and the first `n` requests of the first scenario's first flow, without their secrets.
///
/// # Errors
/// Those of `out`.
pub fn dry_run(
    workload: &Workload,
    thresholds: &[Threshold],
    n: usize,
    secrets: &Redactor,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut page = Vec::new();
    tell_plan(workload, thresholds, &mut page)?;
    out.write_all(&secrets.bytes(&page))?;
    let mut secrets = secrets.clone();
    let flow = &workload.flows[workload.scenarios[0].flows[0].0 as usize];
    for (i, step) in flow.steps.iter().cycle().take(n).enumerate() {
        let step = &workload.steps[*step as usize];
        let iteration = (i / flow.steps.len()) as u64;
        let request = rendered(workload, step, iteration, &mut secrets);
        let heading = format!("\n--- request {}, step {} ---\n", i + 1, step.name);
        out.write_all(secrets.text(&heading).as_bytes())?;
        match request {
            Ok(bytes) => out.write_all(&secrets.bytes(&bytes))?,
            Err(error) => {
                writeln!(out, "{}", secrets.text(&format!("(not known before the run: {error})")))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn tell_plan(workload: &Workload, thresholds: &[Threshold], out: &mut dyn Write) -> io::Result<()> {
    for scenario in &workload.scenarios {
        tell_scenario(workload, scenario, out)?;
    }
    for flow in &workload.flows {
        let names: Vec<&str> = flow.steps.iter().map(|step| &*workload.steps[*step as usize].name).collect();
        writeln!(out, "flow {}: {}", flow.name, names.join(", "))?;
    }
    for step in &workload.steps {
        let checks: Vec<&str> = step.checks.iter().map(|check| &*check.name).collect();
        write!(out, "step {}: {} {}, timeout {}", step.name, step.method, step.url, step.timeout)?;
        if checks.is_empty() { writeln!(out)? } else { writeln!(out, ", checks {}", checks.join(", "))? }
    }
    for threshold in thresholds {
        let abort = if threshold.abort_on_fail { ", aborts" } else { "" };
        writeln!(out, "threshold {}: {}{abort}", threshold.selector, threshold.expression)?;
    }
    Ok(())
}

/// The bytes of a step in the first user's iteration of this number, as far as they are known before
/// anything was answered. Fields of its rows whose columns are called like secrets are made known to `secrets`.
fn rendered(
    workload: &Workload,
    step: &Step,
    iteration: u64,
    secrets: &mut Redactor,
) -> Result<Vec<u8>, RenderError> {
    let (mut out, mut rng) = (Vec::new(), Rng::new(iteration));
    let rows: Vec<u64> =
        workload.data.iter().map(|set| set.row_for(iteration, 0, &mut rng).unwrap_or(0)).collect();
    for (set, row) in workload.data.iter().zip(&rows) {
        for (column, name) in set.columns().iter().enumerate() {
            let mut field = Vec::new();
            set.field(*row, column as u32, &mut field);
            secrets.learn_named(name, &String::from_utf8_lossy(&field));
        }
    }
    let mut scope = Scope {
        vu: 1,
        iteration,
        sequence: iteration,
        wall: clock::wall(),
        rng: &mut rng,
        values: &vec![None; workload.variables.len()],
        rows: &rows,
        data: &workload.data,
    };
    let url = match &step.open_url {
        Some(open) => Some(open_url(workload, step, open, &mut scope)?),
        None => None,
    };
    let authority = url.as_ref().map(Url::authority).unwrap_or_default();
    let to = url.as_ref().map(|url| Destination { target: &url.target, authority: &authority });
    step.request.render(to, &mut out, &mut scope)?;
    Ok(out)
}

/// Where a step goes whose URL is known only when it begins.
fn open_url(
    workload: &Workload,
    step: &Step,
    open: &OpenUrl,
    scope: &mut Scope<'_>,
) -> Result<Url, RenderError> {
    let mut text = Vec::new();
    open.template.render(&mut text, scope)?;
    let base = &workload.origins[open.origin.unwrap_or(step.origin) as usize].url;
    redirect::lead(&text, base, "/").ok_or(RenderError::Url)
}

fn tell_scenario(workload: &Workload, scenario: &Scenario, out: &mut dyn Write) -> io::Result<()> {
    let executor = &scenario.executor;
    write!(
        out,
        "scenario {}: {}, up to {} users, from {} for {}",
        scenario.name,
        executor.name(),
        executor.max_vus(),
        scenario.start,
        executor.duration()
    )?;
    if let Executor::SharedIterations { iterations, .. } | Executor::PerVuIterations { iterations, .. } =
        executor
    {
        write!(out, ", {iterations} iterations")?;
    }
    if let Executor::RampingVus { stages, stage_ends, .. } = executor {
        for end in stage_ends {
            write!(out, ", {} at {end}", stages.at(*end))?;
        }
    }
    let flows: Vec<String> = scenario
        .flows
        .iter()
        .map(|(flow, weight)| format!("{} x{weight}", workload.flows[*flow as usize].name))
        .collect();
    writeln!(out, ", flows {}, then up to {} to finish", flows.join(", "), scenario.graceful_stop)
}
