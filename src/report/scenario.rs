//! The report's sections about scenarios: who did what, and how it was judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LatencySection;
use super::build::section;
use crate::stats::histogram::Histogram;
use crate::stats::layout::{CheckKey, Layout, Place, ScenarioKey, series_at};
use crate::stats::metrics::{self, Filter, Kind, METRICS, Value};
use crate::stats::series::{Figures, Requests};
use crate::stats::tally::{Cause, CheckSample, Tally};
use crate::threshold::{Outcome, Threshold, millis};
use crate::units::Nanos;

/// What a plan did once, before its load. In no other figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnceSection {
    /// Requests answered.
    pub requests: u64,
    /// Requests without a whole response.
    pub failed: u64,
    /// How long it took.
    pub duration_s: f64,
}

/// How often responses passed a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whose responses it judged.
    pub scenario: String,
    /// Of which step.
    pub step: String,
    /// Responses that passed.
    pub passes: u64,
    /// Responses that did not.
    pub fails: u64,
    /// The first that did not, a few of them.
    pub samples: Vec<Sample>,
}

/// A response that failed a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Its status; 0 when there was no whole response.
    pub status: u16,
    /// When, in milliseconds from the start of measuring.
    pub at_ms: u64,
    /// The beginning of its body, where a check looks at bodies.
    pub excerpt: String,
}

/// How a threshold was met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdEntry {
    /// As it was written.
    pub expression: String,
    /// What it looks at.
    pub metric: String,
    /// Whether it was met.
    pub ok: bool,
    /// What was measured; times in milliseconds.
    pub observed: f64,
    /// Whether it ended the run.
    pub aborted: bool,
}

/// What became of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioEntry {
    /// Its name.
    pub name: String,
    /// k6's name of its executor.
    pub executor: String,
    /// Its iterations.
    pub iterations: Iterations,
    /// What ended iterations early, or kept requests from being sent.
    pub causes: Vec<CauseEntry>,
    /// Redirects that were not followed: to no origin of the plan, or one too many.
    pub redirects_refused: u64,
    /// Seconds in which its users' scripts computed, over all workers.
    pub script_s: f64,
    /// How long whole iterations took.
    pub iteration_duration: LatencySection,
    /// Virtual users that there were at most.
    pub vus_max: u64,
    /// Figures by stage; one entry where there are no stages.
    pub stages: Vec<StageEntry>,
}

/// What ended iterations early, or kept requests from being sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseEntry {
    /// At which step.
    pub step: String,
    /// Which value was missing or wrong.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// `scheduled = started + dropped + waiting`, and `started = completed + interrupted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iterations {
    /// Arrived by schedule, or simply began.
    pub scheduled: u64,
    /// Begun by a virtual user.
    pub started: u64,
    /// Whole.
    pub completed: u64,
    /// Cut off by the end.
    pub interrupted: u64,
    /// Never begun: no virtual user was free, or the time was over.
    pub dropped: u64,
    /// Of `completed`, those that ended at a value that was not there.
    pub broken: u64,
}

/// One stage of a scenario: what was scheduled in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageEntry {
    /// Its number, from 0: the tag `stage` of thresholds.
    pub stage: u32,
    /// Whole iterations.
    pub iterations: u64,
    /// Requests answered.
    pub requests: u64,
    /// Requests without a whole response.
    pub failed: u64,
    /// Median response time.
    pub p50_us: f64,
    /// 99th percentile of the response time.
    pub p99_us: f64,
}

/// What became of a step's requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEntry {
    /// Its name.
    pub name: String,
    /// In which scenario.
    pub scenario: String,
    /// Requests answered.
    pub requests: u64,
    /// Requests without a whole response.
    pub failed: u64,
    /// From the scheduled start to the whole response.
    pub response_time: LatencySection,
    /// From the send to the whole response.
    pub service_time: LatencySection,
}

/// One of k6's metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricEntry {
    /// `counter`, `gauge`, `rate` or `trend`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its aggregates by name; times in milliseconds.
    pub values: BTreeMap<String, f64>,
}

/// What the sections are made of.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioParts<'a> {
    /// What was kept apart.
    pub layout: &'a Layout,
    /// What was measured.
    pub tally: &'a Tally,
    /// Thresholds, how they came out, and whether each ended the run.
    pub thresholds: &'a [(Threshold, Outcome, bool)],
    /// Responses that failed checks.
    pub samples: &'a [CheckSample],
    /// What ended iterations early, or kept requests from being sent.
    pub causes: &'a [Cause],
    /// Names of the steps, by their number in the workload.
    pub steps: &'a [String],
    /// From the start of measuring to its end.
    pub elapsed: Nanos,
}

