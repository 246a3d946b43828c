//! What a script's run leaves: the summary, the verdict, files.

use std::fs;
use std::io::{self, IsTerminal, Write};

use anyhow::anyhow;
use base64::Engine;
use serde_json::Value;

use super::ScriptArgs;
use crate::cli::exit::Failure;
use crate::output::k6::model::{EndOfTest, SummaryOptions, TimeUnit, TrendStat};
use crate::output::k6::text::{self, Mode};
use crate::output::k6::{Book, Declared, EndOfTestSource, Judged, UsersAt, json};
use crate::run::RunResult;
use crate::run::config::RunConfig;
use crate::run::script::{self, ScriptRun};
use crate::script::console::Level;
use crate::script::options::{OptionsError, ScriptFlags, Settings};
use crate::script::program::Program;
use crate::stats::layout::Layout;
use crate::stats::tally::Tally;
use crate::threshold::Threshold;
use crate::units::Nanos;

/// How the summary is to look: known before the load, so that what is wrong with it ends nothing that has run.
pub(super) struct Shown {
    /// How much of it.
    pub(super) mode: Mode,
    options: SummaryOptions,
}

impl Shown {
    /// What options and flags say of it.
    ///
    /// # Errors
    /// A mode, a column or a unit that there is not, with k6's exit code.
    pub(super) fn of(flags: &ScriptFlags, settings: &Settings) -> Result<Shown, Failure> {
        let wrong =
            |option: &str, why: String| Failure::of_options(OptionsError::usage(format!("{option}: {why}")));
        let mode = flags.runtime.summary_mode.as_deref().map_or(Ok(Mode::Compact), Mode::parse);
        let mode = mode.map_err(|why| wrong("--summary-mode", why))?;
        let stats = settings.summary_trend_stats.iter().map(|text| TrendStat::parse(text));
        let trend_stats = stats.collect::<Result<Vec<_>, String>>();
        let trend_stats = trend_stats.map_err(|why| wrong("`summaryTrendStats`", why))?;
        let unit = TimeUnit::parse(&settings.summary_time_unit);
        let time_unit = unit.map_err(|why| wrong("`summaryTimeUnit`", why))?;
        let no_color =
            flags.global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Ok(Shown { mode, options: SummaryOptions { trend_stats, time_unit, no_color } })
    }
}

/// All that was measured, as k6 tells it.
pub(super) fn end_of_test(
    program: &Program,
    thresholds: &[Threshold],
    shown: Shown,
    ran: &ScriptRun,
) -> EndOfTest {
    let parts = [(&ran.load, true), (&ran.setup, false), (&ran.teardown, false)];
    let parts: Vec<(&RunResult, bool)> =
        parts.into_iter().filter_map(|(part, is_load)| Some((part.as_ref()?, is_load))).collect();
    let figures: Vec<_> = parts.iter().map(|(part, _)| (&*part.layout, &part.summary.tally)).collect();
    let elapsed: Nanos =
        parts.iter().map(|(part, _)| part.summary.duration).fold(Nanos::ZERO, |sum, span| sum + span);
    let judged: Vec<Judged> = thresholds.iter().map(|one| judge(one, &figures, elapsed)).collect();
    let declared = declared(program);
    let mut books: Vec<Book<'_>> = parts
        .iter()
        .map(|(part, is_load)| Book { layout: &part.layout, tally: &part.summary.tally, is_load: *is_load })
        .collect();
    // In the order in which things happened: setup first, where there was one.
    if ran.setup.is_some() && ran.load.is_some() {
        books.swap(0, 1);
    }
    let users: Vec<UsersAt> = ran.load.iter().flat_map(users).collect();
    let setup_data = program.setup_data().and_then(|json| serde_json::from_str(json).ok());
    EndOfTest::of(&EndOfTestSource {
        books: &books,
        duration: elapsed,
        users: &users,
        declared: &declared,
        judged: &judged,
        terminals: (io::stdout().is_terminal(), io::stderr().is_terminal()),
        options: shown.options,
        setup_data,
    })
}

/// The script's own metrics.
pub(super) fn declared(program: &Program) -> Vec<Declared> {
    let own = program.metrics().into_iter();
    own.map(|(name, def)| Declared { name, kind: def.kind, is_time: def.is_time }).collect()
}

fn judge(threshold: &Threshold, figures: &[(&Layout, &Tally)], elapsed: Nanos) -> Judged {
    let outcome = threshold.evaluate_parts(figures, elapsed);
    Judged {
        selector: threshold.selector.clone(),
        source: threshold.expression.clone(),
        ok: outcome.is_none_or(|outcome| outcome.ok),
        observed: outcome.map_or(0.0, |outcome| outcome.observed),
    }
}

fn users(load: &RunResult) -> Vec<UsersAt> {
    let most = load.summary.tally.scenarios.iter().map(|scenario| scenario.vus_max).sum();
    load.summary.timeline.iter().map(|point| UsersAt { vus: point.vus, vus_max: most }).collect()
}

/// What `handleSummary` wants written, or the summary as k6 has it.
pub(super) fn write_summary(
    config: &RunConfig,
    program: &Program,
    mode: Mode,
    end: &EndOfTest,
) -> Result<(), Failure> {
    if program.exports("handleSummary") {
        let mut data = json::data(end);
        if let Some(own) = data.get_mut("options").and_then(Value::as_object_mut) {
            own.entry("noColor").or_insert(Value::Bool(end.options.no_color));
        }
        match script::summary(config, &data.to_string(), SUMMARY_LIMIT)? {
            Ok(files) => return write_files(&files.unwrap_or_default()),
            Err(thrown) => program.console.about(Level::Error, &format!("handleSummary() failed: {thrown}")),
        }
    }
    to_stdout(text::text(end, mode, &config.secrets).as_bytes())
}

/// How long `handleSummary` may take.
const SUMMARY_LIMIT: Nanos = Nanos::from_secs(120);

/// Files by their paths, as `handleSummary` returned them; two of them are standard output and standard error.
fn write_files(files: &str) -> Result<(), Failure> {
    let files: serde_json::Map<String, Value> = serde_json::from_str(files).unwrap_or_default();
    for (path, content) in files {
        let bytes = match (content.get("text"), content.get("bytes")) {
            (Some(Value::String(text)), _) => text.clone().into_bytes(),
            (_, Some(Value::String(bytes))) => {
                base64::engine::general_purpose::STANDARD.decode(bytes).map_err(Failure::run)?
            }
            _ => continue,
        };
        match path.as_str() {
            "stdout" => to_stdout(&bytes)?,
            "stderr" => drop(io::stderr().write_all(&bytes)),
            _ => fs::write(&path, bytes)
                .map_err(|e| Failure::run(anyhow!("handleSummary: cannot write {path}: {e}")))?,
        }
    }
    Ok(())
}

fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    io::stdout().write_all(bytes).map_err(|e| Failure::run(anyhow!("standard output: {e}")))
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
