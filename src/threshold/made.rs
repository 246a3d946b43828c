//! Thresholds on requests whose tags are made while load is sent: every sample that has the tags counts, once, however few series there
//! may be, in one worker and merged in any order.

use proptest::prelude::*;

use super::*;
use crate::stats::layout::{Condition, Tags, series_at};
use crate::stats::outcome::ErrorKind;
use crate::stats::recorder::Recorder;
use crate::stats::registry::{KeyRef, Role};
use crate::stats::series::Requests;
use crate::stats::snapshot::Snapshot;
use crate::stats::wire;

const SELECTORS: [&str; 14] = [
    "",
    "{name:n1}",
    "{name:n1,url:u3}",
    "{url:u3,stage:1}",
    "{stage:0}",
    "{scenario:a}",
    "{scenario:b,stage:1,expected_response:false}",
    "{expected_response:true}",
    "{status:500}",
    "{status:500,name:n1}",
    "{error:timeout,scenario:a,stage:0}",
    "{status:200,url:u3,expected_response:true}",
    "{static:yes}",
    "{status:500,static:yes}",
];

/// One request's end, and what it may be asked for by.
#[derive(Clone, Debug)]
struct Ended {
    scenario: usize,
    stage: u32,
    name: u8,
    url: u8,
    status: Option<u16>,
    /// With the tags of the plan's place instead, and perhaps with its number.
    of_plan: bool,
    numbered: bool,
}

impl Ended {
    fn expected(&self) -> bool {
        self.status == Some(200)
    }

    fn condition(&self) -> Condition {
        self.status.map_or(Condition::Error(ErrorKind::Timeout), Condition::Status)
    }

    /// Its tags, without those that each sample has.
    fn tags(&self) -> Vec<(&'static str, String)> {
        let scenario = ("scenario", ["a", "b"][self.scenario].to_owned());
        match self.of_plan {
            true => vec![scenario, ("static", "yes".to_owned())],
            false => vec![("name", format!("n{}", self.name)), scenario, ("url", format!("u{}", self.url))],
        }
    }

    /// Whether a selector means it, by its text alone.
    fn is_meant(&self, selector: &str) -> bool {
        let mut tags = self.tags();
        let (condition, value) = self.condition().tag();
        tags.extend([
            ("stage", self.stage.to_string()),
            ("expected_response", self.expected().to_string()),
            (condition, value),
        ]);
        let pairs = selector.trim_matches(['{', '}']).split(',').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once(':').unwrap())
            .all(|(name, value)| tags.contains(&(name, value.into())))
    }
}

fn ended() -> impl Strategy<Value = Ended> {
    let status = prop_oneof![3 => Just(Some(200)), 2 => Just(Some(500)), 1 => Just(None)];
    let of_plan = (prop::bool::weighted(0.3), any::<bool>());
    (0usize..2, 0u32..2, 0u8..3, 0u8..6, status, of_plan).prop_map(
        |(scenario, stage, name, url, status, (of_plan, numbered))| Ended {
            scenario,
            stage,
            name,
            url,
            status,
            of_plan,
            numbered,
        },
    )
}

fn layout(bound: u32) -> Layout {
    let mut layout = Layout::default();
    layout.expect_any_tags();
    layout.bound_series(bound);
    for name in ["a", "b"] {
        let mut tags: Tags = [("scenario".to_owned(), name.to_owned())].into();
        let index = layout.add_scenario(name, "constant-vus", tags.clone(), vec![Nanos(10), Nanos(20)]);
        tags.insert("static".into(), "yes".into());
        layout.add_place(index, 0, tags, &[]);
    }
    layout
}

/// As workers do for places of the plan.
fn record_static(layout: &Layout, tally: &mut Tally, sample: &Ended, mut record: impl FnMut(&mut Requests)) {
    let place = &layout.places[sample.scenario];
    let watches = place.watches.iter().map(|watch| &layout.watches[*watch as usize]);
    let met = watches.filter(|watch| watch.condition == sample.condition()).map(|watch| watch.first_series);
    for first in met.chain([place.first_series]) {
        record(tally.requests_mut(series_at(first, sample.stage, sample.expected())).unwrap());
    }
}

