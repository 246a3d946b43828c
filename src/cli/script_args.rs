//! k6's flags of `run`, by its names, and squall's own beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::script::options::Layer;

/// The flags of a run of a script.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ScriptArgs {
    /// k6 script; - for standard input
    #[arg(value_name = "SCRIPT")]
    pub(crate) script: String,
    /// Virtual users
    #[arg(short = 'u', long, value_name = "N")]
    vus: Option<String>,
    /// How long the load lasts
    #[arg(short = 'd', long, value_name = "TIME")]
    duration: Option<String>,
    /// Iterations that the users share
    #[arg(short = 'i', long, value_name = "N")]
    iterations: Option<String>,
    /// Users over time: TIME:USERS; may be given several times
    #[arg(short = 's', long = "stage", value_name = "TIME:USERS")]
    stages: Vec<String>,
    /// Value for __ENV; may be given several times
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Whether __ENV has the environment, too [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) include_system_env_vars: Option<bool>,
    /// Tag of every sample; may be given several times
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
    /// File with options, as JSON
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where every sample goes: json=FILE or csv=FILE, packed where the name ends in .gz; may be given several times
    #[arg(short = 'o', long = "out", value_name = "KIND=FILE")]
    pub(crate) out: Vec<String>,
    /// File for the figures of the whole test, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) summary_export: Option<PathBuf>,
    /// Columns of trends, such as avg,min,med,max,p(90),p(95)
    #[arg(long, value_name = "LIST")]
    summary_trend_stats: Option<String>,
    /// Unit of times in the summary: s, ms or us
    #[arg(long, value_name = "UNIT")]
    summary_time_unit: Option<String>,
    /// How much the summary shows: compact, full or legacy
    #[arg(long, value_name = "MODE")]
    summary_mode: Option<String>,
    /// No summary
    #[arg(long)]
    no_summary: bool,
    /// Leave setup() out
    #[arg(long)]
    no_setup: bool,
    /// Leave teardown() out
    #[arg(long)]
    no_teardown: bool,
    /// Leave thresholds out
    #[arg(long)]
    no_thresholds: bool,
    /// Requests of a batch that are open at once
    #[arg(long, value_name = "N")]
    batch: Option<String>,
    /// Of these to one host
    #[arg(long, value_name = "N")]
    batch_per_host: Option<String>,
    /// Requests per second at most
    #[arg(long, value_name = "N")]
    rps: Option<String>,
    /// Redirects to follow at most
    #[arg(long, value_name = "N")]
    max_redirects: Option<String>,
    /// User-Agent of requests that give none
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Trust any certificate
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Requests that fail throw
    #[arg(short = 'w', long)]
    throw: bool,
    /// A connection for each request
    #[arg(long)]
    no_connection_reuse: bool,
    /// New connections in each iteration
    #[arg(long)]
    no_vu_connection_reuse: bool,
    /// Keep cookies from iteration to iteration
    #[arg(long)]
    no_cookies_reset: bool,
    /// Do not keep bodies unless a request asks for it
    #[arg(long)]
    discard_response_bodies: bool,
    /// An iteration takes this long at least
    #[arg(long, value_name = "TIME")]
    min_iteration_duration: Option<String>,
    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Lines of console.debug, too
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// File for what the script writes
    #[arg(long, value_name = "FILE")]
    pub(crate) console_output: Option<PathBuf>,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Accepted: nothing is ever reported
    #[arg(long)]
    no_usage_report: bool,
    /// Accepted: there is no REST API
    #[arg(short = 'a', long, value_name = "ADDR")]
    address: Option<String>,
    /// Accepted: scripts are as k6's extended mode has them
    #[arg(long, value_name = "MODE")]
    compatibility_mode: Option<String>,
    /// Seed of everything random that is not the script's
    #[arg(long, value_name = "N", help_heading = "Generator")]
    pub(crate) seed: Option<u64>,
    /// Squall's own.
    #[command(flatten)]
    pub(crate) own: Own,
}

/// Flags that k6 has not.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Own {
    /// Workers, one thread and core each [default: half of the usable cores]
    #[arg(long, value_name = "N", help_heading = "Generator")]
    pub(crate) threads: Option<u64>,
    /// Cores to pin the workers to, such as 1,3-5
    #[arg(long, value_name = "LIST", help_heading = "Generator")]
    pub(crate) cores: Option<String>,
    /// How workers wait: auto, spin or sleep
    #[arg(long, value_name = "HOW", help_heading = "Generator")]
    pub(crate) wait: Option<String>,
    /// What carries the bytes: auto, uring or epoll
    #[arg(long, value_name = "DRIVER", help_heading = "Generator")]
    pub(crate) driver: Option<String>,
    /// Memory for the run
    #[arg(long, value_name = "SIZE", help_heading = "Generator")]
    pub(crate) max_memory: Option<String>,
    /// How much of a body scripts see [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Generator")]
    pub(crate) max_body: Option<String>,
    /// Series that tags may make [default: 2000]
    #[arg(long, value_name = "N", help_heading = "Generator")]
    pub(crate) max_series: Option<u64>,
    /// Proxy to go through
    #[arg(long, value_name = "URL", help_heading = "Generator")]
    pub(crate) proxy: Option<String>,
    /// File with the certificates to trust
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) cacert: Option<PathBuf>,
    /// File with a certificate to show to servers
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) cert: Option<PathBuf>,
    /// File with its key
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) key: Option<PathBuf>,
    /// File for squall's own report, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) output: Option<PathBuf>,
    /// Show secrets in squall's own report
    #[arg(long, help_heading = "Generator")]
    pub(crate) show_secrets: bool,
    /// Exit 0 although the verdict is INVALID
    #[arg(long, help_heading = "Generator")]
    pub(crate) allow_invalid: bool,
}

