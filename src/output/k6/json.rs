//! The end of a test as JSON: the `data` that `handleSummary` gets, and the file of `--summary-export`.

use md5::{Digest, Md5};
use serde_json::{Map, Number, Value as Json, json};

use super::model::{CheckEnd, EndOfTest, Group, MetricEnd};
use crate::secrets::{HIDDEN, Redactor};

/// The argument of `handleSummary`, with all texts as they are: it stays within the script.
pub fn data(end: &EndOfTest) -> Json {
    let metrics = end.metrics.iter().map(|metric| (metric.name.clone(), metric_data(metric)));
    let stats = end.options.trend_stats.iter().map(|stat| stat.name.as_str());
    let mut data = json!({
        "metrics": metrics.collect::<Map<_, _>>(),
        "root_group": group_data(&end.root_group),
        "options": {
            "summaryTrendStats": stats.collect::<Vec<_>>(),
            "summaryTimeUnit": end.options.time_unit.name(),
            "noColor": end.options.no_color,
        },
        "state": {
            "isStdOutTTY": end.state.is_stdout_tty,
            "isStdErrTTY": end.state.is_stderr_tty,
            "testRunDurationMs": number(end.state.test_run_duration_ms),
        },
    });
    if let Some(setup_data) = &end.setup_data {
        data["setup_data"] = setup_data.clone();
    }
    data
}

/// What `--summary-export` writes, without secrets. A threshold is true there when it was *not* met.
pub fn export(end: &EndOfTest, secrets: &Redactor) -> Json {
    let metrics = end.metrics.iter().map(|metric| (metric.name.clone(), metric_export(metric)));
    let mut export = json!({
        "metrics": metrics.collect::<Map<_, _>>(),
        "root_group": group_export(&end.root_group),
    });
    if let Some(setup_data) = &end.setup_data {
        export["setup_data"] = hidden_by_name(setup_data.clone(), "", secrets);
    }
    hidden(export, secrets)
}

/// With `***` for each secret, also in keys.
pub(super) fn hidden(value: Json, secrets: &Redactor) -> Json {
    match value {
        Json::String(text) => Json::String(secrets.text(&text).into_owned()),
        Json::Array(items) => items.into_iter().map(|item| hidden(item, secrets)).collect(),
        Json::Object(entries) => {
            let entry =
                |(key, value): (String, Json)| (secrets.text(&key).into_owned(), hidden(value, secrets));
            Json::Object(entries.into_iter().map(entry).collect())
        }
        other => other,
    }
}

/// Data of the script, whose names may say what is a secret (`{ "token": … }`): so are all texts and numbers below.
fn hidden_by_name(value: Json, name: &str, secrets: &Redactor) -> Json {
    match value {
        Json::String(text) => Json::String(secrets.named(name, &text).into_owned()),
        Json::Number(number) => match secrets.named(name, &number.to_string()) {
            hidden if hidden == HIDDEN => HIDDEN.into(),
            _ => Json::Number(number),
        },
        Json::Array(items) => items.into_iter().map(|item| hidden_by_name(item, name, secrets)).collect(),
        Json::Object(entries) => {
            let entry = |(key, value): (String, Json)| {
                let value = hidden_by_name(value, &key, secrets);
                (key, value)
            };
            Json::Object(entries.into_iter().map(entry).collect())
        }
        other => other,
    }
}

fn metric_data(metric: &MetricEnd) -> Json {
    let mut data = json!({
        "type": metric.values.kind().name(),
        "contains": metric.contains.name(),
        "values": values(metric, false),
    });
    if !metric.thresholds.is_empty() {
        let thresholds = metric.thresholds.iter().map(|t| (t.source.clone(), json!({ "ok": t.ok })));
        data["thresholds"] = Json::Object(thresholds.collect());
    }
    data
}

fn metric_export(metric: &MetricEnd) -> Json {
    let mut flat = values(metric, true);
    if !metric.thresholds.is_empty() {
        let thresholds = metric.thresholds.iter().map(|t| (t.source.clone(), Json::Bool(!t.ok)));
        flat.insert("thresholds".into(), Json::Object(thresholds.collect()));
    }
    Json::Object(flat)
}

fn values(metric: &MetricEnd, flat: bool) -> Map<String, Json> {
    let named = metric.values.named(flat).into_iter();
    named.map(|(name, value)| (name.to_owned(), number(value))).collect()
}

fn group_data(group: &Group) -> Json {
    let checks = group.checks.iter().map(|check| check_json(group, check));
    json!({
        "name": group.name,
        "path": group.path,
        "id": id(&group.path),
        "groups": group.groups.iter().map(group_data).collect::<Vec<_>>(),
        "checks": checks.collect::<Vec<_>>(),
    })
}

fn group_export(group: &Group) -> Json {
    let groups = group.groups.iter().map(|inner| (inner.name.clone(), group_export(inner)));
    let checks = group.checks.iter().map(|check| (check.name.clone(), check_json(group, check)));
    json!({
        "name": group.name,
        "path": group.path,
        "id": id(&group.path),
        "groups": groups.collect::<Map<_, _>>(),
        "checks": checks.collect::<Map<_, _>>(),
    })
}

fn check_json(group: &Group, check: &CheckEnd) -> Json {
    let path = format!("{}::{}", group.path, check.name);
    json!({
        "name": check.name,
        "id": id(&path),
        "path": path,
        "passes": check.passes,
        "fails": check.fails,
    })
}

/// k6's number of a group or check: the MD5 of its path, in hexadecimal.
fn id(path: &str) -> String {
    Md5::digest(path).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whole numbers without a decimal point, as k6 writes them.
fn number(value: f64) -> Json {
    const EXACT: f64 = (1u64 << 53) as f64;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Json::from(value as i64);
    }
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}
