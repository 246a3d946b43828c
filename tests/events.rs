//! Observers of whole runs: what they are told, and that nobody waits for one that is slow or breaks.

mod common;

use std::io::Read;
use std::sync::{Arc, Mutex};

use common::plain::{self, Framing};
use common::rig::serve;
use common::run::{alone, together};
use squall::clock;
use squall::observer::{Detail, Interval, Observer, Phase, StopFlag};
use squall::report::Report;
use squall::run::config::{RawConfig, RunConfig};
use squall::run::events::{End, Events, ObserverOutcome};
use squall::run::{self, RunError};
use squall::units::Nanos;

/// What an observer was told.
#[derive(Debug, Default)]
struct Book {
    phases: Vec<Phase>,
    intervals: Vec<Arc<Interval>>,
    lost: u64,
    notices: Vec<String>,
    reports: Vec<Arc<Report>>,
    /// The names of all calls, in order.
    calls: Vec<&'static str>,
}

/// Writes down what it is told, after a while.
struct Scribe {
    book: Arc<Mutex<Book>>,
    sleep: Nanos,
}

impl Scribe {
    fn who_sleeps(sleep: Nanos) -> (Box<dyn Observer>, Arc<Mutex<Book>>) {
        let book = Arc::<Mutex<Book>>::default();
        (Box::new(Scribe { book: Arc::clone(&book), sleep }), book)
    }

    fn write(&self, call: &'static str, entry: impl FnOnce(&mut Book)) {
        clock::sleep(self.sleep);
        let mut book = self.book.lock().unwrap();
        book.calls.push(call);
        entry(&mut book);
    }
}

impl Observer for Scribe {
    fn name(&self) -> &'static str {
        "scribe"
    }
    fn detail(&self) -> Detail {
        Detail::Totals
    }
    fn on_phase(&mut self, phase: Phase) {
        self.write("phase", |book| book.phases.push(phase));
    }
    fn on_interval(&mut self, interval: &Arc<Interval>) {
        self.write("interval", |book| book.intervals.push(Arc::clone(interval)));
    }
    fn on_lost(&mut self, intervals: u64) {
        self.write("lost", |book| book.lost += intervals);
    }
    fn on_notice(&mut self, notice: &str) {
        self.write("notice", |book| book.notices.push(notice.into()));
    }
    fn on_report(&mut self, report: &Arc<Report>) {
        self.write("report", |book| book.reports.push(Arc::clone(report)));
    }
}

/// One worker, intervals of 100 ms.
fn config(url: String, change: impl FnOnce(&mut RawConfig)) -> RunConfig {
    let mut raw = RawConfig {
        url,
        threads: Some(1),
        connections: Some(4),
        interval: Some("100ms".into()),
        ..RawConfig::default()
    };
    change(&mut raw);
    RunConfig::validate(raw).unwrap()
}

fn url() -> String {
    plain::start(Framing::Length, 16).0
}

fn text(text: &str) -> Option<String> {
    Some(text.into())
}

/// A run that is watched, how long it took, and how the observers came through.
fn watch(
    config: &RunConfig,
    observers: Vec<Box<dyn Observer>>,
) -> (Result<Arc<Report>, RunError>, Nanos, Vec<ObserverOutcome>) {
    let mut events = Events::start(observers).unwrap();
    let began = clock::now();
    let ran = run::run(config, &mut events, &StopFlag::new()).map(|ran| ran.report);
    (ran, clock::now() - began, events.finish(Nanos::from_secs(8)))
}

#[test]
fn an_observer_that_sleeps_for_a_second_in_each_call_costs_nobody_anything() {
    let _alone = alone();
    let config = config(url(), |raw| {
        raw.duration = text("1.5s");
        raw.rate = text("400");
    });
    let (slow, slow_book) = Scribe::who_sleeps(Nanos::from_secs(1));
    let (fast, book) = Scribe::who_sleeps(Nanos::ZERO);
    let (ran, took, outcomes) = watch(&config, vec![slow, fast]);

    let report = ran.unwrap();
    // Eight intervals in its queue alone would take it eight seconds.
    assert!(took < Nanos::from_secs(4), "{took}");
    assert_eq!(report.requests.scheduled, 600);
    assert_eq!(report.requests.completed, 600, "{report:?}");
    assert_eq!(report.timeline.iter().map(|entry| entry.requests).sum::<u64>(), 600);
    assert!(report.timeline.len() > 5, "workers had to skip intervals: {:?}", report.timeline);

    let (slow_book, book) = (slow_book.lock().unwrap(), book.lock().unwrap());
    assert!(outcomes.iter().all(|outcomes| outcomes.end == End::Told), "{outcomes:?}");
    assert!(slow_book.lost > 0, "{:?}", slow_book.calls);
    let all = |book: &Book| book.intervals.len() as u64 + book.lost;
    assert_eq!((slow_book.lost, book.lost), (outcomes[0].lost, outcomes[1].lost));
    assert_eq!(all(&slow_book), all(&book), "each interval is told or counted as lost");
    assert_eq!(slow_book.phases, book.phases);
    assert_eq!(slow_book.calls.last(), Some(&"report"));
    assert!(Arc::ptr_eq(&slow_book.reports[0], &report));
}

