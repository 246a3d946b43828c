//! Judgements of a whole run: k6's thresholds.
//!
//! `p(99)<500` on a metric, perhaps of certain tags only: `http_req_duration{name:login}`. Times are in
//! milliseconds, as in k6.

use std::fmt;

use crate::relation::Relation;
use crate::stats::layout::Layout;
use crate::stats::metrics::{self, Filter, Kind, METRICS, Metric, Value};
use crate::stats::series::Figures;
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// What a metric must come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The metric, with its tags, as written.
    pub selector: String,
    /// The expression, as written.
    pub expression: String,
    /// End the run as soon as it fails.
    pub abort_on_fail: bool,
    /// But not before so much of it is over.
    pub delay_abort_eval: Nanos,
    metric: Metric,
    filter: Filter,
    aggregation: Aggregation,
    relation: Relation,
    bound: f64,
}

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// It was met.
    pub ok: bool,
    /// What was observed; times in milliseconds.
    pub observed: f64,
}

/// Why a threshold cannot be used: the message names the place and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ThresholdError(pub String);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Aggregation {
    Count,
    Rate,
    Value,
    Avg,
    Min,
    Max,
    Med,
    Percentile(f64),
}

impl Threshold {
    /// Reads `expression` on `selector`: `p(95)<200` on `http_req_duration{scenario:main}`.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn parse(selector: &str, expression: &str) -> Result<Threshold, ThresholdError> {
        let at = |why| at(selector, expression, why);
        let (name, tags) = split_selector(selector).map_err(at)?;
        let metric = metrics::named(name).ok_or_else(|| at(unknown_metric(name, &[])))?;
        let filter = Filter::new(&tags).map_err(at)?;
        Threshold::on(selector, metric, filter, expression)
    }

    /// The same of a script: what `selector` asks for has been split off it, there are metrics of the script's `own`, and tags may have
    /// values that no sample has.
    ///
    /// # Errors
    /// As [`parse`](Threshold::parse).
    pub fn of_script(
        selector: &str,
        (name, tags): (&str, &[(String, String)]),
        own: &[(String, Kind)],
        expression: &str,
    ) -> Result<Threshold, ThresholdError> {
        let metric = match own.iter().find(|(known, _)| known == name) {
            Some((name, kind)) => metrics::own(name, *kind),
            None => {
                metrics::named(name).ok_or_else(|| at(selector, expression, unknown_metric(name, own)))?
            }
        };
        Threshold::on(selector, metric, Filter::of_any(metric, tags), expression)
    }

    fn on(
        selector: &str,
        metric: Metric,
        filter: Filter,
        expression: &str,
    ) -> Result<Threshold, ThresholdError> {
        let refuse = |why| at(selector, expression, why);
        let (asked, relation, number) = Relation::split(expression)
            .ok_or_else(|| refuse("it lacks one of < <= > >= == !=, as in p(95)<200".into()))?;
        let aggregation = aggregation(metric.kind, asked.trim()).map_err(refuse)?;
        let number = number.trim();
        let bound = number.parse().ok().filter(|bound: &f64| bound.is_finite());
        let bound = bound.ok_or_else(|| refuse(format!("`{number}` is not a number")))?;
        Ok(Threshold {
            selector: selector.into(),
            expression: expression.trim().into(),
            abort_on_fail: false,
            delay_abort_eval: Nanos::ZERO,
            metric,
            filter,
            aggregation,
            relation,
            bound,
        })
    }

    /// Reads the form of the command line: `http_req_duration:p(99)<50`.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn parse_flag(text: &str) -> Result<Threshold, ThresholdError> {
        // Tags may hold colons and braces; an expression holds neither.
        let has_tags = text.find('{').is_some_and(|brace| !text[..brace].contains(':'));
        let from = if has_tags { text.rfind('}') } else { Some(0) };
        let colon = from.and_then(|from| Some(from + text[from..].find(':')?));
        let Some(colon) = colon else {
            return Err(ThresholdError(format!(
                "`{text}`: a threshold is a metric, a colon and an expression, as in http_req_duration:p(99)<50"
            )));
        };
        Threshold::parse(text[..colon].trim(), text[colon + 1..].trim())
    }

    /// Prepares `layout` so that what it looks at is kept apart.
    ///
    /// # Errors
    /// When no sample can ever match its tags.
    pub fn prepare(&self, layout: &mut Layout) -> Result<(), ThresholdError> {
        let prepared = self.filter.prepare(self.metric, layout);
        prepared.map_err(|why| ThresholdError(format!("`{self}`: {why}")))
    }

    /// Judges what was measured within `elapsed`, in mid-run: `None` while that is nothing, as in k6.
    pub fn evaluate_so_far(&self, layout: &Layout, tally: &Tally, elapsed: Nanos) -> Option<Outcome> {
        let value = metrics::value(self.metric, &self.filter, layout, tally);
        let is_empty = match &value {
            Value::Count(count) | Value::Rate { all: count, .. } => *count == 0,
            Value::Trend(trend) => trend.is_empty(),
            Value::Gauge(_) => false,
            Value::Own(figures) => figures.samples() == 0,
        };
        (!is_empty).then(|| self.outcome(&value, elapsed))
    }

    /// Judges what was measured within `elapsed`. A rate without samples passes, as in k6.
    pub fn evaluate(&self, layout: &Layout, tally: &Tally, elapsed: Nanos) -> Outcome {
        self.outcome(&metrics::value(self.metric, &self.filter, layout, tally), elapsed)
    }

    /// The same of a run in parts, each with figures of its own: the first is the load, the others what was done once beside it.
    pub fn evaluate_parts(&self, parts: &[(&Layout, &Tally)], elapsed: Nanos) -> Option<Outcome> {
        let (load, others) = parts.split_first()?;
        let mut sum = metrics::value(self.metric, &self.filter, load.0, load.1);
        for (layout, tally) in others.iter().filter(|_| !self.metric.is_of_load()) {
            sum.merge(&metrics::value(self.metric, &self.filter, layout, tally));
        }
        Some(self.outcome(&sum, elapsed))
    }

    fn outcome(&self, value: &Value, elapsed: Nanos) -> Outcome {
        let no_rate = match value {
            Value::Rate { all, .. } => *all == 0,
            Value::Own(figures) => figures.kind() == Kind::Rate && figures.samples() == 0,
            _ => false,
        };
        if no_rate {
            return Outcome { ok: true, observed: 0.0 };
        }
        let observed = self.aggregation.of(value, elapsed);
        Outcome { ok: self.relation.holds(observed, self.bound), observed }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.selector, self.expression)
    }
}

