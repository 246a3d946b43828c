//! When virtual users begin iterations: k6's executors, one worker's share of each.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::vu::{self, State, Vu};
use super::{VuWorker, VuWorkerConfig};
use crate::driver::Driver;
use crate::load::{Arrivals, Pacer, RateStages, Schedule};
use crate::plan::workload::{ArrivalPlan, Executor, Scenario};
use crate::units::Nanos;

/// When the arrivals of one worker are due.
enum Clock {
    /// Iterations follow each other.
    None,
    Constant(Pacer),
    /// The next arrival's number and time.
    Ramping(RateStages, u64, Option<Nanos>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its start time has not come.
    Before,
    /// Iterations begin.
    Running,
    /// None begins any more; running ones may go on until the graceful stop is over.
    Stopping,
    /// Nobody is at work.
    Over,
}

/// One scenario on one worker.
pub(super) struct Runner {
    phase: Phase,
    executor: Executor,
    /// This worker's number among those that take part, and how many those are.
    share: (u32, u32),
    /// Its users in the worker's list.
    first: u32,
    count: u32,
    /// Absolute times, known once the run has started.
    start: Nanos,
    end: Nanos,
    hard_end: Nanos,
    offset: Nanos,
    graceful_stop: Nanos,
    next: Nanos,
    clock: Clock,
    /// Arrivals that the limit still allows this worker.
    left: u64,
    /// Users that wait for an arrival.
    idle: VecDeque<u32>,
    /// Arrivals that wait for a user.
    backlog: VecDeque<Nanos>,
    backlog_max: u64,
    /// Users at work.
    pub(super) active: u32,
    /// Ramping users: how many are wanted.
    target: u32,
    /// Users that were there at most.
    pub(super) initialised: u32,
    /// Iterations begun on this worker.
    pub(super) begun: u64,
}

/// The runners and users of one worker.
pub(super) fn cast(config: &VuWorkerConfig) -> (Vec<Runner>, Vec<Vu>) {
    let (mut runners, mut vus, mut number) = (Vec::new(), Vec::new(), 0u32);
    for (index, scenario) in config.workload.scenarios.iter().enumerate() {
        let total = scenario.executor.max_vus();
        // A worker without users takes no arrivals: the others share them.
        let workers = config.workers.min(total.max(1));
        let first = vus.len() as u32;
        let count = if config.worker < workers { vu::count(total, config.worker, workers) } else { 0 };
        for k in 0..count {
            let own = number + config.worker + k * workers;
            vus.push(Vu::new(index as u16, own, config.seed));
        }
        number += total;
        runners.push(Runner::new(scenario, (config.worker, workers), first, count));
    }
    (runners, vus)
}

impl Runner {
    fn new(scenario: &Scenario, share: (u32, u32), first: u32, count: u32) -> Runner {
        let backlog_max = match scenario.executor {
            Executor::ArrivalRate { max_backlog, .. } => {
                crate::load::share(max_backlog, share.0.min(share.1 - 1), share.1)
            }
            _ => 0,
        };
        Runner {
            phase: if count == 0 { Phase::Over } else { Phase::Before },
            executor: scenario.executor.clone(),
            share,
            first,
            count,
            start: Nanos::MAX,
            end: Nanos::MAX,
            hard_end: Nanos::MAX,
            offset: scenario.start,
            graceful_stop: scenario.graceful_stop,
            next: Nanos::MAX,
            clock: Clock::None,
            left: u64::MAX,
            idle: VecDeque::new(),
            backlog: VecDeque::new(),
            backlog_max,
            active: 0,
            target: 0,
            initialised: 0,
            begun: 0,
        }
    }

    /// The run begins at `at`.
    pub(super) fn set_off(&mut self, at: Nanos) {
        self.start = at + self.offset;
        self.end = self.start + self.executor.duration();
        self.hard_end = self.end + self.graceful_stop;
        self.next = self.start;
    }

    /// When [`VuWorker::conduct`] must look at it next.
    pub(super) fn next_event(&self) -> Nanos {
        if self.phase == Phase::Over { Nanos::MAX } else { self.next }
    }

    pub(super) fn is_open(&self) -> bool {
        self.executor.is_open() && self.phase != Phase::Over
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(super) fn backlog_len(&self) -> u64 {
        self.backlog.len() as u64
    }

    pub(super) fn backlog(&self) -> impl Iterator<Item = Nanos> + '_ {
        self.backlog.iter().copied()
    }

