//! The simulated driver: a virtual clock, a scripted peer, seeded faults.
//!
//! A test instrument that lives here so that whole workers can be run over it, hours of them in
//! milliseconds, and the same seed gives the same run. It keeps the peer's books ([`PeerBooks`])
//! to hold against the worker's, and it panics when the worker breaks the contract of
//! [`Driver`]: a slot that is not free, a generation that does not follow, a send behind an
//! unfinished one or longer than its payload, a discard out of turn, a buffer released twice, a
//! wait that nothing could ever end.
//!
//! Time passes only in `wait`: [`SimScript::turn_cost`] each, and in `Wait::Until` up to the next
//! thing that happens.

mod agenda;
mod buffers;
mod peer;
mod random;
mod script;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use self::agenda::{Action, Agenda};
use self::buffers::Buffers;
use self::peer::{Chunk, Delivery, Desk, Last, Peer};
use self::random::Dice;
use super::failure::Failure;
use super::token::GENERATIONS;
use super::{
    Alpn, Buffer, Completion, ConnId, Driver, DriverConfig, DriverCounters, Endpoint, Event, PayloadId, Wait,
    append,
};
use crate::units::Nanos;

pub use peer::PeerBooks;
pub use script::{NEVER, Service, SimFaults, SimScript};

/// Receives of one connection per turn: the worker can discard before a large answer has used up
/// every buffer.
const RECEIVES_PER_TURN: u32 = 4;
/// Within this after a close, something stale may complete.
const STALE_WITHIN: Nanos = Nanos::from_millis(1);
/// A send in pieces is over within this.
const SHORT_SEND_WITHIN: Nanos = Nanos::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Connecting,
    /// Connecting failed; the worker has not been told.
    Refused,
    Open,
    /// End of file or an error is in the queue or was reported.
    Dead,
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// Of the present connection, or of the last one. None before the first.
    generation: Option<u32>,
    peer: Peer,
    /// Arrived, not yet in a completion.
    received: VecDeque<Chunk>,
    /// What comes after that.
    ending: Option<Event>,
    /// A send that asked for `Sent` is unfinished.
    notify: bool,
    /// When the kernel has the last byte of the sends so far.
    sends_over: Nanos,
    /// Bytes that nobody wants.
    discard: u64,
    /// The first receive after a discard was under way: its bytes arrive as data.
    discard_lags: bool,
    /// Bytes in completions that the worker has not taken yet.
    queued: u64,
    /// Total bytes that arrived, and that the worker has taken.
    arrived: u64,
    taken: u64,
    /// Where whole answers end, in bytes since the connection began.
    answer_ends: VecDeque<u64>,
    /// On the list of those that have something to receive at the next wait.
    listed: bool,
    starved: bool,
}

impl Slot {
    fn new(generation: Option<u32>, state: State) -> Slot {
        Slot {
            state,
            generation,
            peer: Peer::default(),
            received: VecDeque::new(),
            ending: None,
            notify: false,
            sends_over: Nanos::ZERO,
            discard: 0,
            discard_lags: false,
            queued: 0,
            arrived: 0,
            taken: 0,
            answer_ends: VecDeque::new(),
            listed: false,
            starved: false,
        }
    }
}

/// Connections that exist only in memory, on a clock that only `wait` moves.
#[derive(Debug)]
pub struct SimDriver {
    config: DriverConfig,
    script: SimScript,
    responses: Vec<Arc<[u8]>>,
    drafts: Vec<Vec<u8>>,
    request_len: u64,
    clock: Nanos,
    dice: Dice,
    agenda: Agenda,
    slots: Vec<Slot>,
    buffers: Buffers,
    done: VecDeque<Completion>,
    /// Connections that have more to receive than their share, or no buffer for it.
    unread: Vec<ConnId>,
    /// A receive found no buffer in this wait: that ends it, as its completion does in the kernel.
    starved_now: bool,
    /// Whose `Data` `next` handed out last.
    handling: Option<ConnId>,
    books: PeerBooks,
    counters: DriverCounters,
}