/// `K6_*` variables that are options, and what their values are.
const VARIABLES: [(&str, &str, Shape); 22] = [
    ("K6_VUS", "vus", Shape::Text),
    ("K6_DURATION", "duration", Shape::Text),
    ("K6_ITERATIONS", "iterations", Shape::Text),
    ("K6_STAGES", "stages", Shape::Stages),
    ("K6_BATCH", "batch", Shape::Text),
    ("K6_BATCH_PER_HOST", "batchPerHost", Shape::Text),
    ("K6_RPS", "rps", Shape::Text),
    ("K6_MAX_REDIRECTS", "maxRedirects", Shape::Text),
    ("K6_USER_AGENT", "userAgent", Shape::Text),
    ("K6_INSECURE_SKIP_TLS_VERIFY", "insecureSkipTLSVerify", Shape::Bool),
    ("K6_THROW", "throw", Shape::Bool),
    ("K6_NO_CONNECTION_REUSE", "noConnectionReuse", Shape::Bool),
    ("K6_NO_VU_CONNECTION_REUSE", "noVUConnectionReuse", Shape::Bool),
    ("K6_NO_COOKIES_RESET", "noCookiesReset", Shape::Bool),
    ("K6_DISCARD_RESPONSE_BODIES", "discardResponseBodies", Shape::Bool),
    ("K6_MIN_ITERATION_DURATION", "minIterationDuration", Shape::Text),
    ("K6_NO_SETUP", "noSetup", Shape::Bool),
    ("K6_NO_TEARDOWN", "noTeardown", Shape::Bool),
    ("K6_NO_THRESHOLDS", "noThresholds", Shape::Bool),
    ("K6_NO_SUMMARY", "noSummary", Shape::Bool),
    ("K6_SUMMARY_TREND_STATS", "summaryTrendStats", Shape::List),
    ("K6_SUMMARY_TIME_UNIT", "summaryTimeUnit", Shape::Text),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Bool,
    List,
    Stages,
}

/// The options that `K6_*` variables set.
pub(super) fn of_env(env: &BTreeMap<String, String>) -> Result<Layer, String> {
    let mut layer = Map::new();
    for (variable, option, shape) in VARIABLES {
        let Some(value) = env.get(variable).filter(|value| !value.is_empty()) else { continue };
        let read = match shape {
            Shape::Text => Value::String(value.clone()),
            Shape::List => value.split(',').map(|part| part.trim().to_owned()).collect(),
            Shape::Stages => stages(value.split(','))?,
            Shape::Bool => match value.as_str() {
                "true" | "1" | "t" | "T" | "TRUE" | "True" => Value::Bool(true),
                "false" | "0" | "f" | "F" | "FALSE" | "False" => Value::Bool(false),
                _ => return Err(format!("{variable}: {value:?} is neither true nor false")),
            },
        };
        layer.insert(option.into(), read);
    }
    Ok(layer)
}

fn stages<'a>(list: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    let stage = |text: &str| {
        let (duration, target) =
            text.split_once(':').ok_or_else(|| format!("stage {text:?}: write it as TIME:USERS"))?;
        Ok(json!({ "duration": duration, "target": target }))
    };
    list.map(stage).collect::<Result<Vec<_>, String>>().map(Value::Array)
}

impl ScriptArgs {
    /// The options that they set.
    pub(super) fn layer(&self) -> Result<Layer, String> {
        let mut layer = Map::new();
        for (option, value) in [
            ("vus", &self.vus),
            ("duration", &self.duration),
            ("iterations", &self.iterations),
            ("batch", &self.batch),
            ("batchPerHost", &self.batch_per_host),
            ("rps", &self.rps),
            ("maxRedirects", &self.max_redirects),
            ("userAgent", &self.user_agent),
            ("minIterationDuration", &self.min_iteration_duration),
            ("summaryTimeUnit", &self.summary_time_unit),
            ("summaryMode", &self.summary_mode),
        ] {
            if let Some(value) = value {
                layer.insert(option.into(), value.clone().into());
            }
        }
        for (option, given) in [
            ("noSummary", self.no_summary),
            ("noSetup", self.no_setup),
            ("noTeardown", self.no_teardown),
            ("noThresholds", self.no_thresholds),
            ("insecureSkipTLSVerify", self.insecure_skip_tls_verify),
            ("throw", self.throw),
            ("noConnectionReuse", self.no_connection_reuse),
            ("noVUConnectionReuse", self.no_vu_connection_reuse),
            ("noCookiesReset", self.no_cookies_reset),
            ("discardResponseBodies", self.discard_response_bodies),
        ] {
            if given {
                layer.insert(option.into(), true.into());
            }
        }
        if let Some(list) = &self.summary_trend_stats {
            let columns = list.split(',').map(|part| part.trim().to_owned()).collect::<Value>();
            layer.insert("summaryTrendStats".into(), columns);
        }
        if !self.stages.is_empty() {
            layer.insert("stages".into(), stages(self.stages.iter().map(String::as_str))?);
        }
        if !self.tags.is_empty() {
            let mut tags = Map::new();
            for text in &self.tags {
                let (name, value) =
                    text.split_once('=').ok_or_else(|| format!("--tag {text:?}: write it as NAME=VALUE"))?;
                tags.insert(name.into(), value.into());
            }
            layer.insert("tags".into(), Value::Object(tags));
        }
        Ok(layer)
    }
}

/// Whether `word` names a script.
pub(super) fn is_script(word: &str) -> bool {
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    word == "-" || matches!(ending, Some("js" | "mjs" | "cjs" | "ts"))
}
