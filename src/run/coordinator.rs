//! Leads the workers through a run: all connected, start, intervals, end.

use std::sync::Arc;

use crossbeam_channel::RecvTimeoutError;

use super::collector::Collector;
use super::config::RunConfig;
use super::events::Events;
use super::judge::Judge;
use super::machine::Surroundings;
use super::threads::Threads;
use super::{RunError, nothing_connected};
use crate::clock;
use crate::observer::{Detail, Interval, Phase, Progress, StopFlag, Totals};
use crate::stats::counts::Counts;
use crate::stats::layout::Layout;
use crate::stats::snapshot::Snapshot;
use crate::stats::summary::{Summary, SummaryBuilder, TimelinePoint};
use crate::threshold::{Outcome, Threshold};
use crate::units::Nanos;
use crate::worker::channel::{Connected, Finished, Message, Tried};
use crate::worker::flow::script::ScriptTask;

/// How often to look for Ctrl-C.
const POLL_EVERY: Nanos = Nanos::from_millis(20);

/// From "all are connected" to the first request: time for every worker to see it.
const LEAD: Nanos = Nanos::from_millis(1);

/// How a run went.
pub(super) struct Course {
    pub(super) summary: Summary,
    /// By worker.
    pub(super) finished: Vec<Finished>,
    /// Stopped before its time, by a signal.
    pub(super) aborted: bool,
    /// How the thresholds came out, and which of them ended the run.
    pub(super) judged: Vec<(Threshold, Outcome, bool)>,
    /// When the window opened, and when it closed.
    pub(super) surroundings: (Surroundings, Surroundings),
}

impl Course {
    /// A run without an end in time was given up, because nothing could be connected any more.
    pub(super) fn gave_up(&self) -> bool {
        self.finished.iter().any(|finished| finished.gave_up)
    }
}

pub(super) struct Coordinator<'a> {
    config: &'a RunConfig,
    threads: &'a Threads,
    layout: &'a Arc<Layout>,
    events: &'a mut Events,
    stop: &'a StopFlag,
    collector: Collector,
    connected: Vec<Connected>,
    finished: Vec<Option<Finished>>,
    /// When measuring begins, once that is known.
    open: Option<Nanos>,
    phase: Phase,
    phase_began: Nanos,
    /// When observers are to hear again that time passes, in phases in which nothing is measured.
    next_beat: Nanos,
    /// How far the run had come when that was last known.
    progress: Progress,
    aborted: bool,
    /// A connection has come about, or the user was told that none had.
    reach_is_known: bool,
    judge: Judge,
    /// When the window opened; in a warm-up, when that began.
    before: Option<Surroundings>,
    /// When it closed.
    after: Option<Surroundings>,
    /// The user was told that samples are not written any more.
    samples_failed: bool,
    /// The script has ended the test.
    called_off: bool,
}

