use std::sync::Mutex;

use super::*;
use crate::report::sample;
use crate::secrets::Redactor;

/// What an observer was told, in short.
type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what it is told; before that it waits at a gate, where there is one.
struct Scribe {
    log: Log,
    gate: Option<Receiver<()>>,
    detail: Detail,
    panics_at: Option<&'static str>,
}

impl Scribe {
    fn new() -> (Scribe, Log) {
        let log = Log::default();
        (Scribe { log: Arc::clone(&log), gate: None, detail: Detail::Intervals, panics_at: None }, log)
    }

    fn gated() -> (Scribe, Log, Sender<()>) {
        let (open, gate) = bounded(1_000);
        let (scribe, log) = Scribe::new();
        (Scribe { gate: Some(gate), ..scribe }, log, open)
    }

    fn hear(&mut self, what: String) {
        if let Some(gate) = &self.gate {
            gate.recv().expect("the test opens the gate");
        }
        if self.panics_at.is_some_and(|word| what.contains(word)) {
            panic!("no more of {what}");
        }
        self.log.lock().unwrap().push(what);
    }
}

impl Observer for Scribe {
    fn name(&self) -> &'static str {
        "scribe"
    }
    fn detail(&self) -> Detail {
        self.detail
    }
    fn on_phase(&mut self, phase: Phase) {
        self.hear(format!("{phase:?}"));
    }
    fn on_interval(&mut self, interval: &Arc<Interval>) {
        self.hear(interval.number.to_string());
    }
    fn on_lost(&mut self, intervals: u64) {
        self.log.lock().unwrap().push(format!("lost {intervals}"));
    }
    fn on_notice(&mut self, notice: &str) {
        self.hear(notice.into());
    }
    fn on_report(&mut self, _report: &Arc<Report>) {
        self.hear("report".into());
    }
}

fn start(scribes: impl IntoIterator<Item = Scribe>) -> Events {
    Events::start(scribes.into_iter().map(|scribe| Box::new(scribe) as Box<dyn Observer>).collect()).unwrap()
}

fn interval(events: &mut Events) {
    events.interval(&Arc::default(), |_| {});
}

fn report(events: &mut Events) {
    events.report(&Arc::new(sample::empty()));
}

fn told(log: &Log) -> Vec<String> {
    log.lock().unwrap().clone()
}

/// Waits until an observer has written so much down.
fn until(log: &Log, length: usize) {
    let began = clock::now();
    while log.lock().unwrap().len() < length {
        assert!(clock::now() - began < LONG, "{:?}", told(log));
        thread::yield_now();
    }
}

const LONG: Nanos = Nanos::from_secs(10);

#[test]
fn all_is_told_in_order() {
    let (scribe, log) = Scribe::new();
    let mut events = start([scribe]);
    events.phase(Phase::Connect);
    interval(&mut events);
    events.notice(&Redactor::default(), "note");
    events.phase(Phase::Measure);
    interval(&mut events);
    report(&mut events);
    let outcomes = events.finish(LONG);
    assert_eq!(told(&log), ["Connect", "1", "note", "Measure", "2", "report"]);
    assert_eq!(outcomes, [ObserverOutcome { name: "scribe", lost: 0, end: End::Told }]);
}

#[test]
fn one_that_is_behind_loses_intervals_and_nothing_else() {
    let (slow, slow_log, open) = Scribe::gated();
    let (fast, fast_log) = Scribe::new();
    let mut events = start([slow, fast]);
    events.phase(Phase::Connect);
    // That one is in the hands of the slow one, the queue is empty.
    let began = clock::now();
    while !events.subscriptions[0].queue.as_ref().unwrap().is_empty() {
        assert!(clock::now() - began < LONG);
    }
    for number in 1..=20 {
        interval(&mut events);
        until(&fast_log, number + 1);
    }
    events.phase(Phase::Drain);
    events.notice(&Redactor::default(), "note");
    (0..11).for_each(|_| open.send(()).unwrap());
    until(&slow_log, 11);
    interval(&mut events);
    report(&mut events);
    (0..2).for_each(|_| open.send(()).unwrap());
    let outcomes = events.finish(LONG);
    let expected =
        ["Connect", "1", "2", "3", "4", "5", "6", "7", "8", "Drain", "note", "lost 12", "21", "report"];
    assert_eq!(told(&slow_log), expected);
    assert_eq!(outcomes.iter().map(|a| a.lost).collect::<Vec<_>>(), [12, 0]);
    assert_eq!(told(&fast_log).len(), 1 + 20 + 2 + 1 + 1);
}

#[test]
fn at_the_end_the_report_comes_before_what_is_old() {
    let (slow, log, open) = Scribe::gated();
    let mut events = start([slow]);
    (0..INTERVALS).for_each(|_| interval(&mut events));
    report(&mut events);
    let shared = Arc::clone(&events.subscriptions[0].shared);
    let finishing = thread::spawn(|| events.finish(Nanos::from_secs(6)));
    while !shared.hurry.load(Ordering::Relaxed) {
        clock::sleep(Nanos::from_millis(10));
    }
    (0..INTERVALS).for_each(|_| open.send(()).unwrap());
    let outcomes = finishing.join().unwrap();
    assert_eq!(outcomes, [ObserverOutcome { name: "scribe", lost: 7, end: End::Told }]);
    assert_eq!(told(&log), ["1", "lost 7", "report"]);
}

