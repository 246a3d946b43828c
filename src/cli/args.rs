//! What can be typed. Values are judged later, all of them at once, by
//! [`RunConfig::validate`](crate::run::config::RunConfig::validate); here only words and whole numbers are.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::import::ImportArgs;
use crate::run::config::RawConfig;
use crate::target::{Latency, Stall};

mod connect;
mod secure;

use connect::ConnectArgs;
use secure::SecureArgs;

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
    let mut argv = argv.to_vec();
    if argv.get(1).is_some_and(|first| !stands_first(first)) {
        argv.insert(1, "run".into());
    }
    Cli::try_parse_from(argv)
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

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send load and report; `squall URL` is short for `squall run URL`
    #[command(arg_required_else_help = true, after_help = EXIT_CODES)]
    Run(Box<RunArgs>),
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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// A summary for people
    #[default]
    Text,
    /// The whole report, with stable keys
    Json,
    /// The timeline, a row per interval
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Target, such as http://localhost:8080/path, or a plan, such as plan.toml or plan.json
    #[arg(value_name = "URL|PLAN")]
    url: Option<String>,

    /// Open connections; without -R each is a loop of request and answer [default: 50]
    #[arg(short, long, value_name = "N", help_heading = "Load")]
    connections: Option<u64>,
    /// How long to measure [default: 10s, unless -n is given]
    #[arg(short, long, value_name = "TIME", help_heading = "Load")]
    duration: Option<String>,
    /// How many requests to send; with -d, whichever comes first ends the run
    #[arg(short = 'n', long, value_name = "N", help_heading = "Load")]
    requests: Option<u64>,
    /// Arrivals per second, whatever the target does (open model)
    #[arg(short = 'R', long, value_name = "RATE", help_heading = "Load")]
    rate: Option<String>,
    /// How arrivals lie in time [default: uniform]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["uniform", "poisson"]), help_heading = "Load")]
    arrivals: Option<String>,
    /// Seed of everything random [default: taken from the clock, and reported]
    #[arg(long, value_name = "N", help_heading = "Load")]
    seed: Option<u64>,
    /// Requests in flight on each connection [default: 1]
    #[arg(short, long, value_name = "N", help_heading = "Load")]
    pipeline: Option<u64>,
    /// Load before measuring begins [default: none]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    warmup: Option<String>,
    /// How many arrivals may wait for a connection [default: the larger of 100000 and ten seconds' worth]
    #[arg(long, value_name = "N", help_heading = "Load")]
    max_backlog: Option<u64>,

    /// Virtual users over time: TIME:USERS, or with -R TIME:RATE; may be given several times
    #[arg(long = "stage", value_name = "TIME:TARGET", help_heading = "Load")]
    stages: Vec<String>,
    /// Virtual users, each with its own connection; with --stage, how many there are at the start [default: 1]
    #[arg(long, value_name = "N", help_heading = "Load")]
    vus: Option<u64>,
    /// Value for a plan's variable; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", help_heading = "Load")]
    vars: Vec<String>,

    /// Method [default: GET, or POST when there is a body]
    #[arg(short, long, value_name = "METHOD", help_heading = "Request")]
    method: Option<String>,
    /// Header; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = "Request")]
    headers: Vec<String>,
    /// Body
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "body_file",
        allow_hyphen_values = true,
        help_heading = "Request"
    )]
    body: Option<String>,
    /// File with the body
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    body_file: Option<PathBuf>,
    /// How long a request may take [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Request")]
    timeout: Option<String>,

    /// How long opening a connection may take; as --timeout when not given
    #[arg(long, value_name = "TIME", help_heading = "Connection")]
    connect_timeout: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    secure: SecureArgs,

    /// Redirects to follow at most [default: 0]
    #[arg(long, value_name = "N", help_heading = "Request")]
    max_redirects: Option<u32>,
    /// Open a connection for each request
    #[arg(long, conflicts_with = "requests_per_connection", help_heading = "Request")]
    no_keepalive: bool,
    /// Close a connection after so many requests
    #[arg(long, value_name = "N", help_heading = "Request")]
    requests_per_connection: Option<u32>,
    /// Keep the cookies that the target gives
    #[arg(long, help_heading = "Request")]
    cookies: bool,

    /// What each answer must be, such as 'status==200'; may be given several times
    #[arg(long = "check", value_name = "EXPRESSION", help_heading = "Judgement")]
    checks: Vec<String>,
    /// What must hold at the end, such as 'http_req_duration:p(95)<200'; may be given several times
    #[arg(long = "threshold", value_name = "METRIC:EXPRESSION", help_heading = "Judgement")]
    thresholds: Vec<String>,

    /// Workers, one thread and core each [default: all usable cores; half of them when the target is on this host]
    #[arg(short, long, value_name = "N", help_heading = "Generator")]
    threads: Option<u64>,
    /// Cores to pin the workers to, such as 1,3-5
    #[arg(long, value_name = "LIST", help_heading = "Generator")]
    cores: Option<String>,
    /// How workers wait; auto spins with -R when there are cores to spare [default: auto]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["auto", "spin", "sleep"]), help_heading = "Generator")]
    wait: Option<String>,
    /// What carries the bytes; auto is io_uring where it is allowed, else epoll [default: auto]
    #[arg(long, value_name = "DRIVER", value_parser = PossibleValuesParser::new(["auto", "uring", "epoll"]), help_heading = "Generator")]
    driver: Option<String>,

    /// How often figures are collected: a row of the timeline, and of the progress line [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    interval: Option<String>,
    /// Series that a flow's own metrics and tags may make; what is beyond goes together, and stays in all totals [default: 2000]
    #[arg(long, value_name = "N", help_heading = "Output")]
    max_series: Option<u64>,
    /// Print the plan and its first N requests, and send nothing [default N: 3]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3", require_equals = true, help_heading = "Output")]
    pub(super) dry_run: Option<usize>,
    /// Print the full percentile spectrum (text)
    #[arg(short = 'L', long, help_heading = "Output")]
    pub(super) latency: bool,
    /// Format of the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub(super) format: OutputFormat,
    /// File for the report [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// File for every sample, an object in JSON on each line; - is standard output, where the report goes elsewhere
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) samples: Option<PathBuf>,
    /// No progress and no notes on standard error
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Exit 0 although the verdict is INVALID
    #[arg(long, help_heading = "Output")]
    allow_invalid: bool,
}

