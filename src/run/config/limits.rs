//! How much of something there may be: what waits, what is kept apart, what is read.

use std::ops::RangeInclusive;

use super::error::Problems;
use super::{RawConfig, SERIES_LIMIT};
use crate::http::head::MAX_HEAD;
use crate::load::LoadModel;
use crate::stats::registry::SERIES_MAX;
use crate::units::{ByteSize, Nanos, Rate};

/// The backlog's default is at least this many arrivals, …
const BACKLOG_DEFAULT_MIN: u64 = 100_000;
/// … and grows with the rate to hold this much time, …
const BACKLOG_DEFAULT_TIME: Nanos = Nanos::from_secs(10);
/// … up to this many: at 8 bytes each, 80 MB that only a stalled target fills.
const BACKLOG_DEFAULT_MAX: u64 = 10_000_000;
/// What may be asked for: 800 MB.
const BACKLOG_MAX: u64 = 100_000_000;

/// How much of a body is looked at unless asked otherwise, in bytes.
pub(super) const MAX_BODY: usize = 64 << 20;

/// What `--max-head` takes, in bytes.
const HEAD_LIMITS: RangeInclusive<u64> = 1 << 10..=16 << 20;

/// The limits that options set.
pub(super) struct Limits {
    pub(super) backlog: u64,
    pub(super) series: u32,
    pub(super) head: usize,
    pub(super) body: usize,
    pub(super) memory: Option<u64>,
}

/// Reads all of them.
pub(super) fn limits(raw: &RawConfig, load: &LoadModel, problems: &mut Problems) -> Limits {
    Limits {
        backlog: max_backlog(raw, load, problems),
        series: max_series(raw, problems),
        head: max_head(raw, problems),
        body: max_body(raw, problems),
        memory: max_memory(raw, problems),
    }
}

/// Reads `--max-backlog`; 0 lets no arrival wait. In the closed model there is no backlog.
fn max_backlog(raw: &RawConfig, load: &LoadModel, problems: &mut Problems) -> u64 {
    let LoadModel::Open(schedule) = load else {
        // A rate that does not parse is a problem of its own.
        if raw.max_backlog.is_some() && raw.rate.is_none() {
            problems.add(
                "--max-backlog",
                "needs a rate: without -R no arrivals can wait. Add -R, for example -R 1000/s",
            );
        }
        return 0;
    };
    match raw.max_backlog {
        Some(asked) if asked > BACKLOG_MAX => {
            problems.add(
                "--max-backlog",
                format!("{asked} is above {BACKLOG_MAX}: each waiting arrival takes memory"),
            );
            BACKLOG_MAX
        }
        Some(asked) => asked,
        None => default_backlog(schedule.rate),
    }
}

/// The backlog of a rate, unless asked otherwise.
pub(super) fn default_backlog(rate: Rate) -> u64 {
    rate.arrivals_in(BACKLOG_DEFAULT_TIME).clamp(BACKLOG_DEFAULT_MIN, BACKLOG_DEFAULT_MAX)
}

/// Reads `--max-series`; 0 gives no set of tags a series of its own.
fn max_series(raw: &RawConfig, problems: &mut Problems) -> u32 {
    match raw.max_series {
        None => SERIES_MAX,
        Some(asked) if asked <= u64::from(SERIES_LIMIT) => asked as u32,
        Some(asked) => {
            problems.add(
                "--max-series",
                format!(
                    "{asked} series are too many: up to {SERIES_LIMIT}, since each takes kilobytes in every worker. What is \
                     beyond goes together and is in all totals; fewer different values of tags need fewer series"
                ),
            );
            SERIES_LIMIT
        }
    }
}

/// Reads `--max-body`.
fn max_body(raw: &RawConfig, problems: &mut Problems) -> usize {
    let asked =
        raw.max_body.as_deref().and_then(|text| problems.note("--max-body", text.parse::<ByteSize>()));
    asked.map_or(MAX_BODY, |ByteSize(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Reads `--max-memory`.
fn max_memory(raw: &RawConfig, problems: &mut Problems) -> Option<u64> {
    let text = raw.max_memory.as_deref()?;
    problems.note("--max-memory", text.parse::<ByteSize>()).map(|ByteSize(bytes)| bytes)
}

/// Reads `--max-head`.
fn max_head(raw: &RawConfig, problems: &mut Problems) -> usize {
    let asked =
        raw.max_head.as_deref().and_then(|text| problems.note("--max-head", text.parse::<ByteSize>()));
    let Some(ByteSize(bytes)) = asked else { return MAX_HEAD };
    if !HEAD_LIMITS.contains(&bytes) {
        problems.add(
            "--max-head",
            format!(
                "{} is out of bounds: {} to {}, since each connection may hold a head in memory",
                ByteSize(bytes),
                ByteSize(*HEAD_LIMITS.start()),
                ByteSize(*HEAD_LIMITS.end())
            ),
        );
        return MAX_HEAD;
    }
    bytes as usize
}