/// Times in milliseconds from histograms in ns.
pub fn millis(ns: f64) -> f64 {
    ns / 1e6
}

impl Aggregation {
    fn of(self, value: &Value, elapsed: Nanos) -> f64 {
        let seconds = elapsed.as_secs_f64();
        match value {
            Value::Count(count) if self == Aggregation::Rate => per_second(*count as f64, seconds),
            Value::Count(count) | Value::Gauge(count) => *count as f64,
            Value::Rate { hits, all } => *hits as f64 / (*all).max(1) as f64,
            Value::Own(figures) => self.of_own(figures, seconds),
            Value::Trend(trend) => {
                let at = |percentile| millis(trend.percentile(percentile).0 as f64);
                match self {
                    Aggregation::Avg => millis(trend.mean()),
                    Aggregation::Min => millis(trend.min().0 as f64),
                    Aggregation::Max => millis(trend.max().0 as f64),
                    Aggregation::Percentile(percentile) => at(percentile),
                    Aggregation::Count => trend.len() as f64,
                    Aggregation::Med | Aggregation::Rate | Aggregation::Value => at(50.0),
                }
            }
        }
    }

    /// Of a flow's own metric, in its own unit.
    fn of_own(self, figures: &Figures, seconds: f64) -> f64 {
        match figures {
            Figures::Counter(counter) if self == Aggregation::Rate => per_second(counter.sum, seconds),
            Figures::Counter(counter) => counter.sum,
            Figures::Gauge(gauge) => gauge.value,
            Figures::Rate(rate) => rate.passes as f64 / (rate.passes + rate.fails).max(1) as f64,
            Figures::Trend(trend) => match self {
                Aggregation::Avg => trend.mean(),
                Aggregation::Min => trend.min,
                Aggregation::Max => trend.max,
                Aggregation::Count => trend.len() as f64,
                Aggregation::Percentile(percentile) => trend.percentile(percentile),
                Aggregation::Med | Aggregation::Rate | Aggregation::Value => trend.percentile(50.0),
            },
            Figures::Requests(_) => 0.0,
        }
    }
}

