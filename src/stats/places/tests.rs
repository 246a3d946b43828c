use super::*;
use crate::stats::layout::Tags;
use crate::stats::recorder::Recorder;
use crate::stats::snapshot::Snapshot;
use crate::units::Nanos;

const ANY: Condition = Condition::Status(200);

fn layout(bound: u32) -> Layout {
    let mut layout = Layout::default();
    layout.expect_any_tags();
    layout.bound_series(bound);
    let tags: Tags = [("scenario".to_owned(), "a".to_owned())].into();
    let scenario = layout.add_scenario("a", "constant-vus", tags.clone(), vec![Nanos(1), Nanos(2)]);
    layout.add_place(scenario, 0, tags, &[]);
    layout
}

fn record(recorder: &mut Recorder, layout: &Layout, place: u32, sample: (u32, bool, Condition)) {
    recorder.record_made(layout, place, sample, &mut |requests| requests.completed += 1);
}

#[test]
fn a_place_is_made_once_and_found_by_its_number() {
    let layout = layout(10);
    let mut recorder = Recorder::of_scenarios(&layout);
    let tags = [("name", "login"), ("scenario", "a")];
    let found = recorder.place(&layout, &tags, true);
    assert_eq!(found.number, layout.places.len() as u32, "behind those of the layout");
    assert!(found.new.is_some());
    let again = recorder.place(&layout, &tags, true);
    assert_eq!((again.number, again.new), (found.number, None));
    // What each sample has of its own is not the place's to say.
    let own = [("name", "login"), ("scenario", "a"), ("stage", "7"), ("status", "200")];
    assert_eq!(recorder.place(&layout, &own, true).number, found.number);
    assert_ne!(recorder.place(&layout, &tags[..1], true).number, found.number);
}

#[test]
fn series_are_made_by_samples_for_each_stage_and_expected_or_other_responses() {
    let layout = layout(10);
    let known = layout.registry().keys().len();
    let mut recorder = Recorder::of_scenarios(&layout);
    let place = recorder.place(&layout, &[("name", "login"), ("scenario", "a")], true).number;
    assert_eq!(recorder.tally.registry().keys().len(), known, "a place alone has no series");
    for (stage, expected) in [(1, true), (1, true), (0, false)] {
        record(&mut recorder, &layout, place, (stage, expected, ANY));
        recorder.rotate(Snapshot::new(0));
    }
    let keys: Vec<_> = recorder.tally.registry().keys()[known..].iter().map(|k| format!("{k:?}")).collect();
    assert_eq!(
        keys,
        [
            r#"requests http_req{"expected_response": "true", "name": "login", "scenario": "a", "stage": "1"}"#,
            r#"requests http_req{"expected_response": "false", "name": "login", "scenario": "a", "stage": "0"}"#,
        ]
    );
}

/// The tags of a place of the plan: the samples go to the series that it has.
#[test]
fn tags_of_a_place_of_the_plan_need_no_series_more() {
    let layout = layout(0);
    let known = layout.registry().keys().len();
    let mut recorder = Recorder::of_scenarios(&layout);
    let place = recorder.place(&layout, &[("scenario", "a")], true).number;
    record(&mut recorder, &layout, place, (1, false, ANY));
    // It was one too many for a place of its own, and so are its samples.
    assert_eq!((recorder.tally.registry().keys().len(), recorder.tally.in_others()), (known + 1, 1));
    let roomy = self::layout(1);
    let mut recorder = Recorder::of_scenarios(&roomy);
    let place = recorder.place(&roomy, &[("scenario", "a")], true).number;
    record(&mut recorder, &roomy, place, (1, false, ANY));
    assert_eq!((recorder.tally.registry().keys().len(), recorder.tally.in_others()), (known, 0));
}

#[test]
fn a_hundred_thousand_sets_of_tags_take_the_room_of_the_bound() {
    let mut layout = layout(50);
    let login: Tags = [("name".to_owned(), "login".to_owned())].into();
    layout.select(REQUESTS, &login, None, Some(Condition::Status(500)));
    let known = layout.registry().keys().len();
    let mut recorder = Recorder::of_scenarios(&layout);
    for n in 0..100_000u32 {
        let url = n.to_string();
        let name = if n % 2 == 0 { "login" } else { "other" };
        let tags = [("name", name), ("scenario", "a"), ("url", &url)];
        let place = recorder.place(&layout, &tags, n >= 20).number;
        let condition = if n % 4 == 0 { Condition::Status(500) } else { ANY };
        record(&mut recorder, &layout, place, (0, true, condition));
    }
    // Fifty that were asked for; of others those that are named `login`, since 500s of them are asked for, and the rest; one watch.
    let roles: Vec<Role> = recorder.tally.registry().keys()[known..].iter().map(|key| key.role()).collect();
    let count = |role| roles.iter().filter(|known| **known == role).count();
    assert_eq!((count(Role::Plain), count(Role::Other), count(Role::Watch)), (50, 1, 1), "{roles:?}");
    assert_eq!(recorder.places.made.len(), 100 + 2, "twice the bound, and two for all others");
    assert_eq!(recorder.tally.in_others(), 100_000 - 50);
    let all: u64 = recorder.tally.all_requests().map(|requests| requests.completed).sum();
    assert_eq!(all, 100_000);
    let watches = recorder.tally.series().filter(|(key, _)| key.is_watch());
    let watched: u64 = watches.map(|(_, figures)| figures.samples()).sum();
    assert_eq!(watched, 25_000);
}
