//! The result of a run as it is written out: the JSON report.
//!
//! Keys are stable. Later versions may add some, so readers must pass over keys that they do not
//! know; nothing is renamed or removed without a new [`SCHEMA_VERSION`]. All keys are always
//! present. Times in microseconds end in `_us`, seconds in `_s`. No figure is ever NaN or infinite.

mod build;
mod origin;
mod redact;
#[cfg(test)]
pub(crate) mod sample;
mod scenario;
mod series;
mod tls;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stats::histogram::{Histogram, HistogramError};
use crate::verdict::Verdict;

pub use self::build::{ErrorReasons, ReportParts};
pub use self::origin::OriginEntry;
pub use self::scenario::{
    Check, Iterations, MetricEntry, OnceSection, Sample, ScenarioEntry, ScenarioParts, StageEntry, StepEntry,
    ThresholdEntry,
};
pub use self::series::SeriesSection;
pub use self::tls::TlsSection;

/// Version of the report's keys and their meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// One run's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What wrote it.
    pub tool: Tool,
    /// Stopped before its time, by a signal.
    pub aborted: bool,
    /// Whether the generator could be trusted.
    pub verdict: Verdict,
    /// Effective settings.
    pub config: ConfigSection,
    /// Where it ran.
    pub environment: Environment,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// Length of the measured window.
    pub duration_s: f64,
    /// What became of the requests.
    pub requests: Requests,
    /// Responses by status code.
    pub status: BTreeMap<u16, u64>,
    /// Failed requests by kind; their sum is `requests.failed`. The kinds of [`ERROR_KINDS`] are always
    /// there, others when they occurred.
    pub errors: BTreeMap<String, u64>,
    /// What lay behind errors of requests, as far as it is known: a few of each sort.
    pub error_samples: Vec<ErrorSample>,
    /// Rates and amounts.
    pub throughput: Throughput,
    /// TLS.
    pub tls: TlsSection,
    /// How the connections fared.
    pub connections: Connections,
    /// Where requests went: the plan's origins, then those that were found while load was sent.
    pub origins: Vec<OriginEntry>,
    /// How finely figures were kept apart.
    pub series: SeriesSection,
    /// How long things took.
    pub latency: Latency,
    /// What the generator itself used.
    pub generator: Generator,
    /// What came of `--samples`.
    pub samples: SamplesSection,
    /// Judgements of single responses. Empty in plain runs.
    pub checks: Vec<Check>,
    /// Judgements of the whole. Empty in plain runs.
    pub thresholds: Vec<ThresholdEntry>,
    /// The run over time.
    pub timeline: Vec<TimelineEntry>,
    /// What the plan did once, before the load. `None` where there was nothing.
    pub once: Option<OnceSection>,
    /// Figures by scenario. Empty in plain runs.
    pub scenarios: Vec<ScenarioEntry>,
    /// Figures by step of a scenario. Empty in plain runs.
    pub steps: Vec<StepEntry>,
    /// k6's metrics by name. Empty in plain runs.
    pub metrics: BTreeMap<String, MetricEntry>,
}

/// Kinds of errors that `errors` always lists.
pub const ERROR_KINDS: [&str; 7] =
    ["connect", "timeout", "reset", "protocol", "tls", "dns", "port_exhausted"];

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `squall`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What decides that the next request starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// The response to the one before, on the same connection.
    #[default]
    Closed,
    /// A schedule.
    Open,
}

