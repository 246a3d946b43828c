use std::fs;

use super::*;
use crate::output::k6::{Form, TimeFormat};
use crate::secrets::Redactor;
use crate::stats::layout::Layout;
use crate::stats::registry::{CHECKS, KeyRef, Registry, Role};
use crate::stats::samples::{NewPlace, NewSeries};

/// What was written, also while it is written.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Json> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn spec(form: Form, path: &str) -> OutSpec {
    OutSpec { form, path: Some(path.into()) }
}

/// An output of each form.
fn outs(told: Told) -> (Outs, Text, Text) {
    let (json, csv) = (Text::default(), Text::default());
    let all: Vec<(OutSpec, Box<dyn Write + Send>)> = vec![
        (spec(Form::Json, "a.json"), Box::new(json.clone())),
        (spec(Form::Csv(TimeFormat::Unix), "a.csv"), Box::new(csv.clone())),
    ];
    (Outs::new(told, all), json, csv)
}

/// One scenario, or that of `setup`, which has no name.
fn legend(scenario: &str) -> Legend {
    let mut layout = Layout::default();
    let tags = match scenario {
        "" => Tags::new(),
        name => Tags::from([("scenario".into(), name.into())]),
    };
    layout.add_scenario(scenario, "shared-iterations", tags, Vec::new());
    let secrets = Arc::default();
    // Points in time are given on the wall clock here.
    Legend {
        layout: Arc::new(layout),
        method: String::new(),
        url: String::new(),
        epoch: Nanos::ZERO,
        secrets,
    }
}

fn place(number: u32, tags: &[(&str, &str)]) -> NewPlace {
    NewPlace { number, tags: tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect() }
}

fn series(number: u32, metric: &str, kind: Kind, tags: &[(&str, &str)]) -> NewSeries {
    let mut registry = Registry::new(10);
    registry.append(KeyRef { metric, kind, tags, role: Role::Plain });
    NewSeries { number, key: registry.keys()[0].clone() }
}

/// A request by what it took: sending, waiting and receiving.
fn request(place: u32, result: Result<u16, ErrorKind>, done: u64, took: [u64; 3]) -> RequestEnd {
    let sent = Nanos(done - took.iter().sum::<u64>());
    RequestEnd {
        place,
        stage: 0,
        expected: result.is_ok_and(|status| status < 400),
        result,
        scheduled: sent,
        sent,
        first_byte: Nanos(done - took[2]),
        done: Nanos(done),
        body_bytes: 0,
        blocked: Nanos::ZERO,
        connecting: Nanos::ZERO,
        securing: Nanos::ZERO,
        sending: Nanos(took[0]),
    }
}

fn value(series: u32, value: f64, at: u64) -> Record {
    Record::Value(Added { series, value, at: Nanos(at) })
}

fn run(outs: &Outs, stretch: Stretch, legend: &Legend, blocks: &[Block]) {
    let mut sink = outs.sink(stretch);
    assert_eq!(sink.place(), "a.json, a.csv");
    sink.begin(legend).unwrap();
    blocks.iter().for_each(|block| sink.take(block).unwrap());
    sink.flush().unwrap();
}

/// What `setup` and an iteration of a script have done, as k6 1.1 told of them in `tests/data/k6/points.json` and `points.csv`.
fn shop(outs: &Outs) {
    let setup = Block {
        series: vec![series(0, CHECKS, Kind::Rate, &[("check", "setup ok"), ("group", "::setup::in setup")])],
        records: vec![value(0, 1.0, 1_795_934_709_021_849_034)],
        ..Block::of(0)
    };
    run(outs, Stretch::Setup, &legend(""), &[setup]);
    let url = "http://127.0.0.1:18099/nosuch";
    let of = |group: &'static str, name: &'static str| {
        [("group", group), ("method", "GET"), ("name", name), ("scenario", "default"), ("url", name)]
    };
    let b = RequestEnd {
        blocked: Nanos(204_798),
        connecting: Nanos(144_376),
        ..request(0, Ok(200), 1_795_934_709_026_928_877, [147_589, 850_321, 107_439])
    };
    let nosuch = RequestEnd {
        blocked: Nanos(6_069),
        ..request(1, Ok(404), 1_795_934_709_038_136_328, [15_971, 416_797, 69_783])
    };
    let whole = IterationEnd {
        scenario: 0,
        stage: 0,
        fate: IterationFate::Completed,
        at: Nanos(1_795_934_709_038_310_582),
        took: Nanos(13_011_682),
    };
    let tags = [("check", "zwei"), ("group", "::first group"), ("scenario", "default")];
    let load = Block {
        places: vec![place(0, &of("::first group", "b")), place(1, &of("::second", url))],
        series: vec![
            series(3, CHECKS, Kind::Rate, &tags),
            series(4, "my_trend", Kind::Trend, &[("group", ""), ("scenario", "default"), ("x", "y")]),
            series(5, "my_ctime", Kind::Counter, &[("group", ""), ("scenario", "default")]),
        ],
        records: vec![
            Record::Request(b),
            value(3, 0.0, 1_795_934_709_039_133_049),
            value(4, 3.0, 1_795_934_709_025_352_005),
            Record::Request(nosuch),
            value(5, 1234.5, 1_795_934_709_025_358_105),
            Record::Iteration(whole),
            Record::Iteration(IterationEnd { fate: IterationFate::Interrupted, ..whole }),
        ],
        ..Block::of(0)
    };
    run(outs, Stretch::Load, &legend("default"), &[load]);
    outs.finish().unwrap();
}