    fn vus(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.count
    }

    fn clock_of(&mut self) -> Clock {
        let Executor::ArrivalRate { arrivals, duration, limit, .. } = &self.executor else {
            return Clock::None;
        };
        let (worker, workers) = self.share;
        self.left = limit.map_or(u64::MAX, |limit| crate::load::share(limit, worker, workers));
        match arrivals {
            ArrivalPlan::Constant { rate, process, seed } => {
                let schedule = Schedule {
                    rate: *rate,
                    arrivals: *process,
                    seed: if *process == Arrivals::Poisson { *seed } else { 0 },
                    end: Some(*duration),
                    limit: None,
                };
                Clock::Constant(Pacer::new(&schedule, worker, workers))
            }
            ArrivalPlan::Ramping(stages) => {
                let first = stages.time_of(u64::from(worker));
                Clock::Ramping(stages.clone(), u64::from(worker), first)
            }
        }
    }

    /// The time of the next arrival, from the scenario's start.
    fn next_arrival(&self) -> Option<Nanos> {
        if self.left == 0 {
            return None;
        }
        match &self.clock {
            Clock::None => None,
            Clock::Constant(pacer) => pacer.next(),
            Clock::Ramping(_, _, at) => *at,
        }
    }

    /// Takes the next arrival if it is due by `now`; absolute.
    fn due(&mut self, now: Nanos) -> Option<Nanos> {
        let at = self.next_arrival().filter(|at| self.start + *at <= now)?;
        self.left -= 1;
        match &mut self.clock {
            Clock::None => {}
            Clock::Constant(pacer) => {
                pacer.due(at);
            }
            Clock::Ramping(stages, number, next) => {
                *number += u64::from(self.share.1);
                *next = stages.time_of(*number);
            }
        }
        Some(self.start + at)
    }

    /// Whether another iteration may begin at `now`.
    fn lets_begin(&self, now: Nanos) -> bool {
        self.phase == Phase::Running && now < self.end
    }
}

impl<D: Driver> VuWorker<'_, D> {
    /// Does what the scenarios' clocks ask for.
    #[inline]
    pub(super) fn conduct(&mut self, now: Nanos) {
        for index in 0..self.runners.len() {
            while self.runners[index].next_event() <= now {
                self.attend(index, now);
            }
        }
    }

    fn attend(&mut self, index: usize, now: Nanos) {
        match self.runners[index].phase {
            Phase::Before => self.begin_scenario(index, now),
            Phase::Running if self.runners[index].end <= now => self.stop_scenario(index, now),
            Phase::Running => match self.runners[index].executor {
                Executor::RampingVus { .. } => self.follow_ramp(index, now),
                Executor::ArrivalRate { .. } => {
                    self.take_arrivals(index, now);
                    if self.runners[index].left == 0 {
                        // As many as were asked for: the end is here.
                        self.runners[index].end = now;
                        self.runners[index].hard_end = now + self.runners[index].graceful_stop;
                        self.stop_scenario(index, now);
                    }
                }
                _ => {}
            },
            Phase::Stopping => {
                self.interrupt_all(index);
                self.runners[index].phase = Phase::Over;
            }
            Phase::Over => {}
        }
        self.plan_next(index, now);
    }

    fn plan_next(&mut self, index: usize, now: Nanos) {
        let runner = &mut self.runners[index];
        runner.next = match runner.phase {
            Phase::Before => runner.start,
            Phase::Running => {
                let change = match &runner.executor {
                    Executor::RampingVus { stages, .. } => stages.next_change(now - runner.start),
                    Executor::ArrivalRate { .. } => runner.next_arrival(),
                    _ => None,
                };
                change.map_or(runner.end, |at| (runner.start + at).min(runner.end))
            }
            Phase::Stopping => runner.hard_end,
            Phase::Over => Nanos::MAX,
        };
    }

    fn begin_scenario(&mut self, index: usize, now: Nanos) {
        let clock = self.runners[index].clock_of();
        let runner = &mut self.runners[index];
        runner.clock = clock;
        runner.phase = Phase::Running;
        match runner.executor {
            Executor::RampingVus { .. } => {
                runner.initialised = runner.count;
                self.follow_ramp(index, now);
            }
            Executor::ArrivalRate { pre_allocated_vus, .. } => {
                let (worker, workers) = runner.share;
                let there = vu::count(pre_allocated_vus, worker, workers).min(runner.count);
                runner.initialised = there;
                runner.active = there;
                let idle = runner.first..runner.first + there;
                runner.idle.extend(idle.clone());
                idle.for_each(|vu| self.vus[vu as usize].state = State::Idle);
                self.take_arrivals(index, now);
            }
            _ => {
                runner.initialised = runner.count;
                for vu in runner.vus() {
                    self.send_to_work(vu);
                }
            }
        }
    }

