//! k6's flags of `run`, by k6's names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::environment;
use super::error::OptionsError;

/// What `squall run script.js` takes. Each flag does what it does in k6, or [`ScriptFlags::check`] says why not.
#[derive(Args, Clone, Debug, Default)]
pub struct ScriptFlags {
    /// Virtual users
    #[arg(short = 'u', long, value_name = "N", allow_negative_numbers = true)]
    pub vus: Option<i64>,
    /// How long, as in 30s or 1h30m
    #[arg(short = 'd', long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<String>,
    /// Iterations of all users together
    #[arg(short = 'i', long, value_name = "N", allow_negative_numbers = true)]
    pub iterations: Option<i64>,
    /// Add a stage
    #[arg(short = 's', long, value_name = "TIME:TARGET", value_parser = stage)]
    pub stage: Vec<String>,
    /// Add a tag to all samples
    #[arg(long, value_name = "NAME=VALUE", value_parser = tag)]
    pub tag: Vec<(String, String)>,
    /// Statistics of times in the summary
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub summary_trend_stats: Vec<String>,
    /// Unit of times in the summary: s, ms or us
    #[arg(long, value_name = "UNIT")]
    pub summary_time_unit: Option<String>,
    /// Write samples or figures elsewhere, as in json=samples.json
    #[arg(short = 'o', long, value_name = "OUTPUT")]
    pub out: Vec<String>,
    /// Redirects to follow at most
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_redirects: Option<i64>,
    /// Requests of a batch at a time
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub batch: Option<i64>,
    /// Of these to one host
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub batch_per_host: Option<i64>,
    /// Requests per second at most
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub rps: Option<i64>,
    /// User-Agent of requests
    #[arg(long, value_name = "TEXT")]
    pub user_agent: Option<String>,
    /// Log requests and responses; with =full their bodies too
    #[arg(long, value_name = "full", num_args = 0..=1, require_equals = true, default_missing_value = "headers")]
    pub http_debug: Option<String>,
    /// An iteration takes this long at least
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub min_iteration_duration: Option<String>,
    /// Addresses that are not to be connected to, as in 10.0.0.0/8
    #[arg(long, value_name = "RANGE", value_delimiter = ',', value_parser = range)]
    pub blacklist_ip: Vec<String>,
    /// Names that are not to be connected to, as in *.example.com
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    pub block_hostnames: Vec<String>,
    /// How names are asked for, as in ttl=5m,select=first,policy=any
    #[arg(long, value_name = "LIST", value_parser = dns)]
    pub dns: Option<String>,
    /// Addresses that users send from
    #[arg(long, value_name = "LIST")]
    pub local_ips: Option<String>,
    /// The only tags that samples have by themselves
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub system_tags: Vec<String>,
    /// Write what the script logs to a file
    #[arg(long, value_name = "FILE")]
    pub console_output: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "they say it themselves")]
    pub switches: Switches,
    #[command(flatten)]
    #[allow(missing_docs, reason = "they say it themselves")]
    pub runtime: Runtime,
    #[command(flatten)]
    #[allow(missing_docs, reason = "they say it themselves")]
    pub global: Global,
    #[command(flatten)]
    #[allow(missing_docs, reason = "they say it themselves")]
    pub elsewhere: Elsewhere,
}

