//! Metrics as lines: name, dots, and values in columns that are as wide as those of the lines around.

use super::format;
use super::model::{CheckEnd, Contains, MetricEnd, TimeUnit, Values};
use super::order;
use super::paint::{Ink, mark};

/// How lines are to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) ink: Ink,
    pub(super) unit: TimeUnit,
    /// Codes of the dots, and of what stands beside a value.
    pub(super) dots: &'static str,
    pub(super) beside: &'static str,
    /// Names are padded by the longest whole name as well.
    pub(super) wide: bool,
}

/// What one line says.
struct Line<'a> {
    metric: &'a MetricEnd,
    name: String,
    cells: Cells,
}

enum Cells {
    Trend(Vec<(String, String)>),
    Value(String, Vec<String>),
}

/// The lines of some metrics that are shown in the same columns.
pub(super) struct Columns<'a> {
    lines: Vec<Line<'a>>,
    look: Look,
    name: usize,
    value: usize,
    beside: Vec<usize>,
    stats: Vec<usize>,
}

/// As k6 sorts them: those with tags behind the one without.
pub(super) fn sorted<'a>(metrics: impl Iterator<Item = &'a MetricEnd>) -> Vec<&'a MetricEnd> {
    let mut all: Vec<&MetricEnd> = metrics.collect();
    all.sort_by(|a, b| {
        let ((a, a_tags), (b, b_tags)) = (a.parts(), b.parts());
        let tags = || order::compare(a_tags.unwrap_or_default(), b_tags.unwrap_or_default());
        order::compare(a, b).then_with(|| a_tags.is_some().cmp(&b_tags.is_some())).then_with(tags)
    });
    all
}

impl<'a> Columns<'a> {
    /// Of `metrics`, in this order.
    pub(super) fn of(metrics: &[&'a MetricEnd], look: Look) -> Columns<'a> {
        let lines: Vec<Line> = metrics.iter().map(|metric| line(metric, look.unit)).collect();
        let longest = |of: fn(&Line) -> usize| lines.iter().map(of).max().unwrap_or(0);
        let whole = if look.wide { longest(|line| width(&line.metric.name)) } else { 0 };
        let name = longest(|line| width(&line.name)) + whole + 3;
        let mut columns = Columns { name, look, value: 0, beside: Vec::new(), stats: Vec::new(), lines };
        for line in &columns.lines {
            match &line.cells {
                Cells::Trend(stats) => {
                    widen(&mut columns.stats, stats.iter().map(|(_, value)| width(value)));
                }
                Cells::Value(value, beside) => {
                    columns.value = columns.value.max(width(value));
                    widen(&mut columns.beside, beside.iter().map(|text| width(text)));
                }
            }
        }
        columns
    }

    /// The lines of the metrics that are asked for, without what stands before the name.
    pub(super) fn lines(
        &self,
        wanted: impl Fn(&MetricEnd) -> bool,
    ) -> impl Iterator<Item = (&'a MetricEnd, String)> {
        let lines = self.lines.iter().filter(move |line| wanted(line.metric));
        lines.map(|line| (line.metric, self.text(line)))
    }

    fn text(&self, line: &Line) -> String {
        let dots = format!("{}:", ".".repeat(self.name.saturating_sub(width(&line.name))));
        let values = match &line.cells {
            Cells::Trend(stats) => {
                let cell = |((name, value), width): (&(String, String), &usize)| {
                    format!("{name}={}", self.padded("36", value, *width))
                };
                stats.iter().zip(&self.stats).map(cell).collect::<Vec<_>>().join(" ")
            }
            Cells::Value(value, beside) => {
                let mut cells = vec![self.padded("36", value, self.value)];
                match beside.as_slice() {
                    [only] => cells.push(self.look.ink.paint(self.look.beside, only)),
                    several => cells.extend(
                        several.iter().zip(&self.beside).map(|(t, w)| self.padded(self.look.beside, t, *w)),
                    ),
                }
                cells.join(" ")
            }
        };
        format!("{}{} {values}", line.name, self.look.ink.paint(self.look.dots, &dots))
    }

    fn padded(&self, codes: &str, text: &str, to: usize) -> String {
        format!("{}{}", self.look.ink.paint(codes, text), " ".repeat(to.saturating_sub(width(text))))
    }
}

fn line(metric: &MetricEnd, unit: TimeUnit) -> Line<'_> {
    let name = match metric.parts() {
        (name, None) => name.to_owned(),
        (_, Some(tags)) => format!("  {{ {tags} }}"),
    };
    let text = |value: f64| format::value(value, metric.contains, unit);
    let cells = match &metric.values {
        Values::Trend(stats) => {
            let cell = |(name, value): &(String, f64)| {
                let is_count = name == "count";
                (name.clone(), if is_count { format::plain(*value) } else { text(*value) })
            };
            Cells::Trend(stats.iter().map(cell).collect())
        }
        Values::Counter { count, rate } => Cells::Value(text(*count), vec![format!("{}/s", text(*rate))]),
        Values::Gauge { value, min, max } => {
            Cells::Value(text(*value), vec![format!("min={}", text(*min)), format!("max={}", text(*max))])
        }
        Values::Rate { rate, passes, fails } => {
            Cells::Value(format::percent(*rate), vec![format!("{passes} out of {}", passes + fails)])
        }
    };
    Line { metric, name, cells }
}

/// What a threshold has observed.
pub(super) fn observed(metric: &MetricEnd, aggregation: &str, value: f64, unit: TimeUnit) -> String {
    match &metric.values {
        Values::Rate { .. } => format::percent(value),
        Values::Counter { .. } if aggregation == "rate" => {
            format!("{}/s", format::value(value, metric.contains, unit))
        }
        Values::Trend(_) if aggregation == "count" => format::plain(value),
        _ => format::value(value, metric.contains, unit),
    }
}

/// A check's lines, and whether it always passed.
pub(super) fn check(check: &CheckEnd) -> (bool, String, Option<String>) {
    let good = check.fails == 0;
    let share = (100 * check.passes).checked_div(check.passes + check.fails).unwrap_or(0);
    let counts = format!("↳  {share}% — {} {} / {} {}", mark(true), check.passes, mark(false), check.fails);
    (good, format!("{} {}", mark(good), check.name), (!good).then_some(counts))
}

/// The three lines that sum up checks, as metrics.
pub(super) fn totals(checks: &[CheckEnd], seconds: f64) -> Option<[MetricEnd; 3]> {
    let sum = |of: fn(&CheckEnd) -> u64| checks.iter().map(of).sum::<u64>();
    let (passes, fails) = (sum(|check| check.passes), sum(|check| check.fails));
    let all = passes + fails;
    let rate = if seconds > 0.0 { all as f64 / seconds } else { 0.0 };
    let share = |hits: u64| Values::Rate { rate: hits as f64 / all as f64, passes: hits, fails: all - hits };
    let metric = |name: &str, values| MetricEnd {
        name: name.into(),
        contains: Contains::Default,
        values,
        thresholds: Vec::new(),
    };
    (all > 0).then(|| {
        [
            metric("checks_total", Values::Counter { count: all as f64, rate }),
            metric("checks_succeeded", share(passes)),
            metric("checks_failed", share(fails)),
        ]
    })
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn widen(columns: &mut Vec<usize>, widths: impl Iterator<Item = usize>) {
    for (at, width) in widths.enumerate() {
        match columns.get_mut(at) {
            Some(known) => *known = width.max(*known),
            None => columns.push(width),
        }
    }
}