/// 0 where no time has passed.
fn per_second(count: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { count / seconds } else { 0.0 }
}

/// A metric's name, and tags with their values.
pub type Selected<'a> = (&'a str, Vec<(String, String)>);

/// The metric of a selector, and its tags: `http_req_duration{name:login}`.
///
/// # Errors
/// What is wrong with it.
pub fn split_selector(selector: &str) -> Result<Selected<'_>, String> {
    let Some((name, rest)) = selector.split_once('{') else {
        return Ok((selector.trim(), Vec::new()));
    };
    let inside = rest.trim_end().strip_suffix('}').ok_or("the list of tags lacks its closing }")?;
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut rest = inside.trim_start();
    while !rest.is_empty() {
        let (tag, behind) = rest.split_once(':').ok_or_else(|| format!("`{rest}` is not tag:value"))?;
        let (value, next) = split_value(behind.trim_start())?;
        tags.push((tag.trim().to_owned(), value.to_owned()));
        rest = next.trim_start();
    }
    Ok((name.trim(), tags))
}

/// A tag's value at the beginning of `text`, and what follows behind its comma. A comma ends it where another tag stands behind, so
/// that a check's name may have some; in double quotes anything goes.
fn split_value(text: &str) -> Result<(&str, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut ends =
            quoted.match_indices('"').map(|(at, _)| (&quoted[..at], quoted[at + 1..].trim_start()));
        let closed = ends.find_map(|(value, behind)| {
            Some((value, if behind.is_empty() { "" } else { behind.strip_prefix(',')? }))
        });
        return closed.ok_or_else(|| format!("`{text}` lacks its closing quote"));
    }
    let is_tag = |rest: &str| {
        let name = rest.split_once(':').map_or("", |(name, _)| name.trim());
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        rest.trim().is_empty()
            || (name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(fits))
    };
    let comma = text.match_indices(',').map(|(at, _)| at).find(|at| is_tag(&text[at + 1..]));
    let (value, next) = comma.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    Ok((value.trim(), next))
}

fn at(selector: &str, expression: &str, why: String) -> ThresholdError {
    ThresholdError(format!("`{selector}: {expression}`: {why}"))
}

fn unknown_metric(name: &str, own: &[(String, Kind)]) -> String {
    let known: Vec<&str> =
        METRICS.iter().map(|metric| metric.name).chain(own.iter().map(|(own, _)| &**own)).collect();
    let near = known.iter().map(|near| (strsim::damerau_levenshtein(near, name), near)).min();
    let meant = near
        .filter(|(distance, near)| *distance <= near.len() / 4 + 1)
        .map(|(_, near)| format!("; did you mean {near}?"));
    format!("there is no metric `{name}`{} (there are {})", meant.unwrap_or_default(), known.join(", "))
}

fn aggregation(kind: Kind, text: &str) -> Result<Aggregation, String> {
    let found = match text {
        "count" => Some(Aggregation::Count),
        "rate" => Some(Aggregation::Rate),
        "value" => Some(Aggregation::Value),
        "avg" => Some(Aggregation::Avg),
        "min" => Some(Aggregation::Min),
        "max" => Some(Aggregation::Max),
        "med" => Some(Aggregation::Med),
        _ => percentile(text)?.map(Aggregation::Percentile),
    };
    let (offered, fits) = match kind {
        Kind::Counter => ("count, rate", matches!(found, Some(Aggregation::Count | Aggregation::Rate))),
        Kind::Gauge => ("value", found == Some(Aggregation::Value)),
        Kind::Rate => ("rate", found == Some(Aggregation::Rate)),
        // No metric is of several.
        Kind::Trend | Kind::Requests => (
            "avg, min, max, med, p(N)",
            !matches!(found, None | Some(Aggregation::Count | Aggregation::Rate | Aggregation::Value)),
        ),
    };
    found.filter(|_| fits).ok_or_else(|| format!("`{text}` cannot be asked of it; there is {offered}"))
}

fn percentile(text: &str) -> Result<Option<f64>, String> {
    let Some(number) = text.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')')) else {
        return Ok(None);
    };
    let value = number.trim().parse().ok().filter(|value| (0.0..=100.0).contains(value));
    value.map(Some).ok_or_else(|| format!("`{number}` is not a percentile: it is a number from 0 to 100"))
}

#[cfg(test)]
mod made;
#[cfg(test)]
mod tests;