/// Declares flags that are on or off, `--flag` or `--flag=false`.
macro_rules! switches {
    ($(#[$about:meta])* $name:ident { $($(#[doc = $help:literal])+ $(#[arg($more:meta)])? $field:ident,)* }) => {
        $(#[$about])*
        #[derive(Args, Clone, Copy, Debug, Default)]
        pub struct $name {
            $($(#[doc = $help])+
            #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true"$(, $more)?)]
            pub $field: Option<bool>,)*
        }
    };
}

switches! {
    /// Flags that are on or off; `None` where nobody said.
    Switches {
        /// Do not call setup()
        no_setup,
        /// Do not call teardown()
        no_teardown,
        /// Do not check certificates
        insecure_skip_tls_verify,
        /// A connection for each request
        no_connection_reuse,
        /// Connections for each iteration
        no_vu_connection_reuse,
        /// Keep cookies beyond an iteration
        no_cookies_reset,
        /// Throw where a request fails
        #[arg(short = 'w')] throw,
        /// Drop bodies of responses
        discard_response_bodies,
    }
}

/// How a script is read, and what is made of its end: flags of all of k6's commands that take a script.
#[derive(Args, Clone, Debug, Default)]
pub struct Runtime {
    /// Set a variable of __ENV; without a value to nothing
    #[arg(short = 'e', long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// The system's variables are in __ENV
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub include_system_env_vars: Option<bool>,
    /// Do not judge thresholds
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_thresholds: Option<bool>,
    /// Show no summary
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_summary: Option<bool>,
    /// How much the summary says
    #[arg(long, value_name = "MODE", value_parser = ["compact", "full", "legacy"])]
    pub summary_mode: Option<String>,
    /// Write the summary to a JSON file
    #[arg(long, value_name = "FILE")]
    pub summary_export: Option<PathBuf>,
    /// How the script is read: extended or base
    #[arg(long, value_name = "MODE")]
    pub compatibility_mode: Option<CompatibilityMode>,
    /// What the file is: js or archive
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub kind: Option<ScriptKind>,
    /// Where traces go: only none
    #[arg(long, value_name = "WHERE")]
    pub traces_output: Option<String>,
}

/// Flags of all of k6's commands.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Configuration file
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show no progress
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// Log more
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// Use no colours
    #[arg(long)]
    pub no_color: bool,
    /// Where logs go: stderr, stdout, none or file=NAME
    #[arg(long, value_name = "WHERE")]
    pub log_output: Option<String>,
    /// How they are written: text, json or raw
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Address of the REST API: without effect, since there is none
    #[arg(short = 'a', long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Serve profiles: without effect, since there is no REST API
    #[arg(long)]
    pub profiling_enabled: bool,
    /// Where secrets come from: refused
    #[arg(long, value_name = "SOURCE")]
    pub secret_source: Vec<String>,
}

/// What belongs to parts of k6 that squall has not.
#[derive(Args, Clone, Debug, Default)]
pub struct Elsewhere {
    /// Keep the REST API alive behind the run: without effect, since there is none
    #[arg(short = 'l', long)]
    pub linger: bool,
    /// Begin paused: refused, since nothing could resume it
    #[arg(short = 'p', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub paused: Option<bool>,
    /// Exit as soon as it runs in the cloud: without effect
    #[arg(long)]
    pub exit_on_running: bool,
    /// Report no usage: squall never does
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_usage_report: Option<bool>,
    /// Run a part of the test: only the whole one
    #[arg(long, value_name = "SEGMENT")]
    pub execution_segment: Option<String>,
    /// The parts of the test: only the whole one
    #[arg(long, value_name = "LIST")]
    pub execution_segment_sequence: Option<String>,
}

/// How the script is read. All that each of these has is there in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompatibilityMode {
    /// With `global`.
    Extended,
    /// Without it.
    Base,
    /// TypeScript too.
    #[value(name = "experimental_enhanced", hide = true)]
    Enhanced,
}

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScriptKind {
    /// A script.
    Js,
    /// What `k6 archive` makes.
    Archive,
}

fn duration(text: &str) -> Result<String, String> {
    crate::units::parse_go_duration(text)
        .map_err(|why| format!("{why}; write one with its unit, as in 1m30s"))?;
    Ok(text.to_owned())
}

fn stage(text: &str) -> Result<String, String> {
    environment::stages([text])?;
    Ok(text.to_owned())
}

fn dns(text: &str) -> Result<String, String> {
    environment::dns(text)?;
    Ok(text.to_owned())
}

fn range(text: &str) -> Result<String, String> {
    text.parse::<super::network::Cidr>().map(|_| text.to_owned())
}

fn pattern(text: &str) -> Result<String, String> {
    text.parse::<super::network::NamePattern>().map(|_| text.to_owned())
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("a tag has a name and a value: write NAME=VALUE".into()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match name.chars().all(fits) && name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err(format!(
            "`{name}` is no name of a variable: use letters, digits and _, and no digit in front"
        )),
    }
}

impl ScriptFlags {
    /// The flags that are options, as the highest layer of [`consolidate`](super::consolidate).
    pub fn layer(&self) -> Map<String, Value> {
        let (on, far) = (&self.switches, &self.elsewhere);
        let list = |list: &[String]| (!list.is_empty()).then(|| json!(list));
        let tags: BTreeMap<&str, &str> = self.tag.iter().map(|(name, value)| (&**name, &**value)).collect();
        let stages = environment::stages(self.stage.iter().map(String::as_str)).ok();
        let all = [
            ("vus", self.vus.map(|n| json!(n))),
            ("duration", self.duration.as_ref().map(|text| json!(text))),
            ("iterations", self.iterations.map(|n| json!(n))),
            ("stages", stages.filter(|_| !self.stage.is_empty())),
            ("tags", (!tags.is_empty()).then(|| json!(tags))),
            ("summaryTrendStats", list(&self.summary_trend_stats)),
            ("summaryTimeUnit", self.summary_time_unit.as_ref().map(|text| json!(text))),
            ("maxRedirects", self.max_redirects.map(|n| json!(n))),
            ("batch", self.batch.map(|n| json!(n))),
            ("batchPerHost", self.batch_per_host.map(|n| json!(n))),
            ("rps", self.rps.map(|n| json!(n))),
            ("userAgent", self.user_agent.as_ref().map(|text| json!(text))),
            ("httpDebug", self.http_debug.as_ref().map(|text| json!(text))),
            ("minIterationDuration", self.min_iteration_duration.as_ref().map(|text| json!(text))),
            ("blacklistIPs", list(&self.blacklist_ip)),
            ("blockHostnames", list(&self.block_hostnames)),
            ("dns", self.dns.as_ref().and_then(|text| environment::dns(text).ok())),
            ("localIPs", self.local_ips.as_ref().map(|text| json!(text))),
            ("systemTags", list(&self.system_tags)),
            ("noSetup", on.no_setup.map(|is| json!(is))),
            ("noTeardown", on.no_teardown.map(|is| json!(is))),
            ("insecureSkipTLSVerify", on.insecure_skip_tls_verify.map(|is| json!(is))),
            ("noConnectionReuse", on.no_connection_reuse.map(|is| json!(is))),
            ("noVUConnectionReuse", on.no_vu_connection_reuse.map(|is| json!(is))),
            ("noCookiesReset", on.no_cookies_reset.map(|is| json!(is))),
            ("throw", on.throw.map(|is| json!(is))),
            ("discardResponseBodies", on.discard_response_bodies.map(|is| json!(is))),
            ("paused", far.paused.map(|is| json!(is))),
            ("executionSegment", far.execution_segment.as_ref().map(|text| json!(text))),
            ("executionSegmentSequence", far.execution_segment_sequence.as_ref().map(|text| json!(text))),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    /// Takes from variables what is no option and no flag has said: what [`Runtime::fill`] and [`Global::fill`] take, and `K6_OUT` and
    /// `K6_CONSOLE_OUTPUT`.
    ///
    /// # Errors
    /// A text that it cannot have, by the variable's name.
    pub fn fill(&mut self, variables: &Variables) -> Result<(), OptionsError> {
        self.runtime.fill(variables)?;
        self.global.fill(variables);
        self.console_output = self.console_output.take().or_else(|| path(variables, "K6_CONSOLE_OUTPUT"));
        if self.out.is_empty() {
            let all = text(variables, "K6_OUT");
            self.out = all.iter().flat_map(|all| all.split(',')).map(str::to_owned).collect();
        }
        Ok(())
    }

    /// Says which flags have no effect, one line each.
    ///
    /// # Errors
    /// A flag that asks for what squall has not.
    pub fn check(&self) -> Result<Vec<String>, OptionsError> {
        self.runtime.check()?;
        let mut told = self.global.check()?;
        if self.elsewhere.linger {
            told.push(format!("--linger {NO_API}"));
        }
        if self.elsewhere.exit_on_running {
            told.push("--exit-on-running has no effect: it is for runs in a cloud".into());
        }
        Ok(told)
    }
}

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

const NO_API: &str = "has no effect: there is no REST API";

/// One that says something.
fn text<'a>(variables: &'a Variables, name: &str) -> Option<&'a String> {
    variables.get(name).filter(|text| !text.is_empty())
}

fn path(variables: &Variables, name: &str) -> Option<PathBuf> {
    text(variables, name).map(PathBuf::from)
}

impl Runtime {
    /// The variables that options are read from: those of `system`, and those of `-e` over them.
    pub fn variables(&self, mut system: Variables) -> Variables {
        system.extend(self.env.iter().cloned());
        system
    }

    /// What a script finds in `__ENV`: the system's variables, where `with_system` says so unless a flag does, and those of `-e`.
    pub fn script_env(&self, system: Variables, with_system: bool) -> Variables {
        if self.include_system_env_vars.unwrap_or(with_system) {
            return self.variables(system);
        }
        self.env.iter().cloned().collect()
    }

    /// Takes from variables what no flag has said: `K6_NO_THRESHOLDS`, `K6_NO_SUMMARY`, `K6_SUMMARY_EXPORT`, `K6_SUMMARY_MODE`,
    /// `K6_TRACES_OUTPUT`, `K6_COMPATIBILITY_MODE`, `K6_TYPE` and `K6_INCLUDE_SYSTEM_ENV_VARS`.
    ///
    /// # Errors
    /// A text that it cannot have, by the variable's name.
    pub fn fill(&mut self, variables: &Variables) -> Result<(), OptionsError> {
        let text = |name: &str| text(variables, name);
        for (name, switch) in [
            ("K6_NO_THRESHOLDS", &mut self.no_thresholds),
            ("K6_NO_SUMMARY", &mut self.no_summary),
            ("K6_INCLUDE_SYSTEM_ENV_VARS", &mut self.include_system_env_vars),
        ] {
            fill(switch, name, text(name), |text| text.parse().ok(), "true or false")?;
        }
        let (name, mode) =
            ("K6_COMPATIBILITY_MODE", |text: &str| CompatibilityMode::from_str(text, false).ok());
        fill(&mut self.compatibility_mode, name, text(name), mode, "extended or base")?;
        let kind = |text: &str| ScriptKind::from_str(text, false).ok();
        fill(&mut self.kind, "K6_TYPE", text("K6_TYPE"), kind, "js or archive")?;
        self.summary_mode = self.summary_mode.take().or_else(|| text("K6_SUMMARY_MODE").cloned());
        self.summary_export =
            self.summary_export.take().or_else(|| text("K6_SUMMARY_EXPORT").map(PathBuf::from));
        self.traces_output = self.traces_output.take().or_else(|| text("K6_TRACES_OUTPUT").cloned());
        Ok(())
    }

    /// # Errors
    /// A flag that asks for what squall has not.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.traces_output.as_deref().is_some_and(|to| !matches!(to, "" | "none")) {
            return Err(OptionsError::usage("--traces-output: squall makes no traces: leave it out"));
        }
        if self.kind == Some(ScriptKind::Archive) {
            return Err(OptionsError::usage(
                "--type archive: squall runs no archives: unpack it (tar), and run the script in it",
            ));
        }
        Ok(())
    }
}

