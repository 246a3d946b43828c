//! The command line: subcommands, and what concerns the report of a run. The options of the run itself are
//! [`RawConfig`](crate::run::config::RawConfig)'s.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::import::ImportArgs;
use super::script_args::{InspectArgs, ScriptArgs, is_script};
use crate::output::Format;
use crate::plan::template;
use crate::run::config::RawConfig;
use crate::target::{Latency, Stall};

const EXIT_CODES: &str = "\
Exit codes: 0 fine; 1 could not run; 2 usage or configuration error; 96 the verdict is INVALID;
105 interrupted.

Durations: 500ms, 1.5s, 1m30s; a bare number is seconds. Rates: 50/s, 3000/m, 10k; a bare number is
per second. All counts and rates are totals over all connections and workers.";

/// A load generator for HTTP/1.1 that measures from when requests should have been sent.
#[derive(Debug, Parser)]
#[command(
    name = "squall",
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// Parses a command line in which `run` may have been left out.
///
/// `run` is put in before clap sees it: clap can have the same arguments on both levels, but then
/// takes every surplus word for a subcommand that it does not know, and its messages mislead. The
/// arguments on the top level remain for its help.
pub(super) fn parse(argv: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(complete(argv))
}

fn complete(argv: &[OsString]) -> Vec<OsString> {
    let mut argv = argv.to_vec();
    if argv.get(1).is_some_and(|first| !stands_first(first)) {
        argv.insert(1, "run".into());
    }
    // A script has k6's flags, some of whose letters mean something else here.
    if argv.get(1).is_some_and(|word| word == "run") && names_script(&argv[2..]) {
        argv[1] = "run-script".into();
    }
    argv
}

/// Whether a script is to be run or looked at, with k6's exit codes.
pub(super) fn is_of_script(argv: &[OsString]) -> bool {
    complete(argv).get(1).is_some_and(|word| word == "run-script" || word == "inspect")
}

/// Whether `word` means something else than a run when it comes first.
fn stands_first(word: &OsString) -> bool {
    let flags = ["-h", "--help", "-V", "--version"];
    word.to_str().is_some_and(|word| flags.contains(&word) || is_subcommand(word))
}

/// Whether `word` is the name of a subcommand.
pub(super) fn is_subcommand(word: &str) -> bool {
    word == "help" || Cli::command().find_subcommand(word).is_some()
}

/// Flags whose value may be `-`, or a file that is named as scripts are.
const WITH_FILES: [&str; 4] = ["--samples", "-o", "--output", "--body-file"];

/// Whether one of the words of a run names a script.
fn names_script(words: &[OsString]) -> bool {
    let mut before = "";
    words.iter().filter_map(|word| word.to_str()).any(|word| {
        let is_value = WITH_FILES.contains(&before);
        before = word;
        !is_value && is_script(word)
    })
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send load and report; `squall URL` is short for `squall run URL`
    #[command(arg_required_else_help = true, after_help = EXIT_CODES)]
    Run(Box<RunArgs>),
    /// Run a k6 script: what `squall run SCRIPT.js` is
    #[command(arg_required_else_help = true, name = "run-script", hide = true)]
    Script(Box<ScriptArgs>),
    /// Print what a k6 script asks for, as JSON
    #[command(arg_required_else_help = true)]
    Inspect(Box<InspectArgs>),
    /// Serve the bundled target, until Ctrl-C or SIGTERM
    Target(TargetArgs),
    /// Start the bundled target and send load to it, for a first look
    Demo(DemoArgs),
    /// Write a plan from a curl command or a browser's recording (HAR)
    Import(ImportArgs),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff
    Man,
    /// Print what templates and checks of a plan can hold
    #[command(after_help = template::help::text())]
    Templates,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) raw: RawConfig,

    /// Print the plan and its first N requests, and send nothing [default N: 3]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3", require_equals = true, help_heading = "Output")]
    pub(super) dry_run: Option<usize>,
    /// Print the full percentile spectrum (text)
    #[arg(short = 'L', long, help_heading = "Output")]
    pub(super) latency: bool,
    /// Format of the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub(super) format: Format,
    /// File for the report [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// File for every sample, an object in JSON on each line; - is standard output, where the report goes elsewhere
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) samples: Option<PathBuf>,
    /// No progress and no notes on standard error
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// Threads, each pinned to a core [default: half of the usable cores]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Cores to pin them to, such as 0,2-3 [default: the first half, as a generator takes the last]
    #[arg(long, value_name = "LIST")]
    pub(super) cores: Option<String>,
    /// Latency to add: const:5ms, exp:5ms, lognormal:5ms,0.5 or uniform:1ms..10ms
    #[arg(long, value_name = "SPEC")]
    pub(super) latency: Option<Latency>,
    /// Share of requests to answer with 500, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(super) error_rate: f64,
    /// Stand still periodically: 1s/5s is one second in every five
    #[arg(long, value_name = "LENGTH/PERIOD")]
    pub(super) stall: Option<Stall>,
    /// Seed of latencies and errors
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// How long to measure [default: 10s]
    #[arg(short, long, value_name = "TIME")]
    pub(super) duration: Option<String>,
    /// Open connections [default: 50]
    #[arg(short, long, value_name = "N")]
    pub(super) connections: Option<u64>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("use a number from 0 (never) to 1 (always)".into()),
    }
}

#[cfg(test)]
mod tests;
