//! Snapshots as bytes: for files, and for other machines.
//!
//! `SQSN`, the version as one byte, then the figures in postcard's encoding (lengths and integers as varints). Histograms are their counters
//! that are not zero, each with its distance from the one before: mostly a byte for both. Merging what was read is merging what was
//! written, exactly.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::stats::compact::CompactHistogram;
use crate::stats::counts::{Counts, ErrorCounts, StatusCounts};
use crate::stats::histogram::Histogram;
use crate::stats::outcome::ErrorKind;
use crate::stats::registry::{KeyRef, Kind, Registry, Role};
use crate::stats::selectors::Selector;
use crate::stats::series::{Counter, Figures, Gauge, Rate, Requests, Trend};
use crate::stats::snapshot::Snapshot;
use crate::stats::tally::{ScenarioTally, Tally};
use crate::units::Nanos;

const MAGIC: &[u8; 4] = b"SQSN";
/// Of the encoding; to be raised with every change of it.
pub const VERSION: u8 = 4;
/// No count is larger, so that sums of many cannot overflow: 285 years of a million a second.
const COUNT_MAX: u64 = 1 << 53;

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// They do not begin as one.
    #[error("these are no squall snapshot: the first four bytes are not SQSN")]
    Foreign,
    /// Of another version of squall.
    #[error(
        "a snapshot in format {found}, and this squall reads format {VERSION}: use the same version of squall on all sides"
    )]
    Version {
        /// Its version.
        found: u8,
    },
    /// Cut off, or changed on the way.
    #[error("a damaged snapshot: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
}

fn damaged(what: impl Into<String>) -> WireError {
    WireError::Damaged { what: what.into() }
}

/// Counters that are not zero, in ascending order. Each as one LEB128 number, mostly of one byte: four times the distance from the one before
/// (the first: from 0), and the count less one; from [`MORE`] on that, and the rest of the count behind it.
#[derive(Serialize, Deserialize)]
struct Steps<'a>(#[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>);

/// Counts less one from here on go on in a number of their own.
const MORE: u64 = 3;

#[derive(Serialize, Deserialize)]
struct Whole<'a> {
    worker: u32,
    #[serde(borrow)]
    counts: CountsPart<'a>,
    #[serde(borrow)]
    latencies: [Steps<'a>; 9],
    #[serde(borrow)]
    tally: TallyPart<'a>,
    gauges: [u64; 4],
    end: u64,
    drain: bool,
}

#[derive(Serialize, Deserialize)]
struct CountsPart<'a> {
    numbers: [u64; 13],
    status: Vec<(u16, u64)>,
    #[serde(borrow)]
    errors: Vec<(&'a str, u64)>,
    #[serde(borrow)]
    connect_errors: Vec<(&'a str, u64)>,
}

#[derive(Serialize, Deserialize)]
struct TallyPart<'a> {
    bound: u32,
    made: u32,
    #[serde(borrow)]
    texts: Vec<&'a str>,
    selectors: Vec<SelectorPart>,
    keys: Vec<KeyPart>,
    #[serde(borrow)]
    figures: Vec<FiguresPart<'a>>,
    #[serde(borrow)]
    scenarios: Vec<ScenarioPart<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SelectorPart {
    metric: u32,
    tags: Vec<(u32, u32)>,
}

#[derive(Serialize, Deserialize)]
struct KeyPart {
    metric: u32,
    kind: Kind,
    role: Role,
    tags: Vec<(u32, u32)>,
}

#[derive(Serialize, Deserialize)]
enum FiguresPart<'a> {
    Requests {
        counts: [u64; 3],
        #[serde(borrow)]
        tables: Vec<(u8, Steps<'a>)>,
    },
    Counter(f64, u64),
    Gauge {
        at: u64,
        value: f64,
        ends: [f64; 2],
        samples: u64,
    },
    Rate(u64, u64),
    Trend {
        ends: [f64; 3],
        #[serde(borrow)]
        values: Steps<'a>,
        #[serde(borrow)]
        negative: Steps<'a>,
    },
}

#[derive(Serialize, Deserialize)]
struct ScenarioPart<'a> {
    sums: [u64; 10],
    vus: [u64; 2],
    #[serde(borrow)]
    duration: Steps<'a>,
}

