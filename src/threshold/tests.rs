use proptest::prelude::*;

use super::*;
use crate::stats::layout::{Condition, Tags, series_at};
use crate::stats::outcome::ErrorKind;
use crate::stats::registry::{KeyRef, Role};

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Two stages; the steps `home` (with a check) and `login`.
fn layout() -> Layout {
    let mut layout = Layout::default();
    let ends = vec![Nanos::from_secs(1), Nanos::from_secs(2)];
    layout.add_scenario("main", "ramping-vus", tags(&[("scenario", "main")]), ends);
    layout.add_place(0, 0, tags(&[("scenario", "main"), ("name", "home")]), &["status==200"]);
    layout.add_place(0, 1, tags(&[("scenario", "main"), ("name", "login")]), &[]);
    layout
}

/// `home`: 10 responses of 10 ms in stage 0 and 10 of 20 ms in stage 1; `login`: one response of 100 ms that was
/// not expected, and a request that was reset after 5 ms.
fn tally(layout: &Layout) -> Tally {
    let mut tally = Tally::new(layout);
    for (stage, ms) in [(0, 10), (1, 20)] {
        let series = tally.requests_mut(series_at(layout.places[0].first_series, stage, true)).unwrap();
        series.completed = 10;
        (0..10).for_each(|_| series.alike.record(Nanos::from_millis(ms)));
        series.blocked.record(Nanos::from_millis(3));
        series.sending.record(Nanos::from_millis(2));
    }
    let series = tally.requests_mut(series_at(layout.places[1].first_series, 1, false)).unwrap();
    series.completed = 1;
    series.failed = 1;
    series.service_time.record(Nanos::from_millis(100));
    series.response_time.record(Nanos::from_millis(150));
    series.failed_time.record(Nanos::from_millis(5));
    let checks = tally.rate_mut(layout.checks[0].first_series).unwrap();
    (checks.passes, checks.fails) = (19, 1);
    tally.scenarios[1].completed = 12;
    tally.scenarios[1].dropped = 3;
    tally.scenarios[1].iteration_duration.record(Nanos::from_millis(30));
    tally.scenarios[0].vus = 7;
    tally
}

fn evaluate(text: &str) -> Outcome {
    let mut layout = layout();
    let threshold = Threshold::parse_flag(text).unwrap_or_else(|e| panic!("{e}"));
    threshold.prepare(&mut layout).unwrap_or_else(|e| panic!("{e}"));
    threshold.evaluate(&layout, &tally(&layout), Nanos::from_secs(2))
}

/// C9: what stands in a check's name does not end it.
#[test]
fn values_of_tags_may_hold_what_separates_them() {
    for (selector, wanted) in [
        ("checks{check:status in 200,201}", vec![("check", "status in 200,201")]),
        (
            "checks{check:status in 200,201,300-399 , scenario : s}",
            vec![("check", "status in 200,201,300-399"), ("scenario", "s")],
        ),
        (
            "checks{check:json $.a == {\"b\": 1, \"c\": 2}}",
            vec![("check", "json $.a == {\"b\": 1, \"c\": 2}")],
        ),
        ("checks{check:\"a,b:c\",name:x}", vec![("check", "a,b:c"), ("name", "x")]),
        ("checks{check:\"body contains \"a, b:c\"\"}", vec![("check", "body contains \"a, b:c\"")]),
        ("checks{check:time<1s, really}", vec![("check", "time<1s, really")]),
        ("http_reqs{name:http://h:81/?a,b}", vec![("name", "http://h:81/?a,b")]),
        ("http_reqs{ name:a, }", vec![("name", "a")]),
        ("http_reqs{}", vec![]),
    ] {
        let (_, tags) = split_selector(selector).unwrap_or_else(|e| panic!("{selector}: {e}"));
        let tags: Vec<(&str, &str)> = tags.iter().map(|(tag, value)| (&**tag, &**value)).collect();
        assert_eq!(tags, wanted, "{selector}");
        if !wanted.is_empty() {
            let flag = Threshold::parse_flag(&format!("{selector}:rate>0.9"));
            let same = Threshold::parse(selector, "rate>0.9");
            assert_eq!(flag.map_err(|e| e.to_string()), same.map_err(|e| e.to_string()), "{selector}");
        }
    }
    for (selector, part) in
        [("checks{check}", "`check` is not tag:value"), ("checks{check:\"a}", "closing quote")]
    {
        let error = split_selector(selector).unwrap_err();
        assert!(error.contains(part), "{selector}: {error}");
    }
}

