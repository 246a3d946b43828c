//! What a virtual user does next: the narrow seam between the flow and everything that carries it out.
//!
//! A flow is asked for its next [`Move`] when the one before is over. Static flows, lists of steps, are
//! the one implementation.

use super::VuWorker;
use super::vu::State;
use crate::driver::Driver;
use crate::plan::workload::Think;
use crate::rng::Rng;
use crate::stats::tally::ScenarioTally;
use crate::units::Nanos;

/// What comes next in an iteration.
enum Move {
    /// The step that the user is at.
    Request,
    /// The iteration is over.
    Done,
}

/// How an iteration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All steps were done.
    Whole,
    /// A value that a later step needs was not there.
    Broken,
}

impl<D: Driver> VuWorker<'_, D> {
    /// Lets the users that are ready begin: each once in a turn, so that iterations that take no time do
    /// not keep the loop.
    pub(super) fn begin_ready(&mut self, now: Nanos) {
        for _ in 0..self.ready.len() {
            let Some(vu) = self.ready.pop_front() else { return };
            let user = &self.vus[vu as usize];
            if user.state != State::Ready {
                continue; // interrupted, or sent off
            }
            if user.in_iteration {
                self.begin_step(vu, now);
            } else {
                self.begin_iteration(vu, now);
            }
        }
    }

    fn begin_iteration(&mut self, vu: u32, now: Nanos) {
        if !self.may_begin(vu, now) {
            return self.go_off(vu);
        }
        if !self.take_rows(vu) {
            return self.go_off(vu);
        }
        let user = &mut self.vus[vu as usize];
        let index = usize::from(user.scenario);
        let runner = &mut self.runners[index];
        user.sequence = u64::from(self.config.worker) + runner.begun * u64::from(self.config.workers);
        runner.begun += 1;
        user.flow = draw(&self.workload.scenarios[index].flows, &mut user.rng);
        user.in_iteration = true;
        user.at = 0;
        user.hops = 0;
        user.iterations += 1;
        user.begun = now;
        let (due, scheduled) = (user.due, user.scheduled);
        if self.window.measures(if due { scheduled } else { now }) {
            let tally = self.scenario_tally(index, if due { scheduled } else { now });
            tally.started += 1;
            tally.scheduled += u64::from(!due);
        }
        self.begin_step(vu, now);
    }

    /// Draws the iteration's rows. False when one of the data sets has run out and is to stop then.
    fn take_rows(&mut self, vu: u32) -> bool {
        if self.workload.data.is_empty() && self.workload.variables.is_empty() {
            return true;
        }
        let user = &mut self.vus[vu as usize];
        let baggage = user.baggage.get_or_insert_default();
        baggage.values.clear();
        baggage.values.resize_with(self.workload.variables.len(), || None);
        baggage.rows.clear();
        for (set, ticket) in self.workload.data.iter().zip(&mut self.tickets) {
            let own = u64::from(self.config.worker) + *ticket * u64::from(self.config.workers);
            match set.row_for(own, u64::from(user.number), &mut user.rng) {
                Some(row) => baggage.rows.push(row),
                None => return false,
            }
            *ticket += 1;
        }
        true
    }

    /// The flow's answer to "what next?".
    fn next_move(&self, vu: u32) -> Move {
        let user = &self.vus[vu as usize];
        let steps = &self.workload.flows[usize::from(user.flow)].steps;
        if usize::from(user.at) < steps.len() { Move::Request } else { Move::Done }
    }

    /// The step that the user is at.
    #[inline]
    pub(super) fn step_of(&self, vu: u32) -> usize {
        let user = &self.vus[vu as usize];
        self.workload.flows[usize::from(user.flow)].steps[usize::from(user.at)] as usize
    }

    /// The user wants its next request: it counts as started from here on.
    fn begin_step(&mut self, vu: u32, now: Nanos) {
        let step = self.step_of(vu);
        let origin = self.workload.steps[step].origin as u16;
        self.begin_request(vu, origin, now);
    }

    /// One request to `origin`: a step's, or what follows a redirect.
    pub(super) fn begin_request(&mut self, vu: u32, origin: u16, now: Nanos) {
        let user = &mut self.vus[vu as usize];
        let arrival = user.due && user.at == 0 && user.hops == 0;
        if !user.due {
            user.scheduled = now;
        }
        user.origin = origin;
        user.measured = self.window.measures(user.scheduled);
        user.sent = Nanos::MAX;
        user.sent_whole = Nanos::MAX;
        user.first_byte = Nanos::MAX;
        user.wanted = Nanos::MAX;
        user.blocked = Nanos::ZERO;
        user.connecting = Nanos::ZERO;
        user.securing = Nanos::ZERO;
        let (index, scheduled) = (usize::from(user.scenario), user.scheduled);
        let stage = self.stage_at(index, scheduled);
        let user = &mut self.vus[vu as usize];
        user.stage = stage;
        if user.measured {
            self.recorder.counts.started += 1;
            // An arrival was counted when it was picked up.
            self.recorder.counts.scheduled += u64::from(!arrival);
        }
        self.want_connection(vu, now);
    }

    /// The step is over: the next one, at once or behind a pause, or the end.
    pub(super) fn step_over(&mut self, vu: u32, now: Nanos) {
        let step = self.step_of(vu);
        let user = &mut self.vus[vu as usize];
        user.at += 1;
        user.hops = 0;
        user.due = false;
        let Move::Request = self.next_move(vu) else {
            return self.end_iteration(vu, Ending::Whole, step, now);
        };
        if self.stopped {
            return self.interrupt(vu);
        }
        let pause = self.pause(vu, self.workload.steps[step].think);
        self.ready_after(vu, pause, now);
    }

    /// Ends the iteration and looks for the next one.
    pub(super) fn end_iteration(&mut self, vu: u32, ending: Ending, last_step: usize, now: Nanos) {
        let user = &mut self.vus[vu as usize];
        user.in_iteration = false;
        user.due = false;
        user.leave_by = Nanos::MAX;
        let (index, begun) = (usize::from(user.scenario), user.begun);
        if self.window.measures(begun) {
            let tally = self.scenario_tally(index, begun);
            tally.completed += 1;
            tally.broken += u64::from(ending == Ending::Broken);
            tally.iteration_duration.record(now - begun);
        }
        if self.workload.connections.close_after_iteration {
            self.reset_links(vu);
        }
        // The last step's pause belongs to what separates iterations, as the scenario's own does.
        let mut pause = self.pause(vu, self.workload.steps[last_step].think);
        pause += self.pause(vu, self.workload.scenarios[index].think);
        let leaving = self.vus[vu as usize].leaving;
        if pause > Nanos::ZERO && !leaving && !self.stopped {
            return self.ready_after(vu, pause, now);
        }
        self.after_iteration(vu);
    }

    /// Cut off: neither whole nor to be gone on with.
    pub(super) fn interrupt(&mut self, vu: u32) {
        self.abandon_request(vu);
        let user = &mut self.vus[vu as usize];
        user.in_iteration = false;
        user.due = false;
        let (index, begun) = (usize::from(user.scenario), user.begun);
        if self.window.measures(begun) {
            self.scenario_tally(index, begun).interrupted += 1;
        }
        self.go_off(vu);
    }

    fn pause(&mut self, vu: u32, think: Think) -> Nanos {
        match think {
            Think::None => Nanos::ZERO,
            Think::Fixed(pause) => pause,
            Think::Between(from, to) => {
                from + Nanos(self.vus[vu as usize].rng.below((to - from).0.saturating_add(1)))
            }
        }
    }

    fn ready_after(&mut self, vu: u32, pause: Nanos, now: Nanos) {
        let user = &mut self.vus[vu as usize];
        if pause == Nanos::ZERO {
            user.state = State::Ready;
            self.ready.push_back(vu);
            return;
        }
        user.state = State::Thinking;
        user.deadline = now + pause;
        let at = user.deadline;
        self.timers.set(&mut self.vus, vu, at);
    }

    /// The pause of a thinking user is over.
    pub(super) fn wake(&mut self, vu: u32) {
        let user = &mut self.vus[vu as usize];
        let woken_for = std::mem::replace(&mut user.deadline, Nanos::MAX);
        if user.in_iteration {
            user.state = State::Ready;
            user.due = true; // the pause's end is when the request is meant to start
            user.scheduled = woken_for;
            self.ready.push_back(vu);
        } else {
            self.after_iteration(vu);
        }
    }

    /// The stage of a scenario at `at`.
    #[inline]
    fn stage_at(&self, index: usize, at: Nanos) -> u16 {
        let ends = &self.layout.scenarios[index].stage_ends;
        if ends.len() == 1 {
            return 0;
        }
        let since = at - self.window.start;
        ends.partition_point(|end| *end <= since).min(ends.len() - 1) as u16
    }

    /// The books of a scenario in the stage at `at`.
    pub(super) fn scenario_tally(&mut self, index: usize, at: Nanos) -> &mut ScenarioTally {
        let slot = self.layout.scenarios[index].first_slot + u32::from(self.stage_at(index, at));
        &mut self.recorder.tally.scenarios[slot as usize]
    }
}

/// Draws one of the weighted flows.
fn draw(flows: &[(u32, u32)], rng: &mut Rng) -> u16 {
    if let [(only, _)] = flows {
        return *only as u16;
    }
    let total: u64 = flows.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut at = rng.below(total);
    for (flow, weight) in flows {
        match at.checked_sub(u64::from(*weight)) {
            Some(rest) => at = rest,
            None => return *flow as u16,
        }
    }
    flows.last().map_or(0, |(flow, _)| *flow as u16)
}