/// The bytes of a snapshot.
pub fn write(snapshot: &Snapshot) -> Vec<u8> {
    let whole = Whole {
        worker: snapshot.worker,
        counts: counts_part(&snapshot.counts),
        latencies: snapshot.latencies.tables().map(dense_steps),
        tally: tally_part(&snapshot.tally),
        gauges: [snapshot.connections, snapshot.vus, snapshot.in_flight, snapshot.backlog],
        end: snapshot.end.0,
        drain: snapshot.drain,
    };
    let head = [MAGIC.as_slice(), &[VERSION]].concat();
    postcard::to_extend(&whole, head).expect("writing to memory does not fail")
}

/// The snapshot that was written as these bytes.
///
/// # Errors
/// When they are none, or of another version, or damaged. Never panics, and takes no more memory than a few times their length.
pub fn read(bytes: &[u8]) -> Result<Snapshot, WireError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(WireError::Foreign)?;
    let rest = match rest.split_first() {
        Some((&VERSION, rest)) => rest,
        Some((found, _)) => return Err(WireError::Version { found: *found }),
        None => return Err(damaged("it ends behind its first bytes")),
    };
    let (whole, left): (Whole, _) = postcard::take_from_bytes(rest).map_err(|e| damaged(e.to_string()))?;
    if !left.is_empty() {
        return Err(damaged(format!("{} bytes behind its end", left.len())));
    }
    let mut snapshot = Snapshot::new(whole.worker);
    let mut scratch = Counters::new();
    snapshot.counts = read_counts(whole.counts)?;
    for (to, steps) in snapshot.latencies.tables_mut().into_iter().zip(&whole.latencies) {
        read_steps(steps, &mut scratch)?.merge_into(to);
    }
    snapshot.tally = read_tally(whole.tally, &mut scratch)?;
    whole.gauges.iter().try_for_each(|gauge| plausible(*gauge).map(drop))?;
    [snapshot.connections, snapshot.vus, snapshot.in_flight, snapshot.backlog] = whole.gauges;
    snapshot.end = Nanos(whole.end);
    snapshot.drain = whole.drain;
    Ok(snapshot)
}

fn plausible(count: u64) -> Result<u64, WireError> {
    if count <= COUNT_MAX { Ok(count) } else { Err(damaged(format!("a count of {count}"))) }
}

fn dense_steps(histogram: &Histogram) -> Steps<'static> {
    steps(&CompactHistogram::of(histogram))
}

fn steps(histogram: &CompactHistogram) -> Steps<'static> {
    let (mut bytes, mut before) = (Vec::with_capacity(128), 0);
    histogram.each_counter(|counter, count| {
        let distance = counter - before;
        before = counter;
        let more = (count - 1).min(MORE);
        match u64::from(distance) << 2 | more {
            // By far the most frequent.
            number @ 0..0x80 => bytes.push(number as u8),
            number => put_number(&mut bytes, number),
        }
        if more == MORE {
            put_number(&mut bytes, count - 1 - MORE);
        }
    });
    Steps(Cow::Owned(bytes))
}

/// As LEB128: seven bits a byte, the lowest first.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut std::slice::Iter<'_, u8>) -> Result<u64, WireError> {
    let mut number = 0;
    for shift in (0..56).step_by(7) {
        let byte = *bytes.next().ok_or_else(|| damaged("a histogram that is cut off"))?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(damaged("a number that is too long"))
}

/// Counters of the histogram that is being read; its memory serves them all.
type Counters = Vec<(u16, u64)>;

fn read_steps(steps: &Steps<'_>, counters: &mut Counters) -> Result<CompactHistogram, WireError> {
    counters.clear();
    let (mut at, mut all, mut bytes) = (0u64, 0u64, steps.0.iter());
    while let Some(first) = bytes.as_slice().first() {
        let number = match *first {
            // By far the most frequent.
            0..0x80 => {
                bytes.next();
                u64::from(*first)
            }
            _ => take_number(&mut bytes)?,
        };
        let (distance, more) = (number >> 2, number & 3);
        let mut count = 1 + more;
        if more == MORE {
            count += plausible(take_number(&mut bytes)?)?;
        }
        // The first may be counter 0; every other one is a later one.
        if distance == 0 && !counters.is_empty() {
            return Err(damaged("a histogram with a step twice"));
        }
        at += distance;
        if at > u64::from(u16::MAX) {
            return Err(damaged("a histogram beyond its end"));
        }
        all += count;
        if all > COUNT_MAX {
            return Err(damaged(format!("a count of {all}")));
        }
        counters.push((at as u16, count));
    }
    CompactHistogram::of_counters(counters)
        .ok_or_else(|| damaged("a histogram with a step that there is not"))
}