#[test]
fn metrics_come_out_as_defined() {
    for (text, observed, ok) in [
        ("http_reqs:count==22", 22.0, true),
        ("http_reqs:rate>=11", 11.0, true),
        ("http_reqs{name:home}:count<20", 20.0, false),
        ("http_req_failed:rate<0.1", 2.0 / 22.0, true),
        ("http_req_failed{name:login}:rate<0.1", 1.0, false),
        ("http_req_duration:max<=101", 100.0, true),
        ("http_req_duration:min>4", 5.0, true),
        ("http_req_duration{stage:0}:p(95)<11", 10.0, true),
        ("http_req_duration{name:home,stage:1}:med>19", 20.0, true),
        ("http_req_duration{expected_response:true}:max<21", 20.0, true),
        ("service_time{name:login}:max<101", 100.0, true),
        ("response_time{name:login}:max>149", 150.0, true),
        ("http_req_blocked:max<4", 3.0, true),
        ("http_req_sending:max<3", 2.0, true),
        ("http_req_blocked:med==0", 0.0, true),
        ("http_req_tls_handshaking:max===0", 0.0, true),
        ("checks:rate>=0.95", 0.95, true),
        ("checks{check:status==200}:rate!=1", 0.95, true),
        ("iterations:count>11", 12.0, true),
        ("iteration_duration:avg<31", 30.0, true),
        ("dropped_iterations:count<4", 3.0, true),
        ("vus:value<8", 7.0, true),
    ] {
        let outcome = evaluate(text);
        assert_eq!(outcome.ok, ok, "{text}: {outcome:?}");
        assert!((outcome.observed - observed).abs() <= observed * 0.001, "{text}: {outcome:?}");
    }
}

#[test]
fn a_rate_without_samples_passes() {
    let mut layout = Layout::default();
    layout.add_scenario("main", "constant-vus", Tags::new(), Vec::new());
    layout.add_place(0, 0, Tags::new(), &[]);
    for text in ["checks:rate>0.99", "http_req_failed:rate>0.5"] {
        let threshold = Threshold::parse_flag(text).unwrap();
        threshold.prepare(&mut layout).unwrap();
        assert!(threshold.evaluate(&layout, &Tally::new(&layout), Nanos::ZERO).ok, "{text}");
    }
}

#[test]
fn nothing_is_judged_in_mid_run_before_there_is_a_sample() {
    for (text, is_gauge) in [
        ("http_reqs:count<1", false),
        ("checks:rate<0.5", false),
        ("service_time:max<1", false),
        ("vus:value<5", true),
    ] {
        let mut layout = layout();
        let threshold = Threshold::parse_flag(text).unwrap();
        threshold.prepare(&mut layout).unwrap();
        let so_far = |tally: &Tally| threshold.evaluate_so_far(&layout, tally, Nanos::from_secs(1));
        assert_eq!(
            so_far(&Tally::new(&layout)).map(|outcome| outcome.ok),
            is_gauge.then_some(true),
            "{text}"
        );
        assert_eq!(so_far(&tally(&layout)).map(|outcome| outcome.ok), Some(false), "{text}");
    }
}

/// A run in parts: setup's and teardown's requests count, but not what only load has.
#[test]
fn parts_of_a_run_are_judged_together() {
    let layout = layout();
    let (load, mut setup) = (tally(&layout), tally(&layout));
    let slow = setup.requests_mut(series_at(layout.places[1].first_series, 1, false)).unwrap();
    slow.failed_time.record(Nanos::from_millis(500));
    for (text, observed) in [
        ("http_reqs:count==44", 44.0),
        ("http_req_duration:max<501", 500.0),
        ("http_req_failed:rate<1", 4.0 / 44.0),
        ("checks:rate>=0.95", 0.95),
        ("iterations:count==12", 12.0),
        ("iteration_duration:max<31", 30.0),
        ("dropped_iterations:count==3", 3.0),
    ] {
        let mut layout = layout.clone();
        let threshold = Threshold::parse_flag(text).unwrap_or_else(|e| panic!("{e}"));
        threshold.prepare(&mut layout).unwrap();
        let outcome = threshold.evaluate_parts(&[(&layout, &load), (&layout, &setup)], Nanos::from_secs(2));
        let outcome = outcome.expect("there is a load");
        assert!(outcome.ok && (outcome.observed - observed).abs() <= observed * 0.001, "{text}: {outcome:?}");
        assert_eq!(threshold.evaluate_parts(&[], Nanos::from_secs(2)), None);
    }
}

#[test]
fn a_flows_own_metrics_are_found_by_their_tags() {
    let mut layout = layout();
    layout.expect_any_tags();
    let own = [("mine".to_owned(), Kind::Counter)];
    let parse = |tags: &[(String, String)], expression: &str| {
        Threshold::of_script("mine", ("mine", tags), &own, expression).unwrap()
    };
    let of = ("of".to_owned(), "a".to_owned());
    let (all, of_a) = (parse(&[], "count==7"), parse(&[of], "count==5"));
    for threshold in [&all, &of_a] {
        threshold.prepare(&mut layout).unwrap();
    }
    let mut tally = Tally::new(&layout);
    for (of, value) in [("a", 5.0), ("b", 2.0)] {
        let key = KeyRef { metric: "mine", kind: Kind::Counter, tags: &[("of", of)], role: Role::Plain };
        let series = tally.series_of(key).unwrap();
        tally.add(series, value, Nanos::ZERO);
    }
    for threshold in [&all, &of_a] {
        assert!(threshold.evaluate(&layout, &tally, Nanos::from_secs(1)).ok, "{threshold}");
    }
}

