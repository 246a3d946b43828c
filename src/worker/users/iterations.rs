//! From an iteration's beginning to its end, and all that its flow is told between.

use super::executors::Phase;
use super::{Ask, Flow, UserLinks, Users, VuState};
use crate::stats::samples::IterationFate;
use crate::stats::tally::ScenarioTally;
use crate::transport::AddRoute;
use crate::units::Nanos;
use crate::worker::exchange::Exchange;
use crate::worker::flow::{Ending, Iteration, Moves, Then, What};
use crate::worker::timers::rings;

impl<F: Flow> Users<F> {
    /// Lets the users that are ready begin, or go on: each once in a turn, so that iterations that take no time do
    /// not keep the loop.
    pub(super) fn begin_ready<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos) {
        for _ in 0..self.ready.len() {
            let Some(vu) = self.ready.pop_front() else { return };
            let user = &mut self.users[vu as usize];
            match user.state {
                VuState::Ready => self.begin_iteration(links, vu, now),
                VuState::Running if std::mem::take(&mut user.goes_on) => {
                    self.tell_apart(links, vu, What::GoOn, now)
                }
                _ => {} // interrupted, or sent off
            }
        }
    }

    fn begin_iteration<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, now: Nanos) {
        let may_begin = self.may_begin(vu, now);
        let ready = may_begin.filter(|_| self.flow.prepare(&mut self.users[vu as usize].flow));
        let Some(in_scenario) = ready else {
            if may_begin.is_some() {
                self.drop_taken(links, vu);
            }
            self.drop_arrival(links, vu);
            return self.go_off(links, vu);
        };
        let user = &mut self.users[vu as usize];
        let index = usize::from(user.key.scenario);
        let runner = &mut self.runners[index];
        runner.begun += 1;
        let scheduled = user.has_arrival.then_some(user.scheduled);
        let iteration = Iteration { number: user.iterations, in_scenario, scheduled };
        user.state = VuState::Running;
        user.iterations += 1;
        user.begun = now;
        user.goes_on = false;
        user.timers.clear();
        let meant = scheduled.unwrap_or(now);
        let (_, slot) = self.stage_and_slot(links.window.start, index, meant);
        let user = &mut self.users[vu as usize];
        user.tally = slot;
        user.counts = links.window.measures(meant);
        if user.counts {
            let tally = &mut links.recorder.tally.scenarios[slot as usize];
            tally.started += 1;
            tally.scheduled += u64::from(scheduled.is_none());
        }
        self.tell(links, vu, What::Begin(iteration), now);
    }

    /// An arrival that a user has and that will not begin.
    fn drop_arrival<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32) {
        let user = &mut self.users[vu as usize];
        if std::mem::take(&mut user.has_arrival) {
            let (index, scheduled) = (usize::from(user.key.scenario), user.scheduled);
            self.count_dropped(links, index, scheduled);
        }
    }

    /// An iteration that was taken of those that all users share, and that nobody will begin.
    fn drop_taken<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32) {
        let index = usize::from(self.users[vu as usize].key.scenario);
        if self.runners[index].takes_shared() && !self.owes_nothing(links) {
            let slot = self.config.layout.scenarios[index].first_slot;
            links.recorder.tally.scenarios[slot as usize].dropped += 1;
            let now = links.driver.now();
            self.sample_iteration(links, index, slot, IterationFate::Dropped(1), now, Nanos::ZERO);
        }
    }

    /// Tells the flow what happened, and carries out what it says. In line where it is for each request: what is told is large.
    #[inline(always)]
    pub(super) fn tell<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, what: What, now: Nanos) {
        let then = self.call(links, vu, what, now);
        let over = matches!(then, Then::End(..));
        if self.stopped && !over {
            self.requests.clear();
            return self.interrupt(links, vu, now);
        }
        if !self.requests.is_empty() {
            self.begin_requests(links, vu, now);
        }
        match then {
            Then::Wait => {}
            Then::Yield => {
                self.users[vu as usize].goes_on = true;
                self.ready.push_back(vu);
            }
            Then::End(ending, pause) => self.end_iteration(links, vu, ending, pause, now),
        }
    }

    /// [`tell`](Users::tell), where it is not for each request.
    #[inline(never)]
    fn tell_apart<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, what: What, now: Nanos) {
        self.tell(links, vu, what, now);
    }

    /// Calls the flow. What it begins is then in `requests`, and among the user's timers.
    #[inline(always)]
    fn call<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, what: What, now: Nanos) -> Then {
        let user = &mut self.users[vu as usize];
        let mut moves = Moves {
            now,
            wall: self.wall,
            window_open: links.window.open,
            next_exchange: &mut self.next_exchange,
            requests: &mut self.requests,
            timers: &mut self.new_timers,
            spare: &mut self.spare,
            origins: &mut links.origins,
            recorder: &mut links.recorder,
            samples: &mut links.samples,
            checks: &mut self.checks,
            tally: user.tally,
            begins_anew: false,
        };
        let then = self.flow.on(&mut user.flow, what, &mut moves);
        if moves.begins_anew {
            user.begun = now;
        }
        if !self.new_timers.is_empty() {
            self.new_timers.drain(..).for_each(|timer| user.timers.set(timer));
            let due = user.next_due().max(now + Nanos(1));
            self.timers.set(&mut user.alarm, vu, due);
        }
        then
    }

    fn begin_requests<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, now: Nanos) {
        links.make_room_for_origins();
        let mut requests = std::mem::take(&mut self.requests);
        for exchange in requests.drain(..) {
            self.begin_request(links, vu, exchange, now);
        }
        self.requests = requests;
    }

    /// A request counts as started from here on, whether there is a connection for it or not.
    #[inline]
    fn begin_request<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        vu: u32,
        mut exchange: Exchange<Ask>,
        now: Nanos,
    ) {
        let user = &mut self.users[vu as usize];
        user.open += 1;
        let index = usize::from(user.key.scenario);
        let (stage, slot) = self.stage_and_slot(links.window.start, index, exchange.scheduled);
        let terms = &mut exchange.ask.terms;
        terms.user = vu;
        terms.stage = stage;
        terms.tally = slot;
        terms.measured = links.window.measures(exchange.scheduled);
        if terms.measured {
            links.recorder.counts.started += 1;
            links.recorder.counts.scheduled += 1;
        }
        self.place(links, vu, exchange, now);
    }

    fn end_iteration<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        vu: u32,
        ending: Ending,
        pause: Nanos,
        now: Nanos,
    ) {
        // A flow that ends with requests open wants nothing of them any more.
        self.cut_off_requests(links, vu);
        let user = &mut self.users[vu as usize];
        let (counts, slot, begun) = (user.counts, user.tally, user.begun);
        let index = usize::from(user.key.scenario);
        user.has_arrival = false;
        user.leave_by = Nanos::MAX;
        user.timers.clear();
        let leaving = user.leaving;
        if counts {
            let tally = &mut links.recorder.tally.scenarios[slot as usize];
            tally.completed += 1;
            tally.broken += u64::from(ending == Ending::Broken);
            tally.iteration_duration.record(now - begun);
            let broken = ending == Ending::Broken;
            let fate = if broken { IterationFate::Broken } else { IterationFate::Completed };
            self.sample_iteration(links, index, slot, fate, now, now - begun);
        }
        if self.config.workload.connections.close_after_iteration {
            self.reset_connections(links, vu);
        }
        if pause > Nanos::ZERO && !leaving && !self.stopped {
            let user = &mut self.users[vu as usize];
            user.state = VuState::Pausing;
            user.pause_until = now + pause;
            let at = user.pause_until;
            self.timers.set(&mut user.alarm, vu, at);
            return;
        }
        self.after_iteration(links, vu);
    }

    /// Cut off: neither whole nor to be gone on with.
    pub(super) fn interrupt<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, vu: u32, now: Nanos) {
        self.cut_off_requests(links, vu);
        self.call(links, vu, What::Interrupt, now);
        self.requests.clear();
        let user = &mut self.users[vu as usize];
        user.has_arrival = false;
        user.goes_on = false;
        user.timers.clear();
        if user.counts {
            let (index, slot, begun) = (usize::from(user.key.scenario), user.tally, user.begun);
            links.recorder.tally.scenarios[slot as usize].interrupted += 1;
            self.sample_iteration(links, index, slot, IterationFate::Interrupted, now, now - begun);
        }
        self.go_off(links, vu);
    }

    /// Fires what is due of the users' timers. These are no time limits: they fire though the worker stood still.
    #[cold]
    pub(super) fn fire_timers<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos) {
        while let Some((at, vu)) = self.timers.take_expired(now) {
            let user = &mut self.users[vu as usize];
            if !rings(&mut user.alarm, at) {
                continue;
            }
            match user.state {
                VuState::Running if user.leave_by <= now => self.interrupt(links, vu, now),
                VuState::Running => {
                    // Whatever it sets now is for a later turn, so that a flow cannot keep the loop.
                    for _ in 0..user.timers.len() {
                        let user = &mut self.users[vu as usize];
                        if !user.is_running() {
                            break;
                        }
                        let Some((at, id)) = user.timers.take(now) else { break };
                        self.tell_apart(links, vu, What::Timer(id, at), now);
                    }
                }
                VuState::Pausing if user.pause_until <= now => self.after_iteration(links, vu),
                _ => {}
            }
            let user = &mut self.users[vu as usize];
            let due = user.next_due();
            if due != Nanos::MAX {
                self.timers.set(&mut user.alarm, vu, due.max(now + Nanos(1)));
            }
        }
    }

    /// The stage of a scenario at `at`, and its entry among the scenario tallies.
    #[inline]
    pub(super) fn stage_and_slot(&self, start: Nanos, index: usize, at: Nanos) -> (u16, u32) {
        let scenario = &self.config.layout.scenarios[index];
        let ends = &scenario.stage_ends;
        let stage = match ends.len() {
            1 => 0,
            count => ends.partition_point(|end| *end <= at - start).min(count - 1),
        };
        (stage as u16, scenario.first_slot + stage as u32)
    }

    /// The books of a scenario in the stage at `at`.
    pub(super) fn tally_at<'l, D: AddRoute>(
        &self,
        links: &'l mut UserLinks<D, F>,
        index: usize,
        at: Nanos,
    ) -> &'l mut ScenarioTally {
        let (_, slot) = self.stage_and_slot(links.window.start, index, at);
        &mut links.recorder.tally.scenarios[slot as usize]
    }

    /// Iterations that still run when the time for them is over.
    pub(super) fn interrupt_what_runs<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>) {
        let now = links.driver.now();
        for index in 0..self.runners.len() {
            if !self.runners[index].is_over() && self.runners[index].phase() != Phase::Before {
                self.interrupt_all(links, index, now);
            }
        }
    }
}
