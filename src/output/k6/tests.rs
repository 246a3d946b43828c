//! Against what k6 1.1 printed and wrote: each case of `tests/data/k6/summary` has the text of a run (`.txt`), and of the same run the
//! `data` that `handleSummary` got, what `--summary-export` wrote, and what the data does not tell (`.json`).

use std::fs;

use serde_json::Value as Json;

use super::json;
use super::model::*;
use super::text::{Mode, text};
use super::{Book, Declared, EndOfTestSource, Judged, UsersAt};
use crate::secrets::Redactor;
use crate::stats::layout::{CHECKS, Layout, Tags};
use crate::stats::metrics::Kind;
use crate::stats::registry::{KeyRef, Role};
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// A case: what k6 printed, and what it told of the same run.
fn case(name: &str) -> (String, Json) {
    let path = format!("{}/tests/data/k6/summary/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(format!("{path}.txt")).unwrap();
    let told = fs::read_to_string(format!("{path}.json")).unwrap();
    (text, serde_json::from_str(&told).unwrap())
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap()
}

fn texts(list: &Json) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn group(told: &Json) -> Group {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let check = |check: &Json| CheckEnd {
        name: text(&check["name"]),
        passes: check["passes"].as_u64().unwrap(),
        fails: check["fails"].as_u64().unwrap(),
    };
    Group {
        name: text(&told["name"]),
        path: text(&told["path"]),
        groups: told["groups"].as_array().unwrap().iter().map(group).collect(),
        checks: told["checks"].as_array().unwrap().iter().map(check).collect(),
    }
}

fn metric(name: &str, told: &Json, stats: &[TrendStat], observed: &Json) -> MetricEnd {
    let values = &told["values"];
    let of = |key: &str| number(&values[key]);
    let thresholds = told["thresholds"].as_object().into_iter().flatten().map(|(source, end)| {
        let aggregation = &source[..source.find(['<', '>', '=', '!']).unwrap()];
        // What is no value of the metric's was seen in the text.
        let value = observed.get(format!("{name}: {source}")).unwrap_or(&values[aggregation]);
        ThresholdEnd { source: source.clone(), ok: end["ok"].as_bool().unwrap(), observed: number(value) }
    });
    MetricEnd {
        name: name.into(),
        contains: [Contains::Default, Contains::Time, Contains::Data]
            .into_iter()
            .find(|contains| contains.name() == told["contains"])
            .unwrap(),
        values: match told["type"].as_str().unwrap() {
            "counter" => Values::Counter { count: of("count"), rate: of("rate") },
            "gauge" => Values::Gauge { value: of("value"), min: of("min"), max: of("max") },
            "rate" => {
                Values::Rate { rate: of("rate"), passes: of("passes") as u64, fails: of("fails") as u64 }
            }
            _ => Values::Trend(stats.iter().map(|stat| (stat.name.clone(), of(&stat.name))).collect()),
        },
        thresholds: thresholds.collect(),
    }
}

/// All checks of a group and of those within it, in the order that is given.
fn flat_checks(root: &Group, order: &[String]) -> Vec<CheckEnd> {
    fn walk<'a>(group: &'a Group, found: &mut Vec<&'a CheckEnd>) {
        found.extend(&group.checks);
        group.groups.iter().for_each(|inner| walk(inner, found));
    }
    let mut all = Vec::new();
    walk(root, &mut all);
    let of = |name: &String| {
        let same = all.iter().filter(|check| check.name == *name);
        let add = |(p, f), check: &&CheckEnd| (p + check.passes, f + check.fails);
        let (passes, fails) = same.fold((0, 0), add);
        CheckEnd { name: name.clone(), passes, fails }
    };
    order.iter().map(of).collect()
}

/// The end of a test that k6 has told of.
fn end(text: &str, told: &Json) -> EndOfTest {
    let data = &told["data"];
    let (options, state) = (&data["options"], &data["state"]);
    let trend_stats: Vec<TrendStat> =
        texts(&options["summaryTrendStats"]).iter().map(|text| TrendStat::parse(text).unwrap()).collect();
    let metrics = data["metrics"].as_object().unwrap().iter();
    let root_group = group(&data["root_group"]);
    // Which threshold was the first one shows in the text alone.
    let ordered = |mut metric: MetricEnd| {
        metric.thresholds.sort_by_key(|threshold| text.find(&format!("'{}'", threshold.source)));
        metric
    };
    EndOfTest {
        metrics: metrics
            .map(|(name, of)| ordered(metric(name, of, &trend_stats, &told["observed"])))
            .collect(),
        checks: flat_checks(&root_group, &texts(&told["check_order"])),
        root_group,
        options: SummaryOptions {
            time_unit: TimeUnit::parse(options["summaryTimeUnit"].as_str().unwrap()).unwrap(),
            no_color: options["noColor"].as_bool().unwrap(),
            trend_stats,
        },
        state: State {
            is_stdout_tty: state["isStdOutTTY"].as_bool().unwrap(),
            is_stderr_tty: state["isStdErrTTY"].as_bool().unwrap(),
            test_run_duration_ms: number(&state["testRunDurationMs"]),
        },
        setup_data: data.get("setup_data").cloned(),
        ..EndOfTest::default()
    }
}

