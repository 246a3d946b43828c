//! k6's metrics, by their definitions, over what a run of scenarios kept apart.
//!
//! Times are in milliseconds, as k6 has them. Beside k6's own names stand squall's `response_time` (from the
//! schedule), `service_time` (the same as `http_req_duration`, of whole responses) and `start_lag`.

use std::collections::BTreeMap;

use crate::stats::compact::CompactHistogram;
use crate::stats::histogram::Histogram;
use crate::stats::layout::{CHECKS, Condition, Layout, OWN_TAGS, REQUESTS, Tags};
use crate::stats::outcome::ErrorKind;
use crate::stats::registry::Key;
pub use crate::stats::registry::Kind;
use crate::stats::series::{Figures, Rate, Requests};
use crate::stats::tally::{ScenarioTally, Tally};
use crate::units::Nanos;

/// A metric that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Requests,
    Failed,
    Duration,
    Blocked,
    Connecting,
    Tls,
    Sending,
    Waiting,
    Receiving,
    Response,
    Service,
    StartLag,
    Checks,
    Iterations,
    IterationDuration,
    Dropped,
    Vus,
    VusMax,
    Sent,
    Received,
    /// A flow's own: the series of its name.
    Own,
}

const fn metric(name: &'static str, kind: Kind, of: Of) -> Metric {
    Metric { name, kind, of }
}

/// All metrics, in the order of reports.
pub const METRICS: [Metric; 20] = [
    metric("checks", Kind::Rate, Of::Checks),
    metric("http_reqs", Kind::Counter, Of::Requests),
    metric("http_req_failed", Kind::Rate, Of::Failed),
    metric("http_req_duration", Kind::Trend, Of::Duration),
    metric("http_req_blocked", Kind::Trend, Of::Blocked),
    metric("http_req_connecting", Kind::Trend, Of::Connecting),
    metric("http_req_tls_handshaking", Kind::Trend, Of::Tls),
    metric("http_req_sending", Kind::Trend, Of::Sending),
    metric("http_req_waiting", Kind::Trend, Of::Waiting),
    metric("http_req_receiving", Kind::Trend, Of::Receiving),
    metric("response_time", Kind::Trend, Of::Response),
    metric("service_time", Kind::Trend, Of::Service),
    metric("start_lag", Kind::Trend, Of::StartLag),
    metric("iterations", Kind::Counter, Of::Iterations),
    metric("iteration_duration", Kind::Trend, Of::IterationDuration),
    metric("dropped_iterations", Kind::Counter, Of::Dropped),
    metric("vus", Kind::Gauge, Of::Vus),
    metric("vus_max", Kind::Gauge, Of::VusMax),
    metric("data_sent", Kind::Counter, Of::Sent),
    metric("data_received", Kind::Counter, Of::Received),
];

/// A flow's own metric of this name and kind. Names are kept for the process's life: there are as many as scripts define.
pub fn own(name: &str, kind: Kind) -> Metric {
    Metric { name: Box::leak(name.to_owned().into_boxed_str()), kind, of: Of::Own }
}

/// The metric of this name.
pub fn named(name: &str) -> Option<Metric> {
    METRICS.into_iter().find(|metric| metric.name == name)
}

/// What a metric came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a gauge.
    Gauge(u64),
    /// Of a rate: how many of all.
    Rate {
        /// Those that count.
        hits: u64,
        /// All.
        all: u64,
    },
    /// Of a trend.
    Trend(Box<Histogram>),
    /// Of a flow's own metric, in its own unit.
    Own(Figures),
}

impl Value {
    /// Adds the same metric's value of another part of the run.
    pub fn merge(&mut self, other: &Value) {
        match (self, other) {
            (Value::Count(to), Value::Count(from)) | (Value::Gauge(to), Value::Gauge(from)) => *to += from,
            (Value::Rate { hits, all }, Value::Rate { hits: more, all: of }) => {
                *hits += more;
                *all += of;
            }
            (Value::Trend(to), Value::Trend(from)) => to.merge(from),
            (Value::Own(to), Value::Own(from)) => to.merge(from),
            _ => debug_assert!(false, "a metric has one kind of value"),
        }
    }
}

