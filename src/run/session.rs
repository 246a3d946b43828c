//! A session: threads, rings and connections that serve several windows, each with its own load and its own books.

use std::sync::Arc;

use super::conditions;
use super::config::{Change, RunConfig, WaitMode};
use super::coordinator::{Coordinator, Course};
use super::events::Events;
use super::job::{SessionRoom, Work};
use super::judge::Judge;
use super::samples::Written;
use super::threads::Threads;
use super::{RunError, RunResult, describe, machine, memory, once};
use crate::clock;
use crate::observer::{Phase, StopFlag};
use crate::plan::Plan;
use crate::report::{OnceSection, Report, ReportParts, ScenarioParts};
use crate::stats::layout::Layout;
use crate::stats::samples::{Legend, Sink};
use crate::units::Nanos;
use crate::verdict;

/// Threads, rings and connections for several windows: probes of a search, repetitions.
///
/// A window is what [`run`](super::run()) is: connections are opened as far as they are not there yet, load is sent, measured from the end
/// of its warm-up on, drained, and reported. What a window has not got when its drain is over is cut off, connections included, and stays in its
/// books as in flight at the end: nothing of it comes into the next one. Between windows no load is sent.
///
/// Dropped, a session ends its threads and connections.
pub struct Session {
    config: RunConfig,
    room: SessionRoom,
    layout: Arc<Layout>,
    /// The request's bytes, encoded once for all windows of a plain run.
    plan: Option<Plan>,
    sink: Option<Box<dyn Sink>>,
    /// What came of what the plan does once.
    once: Option<OnceSection>,
    state: State,
}

enum State {
    /// There was no window yet.
    Fresh,
    /// The workers wait for the next one.
    Ready(Box<Threads>),
    /// An error has ended it.
    Over,
}

impl Session {
    /// One for windows that are derived from `config`, which has as many connections or users as any of them may have. Nothing is started
    /// before the first window. Every sample of every window goes to `sink`, if there is one.
    pub fn new(config: RunConfig, sink: Option<Box<dyn Sink>>) -> Session {
        Session::of(config, sink, true)
    }

    /// One whose only window is `config`.
    pub(super) fn of_one_window(config: RunConfig, sink: Option<Box<dyn Sink>>) -> Session {
        Session::of(config, sink, false)
    }

    fn of(config: RunConfig, sink: Option<Box<dyn Sink>>, windows: bool) -> Session {
        let room = SessionRoom { most: config.connections, windows };
        let layout = Arc::new(config.layout());
        Session { config, room, layout, plan: None, sink, once: None, state: State::Fresh }
    }

    /// Sends the load of the session's configuration as `change` has it, tells the observers of `events` about it, and reports.
    ///
    /// Blocks until the window is over, as [`run`](super::run()) does.
    ///
    /// # Errors
    /// [`RunError::Window`] when there can be no such window: the session goes on. All others end the session.
    pub fn window(
        &mut self,
        change: &Change,
        events: &mut Events,
        stop: &StopFlag,
    ) -> Result<RunResult, RunError> {
        let mut config = self.config.changed(change)?;
        if matches!(self.state, State::Fresh)
            && let Some(once) = once::carry_out(&mut self.config, |one| {
                Session::of_one_window(one, None).window(&Change::default(), &mut Events::silent(), stop)
            })?
        {
            self.once = Some(once);
            config = self.config.changed(change)?;
        }
        let spin = spins(&config);
        let work = self.work(&config)?;
        let started_at = clock::wall();
        let mut threads = match std::mem::replace(&mut self.state, State::Over) {
            State::Over => return Err(RunError::SessionIsOver),
            // Workers connect as soon as they have a driver.
            State::Fresh => self.begin(&config, &work, spin, events)?,
            State::Ready(threads) => {
                events.phase(Phase::Connect);
                threads.next_window(&config, &work, spin);
                threads
            }
        };
        let judge = Judge::new(Arc::clone(&self.layout), config.thresholds.clone());
        let outcome = Coordinator::new(&config, &threads, &self.layout, events, stop, judge).conduct();
        let course = match outcome {
            Ok(course) => course,
            Err(e) => {
                threads.join();
                return Err(e);
            }
        };
        if course.gave_up() {
            events.notice(&config.secrets, "no connection could be had any more: stopped early");
        }
        let blocks = course.finished.iter().map(|finished| finished.readings.samples.blocks).sum();
        let written = threads.written(blocks, stop);
        let once = self.once.take();
        let result = Outcome { config: &config, course, written, started_at, spin, once };
        let result = result.told(&threads, &self.layout, events);
        self.state = State::Ready(threads);
        Ok(result)
    }