fn mode(told: &Json) -> Mode {
    Mode::parse(told["mode"].as_str().unwrap()).unwrap()
}

const CASES: [&str; 10] = [
    "shop-compact",
    "shop-legacy",
    "shop-colours",
    "shop-legacy-colours",
    "numbers-compact",
    "numbers-seconds",
    "numbers-legacy",
    "none",
    "dropped",
    "order",
];

#[test]
fn the_text_is_k6_s() {
    for name in CASES {
        let (k6, told) = case(name);
        let own = text(&end(&k6, &told), mode(&told), &Redactor::default());
        for (number, (own, k6)) in own.lines().zip(k6.lines()).enumerate() {
            assert_eq!(own, k6, "{name}, line {}", number + 1);
        }
        assert!(own == k6, "{name}: other lines at the end: {:?}", &own[own.len().min(k6.len()) - 40..]);
    }
}

#[test]
fn data_and_export_are_k6_s() {
    for name in CASES {
        let (k6, told) = case(name);
        let end = end(&k6, &told);
        same(&json::data(&end), &told["data"], name);
        same(&json::export(&end, &Redactor::showing()), &told["export"], name);
    }
}

/// Equal, whatever a number's form.
fn same(own: &Json, k6: &Json, at: &str) {
    match (own, k6) {
        (Json::Object(own), Json::Object(k6)) => {
            assert!(own.keys().eq(k6.keys()), "{at}: {:?} {:?}", own.keys(), k6.keys());
            own.iter().for_each(|(key, value)| same(value, &k6[key], &format!("{at}/{key}")));
        }
        (Json::Array(own), Json::Array(k6)) => {
            assert_eq!(own.len(), k6.len(), "{at}");
            own.iter().zip(k6).for_each(|(own, k6)| same(own, k6, at));
        }
        (Json::Number(own), Json::Number(k6)) => assert_eq!(own.as_f64(), k6.as_f64(), "{at}"),
        _ => assert_eq!(own, k6, "{at}"),
    }
}

#[test]
fn modes_are_read() {
    assert_eq!(
        Mode::parse("brief").unwrap_err(),
        "`brief` is no mode of the summary: there are compact, full and legacy"
    );
}

/// Figures of one part of a test, put in by hand.
struct Put {
    layout: Layout,
    tally: Tally,
    at: u64,
}

impl Put {
    fn new(scenarios: &[&str]) -> Put {
        let mut layout = Layout::default();
        for name in scenarios {
            let tags = Tags::from([("scenario".into(), (*name).into())]);
            layout.add_scenario(name, "per-vu-iterations", tags, Vec::new());
        }
        Put { tally: Tally::new(&layout), layout, at: 0 }
    }

    fn add(&mut self, metric: &str, kind: Kind, value: f64, tags: &[(&str, &str)]) {
        let key = KeyRef { metric, kind, tags, role: Role::Plain };
        let series = self.tally.series_of(key).unwrap();
        self.at += 1;
        self.tally.add(series, value, Nanos(self.at));
    }

    fn check(&mut self, name: &str, passed: bool, tags: &[(&str, &str)]) {
        let tags = [&[("check", name)], tags].concat();
        self.add(CHECKS, Kind::Rate, f64::from(u8::from(passed)), &tags);
    }

    fn iterations(&mut self, scenario: usize, count: u64) {
        let at = self.layout.scenarios[scenario].first_slot as usize;
        self.tally.scenarios[at].completed = count;
        (0..count).for_each(|n| self.tally.scenarios[at].iteration_duration.record(Nanos(1_000_000 + n)));
    }

    fn book(&self, is_load: bool) -> Book<'_> {
        Book { layout: &self.layout, tally: &self.tally, is_load }
    }
}