/// Which samples are asked for; an empty one asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Tags of scenario, step or check that must have these values.
    pub tags: Tags,
    /// `stage`: its number, from 0.
    pub stage: Option<u32>,
    /// `expected_response`.
    pub expected: Option<bool>,
    /// `status` or `error`.
    pub condition: Option<Condition>,
}

impl Filter {
    /// Reads tags and values.
    ///
    /// # Errors
    /// A value that its tag cannot have.
    pub fn new(given: &[(String, String)]) -> Result<Filter, String> {
        let mut filter = Filter::default();
        for (tag, value) in given {
            let bad = || format!("`{value}` is no value of the tag `{tag}`");
            match tag.as_str() {
                "stage" => filter.stage = Some(value.parse().map_err(|_| bad())?),
                "expected_response" => filter.expected = Some(value.parse().map_err(|_| bad())?),
                "status" => {
                    let status = value.parse().map_err(|_| bad())?;
                    filter.condition = Some(Condition::Status(status));
                }
                "error" => {
                    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.key() == value);
                    filter.condition = Some(Condition::Error(kind.ok_or_else(bad)?));
                }
                _ => {
                    filter.tags.insert(tag.clone(), value.clone());
                }
            }
        }
        Ok(filter)
    }

    /// Prepares `layout` for it.
    ///
    /// # Errors
    /// When no sample of `metric` can ever match, and which tags there are is known before the run.
    pub fn prepare(&self, metric: Metric, layout: &mut Layout) -> Result<(), String> {
        let of_requests = metric.of.is_requests();
        let never = self.is_of_requests() && !of_requests;
        let matches = |tags: &Tags| self.matches(tags);
        let (found, known) = match metric.of {
            Of::Checks => (
                layout.checks.iter().any(|c| matches(&c.tags)),
                tag_names(layout.checks.iter().map(|c| &c.tags)),
            ),
            of if of.is_scenarios() => (
                layout.scenarios.iter().any(|s| matches(&s.tags)),
                tag_names(layout.scenarios.iter().map(|s| &s.tags)),
            ),
            Of::Own => (true, String::new()),
            _ => (
                layout.places.iter().any(|p| matches(&p.tags)),
                tag_names(layout.places.iter().map(|p| &p.tags)),
            ),
        };
        // A rate of checks where there are none is a rate without samples, which passes.
        let no_checks = self.tags.is_empty() && metric.of == Of::Checks;
        let stages = (0..layout.scenarios.len() as u32).map(|s| layout.stages(s)).max().unwrap_or(1);
        // Where tags are made while load is sent, what no sample has is no mistake: there is nothing to judge, as in k6.
        if !layout.has_any_tags() {
            if !found && !no_checks {
                return Err(format!("no sample of {} has these tags; there are {known}", metric.name));
            }
            if self.stage.is_some_and(|stage| stage >= stages) {
                return Err(format!("there is no such stage: they are numbered from 0 to {}", stages - 1));
            }
            if never {
                return Err(format!("{} has no such tag: only figures of requests have it", metric.name));
            }
        }
        if !metric.of.is_scenarios() && !never {
            let of = match metric.of {
                Of::Own => metric.name,
                _ if of_requests => REQUESTS,
                _ => CHECKS,
            };
            layout.select(of, &self.tags, self.stage, self.condition);
        }
        if let Some(condition) = self.condition {
            let places: Vec<u32> = (0..layout.places.len() as u32)
                .filter(|place| self.matches(&layout.places[*place as usize].tags))
                .collect();
            places.into_iter().for_each(|place| {
                layout.watch(place, condition);
            });
        }
        Ok(())
    }

    /// It asks for tags that requests alone have.
    fn is_of_requests(&self) -> bool {
        self.condition.is_some() || self.expected.is_some()
    }

    fn matches(&self, tags: &Tags) -> bool {
        self.tags.iter().all(|(name, value)| tags.get(name) == Some(value))
    }

    fn stages(&self, all: u32) -> std::ops::Range<u32> {
        match self.stage {
            Some(stage) => stage.min(all)..(stage + 1).min(all),
            None => 0..all,
        }
    }

    /// Whether the series of this key are asked for.
    fn matches_key(&self, key: &Key) -> bool {
        self.tags.iter().all(|(name, value)| key.tag(name) == Some(value))
            && self.stage.is_none_or(|stage| key.tag("stage") == Some(&stage.to_string()))
            && self.expected.is_none_or(|expected| is_expected(key) == expected)
    }

    /// The series of requests that it names.
    fn requests<'a>(&self, tally: &'a Tally) -> Vec<(bool, &'a Requests)> {
        // What is watched is in another series as well.
        let asked = |key: &Key| match self.condition {
            None => !key.is_watch(),
            Some(condition) => key.is_watch() && condition.fits(key),
        };
        let all = tally.series().filter(|(key, _)| asked(key) && self.matches_key(key));
        let requests = all.filter_map(|(key, figures)| match figures {
            Figures::Requests(requests) => Some((is_expected(key), &**requests)),
            _ => None,
        });
        requests.collect()
    }

    fn scenarios<'a>(&self, layout: &Layout, tally: &'a Tally) -> Vec<&'a ScenarioTally> {
        let mut found = Vec::new();
        for (index, scenario) in layout.scenarios.iter().enumerate() {
            if self.matches(&scenario.tags) && !self.is_of_requests() {
                let stages = self.stages(layout.stages(index as u32));
                found.extend(
                    stages.filter_map(|stage| tally.scenarios.get((scenario.first_slot + stage) as usize)),
                );
            }
        }
        found
    }

    /// What samples of a flow's own metric came to.
    pub fn own(&self, metric: &str, kind: Kind, tally: &Tally) -> Figures {
        let mut sum = Figures::new(kind);
        for (key, figures) in tally.series().filter(|(key, _)| !key.is_watch() && key.metric() == metric) {
            if key.kind() == kind && self.matches_key(key) && !self.is_of_requests() {
                sum.merge(figures);
            }
        }
        sum
    }

    /// All checks that it names in one.
    fn checks(&self, tally: &Tally) -> Rate {
        let mut sum = Rate::default();
        for (key, figures) in tally.series() {
            if key.metric() == CHECKS
                && let Figures::Rate(rate) = figures
                && self.matches_key(key)
                && !self.is_of_requests()
            {
                sum.passes += rate.passes;
                sum.fails += rate.fails;
            }
        }
        sum
    }
}