impl SimDriver {
    /// # Panics
    /// When the script has no answer or an empty one, no buffers, or requests of no length.
    pub fn new(config: DriverConfig, script: SimScript) -> SimDriver {
        let request_len = match script.request_len {
            Some(len) => u64::from(len),
            None => config.payloads.first().map_or(0, |p| p.len() as u64),
        };
        assert!(request_len > 0, "requests must have a length");
        let responses: Vec<Arc<[u8]>> = script.responses.iter().map(|r| r[..].into()).collect();
        assert!(!responses.is_empty(), "the peer needs an answer");
        assert!(responses.iter().all(|r| !r.is_empty()), "an answer is empty");
        SimDriver {
            slots: (0..config.slots).map(|_| Slot::new(None, State::Free)).collect(),
            drafts: vec![Vec::new(); config.slots as usize],
            buffers: Buffers::new(script.buffers, script.buffer_len),
            dice: Dice::new(script.seed),
            clock: script.start,
            responses,
            request_len,
            config,
            script,
            agenda: Agenda::default(),
            done: VecDeque::new(),
            unread: Vec::new(),
            starved_now: false,
            handling: None,
            books: PeerBooks::default(),
            counters: DriverCounters::default(),
        }
    }

    /// What the peer has done so far.
    pub fn books(&self) -> PeerBooks {
        self.books
    }

    fn slot(&mut self, conn: ConnId) -> &mut Slot {
        &mut self.slots[conn.slot as usize]
    }

    fn live(&self, conn: ConnId) -> bool {
        let slot = &self.slots[conn.slot as usize];
        slot.generation == Some(conn.generation) && slot.state != State::Free
    }

    fn report(&mut self, conn: ConnId, event: Event) {
        self.done.push_back(Completion { conn, event });
    }

    /// Does all that is due by now.
    fn catch_up(&mut self) {
        while let Some((at, conn, action)) = self.agenda.due(self.clock) {
            match action {
                Action::Stale => self.report_stale(conn),
                _ if !self.live(conn) => {}
                Action::ConnectOver { refused } => self.connect_over(conn, refused),
                Action::Depart { bytes, notify } => self.depart(conn, bytes, notify, at),
                Action::Arrive(delivery) => self.arrive(conn, delivery),
            }
        }
    }

    fn connect_over(&mut self, conn: ConnId, refused: bool) {
        if refused {
            self.books.refused += 1;
            self.slot(conn).state = State::Refused;
            return self.report(conn, Event::ConnectFailed(Failure::Os(libc::ECONNREFUSED)));
        }
        self.books.connects += 1;
        self.slot(conn).state = State::Open;
        self.report(conn, Event::Connected(Alpn::None));
    }

    fn depart(&mut self, conn: ConnId, bytes: u64, notify: bool, at: Nanos) {
        let slot = &mut self.slots[conn.slot as usize];
        if slot.state != State::Open {
            return;
        }
        if notify {
            self.done.push_back(Completion { conn, event: Event::Sent });
        }
        let mut out = Vec::new();
        let mut desk = Desk {
            script: &self.script,
            responses: &self.responses,
            request_len: self.request_len,
            dice: &mut self.dice,
            books: &mut self.books,
            out: &mut out,
        };
        slot.peer.receive(bytes, at, &mut desk);
        for (at, delivery) in out {
            self.agenda.plan(at, conn, Action::Arrive(delivery));
        }
    }

    fn arrive(&mut self, conn: ConnId, delivery: Delivery) {
        let slot = &mut self.slots[conn.slot as usize];
        match delivery {
            Delivery::Bytes { chunk, last } => {
                slot.arrived += chunk.len() as u64;
                self.books.answer_bytes += chunk.len() as u64;
                match last {
                    Last::Nothing => {}
                    Last::Garbage => self.books.garbage += 1,
                    Last::Answer => {
                        self.books.answers += 1;
                        slot.answer_ends.push_back(slot.arrived);
                    }
                }
                slot.received.push_back(chunk);
            }
            Delivery::Eof => {
                self.books.eofs += 1;
                slot.ending = Some(Event::Eof);
            }
            Delivery::Reset => {
                self.books.resets += 1;
                slot.ending = Some(Event::Failed(Failure::Os(libc::ECONNRESET)));
            }
        }
        if !slot.listed {
            self.receive(conn);
        }
    }