impl RunArgs {
    /// Moves what concerns the run out. A missing URL becomes an empty one, which is refused with
    /// an example.
    pub(super) fn take_raw(&mut self) -> RawConfig {
        RawConfig {
            url: self.url.take().unwrap_or_default(),
            connections: self.connections,
            threads: self.threads,
            cores: self.cores.take(),
            duration: self.duration.take(),
            requests: self.requests,
            rate: self.rate.take(),
            arrivals: self.arrivals.take(),
            seed: self.seed,
            pipeline: self.pipeline,
            method: self.method.take(),
            headers: std::mem::take(&mut self.headers),
            body: self.body.take(),
            body_file: self.body_file.take(),
            timeout: self.timeout.take(),
            connect_timeout: self.connect_timeout.take(),
            connect: self.connect.take_raw(),
            tls: self.secure.take_tls(),
            proxy: self.secure.proxy.take(),
            warmup: self.warmup.take(),
            interval: self.interval.take(),
            max_series: self.max_series,
            wait: self.wait.take(),
            max_backlog: self.max_backlog,
            driver: self.driver.take(),
            allow_invalid: self.allow_invalid,
            stages: std::mem::take(&mut self.stages),
            vus: self.vus,
            checks: std::mem::take(&mut self.checks),
            thresholds: std::mem::take(&mut self.thresholds),
            max_redirects: self.max_redirects,
            no_keepalive: self.no_keepalive,
            requests_per_connection: self.requests_per_connection,
            cookies: self.cookies,
            vars: std::mem::take(&mut self.vars),
        }
    }
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