fn is_expected(key: &Key) -> bool {
    key.tag("expected_response") == Some("true")
}

/// The tags that could have been meant, for messages.
fn tag_names<'a>(all: impl Iterator<Item = &'a Tags>) -> String {
    let mut shown: Vec<String> = all.flatten().map(|(name, value)| format!("{name}:{value}")).collect();
    shown.sort();
    shown.dedup();
    shown.truncate(12);
    shown.extend(OWN_TAGS.map(|tag| format!("{tag}:…")));
    shown.join(", ")
}

impl Metric {
    /// It is of iterations and users, which setup and teardown are not.
    pub fn is_of_load(&self) -> bool {
        matches!(self.of, Of::Iterations | Of::IterationDuration | Of::Dropped | Of::Vus | Of::VusMax)
    }
}

impl Of {
    fn is_requests(self) -> bool {
        !self.is_scenarios() && !matches!(self, Of::Checks | Of::Own)
    }

    fn is_scenarios(self) -> bool {
        matches!(
            self,
            Of::Iterations
                | Of::IterationDuration
                | Of::Dropped
                | Of::Vus
                | Of::VusMax
                | Of::Sent
                | Of::Received
        )
    }
}

/// What `metric` came to, of the samples that `filter` asks for.
pub fn value(metric: Metric, filter: &Filter, layout: &Layout, tally: &Tally) -> Value {
    match metric.of {
        Of::Checks => {
            let checks = filter.checks(tally);
            Value::Rate { hits: checks.passes, all: checks.passes + checks.fails }
        }
        Of::Own => Value::Own(filter.own(metric.name, metric.kind, tally)),
        of if of.is_scenarios() => of_scenarios(of, &filter.scenarios(layout, tally)),
        of => of_requests(of, &filter.requests(tally)),
    }
}

