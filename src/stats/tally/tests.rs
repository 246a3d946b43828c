use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::stats::layout::{Condition, Tags, series_at};
use crate::stats::registry::{CHECKS, Kind, REQUESTS};

/// Series that samples may make.
const BOUND: u32 = 6;

/// Two scenarios, the first with two stages, a check and a watch.
fn layout() -> Layout {
    let tags = |name: &str| -> Tags { [("scenario".to_owned(), name.to_owned())].into() };
    let mut layout = Layout::default();
    for (name, ends) in [("a", vec![Nanos(10), Nanos(20)]), ("b", Vec::new())] {
        let scenario = layout.add_scenario(name, "constant-vus", tags(name), ends);
        layout.add_place(scenario, 0, tags(name), &["ok"]);
    }
    layout.watch(0, Condition::Status(503));
    layout.bound_series(BOUND);
    layout
}

/// Something that can happen in a worker's interval.
#[derive(Clone, Debug)]
enum Put {
    /// Series of requests, which of its tables, how long it took.
    Request(usize, usize, u64),
    Check(u32, bool),
    Iteration(usize, u64),
    /// Kind, tag, value, time since the last one: a sample of a metric of a flow's own.
    Custom(usize, u8, i32, u64),
    Users(usize, u64),
}

const KINDS: [Kind; 4] = [Kind::Counter, Kind::Gauge, Kind::Rate, Kind::Trend];

fn put() -> impl Strategy<Value = Put> {
    let took = || 0u64..10_000_000_000;
    prop_oneof![
        4 => (any::<usize>(), 0usize..11, took()).prop_map(|(series, table, took)| Put::Request(series, table, took)),
        1 => (0u32..2, any::<bool>()).prop_map(|(check, passed)| Put::Check(check, passed)),
        2 => (0usize..3, took()).prop_map(|(slot, took)| Put::Iteration(slot, took)),
        // Values whose sums are exact in any order.
        3 => (0usize..4, 0u8..12, -1_000i32..1_000, 0u64..100).prop_map(|(kind, tag, value, at)| Put::Custom(kind, tag, value, at)),
        1 => (0usize..3, 0u64..20).prop_map(|(slot, users)| Put::Users(slot, users)),
    ]
}

fn puts() -> impl Strategy<Value = Vec<Put>> {
    prop::collection::vec(put(), 0..60)
}

fn fill(tally: &mut Tally, layout: &Layout, puts: &[Put]) {
    let requests: Vec<usize> = layout
        .registry()
        .keys()
        .iter()
        .enumerate()
        .filter(|(_, k)| k.kind() == Kind::Requests)
        .map(|(n, _)| n)
        .collect();
    let mut now = Nanos::ZERO;
    for put in puts {
        match *put {
            Put::Request(series, table, took) => {
                let series = tally.requests_mut(requests[series % requests.len()]).unwrap();
                series.completed += 1;
                series.tables_mut()[table].record(Nanos(took));
            }
            Put::Check(check, passed) => {
                let rate = tally.rate_mut(layout.checks[check as usize].first_series).unwrap();
                if passed { rate.passes += 1 } else { rate.fails += 1 }
            }
            Put::Iteration(slot, took) => {
                let scenario = &mut tally.scenarios[slot];
                (scenario.started, scenario.completed) = (scenario.started + 1, scenario.completed + 1);
                scenario.sent_bytes += took % 1_000;
                scenario.iteration_duration.record(Nanos(took));
            }
            Put::Custom(kind, tag, value, at) => {
                let (metric, tag) = (format!("{:?}", KINDS[kind]), tag.to_string());
                let tags = [("n", tag.as_str())];
                let key = KeyRef { metric: &metric, kind: KINDS[kind], tags: &tags, role: Role::Plain };
                let id = tally.series_of(key).unwrap();
                now += Nanos(at);
                tally.add(id, f64::from(value), now);
            }
            Put::Users(slot, users) => {
                let scenario = &mut tally.scenarios[slot];
                scenario.vus = users;
                scenario.vus_max = scenario.vus_max.max(users);
            }
        }
    }
}

fn tally(layout: &Layout, puts: &[Put]) -> Tally {
    let mut tally = Tally::new(layout);
    fill(&mut tally, layout, puts);
    tally
}

fn merged(a: &Tally, b: &Tally) -> Tally {
    let mut merged = a.clone();
    merged.merge(b);
    merged
}

