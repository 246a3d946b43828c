use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::stats::outcome::ErrorKind;
use crate::stats::registry::{KeyRef, Kind, Registry, Role};
use crate::stats::samples::{NewPlace, NewSeries};

/// 2026-11-23T23:05:40.000001Z, less the second at which measuring begins.
const EPOCH: Nanos = Nanos(1_795_475_139_000_001_500);

const OPEN: Nanos = Nanos::from_secs(1);

fn legend(layout: Layout) -> Legend {
    let url = "http://127.0.0.1:8080/a?q=\"1\"".into();
    Legend { layout: Arc::new(layout), method: "GET".into(), url, epoch: EPOCH, secrets: Arc::default() }
}

fn lines(legend: &Legend, records: Vec<Record>) -> Vec<Value> {
    let mut out = Vec::new();
    let mut sink = Ndjson::new(&mut out, "here".into());
    assert_eq!(sink.place(), "here");
    sink.begin(legend).unwrap();
    sink.take(&Block { open: OPEN, records, ..Block::of(0) }).unwrap();
    sink.flush().unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn answered() -> RequestEnd {
    RequestEnd {
        place: 0,
        stage: 0,
        expected: true,
        result: Ok(200),
        scheduled: Nanos(1_500_000_000),
        sent: Nanos(1_500_000_042),
        first_byte: Nanos(1_500_100_042),
        done: Nanos(1_502_000_000),
        body_bytes: 16,
        blocked: Nanos::ZERO,
        connecting: Nanos::ZERO,
        securing: Nanos::ZERO,
        sending: Nanos::ZERO,
    }
}

/// Two stages, a tag of its own, one check.
fn layout() -> Layout {
    let mut layout = Layout::default();
    let scenario: Tags = [("scenario".into(), "shop".into()), ("team".into(), "a \\ b".into())].into();
    layout.add_scenario("shop", "ramping-vus", scenario.clone(), vec![Nanos::from_secs(1), Nanos::MAX]);
    let mut place = scenario;
    for (name, value) in [("name", "home"), ("method", "GET"), ("url", "http://h/{{id}}")] {
        place.insert(name.into(), value.into());
    }
    layout.add_place(0, 0, place, &["status == 200"]);
    layout
}

#[test]
fn a_plain_request_has_no_scenario() {
    let found = lines(&legend(Layout::default()), vec![Record::Request(answered())]);
    let expected = json!({
        "type": "request", "method": "GET", "url": "http://127.0.0.1:8080/a?q=\"1\"",
        "t_s": 0.502, "time": "2026-11-23T23:05:40.502001Z",
        "status": 200, "error": null,
        "response_time_us": 2000.0, "service_time_us": 1999.958, "start_lag_us": 0.042, "first_byte_us": 100.0,
        "body_bytes": 16,
    });
    assert_eq!(found, [expected]);
}

#[test]
fn a_request_that_failed_says_how_and_what_it_waited_for() {
    let never_sent = RequestEnd {
        expected: false,
        result: Err(ErrorKind::Connect),
        sent: Nanos::MAX,
        first_byte: Nanos::MAX,
        body_bytes: 0,
        blocked: Nanos(1_500),
        connecting: Nanos(500),
        stage: 1,
        ..answered()
    };
    let cut = RequestEnd { sent: answered().sent, blocked: Nanos::ZERO, ..never_sent };
    let found = lines(&legend(layout()), vec![Record::Request(never_sent), Record::Request(cut)]);
    let expected = json!({
        "type": "request", "scenario": "shop", "name": "home", "method": "GET", "url": "http://h/{{id}}",
        "tags": { "team": "a \\ b" },
        "t_s": 0.502, "time": "2026-11-23T23:05:40.502001Z", "stage": 1, "expected": false,
        "status": null, "error": "connect",
        "response_time_us": 2000.0, "service_time_us": null, "start_lag_us": null, "first_byte_us": null,
        "body_bytes": 0, "blocked_us": 1.5, "connecting_us": 0.5, "tls_handshake_us": 0.0,
    });
    assert_eq!(found[0], expected);
    assert_eq!((&found[1]["service_time_us"], &found[1]["first_byte_us"]), (&json!(1999.958), &Value::Null));
    assert_eq!(found[1].get("blocked_us"), None);
}

#[test]
fn checks_and_iterations_are_samples_too() {
    let end = IterationEnd {
        scenario: 0,
        stage: 1,
        fate: IterationFate::Completed,
        at: Nanos(2_000_000_000),
        took: Nanos(7_001),
    };
    let records = vec![
        Record::Check(Judgement { check: 0, stage: 0, passed: false, at: Nanos(1_000_001_000) }),
        Record::Iteration(end),
        Record::Iteration(IterationEnd { fate: IterationFate::Broken, ..end }),
        Record::Iteration(IterationEnd { fate: IterationFate::Interrupted, ..end }),
        Record::Iteration(IterationEnd { fate: IterationFate::Dropped(3), took: Nanos::ZERO, ..end }),
    ];
    let found = lines(&legend(layout()), records);
    let check = json!({
        "type": "check", "scenario": "shop", "name": "home", "method": "GET", "url": "http://h/{{id}}",
        "check": "status == 200", "tags": { "team": "a \\ b" },
        "t_s": 0.000001, "time": "2026-11-23T23:05:40.000002Z", "stage": 0, "passed": false,
    });
    assert_eq!(found[0], check);
    let iteration = json!({
        "type": "iteration", "scenario": "shop", "tags": { "team": "a \\ b" },
        "t_s": 1.0, "time": "2026-11-23T23:05:41.000001Z", "stage": 1,
        "outcome": "completed", "count": 1, "duration_us": 7.001,
    });
    assert_eq!(found[1], iteration);
    let told = |line: &Value| (line["outcome"].clone(), line["count"].clone(), line["duration_us"].clone());
    assert_eq!(told(&found[2]), (json!("broken"), json!(1), json!(7.001)));
    assert_eq!(told(&found[3]), (json!("interrupted"), json!(1), json!(7.001)));
    assert_eq!(told(&found[4]), (json!("dropped"), json!(3), Value::Null));
}

#[test]
fn large_blocks_are_written_in_pieces_and_whole() {
    struct Pieces(Vec<u8>, usize);
    impl Write for &mut Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            self.1 = self.1.max(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = Pieces(Vec::new(), 0);
    let mut sink = Ndjson::new(&mut out, String::new());
    sink.begin(&legend(Layout::default())).unwrap();
    let records = vec![Record::Request(answered()); 5_000];
    sink.take(&Block { open: OPEN, records, ..Block::of(0) }).unwrap();
    sink.flush().unwrap();
    assert_eq!(out.0.iter().filter(|byte| **byte == b'\n').count(), 5_000);
    assert!(out.1 > CHUNK / 2 && out.1 < CHUNK + LINE, "{}", out.1);
}

/// Two workers whose own places have the same number, and a layout without any.
#[test]
fn requests_whose_tags_were_made_have_them() {
    let mut layout = Layout::default();
    layout.add_scenario("shop", "constant-vus", [].into(), Vec::new());
    let mut out = Vec::new();
    let mut sink = Ndjson::new(&mut out, String::new());
    sink.begin(&legend(layout)).unwrap();
    for (worker, name) in [(0, "login"), (1, "logout")] {
        let tags = [("name", name), ("scenario", "shop"), ("team", "a")];
        let tags = tags.map(|(name, value)| (name.into(), value.into())).into();
        let mut block = Block { open: OPEN, places: vec![NewPlace { number: 0, tags }], ..Block::of(worker) };
        block.records.push(Record::Request(answered()));
        sink.take(&block).unwrap();
        // What a place stands for is said once.
        block.places.clear();
        sink.take(&block).unwrap();
    }
    sink.flush().unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&Value> = lines.iter().map(|line| &line["name"]).collect();
    assert_eq!(names, ["login", "login", "logout", "logout"]);
    for line in &lines {
        assert_eq!((&line["scenario"], &line["stage"]), (&json!("shop"), &json!(0)));
        assert_eq!(line["tags"], json!({"team": "a"}));
    }
}

#[test]
fn values_of_a_flow_s_own_metrics_have_its_name_and_tags() {
    let mut registry = Registry::new(10);
    let mut series = Vec::new();
    let tags: [&[(&str, &str)]; 2] =
        [&[("group", "::a"), ("scenario", "shop")], &[("check", "is there"), ("scenario", "shop")]];
    for (metric, kind, tags) in [("sold", Kind::Trend, tags[0]), (CHECKS, Kind::Rate, tags[1])] {
        let id = registry.append(KeyRef { metric, kind, tags, role: Role::Plain });
        series.push(NewSeries { number: id.0, key: registry.keys()[id.0 as usize].clone() });
    }
    let at = Nanos(1_000_001_000);
    let records =
        [(0, 0.5), (1, 0.0), (0, 3.0)].map(|(series, value)| Record::Value(Added { series, value, at }));
    let mut out = Vec::new();
    let mut sink = Ndjson::new(&mut out, "here".into());
    sink.begin(&legend(layout())).unwrap();
    sink.take(&Block { open: OPEN, series, records: records.to_vec(), ..Block::of(0) }).unwrap();
    sink.flush().unwrap();
    let (t_s, time) = (0.000001, "2026-11-23T23:05:40.000002Z");
    let own = json!({ "type": "value", "metric": "sold", "kind": "trend", "scenario": "shop", "tags": { "group": "::a" },
        "t_s": t_s, "time": time, "value": 0.5 });
    let check = json!({ "type": "check", "scenario": "shop", "check": "is there", "t_s": t_s, "time": time, "passed": false });
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[..2], [own, check]);
    assert_eq!(lines[2]["value"], 3);
}
