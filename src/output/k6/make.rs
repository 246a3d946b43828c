//! The end of a test, made from squall's figures.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::stats::layout::{CHECKS, Tags};
use crate::stats::metrics::{self, Kind};
use crate::stats::series::Figures;
use crate::threshold;
use crate::units::Nanos;

use super::books::{Book, Books, Found, Scope, UsersAt};
use super::model::{
    CheckEnd, Contains, EndOfTest, Group, MetricEnd, Part, State, SummaryOptions, ThresholdEnd, add_check,
};

/// The trend of how long groups took, each with its own path as the tag `group`.
const GROUP_DURATION: &str = "group_duration";
/// The scenario of a script that names none: what it does stands for the whole test.
const DEFAULT: &str = "default";
/// Groups that k6 has made itself: what is in them and in none of theirs shows in the totals alone.
const IMPLIED: [&str; 2] = ["::setup", "::teardown"];

/// A metric that a script has declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its values are times in milliseconds.
    pub is_time: bool,
}

/// A threshold, and how it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The metric with its tags, as written: `http_req_duration{name:login}`.
    pub selector: String,
    /// As written.
    pub source: String,
    /// It was met.
    pub ok: bool,
    /// What was observed, in k6's units.
    pub observed: f64,
}

/// What the end of a test is made of.
#[derive(Clone, Debug, Default)]
pub struct EndOfTestSource<'a> {
    /// Those of `setup`, of the load and of `teardown`, in this order.
    pub books: &'a [Book<'a>],
    /// How long the test ran.
    pub duration: Nanos,
    /// At the end of each second of the load.
    pub users: &'a [UsersAt],
    /// The script's own metrics.
    pub declared: &'a [Declared],
    /// All thresholds, in the order of the script.
    pub judged: &'a [Judged],
    /// Standard output is a terminal, and standard error.
    pub terminals: (bool, bool),
    /// What the script says of the summary.
    pub options: SummaryOptions,
    /// What `setup` has returned, where there was one.
    pub setup_data: Option<Json>,
}

impl EndOfTest {
    /// Makes it.
    pub fn of(source: &EndOfTestSource<'_>) -> EndOfTest {
        let books = Books {
            all: source.books,
            seconds: source.duration.as_secs_f64(),
            users: source.users,
            stats: &source.options.trend_stats,
        };
        let contains = |name: &str| {
            let is_time = source.declared.iter().any(|own| own.name == name && own.is_time);
            if is_time { Contains::Time } else { Contains::of(name) }
        };
        let everything = Everything { books, contains: &contains };
        let mut metrics = everything.metrics(&Scope::all());
        everything.judge(source, &mut metrics);
        EndOfTest {
            metrics,
            root_group: root_group(&books),
            checks: checks(&books, &Scope::all()),
            groups: everything.groups(&root_scope()),
            scenarios: everything.scenarios(),
            options: source.options.clone(),
            state: State {
                is_stdout_tty: source.terminals.0,
                is_stderr_tty: source.terminals.1,
                test_run_duration_ms: source.duration.0 as f64 / 1e6,
            },
            setup_data: source.setup_data.clone(),
        }
    }
}

/// What is in no scenario, or in that of a script that names none.
fn root_scope() -> Scope {
    let load = Tags::from([("scenario".into(), DEFAULT.into())]);
    Scope { load: Some(load), others: Some(Tags::new()) }
}

/// The books, and what the values of metrics are.
struct Everything<'a> {
    books: Books<'a>,
    contains: &'a dyn Fn(&str) -> Contains,
}