    /// Turns what has arrived into completions, as far as buffers and the turn's share go.
    fn receive(&mut self, conn: ConnId) {
        let mut share = RECEIVES_PER_TURN;
        while let Some(chunk) = self.slots[conn.slot as usize].received.front() {
            let slot = &self.slots[conn.slot as usize];
            let discards = slot.discard > 0 && !slot.discard_lags;
            if !discards && share == 0 {
                return self.put_off(conn);
            }
            let taken = if discards {
                let bytes = slot.discard.min(chunk.len() as u64);
                self.slot(conn).discard -= bytes;
                self.report(conn, Event::Discarded(bytes));
                bytes
            } else {
                share -= 1;
                let refused = self.dice.happens(self.script.faults.buffer_starvation);
                if self.buffers.is_empty() || (refused && !slot.starved) {
                    return self.starve(conn);
                }
                let Some(buffer) = self.buffers.lend(chunk.as_slice()) else {
                    return self.starve(conn);
                };
                let bytes = buffer.len() as u64;
                let slot = self.slot(conn);
                slot.starved = false;
                slot.discard_lags = false;
                slot.discard = slot.discard.saturating_sub(bytes);
                slot.queued += bytes;
                self.report(conn, Event::Data(buffer));
                bytes
            };
            let received = &mut self.slot(conn).received;
            if let Some(chunk) = received.front_mut() {
                chunk.from += taken as usize;
                if chunk.len() == 0 {
                    received.pop_front();
                }
            }
        }
        if let Some(ending) = self.slot(conn).ending.take() {
            self.slot(conn).state = State::Dead;
            self.report(conn, ending);
        }
    }

    fn starve(&mut self, conn: ConnId) {
        let slot = self.slot(conn);
        if !std::mem::replace(&mut slot.starved, true) {
            self.counters.buffer_starvations += 1;
            self.starved_now = true;
        }
        self.put_off(conn);
    }

    fn put_off(&mut self, conn: ConnId) {
        self.slot(conn).listed = true;
        self.unread.push(conn);
    }

    fn receive_unread(&mut self) {
        for conn in std::mem::take(&mut self.unread) {
            if self.live(conn) && self.slot(conn).listed {
                self.slot(conn).listed = false;
                self.receive(conn);
            }
        }
    }

    fn report_stale(&mut self, conn: ConnId) {
        let event = match self.dice.between(0, 5) {
            0 => Event::Eof,
            1 => Event::Failed(Failure::Os(libc::ECANCELED)),
            2 => Event::Sent,
            3 => Event::Discarded(7),
            _ => match self.buffers.lend(&self.responses[0]) {
                Some(buffer) => Event::Data(buffer),
                None => return,
            },
        };
        self.books.stale += 1;
        self.report(conn, event);
    }

    fn take(&mut self, conn: ConnId, bytes: u64) {
        let slot = self.slot(conn);
        slot.taken += bytes;
        let before = slot.answer_ends.len();
        while slot.answer_ends.front().is_some_and(|end| *end <= slot.taken) {
            slot.answer_ends.pop_front();
        }
        self.books.delivered += (before - self.slot(conn).answer_ends.len()) as u64;
    }

    fn sleep(&mut self, until: Nanos, want: u32) {
        while self.done.len() < want.max(1) as usize && !self.starved_now {
            match self.agenda.next_at() {
                Some(at) if at <= until => {
                    self.clock = self.clock.max(at);
                    self.catch_up();
                }
                _ => {
                    assert!(
                        until < Nanos::MAX || !self.done.is_empty(),
                        "the worker waits for ever: nothing is going to happen"
                    );
                    if until < Nanos::MAX {
                        self.clock = self.clock.max(until);
                    }
                    return;
                }
            }
        }
    }
}

