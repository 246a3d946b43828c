//! When virtual users begin iterations: k6's executors, one worker's share of each.

use std::collections::VecDeque;

use super::user::{self, VuState};
use super::{Flow, UserLinks, Users};
use crate::load::{Arrivals, Pacer, RateStages, Schedule};
use crate::plan::workload::{ArrivalPlan, Executor, Scenario, Workload};
use crate::stats::samples::IterationFate;
use crate::transport::AddRoute;
use crate::units::Nanos;
use crate::worker::flow::UserKey;

/// When the arrivals of one worker are due.
enum Clock {
    /// Iterations follow each other.
    None,
    Constant(Pacer),
    /// The next arrival's number and time.
    Ramping(RateStages, u64, Option<Nanos>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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

/// The runners of one worker, and who its users are.
pub(super) fn runners_and_users(
    workload: &Workload,
    worker: u32,
    workers: u32,
) -> (Vec<Runner>, Vec<UserKey>) {
    let (mut runners, mut users, mut number) = (Vec::new(), Vec::new(), 0u32);
    for (index, scenario) in workload.scenarios.iter().enumerate() {
        let total = scenario.executor.max_vus();
        // A worker without users takes no arrivals: the others share them.
        let taking_part = workers.min(total.max(1));
        let first = users.len() as u32;
        let count = if worker < taking_part { user::count(total, worker, taking_part) } else { 0 };
        for k in 0..count {
            users.push(UserKey { number: number + worker + k * taking_part, scenario: index as u16 });
        }
        number += total;
        runners.push(Runner::new(scenario, (worker, taking_part), first, count));
    }
    (runners, users)
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

    /// When [`Users::conduct`] must look at it next.
    pub(super) fn next_event(&self) -> Nanos {
        if self.phase == Phase::Over { Nanos::MAX } else { self.next }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_open(&self) -> bool {
        self.executor.is_open() && self.phase != Phase::Over
    }

    /// Its iterations are taken from one number of all users.
    pub(super) fn takes_shared(&self) -> bool {
        matches!(self.executor, Executor::SharedIterations { .. })
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

    fn users(&self) -> std::ops::Range<u32> {
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

    /// When the schedule is over that ends with a number of arrivals, the gap behind the last one included; else zero.
    pub(super) fn schedule_end(&self) -> Nanos {
        match &self.executor {
            Executor::ArrivalRate {
                arrivals: ArrivalPlan::Constant { rate, .. },
                limit: Some(limit),
                ..
            } => self.start + rate.time_of(*limit),
            _ => Nanos::ZERO,
        }
    }

    /// As many arrivals as were asked for have come, and each has begun or was dropped.
    fn has_had_all(&self) -> bool {
        self.left == 0 && self.backlog.is_empty()
    }

    /// Whether another iteration may begin at `now`.
    fn lets_begin(&self, now: Nanos) -> bool {
        self.phase == Phase::Running && now < self.end
    }

    /// When it must be looked at next.
    fn plan_next(&mut self, now: Nanos) {
        self.next = match self.phase {
            Phase::Before => self.start,
            Phase::Running if self.has_had_all() => now,
            Phase::Running => {
                let change = match &self.executor {
                    Executor::RampingVus { stages, .. } => stages.next_change(now - self.start),
                    Executor::ArrivalRate { .. } => self.next_arrival(),
                    _ => None,
                };
                change.map_or(self.end, |at| (self.start + at).min(self.end))
            }
            Phase::Stopping => self.hard_end,
            Phase::Over => Nanos::MAX,
        };
    }
}

impl<F: Flow> Users<F> {
    /// Does what the scenarios' clocks ask for.
    #[inline]
    pub(super) fn conduct<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos) {
        for index in 0..self.runners.len() {
            while self.runners[index].next_event() <= now {
                self.attend(links, index, now);
            }
        }
    }

    fn attend<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, index: usize, now: Nanos) {
        match self.runners[index].phase {
            Phase::Before => self.begin_scenario(links, index, now),
            Phase::Running if self.runners[index].end <= now => self.stop_scenario(links, index, now),
            Phase::Running => match self.runners[index].executor {
                Executor::RampingVus { .. } => self.follow_ramp(links, index, now),
                Executor::ArrivalRate { .. } => {
                    self.take_arrivals(links, index, now);
                    if self.runners[index].has_had_all() {
                        // As many as were asked for: the end is here.
                        self.runners[index].end = now;
                        self.runners[index].hard_end = now + self.runners[index].graceful_stop;
                        self.stop_scenario(links, index, now);
                    }
                }
                _ => {}
            },
            Phase::Stopping => {
                self.interrupt_all(links, index, now);
                self.runners[index].phase = Phase::Over;
            }
            Phase::Over => {}
        }
        self.runners[index].plan_next(now);
    }

    fn begin_scenario<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, index: usize, now: Nanos) {
        let clock = self.runners[index].clock_of();
        let runner = &mut self.runners[index];
        runner.clock = clock;
        runner.phase = Phase::Running;
        match runner.executor {
            Executor::RampingVus { .. } => {
                runner.initialised = runner.count;
                self.follow_ramp(links, index, now);
            }
            Executor::ArrivalRate { pre_allocated_vus, .. } => {
                let (worker, workers) = runner.share;
                let there = user::count(pre_allocated_vus, worker, workers).min(runner.count);
                runner.initialised = there;
                runner.active = there;
                let idle = runner.first..runner.first + there;
                runner.idle.extend(idle.clone());
                idle.for_each(|vu| self.users[vu as usize].state = VuState::Idle);
                self.take_arrivals(links, index, now);
            }
            _ => {
                runner.initialised = runner.count;
                for vu in runner.users() {
                    self.send_to_work(vu);
                }
            }
        }
    }

    /// Lets a user that is off begin its loop.
    fn send_to_work(&mut self, vu: u32) {
        let user = &mut self.users[vu as usize];
        user.leaving = false;
        user.leave_by = Nanos::MAX;
        if user.state == VuState::Off {
            user.state = VuState::Ready;
            self.ready.push_back(vu);
            self.runners[usize::from(user.key.scenario)].active += 1;
        }
    }

    /// Ramping users: as many as the line says are at work, the first ones of the list.
    fn follow_ramp<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, index: usize, now: Nanos) {
        let runner = &mut self.runners[index];
        let Executor::RampingVus { stages, graceful_ramp_down, .. } = &runner.executor else { return };
        let (worker, workers) = runner.share;
        let wanted = u32::try_from(stages.at(now - runner.start)).unwrap_or(u32::MAX);
        let wanted = user::count(wanted, worker, workers).min(runner.count);
        let leave_by = now + *graceful_ramp_down;
        let (first, before) = (runner.first, std::mem::replace(&mut runner.target, wanted));
        for vu in first + before..first + wanted {
            self.send_to_work(vu);
        }
        for vu in first + wanted.min(before)..first + before {
            self.dismiss(links, vu, leave_by);
        }
    }

    /// A user is to go: at once between iterations, else behind this one or at `leave_by`.
    fn dismiss<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, leave_by: Nanos) {
        let user = &mut self.users[vu as usize];
        user.leaving = true;
        user.leave_by = leave_by;
        if user.is_running() {
            self.timers.set(&mut user.alarm, vu, leave_by);
        } else {
            self.go_off(links, vu);
        }
    }