impl Everything<'_> {
    /// All that have samples in `scope`.
    fn metrics(&self, scope: &Scope) -> Vec<MetricEnd> {
        let own = self.books.own(scope);
        // An iteration without a request has sent no bytes, which is a figure.
        let counts_bytes = |name: &str| ["iterations", "http_reqs"].contains(&name);
        // Where it came to no load, setup has sent none.
        let no_load = scope.is_all() && !self.books.all.iter().any(|book| book.is_load);
        let any = no_load || own.iter().any(|(name, found)| found.has_samples && counts_bytes(name));
        let is_there = |name: &str, found: &Found| found.has_samples || (any && is_bytes(name));
        let own = own.into_iter().filter(|(name, found)| is_there(name, found));
        let all = own.map(|(name, found)| (name.to_owned(), found)).chain(self.books.custom(scope));
        all.map(|(name, found)| self.metric(name, found)).collect()
    }

    fn metric(&self, name: String, found: Found) -> MetricEnd {
        let contains = (self.contains)(name.split('{').next().unwrap_or_default());
        MetricEnd { name, contains, values: found.values, thresholds: Vec::new() }
    }

    /// Adds thresholds, the metrics that have some whatever their samples, and the one with tags that k6 always has.
    fn judge(&self, source: &EndOfTestSource<'_>, metrics: &mut Vec<MetricEnd>) {
        const EXPECTED: &str = "http_req_duration{expected_response:true}";
        if let Some(found) = self.selected(EXPECTED, &[]).filter(|found| found.has_samples) {
            metrics.push(self.metric(EXPECTED.into(), found));
        }
        for judged in source.judged {
            // Where one with tags is judged, k6 has the whole one, too.
            let whole = judged.selector.split('{').next().unwrap_or_default();
            if !metrics.iter().any(|metric| metric.name == whole)
                && let Some(found) = self.selected(whole, source.declared)
            {
                metrics.push(self.metric(whole.into(), found));
            }
            let at = match metrics.iter().position(|metric| metric.name == judged.selector) {
                Some(at) => at,
                None => {
                    let Some(found) = self.selected(&judged.selector, source.declared) else { continue };
                    metrics.push(self.metric(judged.selector.clone(), found));
                    metrics.len() - 1
                }
            };
            let Judged { source, ok, observed, .. } = judged.clone();
            metrics[at].thresholds.push(ThresholdEnd { source, ok, observed });
        }
    }

    fn selected(&self, selector: &str, declared: &[Declared]) -> Option<Found> {
        let (name, tags) = threshold::split_selector(selector).ok()?;
        let kind = match metrics::named(name) {
            Some(metric) => metric.kind,
            None if name == GROUP_DURATION => Kind::Trend,
            None => declared.iter().find(|own| own.name == name)?.kind,
        };
        self.books.find(name, kind, &Scope::tags(&tags.into_iter().collect()))
    }

    /// The groups of `scope`, each with its own samples alone.
    fn groups(&self, scope: &Scope) -> Vec<Part> {
        let mut root = Group::default();
        for (key, _) in self.books.series(scope).filter(|(_, figures)| figures.samples() > 0) {
            let path = key.tag("group").unwrap_or_default();
            if !IMPLIED.contains(&path) {
                root.at(path);
            }
        }
        self.parts(&root.groups, scope)
    }

    fn parts(&self, groups: &[Group], scope: &Scope) -> Vec<Part> {
        let part = |group: &Group| {
            let own = scope.within(&group.path);
            let mut part = Part { name: group.name.clone(), ..Part::default() };
            if !IMPLIED.contains(&group.path.as_str()) {
                part.metrics = self.metrics(&own);
                part.metrics.retain(|metric| !is_bytes(&metric.name));
                part.checks = checks(&self.books, &own);
            }
            part.groups = self.parts(&group.groups, scope);
            part
        };
        groups.iter().map(part).collect()
    }

    fn scenarios(&self) -> Vec<Part> {
        let load = self.books.all.iter().filter(|book| book.is_load);
        let keys = load.flat_map(|book| &book.layout.scenarios).filter(|key| key.name != DEFAULT);
        let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
        for key in keys {
            let tags = Tags::from([("scenario".into(), key.name.clone())]);
            let scope = Scope { load: Some(tags), others: None };
            parts.entry(&key.name).or_insert_with(|| Part {
                name: key.name.clone(),
                metrics: self.metrics(&scope),
                checks: checks(&self.books, &scope),
                groups: self.groups(&scope),
            });
        }
        parts.into_values().collect()
    }
}

fn is_bytes(name: &str) -> bool {
    Contains::of(name) == Contains::Data
}

/// The checks in `scope`, all groups together.
fn checks(books: &Books<'_>, scope: &Scope) -> Vec<CheckEnd> {
    let mut checks = Vec::new();
    for_each_check(books, scope, |_, name, passes, fails| add_check(&mut checks, name, passes, fails));
    checks
}

fn for_each_check(books: &Books<'_>, scope: &Scope, mut each: impl FnMut(&str, &str, u64, u64)) {
    for (key, figures) in books.series(scope).filter(|(key, _)| key.metric() == CHECKS) {
        if let (Figures::Rate(rate), Some(name)) = (figures, key.tag("check"))
            && rate.passes + rate.fails > 0
        {
            each(key.tag("group").unwrap_or_default(), name, rate.passes, rate.fails);
        }
    }
}

/// Groups that took time or have checks.
fn root_group(books: &Books<'_>) -> Group {
    let mut root = Group::default();
    let everything = Scope::all();
    for (key, _) in books.series(&everything).filter(|(_, figures)| figures.samples() > 0) {
        if [CHECKS, GROUP_DURATION].contains(&key.metric()) {
            root.at(key.tag("group").unwrap_or_default());
        }
    }
    for_each_check(books, &everything, |group, name, passes, fails| {
        root.at(group).add_check(name, passes, fails);
    });
    root
}