impl Global {
    /// Takes from variables what no flag has said: `K6_CONFIG`, `K6_LOG_OUTPUT` and `K6_LOG_FORMAT`.
    pub fn fill(&mut self, variables: &Variables) {
        self.config = self.config.take().or_else(|| path(variables, "K6_CONFIG"));
        self.log_output = self.log_output.take().or_else(|| text(variables, "K6_LOG_OUTPUT").cloned());
        self.log_format = self.log_format.take().or_else(|| text(variables, "K6_LOG_FORMAT").cloned());
    }

    /// Says which flags have no effect, one line each.
    ///
    /// # Errors
    /// A flag that asks for what squall has not.
    pub fn check(&self) -> Result<Vec<String>, OptionsError> {
        if !self.secret_source.is_empty() {
            return Err(OptionsError::usage(
                "--secret-source: squall has no k6/secrets: give what is secret with -e, and leave it out",
            ));
        }
        let all = [("--address", self.address.is_some()), ("--profiling-enabled", self.profiling_enabled)];
        let given = all.into_iter().filter(|(_, is_given)| *is_given);
        Ok(given.map(|(flag, _)| format!("{flag} {NO_API}")).collect())
    }
}

/// A value that no flag has given, from a variable.
fn fill<T>(
    to: &mut Option<T>,
    name: &str,
    text: Option<&String>,
    read: impl Fn(&str) -> Option<T>,
    choice: &str,
) -> Result<(), OptionsError> {
    if let (None, Some(text)) = (&to, text) {
        let why = || OptionsError::usage(format!("{name}: `{text}` is none: give {choice}"));
        *to = Some(read(text).ok_or_else(why)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
