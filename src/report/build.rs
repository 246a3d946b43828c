//! From measurements to the report.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::{
    ConfigSection, Connections, ERROR_KINDS, Environment, ErrorSample, Generator, Latency, LatencySection,
    OnceSection, OriginEntry, Percentiles, Report, Requests, SCHEMA_VERSION, SamplesSection, ScenarioParts,
    SeriesSection, Throughput, TimelineEntry, TlsSection, Tool, WorkerSection,
};
use crate::secrets::Redactor;
use crate::stats::counts::ErrorCounts;
use crate::stats::histogram::Histogram;
use crate::stats::outcome::ErrorKind;
use crate::stats::summary::{Summary, TimelinePoint};
use crate::units::Nanos;
use crate::verdict::{Readings, Verdict, WorkerReadings};

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct ReportParts<'a> {
    /// Effective settings.
    pub config: ConfigSection,
    /// Where it ran.
    pub environment: Environment,
    /// What came of TLS.
    pub tls: TlsSection,
    /// Where requests went.
    pub origins: Vec<OriginEntry>,
    /// What lay behind errors.
    pub reasons: ErrorReasons,
    /// What was measured.
    pub summary: &'a Summary,
    /// What was concluded.
    pub verdict: Verdict,
    /// What was read about the generator.
    pub readings: &'a Readings,
    /// What scenarios came to; none in plain runs.
    pub scenarios: Option<ScenarioParts<'a>>,
    /// Stopped before its time, by a signal.
    pub aborted: bool,
    /// What the plan did once, before the load.
    pub once: Option<OnceSection>,
    /// When the run began, since the Unix epoch.
    pub started_at: Nanos,
    /// Peak of the process's resident memory.
    pub max_rss_bytes: u64,
    /// Keeps secrets out of every text.
    pub secrets: &'a Redactor,
}

/// What lay behind errors, of requests and of connections.
#[derive(Clone, Debug, Default)]
pub struct ErrorReasons {
    /// Those that failed requests.
    pub of_requests: Vec<ErrorSample>,
    /// The others, with how often they were met.
    pub of_connections: BTreeMap<String, u64>,
}

impl Report {
    /// Puts a report together; nothing gets into one past the redactor.
    pub fn new(parts: ReportParts<'_>) -> Report {
        let secrets = parts.secrets;
        Report::unredacted(parts).without(secrets)
    }

    fn unredacted(parts: ReportParts<'_>) -> Report {
        let (summary, scenarios) = (parts.summary, parts.scenarios);
        let max_series = parts.config.max_series;
        let started_at = UNIX_EPOCH + Duration::from_nanos(parts.started_at.0);
        Report {
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() },
            aborted: parts.aborted,
            verdict: parts.verdict,
            config: parts.config,
            environment: parts.environment,
            started_at: humantime::format_rfc3339_millis(started_at).to_string(),
            duration_s: summary.duration.as_secs_f64(),
            requests: requests(summary),
            status: summary.counts.status.iter().collect(),
            errors: errors(&summary.counts.errors),
            error_samples: parts.reasons.of_requests,
            throughput: Throughput {
                requests_per_s: finite(summary.requests_per_s()),
                sent_bytes: summary.counts.sent_bytes,
                received_bytes: summary.counts.received_bytes,
            },
            tls: parts.tls,
            connections: Connections {
                asked: parts.readings.connections.asked,
                open_min: parts.readings.connections.least,
                open_mean: finite(parts.readings.connections.mean),
                open_max: parts.readings.connections.most,
                established: summary.counts.connects,
                reconnects: summary.counts.reconnects,
                failed_attempts: summary.counts.connect_failures,
                errors: by_key(&summary.counts.connect_errors),
                reasons: parts.reasons.of_connections,
            },
            origins: parts.origins,
            once: parts.once,
            series: SeriesSection::of(&summary.tally, max_series),
            latency: latency(summary),
            generator: generator(summary, parts.readings, parts.max_rss_bytes),
            samples: samples(parts.readings),
            checks: scenarios.map(|s| s.checks()).unwrap_or_default(),
            thresholds: scenarios.map(|s| s.thresholds()).unwrap_or_default(),
            timeline: summary.timeline.iter().map(timeline_entry).collect(),
            scenarios: scenarios.map(|s| s.scenarios()).unwrap_or_default(),
            steps: scenarios.map(|s| s.steps()).unwrap_or_default(),
            metrics: scenarios.map(|s| s.metrics()).unwrap_or_default(),
        }
    }
}

fn requests(summary: &Summary) -> Requests {
    let counts = &summary.counts;
    Requests {
        scheduled: counts.scheduled,
        started: counts.started,
        completed: counts.completed,
        completed_in_window: counts.completed_in_window,
        failed: counts.failed,
        resent: counts.resent,
        unanswered: counts.errors.of(ErrorKind::Unanswered),
        dropped: counts.dropped,
        in_flight_at_end: summary.in_flight_at_end,
        backlog_at_end: summary.backlog_at_end,
    }
}

