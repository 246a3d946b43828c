//! The end of a test as k6 tells it.

use serde_json::Value as Json;

use crate::stats::metrics::Kind;

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contains {
    /// Plain numbers.
    #[default]
    Default,
    /// Times in milliseconds.
    Time,
    /// Bytes.
    Data,
}

impl Contains {
    /// k6's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Contains::Default => "default",
            Contains::Time => "time",
            Contains::Data => "data",
        }
    }

    /// What the values of k6's own metrics are; those of others are plain numbers unless they were declared to be times.
    pub fn of(metric: &str) -> Contains {
        match metric {
            "data_sent" | "data_received" => Contains::Data,
            "iteration_duration" | "group_duration" => Contains::Time,
            "http_reqs" | "http_req_failed" => Contains::Default,
            _ if metric.starts_with("http_req_") => Contains::Time,
            _ => Contains::Default,
        }
    }
}

/// One of `summaryTrendStats`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrendStat {
    /// As written: the key in all outputs.
    pub name: String,
    pub(super) of: StatOf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum StatOf {
    Avg,
    Min,
    Med,
    Max,
    Count,
    Percentile(f64),
}

impl TrendStat {
    /// Reads `avg`, `min`, `med`, `max`, `count` or `p(N)`.
    ///
    /// # Errors
    /// What is wrong with it, and what there is.
    pub fn parse(text: &str) -> Result<TrendStat, String> {
        let of = match text {
            "avg" => StatOf::Avg,
            "min" => StatOf::Min,
            "med" => StatOf::Med,
            "max" => StatOf::Max,
            "count" => StatOf::Count,
            _ => {
                let number = text.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
                let number = number.ok_or_else(|| {
                    format!(
                        "`{text}` is no statistic of a trend: there are avg, min, med, max, count and p(N)"
                    )
                })?;
                let percent = number.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
                StatOf::Percentile(percent.ok_or_else(|| {
                    format!("`{text}`: `{number}` is not a percentile: it is a number from 0 to 100")
                })?)
            }
        };
        Ok(TrendStat { name: text.into(), of })
    }

    /// k6's defaults: `avg,min,med,max,p(90),p(95)`.
    pub fn defaults() -> Vec<TrendStat> {
        let all = ["avg", "min", "med", "max", "p(90)", "p(95)"];
        all.into_iter().map(|text| TrendStat::parse(text).expect("k6's own")).collect()
    }
}

/// Unit of all times in the text (`summaryTimeUnit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// The one that suits each value.
    #[default]
    Any,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
}

impl TimeUnit {
    /// Reads `s`, `ms` or `us`; no text is no unit.
    ///
    /// # Errors
    /// What there is.
    pub fn parse(text: &str) -> Result<TimeUnit, String> {
        match text {
            "" => Ok(TimeUnit::Any),
            "s" => Ok(TimeUnit::Seconds),
            "ms" => Ok(TimeUnit::Millis),
            "us" => Ok(TimeUnit::Micros),
            _ => Err(format!("`{text}` is no unit of the summary's times: there are s, ms and us")),
        }
    }

    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Any => "",
            TimeUnit::Seconds => "s",
            TimeUnit::Millis => "ms",
            TimeUnit::Micros => "us",
        }
    }
}

/// What a script's options say of the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryOptions {
    /// What is told of trends, in this order.
    pub trend_stats: Vec<TrendStat>,
    /// Unit of times.
    pub time_unit: TimeUnit,
    /// Without colours, also on a terminal.
    pub no_color: bool,
}

impl Default for SummaryOptions {
    fn default() -> SummaryOptions {
        let trend_stats = TrendStat::defaults();
        SummaryOptions { trend_stats, time_unit: TimeUnit::Any, no_color: false }
    }
}

/// How the test ended, apart from its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Standard output is a terminal.
    pub is_stdout_tty: bool,
    /// Standard error is one.
    pub is_stderr_tty: bool,
    /// How long the test ran, in milliseconds.
    pub test_run_duration_ms: f64,
}

/// What a metric came to, in k6's units: times in milliseconds, rates of counters by the second of the test's run time.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of a counter.
    Counter {
        /// The sum.
        count: f64,
        /// By the second.
        rate: f64,
    },
    /// Of a gauge.
    Gauge {
        /// The last one.
        value: f64,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// Of a rate.
    Rate {
        /// The share that passed, 0 to 1.
        rate: f64,
        /// Passed.
        passes: u64,
        /// Did not.
        fails: u64,
    },
    /// Of a trend: `summaryTrendStats` by name, in their order.
    Trend(Vec<(String, f64)>),
}

impl Values {
    /// k6's name of the metric's type.
    pub fn kind(&self) -> Kind {
        match self {
            Values::Counter { .. } => Kind::Counter,
            Values::Gauge { .. } => Kind::Gauge,
            Values::Rate { .. } => Kind::Rate,
            Values::Trend(_) => Kind::Trend,
        }
    }