    /// Lets a user that is off begin its loop.
    fn send_to_work(&mut self, vu: u32) {
        let user = &mut self.vus[vu as usize];
        user.leaving = false;
        user.leave_by = Nanos::MAX;
        if user.state == State::Off {
            user.state = State::Ready;
            self.ready.push_back(vu);
            let runner = &mut self.runners[usize::from(user.scenario)];
            runner.active += 1;
        }
    }

    /// Ramping users: as many as the line says are at work, the first ones of the list.
    fn follow_ramp(&mut self, index: usize, now: Nanos) {
        let runner = &mut self.runners[index];
        let Executor::RampingVus { stages, graceful_ramp_down, .. } = &runner.executor else { return };
        let (worker, workers) = runner.share;
        let wanted = u32::try_from(stages.at(now - runner.start)).unwrap_or(u32::MAX);
        let wanted = vu::count(wanted, worker, workers).min(runner.count);
        let leave_by = now + *graceful_ramp_down;
        let (first, before) = (runner.first, std::mem::replace(&mut runner.target, wanted));
        for vu in first + before..first + wanted {
            self.send_to_work(vu);
        }
        for vu in first + wanted.min(before)..first + before {
            self.dismiss(vu, leave_by);
        }
    }

    /// A user is to go: at once between iterations, else behind this one or at `leave_by`.
    fn dismiss(&mut self, vu: u32, leave_by: Nanos) {
        let user = &mut self.vus[vu as usize];
        user.leaving = true;
        user.leave_by = leave_by;
        if user.in_iteration {
            self.timers.set(&mut self.vus, vu, leave_by);
        } else {
            self.go_off(vu);
        }
    }

    /// A user leaves its place of work; not within an iteration.
    pub(super) fn go_off(&mut self, vu: u32) {
        let user = &mut self.vus[vu as usize];
        if user.state == State::Off {
            return;
        }
        user.state = State::Off;
        user.deadline = Nanos::MAX;
        let index = usize::from(user.scenario);
        let runner = &mut self.runners[index];
        runner.active -= 1;
        if runner.active == 0 && !matches!(runner.executor, Executor::RampingVus { .. }) {
            // Their number is reached, or the end was.
            self.runners[index].phase = Phase::Over;
        } else if runner.active == 0 && runner.phase == Phase::Stopping {
            runner.phase = Phase::Over;
        }
        self.close_links(vu);
    }

    /// No iteration begins any more.
    pub(super) fn stop_scenario(&mut self, index: usize, now: Nanos) {
        if self.runners[index].executor.is_open() {
            self.take_arrivals(index, Nanos(self.runners[index].end.0.min(now.0).saturating_sub(1)));
        }
        if matches!(self.runners[index].phase, Phase::Stopping | Phase::Over) {
            return;
        }
        self.runners[index].phase = Phase::Stopping;
        for vu in self.runners[index].vus() {
            let user = &mut self.vus[vu as usize];
            if user.state == State::Ready && user.due && !user.in_iteration {
                continue; // it has an arrival that came in time
            }
            user.leaving = true;
            if !user.in_iteration {
                self.go_off(vu);
            }
        }
        if self.runners[index].active == 0 {
            self.runners[index].phase = Phase::Over;
        }
    }

    /// A stop from outside: requests on the way may still be answered until `limit`.
    pub(super) fn stop_all(&mut self, now: Nanos, limit: Nanos) {
        self.stopped = true;
        for index in 0..self.runners.len() {
            self.runners[index].end = self.runners[index].end.min(now);
            if self.runners[index].phase == Phase::Before {
                self.runners[index].phase = Phase::Over;
                continue;
            }
            self.stop_scenario(index, now);
            self.runners[index].hard_end = self.runners[index].hard_end.min(limit);
            for vu in self.runners[index].vus() {
                let user = &self.vus[vu as usize];
                if user.in_iteration && user.state != State::Waiting {
                    self.interrupt(vu);
                } else if !user.in_iteration && user.state == State::Ready {
                    // An arrival that will not begin.
                    self.runners[index].backlog.push_back(self.vus[vu as usize].scheduled);
                    self.go_off(vu);
                }
            }
            self.plan_next(index, now);
        }
    }

