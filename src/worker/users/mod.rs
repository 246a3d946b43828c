//! Virtual users: each carries iterations out, as its scenario's executor says when, and its flow says what.
//!
//! A user has connections of its own, opened when it first needs them, as in k6; where it has one to spare, that serves its next
//! request to the same origin. Whatever it does is decided by the [`Flow`]; here it is carried out and counted.

mod connections;
mod executors;
mod iterations;
mod owner;
mod record;
mod user;

use std::collections::VecDeque;
use std::sync::Arc;

use super::channel::Channel;
use super::exchange::Exchange;
use super::flow::ask::Ask;
use super::flow::parts::Spare;
use super::flow::plan::PlanFlow;
use super::flow::script::{ScriptFlow, ScriptTask};
use super::flow::{Checks, Flow, FlowSetup, TimerId};
use super::links::Links;
use super::names::Names;
use super::shared::Shared;
use super::timers::Timers;
use super::{Clocks, LoadOwner, Rest, TakesLoad, Worker, WorkerConfig};
use crate::plan::workload::Workload;
use crate::stats::layout::Layout;
use crate::stats::recorder::Recorder;
use crate::stats::snapshot::Snapshot;
use crate::transport::AddRoute;
use crate::units::Nanos;

use connections::ConnectionPlaces;
use executors::Runner;
use user::{User, VuState};

/// One worker's share of a run of scenarios.
#[derive(Clone, Debug)]
pub struct UsersConfig {
    /// What is to be done.
    pub workload: Arc<Workload>,
    /// What is kept apart.
    pub layout: Arc<Layout>,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Most connections that this worker may have: [`UsersConfig::connections`], and some to spare where responses may lead to
    /// other origins.
    pub connections: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// There may be other windows: connections of users that go off at a window's end stay, for those of the next.
    pub keeps_connections: bool,
}

impl UsersConfig {
    fn flow_setup(&self, config: &WorkerConfig) -> FlowSetup<'_> {
        let (worker, workers) = (config.worker, config.workers);
        let UsersConfig { workload, layout, shared, seed, .. } = self;
        FlowSetup { workload, layout, shared, worker, workers, seed: *seed }
    }

    /// Users that worker `worker` of `workers` has.
    pub fn users(workload: &Workload, worker: u32, workers: u32) -> u32 {
        let scenarios = workload.scenarios.iter();
        scenarios.map(|s| user::count(s.executor.max_vus(), worker, workers)).sum()
    }

    /// Connections that these users want at most while they keep to the plan's origins: one to each.
    pub fn connections(workload: &Workload, worker: u32, workers: u32) -> u32 {
        let users = UsersConfig::users(workload, worker, workers);
        users.saturating_mul(workload.origins.len() as u32).max(1)
    }
}

/// The virtual users of one worker, and what they follow.
pub struct Users<F: Flow> {
    flow: F,
    config: UsersConfig,
    worker: u32,
    workers: u32,
    wall: fn() -> Nanos,
    runners: Vec<Runner>,
    users: Vec<User<F::State>>,
    timers: Timers,
    /// Users whose next iteration may begin, or goes on, in this turn.
    ready: VecDeque<u32>,
    places: ConnectionPlaces,
    /// Requests that no place is free for.
    without_place: VecDeque<(u32, Exchange<Ask>)>,
    next_exchange: u32,
    checks: Checks,
    spare: Spare,
    /// What the flow begins in a call.
    requests: Vec<Exchange<Ask>>,
    /// Timers that the flow sets in a call.
    new_timers: Vec<(Nanos, TimerId)>,
    /// Measured requests that were cut off by the end of a run before its time.
    cut_off: u64,
    /// Measuring has begun.
    measuring: bool,
    /// Nothing begins any more.
    stopped: bool,
}

type UserLinks<D, F> = Links<D, Users<F>>;

impl<'a, D: AddRoute> Worker<'a, D, Users<PlanFlow>> {
    /// A worker of a plan's scenarios that has done nothing yet.
    ///
    /// `driver` has `users.connections` slots and as payload i the bytes of the workload's step i, where those are
    /// constant. With `names` origins can be added while load is sent.
    pub fn scenarios(
        driver: D,
        config: WorkerConfig,
        users: UsersConfig,
        names: Option<Names>,
        channel: &'a Channel,
        clocks: Clocks,
    ) -> Worker<'a, D, Users<PlanFlow>> {
        let flow = PlanFlow::new(&users.flow_setup(&config));
        Worker::with_flow(driver, config, users, flow, names, channel, clocks)
    }
}

impl<'a, D: AddRoute> Worker<'a, D, Users<ScriptFlow>> {
    /// A worker of a script's scenarios, or of what is done once before or after them.
    pub fn script(
        driver: D,
        config: WorkerConfig,
        users: UsersConfig,
        task: &ScriptTask,
        names: Option<Names>,
        channel: &'a Channel,
        clocks: Clocks,
    ) -> Worker<'a, D, Users<ScriptFlow>> {
        let flow = ScriptFlow::new(task, &users.flow_setup(&config));
        Worker::with_flow(driver, config, users, flow, names, channel, clocks)
    }
}