/// The settings that took effect, defaults included. `None` (`null`) where one does not apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigSection {
    /// The URL.
    pub target: String,
    /// The addresses that it resolved to.
    pub addresses: Vec<String>,
    /// Load model.
    pub model: Model,
    /// HTTP method.
    pub method: String,
    /// Headers asked for, `Name: value`.
    pub headers: Vec<String>,
    /// Length of the request's body in bytes.
    pub body_bytes: u64,
    /// Connections in total.
    pub connections: u32,
    /// Workers.
    pub threads: u32,
    /// Their cores.
    pub cores: Vec<usize>,
    /// How long to measure.
    pub duration_s: Option<f64>,
    /// How many requests to start.
    pub requests: Option<u64>,
    /// Arrivals per second in total (open model).
    pub rate_per_s: Option<f64>,
    /// `uniform` or `poisson` (open model).
    pub arrivals: Option<String>,
    /// How many arrivals may wait for a connection (open model).
    pub max_backlog: Option<u64>,
    /// Requests in flight per connection.
    pub pipeline: u32,
    /// How long a request may take.
    pub timeout_s: f64,
    /// How long opening a connection may take.
    pub connect_timeout_s: f64,
    /// The Unix socket that everything went to.
    pub unix_socket: Option<String>,
    /// Addresses in place of the resolver's, as `host:port:address,address`.
    pub resolve: Vec<String>,
    /// Local addresses that shared the connections, as they were given; none: the kernel chose.
    pub sources: Vec<String>,
    /// TCP congestion control, when one was asked for; what took effect is in `environment.congestion_control`.
    pub tcp_congestion: Option<String>,
    /// How long the addresses of a name were believed; none: the whole run.
    pub dns_ttl_s: Option<f64>,
    /// Public hosts that a target on this host or in a private network could lead to.
    pub allow_hosts: Vec<String>,
    /// The proxy, without its credentials; several with commas between.
    pub proxy: Option<String>,
    /// The option or the variable of the environment that names it.
    pub proxy_from: Option<String>,
    /// Load before the measuring.
    pub warmup_s: f64,
    /// How often figures were collected while load was sent.
    pub interval_s: f64,
    /// Most series that samples could make, of a flow's own metrics and tags.
    pub max_series: u32,
    /// How long requests in flight may take after the end.
    pub drain_s: f64,
    /// Longest head of a response.
    pub max_head_bytes: u64,
    /// How much of a body checks and extractions could look at; `None` (`null`) in plain runs.
    pub max_body_bytes: Option<u64>,
    /// Memory that the run could have, if that was said.
    pub max_memory_bytes: Option<u64>,
    /// `auto`, `spin` or `sleep`, as asked for; what was done is in `generator.wait`.
    pub wait: String,
    /// `auto`, `uring` or `epoll`, as asked for; what was done is in `environment.driver`.
    pub driver: String,
    /// Whether requests were sent again that met a connection which was just being closed.
    pub resend: bool,
    /// Whether an INVALID verdict exits 0.
    pub allow_invalid: bool,
    /// Seed of everything random.
    pub seed: u64,
}

/// Facts about the machine and the means. `None` (`null`) where the kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Release of the kernel.
    pub kernel: String,
    /// The processor's name.
    pub cpu: Option<String>,
    /// Cores online.
    pub cores: usize,
    /// The kernel's source of time.
    pub clocksource: Option<String>,
    /// The driver that carried the bytes: `uring` or `epoll`.
    pub driver: String,
    /// Why it is not the one that `auto` prefers, or what is amiss with it.
    pub driver_note: Option<String>,
    /// Features of io_uring that were in use.
    pub ring_features: Vec<String>,
    /// TCP congestion control of the connections; none over a Unix socket.
    pub congestion_control: Option<String>,
    /// Whether the target has an address of this host.
    pub target_on_this_host: bool,
    /// The container engine that seems to be around the process.
    pub container: Option<String>,
}

/// What became of the requests. `scheduled = started + dropped + backlog_at_end` and
/// `started = completed + failed + in_flight_at_end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Arrivals that came due; in the closed model the same as `started`.
    pub scheduled: u64,
    /// Sent.
    pub started: u64,
    /// Whole responses, of any status.
    pub completed: u64,
    /// Those that came before the measured window closed; rates count these.
    pub completed_in_window: u64,
    /// Sent, and no whole response came.
    pub failed: u64,
    /// Those of `started` that were sent a second time, since the first connection had ended without processing them.
    pub resent: u64,
    /// Those of `failed` that were still waited for when the time for that was over.
    pub unanswered: u64,
    /// Arrivals that could not start within the bounds.
    pub dropped: u64,
    /// Neither answered nor failed when the run was stopped before its time.
    pub in_flight_at_end: u64,
    /// Arrivals that still waited when the run ended.
    pub backlog_at_end: u64,
}

/// Rates and amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Whole responses in the window per second of it.
    pub requests_per_s: f64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses, heads and framing included.
    pub received_bytes: u64,
}

/// How the connections fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// So many were to stand all the time; `None` (`null`) where virtual users open them as they need them.
    pub asked: Option<u32>,
    /// Fewest that stood at a time within the window.
    pub open_min: u32,
    /// On average over the window.
    pub open_mean: f64,
    /// Most that stood at a time within the window.
    pub open_max: u32,
    /// Established.
    pub established: u64,
    /// Those that took the place of a lost one.
    pub reconnects: u64,
    /// Attempts that failed; no request was on them.
    pub failed_attempts: u64,
    /// Failed attempts by kind, those that occurred.
    pub errors: BTreeMap<String, u64>,
    /// What lay behind them, as far as it is known, in words.
    pub reasons: BTreeMap<String, u64>,
}

/// What lay behind errors of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorSample {
    /// Their kind.
    pub kind: String,
    /// In words.
    pub reason: String,
    /// Connections that ended so, each with one request or more.
    pub count: u64,
    /// What came, the first time: at most 64 bytes, those that are not printable escaped; `None` (`null`) where nothing did.
    pub excerpt: Option<String>,
}

/// How long things took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// From the scheduled start to the whole response.
    pub response_time: LatencySection,
    /// From the send to the whole response.
    pub service_time: LatencySection,
    /// From the scheduled start to the send.
    pub start_lag: LatencySection,
    /// From the scheduled start to when the worker noticed. Empty in the closed model.
    pub pickup_lag: LatencySection,
    /// Opening a connection: until TCP stands, or the proxy's tunnel.
    pub connect: LatencySection,
    /// The TLS handshake, from there.
    pub tls_handshake: LatencySection,
    /// From the send to the first byte of the response.
    pub first_byte: LatencySection,
}

