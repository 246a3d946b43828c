//! `squall run`, and `squall URL`.

use std::sync::Arc;

use anyhow::anyhow;

use super::args::{RunArgs, is_subcommand};
use super::dry_run::dry_run;
use super::exit::{Exit, Failure};
use super::sink::{ReportWriter, Sink};
use super::{hints, samples, signals};
use crate::observer::{Observer, StopFlag};
use crate::output::Style;
use crate::output::progress::LiveLine;
use crate::report::Report;
use crate::run;
use crate::run::config::RunConfig;
use crate::run::events::Events;
use crate::units::Nanos;

/// How long the process stays for observers that are not done when the report is written, or when there is none. They have
/// nothing to do then but to take a line away: one that takes longer stands before a terminal or a pipe that takes nothing.
pub(super) const PATIENCE: Nanos = Nanos::from_secs(1);

pub(super) fn execute(args: RunArgs) -> Result<Exit, Failure> {
    let raw = args.raw;
    if is_subcommand(&raw.url) {
        return Err(Failure::usage(anyhow!(hints::subcommand_first(&raw.url))));
    }
    let config = RunConfig::validate(raw)?;
    samples::check(args.samples.as_deref(), args.output.as_deref())?;
    let sink = Sink::open(args.output.as_deref())?;
    if let Some(n) = args.dry_run {
        let Some(workload) = &config.workload else {
            return Err(Failure::usage(anyhow!(
                "--dry-run is for plans and virtual users; add --vus, or give a plan"
            )));
        };
        sink.write(|out| dry_run(workload, &config.thresholds, n, &config.secrets, out))?;
        return Ok(Exit::Fine);
    }
    let samples = samples::open(args.samples.as_deref(), &sink)?;
    let style = Style { format: args.format, colours: sink.wants_colours(), spectrum: args.latency };
    let stop = signals::stop_flag()?;
    let show = Show { line: !args.quiet, sink, style, more: "" };
    let report = carry_out(&config, samples, show, &stop)?;
    Ok(Exit::of(&report, config.allow_invalid))
}

/// What is shown of a run, and where.
pub(super) struct Show {
    /// Progress and notices on standard error.
    pub(super) line: bool,
    /// Where the report goes, …
    pub(super) sink: Sink,
    /// … and how.
    pub(super) style: Style,
    /// Words behind it.
    pub(super) more: &'static str,
}

/// Carries a run out, and does not come back before its report is written.
pub(super) fn carry_out(
    config: &RunConfig,
    samples: Option<Box<dyn crate::stats::samples::Sink>>,
    show: Show,
    stop: &StopFlag,
) -> Result<Arc<Report>, Failure> {
    let mut line = show.line.then(LiveLine::stderr);
    let line_gone = line.as_mut().map(LiveLine::gone);
    let (writer, written) = ReportWriter::new(show.sink, show.style, show.more, line_gone);
    let mut observers: Vec<Box<dyn Observer>> = Vec::new();
    observers.extend(line.map(|line| Box::new(line) as Box<dyn Observer>));
    observers.push(Box::new(writer));
    let mut events = Events::start(observers)?;
    let ran = run::run_sampled(config, samples, &mut events, stop);
    let ran = ran.map_err(Failure::from).and_then(|ran| written.wait(&ran.report).map(|()| ran.report));
    // Also without a report: what is said next must not stand in the progress line.
    events.finish(PATIENCE);
    ran
}