/// The metrics that samples have made, by name: all tags together.
pub fn custom(tally: &Tally) -> BTreeMap<(&str, Kind), Figures> {
    let mut all = BTreeMap::new();
    for (key, figures) in tally.series().filter(|(key, _)| key.kind() != Kind::Requests && !key.is_watch()) {
        if key.metric() != CHECKS {
            let sum = all.entry((key.metric(), key.kind())).or_insert_with(|| Figures::new(key.kind()));
            sum.merge(figures);
        }
    }
    all
}

fn of_scenarios(of: Of, scenarios: &[&ScenarioTally]) -> Value {
    let sum = |of: fn(&ScenarioTally) -> u64| scenarios.iter().map(|s| of(s)).sum();
    match of {
        Of::Iterations => Value::Count(sum(|s| s.completed)),
        Of::Dropped => Value::Count(sum(|s| s.dropped)),
        Of::Sent => Value::Count(sum(|s| s.sent_bytes)),
        Of::Received => Value::Count(sum(|s| s.received_bytes)),
        Of::Vus => Value::Gauge(sum(|s| s.vus)),
        Of::VusMax => Value::Gauge(sum(|s| s.vus_max)),
        _ => {
            let mut all = Box::<Histogram>::default();
            scenarios.iter().for_each(|s| s.iteration_duration.merge_into(&mut all));
            Value::Trend(all)
        }
    }
}

fn of_requests(of: Of, series: &[(bool, &Requests)]) -> Value {
    let (completed, failed) = series.iter().fold((0, 0), |(c, f), (_, s)| (c + s.completed, f + s.failed));
    let all = completed + failed;
    let mut trend = Box::<Histogram>::default();
    let mut add = |parts: &[fn(&Requests) -> &CompactHistogram]| {
        for (_, series) in series {
            parts.iter().for_each(|part| part(series).merge_into(&mut trend));
        }
    };
    // Of what is not recorded where it is nothing, the rest of the requests had nothing.
    let mut zeros_up_to = 0;
    match of {
        Of::Requests => return Value::Count(all),
        Of::Failed => {
            let unexpected = series.iter().filter(|(expected, _)| !expected);
            return Value::Rate { hits: unexpected.map(|(_, s)| s.completed + s.failed).sum(), all };
        }
        // k6 times requests that fail, too.
        Of::Duration => add(&[|s| &s.alike, |s| &s.service_time, |s| &s.failed_time]),
        Of::Service => add(&[|s| &s.alike, |s| &s.service_time]),
        Of::Response => add(&[|s| &s.alike, |s| &s.response_time]),
        Of::Waiting => add(&[|s| &s.alike, |s| &s.first_byte]),
        Of::StartLag => {
            add(&[|s| &s.start_lag]);
            zeros_up_to = completed;
        }
        Of::Receiving => {
            add(&[|s| &s.receiving]);
            zeros_up_to = completed;
        }
        Of::Sending => {
            add(&[|s| &s.sending]);
            zeros_up_to = completed;
        }
        Of::Blocked => {
            add(&[|s| &s.blocked]);
            zeros_up_to = all;
        }
        Of::Connecting => {
            add(&[|s| &s.connecting]);
            zeros_up_to = all;
        }
        _ => {
            add(&[|s| &s.tls_handshaking]);
            zeros_up_to = all;
        }
    }
    let zeros = u64::saturating_sub(zeros_up_to, trend.len());
    trend.record_n(Nanos::ZERO, zeros);
    Value::Trend(trend)
}
