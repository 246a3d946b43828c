use serde_json::Value;

use super::*;

/// Paths of all keys, in the order of the document; entries of lists as `[]`, those of maps whose
/// keys are data as `*`.
fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let open = ["status", "errors", "connections.errors", "connections.reasons"].contains(&path);
                let key = if open { "*" } else { key };
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                if found.last() != Some(&path) {
                    found.push(path.clone());
                }
                keys(value, &path, found);
            }
        }
        Value::Array(entries) => {
            if let Some(entry) = entries.first() {
                keys(entry, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

fn key_list(report: &Report) -> String {
    let mut found = Vec::new();
    keys(&serde_json::to_value(report).unwrap(), "", &mut found);
    found.sort();
    found.join("\n")
}

#[test]
fn the_keys_are_those_of_the_contract() {
    insta::assert_snapshot!(key_list(&sample::open()));
}

#[test]
fn all_keys_are_always_there() {
    let full = key_list(&sample::open());
    let empty = key_list(&sample::empty());
    let is_in_empty = |key: &str| empty.lines().any(|line| line == key);
    for key in full.lines().filter(|key| !key.contains("[]") && !key.ends_with('*')) {
        assert!(is_in_empty(key), "{key}");
    }
}

#[test]
fn counts_and_rates_are_those_of_the_summary() {
    let report = sample::open();
    assert_eq!(report.schema_version, 1);
    assert_eq!(report.tool.name, "squall");
    assert_eq!(report.started_at, "2026-03-14T09:26:53.589Z");
    assert_eq!(report.throughput.requests_per_s, 499.0, "998 within 2 s");
    assert_eq!(report.status, BTreeMap::from([(200, 990), (404, 5), (503, 5)]));
    assert_eq!(report.errors.values().sum::<u64>(), report.requests.failed);
    assert_eq!((report.errors["timeout"], report.errors["closed"]), (7, 3));
    assert_eq!(report.errors["dns"], 0, "a kind of the contract is there though it did not occur");
    assert!(!report.errors.contains_key("fd_exhausted"), "others only when they occurred");
    assert_eq!(report.connections.errors, BTreeMap::from([("connect".to_owned(), 2)]));
    let r = report.requests;
    assert_eq!(r.scheduled, r.started + r.dropped + r.backlog_at_end);
    assert_eq!(r.started, r.completed + r.failed + r.in_flight_at_end);
}

#[test]
fn cpu_per_request_is_that_of_the_window() {
    let report = sample::closed();
    let each = report.generator.cpu_us_per_request.unwrap();
    assert!((each - 2_200_000.0 / 998.0).abs() < 1e-9, "{each}");
    assert!((report.generator.workers[1].cpu_share - 0.6).abs() < 1e-9);
    assert_eq!(sample::empty().generator.cpu_us_per_request, None);
}

#[test]
fn the_histogram_holds_what_the_percentiles_say() {
    let report = sample::closed();
    for section in [&report.latency.response_time, &report.latency.connect] {
        let histogram = section.histogram().unwrap();
        assert_eq!(histogram.len(), section.count);
        assert_eq!(histogram.percentile(99.0).0 as f64 / 1e3, section.percentiles_us.p99);
        assert_eq!(histogram.max().0 as f64 / 1e3, section.max_us);
    }
}

#[test]
fn an_empty_run_has_zeros_and_no_null_figures() {
    let report = sample::empty();
    let section = &report.latency.response_time;
    assert_eq!((section.count, section.min_us, section.mean_us, section.max_us), (0, 0.0, 0.0, 0.0));
    assert!(section.histogram().unwrap().is_empty());
    let text = serde_json::to_string(&report.latency).unwrap();
    assert!(!text.contains("null"), "serde_json writes NaN as null");
}

#[test]
fn readers_pass_over_keys_that_later_versions_add() {
    let mut value = serde_json::to_value(sample::closed()).unwrap();
    value["later"] = Value::from(1);
    value["generator"]["later"] = Value::from("x");
    let read: Report = serde_json::from_value(value).unwrap();
    assert_eq!(read, sample::closed());
}

/// Two workers that took one name for two kinds: both stand in the report, and what went to others is said.
#[test]
fn metrics_of_ones_own_are_reported_by_kind_where_names_clash() {
    use crate::stats::layout::Layout;
    use crate::stats::registry::{KeyRef, Kind, Role};
    use crate::stats::tally::Tally;
    use crate::units::Nanos;

    let mut layout = Layout::default();
    layout.bound_series(2);
    layout.add_scenario("main", "constant-vus", [].into(), Vec::new());
    let of = |kind, value: f64, tags: u32| {
        let mut tally = Tally::new(&layout);
        for tag in 0..tags {
            let tag = tag.to_string();
            let key = KeyRef { metric: "own", kind, tags: &[("n", &tag)], role: Role::Plain };
            let id = tally.series_of(key).expect("of one kind");
            tally.add(id, value, Nanos::ZERO);
        }
        tally
    };
    let mut all = of(Kind::Counter, 2.0, 5);
    all.merge(&of(Kind::Trend, 7.0, 1));
    let parts = ScenarioParts {
        layout: &layout,
        tally: &all,
        thresholds: &[],
        causes: &[],
        samples: &[],
        steps: &[],
        elapsed: Nanos::from_secs(2),
    };
    let metrics = parts.metrics();
    assert_eq!(metrics["own (counter)"].values["count"], 10.0);
    assert_eq!(metrics["own (counter)"].values["rate"], 5.0);
    assert_eq!(metrics["own (trend)"].values["med"], 7.0);
    assert!(!metrics.contains_key("own"));
    // Three of the five tags, and the trend, which came when there was no room any more.
    assert_eq!(SeriesSection::of(&all, 2), SeriesSection { count: 2, bound: 2, other_samples: 4 });
}

/// The figures of a scenario's stages are those of all of its requests, also of those that no step of a plan sends.
#[test]
fn requests_whose_tags_were_made_are_in_their_scenario_and_stage() {
    use crate::stats::layout::{Condition, Layout};
    use crate::stats::recorder::Recorder;
    use crate::units::Nanos;

    let mut layout = Layout::default();
    layout.bound_series(3);
    for name in ["a", "b"] {
        layout.add_scenario(name, "ramping-vus", [].into(), vec![Nanos(1), Nanos(2)]);
    }
    let mut recorder = Recorder::of_scenarios(&layout);
    for number in 0..60u32 {
        let (url, scenario) = (number.to_string(), if number % 3 == 0 { "a" } else { "b" });
        let place = recorder.place(&layout, &[("scenario", scenario), ("url", &url)], true).number;
        let sample = (u32::from(number < 20), true, Condition::Status(200));
        recorder.record_made(&layout, place, sample, &mut |series| {
            series.completed += 1;
            series.alike.record(Nanos::from_millis(5));
        });
    }
    let parts = ScenarioParts {
        layout: &layout,
        tally: &recorder.tally,
        thresholds: &[],
        causes: &[],
        samples: &[],
        steps: &[],
        elapsed: Nanos::from_secs(2),
    };
    let scenarios = parts.scenarios();
    let requests = scenarios.iter().flat_map(|scenario| scenario.stages.iter().map(|stage| stage.requests));
    assert_eq!(requests.collect::<Vec<_>>(), [13, 7, 27, 13]);
    assert!((4_900.0..5_100.0).contains(&scenarios[1].stages[1].p99_us));
    assert_eq!(
        SeriesSection::of(&recorder.tally, 3),
        SeriesSection { count: 3, bound: 3, other_samples: 57 }
    );
}