fn counts_part(counts: &Counts) -> CountsPart<'static> {
    let by_kind = |errors: &ErrorCounts| errors.iter().map(|(kind, count)| (kind.key(), count)).collect();
    CountsPart {
        numbers: counts.numbers().map(|number| *number),
        status: counts.status.iter().collect(),
        errors: by_kind(&counts.errors),
        connect_errors: by_kind(&counts.connect_errors),
    }
}

fn read_counts(part: CountsPart<'_>) -> Result<Counts, WireError> {
    let by_kind = |listed: Vec<(&str, u64)>| -> Result<ErrorCounts, WireError> {
        let mut counts = ErrorCounts::default();
        for (key, count) in listed {
            let kind = ErrorKind::ALL.into_iter().find(|kind| kind.key() == key);
            let kind =
                kind.ok_or_else(|| damaged(format!("an error of the kind `{}`", key.escape_debug())))?;
            counts.set(kind, plausible(count)?);
        }
        Ok(counts)
    };
    let mut status = StatusCounts::default();
    for (code, count) in part.status {
        if !status.set(code, plausible(count)?) {
            return Err(damaged(format!("the status {code}")));
        }
    }
    let mut counts = Counts { status, ..Counts::default() };
    for (to, number) in counts.numbers_mut().into_iter().zip(part.numbers) {
        *to = plausible(number)?;
    }
    counts.errors = by_kind(part.errors)?;
    counts.connect_errors = by_kind(part.connect_errors)?;
    Ok(counts)
}

/// Texts by number, each once.
#[derive(Default)]
struct Texts<'a> {
    numbers: std::collections::HashMap<&'a str, u32>,
    all: Vec<&'a str>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.all.push(text);
            self.all.len() as u32 - 1
        })
    }
}

fn tally_part(tally: &Tally) -> TallyPart<'_> {
    let mut texts = Texts::default();
    let mut keys = Vec::with_capacity(tally.registry().keys().len());
    for key in tally.registry().keys() {
        keys.push(KeyPart {
            metric: texts.number(key.metric()),
            kind: key.kind(),
            role: key.role(),
            tags: key.tags().map(|(name, value)| (texts.number(name), texts.number(value))).collect(),
        });
    }
    let mut selectors = Vec::new();
    for selector in tally.registry().selectors().iter() {
        let tags = selector.tags.iter();
        selectors.push(SelectorPart {
            metric: texts.number(&selector.metric),
            tags: tags.map(|(name, value)| (texts.number(name), texts.number(value))).collect(),
        });
    }
    TallyPart {
        selectors,
        bound: tally.registry().bound(),
        made: tally.registry().made(),
        texts: texts.all,
        keys,
        figures: tally.series().map(|(_, figures)| figures_part(figures)).collect(),
        scenarios: tally.scenarios.iter().map(scenario_part).collect(),
    }
}

fn read_tally(part: TallyPart<'_>, scratch: &mut Counters) -> Result<Tally, WireError> {
    let text = |number: u32| {
        let text = part.texts.get(number as usize);
        text.copied().ok_or_else(|| damaged("a text that there is not"))
    };
    let mut registry = Registry::new(part.bound);
    for key in &part.keys {
        let tags = key.tags.iter().map(|(name, value)| Ok((text(*name)?, text(*value)?)));
        let tags: Vec<(&str, &str)> = tags.collect::<Result<_, WireError>>()?;
        if !tags.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(damaged("tags out of order"));
        }
        let key = KeyRef { metric: text(key.metric)?, kind: key.kind, tags: &tags, role: key.role };
        registry.append(key);
    }
    registry.set_made(part.made);
    let mut selectors = Vec::with_capacity(part.selectors.len());
    for selector in &part.selectors {
        let tags =
            selector.tags.iter().map(|(name, value)| Ok((text(*name)?.to_owned(), text(*value)?.to_owned())));
        let tags = tags.collect::<Result<_, WireError>>()?;
        selectors.push(Selector { metric: text(selector.metric)?.to_owned(), tags });
    }
    registry.set_selectors(selectors);
    let series: Vec<Figures> =
        part.figures.into_iter().map(|part| read_figures(part, scratch)).collect::<Result<_, _>>()?;
    let scenarios: Vec<ScenarioTally> =
        part.scenarios.iter().map(|part| read_scenario(part, scratch)).collect::<Result<_, _>>()?;
    Tally::of_parts(registry, series, scenarios)
        .ok_or_else(|| damaged("series that are not those of their keys"))
}