fn errors(counts: &ErrorCounts) -> BTreeMap<String, u64> {
    let mut errors = by_key(counts);
    for kind in ERROR_KINDS {
        errors.entry(kind.into()).or_default();
    }
    errors
}

fn by_key(counts: &ErrorCounts) -> BTreeMap<String, u64> {
    counts.iter().map(|(kind, n)| (kind.key().into(), n)).collect()
}

fn latency(summary: &Summary) -> Latency {
    let set = &summary.latency;
    Latency {
        response_time: LatencySection { censored: set.censored, ..section(&set.response_time) },
        service_time: section(&set.service_time),
        start_lag: section(&set.start_lag),
        pickup_lag: section(&set.pickup_lag),
        connect: section(&set.connect),
        tls_handshake: section(&set.tls_handshake),
        first_byte: section(&set.first_byte),
    }
}

pub(super) fn section(histogram: &Histogram) -> LatencySection {
    let at = |percent| us(histogram.percentile(percent));
    // Values count as the middle of their step in the mean, which is not zero for the lowest step,
    // though all its values show as zero.
    let all_zero = histogram.max() == Nanos::ZERO;
    let moment = |ns: f64| if all_zero { 0.0 } else { finite(ns) / 1e3 };
    LatencySection {
        count: histogram.len(),
        censored: 0,
        min_us: us(histogram.min()),
        mean_us: moment(histogram.mean()),
        stddev_us: moment(histogram.stddev()),
        max_us: us(histogram.max()),
        percentiles_us: Percentiles {
            p50: at(50.0),
            p75: at(75.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p99_9: at(99.9),
            p99_99: at(99.99),
            p99_999: at(99.999),
        },
        hdr: histogram.to_base64(),
    }
}

fn generator(summary: &Summary, readings: &Readings, max_rss_bytes: u64) -> Generator {
    let workers = &readings.workers;
    let user: Nanos = sum(workers.iter().map(|worker| worker.user_cpu));
    let system: Nanos = sum(workers.iter().map(|worker| worker.system_cpu));
    // The CPU time is that of the window, so the requests must be too.
    let requests = summary.counts.completed_in_window;
    Generator {
        wait: if readings.spinning { "spin" } else { "sleep" }.into(),
        user_cpu_s: user.as_secs_f64(),
        system_cpu_s: system.as_secs_f64(),
        cpu_us_per_request: (requests > 0).then(|| us(user + system) / requests as f64),
        max_rss_bytes,
        steal_share: finite(readings.steal_share),
        throttled_share: part(readings.throttling.time, readings.wall),
        script_share: finite(readings.script_share.unwrap_or(0.0)),
        run_delay_share: part(
            sum(workers.iter().map(|worker| worker.run_delay)),
            sum(workers.iter().map(|worker| worker.wall)),
        ),
        memory_stall_share: part(readings.memory_stall, readings.wall),
        shared_cores: readings.shared_cores.clone(),
        longest_standstill_s: readings.stopped_for.as_secs_f64(),
        workers: workers.iter().map(worker_section).collect(),
    }
}

fn worker_section(worker: &WorkerReadings) -> WorkerSection {
    WorkerSection {
        core: worker.core,
        pinned: worker.pinned,
        cpu_share: worker.cpu_share(),
        busy_share: worker.busy_share(),
        run_delay_share: part(worker.run_delay, worker.wall),
        major_faults: worker.major_faults,
        user_cpu_s: worker.user_cpu.as_secs_f64(),
        system_cpu_s: worker.system_cpu.as_secs_f64(),
        turns: worker.turns,
        enters: worker.enters,
        cq_overflows: worker.cq_overflows,
        buffer_starvations: worker.buffer_starvations,
        samples_wait_s: worker.samples_wait.as_secs_f64(),
    }
}

fn samples(readings: &Readings) -> SamplesSection {
    let Some(samples) = &readings.samples else { return SamplesSection::default() };
    SamplesSection {
        file: Some(samples.place.clone()),
        written: samples.written,
        error: samples.error.clone(),
    }
}

fn timeline_entry(point: &TimelinePoint) -> TimelineEntry {
    let response = &point.response_time;
    TimelineEntry {
        t_s: point.t.as_secs_f64(),
        requests: point.requests,
        failed: point.failed,
        p50_us: us(response.percentile(50.0)),
        p99_us: us(response.percentile(99.0)),
        max_us: us(response.max()),
        connections: point.connections,
        vus: point.vus,
    }
}

/// A share of a time, 0 to 1; 0 of none.
fn part(span: Nanos, of: Nanos) -> f64 {
    finite(span.0 as f64 / of.0 as f64).min(1.0)
}

fn sum(spans: impl Iterator<Item = Nanos>) -> Nanos {
    spans.fold(Nanos::ZERO, |total, span| total + span)
}

fn us(span: Nanos) -> f64 {
    span.0 as f64 / 1e3
}

/// JSON has no NaN; serde_json would write `null` where the contract promises a number.
pub(super) fn finite(figure: f64) -> f64 {
    if figure.is_finite() { figure } else { 0.0 }
}