    /// A user leaves its place of work; its iteration, if it had one, is over.
    pub(super) fn go_off<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32) {
        let user = &mut self.users[vu as usize];
        if user.state == VuState::Off {
            return;
        }
        user.state = VuState::Off;
        user.pause_until = Nanos::MAX;
        let index = usize::from(user.key.scenario);
        let runner = &mut self.runners[index];
        if std::mem::take(&mut user.has_arrival) {
            runner.backlog.push_back(user.scheduled); // it came in time, and will not begin
        }
        runner.active -= 1;
        // Their number is reached, or the end was; ramping users may come again.
        let none_comes = !matches!(runner.executor, Executor::RampingVus { .. });
        if runner.active == 0 && (none_comes || runner.phase == Phase::Stopping) {
            runner.phase = Phase::Over;
        }
        let window_ends = self.stopped || self.runners[index].phase != Phase::Running;
        self.give_up_connections(links, vu, self.config.keeps_connections && window_ends);
    }

    /// No iteration begins any more.
    pub(super) fn stop_scenario<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        index: usize,
        now: Nanos,
    ) {
        if self.runners[index].executor.is_open() {
            let before_end = Nanos(self.runners[index].end.0.min(now.0).saturating_sub(1));
            self.take_arrivals(links, index, before_end);
        }
        if matches!(self.runners[index].phase, Phase::Stopping | Phase::Over) {
            return;
        }
        self.runners[index].phase = Phase::Stopping;
        for vu in self.runners[index].users() {
            let user = &mut self.users[vu as usize];
            if user.state == VuState::Ready && user.has_arrival {
                continue; // it came in time
            }
            user.leaving = true;
            if !user.is_running() {
                self.go_off(links, vu);
            }
        }
        if self.runners[index].active == 0 {
            self.runners[index].phase = Phase::Over;
        }
    }

    /// A stop from outside: requests on the way may still be answered until `limit`.
    pub(super) fn stop_all<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos, limit: Nanos) {
        for index in 0..self.runners.len() {
            self.runners[index].end = self.runners[index].end.min(now);
            if self.runners[index].phase == Phase::Before {
                self.runners[index].phase = Phase::Over;
                continue;
            }
            self.stop_scenario(links, index, now);
            self.runners[index].hard_end = self.runners[index].hard_end.min(limit);
            for vu in self.runners[index].users() {
                let user = &self.users[vu as usize];
                if !user.is_running() {
                    self.go_off(links, vu);
                } else if !self.waits_for_response(links, vu) {
                    self.interrupt(links, vu, now);
                }
            }
            self.runners[index].plan_next(now);
        }
    }

    pub(super) fn interrupt_all<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        index: usize,
        now: Nanos,
    ) {
        for vu in self.runners[index].users() {
            if self.users[vu as usize].is_running() {
                self.interrupt(links, vu, now);
            } else {
                self.go_off(links, vu);
            }
        }
    }

    fn take_arrivals<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, index: usize, now: Nanos) {
        while let Some(scheduled) = self.runners[index].due(now) {
            if links.window.measures(scheduled) {
                links.recorder.noticed(now.max(scheduled) - scheduled);
                self.tally_at(links, index, scheduled).scheduled += 1;
            }
            match self.free_user(index) {
                Some(vu) => self.arrive(vu, scheduled),
                None => self.queue_arrival(links, index, scheduled),
            }
        }
    }

    fn queue_arrival<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, index: usize, scheduled: Nanos) {
        let runner = &mut self.runners[index];
        if (runner.backlog.len() as u64) < runner.backlog_max {
            runner.backlog.push_back(scheduled);
        } else {
            self.count_dropped(links, index, scheduled);
        }
    }

    pub(super) fn count_dropped<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        index: usize,
        scheduled: Nanos,
    ) {
        if links.window.measures(scheduled) {
            // An arrival counts when its first request does, or here.
            links.recorder.counts.scheduled += 1;
            links.recorder.dropped();
            let (_, slot) = self.stage_and_slot(links.window.start, index, scheduled);
            links.recorder.tally.scenarios[slot as usize].dropped += 1;
            self.sample_iteration(links, index, slot, IterationFate::Dropped(1), scheduled, Nanos::ZERO);
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
        let user = &mut self.users[vu as usize];
        user.state = VuState::Ready;
        user.has_arrival = true;
        user.scheduled = scheduled;
        self.ready.push_back(vu);
    }

    /// The number in its scenario of the iteration that the user may begin, if it may; taken from what is shared, where that is so.
    pub(super) fn may_begin(&mut self, vu: u32, now: Nanos) -> Option<u64> {
        let user = &self.users[vu as usize];
        let index = usize::from(user.key.scenario);
        let runner = &self.runners[index];
        if user.leaving || self.stopped {
            return None;
        }
        let may = match &runner.executor {
            // An arrival that came in time may begin late: it waited in the backlog or for this turn.
            Executor::ArrivalRate { .. } => runner.phase == Phase::Running || user.has_arrival,
            Executor::PerVuIterations { iterations, .. } => {
                runner.lets_begin(now) && user.iterations < *iterations
            }
            Executor::SharedIterations { iterations, .. } if runner.lets_begin(now) => {
                let taken = self.config.shared.take_iterations(index, 1);
                return (taken < *iterations).then_some(taken);
            }
            _ => runner.lets_begin(now),
        };
        may.then(|| u64::from(self.worker) + runner.begun * u64::from(self.workers))
    }

    /// Behind an iteration: the next arrival, the loop again, or off.
    pub(super) fn after_iteration<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32) {
        let user = &mut self.users[vu as usize];
        user.pause_until = Nanos::MAX;
        let runner = &mut self.runners[usize::from(user.key.scenario)];
        if user.leaving || runner.phase != Phase::Running {
            return self.go_off(links, vu);
        }
        if !runner.executor.is_open() {
            user.state = VuState::Ready;
            self.ready.push_back(vu);
            return;
        }
        match runner.backlog.pop_front() {
            Some(scheduled) => {
                if runner.has_had_all() {
                    runner.next = Nanos::ZERO; // that was the last: nothing else would tell
                }
                self.arrive(vu, scheduled);
            }
            None => {
                user.state = VuState::Idle;
                runner.idle.push_back(vu);
            }
        }
    }

    /// Somebody has ended the run: what it has not come to is not dropped.
    pub(super) fn owes_nothing<D: AddRoute>(&self, links: &UserLinks<D, F>) -> bool {
        links.aborted || self.flow.is_called_off()
    }

    /// Iterations that the executors owed and nobody began: shared and per-user ones, at the end.
    pub(super) fn drop_what_is_owed<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>) {
        if self.owes_nothing(links) {
            return;
        }
        for index in 0..self.runners.len() {
            let runner = &self.runners[index];
            let owed = match runner.executor {
                // They are everybody's: one worker answers for them, and takes what is left, so that no other can any more.
                Executor::SharedIterations { iterations, .. } if self.worker == 0 => {
                    let taken = self.config.shared.take_iterations(index, iterations);
                    iterations.saturating_sub(taken)
                }
                Executor::PerVuIterations { iterations, .. } => {
                    let begun = runner.users().map(|vu| self.users[vu as usize].iterations);
                    begun.map(|begun| iterations.saturating_sub(begun)).sum()
                }
                _ => 0,
            };
            let slot = self.config.layout.scenarios[index].first_slot;
            links.recorder.tally.scenarios[slot as usize].dropped += owed;
            if owed > 0 {
                let now = links.driver.now();
                self.sample_iteration(links, index, slot, IterationFate::Dropped(owed), now, Nanos::ZERO);
            }
        }
    }
}
