use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;
use crate::driver::failure::Failure;
use crate::observer::Observer;
use crate::run::config::RawConfig;
use crate::run::job::SessionRoom;
use crate::run::threads::LastWord;
use crate::stats::outcome::ErrorKind;
use crate::worker::channel::{Channel, Control, LoopReadings};

mod ends;

/// Longer than any test takes.
const LONG: Nanos = Nanos::from_secs(20);

/// A worker whose words a test puts into its mouth.
struct Scripted {
    number: u32,
    channel: Channel,
    control: Arc<Control>,
}

impl Scripted {
    fn say(&self, message: Message) {
        // The coordinator may have gone with an error.
        let _ = self.channel.out.send((self.number, message));
    }

    /// One attempt to connect, which succeeded or was refused.
    fn connect(&self, came_about: bool) {
        let refused = Some((ErrorKind::Connect, Some(Failure::Os(libc::ECONNREFUSED))));
        let last_failure = refused.filter(|_| !came_about);
        let tried = Tried { tried: 1, came_about: u32::from(came_about), last_failure };
        self.say(Message::Connected(Connected::Tried(tried)));
    }

    fn until(&self, what: impl Fn(&Control) -> bool) {
        let began = clock::now();
        while !what(&self.control) {
            assert!(clock::now() - began < LONG, "worker {} waits for ever", self.number);
            clock::sleep(Nanos::from_micros(200));
        }
    }

    /// As a worker waits: `None` when the run is stopped before it starts.
    fn wait_for_start(&self) -> Option<Nanos> {
        self.until(|control| control.stopped() || control.started().is_some());
        self.control.started().filter(|_| !self.control.stopped())
    }

    fn wait_for_stop(&self) {
        self.until(Control::stopped);
    }

    /// An interval up to `end` with so many whole responses.
    fn interval(&self, end: Nanos, responses: u64) {
        let mut snapshot = self.channel.emptied.try_recv().unwrap_or_else(|_| Snapshot::new(self.number));
        assert_eq!(snapshot, Snapshot::new(self.number), "one that comes back is this worker's, and empty");
        fill(&mut snapshot, end, responses);
        self.say(Message::Interval(snapshot));
    }

    /// What came behind the window, and the last word.
    fn finish(&self, measured_until: Nanos, behind: u64) {
        let mut snapshot = Snapshot::new(self.number);
        fill(&mut snapshot, measured_until, behind);
        (snapshot.drain, snapshot.counts.completed_in_window) = (true, 0);
        self.say(Message::Interval(snapshot));
        self.say(Message::Finished(Box::new(Finished {
            in_flight: 1,
            backlog: 2,
            measured_until,
            gave_up: false,
            readings: LoopReadings::default(),
            tls: crate::driver::TlsReadings::default(),
            samples: Vec::new(),
            causes: Vec::new(),
            origins: Vec::new(),
            reasons: Vec::new(),
        })));
    }

    /// A run of `intervals` responses each in intervals of a second, told as fast as can be; the clock plays no part in it.
    fn run(&self, intervals: &[u64], behind: u64) {
        self.connect(true);
        let Some(start) = self.wait_for_start() else { return self.finish(Nanos::ZERO, 0) };
        for (k, responses) in (1..).zip(intervals) {
            self.interval(Nanos::from_secs(k), *responses);
        }
        self.finish(start + Nanos::from_secs(intervals.len() as u64), behind);
    }
}

fn fill(snapshot: &mut Snapshot, end: Nanos, responses: u64) {
    let counts = &mut snapshot.counts;
    (counts.scheduled, counts.started) = (responses, responses);
    (counts.completed, counts.completed_in_window) = (responses, responses);
    snapshot.latencies.whole.record_n(Nanos::from_millis(1), responses);
    (snapshot.connections, snapshot.end) = (1, end);
}

/// What an observer was told.
#[derive(Default)]
struct Told {
    phases: Vec<Phase>,
    notices: Vec<String>,
    /// Those with a point: their end, their responses, and all responses so far by counts and by the table of totals.
    intervals: Vec<(Nanos, u64, u64, u64)>,
    /// Without one, but with responses: these, and all so far.
    rest: Vec<(u64, u64)>,
}