fn shop_told() -> Told {
    let threshold = |selector: &str, source: &str| (selector.to_owned(), source.to_owned());
    let declared = |name: &str, kind, is_time| Declared { name: name.into(), kind, is_time };
    Told {
        declared: vec![declared("my_ctime", Kind::Counter, true), declared("my_trend", Kind::Trend, false)],
        thresholds: vec![
            threshold("http_req_duration", "p(95)<2000"),
            threshold("http_req_duration", "avg<0.001"),
            threshold("http_req_duration{name:b}", "max<5000"),
            threshold("my_trend", "med>1"),
            threshold("my_trend{x:y}", "p(99.9)<1000"),
            threshold("checks", "rate==1"),
            threshold("http_reqs{expected_response:true}", "rate>0"),
        ],
        ..Told::default()
    }
}

fn k6(name: &str) -> String {
    fs::read_to_string(format!("{}/tests/data/k6/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// With numbers in one form.
fn in_floats(value: Json) -> Json {
    match value {
        Json::Number(number) => json!(number.as_f64().unwrap()),
        Json::Array(items) => items.into_iter().map(in_floats).collect(),
        Json::Object(entries) => Json::Object(entries.into_iter().map(|(k, v)| (k, in_floats(v))).collect()),
        other => other,
    }
}

#[test]
fn points_are_k6_s() {
    let (outs, json, csv) = outs(shop_told());
    shop(&outs);
    let lines = json.lines();
    let k6_lines: Vec<Json> =
        k6("points.json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (number, (own, k6)) in lines.iter().zip(&k6_lines).enumerate() {
        assert_eq!(in_floats(own.clone()), in_floats(k6.clone()), "line {}", number + 1);
    }
    assert_eq!(lines.len(), k6_lines.len());
    let (own, k6) = (csv.text(), k6("points.csv"));
    own.lines().zip(k6.lines()).for_each(|(own, k6)| assert_eq!(own, k6));
    assert_eq!(own.len(), k6.len());
}

#[test]
fn what_failed_has_k6_s_error_and_took_no_time() {
    let (outs, json, csv) = outs(Told::default());
    let name = "http://127.0.0.1:1/x";
    let tags = [("group", ""), ("method", "GET"), ("name", name), ("scenario", "default"), ("url", name)];
    let done = Nanos(1_795_935_356_308_866_163);
    let refused = RequestEnd {
        sent: Nanos::MAX,
        first_byte: Nanos::MAX,
        ..request(7, Err(ErrorKind::Connect), done.0, [0; 3])
    };
    let records = vec![Record::Request(refused)];
    let block = Block { places: vec![place(7, &tags)], records, ..Block::of(3) };
    run(&outs, Stretch::Load, &legend("default"), &[block]);
    // As k6 1.1 wrote it.
    let k6 = r#"{"error":"dial: connection refused","error_code":"1212","expected_response":"false","group":"","method":"GET","name":"http://127.0.0.1:1/x","scenario":"default","status":"0","url":"http://127.0.0.1:1/x"}"#;
    let k6: Json = serde_json::from_str(k6).unwrap();
    let points: Vec<Json> = json.lines().into_iter().filter(|line| line["type"] == "Point").collect();
    assert_eq!(points.len(), 9);
    for point in points {
        assert_eq!(point["data"]["tags"], k6);
        assert_eq!(point["data"]["time"], "2026-11-29T06:55:56.308866163Z");
        let one = ["http_reqs", "http_req_failed"].contains(&point["metric"].as_str().unwrap());
        assert_eq!(point["data"]["value"].as_f64(), Some(f64::from(u8::from(one))), "{point}");
    }
    let row = "http_reqs,1795935356,1.000000,,dial: connection refused,1212,false,,GET,http://127.0.0.1:1/x,,default,,0,,,http://127.0.0.1:1/x,,";
    assert_eq!(csv.text().lines().nth(1), Some(row));
}

#[test]
fn own_tags_are_behind_the_columns_and_secrets_are_hidden() {
    let told = Told {
        tags: Tags::from([("run".into(), "x".into())]),
        left_out: vec!["proto".into(), "url".into()],
        ..Told::default()
    };
    let (outs, json, csv) = outs(told);
    let tags = [("my tag", "a,b \"q\"=&x"), ("password", "hunter2-and-more"), ("url", "u"), ("zeta", "1")];
    let block = Block {
        places: vec![place(0, &tags)],
        records: vec![Record::Request(request(0, Ok(200), 9, [0; 3]))],
        ..Block::of(0)
    };
    let mut secrets = Redactor::default();
    secrets.learn_value("hunter2-and-more");
    run(&outs, Stretch::Load, &Legend { secrets: Arc::new(secrets), ..legend("default") }, &[block]);
    let rows = csv.text();
    let header = "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,scenario,service,status,subproto,tls_version,extra_tags,metadata";
    assert_eq!(rows.lines().next(), Some(header));
    // As k6 1.1 wrote such tags, but for the secret.
    let row =
        "http_reqs,0,1.000000,,,,true,,,,,,200,,,\"my tag=a,b \"\"q\"\"=&x&password=***&run=x&zeta=1\",";
    assert_eq!(rows.lines().nth(1), Some(row));
    let tags = json!({ "expected_response": "true", "my tag": "a,b \"q\"=&x", "password": "***", "run": "x", "status": "200", "zeta": "1" });
    assert_eq!(json.lines()[1]["data"]["tags"], tags);
}

#[test]
fn users_and_bytes_come_at_edges() {
    let (outs, json, _) = outs(Told::default());
    let edge = |vus, at| ScenarioEdge {
        scenario: 0,
        vus,
        vus_max: 5,
        sent_bytes: 78,
        received_bytes: 123,
        at: Nanos::from_secs(at),
    };
    let block = |worker, edges| Block { open: Nanos::from_millis(50), edges, ..Block::of(worker) };
    // One that comes before k6 would have looked, and one of nothing.
    let early = ScenarioEdge { at: Nanos::from_millis(500), ..edge(9, 0) };
    let nothing = ScenarioEdge { sent_bytes: 0, received_bytes: 0, ..edge(0, 1) };
    let blocks = [block(1, vec![edge(2, 1)]), block(0, vec![early, edge(1, 1), nothing, edge(1, 2)])];
    run(&outs, Stretch::Load, &legend("default"), &blocks);
    run(&outs, Stretch::Teardown, &legend(""), &[block(0, vec![edge(1, 3)])]);
    let told = json.lines();
    let points = |metric: &str| {
        let of = told.iter().filter(|line| line["type"] == "Point" && line["metric"] == metric);
        let point = |line: &Json| (line["data"]["value"].as_f64().unwrap(), line["data"]["tags"].clone());
        of.map(point).collect::<Vec<_>>()
    };
    assert_eq!(
        points("vus"),
        [(3.0, json!({})), (3.0, json!({}))],
        "of all workers, once a second, of the load"
    );
    assert_eq!(points("vus_max")[0].0, 10.0);
    let sent = points("data_sent");
    assert_eq!(sent[0], (78.0, json!({ "group": "", "scenario": "default" })));
    assert_eq!(sent[4], (78.0, json!({ "group": "::teardown" })));
    let metric = told.iter().find(|line| line["type"] == "Metric" && line["metric"] == "data_sent").unwrap();
    let k6 = json!({ "name": "data_sent", "type": "counter", "contains": "data", "thresholds": [], "submetrics": null });
    assert_eq!(metric["data"], k6);
}

#[test]
fn dropped_iterations_are_of_no_group() {
    let (outs, json, _) = outs(Told::default());
    let end = IterationEnd {
        scenario: 0,
        stage: 0,
        fate: IterationFate::Dropped(3),
        at: Nanos(9),
        took: Nanos::ZERO,
    };
    let block = Block { records: vec![Record::Iteration(end)], ..Block::of(0) };
    run(&outs, Stretch::Load, &legend("default"), std::slice::from_ref(&block));
    run(&outs, Stretch::Setup, &legend(""), &[block]);
    let lines = json.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    // k6 1.1 has no group there.
    assert_eq!(lines[1]["data"]["tags"], json!({ "scenario": "default" }));
    assert_eq!(lines[1]["data"]["value"], 3);
}

#[test]
fn compressed_files_are_whole() {
    let text = Text::default();
    let out: Box<dyn Write + Send> = Box::new(text.clone());
    let outs = Outs::new(shop_told(), vec![(spec(Form::Csv(TimeFormat::Unix), "a.csv.gz"), out)]);
    let mut sink = outs.sink(Stretch::Load);
    sink.begin(&legend("default")).unwrap();
    sink.flush().unwrap();
    outs.finish().unwrap();
    let bytes = text.0.lock().unwrap().clone();
    let read = io::read_to_string(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap();
    assert_eq!(Some(read.trim_end()), k6("points.csv").lines().next());
}