    fn interrupt_all(&mut self, index: usize) {
        for vu in self.runners[index].vus() {
            if self.vus[vu as usize].in_iteration {
                self.interrupt(vu);
            } else {
                self.go_off(vu);
            }
        }
    }

    fn take_arrivals(&mut self, index: usize, now: Nanos) {
        while let Some(scheduled) = self.runners[index].due(now) {
            let measured = self.window.measures(scheduled);
            if measured {
                self.recorder.picked_up(now.max(scheduled) - scheduled);
                self.scenario_tally(index, scheduled).scheduled += 1;
            }
            match self.free_user(index) {
                Some(vu) => self.arrive(vu, scheduled),
                None => self.queue_arrival(index, scheduled, measured),
            }
        }
    }

    fn queue_arrival(&mut self, index: usize, scheduled: Nanos, measured: bool) {
        let runner = &mut self.runners[index];
        if (runner.backlog.len() as u64) < runner.backlog_max {
            runner.backlog.push_back(scheduled);
        } else if measured {
            self.recorder.dropped();
            self.scenario_tally(index, scheduled).dropped += 1;
        }
    }

    /// An idle user, or one more if the plan allows it.
    fn free_user(&mut self, index: usize) -> Option<u32> {
        let runner = &mut self.runners[index];
        if let Some(vu) = runner.idle.pop_front() {
            return Some(vu);
        }
        if runner.initialised < runner.count {
            let vu = runner.first + runner.initialised;
            runner.initialised += 1;
            runner.active += 1;
            return Some(vu);
        }
        None
    }

    fn arrive(&mut self, vu: u32, scheduled: Nanos) {
        let user = &mut self.vus[vu as usize];
        user.state = State::Ready;
        user.due = true;
        user.scheduled = scheduled;
        self.ready.push_back(vu);
    }

    /// Whether the user may begin another iteration; takes it from the pot where there is one.
    pub(super) fn may_begin(&mut self, vu: u32, now: Nanos) -> bool {
        let user = &self.vus[vu as usize];
        let index = usize::from(user.scenario);
        let runner = &self.runners[index];
        if user.leaving || self.stopped {
            return false;
        }
        match &runner.executor {
            // An arrival that came in time may begin late: it waited in the backlog or for this turn.
            Executor::ArrivalRate { .. } => runner.phase == Phase::Running || user.due,
            Executor::PerVuIterations { iterations, .. } => {
                runner.lets_begin(now) && user.iterations < *iterations
            }
            Executor::SharedIterations { iterations, .. } => {
                runner.lets_begin(now)
                    && self.config.pots[index].fetch_add(1, Ordering::Relaxed) < *iterations
            }
            _ => runner.lets_begin(now),
        }
    }

    /// Behind an iteration: the next arrival, the loop again, or off.
    pub(super) fn after_iteration(&mut self, vu: u32) {
        let user = &mut self.vus[vu as usize];
        let index = usize::from(user.scenario);
        let runner = &mut self.runners[index];
        if user.leaving || runner.phase != Phase::Running {
            return self.go_off(vu);
        }
        if !runner.executor.is_open() {
            user.state = State::Ready;
            self.ready.push_back(vu);
            return;
        }
        match runner.backlog.pop_front() {
            Some(scheduled) => self.arrive(vu, scheduled),
            None => {
                user.state = State::Idle;
                runner.idle.push_back(vu);
            }
        }
    }

    /// Iterations that the executors owed and nobody began: shared and per-user ones, at the end.
    pub(super) fn drop_what_is_owed(&mut self) {
        for index in 0..self.runners.len() {
            let runner = &self.runners[index];
            let owed = match runner.executor {
                // The pot is everybody's: one worker answers for it.
                Executor::SharedIterations { iterations, .. } if self.config.worker == 0 => {
                    iterations.saturating_sub(self.config.pots[index].load(Ordering::Relaxed))
                }
                Executor::PerVuIterations { iterations, .. } => {
                    runner.vus().map(|vu| iterations.saturating_sub(self.vus[vu as usize].iterations)).sum()
                }
                _ => 0,
            };
            let slot = self.layout.scenarios[index].first_slot as usize;
            self.recorder.tally.scenarios[slot].dropped += owed;
        }
    }
}
