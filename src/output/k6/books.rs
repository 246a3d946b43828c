//! What a metric came to in several books: those of `setup`, of the load and of `teardown`.

use crate::stats::histogram::Histogram;
use crate::stats::layout::{CHECKS, Layout, Tags};
use crate::stats::metrics::{self, Filter, Kind, METRICS, Value};
use crate::stats::registry::{Key, REQUESTS};
use crate::stats::series::Figures;
use crate::stats::tally::Tally;

use super::model::{StatOf, TrendStat, Values};

/// squall's own metrics, which k6 has not.
const NOT_K6: [&str; 3] = ["response_time", "service_time", "start_lag"];

/// The figures of one part of a test.
#[derive(Clone, Copy, Debug)]
pub struct Book<'a> {
    /// What the figures stand for.
    pub layout: &'a Layout,
    /// The figures.
    pub tally: &'a Tally,
    /// Those of the scenarios; else those of `setup` or `teardown`.
    pub is_load: bool,
}

/// Which samples are looked at: those with these tags. `None`: none of such a book.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Of the books of the load.
    pub(super) load: Option<Tags>,
    /// Of the others.
    pub(super) others: Option<Tags>,
}

impl Scope {
    /// All samples.
    pub(super) fn all() -> Scope {
        Scope::tags(&Tags::new())
    }

    /// Samples with these tags, of whatever book.
    pub(super) fn tags(tags: &Tags) -> Scope {
        Scope { load: Some(tags.clone()), others: Some(tags.clone()) }
    }

    /// Whether it takes all samples.
    pub(super) fn is_all(&self) -> bool {
        [&self.load, &self.others].into_iter().all(|tags| tags.as_ref().is_some_and(Tags::is_empty))
    }

    pub(super) fn of(&self, book: &Book<'_>) -> Option<&Tags> {
        if book.is_load { self.load.as_ref() } else { self.others.as_ref() }
    }

    /// The same, of one group alone.
    pub(super) fn within(&self, group: &str) -> Scope {
        let add = |tags: &Option<Tags>| {
            let mut tags = tags.clone()?;
            tags.insert("group".into(), group.into());
            Some(tags)
        };
        Scope { load: add(&self.load), others: add(&self.others) }
    }
}

/// The users at work, and those there are, at the end of each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsersAt {
    /// At work: `vus`.
    pub vus: u64,
    /// That there are: `vus_max`.
    pub vus_max: u64,
}

/// What metrics came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Books<'a> {
    pub(super) all: &'a [Book<'a>],
    pub(super) seconds: f64,
    pub(super) users: &'a [UsersAt],
    pub(super) stats: &'a [TrendStat],
}

/// A metric's values, and whether there was any sample.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) values: Values,
    pub(super) has_samples: bool,
}