#[test]
fn a_flows_own_metrics_are_judged_in_their_unit() {
    let of = |kind, values: &[f64], expression: &str| {
        let mut figures = Figures::new(kind);
        values.iter().for_each(|value| figures.add(*value, Nanos::ZERO));
        let threshold = Threshold::parse("http_reqs", expression).unwrap_or_else(|e| panic!("{e}"));
        threshold.outcome(&Value::Own(figures), Nanos::from_secs(2))
    };
    assert_eq!(of(Kind::Counter, &[4.0, 6.0], "count==10"), Outcome { ok: true, observed: 10.0 });
    assert_eq!(of(Kind::Counter, &[4.0, 6.0], "rate==5"), Outcome { ok: true, observed: 5.0 });
    assert_eq!(of(Kind::Counter, &[], "count>0"), Outcome { ok: false, observed: 0.0 });
    assert_eq!(of(Kind::Rate, &[1.0, 0.0, 0.0, 0.0], "rate==0.25"), Outcome { ok: true, observed: 0.25 });
    assert_eq!(
        of(Kind::Rate, &[], "rate>0.5"),
        Outcome { ok: true, observed: 0.0 },
        "without samples, as in k6"
    );
}

#[test]
fn statuses_and_errors_are_watched_when_asked_for() {
    let mut layout = layout();
    let threshold = Threshold::parse("http_reqs{error:reset}", "count<1").unwrap();
    threshold.prepare(&mut layout).unwrap();
    let mut tally = tally(&layout);
    assert!(threshold.evaluate(&layout, &tally, Nanos::ZERO).ok);
    let watch = layout.watches.iter().find(|w| w.place == 1).expect("it is watched");
    tally.requests_mut(series_at(watch.first_series, 1, false)).unwrap().failed = 1;
    assert!(!threshold.evaluate(&layout, &tally, Nanos::ZERO).ok);
    assert_eq!(layout.watches.len(), 2);
    assert_eq!(layout.watch(1, Condition::Error(ErrorKind::Reset)), 1, "known");
}

/// k6's tags of a sample: one that failed has the status 0, and each failure a code.
#[test]
fn failures_are_found_by_every_tag_that_k6_has_of_them() {
    for (tags, counted) in [
        ("status:0", 1.0),
        ("error_code:1220", 1.0),
        ("error:read: connection reset by peer", 1.0),
        ("error_code:1503", 2.0),
        ("status:503,error_code:1503", 2.0),
        ("status:503,error_code:1220", 0.0),
        ("error_code:1404", 0.0),
        ("error_code:1020", 0.0),
    ] {
        let mut layout = layout();
        let threshold =
            Threshold::parse(&format!("http_reqs{{{tags}}}"), &format!("count=={counted}")).unwrap();
        threshold.prepare(&mut layout).unwrap();
        let mut tally = tally(&layout);
        let all = [
            (Condition::Error(ErrorKind::Reset), 1),
            (Condition::Status(503), 2),
            (Condition::Status(200), 7),
        ];
        for (condition, times) in all {
            for watch in layout.watches.iter().filter(|w| w.place == 1 && w.condition == condition) {
                tally.requests_mut(series_at(watch.first_series, 1, false)).unwrap().completed += times;
            }
        }
        let judged = threshold.evaluate(&layout, &tally, Nanos::ZERO);
        assert!(judged.ok, "{tags}: {judged:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_way_out() {
    for (text, part) in [
        ("http_req_duration", "colon"),
        ("http_req_durations:p(95)<200", "did you mean http_req_duration?"),
        ("http_req_duration:p(95)", "lacks one of"),
        ("http_req_duration:p(101)<1", "0 to 100"),
        ("http_req_duration:rate<1", "avg, min, max, med, p(N)"),
        ("http_reqs:avg<1", "count, rate"),
        ("vus:rate<1", "value"),
        ("checks:count>1", "rate"),
        ("http_req_duration:p(95)<fast", "`fast` is not a number"),
        ("http_req_duration:p(95)<NaN", "not a number"),
        ("http_req_duration{name:home:p(95)<1", "colon"),
        ("http_req_duration{name}:p(95)<1", "tag:value"),
        ("http_req_duration{stage:x}:p(95)<1", "`x`"),
    ] {
        let error = Threshold::parse_flag(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for (text, part) in [
        ("http_req_duration{name:nowhere}:p(95)<1", "name:home"),
        ("http_req_duration{stage:2}:p(95)<1", "0 to 1"),
        ("iterations{status:200}:count<1", "only figures of requests"),
    ] {
        let threshold = Threshold::parse_flag(text).expect(text);
        let error = threshold.prepare(&mut layout()).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "(http_req_duration|checks|vus)?[{}:,p()<>=!a-z0-9. ]{0,30}", any in ".{0,30}") {
        let _ = Threshold::parse_flag(&text);
        let _ = Threshold::parse(&text, &any);
    }
}
