//! From the wire to a user's answer.

use super::VuWorker;
use super::vu::{Capture, State};
use crate::driver::{Buffer, ConnId, Driver, Event};
use crate::http::response::{self, Response, Sink};
use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;
use crate::worker::failure::{broken, not_connected};
use crate::worker::receive::DISCARD_FROM;

/// Keeps the wanted parts of an answer.
struct Keeper<'a> {
    capture: &'a mut Capture,
    body: bool,
    limit: usize,
}

impl Sink for Keeper<'_> {
    const WANTED: bool = true;

    fn head(&mut self, head: &[u8]) {
        self.capture.head.extend_from_slice(head);
    }

    fn body(&mut self, bytes: &[u8]) {
        if self.body {
            let room = self.limit - self.capture.body.len();
            self.capture.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.capture.truncated |= bytes.len() > room;
        }
    }
}

/// What some bytes meant.
enum Outcome {
    More,
    Answer(Response, usize),
    Bad,
}

impl<D: Driver> VuWorker<'_, D> {
    /// Handles every completion that is there; returns how many.
    pub(super) fn receive(&mut self, now: Nanos) -> u32 {
        let mut handled = 0;
        while let Some(completion) = self.driver.next() {
            handled += 1;
            let id = completion.conn;
            let known = self.connections[id.slot as usize].is(id);
            match completion.event {
                Event::Data(buffer) => self.on_data(id, buffer, known, now),
                _ if !known => self.recorder.counts.stale += 1,
                Event::Discarded(bytes) => self.on_discarded(id.slot, bytes, now),
                Event::Sent => self.on_sent(id.slot, now),
                Event::Eof => self.on_eof(id.slot, now),
                Event::Failed(failure) => self.on_broken(id.slot, broken(failure), now),
                Event::Reached => self.on_reached(id.slot, now),
                Event::Connected(_) => self.on_connected(id.slot, now),
                Event::ConnectFailed(failure) => self.connect_failed(id.slot, not_connected(failure), now),
            }
        }
        handled
    }

    /// The user that waits for an answer on `slot`.
    #[inline]
    fn waiting_on(&self, slot: u32) -> Option<u32> {
        let vu = self.user_of(slot);
        (self.vus[vu as usize].state == State::Waiting && self.slot_of(vu) == slot).then_some(vu)
    }

    fn count_bytes(&mut self, vu: Option<u32>, bytes: u64, now: Nanos) {
        if now < self.window.open {
            return;
        }
        self.recorder.bytes_in(bytes);
        if let Some(vu) = vu {
            let user = &self.vus[vu as usize];
            let (index, scheduled) = (usize::from(user.scenario), user.scheduled);
            self.scenario_tally(index, scheduled).received_bytes += bytes;
        }
    }

    fn on_data(&mut self, id: ConnId, buffer: Buffer, known: bool, now: Nanos) {
        if !known {
            self.recorder.counts.stale += 1;
            self.driver.release(buffer);
            return;
        }
        let waiting = self.waiting_on(id.slot);
        self.count_bytes(waiting, buffer.len() as u64, now);
        let Some(vu) = waiting else {
            // Bytes that nobody asked for: what comes next on it could not be told from them.
            self.driver.release(buffer);
            return self.on_broken(id.slot, ErrorKind::Protocol, now);
        };
        let outcome = self.parse(vu, id.slot, &buffer, now);
        let len = buffer.len();
        self.driver.release(buffer);
        match outcome {
            Outcome::More => self.drop_large_rest(vu, id.slot),
            Outcome::Answer(response, used) => {
                let clean = used == len;
                self.finish_answer(vu, response, clean, now);
            }
            Outcome::Bad => {
                self.lose(id.slot, now);
                self.request_failed(vu, ErrorKind::Protocol, now);
            }
        }
    }

    #[inline]
    fn parse(&mut self, vu: u32, slot: u32, buffer: &Buffer, now: Nanos) -> Outcome {
        let step = self.step_of(vu);
        let user = &mut self.vus[vu as usize];
        if user.first_byte == Nanos::MAX {
            user.first_byte = now;
        }
        let expect = self.workload.steps[step].expect;
        let needs = self.needs[step];
        let cache = &mut self.caches[usize::from(user.origin)];
        let parser = &mut self.connections[slot as usize].parser;
        let bytes = self.driver.bytes(buffer);
        let fed = if needs.head || needs.body {
            let spare = &mut self.spare;
            let capture = user.capture.get_or_insert_with(|| spare.pop().unwrap_or_default());
            let mut keeper = Keeper { capture, body: needs.body, limit: self.workload.body_limit };
            parser.feed(cache, expect, bytes, &mut keeper)
        } else {
            parser.feed(cache, expect, bytes, &mut ())
        };
        match fed {
            Ok((used, response::Event::Complete(response))) => Outcome::Answer(response, used),
            Ok((_, response::Event::NeedMore)) => Outcome::More,
            Err(_) => Outcome::Bad,
        }
    }

    /// Settles what becomes of the connection, then of the answer. `clean`: nothing came behind it.
    fn finish_answer(&mut self, vu: u32, response: Response, clean: bool, now: Nanos) {
        let slot = self.slot_of(vu);
        let connection = &mut self.connections[slot as usize];
        connection.discarding = false;
        connection.answered = true;
        connection.failures = 0;
        let most = self.workload.connections.requests_max;
        let used_up = most.is_some_and(|max| connection.requests >= max);
        if used_up && clean {
            // Whoever closes first lets the port rest for a minute (TIME_WAIT), and where each request has a
            // connection of its own that soon takes all of them. Nothing is outstanding: reset.
            self.reset_link(slot);
        } else if used_up || !response.keep_alive || !clean {
            self.close_link(slot);
        }
        self.in_flight -= 1;
        self.batching.answered(now - self.vus[vu as usize].sent);
        self.answered(vu, response, now);
    }

    /// Lets the kernel drop a large rest of a body that nobody reads.
    fn drop_large_rest(&mut self, vu: u32, slot: u32) {
        let needs = self.needs[self.step_of(vu)];
        let connection = &mut self.connections[slot as usize];
        if needs.body || connection.discarding {
            return;
        }
        if let Some(rest) = connection.parser.remaining_body()
            && rest >= DISCARD_FROM
        {
            connection.discarding = true;
            self.driver.discard(connection.id(slot), rest);
        }
    }

    fn on_discarded(&mut self, slot: u32, bytes: u64, now: Nanos) {
        let waiting = self.waiting_on(slot);
        self.count_bytes(waiting, bytes, now);
        let Some(vu) = waiting else { return self.close_link(slot) };
        match self.connections[slot as usize].parser.skip(bytes) {
            Ok(response::Event::Complete(response)) => self.finish_answer(vu, response, true, now),
            Ok(response::Event::NeedMore) => {}
            Err(_) => {
                self.lose(slot, now);
                self.request_failed(vu, ErrorKind::Protocol, now);
            }
        }
    }

    fn on_eof(&mut self, slot: u32, now: Nanos) {
        let connection = &mut self.connections[slot as usize];
        if !connection.parser.is_idle()
            && let Ok(response::Event::Complete(response)) = connection.parser.eof()
            && let Some(vu) = self.waiting_on(slot)
        {
            // A body that ends with the connection.
            self.connections[slot as usize].failures = 0;
            self.close_link(slot);
            self.in_flight -= 1;
            return self.answered(vu, response, now);
        }
        self.on_broken(slot, ErrorKind::Closed, now);
    }

    fn on_broken(&mut self, slot: u32, kind: ErrorKind, now: Nanos) {
        let vu = self.user_of(slot);
        let own = self.slot_of(vu) == slot;
        let unused = self.connections[slot as usize].requests == 0;
        self.lose(slot, now);
        if unused {
            self.recorder.connect_failed(kind);
        }
        match self.vus[vu as usize].state {
            State::Waiting | State::Connecting if own => self.request_failed(vu, kind, now),
            // One that was of use before is replaced without a word; a new one that broke at once would be
            // replaced for ever.
            State::Sending if own && unused => self.request_failed(vu, kind, now),
            _ => {}
        }
    }
}