impl Books<'_> {
    /// k6's own metrics in `scope`.
    pub(super) fn own(&self, scope: &Scope) -> Vec<(&'static str, Found)> {
        let k6 = METRICS.iter().filter(|metric| !NOT_K6.contains(&metric.name));
        k6.filter_map(|metric| Some((metric.name, self.find(metric.name, metric.kind, scope)?))).collect()
    }

    /// The metrics that samples have made, in `scope`.
    pub(super) fn custom(&self, scope: &Scope) -> Vec<(String, Found)> {
        let mut names: Vec<(&str, Kind)> = Vec::new();
        for (key, _) in self.series(scope) {
            if ![REQUESTS, CHECKS].contains(&key.metric()) && !names.contains(&(key.metric(), key.kind())) {
                names.push((key.metric(), key.kind()));
            }
        }
        let found = |(name, kind): &(&str, Kind)| {
            let found = self.find(name, *kind, scope)?;
            found.has_samples.then(|| ((*name).to_owned(), found))
        };
        names.iter().filter_map(found).collect()
    }

    /// What a metric came to in `scope`; `None` for one of squall's own kinds.
    pub(super) fn find(&self, name: &str, kind: Kind, scope: &Scope) -> Option<Found> {
        match metrics::named(name) {
            _ if ["vus", "vus_max"].contains(&name) => Some(self.users(name, scope)),
            Some(metric) => Some(self.named(metric, scope)),
            None => self.made(name, kind, scope),
        }
    }

    /// k6 looks at them every second, in no scenario or group.
    fn users(&self, name: &str, scope: &Scope) -> Found {
        let of = |at: &UsersAt| (if name == "vus" { at.vus } else { at.vus_max }) as f64;
        let whole = scope.load.as_ref().is_some_and(Tags::is_empty);
        let seen: Vec<f64> = self.users.iter().filter(|_| whole).map(of).collect();
        let min = seen.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let max = seen.iter().copied().fold(0.0, f64::max);
        let value = seen.last().copied().unwrap_or(0.0);
        Found { values: Values::Gauge { value, min, max }, has_samples: !seen.is_empty() }
    }

    fn named(&self, metric: metrics::Metric, scope: &Scope) -> Found {
        let books = self.all.iter().filter(|book| book.is_load || !metric.is_of_load());
        let (mut count, mut hits, mut all) = (0, 0, 0);
        let mut trend = Box::<Histogram>::default();
        for book in books {
            let Some(filter) = scope.of(book).and_then(filter) else { continue };
            match metrics::value(metric, &filter, book.layout, book.tally) {
                Value::Count(more) | Value::Gauge(more) => count += more,
                Value::Rate { hits: more, all: of } => (hits, all) = (hits + more, all + of),
                Value::Trend(more) => trend.merge(&more),
                Value::Own(_) => debug_assert!(false, "k6's own metrics are none of a flow's"),
            }
        }
        match metric.kind {
            Kind::Rate => self.rate(hits, all - hits),
            Kind::Trend | Kind::Requests => {
                Found { has_samples: !trend.is_empty(), values: self.trend(|stat| of_times(&trend, stat)) }
            }
            Kind::Counter | Kind::Gauge => {
                let values = self.counter(count as f64);
                Found { values, has_samples: count > 0 }
            }
        }
    }

    fn made(&self, name: &str, kind: Kind, scope: &Scope) -> Option<Found> {
        let mut sum = Figures::new(kind);
        for book in self.all {
            if let Some(filter) = scope.of(book).and_then(filter) {
                sum.merge(&filter.own(name, kind, book.tally));
            }
        }
        let has_samples = sum.samples() > 0;
        let values = match sum {
            Figures::Requests(_) => return None,
            Figures::Counter(counter) => self.counter(counter.sum),
            // k6's largest value begins at zero.
            Figures::Gauge(gauge) => {
                Values::Gauge { value: gauge.value, min: gauge.min, max: gauge.max.max(0.0) }
            }
            Figures::Rate(rate) => return Some(self.rate(rate.passes, rate.fails)),
            Figures::Trend(trend) => self.trend(|stat| match stat {
                StatOf::Avg => trend.mean(),
                StatOf::Min => trend.min,
                StatOf::Max => trend.max,
                StatOf::Med => trend.interpolated(50.0),
                StatOf::Count => trend.len() as f64,
                StatOf::Percentile(percent) => trend.interpolated(percent),
            }),
        };
        Some(Found { values, has_samples })
    }

    /// Series in `scope` that together hold every sample once.
    pub(super) fn series<'s>(&'s self, scope: &'s Scope) -> impl Iterator<Item = (&'s Key, &'s Figures)> {
        self.all.iter().filter_map(|book| Some((book, scope.of(book)?))).flat_map(|(book, tags)| {
            let fits = move |key: &Key| tags.iter().all(|(name, value)| key.tag(name) == Some(value));
            book.tally.series().filter(move |(key, _)| !key.is_watch() && fits(key))
        })
    }

    fn counter(&self, count: f64) -> Values {
        let rate = if self.seconds > 0.0 { count / self.seconds } else { 0.0 };
        Values::Counter { count, rate }
    }

    fn rate(&self, passes: u64, fails: u64) -> Found {
        let all = passes + fails;
        let rate = if all > 0 { passes as f64 / all as f64 } else { 0.0 };
        Found { values: Values::Rate { rate, passes, fails }, has_samples: all > 0 }
    }

    fn trend(&self, of: impl Fn(StatOf) -> f64) -> Values {
        Values::Trend(self.stats.iter().map(|stat| (stat.name.clone(), of(stat.of))).collect())
    }
}

/// Where tags have values that they cannot have, no sample has them.
fn filter(tags: &Tags) -> Option<Filter> {
    let given: Vec<_> = tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Filter::new(&given).ok()
}

/// Of times in ns, in milliseconds.
fn of_times(trend: &Histogram, stat: StatOf) -> f64 {
    let ns = match stat {
        StatOf::Avg => trend.mean(),
        StatOf::Min => trend.min().0 as f64,
        StatOf::Max => trend.max().0 as f64,
        StatOf::Med => trend.interpolated(50.0),
        StatOf::Percentile(percent) => trend.interpolated(percent),
        StatOf::Count => return trend.len() as f64,
    };
    ns / 1e6
}