/// What a worker measured, in intervals of `each` samples.
fn measure(layout: &Layout, ended: &[Ended], each: usize) -> Vec<Snapshot> {
    let mut recorder = Recorder::of_scenarios(layout);
    let interval = |samples: &[Ended]| {
        for sample in samples {
            let mut record = |requests: &mut Requests| match sample.status {
                Some(_) => requests.completed += 1,
                None => requests.failed += 1,
            };
            if sample.of_plan && sample.numbered {
                record_static(layout, &mut recorder.tally, sample, record);
                continue;
            }
            let tags = sample.tags();
            let tags: Vec<(&str, &str)> = tags.iter().map(|(name, value)| (*name, &**value)).collect();
            let place = recorder.place(layout, &tags, true).number;
            let kind = (sample.stage, sample.expected(), sample.condition());
            recorder.record_made(layout, place, kind, &mut record);
        }
        recorder.rotate(Snapshot::new(0))
    };
    ended.chunks(each).map(interval).collect()
}

fn thresholds(layout: &mut Layout) -> Vec<Threshold> {
    let all = SELECTORS.iter().map(|tags| Threshold::parse(&format!("http_reqs{tags}"), "count>0").unwrap());
    all.inspect(|threshold| threshold.prepare(layout).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_sample_with_the_tags_counts_once(
        bound in 0u32..12,
        workers in prop::collection::vec(prop::collection::vec(ended(), 0..40), 1..4),
        each in 1usize..20,
        backwards: bool,
        written: bool,
    ) {
        let mut layout = layout(bound);
        let thresholds = thresholds(&mut layout);
        let mut snapshots: Vec<Snapshot> =
            workers.iter().flat_map(|ended| measure(&layout, ended, each)).collect();
        if backwards {
            snapshots.reverse();
        }
        let mut all = Snapshot::new(0);
        for snapshot in &snapshots {
            match written {
                true => all.merge(&wire::read(&wire::write(snapshot)).unwrap()),
                false => all.merge(snapshot),
            }
        }
        for (threshold, selector) in thresholds.iter().zip(SELECTORS) {
            let meant = workers.iter().flatten().filter(|ended| ended.is_meant(selector)).count();
            let found = threshold.evaluate(&layout, &all.tally, Nanos::from_secs(1)).observed;
            prop_assert_eq!(found, meant as f64, "{}", selector);
        }
        let made = all.tally.registry().keys().len().saturating_sub(layout.registry().keys().len());
        // What is asked for can be combined in so many ways, whatever the tags are; the last factors are stages and expected responses.
        prop_assert!(made <= bound as usize + 2 * (2 * 3 * 2 * 2) * 2 * 2, "{made} series");
    }
}

#[test]
fn a_tag_that_nobody_has_yet_may_be_asked_for_where_tags_are_made() {
    let threshold = Threshold::parse("http_req_duration{name:login}", "p(95)<200").unwrap();
    let mut layout = layout(10);
    threshold.prepare(&mut layout).unwrap();
    let mut fixed = Layout::default();
    fixed.add_scenario("a", "constant-vus", [].into(), Vec::new());
    let refused = threshold.prepare(&mut fixed).unwrap_err().to_string();
    assert!(refused.contains("no sample of http_req_duration has these tags"), "{refused}");
    // As in k6 also where it is known that none will come: it is looked for in vain.
    let iterations = Threshold::parse("iterations{scenario:c}", "count==0").unwrap();
    iterations.prepare(&mut layout).unwrap();
    assert!(iterations.evaluate(&layout, &Tally::new(&layout), Nanos::from_secs(1)).ok);
}

/// The same holds of checks that a flow makes, and where the metric itself came when there was no room any more.
#[test]
fn checks_that_are_asked_for_are_found_among_all_others() {
    let threshold = Threshold::parse("checks{check:logged in}", "rate==1").unwrap();
    let mut layout = layout(2);
    threshold.prepare(&mut layout).unwrap();
    let mut tally = Tally::new(&layout);
    let mut add = |metric: &str, check: &str, value: f64| {
        let tags = [("check", check)];
        let key = KeyRef { metric, kind: Kind::Rate, tags: &tags, role: Role::Plain };
        let id = tally.series_of(key).unwrap();
        tally.add(id, value, Nanos::ZERO);
    };
    ["x", "y"].iter().for_each(|check| add("own", check, 1.0));
    (0..100).for_each(|n: u32| add("checks", &format!("check {n}"), 0.0));
    (0..7).for_each(|_| add("checks", "logged in", 1.0));
    let outcome = threshold.evaluate(&layout, &tally, Nanos::from_secs(1));
    assert_eq!(outcome, Outcome { ok: true, observed: 1.0 });
    let all = Threshold::parse("checks", "rate>0").unwrap();
    assert_eq!(all.evaluate(&layout, &tally, Nanos::from_secs(1)).observed, 7.0 / 107.0);
}
