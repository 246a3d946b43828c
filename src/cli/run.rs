//! `squall run`, and `squall URL`.

use anyhow::anyhow;

use super::args::{OutputFormat, RunArgs, is_subcommand};
use super::dry_run::dry_run;
use super::exit::{Exit, Failure};
use super::sink::Sink;
use super::{hints, samples, signals};
use crate::observer::{Observer, Silent};
use crate::output::Format;
use crate::output::progress::LiveLine;
use crate::run;
use crate::run::config::RunConfig;

pub(super) fn execute(mut args: RunArgs) -> Result<Exit, Failure> {
    let raw = args.take_raw();
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
        sink.write(|out| dry_run(workload, &config.thresholds, n, out))?;
        return Ok(Exit::Fine);
    }
    let samples = samples::open(args.samples.as_deref(), &sink)?;
    let stop = signals::stop_flag()?;
    let report = run::run_sampled(&config, samples, observer(args.quiet).as_mut(), &stop)?;
    let format = match args.format {
        OutputFormat::Text => Format::Text { colours: sink.wants_colours(), spectrum: args.latency },
        OutputFormat::Json => Format::Json,
        OutputFormat::Csv => Format::Csv,
    };
    sink.write_report(&report, format)?;
    Ok(Exit::of(&report, config.allow_invalid))
}

/// Who watches the run.
pub(super) fn observer(quiet: bool) -> Box<dyn Observer> {
    if quiet { Box::new(Silent) } else { Box::new(LiveLine::stderr()) }
}
