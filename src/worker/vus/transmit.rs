//! From a user's request to the wire.

use super::VuWorker;
use super::vu::{Link, State};
use crate::driver::{Driver, PayloadId};
use crate::http::url::Scheme;
use crate::plan::SURE;
use crate::plan::request_template::RenderError;
use crate::plan::scope::Scope;
use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;
use crate::worker::transmit::SENDS_PER_TURN;

impl<D: Driver> VuWorker<'_, D> {
    /// Sends the requests at hand, or the first part of them: the rest follows in the next turn, with a time stamp of
    /// its own.
    pub(super) fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let sent = self.driver.now();
        for _ in 0..self.dirty.len().min(SENDS_PER_TURN) {
            let Some(vu) = self.dirty.pop_front() else { return };
            if self.vus[vu as usize].state == State::Sending {
                self.send(vu, sent);
            }
        }
    }

    fn send(&mut self, vu: u32, sent: Nanos) {
        let slot = self.slot_of(vu);
        let connection = &self.connections[slot as usize];
        if connection.state != Link::Open {
            return self.want_connection(vu, sent); // the peer closed it since
        }
        if connection.sending {
            self.dirty.push_back(vu); // an answer came before its request was whole
            return;
        }
        let step = self.step_of(vu);
        let user = &self.vus[vu as usize];
        let (payload, len) = match self.workload.steps[step].request.constant() {
            Some(bytes) if user.hops == 0 && user.has_no_cookies() => (PayloadId(step as u32), bytes.len()),
            _ => match self.draft(vu, slot, step) {
                Ok(len) => (PayloadId::DRAFT, len),
                Err(_) => return self.request_failed(vu, ErrorKind::Template, sent),
            },
        };
        let notify = len > SURE;
        let connection = &mut self.connections[slot as usize];
        connection.sending = notify;
        connection.requests += 1;
        self.driver.send(connection.id(slot), payload, len as u32, notify);
        self.in_flight += 1;
        let user = &mut self.vus[vu as usize];
        user.state = State::Waiting;
        user.drafted = payload == PayloadId::DRAFT;
        user.sent = sent;
        if !user.due {
            user.scheduled = sent;
        }
        user.deadline = sent + self.workload.steps[step].timeout;
        let (measured, at, index) = (user.measured, user.deadline, usize::from(user.scenario));
        let scheduled = user.scheduled;
        if measured {
            self.recorder.bytes_out(len as u64);
            self.scenario_tally(index, scheduled).sent_bytes += len as u64;
        }
        self.timers.set(&mut self.vus, vu, at);
    }

    /// Writes the request's bytes into the slot's draft; returns how many.
    fn draft(&mut self, vu: u32, slot: u32, step: usize) -> Result<usize, RenderError> {
        let out = self.driver.draft(slot);
        let user = &mut self.vus[vu as usize];
        let origin = &self.workload.origins[usize::from(user.origin)].url;
        if let Some(bytes) = user.baggage.as_mut().and_then(|baggage| baggage.redirect.take()) {
            out.clear();
            out.extend_from_slice(&bytes);
            return Ok(out.len());
        }
        let wall = (self.wall)();
        let (mut values, mut rows): (&[_], &[u64]) = (&[], &[]);
        self.cookies_out.clear();
        if let Some(baggage) = &user.baggage {
            (values, rows) = (&baggage.values, &baggage.rows);
            if !baggage.jar.is_empty() {
                let path = self.workload.steps[step].request.path_hint();
                let secure = origin.scheme == Scheme::Https;
                baggage.jar.header(&origin.host, path, secure, wall, &mut self.cookies_out);
            }
        }
        let mut scope = Scope {
            vu: u64::from(user.number) + 1,
            iteration: user.iterations - 1,
            sequence: user.sequence,
            wall,
            rng: &mut user.rng,
            values,
            rows,
            data: &self.workload.data,
        };
        self.workload.steps[step].request.render(out, &mut scope, &self.cookies_out)?;
        Ok(out.len())
    }

    pub(super) fn on_sent(&mut self, slot: u32, now: Nanos) {
        self.connections[slot as usize].sending = false;
        let vu = self.user_of(slot);
        if self.vus[vu as usize].state == State::Waiting && self.slot_of(vu) == slot {
            self.vus[vu as usize].sent_whole = now;
        }
    }
}