struct Scribe(Arc<Mutex<Told>>);

impl Observer for Scribe {
    fn detail(&self) -> Detail {
        Detail::Totals
    }
    fn on_phase(&mut self, phase: Phase) {
        self.0.lock().unwrap().phases.push(phase);
    }
    fn on_notice(&mut self, notice: &str) {
        self.0.lock().unwrap().notices.push(notice.into());
    }
    fn on_interval(&mut self, interval: &Arc<Interval>) {
        let (here, so_far) = (interval.snapshot.counts.completed, interval.counts.completed);
        let mut told = self.0.lock().unwrap();
        match &interval.point {
            Some(point) => {
                let totals = interval.totals.as_ref().expect("they were asked for");
                assert_eq!(interval.progress.completed, so_far);
                told.intervals.push((point.t, here, so_far, totals.latencies.whole.len()));
            }
            None if here > 0 => told.rest.push((here, so_far)),
            None => {}
        }
    }
}

/// A run of scripted workers.
struct Rig {
    config: RunConfig,
    layout: Arc<Layout>,
    stop: StopFlag,
}

impl Rig {
    fn new(workers: usize) -> Rig {
        let raw = RawConfig { url: "http://127.0.0.1:1/".into(), ..RawConfig::default() };
        let config = RunConfig::validate(raw).unwrap();
        let config = RunConfig { cores: (0..workers).collect(), duration: Some(LONG), ..config };
        Rig { config, layout: Arc::default(), stop: StopFlag::new() }
    }

    /// Conducts a run in which each worker is a thread that does `script`. Its channel goes with it.
    fn conduct(&self, script: impl Fn(Scripted) + Sync) -> (Result<Course, RunError>, Told) {
        self.conduct_with(|_| {}, script)
    }

    fn conduct_with(
        &self,
        prepare: impl FnOnce(&mut Threads),
        script: impl Fn(Scripted) + Sync,
    ) -> (Result<Course, RunError>, Told) {
        let told = Arc::<Mutex<Told>>::default();
        let mut events = Events::start(vec![Box::new(Scribe(Arc::clone(&told)))]).unwrap();
        let workers = self.config.cores.len();
        let (mut threads, channels) = Threads::of(workers, SessionRoom { most: 1, windows: false });
        prepare(&mut threads);
        let outcome = thread::scope(|scope| {
            for (number, channel) in (0..).zip(channels) {
                let control = Arc::clone(&threads.control);
                let script = &script;
                // One that panics on purpose must not end the scope with a panic.
                thread::Builder::new()
                    .spawn_scoped(scope, move || {
                        let scripted = Scripted { number, channel, control };
                        let _last_word = LastWord { worker: number, out: scripted.channel.out.clone() };
                        script(scripted);
                    })
                    .unwrap();
            }
            let judge = Judge::new(Arc::clone(&self.layout), self.config.thresholds.clone());
            let coordinator =
                Coordinator::new(&self.config, &threads, &self.layout, &mut events, &self.stop, judge);
            let outcome = coordinator.conduct();
            threads.join();
            outcome
        });
        events.finish(LONG);
        let told = std::mem::take(&mut *told.lock().unwrap());
        (outcome, told)
    }
}