#[test]
fn losses_are_told_at_the_end_of_a_run_without_a_report() {
    let (slow, log, open) = Scribe::gated();
    let mut events = start([slow]);
    (0..INTERVALS + 5).for_each(|_| interval(&mut events));
    (0..INTERVALS + 5).for_each(|_| open.send(()).unwrap());
    let [outcomes] = events.finish(LONG).try_into().unwrap();
    let intervals = told(&log).iter().filter(|what| !what.starts_with("lost")).count() as u64;
    // The first one may have been in its hands before the queue was full.
    assert!([INTERVALS as u64, INTERVALS as u64 + 1].contains(&intervals), "{:?}", told(&log));
    assert_eq!(outcomes.lost, INTERVALS as u64 + 5 - intervals);
    assert_eq!(told(&log).last().unwrap(), &format!("lost {}", outcomes.lost));
}

#[test]
fn one_that_never_comes_back_holds_nobody_up() {
    let (stuck, log, open) = Scribe::gated();
    let (other, other_log) = Scribe::new();
    let mut events = start([stuck, other]);
    let began = clock::now();
    for number in 1..=1_000 {
        interval(&mut events);
        events.notice(&Redactor::default(), "note");
        until(&other_log, 2 * number);
    }
    report(&mut events);
    let outcomes = events.finish(Nanos::from_millis(100));
    assert!(clock::now() - began < LONG, "{}", clock::now() - began);
    assert_eq!(outcomes[0].end, End::Busy);
    assert!(told(&log).is_empty());
    let (other_log, notice) = (told(&other_log), "the scribe is too far behind: it is told nothing more");
    assert_eq!(other_log.iter().filter(|what| what.starts_with(notice)).count(), 1, "{other_log:?}");
    assert_eq!(other_log.last().unwrap(), "report");
    assert_eq!(outcomes[1], ObserverOutcome { name: "scribe", lost: 0, end: End::Told });
    drop(open);
}

#[test]
fn one_that_panics_is_dropped_and_the_others_are_told() {
    let (mut panics, log) = Scribe::new();
    panics.panics_at = Some("2");
    let (other, other_log) = Scribe::new();
    let mut events = start([panics, other]);
    events.phase(Phase::Connect);
    (0..3).for_each(|_| interval(&mut events));
    assert!(events.subscriptions[0].is_gone_by(clock::now() + LONG));
    events.phase(Phase::Drain);
    report(&mut events);
    let outcomes = events.finish(LONG);
    assert_eq!(told(&log), ["Connect", "1"]);
    assert_eq!(outcomes[0].end, End::Panicked("no more of 2".into()));
    assert_eq!(outcomes[1].end, End::Told);
    let notice = "the scribe has panicked: it is told nothing more, and the run goes on without it";
    // The panic may have been noticed with any interval behind it.
    assert_eq!(told(&other_log).iter().filter(|what| *what == notice).count(), 1);
    let others: Vec<_> = told(&other_log).into_iter().filter(|what| what != notice).collect();
    assert_eq!(others, ["Connect", "1", "2", "3", "Drain", "report"]);
}

#[test]
fn who_wants_no_intervals_gets_none() {
    let (mut quiet, log) = Scribe::new();
    quiet.detail = Detail::Nothing;
    let mut events = start([quiet]);
    assert_eq!(events.detail(), Detail::Nothing);
    assert_eq!(Events::silent().detail(), Detail::Nothing);
    interval(&mut events);
    report(&mut events);
    events.finish(LONG);
    assert_eq!(told(&log), ["report"]);
}

#[test]
fn intervals_are_used_again_when_nobody_looks_at_them() {
    let (scribe, log) = Scribe::new();
    let mut events = start([scribe]);
    for number in 1..=50 {
        interval(&mut events);
        until(&log, number);
    }
    // The one before may still be on its way out of the observer's hands.
    assert!(events.lent.len() <= 2, "{}", events.lent.len());

    let kept = Arc::new(Mutex::new(Vec::new()));
    struct Keeper(Arc<Mutex<Vec<Arc<Interval>>>>);
    impl Observer for Keeper {
        fn on_interval(&mut self, interval: &Arc<Interval>) {
            self.0.lock().unwrap().push(Arc::clone(interval));
        }
    }
    let mut events = Events::start(vec![Box::new(Keeper(Arc::clone(&kept)))]).unwrap();
    for number in 1..=2 * KEPT {
        interval(&mut events);
        while kept.lock().unwrap().len() < number {
            thread::yield_now();
        }
    }
    assert!(events.lent.len() <= KEPT);
    let numbers: Vec<u64> = kept.lock().unwrap().iter().map(|interval| interval.number).collect();
    assert!(numbers.iter().copied().eq(1..=2 * KEPT as u64), "what is kept is not written over: {numbers:?}");
}