fn figures_part(figures: &Figures) -> FiguresPart<'static> {
    match figures {
        Figures::Requests(requests) => {
            let tables = (0u8..).zip(requests.tables()).filter(|(_, table)| !table.is_empty());
            FiguresPart::Requests {
                counts: [requests.completed, requests.failed, requests.completed_in_window],
                tables: tables.map(|(number, table)| (number, steps(table))).collect(),
            }
        }
        Figures::Counter(counter) => FiguresPart::Counter(counter.sum, counter.samples),
        Figures::Gauge(Gauge { at, value, min, max, samples }) => {
            FiguresPart::Gauge { at: at.0, value: *value, ends: [*min, *max], samples: *samples }
        }
        Figures::Rate(rate) => FiguresPart::Rate(rate.passes, rate.fails),
        Figures::Trend(trend) => FiguresPart::Trend {
            ends: [trend.sum, trend.min, trend.max],
            values: steps(&trend.values),
            negative: steps(&trend.negative),
        },
    }
}

fn read_figures(part: FiguresPart<'_>, scratch: &mut Counters) -> Result<Figures, WireError> {
    let finite =
        |value: f64| if value.is_finite() { Ok(value) } else { Err(damaged("a value that is no number")) };
    Ok(match part {
        FiguresPart::Requests { counts, tables } => {
            counts.iter().try_for_each(|count| plausible(*count).map(drop))?;
            let mut requests = Requests::default();
            [requests.completed, requests.failed, requests.completed_in_window] = counts;
            let mut all = requests.tables_mut();
            for (number, steps) in tables {
                let table =
                    all.get_mut(usize::from(number)).ok_or_else(|| damaged("a table that there is not"))?;
                **table = read_steps(&steps, scratch)?;
            }
            Figures::Requests(Box::new(requests))
        }
        FiguresPart::Counter(sum, samples) => {
            Figures::Counter(Counter { sum: finite(sum)?, samples: plausible(samples)? })
        }
        FiguresPart::Gauge { at, value, ends: [min, max], samples } => {
            let (value, min, max) = (finite(value)?, finite(min)?, finite(max)?);
            if !(min..=max).contains(&value) {
                return Err(damaged("a gauge beyond its smallest or largest value"));
            }
            Figures::Gauge(Gauge { at: Nanos(at), value, min, max, samples: plausible(samples)? })
        }
        FiguresPart::Rate(passes, fails) => {
            Figures::Rate(Rate { passes: plausible(passes)?, fails: plausible(fails)? })
        }
        FiguresPart::Trend { ends: [sum, min, max], values, negative } => {
            let (sum, min, max) = (finite(sum)?, finite(min)?, finite(max)?);
            if min > max {
                return Err(damaged("a smallest value above the largest"));
            }
            let (values, negative) = (read_steps(&values, scratch)?, read_steps(&negative, scratch)?);
            Figures::Trend(Box::new(Trend { sum, min, max, values, negative }))
        }
    })
}

fn scenario_part(tally: &ScenarioTally) -> ScenarioPart<'static> {
    ScenarioPart {
        sums: tally.sums().map(|number| *number),
        vus: [tally.vus, tally.vus_max],
        duration: steps(&tally.iteration_duration),
    }
}

fn read_scenario(part: &ScenarioPart<'_>, scratch: &mut Counters) -> Result<ScenarioTally, WireError> {
    let mut tally = ScenarioTally {
        iteration_duration: read_steps(&part.duration, scratch)?,
        ..ScenarioTally::default()
    };
    for (to, number) in tally.sums_mut().into_iter().zip(part.sums) {
        *to = plausible(number)?;
    }
    (tally.vus, tally.vus_max) = (plausible(part.vus[0])?, plausible(part.vus[1])?);
    Ok(tally)
}

#[cfg(test)]
mod tests;
