//! What a script wants to be judged, by k6's rules.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::error::{CONFIGURATION, OptionsError};
use super::value::Span;
use crate::stats::registry::Kind;
use crate::threshold::Threshold;
use crate::units::Nanos;

/// One threshold: its expression, or an object with more.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdForm {
    /// `p(95)<200`
    pub threshold: String,
    /// End the run as soon as it fails.
    pub abort_on_fail: bool,
    /// But not before so much of it is over.
    pub delay_abort_eval: Option<Span>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    threshold: String,
    #[serde(default)]
    abort_on_fail: bool,
    delay_abort_eval: Option<Span>,
}

impl<'de> Deserialize<'de> for ThresholdForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ThresholdForm, D::Error> {
        match Value::deserialize(from)? {
            Value::String(threshold) => {
                Ok(ThresholdForm { threshold, abort_on_fail: false, delay_abort_eval: None })
            }
            object @ Value::Object(_) => {
                let Object { threshold, abort_on_fail, delay_abort_eval } =
                    serde_json::from_value(object).map_err(D::Error::custom)?;
                Ok(ThresholdForm { threshold, abort_on_fail, delay_abort_eval })
            }
            other => {
                Err(D::Error::custom(format!("{other} is no threshold: write one, as in \"p(95)<200\"")))
            }
        }
    }
}

impl Serialize for ThresholdForm {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !self.abort_on_fail {
            return to.serialize_str(&self.threshold);
        }
        let mut object = to.serialize_struct("ThresholdForm", 3)?;
        object.serialize_field("threshold", &self.threshold)?;
        object.serialize_field("abortOnFail", &self.abort_on_fail)?;
        object.serialize_field("delayAbortEval", &self.delay_abort_eval)?;
        object.end()
    }
}

/// Metrics that k6 has always, and squall only where a script makes samples of them.
const OF_K6: [(&str, Kind); 11] = [
    ("group_duration", Kind::Trend),
    ("grpc_req_duration", Kind::Trend),
    ("grpc_streams", Kind::Counter),
    ("grpc_streams_msgs_received", Kind::Counter),
    ("grpc_streams_msgs_sent", Kind::Counter),
    ("ws_connecting", Kind::Trend),
    ("ws_msgs_received", Kind::Counter),
    ("ws_msgs_sent", Kind::Counter),
    ("ws_ping", Kind::Trend),
    ("ws_session_duration", Kind::Trend),
    ("ws_sessions", Kind::Counter),
];

/// What is `asked` of metrics, by selector, in a script whose own metrics are `own`: names and kinds, known once it is loaded.
///
/// # Errors
/// All that cannot be judged, with k6's exit code.
pub fn thresholds(
    asked: &BTreeMap<String, Vec<ThresholdForm>>,
    own: &[(String, Kind)],
) -> Result<Vec<Threshold>, OptionsError> {
    let of_k6 = OF_K6.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
    let own: Vec<(String, Kind)> = own.iter().cloned().chain(of_k6).collect();
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (selector, forms) in asked {
        let (name, tags) = match split_selector(selector) {
            Ok(split) => split,
            Err(why) => {
                problems.push(format!("threshold on `{selector}`: {why}"));
                continue;
            }
        };
        for form in forms {
            match Threshold::of_script(selector, (name, &tags), &own, &form.threshold) {
                Ok(mut threshold) => {
                    threshold.abort_on_fail = form.abort_on_fail;
                    threshold.delay_abort_eval =
                        form.delay_abort_eval.and_then(Span::nanos).unwrap_or(Nanos::ZERO);
                    all.push(threshold);
                }
                Err(why) => problems.push(format!("threshold {why}")),
            }
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(OptionsError { exit: CONFIGURATION, problems }) }
}

/// A metric's name, and tags with their values.
type Selected<'a> = (&'a str, Vec<(String, String)>);