    fn work(&mut self, config: &RunConfig) -> Result<Work, RunError> {
        if let Some(workload) = &config.workload {
            let bodies = memory::for_bodies(config, &self.layout);
            return Ok(Work::scenarios(workload, &self.layout, bodies, config.script.clone()));
        }
        let plan = match self.plan.take() {
            Some(plan) => plan,
            None => Plan::compile(&describe::request(config), config.pipeline as u16)?,
        };
        Ok(Work::Plain(self.plan.insert(plan).clone()))
    }

    /// Starts the threads, with the first window's work.
    fn begin(
        &mut self,
        config: &RunConfig,
        work: &Work,
        spin: bool,
        events: &mut Events,
    ) -> Result<Box<Threads>, RunError> {
        memory::ask_for(&self.config, &self.layout, self.sink.is_some())?;
        events.phase(Phase::Connect);
        let samples = self.sink.take().map(|sink| (sink, legend(config, &self.layout)));
        let threads = Box::new(Threads::start(config, work, self.room, spin, samples)?);
        if let Some(note) = &threads.backend.note {
            events.notice(&config.secrets, note);
        }
        Ok(threads)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let State::Ready(threads) = std::mem::replace(&mut self.state, State::Over) {
            threads.join();
        }
    }
}

/// What came of a window, before it is told.
struct Outcome<'a> {
    config: &'a RunConfig,
    course: Course,
    written: Option<Written>,
    started_at: Nanos,
    spin: bool,
    once: Option<OnceSection>,
}

impl Outcome<'_> {
    /// Makes the report, tells it, and returns what it was made of.
    fn told(self, threads: &Threads, layout: &Arc<Layout>, events: &mut Events) -> RunResult {
        let Outcome { config, course, written, started_at, spin, once } = self;
        let readings = conditions::readings(config, layout, &course, &threads.pinned(), spin, written);
        let samples: Vec<_> = course.finished.iter().flat_map(|f| f.samples.iter().cloned()).collect();
        let causes: Vec<_> = course.finished.iter().flat_map(|f| f.causes.iter().cloned()).collect();
        let workload = config.workload.as_deref();
        let steps: Vec<String> =
            workload.iter().flat_map(|w| &w.steps).map(|step| step.name.to_string()).collect();
        let report = Arc::new(Report::new(ReportParts {
            scenarios: workload.map(|_| ScenarioParts {
                layout,
                tally: &course.summary.tally,
                thresholds: &course.judged,
                samples: &samples,
                causes: &causes,
                steps: &steps,
                elapsed: course.summary.duration,
            }),
            config: describe::settings(config),
            environment: describe::environment(config, &threads.backend),
            tls: describe::tls(config, course.finished.iter().map(|f| f.tls)),
            origins: describe::origins(course.finished.iter().flat_map(|f| &f.origins)),
            reasons: describe::reasons(course.finished.iter().flat_map(|f| &f.reasons)),
            summary: &course.summary,
            verdict: verdict::evaluate(&readings, &course.summary),
            readings: &readings,
            once,
            aborted: course.aborted,
            started_at,
            max_rss_bytes: machine::max_rss_bytes(),
            secrets: &config.secrets,
        }));
        events.report(&report);
        let layout = Arc::clone(layout);
        RunResult { summary: course.summary, layout, thresholds: course.judged, readings, report }
    }
}

/// What samples' numbers stand for.
fn legend(config: &RunConfig, layout: &Arc<Layout>) -> Legend {
    Legend {
        layout: Arc::clone(layout),
        method: config.method.clone(),
        url: config.target.to_string(),
        epoch: clock::wall() - clock::now(),
        secrets: Arc::clone(&config.secrets),
    }
}

/// Whether the workers spin. `auto`: in the open model, when they have their cores for themselves. A
/// closed loop has no schedule to be late for, and its sleep is paid for by the target.
fn spins(config: &RunConfig) -> bool {
    match config.wait {
        WaitMode::Spin => true,
        WaitMode::Sleep => false,
        WaitMode::Auto => config.is_open() && config.cores_to_spare,
    }
}