impl<'a, D: AddRoute, F: Flow> Worker<'a, D, Users<F>> {
    /// The same with another flow: of the workload only the scenarios' executors are used.
    pub fn with_flow(
        driver: D,
        config: WorkerConfig,
        users: UsersConfig,
        flow: F,
        names: Option<Names>,
        channel: &'a Channel,
        clocks: Clocks,
    ) -> Worker<'a, D, Users<F>> {
        let recorder = Recorder::of_scenarios(&users.layout);
        let links = Links::new(driver, &config, names, recorder, users.connections, 1);
        let places = ConnectionPlaces::new(users.connections);
        let owner = Users::new(&config, users, flow, places, clocks.wall);
        Worker::of(links, owner, config, channel, clocks)
    }
}

impl<F: Flow> Users<F> {
    fn new(
        config: &WorkerConfig,
        users: UsersConfig,
        flow: F,
        mut places: ConnectionPlaces,
        wall: fn() -> Nanos,
    ) -> Users<F> {
        let (runners, keys) = executors::runners_and_users(&users.workload, config.worker, config.workers);
        places.are_for(keys.len() as u32);
        Users {
            users: keys.iter().map(|key| User::new(*key, flow.user(key))).collect(),
            timers: Timers::with_capacity(keys.len() + 1),
            ready: VecDeque::with_capacity(keys.len()),
            places,
            without_place: VecDeque::new(),
            next_exchange: 0,
            checks: Checks::new(&users.layout),
            spare: Spare::new(&users.shared.bodies),
            requests: Vec::new(),
            new_timers: Vec::new(),
            cut_off: 0,
            measuring: false,
            stopped: false,
            worker: config.worker,
            workers: config.workers,
            wall,
            runners,
            flow,
            config: users,
        }
    }

    fn are_all_over(&self) -> bool {
        self.runners.iter().all(Runner::is_over)
    }
}

impl<F: Flow> TakesLoad for Users<F> {
    type Load = UsersConfig;
}

impl<F: Flow> LoadOwner for Users<F> {
    fn take_on<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        config: &WorkerConfig,
        load: UsersConfig,
    ) {
        links.recorder = Recorder::of_scenarios(&load.layout);
        let flow = self.flow.anew(&load.flow_setup(config));
        let places = std::mem::replace(&mut self.places, ConnectionPlaces::new(0));
        *self = Users::new(config, load, flow, places, self.wall);
        links.forget_attempts();
    }

    fn opens_first(&self) -> Option<u32> {
        None
    }

    fn begin<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>) {
        for runner in &mut self.runners {
            runner.set_off(links.window.start);
        }
    }

    fn begin_measuring<D: AddRoute>(&mut self, _: &mut UserLinks<D, F>) {
        self.measuring = true;
    }

    #[inline]
    fn take_due<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos) {
        if self.timers.next() <= now {
            self.fire_timers(links, now);
        }
        self.conduct(links, now);
        self.begin_ready(links, now);
        if !self.without_place.is_empty() {
            self.look_for_places(links, now);
        }
    }

    fn next_due(&self) -> Nanos {
        let runners = self.runners.iter().map(Runner::next_event).min();
        runners.unwrap_or(Nanos::MAX).min(self.timers.next())
    }

    fn is_at_hand(&self) -> bool {
        !self.ready.is_empty() || (self.measuring && self.are_all_over())
    }

    fn is_open_model(&self) -> bool {
        self.runners.iter().any(Runner::is_open)
    }

    fn is_over<D: AddRoute>(&self, _: &UserLinks<D, F>) -> bool {
        self.are_all_over()
    }

    fn stop<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos, limit: Nanos) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.stop_all(links, now, limit);
        }
    }

    fn was_over_at<D: AddRoute>(&self, _: &UserLinks<D, F>, now: Nanos) -> Nanos {
        self.runners.iter().map(Runner::schedule_end).fold(now, Nanos::max)
    }

    fn is_draining<D: AddRoute>(&self, _: &UserLinks<D, F>) -> bool {
        !self.are_all_over()
    }

    fn is_endless(&self) -> bool {
        false
    }

    fn gauge<D: AddRoute>(&self, links: &mut UserLinks<D, F>) {
        for (runner, key) in self.runners.iter().zip(&self.config.layout.scenarios) {
            // One entry of the scenario speaks for all of its stages.
            let entry = &mut links.recorder.tally.scenarios[key.first_slot as usize];
            entry.vus = u64::from(runner.active);
            entry.vus_max = u64::from(runner.initialised);
        }
        if links.samples.are_wanted() {
            self.sample_edges(links);
        }
    }

    fn describe(&self, snapshot: &mut Snapshot) {
        snapshot.vus = self.runners.iter().map(|r| u64::from(r.active)).sum();
        snapshot.backlog = self.runners.iter().map(Runner::backlog_len).sum();
    }

    fn finish<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>) -> Rest {
        self.interrupt_what_runs(links);
        let waiting = self.runners.iter().flat_map(Runner::backlog);
        let backlog = waiting.filter(|at| links.window.measures(*at)).count() as u64;
        // An arrival counts when its first request does, or here.
        links.recorder.counts.scheduled += backlog;
        if self.measuring {
            self.drop_what_is_owed(links);
        }
        let causes = self.checks.causes(&self.config.workload.variables);
        Rest { in_flight: self.cut_off, backlog, samples: std::mem::take(&mut self.checks.samples), causes }
    }
}
