//! What a script's run leaves: the summary, the verdict, files.

use std::fs;

use anyhow::anyhow;

use super::{Options, ScriptArgs};
use crate::cli::exit::Failure;
use crate::run::RunResult;
use crate::run::script::ScriptRun;
use crate::stats::samples::Sink;
use crate::threshold::Threshold;
use crate::units::Nanos;

/// The outputs of samples that were asked for.
pub(super) struct Outputs;

impl Outputs {
    pub(super) fn next_sink(&mut self) -> Option<Box<dyn Sink>> {
        None
    }
}

pub(super) fn outputs(_: &[String]) -> Result<Outputs, Failure> {
    Ok(Outputs)
}

/// How the thresholds came out over setup, load and teardown.
pub(super) fn judged(options: &Options, ran: &ScriptRun) -> Vec<(Threshold, bool)> {
    let parts: Vec<&RunResult> = [&ran.load, &ran.setup, &ran.teardown].into_iter().flatten().collect();
    let figures: Vec<_> = parts.iter().map(|part| (&*part.layout, &part.summary.tally)).collect();
    let elapsed: Nanos = parts.iter().map(|part| part.summary.duration).fold(Nanos::ZERO, |a, b| a + b);
    let judge = |threshold: &Threshold| {
        let outcome = threshold.evaluate_parts(&figures, elapsed);
        (threshold.clone(), outcome.is_none_or(|outcome| outcome.ok))
    };
    options.thresholds.iter().map(judge).collect()
}

/// Squall's own report, where it is wanted, and the verdict.
pub(super) fn report(args: &ScriptArgs, load: &RunResult) -> Result<(), Failure> {
    let verdict = &load.report.verdict;
    eprintln!("verdict: {:?}", verdict.status);
    for reason in &verdict.reasons {
        eprintln!("  {reason}");
    }
    if let Some(path) = &args.own.output {
        let json = serde_json::to_string_pretty(&*load.report).map_err(Failure::run)?;
        fs::write(path, json)
            .map_err(|e| Failure::run(anyhow!("--output: cannot write {}: {e}", path.display())))?;
    }
    Ok(())
}
