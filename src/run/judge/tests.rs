use proptest::prelude::*;

use super::*;
use crate::stats::layout::{Tags, series_at};

/// One scenario with one step, and the thresholds on it.
struct Rig {
    layout: Arc<Layout>,
    thresholds: Vec<Threshold>,
}

impl Rig {
    /// Thresholds as on the command line; those with a time may end the run from then on.
    fn new(thresholds: &[(&str, Option<Nanos>)]) -> Rig {
        let tags: Tags = [("scenario".to_owned(), "main".to_owned())].into();
        let mut layout = Layout::default();
        layout.add_scenario("main", "constant-vus", tags.clone(), Vec::new());
        layout.add_place(0, 0, tags, &[]);
        let thresholds = thresholds.iter().map(|(text, from)| {
            let mut threshold = Threshold::parse_flag(text).unwrap();
            threshold.abort_on_fail = from.is_some();
            threshold.delay_abort_eval = from.unwrap_or(Nanos::ZERO);
            threshold.prepare(&mut layout).unwrap();
            threshold
        });
        let thresholds = thresholds.collect();
        Rig { layout: Arc::new(layout), thresholds }
    }

    fn judge(&self) -> Judge {
        Judge::new(Arc::clone(&self.layout), self.thresholds.clone())
    }

    /// So many requests that were answered as they should be, and so many that were not.
    fn tally(&self, good: u64, bad: u64) -> Tally {
        let mut tally = Tally::new(&self.layout);
        for (count, expected) in [(good, true), (bad, false)] {
            tally.requests_mut(series_at(0, 0, expected)).unwrap().completed = count;
        }
        tally
    }
}

fn secs(secs: u64) -> Nanos {
    Nanos::from_secs(secs)
}

const FEW_FAIL: &str = "http_req_failed:rate<0.5";

#[test]
fn only_what_may_end_the_run_does() {
    let rig = Rig::new(&[(FEW_FAIL, None), ("http_reqs:count<100", Some(Nanos::ZERO))]);
    let mut judge = rig.judge();
    assert!(!judge.gives_up(&rig.tally(1, 9), secs(2)), "the one that failed may not");
    assert!(judge.gives_up(&rig.tally(50, 50), secs(4)));
    let judged = judge.last_word(&rig.tally(50, 50), secs(5));
    let outcomes: Vec<_> = judged.iter().map(|(_, outcome, fatal)| (outcome.ok, *fatal)).collect();
    assert_eq!(outcomes, [(false, false), (false, true)]);
    assert_eq!((judged[0].1.observed, judged[1].1.observed), (0.5, 100.0));
}

#[test]
fn what_has_no_samples_yet_ends_no_run() {
    let rig = Rig::new(&[
        ("http_reqs:count>5", Some(Nanos::ZERO)),
        ("http_req_duration:p(95)>9", Some(Nanos::ZERO)),
    ]);
    let mut judge = rig.judge();
    assert!(!judge.gives_up(&rig.tally(0, 0), secs(2)), "as before a scenario's startTime");
    // At the end it is judged all the same, as in k6.
    let judged = rig.judge().last_word(&rig.tally(0, 0), secs(3));
    assert!(judged.iter().all(|(_, outcome, fatal)| !outcome.ok && !fatal));
    assert!(judge.gives_up(&rig.tally(1, 0), secs(4)));
}

#[test]
fn what_ended_the_run_has_failed_whatever_comes_behind_it() {
    let rig = Rig::new(&[(FEW_FAIL, Some(Nanos::ZERO)), ("http_reqs:count>0", Some(Nanos::ZERO))]);
    let mut judge = rig.judge();
    assert!(judge.gives_up(&rig.tally(1, 9), secs(2)));
    let judged = judge.last_word(&rig.tally(991, 9), secs(3));
    let (threshold, outcome, fatal) = &judged[0];
    assert_eq!((threshold.expression.as_str(), outcome.ok, *fatal), ("rate<0.5", false, true));
    assert_eq!(outcome.observed, 0.009, "what was observed is told as it is");
    assert_eq!((judged[1].1.ok, judged[1].2), (true, false));
}

#[test]
fn it_gives_up_once() {
    let rig = Rig::new(&[(FEW_FAIL, Some(Nanos::ZERO))]);
    let mut judge = rig.judge();
    assert!(judge.gives_up(&rig.tally(0, 9), secs(2)));
    for elapsed in 3..20 {
        assert!(!judge.gives_up(&rig.tally(0, 9), secs(elapsed)));
    }
    // What was found then stays, even if it would be met now.
    assert!(!judge.gives_up(&rig.tally(1_000, 9), secs(30)));
    assert!(!judge.last_word(&rig.tally(1_000, 9), secs(30))[0].1.ok);
}

#[test]
fn one_that_is_met_at_the_end_is_met() {
    let rig = Rig::new(&[(FEW_FAIL, Some(secs(60))), (FEW_FAIL, None), ("http_reqs:rate<=10", None)]);
    let mut judge = rig.judge();
    assert!(!judge.gives_up(&rig.tally(0, 9), secs(2)));
    let judged = judge.last_word(&rig.tally(91, 9), secs(10));
    assert!(judged.iter().all(|(_, outcome, fatal)| outcome.ok && !fatal));
    assert_eq!(judged[2].1.observed, 10.0, "over the whole of the run");
}

proptest! {
    /// Whatever span the intervals have: each tick of two seconds is looked at by the first interval that ends behind it, and nothing is
    /// looked at more often.
    #[test]
    fn it_looks_as_often_as_k6(span in 100u64..5_000, delay in 0u64..20_000) {
        let rig = Rig::new(&[(FEW_FAIL, Some(Nanos::from_millis(delay)))]);
        let good = rig.tally(1, 0);
        let ends = (1..).map(|k| Nanos::from_millis(k * span)).take_while(|end| *end <= secs(60));
        let ends: Vec<Nanos> = ends.collect();
        // It fails from one interval on: the run ends with the first look from there on that counts.
        for from in 0..ends.len() {
            let mut judge = rig.judge();
            let ended = ends.iter().enumerate().find(|(number, end)| {
                let tally = if *number >= from { rig.tally(0, 1) } else { good.clone() };
                judge.gives_up(&tally, **end)
            });
            let mut ticked = 0;
            let expected = ends.iter().enumerate().find(|(number, end)| {
                let ticks = end.0 / EVERY.0;
                let looks = ticks > std::mem::replace(&mut ticked, ticks);
                looks && *number >= from && **end >= Nanos::from_millis(delay)
            });
            prop_assert_eq!(ended, expected, "fails from interval {} on", from);
            if from > 50 {
                break;
            }
        }
    }
}
