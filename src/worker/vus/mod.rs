//! The loop of scenarios: virtual users walk through flows of steps.
//!
//! It stands beside the loop of plain runs ([`Worker`](super::Worker)) and shares its driver, parser, recorder and
//! channel. What differs is who owns a connection: here a virtual user does (one to each origin, opened
//! when it first needs it, as in k6), has one request in flight at a time, and decides by its flow what
//! comes next.
//!
//! ```text
//!               arrival, or its turn in a loop
//!   Off / Idle ────────────────▶ Ready ──▶ Connecting ──▶ Sending ──▶ Waiting ──┐
//!      ▲                           ▲           (if it has no connection)         │ answered, failed
//!      │ iteration over            └───────── Thinking ◀──────────────────────────┘
//!      └──────────────────────────────────────────┘
//! ```

mod answered;
mod connect;
mod flow;
mod phases;
mod receive;
mod runner;
mod transmit;
mod vu;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::batching::Batching;
use super::channel::{Channel, CheckSample, LoopReadings, Message};
use super::rotation::Rotation;
use super::{BATCH_WAIT, Turn, Window, grace};
use crate::driver::{Driver, Wait};
use crate::http::response::HeadCache;
use crate::plan::answer::Needs;
use crate::plan::check::Check;
use crate::plan::extract::Extract;
use crate::plan::workload::{Step, Workload};
use crate::stats::layout::Layout;
use crate::stats::recorder::Recorder;
use crate::stats::snapshot::Snapshot;
use crate::units::Nanos;

use runner::Runner;
use vu::{Capture, Connection, Timers, Vu};

/// One worker's share of a run of scenarios.
#[derive(Clone, Debug)]
pub struct VuWorkerConfig {
    /// This worker's number, from 0.
    pub worker: u32,
    /// How many workers there are.
    pub workers: u32,
    /// What is to be done.
    pub workload: Arc<Workload>,
    /// What is kept apart.
    pub layout: Arc<Layout>,
    /// Pots of shared-iterations, one for each scenario, shared by all workers: how many were taken.
    pub pots: Arc<[AtomicU64]>,
    /// For each origin the first of its endpoints at the driver, and how many it has.
    pub endpoints: Vec<(u32, u32)>,
    /// Load before the measured window: what is scheduled in it is not measured.
    pub warmup: Nanos,
    /// From the start of a connection attempt until TCP stands.
    pub connect_timeout: Nanos,
    /// From there until TLS stands.
    pub tls_timeout: Nanos,
    /// How long requests in flight are waited for after a stop from outside.
    pub drain: Nanos,
    /// Length of a reporting interval.
    pub interval: Nanos,
    /// Spin between completions instead of sleeping.
    pub spin: bool,
    /// Seed of everything random.
    pub seed: u64,
}

impl VuWorkerConfig {
    /// Users that this worker has.
    pub fn vus(&self) -> u32 {
        let scenarios = self.workload.scenarios.iter();
        scenarios.map(|s| vu::count(s.executor.max_vus(), self.worker, self.workers)).sum()
    }

    /// Slots that its driver must have.
    pub fn slots(&self) -> u32 {
        (self.vus() * self.workload.origins.len() as u32).max(1)
    }
}

/// One worker of a run of scenarios.
pub struct VuWorker<'a, D: Driver> {
    driver: D,
    config: VuWorkerConfig,
    workload: Arc<Workload>,
    layout: Arc<Layout>,
    channel: &'a Channel,
    /// What of its answers each step wants to see.
    needs: Vec<Needs>,
    /// For each scenario and step the place in the layout; [`u32::MAX`] where the scenario has no such step.
    places: Vec<Vec<u32>>,
    runners: Vec<Runner>,
    vus: Vec<Vu>,
    connections: Vec<Connection>,
    caches: Vec<HeadCache>,
    recorder: Recorder,
    timers: Timers,
    /// Users whose next iteration or step may begin in this turn.
    ready: VecDeque<u32>,
    /// Users with a request to send in this turn.
    dirty: VecDeque<u32>,
    /// Slots to be opened as soon as the limit on attempts allows.
    to_open: VecDeque<u32>,
    connecting: u32,
    open: u32,
    in_flight: u64,
    /// Measured requests that were cut off.
    abandoned: u64,
    #[expect(clippy::vec_box, reason = "users hold them boxed, so that one without costs a pointer")]
    spare: Vec<Box<Capture>>,
    samples: Vec<CheckSample>,
    /// Failing samples kept of each check.
    sampled: Vec<u8>,
    tickets: Vec<u64>,
    /// For each origin, whose turn it is among its addresses.
    rotations: Vec<Rotation>,
    window: Window,
    edge: Nanos,
    batching: Batching,
    before: Turn,
    /// No time limit is enforced before this: see [`grace`].
    timers_from: Nanos,
    readings: LoopReadings,
    /// No request goes out any more.
    stopped: bool,
    cookies_out: Vec<u8>,
    /// Reads the wall clock, as time since the Unix epoch.
    wall: fn() -> Nanos,
    cpu: fn() -> (Nanos, Nanos),
}