/// What the script of the case `parts` does, in three books.
fn parts() -> [Put; 3] {
    let (mut setup, mut load, mut teardown) = (Put::new(&[]), Put::new(&["default", "other"]), Put::new(&[]));
    setup.check("in setup itself", true, &[("group", "::setup")]);
    setup.check("prepared", true, &[("group", "::setup::prepare")]);
    setup.add("sizes", Kind::Trend, 7.0, &[("group", "::setup::prepare")]);
    setup.add("group_duration", Kind::Trend, 1.0, &[("group", "::setup::prepare")]);
    let at = |group: &'static str| [("group", group), ("scenario", "default")];
    load.add("sizes", Kind::Trend, 1.0, &[("group", ""), ("kind", "a"), ("scenario", "default")]);
    load.add("sizes", Kind::Trend, 4.5, &at(""));
    load.add("waits", Kind::Trend, 12.3456, &at(""));
    load.check("is full", false, &at("::cart"));
    load.check("is there", true, &at("::cart"));
    load.add("things", Kind::Counter, 1.5, &at("::cart::pay"));
    load.check("is there", false, &at("::cart::pay"));
    load.add("group_duration", Kind::Trend, 1.0, &at("::cart::pay"));
    load.add("group_duration", Kind::Trend, 1.0, &at("::cart"));
    let at = |group: &'static str| [("group", group), ("scenario", "other")];
    for _ in 0..2 {
        load.add("levels", Kind::Gauge, 3.0, &at(""));
        load.add("levels", Kind::Gauge, 2.0, &at(""));
        load.add("shares", Kind::Rate, 1.0, &at(""));
        load.add("shares", Kind::Rate, 0.0, &at(""));
        load.add("things", Kind::Counter, 1.0, &at(""));
        load.check("is there", true, &at("::shelf"));
        load.add("group_duration", Kind::Trend, 1.0, &at("::shelf"));
    }
    load.iterations(0, 1);
    load.iterations(1, 2);
    teardown.add("things", Kind::Counter, 2.0, &[("group", "::teardown")]);
    [setup, load, teardown]
}

#[test]
fn the_end_of_a_test_is_made_as_k6_makes_it() {
    let (k6, told) = case("parts");
    let [setup, load, teardown] = parts();
    let k6_end = end(&k6, &told);
    let declared = |name: &str, kind, is_time| Declared { name: name.into(), kind, is_time };
    let judged = |metric: &MetricEnd| {
        let thresholds = metric.thresholds.iter().map(|threshold| Judged {
            selector: metric.name.clone(),
            source: threshold.source.clone(),
            ok: threshold.ok,
            observed: threshold.observed,
        });
        thresholds.collect::<Vec<_>>()
    };
    let own = EndOfTest::of(&EndOfTestSource {
        books: &[setup.book(false), load.book(true), teardown.book(false)],
        duration: Nanos((k6_end.state.test_run_duration_ms * 1e6).round() as u64),
        users: &[UsersAt { vus: 0, vus_max: 2 }],
        declared: &[
            declared("waits", Kind::Trend, true),
            declared("things", Kind::Counter, false),
            declared("sizes", Kind::Trend, false),
            declared("never used", Kind::Counter, false),
        ],
        judged: &k6_end.metrics.iter().flat_map(judged).collect::<Vec<_>>(),
        terminals: (false, false),
        options: k6_end.options.clone(),
        setup_data: k6_end.setup_data.clone(),
    });
    assert_eq!(text(&own, Mode::Full, &Redactor::default()), k6);
    same(&json::data(&own)["metrics"], &told["data"]["metrics"], "metrics");
    same(&json::export(&own, &Redactor::showing()), &told["export"], "export");
}

#[test]
fn what_is_secret_is_in_neither_text_nor_file() {
    let mut secrets = Redactor::default();
    secrets.learn_value("hunter2-and-more");
    let mut end = EndOfTest::default();
    end.checks.push(CheckEnd { name: "has hunter2-and-more".into(), passes: 1, fails: 0 });
    end.root_group.at("::hunter2-and-more").checks = end.checks.clone();
    end.setup_data = Some(serde_json::json!({ "token": ["hunter2-and-more"] }));
    for text in [
        text(&end, Mode::Compact, &secrets),
        text(&end, Mode::Legacy, &secrets),
        json::export(&end, &secrets).to_string(),
    ] {
        assert!(text.contains("has ***") && !text.contains("hunter2"), "{text}");
    }
    assert!(json::data(&end).to_string().contains("hunter2-and-more"), "a script gets its own data");
}
