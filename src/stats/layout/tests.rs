use proptest::prelude::*;

use super::*;

/// A scenario: its stages, and how many checks each of its steps has.
type Plan = Vec<(u32, Vec<u32>)>;

fn plan() -> impl Strategy<Value = Plan> {
    prop::collection::vec((0u32..4, prop::collection::vec(0u32..4, 0..4)), 0..4)
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn layout(plan: &Plan) -> Layout {
    let mut layout = Layout::default();
    let names = ["a", "b", "c", "d"];
    for (index, (stages, steps)) in plan.iter().enumerate() {
        let ends = (1..=u64::from(*stages)).map(Nanos::from_secs).collect();
        let scenario =
            layout.add_scenario(names[index], "ramping-vus", tags(&[("scenario", names[index])]), ends);
        assert_eq!(scenario as usize, index);
        for (step, checks) in (0..).zip(steps) {
            let own = tags(&[("scenario", names[index]), ("name", names[step as usize])]);
            layout.add_place(scenario, step, own, &names[..*checks as usize]);
        }
    }
    layout
}

fn condition() -> impl Strategy<Value = Condition> {
    let status = prop_oneof![(100u16..110).prop_map(Condition::Status), Just(Condition::Status(503))];
    prop_oneof![status, prop::sample::select(ErrorKind::ALL.to_vec()).prop_map(Condition::Error)]
}

/// The tags of a series, as text.
fn key_tags(layout: &Layout, number: usize) -> Tags {
    layout.registry().keys()[number].tags().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn with(tags: &Tags, more: &[(&str, &str)]) -> Tags {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    tags.clone().into_iter().chain(more).collect()
}

/// Marks the series of a run of requests as taken, and looks whether they are those that they should be.
fn take_requests(
    layout: &Layout,
    taken: &mut [bool],
    (place, first): (&Place, u32),
    condition: Option<Condition>,
) -> Result<(), TestCaseError> {
    for stage in 0..layout.stages(place.scenario) {
        for expected in [true, false] {
            let number = series_at(first, stage, expected);
            let (stage, expected) = (stage.to_string(), expected.to_string());
            let mut wanted = with(&place.tags, &[("stage", &stage), ("expected_response", &expected)]);
            wanted.extend(condition.map(Condition::tag).map(|(name, value)| (name.to_owned(), value)));
            prop_assert_eq!(key_tags(layout, number), wanted);
            let key = &layout.registry().keys()[number];
            prop_assert_eq!((key.metric(), key.kind()), (REQUESTS, Kind::Requests));
            prop_assert_eq!(key.is_watch(), condition.is_some());
            prop_assert!(!std::mem::replace(&mut taken[number], true), "series {} is two things", number);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Each place, check and watch has a run of series of its own, in the order in which it was added, and together they are all.
    #[test]
    fn every_series_is_one_thing(
        plan in plan(),
        watches in prop::collection::vec((any::<prop::sample::Index>(), condition()), 0..6),
    ) {
        let mut layout = layout(&plan);
        let places = layout.places.len();
        let known = layout.registry().keys().to_vec();
        for (place, condition) in watches.iter().filter(|_| places > 0) {
            let place = place.index(places) as u32;
            let watch = layout.watch(place, *condition);
            let count = layout.registry().keys().len();
            prop_assert_eq!(layout.watch(place, *condition), watch, "the same when asked again");
            prop_assert_eq!(layout.registry().keys().len(), count);
            let found = &layout.watches[watch as usize];
            prop_assert_eq!((found.place, found.condition), (place, *condition));
        }
        prop_assert_eq!(&layout.registry().keys()[..known.len()], &known[..], "what was there has kept its number");
        let mut taken = vec![false; layout.registry().keys().len()];
        for (index, place) in (0u32..).zip(&layout.places) {
            take_requests(&layout, &mut taken, (place, place.first_series), None)?;
            let watched: Vec<u32> =
                (0u32..).zip(&layout.watches).filter(|(_, w)| w.place == index).map(|(at, _)| at).collect();
            prop_assert_eq!(&place.watches, &watched, "a place finds its watches");
            for watch in watched.iter().map(|at| &layout.watches[*at as usize]) {
                take_requests(&layout, &mut taken, (place, watch.first_series), Some(watch.condition))?;
            }
        }
        for check in &layout.checks {
            for stage in 0..layout.stages_of_place(check.place) {
                let number = (check.first_series + stage) as usize;
                prop_assert_eq!(key_tags(&layout, number), with(&check.tags, &[("stage", &stage.to_string())]));
                let key = &layout.registry().keys()[number];
                prop_assert_eq!((key.metric(), key.kind(), key.role()), (CHECKS, Kind::Rate, Role::Plain));
                prop_assert!(!std::mem::replace(&mut taken[number], true), "series {} is two things", number);
            }
        }
        prop_assert!(taken.iter().all(|taken| *taken), "a series is nobody's: {:?}", taken);
        let firsts: Vec<u32> = layout.places.iter().map(|place| place.first_series).collect();
        prop_assert!(firsts.is_sorted());
    }

    #[test]
    fn places_and_checks_are_found_where_the_plan_has_them(plan in plan()) {
        let layout = layout(&plan);
        let (mut place, mut check, mut slot) = (0, 0, 0);
        for (index, (stages, steps)) in plan.iter().enumerate() {
            let scenario = &layout.scenarios[index];
            prop_assert_eq!(scenario.first_slot, slot);
            prop_assert_eq!(layout.stages(index as u32), (*stages).max(1), "there is always one");
            prop_assert_eq!(scenario.stage_ends.last(), Some(&Nanos::MAX), "the last one has no end");
            prop_assert!(scenario.stage_ends.is_sorted());
            slot += scenario.stage_ends.len() as u32;
            for (step, checks) in (0..).zip(steps) {
                let found = &layout.places[place];
                prop_assert_eq!((found.scenario, found.step), (index as u32, step));
                prop_assert_eq!(found.first_check as usize, check);
                prop_assert_eq!(layout.stages_of_place(place as u32), (*stages).max(1));
                for name in &["a", "b", "c", "d"][..*checks as usize] {
                    let found_check = &layout.checks[check];
                    prop_assert_eq!((found_check.place as usize, found_check.name.as_str()), (place, *name));
                    prop_assert_eq!(&found_check.tags, &with(&found.tags, &[("check", name)]));
                    check += 1;
                }
                place += 1;
            }
        }
        prop_assert_eq!((layout.places.len(), layout.checks.len()), (place, check));
        prop_assert_eq!(layout.scenario_slots() as u32, slot);
        prop_assert!(!layout.has_any_tags());
    }
}

#[test]
fn a_condition_fits_its_own_tag_alone() {
    let plan = vec![(1, vec![0])];
    let mut layout = layout(&plan);
    let conditions = [Condition::Status(503), Condition::Status(50), Condition::Error(ErrorKind::Reset)];
    for condition in conditions {
        let first = layout.watches.len() as u32;
        assert_eq!(layout.watch(0, condition), first);
    }
    for watch in &layout.watches {
        for stage_and_kind in 0..2 {
            let key = &layout.registry().keys()[(watch.first_series + stage_and_kind) as usize];
            let fits: Vec<Condition> =
                conditions.into_iter().filter(|condition| condition.fits(key)).collect();
            assert_eq!(fits, [watch.condition]);
        }
    }
    // What is no watch is of any status.
    assert!(conditions.iter().all(|condition| !condition.fits(&layout.registry().keys()[0])));
}

#[test]
fn what_is_asked_for_is_kept_apart_once() {
    let mut layout = layout(&vec![(1, vec![0])]);
    let by_name = tags(&[("name", "a")]);
    for _ in 0..2 {
        layout.select(REQUESTS, &by_name, Some(1), Some(Condition::Status(503)));
        layout.select(REQUESTS, &by_name, None, Some(Condition::Error(ErrorKind::Reset)));
    }
    assert_eq!(layout.conditions, [Condition::Status(503), Condition::Error(ErrorKind::Reset)]);
    layout.expect_any_tags();
    layout.bound_series(7);
    assert_eq!((layout.has_any_tags(), layout.registry().bound()), (true, 7));
    // Beyond the bound a sample keeps the tags that are asked for together, and no others.
    let mut registry = layout.registry().clone();
    let sample = [("name", "a"), ("stage", "1"), ("status", "503"), ("url", "/7")];
    let key = KeyRef { metric: REQUESTS, kind: Kind::Requests, tags: &sample, role: Role::Plain };
    let other = registry.other(key).0 as usize;
    let kept: Vec<&str> = registry.keys()[other].tags().map(|(name, _)| name).collect();
    assert_eq!(kept, ["name", "other", "stage", "status"]);
}