impl Driver for SimDriver {
    fn now(&mut self) -> Nanos {
        self.clock
    }

    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        append(&mut self.config.endpoints, endpoint)
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        assert!((endpoint as usize) < self.config.endpoints.len(), "no endpoint {endpoint}");
        let slot = self.slot(conn);
        assert!(slot.state == State::Free, "connect: {conn:?} is {:?}", slot.state);
        if let Some(last) = slot.generation {
            assert_eq!(
                conn.generation,
                (last + 1) % GENERATIONS,
                "connect: the generation of {conn:?} does not follow {last}"
            );
        }
        *slot = Slot::new(Some(conn.generation), State::Connecting);
        let refused = self.dice.happens(self.script.faults.connect_refused);
        let slow = self.dice.happens(self.script.faults.connect_slow);
        let delay = if slow { NEVER } else { self.script.connect_delay };
        self.agenda.plan(self.clock + delay, conn, Action::ConnectOver { refused });
    }

    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        let room = match payload {
            PayloadId::DRAFT => self.drafts[conn.slot as usize].len(),
            PayloadId(at) => self.config.payloads[at as usize].len(),
        };
        assert!(len > 0 && len as usize <= room, "send: {len} of {room} bytes");
        assert!(self.live(conn), "send: {conn:?} is closed");
        let clock = self.clock;
        let slot = self.slot(conn);
        assert!(matches!(slot.state, State::Open | State::Dead), "send: {conn:?} is {:?}", slot.state);
        assert!(!slot.notify, "send: one on {conn:?} is unfinished");
        slot.notify = notify;
        let mut at = slot.sends_over.max(clock);
        let (mut left, mut pieces) = (u64::from(len), 1);
        if self.dice.happens(self.script.faults.short_sends) {
            pieces = self.dice.between(2, 5);
        }
        loop {
            pieces -= 1;
            let last = pieces == 0 || left == 1;
            let bytes = if last { left } else { self.dice.between(1, left) };
            let notify = notify && last;
            self.agenda.plan(at, conn, Action::Depart { bytes, notify });
            if last {
                break;
            }
            left -= bytes;
            at += Nanos(self.dice.between(0, SHORT_SEND_WITHIN.0 / 4));
        }
        self.slot(conn).sends_over = at;
    }

    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        assert!(!self.slots[slot as usize].notify, "draft: a send of slot {slot} is unfinished");
        &mut self.drafts[slot as usize]
    }

    fn drafted(&self, slot: u32) -> &[u8] {
        &self.drafts[slot as usize]
    }

    fn discard(&mut self, conn: ConnId, bytes: u64) {
        assert_eq!(self.handling, Some(conn), "discard: not while handling data of it");
        if !self.live(conn) {
            return;
        }
        let lags = self.dice.happens(0.5);
        let slot = self.slot(conn);
        assert!(slot.discard == 0, "discard: {} bytes of {conn:?} are to be discarded already", slot.discard);
        slot.discard = bytes.saturating_sub(slot.queued);
        slot.discard_lags = lags && slot.discard > 0;
    }

    fn close(&mut self, conn: ConnId, _reset: bool) {
        assert!(self.live(conn), "close: {conn:?} is closed");
        self.books.closed_by_worker += 1;
        let at = self.clock + Nanos(self.dice.between(0, STALE_WITHIN.0));
        if self.dice.happens(self.script.faults.stale_completions) {
            self.agenda.plan(at, conn, Action::Stale);
        }
        *self.slot(conn) = Slot::new(Some(conn.generation), State::Free);
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        self.counters.enters += 1;
        self.handling = None;
        self.starved_now = false;
        self.clock += self.script.turn_cost;
        self.receive_unread();
        self.catch_up();
        if let Wait::Until { until, want } = wait {
            self.sleep(until, want);
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Completion> {
        self.handling = None;
        let completion = self.done.pop_front()?;
        let conn = completion.conn;
        if matches!(completion.event, Event::Data(_)) {
            self.handling = Some(conn);
        }
        if self.live(conn) {
            match &completion.event {
                Event::Data(buffer) => {
                    let bytes = buffer.len() as u64;
                    self.slot(conn).queued -= bytes;
                    self.take(conn, bytes);
                }
                Event::Discarded(bytes) => self.take(conn, *bytes),
                Event::Sent => self.slot(conn).notify = false,
                Event::ConnectFailed(_) => self.slot(conn).state = State::Free,
                Event::Reached | Event::Connected(_) | Event::Eof | Event::Failed(_) => {}
            }
        }
        Some(completion)
    }

    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    fn release(&mut self, buffer: Buffer) {
        self.buffers.release(buffer);
    }

    fn counters(&self) -> DriverCounters {
        self.counters
    }
}