    /// As k6 lists them, by name. `flat`: as in `--summary-export`, where a rate's share is its `value`.
    pub(super) fn named(&self, flat: bool) -> Vec<(&str, f64)> {
        match self {
            Values::Counter { count, rate } => vec![("count", *count), ("rate", *rate)],
            Values::Gauge { value, min, max } => vec![("value", *value), ("min", *min), ("max", *max)],
            Values::Rate { rate, passes, fails } => {
                let share = if flat { "value" } else { "rate" };
                vec![(share, *rate), ("passes", *passes as f64), ("fails", *fails as f64)]
            }
            Values::Trend(stats) => stats.iter().map(|(name, value)| (name.as_str(), *value)).collect(),
        }
    }
}

/// How a threshold of a metric came out.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdEnd {
    /// As written: `p(95)<200`.
    pub source: String,
    /// It was met.
    pub ok: bool,
    /// What was observed, in k6's units.
    pub observed: f64,
}

/// One metric, or one with tags that a threshold asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricEnd {
    /// `http_reqs`, or `http_reqs{status:200}`: as the threshold has it.
    pub name: String,
    /// What its values are.
    pub contains: Contains,
    /// What it came to.
    pub values: Values,
    /// In the order of the script.
    pub thresholds: Vec<ThresholdEnd>,
}

impl MetricEnd {
    /// The metric, and the tags in braces where there are any.
    pub fn parts(&self) -> (&str, Option<&str>) {
        let parts = self.name.split_once('{').and_then(|(name, rest)| Some((name, rest.strip_suffix('}')?)));
        parts.map_or((&self.name, None), |(name, tags)| (name, Some(tags)))
    }
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckEnd {
    /// Its name.
    pub name: String,
    /// Passed.
    pub passes: u64,
    /// Did not.
    pub fails: u64,
}

/// A group of a script; the root has no name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// `::outer::inner`; empty at the root.
    pub path: String,
    /// Those inside, in the order in which they first appeared.
    pub groups: Vec<Group>,
    /// In the order in which they first appeared.
    pub checks: Vec<CheckEnd>,
}

impl Group {
    /// The group of a path, made where there is none; `path` is relative to this one: `::outer::inner`.
    pub fn at(&mut self, path: &str) -> &mut Group {
        let mut group = self;
        for name in path.split("::").filter(|name| !name.is_empty()) {
            let at = match group.groups.iter().position(|inner| inner.name == name) {
                Some(at) => at,
                None => {
                    let path = format!("{}::{name}", group.path);
                    group.groups.push(Group { name: name.into(), path, ..Group::default() });
                    group.groups.len() - 1
                }
            };
            group = &mut group.groups[at];
        }
        group
    }

    /// Adds to the check of this name.
    pub(super) fn add_check(&mut self, name: &str, passes: u64, fails: u64) {
        add_check(&mut self.checks, name, passes, fails);
    }
}

/// Adds to the check of this name, which is appended where there is none.
pub(super) fn add_check(checks: &mut Vec<CheckEnd>, name: &str, passes: u64, fails: u64) {
    match checks.iter_mut().find(|check| check.name == name) {
        Some(check) => {
            check.passes += passes;
            check.fails += fails;
        }
        None => checks.push(CheckEnd { name: name.into(), passes, fails }),
    }
}

/// What one scenario, or one group, came to: a block of `--summary-mode full`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Without thresholds.
    pub metrics: Vec<MetricEnd>,
    /// All of them, by name.
    pub checks: Vec<CheckEnd>,
    /// Groups within it.
    pub groups: Vec<Part>,
}

/// The end of a test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndOfTest {
    /// All that have samples or thresholds.
    pub metrics: Vec<MetricEnd>,
    /// Groups and checks.
    pub root_group: Group,
    /// All checks of one name together, in the order in which they first appeared.
    pub checks: Vec<CheckEnd>,
    /// Groups of what was in no scenario of a name other than `default`.
    pub groups: Vec<Part>,
    /// Scenarios of another name than `default`.
    pub scenarios: Vec<Part>,
    /// What the script says of the summary.
    pub options: SummaryOptions,
    /// How it ended.
    pub state: State,
    /// What `setup` has returned, where there was one.
    pub setup_data: Option<Json>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_and_units_are_read() {
        assert_eq!(TrendStat::defaults().len(), 6);
        assert_eq!(TrendStat::parse("p(099.50)").unwrap().of, StatOf::Percentile(99.5));
        assert_eq!(
            TrendStat::parse("foo").unwrap_err(),
            "`foo` is no statistic of a trend: there are avg, min, med, max, count and p(N)"
        );
        assert_eq!(
            TrendStat::parse("p(101)").unwrap_err(),
            "`p(101)`: `101` is not a percentile: it is a number from 0 to 100"
        );
        assert_eq!(TimeUnit::parse("us"), Ok(TimeUnit::Micros));
        assert_eq!(
            TimeUnit::parse("h").unwrap_err(),
            "`h` is no unit of the summary's times: there are s, ms and us"
        );
    }

    #[test]
    fn groups_are_found_by_their_path() {
        let mut root = Group::default();
        root.at("::a::b").add_check("c", 1, 0);
        root.at("::a::b").add_check("c", 0, 2);
        root.at("").add_check("r", 1, 1);
        assert_eq!(root.groups[0].groups[0].path, "::a::b");
        assert_eq!(root.groups[0].groups[0].checks, [CheckEnd { name: "c".into(), passes: 1, fails: 2 }]);
        assert_eq!(root.checks.len(), 1);
    }
}