/// Which figures there are, in an order that does not depend on who came first.
fn sorted(tally: &Tally) -> Vec<(String, Figures)> {
    let mut all: Vec<_> =
        tally.series().map(|(key, figures)| (format!("{key:?}"), figures.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// All of a metric, whatever series it is in. Here each metric of a flow's own has a kind to itself, by which it is known among all others too:
/// who of them has a series of their own depends on who came first.
fn totals(tally: &Tally) -> BTreeMap<&str, Figures> {
    let mut all: BTreeMap<&str, Figures> = BTreeMap::new();
    for (key, figures) in tally.series().filter(|(key, figures)| !key.is_watch() && figures.samples() > 0) {
        let name = if key.metric() == CHECKS { CHECKS } else { key.kind().name() };
        all.entry(name).or_insert_with(|| Figures::new(key.kind())).merge(figures);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn merging_does_not_care_for_the_order(a in puts(), b in puts(), c in puts()) {
        let layout = layout();
        let [a, b, c] = [a, b, c].map(|puts| tally(&layout, &puts));
        let known = layout.registry().keys().len();
        let left = merged(&merged(&a, &b), &c);
        for other in [merged(&a, &merged(&b, &c)), merged(&merged(&c, &a), &b), merged(&merged(&c, &b), &a)] {
            prop_assert_eq!(totals(&left), totals(&other));
            prop_assert_eq!(&left.scenarios, &other.scenarios);
            if left.in_others() + other.in_others() == 0 {
                prop_assert_eq!(sorted(&left), sorted(&other));
            }
            // Those of the plan stand first, with the same numbers.
            for number in 0..known {
                let id = SeriesId(number as u32);
                prop_assert_eq!(left.figures(id), other.figures(id));
            }
            // Bounded, with one for all others of each metric, and for those of metrics that came too late, by kind.
            prop_assert!(other.registry().keys().len() <= known + BOUND as usize + 2 * KINDS.len());
        }
        // Nothing is lost, and nothing is there twice.
        let samples = |t: &Tally| t.series().map(|(_, figures)| figures.samples()).sum::<u64>();
        prop_assert_eq!(samples(&left), samples(&a) + samples(&b) + samples(&c));
    }

    #[test]
    fn merging_is_recording_all_into_one(a in puts(), b in puts()) {
        let layout = layout();
        // Gauges of users are no sums of what was set.
        let counted = |puts: &[Put]| puts.iter().filter(|p| !matches!(p, Put::Users(..))).cloned().collect::<Vec<_>>();
        let (a, b) = (counted(&a), counted(&b));
        // A gauge of a flow's own is the last that was put, where merging knows only times.
        let no_gauges = |puts: Vec<Put>| puts.into_iter().filter(|p| !matches!(p, Put::Custom(1, ..))).collect::<Vec<_>>();
        let (a, b) = (no_gauges(a), no_gauges(b));
        let both = merged(&tally(&layout, &a), &tally(&layout, &b));
        let one = tally(&layout, &[a, b].concat());
        prop_assert_eq!(totals(&both), totals(&one));
        prop_assert_eq!(&both.scenarios, &one.scenarios);
        prop_assert_eq!(both.latencies(100), one.latencies(100));
    }

    #[test]
    fn users_add_up_over_workers_and_not_over_time(a in puts(), b in puts()) {
        let layout = layout();
        let (a, b) = (tally(&layout, &a), tally(&layout, &b));
        let mut appended = a.clone();
        appended.append(&b);
        let merged = merged(&a, &b);
        for slot in 0..3 {
            let (a, b) = (&a.scenarios[slot], &b.scenarios[slot]);
            let (m, s) = (&merged.scenarios[slot], &appended.scenarios[slot]);
            prop_assert_eq!((m.vus, m.vus_max), (a.vus + b.vus, a.vus_max + b.vus_max));
            prop_assert_eq!((s.vus, s.vus_max), (b.vus, a.vus_max.max(b.vus_max)));
            prop_assert_eq!(m.sums(), s.sums(), "all else is the same");
            prop_assert_eq!(&m.iteration_duration, &s.iteration_duration);
        }
        prop_assert_eq!(sorted(&merged), sorted(&appended));
    }

    /// As tables travel: emptied, taken along to the next interval, filled again.
    #[test]
    fn what_is_cleared_and_follows_is_as_good_as_new(a in puts(), b in puts()) {
        let layout = layout();
        let mut worker = tally(&layout, &a);
        let keys = worker.registry().keys().to_vec();
        let mut emptied = Tally::default();
        emptied.follow(&worker);
        prop_assert_eq!(emptied.registry().keys(), &keys[..]);
        prop_assert!(emptied.series().all(|(key, figures)| figures.samples() == 0 && figures.kind() == key.kind()));
        prop_assert_eq!(&emptied.scenarios, &vec![ScenarioTally::default(); 3]);
        worker.clear();
        prop_assert_eq!(&worker, &emptied, "the series stay, their samples go");
        fill(&mut worker, &layout, &b);
        let whole = merged(&tally(&layout, &a), &tally(&layout, &b));
        let mut parts = tally(&layout, &a);
        parts.merge(&worker);
        prop_assert_eq!(totals(&parts), totals(&whole));
        // One that has fallen behind catches up, and forgets nothing that it has made room for.
        emptied.follow(&worker);
        prop_assert_eq!(emptied.registry(), worker.registry());
        prop_assert_eq!(emptied.series().count(), worker.series().count());
    }
}

#[test]
fn one_of_another_window_is_left_for_the_new_one() {
    let (mut old, of_now) = (tally(&layout(), &[Put::Custom(0, 1, 5, 0)]), Tally::new(&layout()));
    old.clear();
    let keys = old.registry().keys().len();
    assert_eq!(keys, of_now.registry().keys().len() + 1);
    // Keys that are merely equal are another window's: what a flow made there is not in this one.
    old.follow(&of_now);
    assert_eq!(old, of_now);
}

#[test]
fn an_empty_one_takes_the_shape_of_what_is_merged_into_it() {
    let layout = layout();
    let of = tally(&layout, &[Put::Request(0, 0, 5), Put::Custom(3, 1, -7, 0), Put::Users(2, 3)]);
    let mut merged = Tally::default();
    assert!(merged.is_empty() && !of.is_empty());
    merged.merge(&of);
    assert_eq!(merged, of);
    let mut appended = Tally::default();
    appended.append(&of);
    assert_eq!(appended, of);
    assert_eq!(appended.registry().bound(), BOUND);
    // Nothing changes nothing.
    appended.merge(&Tally::default());
    assert_eq!(appended, of);
}

#[test]
fn only_a_plain_run_has_none() {
    assert!(Tally::new(&Layout::default()).is_empty() && !Tally::new(&layout()).is_empty());
    let mut of_scenarios = Layout::default();
    of_scenarios.add_scenario("main", "constant-vus", Default::default(), Vec::new());
    assert!(!Tally::new(&of_scenarios).is_empty(), "a scenario without steps is none");
}

#[test]
fn totals_leave_watches_out() {
    let layout = layout();
    let mut tally = Tally::new(&layout);
    for first in [layout.places[0].first_series, layout.watches[0].first_series] {
        let requests = tally.requests_mut(series_at(first, 1, false)).unwrap();
        requests.completed = 1;
        requests.service_time.record(Nanos(7_000));
        requests.response_time.record(Nanos(9_000));
        requests.start_lag.record(Nanos(2_000));
    }
    assert_eq!(tally.all_requests().map(|requests| requests.completed).sum::<u64>(), 1);
    let latencies = tally.latencies(3);
    assert_eq!((latencies.service_time.len(), latencies.response_time.len()), (1, 1));
    assert_eq!(
        (latencies.start_lag.len(), latencies.start_lag.min()),
        (3, Nanos::ZERO),
        "the others had none"
    );
    assert_eq!(tally.rate(layout.places[0].first_series), Rate::default(), "it is none");
    assert!(tally.requests_mut(layout.checks[0].first_series as usize).is_none());
}

#[test]
fn what_is_beyond_the_bound_is_counted_as_such() {
    let layout = layout();
    let many: Vec<Put> = (0..12).map(|tag| Put::Custom(0, tag, 1, 0)).collect();
    let tally = tally(&layout, &many);
    assert_eq!(tally.in_others(), 12 - u64::from(BOUND));
    let key = |tag| KeyRef { metric: "Counter", kind: Kind::Counter, tags: tag, role: Role::Plain };
    assert!(tally.registry().find(key(&[("n", "5")])).is_some());
    assert!(tally.registry().find(key(&[("n", "6")])).is_none());
    let mut tally = tally;
    assert!(tally.series_of(KeyRef { kind: Kind::Trend, ..key(&[("n", "5")]) }).is_err(), "it has a kind");
    let watched = [("name", "x"), ("status", "503")];
    let request = KeyRef { metric: REQUESTS, kind: Kind::Requests, tags: &watched, role: Role::Plain };
    assert_eq!(tally.watch_of(request, ("status", "503")), None, "nobody has asked for it by tags");
}
