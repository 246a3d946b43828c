//! Takes secrets out of a report: out of every text in it, so that no key can be forgotten.

use serde_json::{Map, Value};

use super::Report;
use crate::secrets::Redactor;

/// Keys whose texts are squall's own words, or encoded figures.
const OWN_WORDS: [&str; 3] = ["hdr", "model", "status"];
/// Maps whose keys are texts.
const TEXTS_AS_KEYS: [&str; 2] = ["reasons", "metrics"];

impl Report {
    /// The report with `***` for each secret.
    pub(super) fn without(self, secrets: &Redactor) -> Report {
        let mut value = serde_json::to_value(&self).expect("a report is written as JSON");
        hide(&mut value, secrets);
        serde_json::from_value(value).expect("keys and words of its own are as they were")
    }
}

fn hide(value: &mut Value, secrets: &Redactor) {
    match value {
        Value::String(text) => *text = secrets.text(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Object(entries) => {
            for (key, value) in entries.iter_mut() {
                if TEXTS_AS_KEYS.contains(&key.as_str())
                    && let Value::Object(map) = value
                {
                    *map = renamed(std::mem::take(map), secrets);
                }
                if !OWN_WORDS.contains(&key.as_str()) || !value.is_string() {
                    hide(value, secrets);
                }
            }
        }
        _ => {}
    }
}

/// Counts of what is the same now add up; of anything else the first stays.
fn renamed(map: Map<String, Value>, secrets: &Redactor) -> Map<String, Value> {
    let mut all = Map::new();
    for (key, value) in map {
        let key = secrets.text(&key).into_owned();
        match (all.get(&key).and_then(Value::as_u64), value.as_u64()) {
            (Some(before), Some(more)) => drop(all.insert(key, (before + more).into())),
            _ => drop(all.entry(key).or_insert(value)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_text_is_looked_at() {
        let mut report = sample::open();
        report.config.headers = vec!["Authorization: Bearer s3cr3t".into(), "A: b".into()];
        report.config.target = "http://h/?token=s3cr3t".into();
        report.verdict.reasons.push("is http://u:s3cr3t@h/ there?".into());
        report.error_samples[0].excerpt = Some("echo of s3cr3t".into());
        report.connections.reasons = [("to s3cr3t".into(), 2), ("to ***".into(), 3)].into();
        let mut secrets = Redactor::default();
        secrets.learn_value("s3cr3t");
        let seen = report.clone().without(&secrets);
        assert_eq!(seen.config.headers, ["Authorization: Bearer ***", "A: b"]);
        assert_eq!(seen.config.target, "http://h/?token=***");
        assert_eq!(seen.verdict.reasons.last().unwrap(), "is http://u:***@h/ there?");
        assert_eq!(seen.error_samples[0].excerpt.as_deref(), Some("echo of ***"));
        assert_eq!(seen.connections.reasons, [("to ***".into(), 5)].into());
        assert_eq!(report.clone().without(&Redactor::showing()), report);
    }

    #[test]
    fn a_secret_that_is_a_word_of_the_report_breaks_nothing() {
        let mut secrets = Redactor::default();
        let report = sample::open();
        let text = serde_json::to_string(&report).unwrap();
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).for_each(|word| secrets.learn_value(word));
        let seen = report.clone().without(&secrets);
        assert_eq!((seen.verdict.status, seen.config.model), (report.verdict.status, report.config.model));
        assert_eq!(seen.latency, report.latency);
        assert_eq!(seen.tool.name, "***");
    }
}