impl ScenarioParts<'_> {
    pub(super) fn checks(&self) -> Vec<Check> {
        self.layout.checks.iter().enumerate().map(|(index, key)| self.check(index, key)).collect()
    }

    fn check(&self, index: usize, key: &CheckKey) -> Check {
        let place = &self.layout.places[key.place as usize];
        let series = key.first_series..key.first_series + self.layout.stages_of_place(key.place);
        let (mut passes, mut fails) = (0, 0);
        for rate in series.map(|number| self.tally.rate(number)) {
            passes += rate.passes;
            fails += rate.fails;
        }
        let samples = self.samples.iter().filter(|sample| sample.check as usize == index);
        Check {
            name: key.name.clone(),
            scenario: self.layout.scenarios[place.scenario as usize].name.clone(),
            step: self.step_name(place),
            passes,
            fails,
            samples: samples
                .map(|s| Sample { status: s.status, at_ms: s.at.0 / 1_000_000, excerpt: s.excerpt.clone() })
                .collect(),
        }
    }

    fn step_name(&self, place: &Place) -> String {
        self.steps.get(place.step as usize).cloned().unwrap_or_default()
    }

    pub(super) fn thresholds(&self) -> Vec<ThresholdEntry> {
        let entry = |(threshold, outcome, aborted): &(Threshold, Outcome, bool)| ThresholdEntry {
            expression: threshold.expression.clone(),
            metric: threshold.selector.clone(),
            ok: outcome.ok,
            observed: super::build::finite(outcome.observed),
            aborted: *aborted,
        };
        self.thresholds.iter().map(entry).collect()
    }

    pub(super) fn scenarios(&self) -> Vec<ScenarioEntry> {
        let all = self.layout.scenarios.iter().enumerate();
        all.map(|(index, key)| self.scenario(index as u32, key)).collect()
    }

    fn scenario(&self, index: u32, key: &ScenarioKey) -> ScenarioEntry {
        let (mut iterations, mut duration) = (Iterations::default(), Histogram::new());
        let (mut vus_max, mut redirects_refused, mut script_time) = (0, 0, Nanos::ZERO);
        for stage in 0..self.layout.stages(index) {
            let tally = &self.tally.scenarios[(key.first_slot + stage) as usize];
            iterations.scheduled += tally.scheduled;
            iterations.started += tally.started;
            iterations.completed += tally.completed;
            iterations.interrupted += tally.interrupted;
            iterations.dropped += tally.dropped;
            iterations.broken += tally.broken;
            redirects_refused += tally.redirects_refused;
            script_time += Nanos(tally.script_time);
            tally.iteration_duration.merge_into(&mut duration);
            vus_max = vus_max.max(tally.vus_max);
        }
        ScenarioEntry {
            name: key.name.clone(),
            executor: key.executor.clone(),
            iterations,
            causes: self.causes(index),
            redirects_refused,
            script_s: script_time.as_secs_f64(),
            iteration_duration: section(&duration),
            vus_max,
            stages: (0..self.layout.stages(index)).map(|stage| self.stage(index, key, stage)).collect(),
        }
    }

    /// Of a scenario, in the order of its steps; over all workers.
    fn causes(&self, scenario: u32) -> Vec<CauseEntry> {
        let mut all: BTreeMap<(u32, &str), u64> = BTreeMap::new();
        let place = |cause: &Cause| self.layout.places.get(cause.place as usize);
        let own = self.causes.iter().filter(|cause| place(cause).is_some_and(|at| at.scenario == scenario));
        for cause in own {
            *all.entry((cause.place, &cause.what)).or_default() += cause.count;
        }
        let entry = |((place, what), count): ((u32, &str), u64)| CauseEntry {
            step: self.step_name(&self.layout.places[place as usize]),
            what: what.to_owned(),
            count,
        };
        all.into_iter().map(entry).collect()
    }

    fn stage(&self, index: u32, key: &ScenarioKey, stage: u32) -> StageEntry {
        let places = self.layout.places.iter().filter(|place| place.scenario == index);
        let total = places.fold(Total::default(), |total, place| total.with(self, place, stage..stage + 1));
        let total = self.made(&key.name, stage).fold(total, Total::with_series);
        let us = |percentile| total.response.percentile(percentile).0 as f64 / 1e3;
        StageEntry {
            stage,
            iterations: self.tally.scenarios[(key.first_slot + stage) as usize].completed,
            requests: total.requests,
            failed: total.failed,
            p50_us: us(50.0),
            p99_us: us(99.0),
        }
    }

    /// Requests of a scenario and stage whose tags were made while load was sent, which are in no place of the layout.
    fn made(&self, scenario: &str, stage: u32) -> impl Iterator<Item = &Requests> {
        let stage = stage.to_string();
        let of_plan = self.layout.registry().keys().len();
        let made = self.tally.series().skip(of_plan).filter(move |(key, _)| {
            !key.is_watch() && key.tag("scenario") == Some(scenario) && key.tag("stage") == Some(&stage)
        });
        made.filter_map(|(_, figures)| match figures {
            Figures::Requests(requests) => Some(&**requests),
            _ => None,
        })
    }

    pub(super) fn steps(&self) -> Vec<StepEntry> {
        self.layout.places.iter().map(|place| self.step(place)).collect()
    }

    fn step(&self, place: &Place) -> StepEntry {
        let total = Total::default().with(self, place, 0..self.layout.stages(place.scenario));
        StepEntry {
            name: self.step_name(place),
            scenario: self.layout.scenarios[place.scenario as usize].name.clone(),
            requests: total.requests,
            failed: total.failed,
            response_time: section(&total.response),
            service_time: section(&total.service),
        }
    }

    pub(super) fn metrics(&self) -> BTreeMap<String, MetricEntry> {
        let filter = Filter::default();
        let entry = |metric: metrics::Metric| {
            let value = metrics::value(metric, &filter, self.layout, self.tally);
            (metric.name.to_owned(), metric_entry(&value, self.elapsed))
        };
        let own = metrics::custom(self.tally);
        // Two workers may have met one name with two kinds before they knew of each other: neither hides the other.
        let kinds = |name: &str| own.keys().filter(|(other, _)| *other == name).count();
        let named = |name: &str, kind: Kind| {
            if kinds(name) > 1 { format!("{name} ({})", kind.name()) } else { name.to_owned() }
        };
        let own = own
            .iter()
            .map(|((name, kind), figures)| (named(name, *kind), custom_entry(*kind, figures, self.elapsed)));
        // A metric of one's own cannot have the name of one that there is.
        own.chain(METRICS.into_iter().map(entry)).collect()
    }
}