/// One distribution. All figures are 0 when `count` is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencySection {
    /// Number of values.
    pub count: u64,
    /// How many of them are ages of requests that were never answered: `response_time` alone has any.
    pub censored: u64,
    /// Smallest.
    pub min_us: f64,
    /// Mean.
    pub mean_us: f64,
    /// Standard deviation.
    pub stddev_us: f64,
    /// Largest.
    pub max_us: f64,
    /// Percentiles.
    pub percentiles_us: Percentiles,
    /// All of it: base64 of HdrHistogram's V2 format with deflate, values in ns.
    pub hdr: String,
}

impl LatencySection {
    /// The whole distribution.
    ///
    /// # Errors
    /// When `hdr` was not written by squall, or was changed.
    pub fn histogram(&self) -> Result<Histogram, HistogramError> {
        Histogram::from_base64(&self.hdr)
    }
}

/// Values that so many percent of all do not exceed, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    #[serde(rename = "50")]
    pub p50: f64,
    /// 75th.
    #[serde(rename = "75")]
    pub p75: f64,
    /// 90th.
    #[serde(rename = "90")]
    pub p90: f64,
    /// 95th.
    #[serde(rename = "95")]
    pub p95: f64,
    /// 99th.
    #[serde(rename = "99")]
    pub p99: f64,
    /// 99.9th.
    #[serde(rename = "99.9")]
    pub p99_9: f64,
    /// 99.99th.
    #[serde(rename = "99.99")]
    pub p99_99: f64,
    /// 99.999th.
    #[serde(rename = "99.999")]
    pub p99_999: f64,
}

/// What the generator itself used over the measured window, and how much room it had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// How the workers waited: `spin` or `sleep`.
    pub wait: String,
    /// CPU time of the workers in user mode.
    pub user_cpu_s: f64,
    /// CPU time of the workers in the kernel.
    pub system_cpu_s: f64,
    /// CPU time per request completed in the window; `None` (`null`) when there was none.
    pub cpu_us_per_request: Option<f64>,
    /// Peak of the process's resident memory.
    pub max_rss_bytes: u64,
    /// Share of the workers' cores that the hypervisor gave to others, 0 to 1.
    pub steal_share: f64,
    /// How long a CPU quota kept threads that were ready from running, as a share of the window, 0 to 1.
    pub throttled_share: f64,
    /// How long the workers were ready to run and did not, as a share of their time, 0 to 1: others had their cores, or a quota
    /// was used up.
    pub run_delay_share: f64,
    /// Time in which scripts computed, as a share of the workers' time; 0 without a script.
    pub script_share: f64,
    /// How long the control group waited for memory, as a share of the window, 0 to 1.
    pub memory_stall_share: f64,
    /// Cores that generator and target both may run on.
    pub shared_cores: Vec<usize>,
    /// Longest gap between two turns of a worker that should have followed at once.
    pub longest_standstill_s: f64,
    /// One entry per worker.
    pub workers: Vec<WorkerSection>,
}

/// What one worker used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerSection {
    /// Its core.
    pub core: usize,
    /// Whether it was pinned there.
    pub pinned: bool,
    /// CPU time as a share of the window.
    pub cpu_share: f64,
    /// Time in turns of the loop that did something, as a share of the window.
    pub busy_share: f64,
    /// How long it was ready to run and did not, as a share of the window.
    pub run_delay_share: f64,
    /// Page faults that waited for storage.
    pub major_faults: u64,
    /// CPU time in user mode.
    pub user_cpu_s: f64,
    /// CPU time in the kernel.
    pub system_cpu_s: f64,
    /// Turns of the loop.
    pub turns: u64,
    /// System calls made to submit or wait.
    pub enters: u64,
    /// Completions that did not fit into the completion queue at once.
    pub cq_overflows: u64,
    /// Receives that found no free buffer.
    pub buffer_starvations: u64,
    /// How long it waited for room for samples; 0 without `--samples`.
    pub samples_wait_s: f64,
}

/// What came of `--samples`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplesSection {
    /// Where they went; `None` (`null`) without `--samples`.
    pub file: Option<String>,
    /// How many were written.
    pub written: u64,
    /// Why not all of them were.
    pub error: Option<String>,
}

/// What happened within one stretch of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// End of the stretch, from the start of measuring.
    pub t_s: f64,
    /// Whole responses.
    pub requests: u64,
    /// Failed requests.
    pub failed: u64,
    /// Median response time.
    pub p50_us: f64,
    /// 99th percentile of the response time.
    pub p99_us: f64,
    /// Longest response time.
    pub max_us: f64,
    /// Open connections at its end.
    pub connections: u64,
    /// Virtual users at its end.
    pub vus: u64,
}

#[cfg(test)]
mod tests;