impl<'a, D: Driver> VuWorker<'a, D> {
    /// A worker that has done nothing yet.
    ///
    /// `driver` has `config.slots()` slots and as payload i the bytes of the workload's step i, where those are
    /// constant. `cpu` reads the user and system time of the calling thread, `wall` the wall clock.
    pub fn new(
        mut driver: D,
        config: VuWorkerConfig,
        channel: &'a Channel,
        cpu: fn() -> (Nanos, Nanos),
        wall: fn() -> Nanos,
    ) -> VuWorker<'a, D> {
        let (workload, layout) = (Arc::clone(&config.workload), Arc::clone(&config.layout));
        let now = driver.now();
        let (runners, vus) = runner::cast(&config);
        let origins = workload.origins.len();
        VuWorker {
            connections: (0..vus.len() * origins).map(|_| Connection::new()).collect(),
            needs: needs(&workload),
            places: places(&workload, &layout),
            caches: (0..origins).map(|_| HeadCache::new()).collect(),
            recorder: Recorder::of_scenarios(&layout),
            timers: Timers::with_capacity(vus.len() + 1),
            ready: VecDeque::with_capacity(vus.len()),
            dirty: VecDeque::with_capacity(vus.len()),
            to_open: VecDeque::new(),
            connecting: 0,
            open: 0,
            in_flight: 0,
            abandoned: 0,
            spare: Vec::new(),
            samples: Vec::new(),
            sampled: vec![0; layout.checks.len()],
            tickets: vec![0; workload.data.len()],
            rotations: vec![Rotation::new(config.worker, config.workers); origins],
            window: Window::NOT_YET,
            edge: Nanos::MAX,
            batching: Batching::new(now),
            before: Turn { began: now, did: false, next_due: Nanos::MAX },
            timers_from: Nanos::ZERO,
            readings: LoopReadings::default(),
            stopped: false,
            cookies_out: Vec::new(),
            runners,
            vus,
            wall,
            cpu,
            driver,
            config,
            workload,
            layout,
            channel,
        }
    }

    /// One turn of the loop; it ends with a wait until something happens or the clock reads `limit`.
    fn turn(&mut self, limit: Nanos) -> io::Result<Nanos> {
        let now = self.driver.now();
        self.account(now);
        let handled = self.receive(now);
        if now >= self.timers_from {
            self.fire_timers(now);
        }
        self.conduct(now);
        self.begin_ready(now);
        self.open_connections(now);
        if now >= self.edge {
            self.rotate(now);
        }
        let did = handled > 0 || !self.dirty.is_empty();
        if self.window.close == Nanos::MAX && self.runners.iter().all(Runner::is_over) {
            self.window.close = now; // nothing is left that could be waited for
        }
        self.flush();
        let wait = self.how_to_wait(limit, now);
        let next_due = match wait {
            Wait::Poll => now,
            Wait::Until { until, .. } => until.max(now),
        };
        self.before = Turn { began: now, did, next_due };
        self.driver.wait(wait)?;
        Ok(now)
    }

    fn account(&mut self, now: Nanos) {
        self.readings.turns += 1;
        if self.before.did {
            self.readings.busy += now - self.before.began;
        }
        self.readings.stood_still = self.readings.stood_still.max(now - self.before.next_due);
        self.timers_from = grace(self.timers_from, &self.before, now);
    }

    fn how_to_wait(&mut self, limit: Nanos, now: Nanos) -> Wait {
        let over = self.window.close != Nanos::MAX && !self.stopped;
        let at_hand = over || !self.dirty.is_empty() || !self.ready.is_empty();
        if self.config.spin || at_hand {
            return Wait::Poll;
        }
        let due = self.runners.iter().map(Runner::next_event).min().unwrap_or(Nanos::MAX);
        let mut until = limit.min(self.edge).min(self.timers.next()).min(due);
        let open_model = self.runners.iter().any(Runner::is_open);
        let want =
            if open_model || self.connecting > 0 { 1 } else { self.batching.want(now, self.in_flight) };
        if want > 1 {
            until = until.min(now + BATCH_WAIT);
        }
        Wait::Until { until, want }
    }

    #[cold]
    fn rotate(&mut self, now: Nanos) {
        let mut passed = self.edge;
        while self.edge <= now {
            passed = self.edge;
            self.edge += self.config.interval;
        }
        if let Ok(empty) = self.channel.emptied.try_recv() {
            self.gauge();
            let mut full = self.recorder.rotate(empty);
            self.describe(&mut full, passed);
            self.say(Message::Interval(full));
        }
    }

    /// Enters how many users there are.
    fn gauge(&mut self) {
        for (runner, key) in self.runners.iter().zip(&self.layout.scenarios) {
            // One entry of the scenario speaks for all of its stages.
            let entry = &mut self.recorder.tally.scenarios[key.first_slot as usize];
            entry.vus = u64::from(runner.active);
            entry.vus_max = u64::from(runner.initialised);
        }
    }

    fn describe(&self, snapshot: &mut Snapshot, edge: Nanos) {
        snapshot.worker = self.config.worker;
        snapshot.connections = u64::from(self.open);
        snapshot.in_flight = self.in_flight;
        snapshot.vus = self.runners.iter().map(|r| u64::from(r.active)).sum();
        snapshot.backlog = self.runners.iter().map(Runner::backlog_len).sum();
        snapshot.end = edge - self.window.open;
    }

    fn say(&self, message: Message) {
        let _ = self.channel.out.send((self.config.worker, message));
    }
}

fn needs(workload: &Workload) -> Vec<Needs> {
    let of_step = |step: &Step| {
        let own = Needs { head: workload.cookies || step.redirects_max > 0, body: false };
        let checks = step.checks.iter().map(Check::needs);
        checks.chain(step.extracts.iter().map(Extract::needs)).fold(own, Needs::or)
    };
    workload.steps.iter().map(of_step).collect()
}

fn places(workload: &Workload, layout: &Layout) -> Vec<Vec<u32>> {
    let mut places = vec![vec![u32::MAX; workload.steps.len()]; workload.scenarios.len()];
    for (index, place) in layout.places.iter().enumerate() {
        places[place.scenario as usize][place.step as usize] = index as u32;
    }
    places
}
