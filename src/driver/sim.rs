//! The simulated driver: a virtual clock, a scripted peer, seeded faults.
//!
//! A test instrument that lives here so that whole workers can be run over it, hours of them in
//! milliseconds, and the same seed gives the same run. It keeps the peer's books ([`PeerBooks`])
//! to hold against the worker's, and it panics when the worker breaks the contract of
//! [`Driver`]: a slot that is not free, a generation that does not follow, a send behind an
//! unfinished one, longer than its payload or not a request, a draft that is written to while it is sent, a discard
//! out of turn, a buffer released twice, a wait that nothing could ever end.
//!
//! Time passes only in `wait`: [`SimScript::turn_cost`] each, in `Wait::Until` up to the next
//! thing that happens, and in the worker's standstills.

mod agenda;
mod arrive;
mod books;
mod buffers;
mod cookies;
mod depart;
mod peer;
mod random;
mod requests;
mod script;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use self::agenda::{Action, Agenda};
use self::buffers::Buffers;
use self::cookies::Cookies;
use self::peer::{Chunk, Delivery, Peer};
use self::random::Dice;
use self::requests::Asked;
use super::token::GENERATIONS;
use super::{
    Buffer, Completion, ConnId, Driver, DriverConfig, DriverCounters, Endpoint, Event, PayloadId, Wait,
    append,
};
use crate::units::Nanos;

pub use books::PeerBooks;
pub use script::{CONNECT_ERRNOS, NEVER, Outage, STREAM_ERRNOS, Service, SimFaults, SimScript};

/// Within this after a close, something stale may complete.
const STALE_WITHIN: Nanos = Nanos::from_millis(1);
/// Of no connection.
const NOBODY: ConnId = ConnId { slot: u32::MAX, generation: u32::MAX };
/// Sets the second dice apart from the first.
const MORE: u64 = 0x5eed_0f7e_e1a7_e12f;

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
    endpoint: u32,
    peer: Peer,
    /// Arrived, not yet in a completion.
    received: VecDeque<Chunk>,
    /// What comes after that.
    ending: Option<Event>,
    /// A send that asked for `Sent` is unfinished.
    notify: bool,
    /// A send of the draft that did not ask for it is neither answered nor over.
    drafted: bool,
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
    /// Where whole responses end, in bytes since the connection began, with the cookie that each gives.
    response_ends: VecDeque<(u64, Option<u32>)>,
    /// An outage has reset it: nothing arrives any more.
    cut_off: bool,
    /// On the list of those that have something to receive at the next wait.
    listed: bool,
    starved: bool,
}

