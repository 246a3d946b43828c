//! How runs end before their time.

use std::io;

use super::*;
use crate::stats::layout::{Tags, series_at};
use crate::stats::samples::{Block, Legend, Sink};
use crate::stats::tally::Tally;
use crate::worker::samples::SampleEnds;

#[test]
fn ctrl_c_before_the_load_ends_it_without_any() {
    let rig = Rig::new(2);
    let (outcome, told) = rig.conduct(|worker| {
        if worker.number == 1 {
            // It is still at it when the user has had enough, and then says how far it has come, as workers do.
            rig.stop.set();
            worker.wait_for_stop();
        }
        worker.connect(true);
        assert_eq!(worker.wait_for_start(), None);
        worker.wait_for_stop();
        assert_eq!(worker.control.started(), None, "load began after all");
        worker.finish(Nanos::ZERO, 0);
    });
    assert!(matches!(outcome.err().unwrap(), RunError::Interrupted));
    assert_eq!(told.phases, []);
}

#[test]
fn ctrl_c_during_the_load_ends_in_a_report() {
    let rig = Rig::new(2);
    let going = AtomicU32::new(0);
    let (outcome, told) = rig.conduct(|worker| {
        worker.connect(true);
        let start = worker.wait_for_start().unwrap();
        worker.interval(Nanos::from_secs(1), 5);
        going.fetch_add(1, Ordering::SeqCst);
        if worker.number == 0 {
            worker.until(|_| going.load(Ordering::SeqCst) == 2);
            rig.stop.set();
        }
        worker.wait_for_stop();
        worker.interval(Nanos::from_millis(1_500), 2);
        worker.finish(start + Nanos::from_millis(1_500), 1);
    });
    let course = outcome.unwrap();
    assert!(course.aborted);
    assert_eq!(course.summary.counts.completed, 16);
    assert_eq!(course.summary.duration, Nanos::from_millis(1_500));
    assert_eq!(told.phases, [Phase::Measure, Phase::Drain], "it drains from then on");
    let ends: Vec<Nanos> = told.intervals.iter().map(|interval| interval.0).collect();
    assert_eq!(ends, [Nanos::from_secs(1), Nanos::from_millis(1_500)]);
}

#[test]
fn a_worker_that_breaks_ends_it_with_its_cause() {
    let (outcome, _) = Rig::new(3).conduct(|worker| {
        worker.connect(true);
        let Some(start) = worker.wait_for_start() else { return };
        match worker.number {
            1 => worker.say(Message::Broken("the ring is gone".into())),
            2 => worker.finish(start, 1),
            // It would go on for long.
            _ => worker.wait_for_stop(),
        }
    });
    let error = outcome.err().unwrap();
    assert!(matches!(error, RunError::Worker { worker: 1, .. }), "{error}");
    assert_eq!(error.to_string(), "worker 1 stopped: the ring is gone");
}

#[test]
fn workers_that_go_away_without_a_word_are_missed() {
    let (outcome, _) = Rig::new(3).conduct(|worker| {
        worker.connect(true);
        if let Some(start) = worker.wait_for_start()
            && worker.number != 1
        {
            worker.finish(start, 1);
        }
    });
    let error = outcome.err().unwrap();
    assert_eq!(error.to_string(), "worker 1 stopped: it went away without a word");
}

#[test]
fn a_worker_that_panics_is_not_waited_for() {
    let (outcome, _) = Rig::new(2).conduct(|worker| {
        worker.connect(true);
        if worker.number == 1 {
            let out = worker.channel.out.clone();
            let thread = thread::spawn(move || {
                let _last_word = LastWord { worker: 1, out };
                panic!("on purpose");
            });
            assert!(thread.join().is_err());
        }
        // The others keep the channel open, as those of a session do.
        worker.wait_for_stop();
    });
    assert_eq!(outcome.err().unwrap().to_string(), "worker 1 stopped: it has panicked");
}

/// A run with one step and a threshold on it.
fn judged_rig(abort_on_fail: bool) -> Rig {
    let mut rig = Rig::new(1);
    let tags: Tags = [("scenario".to_owned(), "main".to_owned())].into();
    let mut layout = Layout::default();
    layout.add_scenario("main", "constant-vus", tags.clone(), Vec::new());
    layout.add_place(0, 0, tags, &[]);
    let mut threshold = Threshold::parse_flag("http_req_failed:rate<0.5").unwrap();
    threshold.abort_on_fail = abort_on_fail;
    threshold.prepare(&mut layout).unwrap();
    (rig.layout, rig.config.thresholds) = (Arc::new(layout), vec![threshold]);
    rig
}