#[test]
fn nothing_connected_is_an_error_with_the_reason() {
    let (outcome, told) = Rig::new(3).conduct(|worker| {
        worker.connect(false);
        assert_eq!(worker.wait_for_start(), None, "load was sent to nobody");
    });
    let error = outcome.err().unwrap();
    assert!(matches!(error, RunError::NothingConnected { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && text.contains("is the target running"), "{text}");
    assert_eq!((told.phases, told.notices), (vec![], vec![]));
}

#[test]
fn one_connection_anywhere_is_enough() {
    let (outcome, _) = Rig::new(3).conduct(|worker| {
        worker.connect(worker.number == 1);
        let start = worker.wait_for_start().unwrap();
        worker.finish(start, 1);
    });
    assert_eq!(outcome.unwrap().summary.counts.completed, 3);
}

#[test]
fn there_is_one_start_for_all_when_the_last_is_ready() {
    let ready = AtomicU32::new(0);
    let (starts, said) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let (outcome, _) = Rig::new(4).conduct(|worker| {
        clock::sleep(Nanos::from_millis(20 * u64::from(worker.number)));
        assert_eq!(worker.control.started(), None);
        ready.fetch_add(1, Ordering::SeqCst);
        said.lock().unwrap().push(clock::now());
        worker.connect(true);
        let start = worker.wait_for_start().unwrap();
        assert_eq!(ready.load(Ordering::SeqCst), 4, "somebody was not ready yet");
        starts.lock().unwrap().push(start);
        worker.finish(start, 0);
    });
    assert_eq!(outcome.unwrap().finished.len(), 4);
    let starts = starts.into_inner().unwrap();
    let last = said.into_inner().unwrap().into_iter().max().unwrap();
    assert!(starts.iter().all(|start| *start == starts[0] && *start >= last + LEAD), "{starts:?} {last:?}");
}

#[test]
fn intervals_are_told_in_order_and_add_up_to_the_summary() {
    let (outcome, told) = Rig::new(2).conduct(|worker| match worker.number {
        0 => worker.run(&[1, 10, 100], 7),
        _ => {
            // The slower one: intervals come together when it is there.
            clock::sleep(Nanos::from_millis(50));
            worker.run(&[2, 20], 3);
        }
    });
    let course = outcome.unwrap();
    let second = Nanos::from_secs;
    let expected = [(second(1), 3, 3, 3), (second(2), 30, 33, 33), (second(3), 100, 133, 133)];
    assert_eq!(told.intervals, expected);
    assert_eq!(told.rest, [(10, 143)], "what came behind the window, in an interval without a point");
    assert_eq!(course.summary.counts.completed, 143);
    assert_eq!((course.summary.in_flight_at_end, course.summary.backlog_at_end), (2, 4));
    assert_eq!(course.summary.duration, second(3), "until the last one was done");
    assert_eq!(course.summary.timeline.iter().map(|point| point.requests).sum::<u64>(), 133);
    assert!(!course.aborted && !course.gave_up());
    assert_eq!(told.notices, [""; 0]);
}

/// Workers that are done when the clock says so.
fn by_the_clock(rig: &Rig) -> impl Fn(Scripted) + Sync + use<> {
    let (warmup, duration) = (rig.config.warmup, rig.config.duration.unwrap());
    move |worker| {
        worker.connect(true);
        let Some(start) = worker.wait_for_start() else { return worker.finish(Nanos::ZERO, 0) };
        let close = start + warmup + duration;
        worker.until(|control| control.stopped() || clock::now() >= close + Nanos::from_millis(60));
        worker.interval(duration, 1);
        worker.finish(close, 1);
    }
}

#[test]
fn phases_come_in_order_and_once() {
    let mut rig = Rig::new(2);
    rig.config.duration = Some(Nanos::from_millis(80));
    let (outcome, told) = rig.conduct(by_the_clock(&rig));
    assert_eq!(told.phases, [Phase::Measure, Phase::Drain]);
    assert_eq!(outcome.unwrap().summary.duration, Nanos::from_millis(80));
    rig.config.warmup = Nanos::from_millis(80);
    let (outcome, told) = rig.conduct(by_the_clock(&rig));
    assert_eq!(told.phases, [Phase::Warmup, Phase::Measure, Phase::Drain]);
    let course = outcome.unwrap();
    assert_eq!(course.summary.duration, Nanos::from_millis(80), "without the warm-up");
    assert!(!course.aborted);
}

#[test]
fn that_nothing_connects_later_is_told_once_and_ends_nothing() {
    let (outcome, told) = Rig::new(2).conduct(|worker| {
        worker.say(Message::Connected(Connected::Lazy));
        let start = worker.wait_for_start().expect("of those that connect later nothing is known");
        for second in 1..4 {
            let mut snapshot = Snapshot::new(worker.number);
            snapshot.end = Nanos::from_secs(second);
            snapshot.counts.connect_failures = 5;
            worker.say(Message::Interval(snapshot));
        }
        worker.finish(start, 0);
    });
    outcome.unwrap();
    let [notice] = &told.notices[..] else { panic!("{:?}", told.notices) };
    assert!(notice.contains("no connection has come about yet, 10 attempts failed"), "{notice}");
}