impl Slot {
    fn new(generation: Option<u32>, state: State) -> Slot {
        Slot {
            state,
            generation,
            endpoint: 0,
            peer: Peer::default(),
            received: VecDeque::new(),
            ending: None,
            notify: false,
            drafted: false,
            sends_over: Nanos::ZERO,
            discard: 0,
            discard_lags: false,
            queued: 0,
            arrived: 0,
            taken: 0,
            response_ends: VecDeque::new(),
            cut_off: false,
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
    /// What goes wrong at each endpoint.
    faults: Vec<SimFaults>,
    responses: Vec<Arc<[u8]>>,
    redirects: Vec<Arc<[u8]>>,
    /// Where requests end in each payload.
    framed: Vec<Vec<(u64, Asked)>>,
    drafts: Vec<Vec<u8>>,
    request_len: Option<u64>,
    clock: Nanos,
    dice: Dice,
    /// For what was added later: so that a seed goes on to mean what it did.
    more_dice: Dice,
    cookies: Cookies,
    agenda: Agenda,
    slots: Vec<Slot>,
    buffers: Buffers,
    done: VecDeque<Completion>,
    /// Completions that did not fit into the queue.
    overflowed: VecDeque<Completion>,
    /// What a peer is going to deliver; kept for its memory.
    out: Vec<(Nanos, Delivery)>,
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
    /// When the script has no response or an empty one, no buffers, or requests of no length.
    pub fn new(config: DriverConfig, script: SimScript) -> SimDriver {
        let request_len = script.request_len.map(u64::from);
        assert!(request_len != Some(0), "requests must have a length");
        let responses: Vec<Arc<[u8]>> = script.responses.iter().map(|r| r[..].into()).collect();
        assert!(!responses.is_empty(), "the peer needs a response");
        assert!(responses.iter().all(|r| !r.is_empty()), "a response is empty");
        let mut faults = vec![script.faults; config.endpoints.len()];
        for (endpoint, own) in &script.endpoint_faults {
            faults[*endpoint as usize] = *own;
        }
        let mut agenda = Agenda::default();
        for outage in &script.outages {
            agenda.plan(script.start, script.start + outage.from, NOBODY, Action::Outage);
        }
        SimDriver {
            slots: (0..config.slots).map(|_| Slot::new(None, State::Free)).collect(),
            framed: config.payloads.iter().map(|payload| depart::ends_in(payload, request_len)).collect(),
            redirects: script.redirects.iter().map(|to| redirect(to)).collect(),
            drafts: vec![Vec::new(); config.slots as usize],
            buffers: Buffers::new(script.buffers, script.buffer_len),
            dice: Dice::new(script.seed),
            more_dice: Dice::new(script.seed ^ MORE),
            cookies: Cookies::default(),
            clock: script.start,
            faults,
            responses,
            request_len,
            config,
            script,
            agenda,
            done: VecDeque::new(),
            overflowed: VecDeque::new(),
            out: Vec::new(),
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

    fn plan(&mut self, at: Nanos, conn: ConnId, action: Action) {
        self.agenda.plan(self.clock, at, conn, action);
    }

    /// Does all that is due by now.
    fn catch_up(&mut self) {
        while let Some((at, conn, action)) = self.agenda.due(self.clock) {
            match action {
                Action::Stale => self.report_stale(conn),
                Action::Outage => self.cut_everything_off(),
                _ if !self.live(conn) => {}
                Action::ConnectOver { errno } => self.connect_over(conn, errno, at),
                Action::Depart { bytes, notify, then } => self.depart(conn, bytes, notify, then, at),
                Action::Arrive(delivery) => self.arrive(conn, delivery),
            }
        }
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

    /// How long the worker stands still in this wait, and whether before what happens meanwhile completes.
    fn standstill(&mut self) -> (Nanos, bool) {
        let (shortest, longest) = self.script.stall;
        if !self.more_dice.happens(self.script.faults.stalls) {
            return (Nanos::ZERO, false);
        }
        self.books.stalls += 1;
        let span = Nanos(self.more_dice.between(shortest.0, longest.0));
        (span, self.more_dice.happens(0.5))
    }

    /// Keeps some of what has completed for the next wait.
    fn overflow(&mut self) {
        let happens = self.more_dice.happens(self.script.faults.cq_overflows);
        if happens && self.done.len() > 1 {
            let room = self.more_dice.between(1, self.done.len() as u64) as usize;
            self.overflowed = self.done.split_off(room);
            self.counters.cq_overflows += self.overflowed.len() as u64;
        }
    }

    fn is_broken(&self) -> io::Result<()> {
        match self.script.wait_fails_at {
            Some(at) if self.clock >= at => Err(io::Error::from_raw_os_error(libc::EBADF)),
            _ => Ok(()),
        }
    }
}

/// A response that redirects.
fn redirect(location: &str) -> Arc<[u8]> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes().into()
}

impl Driver for SimDriver {
    fn now(&mut self) -> Nanos {
        self.clock
    }

    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        self.faults.push(self.script.faults);
        append(&mut self.config.endpoints, endpoint)
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        assert!((endpoint as usize) < self.config.endpoints.len(), "no endpoint {endpoint}");
        let peer = Peer::new(self.request_len);
        let slot = self.slot(conn);
        assert!(slot.state == State::Free, "connect: {conn:?} is {:?}", slot.state);
        if let Some(last) = slot.generation {
            assert_eq!(
                conn.generation,
                (last + 1) % GENERATIONS,
                "connect: the generation of {conn:?} does not follow {last}"
            );
        }
        let own = Slot::new(Some(conn.generation), State::Connecting);
        *slot = Slot { endpoint, peer, ..own };
        self.begin_connect(conn, endpoint);
    }

    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        let room = match payload {
            PayloadId::DRAFT => self.drafts[conn.slot as usize].len(),
            PayloadId(at) => self.config.payloads[at as usize].len(),
        };
        assert!(len > 0 && len as usize <= room, "send: {len} of {room} bytes");
        assert!(self.live(conn), "send: {conn:?} is closed");
        let slot = self.slot(conn);
        assert!(matches!(slot.state, State::Open | State::Dead), "send: {conn:?} is {:?}", slot.state);
        assert!(!slot.notify, "send: one on {conn:?} is unfinished");
        slot.notify = notify;
        slot.drafted = payload == PayloadId::DRAFT && !notify;
        self.begin_send(conn, payload, len, notify);
    }

    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        let own = &self.slots[slot as usize];
        assert!(!own.notify && !own.drafted, "draft: a send of slot {slot} is unfinished");
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
        let faults = self.faults_of(conn);
        if self.dice.happens(faults.stale_completions) {
            self.plan(at, conn, Action::Stale);
        }
        *self.slot(conn) = Slot::new(Some(conn.generation), State::Free);
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        self.counters.enters += 1;
        self.handling = None;
        self.starved_now = false;
        self.clock += self.script.turn_cost;
        self.is_broken()?;
        let (standstill, before) = self.standstill();
        if before {
            self.clock += standstill;
        }
        self.done.append(&mut self.overflowed);
        self.receive_unread();
        self.catch_up();
        if let Wait::Until { until, want } = wait {
            self.sleep(until.min(self.script.wait_fails_at.unwrap_or(Nanos::MAX)), want);
        }
        if !before {
            self.clock += standstill;
        }
        self.overflow();
        self.is_broken()
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
