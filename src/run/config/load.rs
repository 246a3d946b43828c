//! When requests start, and how long things may take.

use super::error::Problems;
use super::limits::{self, Limits};
use super::{
    CONNECT_TIMEOUT_DEFAULT, DURATION_DEFAULT, INTERVAL_DEFAULT, PIPELINE_MAX, RawConfig, TIMEOUT_DEFAULT,
    flags::words,
};
use crate::load::{Arrivals, LoadModel, Schedule};
use crate::units::{Nanos, Rate, parse_duration};

/// Shortest reporting interval. To merge and to empty the tables of one takes up to a millisecond for each worker: every
/// 100 ms that is a hundredth of a core, every 10 ms it would be a load of its own on the machine that measures.
const INTERVAL_MIN: Nanos = Nanos::from_millis(100);

/// The options that are durations.
pub(super) struct Times {
    pub(super) duration: Option<Nanos>,
    pub(super) timeout: Nanos,
    pub(super) drain: Nanos,
    pub(super) connect_timeout: Nanos,
    pub(super) tls_timeout: Nanos,
    pub(super) warmup: Nanos,
    pub(super) interval: Nanos,
}

/// What the options say about the load, by itself.
pub(super) struct Load {
    pub(super) times: Times,
    pub(super) load: LoadModel,
    pub(super) limits: Limits,
    pub(super) pipeline: u32,
}

impl Load {
    /// Reads all of it.
    pub(super) fn read(raw: &RawConfig, seed: u64, problems: &mut Problems) -> Load {
        let times = times(raw, problems);
        let load = model(raw, times.duration, seed, problems);
        let limits = limits::limits(raw, &load, problems);
        Load { times, load, limits, pipeline: pipeline(raw, problems) }
    }
}

/// Reads the durations.
fn times(raw: &RawConfig, problems: &mut Problems) -> Times {
    let duration = match raw.duration.as_deref() {
        Some(text) => match parse_duration(text) {
            Ok(Nanos::ZERO) => {
                problems.add("-d", "a run must last longer than zero");
                None
            }
            Ok(span) => Some(span),
            Err(error) => {
                // What hey, oha and ab users type for a body.
                problems.add(
                    "-d",
                    format!("{error}. -d is how long the run takes; a request body goes in --body"),
                );
                None
            }
        },
        None if raw.requests.is_some() => None,
        None => Some(DURATION_DEFAULT),
    };
    if raw.requests == Some(0) {
        problems.add("-n", "at least one request is needed");
    }
    let timeout = limit("--timeout", raw.timeout.as_deref(), problems).unwrap_or(TIMEOUT_DEFAULT);
    let connect_timeout = limit("--connect-timeout", raw.connect_timeout.as_deref(), problems);
    let connect_timeout = connect_timeout.unwrap_or(CONNECT_TIMEOUT_DEFAULT);
    let drain = raw.drain.as_deref().and_then(|text| problems.note("--drain", parse_duration(text)));
    let warmup = raw.warmup.as_deref().map(parse_duration);
    Times {
        duration,
        timeout,
        drain: drain.unwrap_or(timeout),
        connect_timeout,
        tls_timeout: limit("--tls-timeout", raw.tls.timeout.as_deref(), problems).unwrap_or(connect_timeout),
        warmup: warmup.and_then(|result| problems.note("--warmup", result)).unwrap_or(Nanos::ZERO),
        interval: interval(raw, problems),
    }
}

/// Reads `--interval`.
fn interval(raw: &RawConfig, problems: &mut Problems) -> Nanos {
    let asked = raw.interval.as_deref().and_then(|text| problems.note("--interval", parse_duration(text)));
    let interval = asked.unwrap_or(INTERVAL_DEFAULT);
    if interval < INTERVAL_MIN {
        problems.add(
            "--interval",
            format!("{interval} is too short: at least {INTERVAL_MIN}, since merging the workers' figures is load, too"),
        );
    }
    interval
}

pub(super) fn limit(option: &'static str, text: Option<&str>, problems: &mut Problems) -> Option<Nanos> {
    let span = problems.note(option, parse_duration(text?))?;
    if span == Nanos::ZERO {
        problems.add(option, "must be above zero: nothing is done in no time");
        return None;
    }
    Some(span)
}

/// Reads the load model: open with `-R`, closed without.
fn model(raw: &RawConfig, duration: Option<Nanos>, seed: u64, problems: &mut Problems) -> LoadModel {
    let arrivals =
        raw.arrivals.as_deref().and_then(|text| problems.note("--arrivals", words::arrivals(text)));
    let Some(text) = raw.rate.as_deref() else {
        if arrivals.is_some() {
            problems.add(
                "--arrivals",
                "needs a rate: without -R each connection sends as soon as its response is there \
                 (closed model), so nothing arrives by a schedule. Add -R, for example -R 1000/s",
            );
        }
        return LoadModel::Closed;
    };
    match problems.note("-R", text.parse::<Rate>()) {
        Some(rate) => LoadModel::Open(Schedule {
            rate,
            arrivals: arrivals.unwrap_or(Arrivals::Uniform),
            seed,
            end: duration,
            limit: raw.requests,
        }),
        None => LoadModel::Closed,
    }
}

/// Reads `-p`.
fn pipeline(raw: &RawConfig, problems: &mut Problems) -> u32 {
    match raw.pipeline {
        None => 1,
        Some(depth) if (1..=PIPELINE_MAX).contains(&depth) => depth as u32,
        Some(depth) => {
            problems.add(
                "-p",
                format!(
                    "{depth} requests in flight per connection; it takes 1 (no pipelining) to {PIPELINE_MAX}"
                ),
            );
            1
        }
    }
}