#[test]
fn intervals_add_up_to_the_report() {
    let _together = together();
    let config = config(url(), |raw| raw.duration = text("700ms"));
    let (scribe, book) = Scribe::who_sleeps(Nanos::ZERO);
    let (ran, _, _) = watch(&config, vec![scribe]);
    let (report, book) = (ran.unwrap(), book.lock().unwrap());
    let last = book.intervals.last().unwrap();
    assert_eq!(last.counts.completed, report.requests.completed);
    assert_eq!(last.progress.completed, report.requests.completed);
    assert_eq!(last.counts.sent_bytes, report.throughput.sent_bytes);
    let totals = last.totals.as_ref().unwrap();
    let latencies = totals.latencies.clone().finish(false, last.counts.started);
    assert_eq!(latencies.response_time, report.latency.response_time.histogram().unwrap());
    if book.lost == 0 {
        let sum: u64 = book.intervals.iter().map(|interval| interval.snapshot.counts.completed).sum();
        assert_eq!(sum, report.requests.completed);
        assert!(book.intervals.iter().map(|interval| interval.number).eq(1..=book.intervals.len() as u64));
        let measured = book.intervals.iter().filter(|interval| interval.point.is_some()).count();
        assert_eq!(measured, report.timeline.len());
    }
}

#[test]
fn scenarios_come_with_their_layout_and_tallies() {
    let _together = together();
    let config = config(url(), |raw| {
        (raw.connections, raw.vus) = (None, Some(3));
        raw.duration = text("500ms");
    });
    let (scribe, book) = Scribe::who_sleeps(Nanos::ZERO);
    let (ran, _, _) = watch(&config, vec![scribe]);
    let (report, book) = (ran.unwrap(), book.lock().unwrap());
    let last = book.intervals.last().unwrap();
    let totals = last.totals.as_ref().unwrap();
    assert_eq!(totals.tally.registry().keys(), last.layout.registry().keys());
    let completed = totals.tally.all_requests().map(|series| series.completed).sum::<u64>();
    assert_eq!(completed, report.requests.completed);
    assert_eq!(totals.tally.scenarios.iter().map(|scenario| scenario.vus_max).max(), Some(3));
}

#[test]
fn phases_are_told_from_connecting_on() {
    let _together = together();
    let config = config(url(), |raw| {
        raw.warmup = text("500ms");
        raw.duration = text("300ms");
    });
    let (scribe, book) = Scribe::who_sleeps(Nanos::ZERO);
    watch(&config, vec![scribe]).0.unwrap();
    let book = book.lock().unwrap();
    assert_eq!(book.calls.first(), Some(&"phase"));
    assert_eq!(book.calls.last(), Some(&"report"));
    // Of the drain the coordinator may learn only when it is over.
    let phases = [Phase::Connect, Phase::Warmup, Phase::Measure, Phase::Drain];
    assert!(book.phases == phases || book.phases == phases[..3], "{:?}", book.phases);
    let warming: Vec<_> = book.intervals.iter().filter(|i| i.phase == Phase::Warmup).collect();
    assert!(!warming.is_empty(), "{:?}", book.calls);
    for interval in warming {
        assert!(interval.point.is_none() && interval.snapshot.counts.started == 0);
        assert!(interval.in_phase >= Nanos::from_millis(100));
        assert_eq!((interval.progress.elapsed, interval.progress.connections), (Nanos::ZERO, 4));
    }
}

#[test]
fn what_connects_for_long_is_seen_to_and_a_run_without_a_report_ends_for_all() {
    let _together = together();
    // Takes connections and never says a word of TLS.
    let addr = serve(|mut stream| while matches!(stream.read(&mut [0; 512]), Ok(1..)) {});
    let config = config(format!("https://{addr}/"), |raw| raw.tls.timeout = text("800ms"));
    let (scribe, book) = Scribe::who_sleeps(Nanos::ZERO);
    let (ran, _, outcomes) = watch(&config, vec![scribe]);
    assert!(matches!(ran, Err(RunError::NothingConnected { .. })), "{ran:?}");
    let book = book.lock().unwrap();
    assert_eq!(book.phases, [Phase::Connect]);
    assert!(book.intervals.len() as u64 + book.lost >= 2, "{:?}", book.calls);
    assert!(book.intervals.iter().all(|interval| interval.phase == Phase::Connect));
    assert!(book.reports.is_empty());
    assert_eq!(outcomes[0].end, End::Told);
}

/// Fails at the first interval.
struct Broken;

impl Observer for Broken {
    fn name(&self) -> &'static str {
        "broken one"
    }
    fn on_interval(&mut self, _: &Arc<Interval>) {
        panic!("it breaks, as it is meant to");
    }
}

#[test]
fn an_observer_that_panics_is_dropped_and_the_run_goes_on() {
    let _together = together();
    // Long enough for a stack to be printed while the host has other things to do.
    let config = config(url(), |raw| raw.duration = text("3s"));
    let (scribe, book) = Scribe::who_sleeps(Nanos::ZERO);
    let (ran, _, outcomes) = watch(&config, vec![Box::new(Broken), scribe]);
    let report = ran.unwrap();
    assert_eq!(outcomes[0].end, End::Panicked("it breaks, as it is meant to".into()));
    assert_eq!(outcomes[1].end, End::Told);
    let book = book.lock().unwrap();
    assert_eq!(book.intervals.last().unwrap().counts.completed, report.requests.completed);
    assert!(book.notices.iter().any(|notice| notice.contains("the broken one has panicked")), "{book:?}");
}

#[test]
fn without_observers_there_is_a_report_all_the_same() {
    let _together = together();
    let config = config(url(), |raw| raw.requests = Some(500));
    let ran = run::run(&config, &mut Events::silent(), &StopFlag::new()).unwrap();
    // Figures are numbers with their histograms, and the report is made of them.
    let report = ran.report;
    assert_eq!(ran.summary.counts.completed, report.requests.completed);
    assert_eq!(ran.summary.latency.response_time, report.latency.response_time.histogram().unwrap());
    assert_eq!(report.requests.completed, 500);
    assert_eq!(report.config.interval_s, 0.1);
}