/// A second in which so many requests came out as they should, and so many did not.
fn second(worker: &Scripted, layout: &Layout, second: u64, good: u64, bad: u64) {
    let mut snapshot = Snapshot::new(worker.number);
    snapshot.tally = Tally::new(layout);
    for (count, expected) in [(good, true), (bad, false)] {
        snapshot.tally.requests_mut(series_at(0, 0, expected)).unwrap().completed = count;
    }
    snapshot.end = Nanos::from_secs(second);
    worker.say(Message::Interval(snapshot));
}

#[test]
fn a_threshold_with_abort_on_fail_ends_the_run() {
    let rig = judged_rig(true);
    let (outcome, told) = rig.conduct(|worker| {
        worker.connect(true);
        let start = worker.wait_for_start().unwrap();
        second(&worker, &rig.layout, 1, 0, 9);
        clock::sleep(Nanos::from_millis(40));
        assert!(!worker.control.stopped(), "it is not looked at so soon");
        second(&worker, &rig.layout, 2, 1, 9);
        worker.wait_for_stop();
        // What was under way came well: by the end it would be met.
        second(&worker, &rig.layout, 3, 1_000, 0);
        worker.finish(start + Nanos::from_secs(3), 0);
    });
    let course = outcome.unwrap();
    let [(threshold, outcome, ended)] = &course.judged[..] else { panic!("{}", course.judged.len()) };
    assert_eq!((threshold.abort_on_fail, outcome.ok, *ended), (true, false, true));
    assert!(!course.aborted, "nobody has pressed Ctrl-C");
    assert_eq!(told.notices, ["a threshold with abortOnFail has failed: stopped"]);
    assert_eq!(told.phases, [Phase::Measure, Phase::Drain], "it drains from then on");
}

#[test]
fn other_thresholds_are_judged_at_the_end() {
    let rig = judged_rig(false);
    let (outcome, told) = rig.conduct(|worker| {
        worker.connect(true);
        let start = worker.wait_for_start().unwrap();
        (1..8).for_each(|k| second(&worker, &rig.layout, k, 0, 9));
        clock::sleep(Nanos::from_millis(40));
        assert!(!worker.control.stopped());
        worker.finish(start + Nanos::from_secs(8), 0);
    });
    let judged = outcome.unwrap().judged;
    assert_eq!((judged[0].1.ok, judged[0].1.observed, judged[0].2), (false, 1.0, false));
    assert_eq!(told.notices, [""; 0]);
}

/// Has no room for anything.
struct Full;

impl Sink for Full {
    fn place(&self) -> String {
        "samples.ndjson".into()
    }
    fn begin(&mut self, _: &Legend) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn take(&mut self, _: &Block) -> io::Result<()> {
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn that_samples_are_not_written_is_told_once_and_the_run_goes_on() {
    let mut rig = Rig::new(1);
    rig.config.duration = Some(Nanos::from_millis(150));
    let (method, url) = ("GET".into(), "/".into());
    let legend = Legend { layout: Arc::default(), method, url, epoch: Nanos::ZERO, secrets: Arc::default() };
    let ends: Mutex<Vec<SampleEnds>> = Mutex::default();
    let by_the_clock = by_the_clock(&rig);
    let (outcome, told) = rig.conduct_with(
        |threads| *ends.lock().unwrap() = threads.write(Some((Box::new(Full), legend)), 1).unwrap(),
        |worker| {
            let ends = ends.lock().unwrap().pop().unwrap();
            ends.full.send(ends.emptied.recv().unwrap()).unwrap();
            by_the_clock(worker);
        },
    );
    assert_eq!(outcome.unwrap().summary.counts.completed, 2);
    let [notice] = &told.notices[..] else { panic!("{:?}", told.notices) };
    assert!(notice.starts_with("cannot write samples to samples.ndjson: "), "{notice}");
    assert!(notice.ends_with("going on without them"), "{notice}");
}

#[test]
fn a_threshold_that_fails_with_the_last_interval_has_ended_nothing() {
    let mut rig = judged_rig(true);
    rig.config.duration = Some(Nanos::from_secs(4));
    let (outcome, told) = rig.conduct(|worker| {
        worker.connect(true);
        let start = worker.wait_for_start().unwrap();
        second(&worker, &rig.layout, 2, 9, 0);
        second(&worker, &rig.layout, 4, 0, 90);
        clock::sleep(Nanos::from_millis(40));
        assert!(!worker.control.stopped());
        worker.finish(start + Nanos::from_secs(4), 0);
    });
    let judged = outcome.unwrap().judged;
    assert_eq!((judged[0].1.ok, judged[0].2), (false, false));
    assert_eq!(told.notices, [""; 0], "it was over by itself");
}