impl<'a> Coordinator<'a> {
    pub(super) fn new(
        config: &'a RunConfig,
        threads: &'a Threads,
        layout: &'a Arc<Layout>,
        events: &'a mut Events,
        stop: &'a StopFlag,
        judge: Judge,
    ) -> Coordinator<'a> {
        let workers = config.cores.len();
        let now = clock::now();
        Coordinator {
            config,
            threads,
            layout,
            events,
            stop,
            collector: Collector::new(workers, config.interval, config.is_open()),
            connected: Vec::with_capacity(workers),
            finished: vec![None; workers],
            open: None,
            phase: Phase::Connect,
            phase_began: now,
            next_beat: now + config.interval,
            progress: Progress { total: config.duration, ..Progress::default() },
            aborted: false,
            reach_is_known: false,
            judge,
            before: None,
            after: None,
            samples_failed: false,
            called_off: false,
        }
    }

    /// Until every worker has said its last word.
    pub(super) fn conduct(mut self) -> Result<Course, RunError> {
        while self.finished.iter().any(Option::is_none) {
            self.watch();
            let poll_every = std::time::Duration::from_nanos(POLL_EVERY.0);
            match self.threads.messages.recv_timeout(poll_every) {
                Ok((worker, message)) => self.hear(worker, message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let worker = self.finished.iter().position(Option::is_none).unwrap_or(0) as u32;
                    return Err(RunError::Worker { worker, cause: "it went away without a word".into() });
                }
            }
        }
        self.hand_on();
        if self.open.is_none() {
            return Err(RunError::Interrupted);
        }
        self.hand_on_the_rest();
        Ok(self.course())
    }

    fn hear(&mut self, worker: u32, message: Message) -> Result<(), RunError> {
        match message {
            Message::Connected(connected) => {
                self.connected.push(connected);
                let tried = self.connected.iter().filter_map(Connected::tried);
                self.progress.connections = tried.map(|tried| u64::from(tried.came_about)).sum();
                if self.connected.len() == self.config.cores.len() {
                    self.begin()?;
                }
            }
            Message::Interval(mut snapshot) => {
                self.collector.add(&mut snapshot);
                self.threads.give_back(snapshot);
                self.hand_on();
            }
            Message::Finished(finished) => {
                self.collector.finished(worker);
                self.after.get_or_insert_with(Surroundings::read);
                self.finished[worker as usize] = Some(*finished);
            }
            Message::Broken(cause) => return Err(RunError::Worker { worker, cause }),
        }
        Ok(())
    }

    /// Lets the load begin, unless there is nobody to send it to.
    fn begin(&mut self) -> Result<(), RunError> {
        if self.aborted {
            return Ok(());
        }
        // Of connections that are opened when they are needed nothing is known.
        let tried: Option<Vec<Tried>> = self.connected.iter().map(Connected::tried).collect();
        if let Some(tried) = tried
            && tried.iter().all(|tried| tried.came_about == 0)
        {
            let failure = tried.iter().find_map(|tried| tried.last_failure);
            return Err(nothing_connected(self.config, failure));
        }
        let start = clock::now() + LEAD;
        self.open = Some(start + self.config.warmup);
        self.threads.control.start(start);
        let phase = if self.config.warmup > Nanos::ZERO { Phase::Warmup } else { Phase::Measure };
        self.enter(phase);
        Ok(())
    }

    /// Passes Ctrl-C on, and tells the observer of phases that the clock has reached.
    fn watch(&mut self) {
        if !self.aborted && self.stop.is_set() {
            self.aborted = true;
            self.threads.control.stop();
            if self.open.is_some() {
                self.enter(Phase::Drain);
            }
        }
        let is_called_off = self.config.script.as_ref().is_some_and(ScriptTask::is_called_off);
        if is_called_off && !std::mem::replace(&mut self.called_off, true) {
            self.threads.control.stop();
        }
        if !self.samples_failed
            && let Some(failure) = self.threads.samples_failure()
        {
            self.samples_failed = true;
            self.events.notice(&self.config.secrets, &failure);
        }
        let now = clock::now();
        if now >= self.next_beat && self.phase != Phase::Measure && self.events.detail() > Detail::Nothing {
            self.next_beat = (self.next_beat + self.config.interval).max(now);
            let nothing = self.collector.empty();
            self.tell(None, nothing);
        }
        let Some(open) = self.open else { return };
        let close = self.config.duration.map_or(Nanos::MAX, |d| open + d);
        if self.phase == Phase::Warmup && now >= open {
            self.enter(Phase::Measure);
        }
        if self.phase == Phase::Measure && now >= close {
            self.enter(Phase::Drain);
        }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            match phase {
                Phase::Warmup | Phase::Measure => self.before = Some(Surroundings::read()),
                Phase::Drain => {
                    self.after.get_or_insert_with(Surroundings::read);
                }
                _ => {}
            }
            self.phase = phase;
            self.phase_began = clock::now();
            self.next_beat = self.phase_began + self.config.interval;
            self.events.phase(phase);
        }
    }

    fn hand_on(&mut self) {
        while let Some((point, snapshot)) = self.collector.next() {
            self.mind_reach(&snapshot.counts);
            self.progress = self.progress(&point, &snapshot);
            let elapsed = point.t;
            self.tell(Some(point), snapshot);
            // What fails only with the window's end has not ended it.
            let over = self.config.duration.is_some_and(|duration| elapsed >= duration);
            if !self.aborted && !over && self.judge.gives_up(self.collector.so_far().tally(), elapsed) {
                let why = "a threshold with abortOnFail has failed: stopped";
                self.events.notice(&self.config.secrets, why);
                self.threads.control.stop();
                self.enter(Phase::Drain);
            }
        }
    }

    /// What came behind the window: an interval without a point, so that intervals add up to the report.
    fn hand_on_the_rest(&mut self) {
        let rest = self.collector.take_rest();
        let so_far = self.collector.so_far().counts();
        (self.progress.completed, self.progress.failed) = (so_far.completed, so_far.failed);
        if rest.counts == Counts::default() {
            return self.collector.recycle(rest);
        }
        self.enter(Phase::Drain);
        self.tell(None, rest);
    }

    /// Tells the observers that want to know of an interval, and takes its snapshot back for the next ones.
    fn tell(&mut self, point: Option<TimelinePoint>, snapshot: Snapshot) {
        let detail = self.events.detail();
        if detail == Detail::Nothing {
            return self.collector.recycle(snapshot);
        }
        let (phase, in_phase) = (self.phase, clock::now() - self.phase_began);
        let (layout, collector) = (self.layout, &mut self.collector);
        self.events.interval(layout, |interval: &mut Interval| {
            // What an observer has seen goes back for what is measured next: tables change hands and are not copied.
            let seen = std::mem::replace(&mut interval.snapshot, snapshot);
            collector.recycle(seen);
            interval.phase = phase;
            interval.in_phase = in_phase;
            interval.point = point;
            interval.progress = self.progress;
            interval.layout = Arc::clone(layout);
            sum_up(collector.so_far(), detail, interval);
        });
    }

    /// Virtual users connect when they need to, so that a run whose target is not there goes to its end and is judged
    /// by its thresholds, as with k6. Whoever waits for that end is told at once.
    fn mind_reach(&mut self, counts: &Counts) {
        if self.reach_is_known || counts.connects + counts.connect_failures == 0 {
            return;
        }
        self.reach_is_known = true;
        if counts.connects == 0 {
            let notice = format!(
                "no connection has come about yet, {} attempts failed; going on: is {} the right target?",
                counts.connect_failures, self.config.target
            );
            self.events.notice(&self.config.secrets, &notice);
        }
    }

    fn progress(&self, point: &TimelinePoint, snapshot: &Snapshot) -> Progress {
        let span = point.span.as_secs_f64();
        let (response, so_far) = (&point.response_time, self.collector.so_far().counts());
        Progress {
            elapsed: point.t,
            total: self.config.duration,
            rate: if span > 0.0 { point.requests as f64 / span } else { 0.0 },
            p50: response.percentile(50.0),
            p99: response.percentile(99.0),
            completed: so_far.completed,
            failed: so_far.failed,
            connections: snapshot.connections,
            in_flight: snapshot.in_flight,
            backlog: snapshot.backlog,
        }
    }

    fn course(self) -> Course {
        let judge = self.judge;
        let finished: Vec<Finished> = self.finished.into_iter().flatten().collect();
        // Workers share the start; with a request limit the window is over when the last one is.
        let until = finished.iter().map(|f| f.measured_until).max().unwrap_or(Nanos::ZERO);
        let duration = until - self.open.unwrap_or(until);
        let in_flight = finished.iter().map(|f| f.in_flight).sum();
        let backlog = finished.iter().map(|f| f.backlog).sum();
        let summary = self.collector.finish(duration, in_flight, backlog);
        let read = |known: Option<_>| known.unwrap_or_else(Surroundings::read);
        let surroundings = (read(self.before), read(self.after));
        Course {
            judged: judge.last_word(&summary.tally, duration),
            summary,
            finished,
            aborted: self.aborted,
            surroundings,
        }
    }
}

/// Enters what has come together so far, into tables that are there from last time.
fn sum_up(so_far: &SummaryBuilder, detail: Detail, interval: &mut Interval) {
    interval.counts.clear();
    interval.counts.merge(so_far.counts());
    if detail < Detail::Totals {
        return interval.totals = None;
    }
    let totals: &mut Totals = interval.totals.get_or_insert_default();
    totals.latencies.clear();
    totals.latencies.merge(so_far.latencies());
    totals.tally.clear();
    // Gauges as they stand, and not added up.
    totals.tally.append(so_far.tally());
}

#[cfg(test)]
mod tests;