/// Figures summed up over series.
#[derive(Default)]
struct Total {
    requests: u64,
    failed: u64,
    response: Histogram,
    service: Histogram,
}

impl Total {
    fn with(mut self, parts: &ScenarioParts<'_>, place: &Place, stages: std::ops::Range<u32>) -> Total {
        for stage in stages {
            for expected in [true, false] {
                let number = series_at(place.first_series, stage, expected);
                self = parts.tally.requests(number).into_iter().fold(self, Total::with_series);
            }
        }
        self
    }

    fn with_series(mut self, series: &Requests) -> Total {
        self.requests += series.completed;
        self.failed += series.failed;
        series.alike.merge_into(&mut self.response);
        series.response_time.merge_into(&mut self.response);
        series.alike.merge_into(&mut self.service);
        series.service_time.merge_into(&mut self.service);
        self
    }
}

fn custom_entry(kind: Kind, figures: &Figures, elapsed: Nanos) -> MetricEntry {
    let values = match figures {
        Figures::Requests(_) => Vec::new(),
        Figures::Counter(counter) => counter_values(counter.sum, elapsed),
        Figures::Gauge(gauge) => vec![("value", gauge.value)],
        Figures::Rate(rate) => rate_values(rate.passes, rate.passes + rate.fails),
        Figures::Trend(trend) => {
            let at = |name, percent| (name, trend.percentile(percent));
            let ends = [("avg", trend.mean()), ("min", trend.min), ("max", trend.max)];
            let percentiles = [at("med", 50.0), at("p(90)", 90.0), at("p(95)", 95.0), at("p(99)", 99.0)];
            ends.into_iter().chain(percentiles).collect()
        }
    };
    entry(kind, values)
}

fn metric_entry(value: &Value, elapsed: Nanos) -> MetricEntry {
    let (kind, values) = match value {
        Value::Own(figures) => return custom_entry(figures.kind(), figures, elapsed),
        Value::Count(count) => (Kind::Counter, counter_values(*count as f64, elapsed)),
        Value::Gauge(now) => (Kind::Gauge, vec![("value", *now as f64)]),
        Value::Rate { hits, all } => (Kind::Rate, rate_values(*hits, *all)),
        Value::Trend(trend) => {
            let at = |percentile| millis(trend.percentile(percentile).0 as f64);
            let mean = if trend.max() == Nanos::ZERO { 0.0 } else { millis(trend.mean()) };
            let values = vec![
                ("avg", mean),
                ("min", millis(trend.min().0 as f64)),
                ("med", at(50.0)),
                ("max", millis(trend.max().0 as f64)),
                ("p(90)", at(90.0)),
                ("p(95)", at(95.0)),
                ("p(99)", at(99.0)),
            ];
            (Kind::Trend, values)
        }
    };
    entry(kind, values)
}

fn counter_values(count: f64, elapsed: Nanos) -> Vec<(&'static str, f64)> {
    let seconds = elapsed.as_secs_f64();
    vec![("count", count), ("rate", if seconds > 0.0 { count / seconds } else { 0.0 })]
}

fn rate_values(hits: u64, all: u64) -> Vec<(&'static str, f64)> {
    let rate = hits as f64 / all.max(1) as f64;
    vec![("rate", rate), ("passes", hits as f64), ("fails", (all - hits) as f64)]
}

fn entry(kind: Kind, values: Vec<(&str, f64)>) -> MetricEntry {
    let finite = |(name, value): (&str, f64)| (name.to_owned(), super::build::finite(value));
    MetricEntry { kind: kind.name().into(), values: values.into_iter().map(finite).collect() }
}