/// k6's reading: commas separate tags in any case; blanks and quotes around names and values are not theirs.
fn split_selector(selector: &str) -> Result<Selected<'_>, String> {
    let Some((name, rest)) = selector.split_once('{') else {
        return match selector.contains('}') {
            true => Err("it has a } without its {: write metric{tag:value}".into()),
            false => Ok((selector, Vec::new())),
        };
    };
    let Some(inside) = rest.strip_suffix('}') else {
        return Err("its tags do not end with }: write metric{tag:value}".into());
    };
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let mut tags = Vec::new();
    for pair in inside.split(',') {
        match pair.split_once(':').filter(|(_, value)| !value.is_empty()) {
            Some((tag, value)) => tags.push((bare(tag), bare(value))),
            None => {
                return Err(format!(
                    "`{pair}` is no tag with a value: write tag:value, or tag:\"\" for none"
                ));
            }
        }
    }
    Ok((name, tags))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(selector: &str, expression: &str) -> Result<Vec<Threshold>, OptionsError> {
        let asked: BTreeMap<String, Vec<ThresholdForm>> =
            serde_json::from_value(json!({ selector: [expression] })).unwrap();
        let own = [("cc", Kind::Counter), ("tt", Kind::Trend), ("rr", Kind::Rate), ("gg", Kind::Gauge)];
        thresholds(&asked, &own.map(|(name, kind)| (name.to_owned(), kind)))
    }

    /// k6 1.1.0.
    #[test]
    fn what_k6_accepts_is_accepted() {
        for (selector, expression) in [
            ("http_reqs", "count > 1"),
            ("http_reqs", " count>-1 "),
            ("http_reqs", "count>1e3"),
            ("http_reqs", "count>.5"),
            ("http_reqs", "count===1"),
            ("http_reqs", "count!=1"),
            ("http_reqs", "rate>+1"),
            ("http_req_duration", "p(99.9)<200"),
            ("http_req_duration", "med<200"),
            ("checks", "rate>0.9"),
            ("vus", "value>1"),
            ("vus_max", "value<3"),
            ("data_sent", "rate<1"),
            ("cc", "count>1"),
            ("tt", "p(90)>1"),
            ("rr", "rate>1"),
            ("gg", "value>1"),
            ("group_duration", "avg<1"),
            ("ws_sessions", "count>1"),
            ("ws_msgs_sent", "count>1"),
            ("ws_ping", "avg<1"),
            ("ws_connecting", "avg<1"),
            ("ws_session_duration", "avg>1"),
            ("grpc_req_duration", "avg<1"),
            ("http_reqs{a:b, c:\"d\"}", "count>1"),
            ("http_reqs{ a : b }", "count>1"),
            ("http_reqs{a:\"\"}", "count>1"),
            ("http_reqs{:b}", "count>1"),
            ("http_reqs{a:b}{c:d}", "count>1"),
            ("http_reqs{a:b:c}", "count>1"),
            ("http_reqs{a:{b}}", "count>1"),
            ("http_reqs{\"a\":b}", "count>1"),
            ("http_reqs{a:b,a:c}", "count>1"),
            ("http_reqs{group:::a}", "count>1"),
            ("iterations{scenario:nobody}", "count>1"),
            ("iterations{status:200}", "count>1"),
            ("http_reqs{status:x,stage:first}", "count>1"),
        ] {
            let found = judged(selector, expression).unwrap_or_else(|why| panic!("{selector}: {why}"));
            let mut layout = crate::stats::layout::Layout::default();
            layout.expect_any_tags();
            found[0].prepare(&mut layout).unwrap_or_else(|why| panic!("{selector}: {why}"));
        }
    }

    /// k6 1.1.0: all of these end it with 104.
    #[test]
    fn what_k6_refuses_is_refused() {
        for (selector, expression, part) in [
            ("http_reqs", "count", "lacks one of"),
            ("http_reqs", "", "lacks one of"),
            ("http_reqs", "count!==1", "is not a number"),
            ("http_reqs", "count=1", "lacks one of"),
            ("http_reqs", "count<>1", "is not a number"),
            ("http_reqs", "count=>1", "`count=` cannot be asked"),
            ("http_reqs", "Count>1", "there is count, rate"),
            ("http_reqs", "avg>1", "there is count, rate"),
            ("http_reqs", "count>1ms", "`1ms` is not a number"),
            ("http_reqs", "count>1 && count<3", "is not a number"),
            ("http_req_duration", "p95<200", "there is avg, min, max, med, p(N)"),
            ("http_req_duration", "p(x)<200", "not a percentile"),
            ("http_req_duration", "rate<200", "there is avg, min, max, med, p(N)"),
            ("checks", "count>1", "there is rate"),
            ("vus", "max>1", "there is value"),
            ("cc", "value>1", "there is count, rate"),
            ("rr", "count>1", "there is rate"),
            ("gg", "max>1", "there is value"),
            ("http_reqs{}", "count>1", "`` is no tag"),
            ("http_reqs{a}", "count>1", "`a` is no tag"),
            (
                "http_reqs{group:}",
                "count>1",
                "`group:` is no tag with a value: write tag:value, or tag:\"\" for none",
            ),
            ("http_reqs{a:b,}", "count>1", "`` is no tag"),
            ("http_reqs{a:b", "count>1", "do not end with }"),
            ("http_reqs a:b}", "count>1", "} without its {"),
            ("http_reqs{a:b}x", "count>1", "do not end with }"),
            ("checks{check:a, b}", "rate>1", "` b` is no tag"),
            ("http_reqs{a:\"b,c\",d:e}", "count>1", "is no tag"),
            (" http_reqs", "count>1", "there is no metric ` http_reqs`"),
            ("http_reqs {a:b}", "count>1", "there is no metric `http_reqs `"),
            ("nope", "count>1", "there is no metric `nope`"),
            ("", "count>1", "there is no metric ``"),
        ] {
            let error = judged(selector, expression).expect_err(&format!("{selector}: {expression}"));
            assert_eq!(error.exit, CONFIGURATION, "{error}");
            assert!(error.to_string().contains(part), "{selector}: {expression}: {error}");
        }
    }

    /// k6 1.1.0: `p(101)` and bounds such as `inf` pass there and can never be judged as they are meant; squall says so.
    #[test]
    fn what_has_no_meaning_is_refused_too() {
        for (selector, expression) in [("http_req_duration", "p(101)<2"), ("http_reqs", "count>inf")] {
            assert!(judged(selector, expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn own_metrics_are_judged_by_their_samples() {
        use crate::stats::layout::Layout;
        use crate::stats::registry::{KeyRef, Role};
        use crate::stats::tally::Tally;
        let mut layout = Layout::default();
        layout.bound_series(10);
        let all: Vec<(Threshold, bool)> = [
            ("cc", "count==7", true),
            ("cc", "rate==3.5", true),
            ("cc{a:b}", "count>3", false),
            ("cc{a:x}", "count==0", true),
            ("tt", "max==4", true),
            ("tt", "avg==3", true),
            ("tt", "p(50)<=2.01", true),
            ("tt{no:one}", "max<1", true),
            ("rr", "rate==0.5", true),
            ("rr{no:one}", "rate>0.9", true),
            ("gg", "value==9", true),
            ("group_duration", "avg<1", true),
        ]
        .map(|(selector, expression, ok)| (judged(selector, expression).unwrap().remove(0), ok))
        .into();
        all.iter().for_each(|(threshold, _)| threshold.prepare(&mut layout).unwrap());
        let mut tally = Tally::new(&layout);
        for (metric, kind, tags, value) in [
            ("cc", Kind::Counter, &[("a", "b")][..], 3.0),
            ("cc", Kind::Counter, &[], 4.0),
            ("tt", Kind::Trend, &[], 2.0),
            ("tt", Kind::Trend, &[("a", "b")], 4.0),
            ("rr", Kind::Rate, &[], 1.0),
            ("rr", Kind::Rate, &[], 0.0),
            ("gg", Kind::Gauge, &[], 9.0),
        ] {
            let id = tally.series_of(KeyRef { metric, kind, tags, role: Role::Plain }).unwrap();
            tally.add(id, value, Nanos::ZERO);
        }
        for (threshold, ok) in &all {
            let outcome = threshold.evaluate(&layout, &tally, Nanos::from_secs(2));
            assert_eq!(outcome.ok, *ok, "{threshold}: {outcome:?}");
        }
        let empty = &all[7].0;
        assert_eq!(empty.evaluate_so_far(&layout, &tally, Nanos::from_secs(2)), None);
    }
}
