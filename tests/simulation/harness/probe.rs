//! The simulated driver with what a script cannot say: things that depend on the clock or the worker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use crossbeam_channel::{Receiver, Sender, bounded};
use squall::driver::sim::{PeerBooks, SimDriver};
use squall::driver::{Buffer, Completion, ConnId, Driver, DriverCounters, Endpoint, Event, PayloadId, Wait};
use squall::stats::outcome::ErrorKind;
use squall::stats::snapshot::Snapshot;
use squall::transport::{AddRoute, Route};
use squall::units::Nanos;
use squall::worker::channel::Control;
use squall::worker::names::{Found, Lookup, Names, Unreachable};

/// Turns in a row in which nothing happens and hardly any time passes: more, and the loop spins.
const IDLE_TURNS_MAX: u32 = 2_000;
/// Nothing happens for so long: whatever the worker waits for, it does not come.
const QUIET_MAX: Nanos = Nanos::from_secs(60);
/// A turn that takes no longer than this has not slept.
const NO_SLEEP: Nanos = Nanos::from_micros(2);
/// Turns that a worker may take: so many for each thing that happens or is asked for, and for each millisecond, in which
/// there may be arrivals that are dropped.
const TURNS_PER_EVENT: u64 = 4;
const TURNS_PER_MS: u64 = 500;
const TURNS_FREE: u64 = 10_000;

/// What happens beside the script.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quirks {
    /// Ctrl-C at this point of the clock.
    pub(crate) stop_at: Option<Nanos>,
    /// Each reading of the clock takes this long: time passes within a turn.
    pub(crate) tick: Nanos,
    /// The peer accepts every connection and closes it at once.
    pub(crate) hang_up: bool,
    /// `Sent` comes this much later than the simulation has it: perhaps after the response.
    pub(crate) sent_late: Nanos,
    /// The worker is to be done by this point of the clock.
    pub(crate) end_by: Option<Nanos>,
    /// How many turns the worker takes is not to be judged: it may spin.
    pub(crate) spins: bool,
    /// From when on the collector sends emptied snapshots back, and how often; at zero: whenever one is wanted.
    pub(crate) emptied: Option<(Nanos, Nanos)>,
}

/// What is known when the worker is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) books: PeerBooks,
    pub(crate) ended_at: Nanos,
    /// When each connection attempt began, and in which slot.
    pub(crate) attempts: Vec<(Nanos, u32)>,
    /// When the last send was queued.
    pub(crate) last_send: Nanos,
    /// Waits of the worker.
    pub(crate) turns: u64,
    /// Completions taken, and verbs called.
    pub(crate) events: u64,
    /// How many waits had begun since the stop from outside when the last send was queued.
    pub(crate) send_after_stop: u32,
}

/// Passes everything on, and leaves what it has seen in `seen` when the worker drops it.
pub(crate) struct Probe<'a> {
    sim: SimDriver,
    control: &'a Control,
    quirks: Quirks,
    /// How far the clock is ahead of the simulation's, by the readings.
    ahead: Nanos,
    hung_up: VecDeque<ConnId>,
    /// `Sent` on its way, by the time on the simulation's clock.
    unsaid: VecDeque<(Nanos, ConnId)>,
    /// Waits since the stop from outside.
    after_stop: u32,
    /// Turns in a row without anything, and what had happened before them.
    idle: (u32, u64),
    began: Nanos,
    /// When something happened last, and how many things had by then.
    busy: (Nanos, u64),
    /// To the worker: emptied snapshots. The next one is due at the second.
    emptied: Option<(Sender<Snapshot>, Nanos)>,
    /// The worker's questions about origins that no plan names, where the replies go, and how many there were.
    names: Option<(Receiver<Lookup>, Sender<Found>, u32)>,
    /// Is called after each wait, with the time and the peer's books: leads the worker through its windows.
    leader: Option<Leader<'a>>,
    seen: Seen,
    report: Rc<RefCell<Seen>>,
}

type Leader<'a> = Box<dyn FnMut(Nanos, PeerBooks) + 'a>;

impl<'a> Probe<'a> {
    pub(crate) fn new(
        sim: SimDriver,
        quirks: Quirks,
        control: &'a Control,
        report: &Rc<RefCell<Seen>>,
    ) -> Probe<'a> {
        Probe {
            sim,
            control,
            quirks,
            ahead: Nanos::ZERO,
            hung_up: VecDeque::new(),
            unsaid: VecDeque::new(),
            after_stop: 0,
            idle: (0, 0),
            began: Nanos::ZERO,
            busy: (Nanos::ZERO, 0),
            emptied: None,
            names: None,
            leader: None,
            seen: Seen::default(),
            report: Rc::clone(report),
        }
    }

    /// Lets it send emptied snapshots to the worker, by [`Quirks::emptied`].
    pub(crate) fn with_collector(mut self, emptied: Sender<Snapshot>) -> Probe<'a> {
        self.emptied = self.quirks.emptied.map(|(from, _)| (emptied, from));
        self
    }

    /// Has `leader` lead the worker.
    pub(crate) fn led_by(mut self, leader: impl FnMut(Nanos, PeerBooks) + 'a) -> Probe<'a> {
        self.leader = Some(Box::new(leader));
        self
    }

    /// A resolver that knows each name every third time that it is asked.
    pub(crate) fn resolver(&mut self) -> Names {
        let (ask, questions) = bounded(1_000);
        let (replies, found) = bounded(1_000);
        self.names = Some((questions, replies, 0));
        Names { ask, found, forwarding: None }
    }

    fn resolve(&mut self) {
        let Some((questions, replies, asked)) = &mut self.names else { return };
        for lookup in questions.try_iter() {
            *asked += 1;
            let unreachable = |kind| Err(Unreachable { kind, cause: "as it has it".into() });
            let result = match *asked % 3 {
                0 => Ok(vec![(super::workers::endpoint(), Route::default())]),
                1 => unreachable(ErrorKind::Dns),
                _ => unreachable(ErrorKind::NotAllowed),
            };
            let found = Found { origin: lookup.origin, result, ttl: Nanos::MAX };
            replies.try_send(found).expect("there is room for each origin's reply");
        }
    }

    /// A slow collector sends an emptied snapshot back.
    fn collect(&mut self, now: Nanos) {
        let Some((_, every)) = self.quirks.emptied else { return };
        if let Some((sender, due)) = &mut self.emptied
            && *due <= now
            && sender.is_empty()
        {
            *due = now + every;
            // The worker may be gone.
            let _ = sender.send(Snapshot::new(0));
        }
    }

    /// Notices a loop that does not end, or that turns without anything to do.
    fn watch(&mut self, slept: Nanos) {
        let now = self.sim.now() + self.ahead;
        let by = self.quirks.end_by.unwrap_or(Nanos::MAX);
        assert!(now <= by, "the run does not end: it is {now}, and was to be over by {by}");
        if self.seen.events > self.busy.1 || self.busy.0 == Nanos::ZERO {
            self.busy = (now, self.seen.events);
        }
        assert!(
            now - self.busy.0 <= QUIET_MAX,
            "the run does not end: nothing happens from {} on",
            self.busy.0
        );
        if self.quirks.spins {
            return;
        }
        if slept > NO_SLEEP || self.seen.events > self.idle.1 {
            self.idle = (0, self.seen.events);
        }
        self.idle.0 += 1;
        assert!(self.idle.0 <= IDLE_TURNS_MAX, "the loop spins: at {now}, after {} turns", self.seen.turns);
        let passed_ms = (now - self.began).0 / 1_000_000;
        let most = TURNS_FREE + TURNS_PER_EVENT * self.seen.events + TURNS_PER_MS * passed_ms;
        let (turns, events) = (self.seen.turns, self.seen.events);
        assert!(turns <= most, "the loop turns too often: {turns} turns, {events} events, {passed_ms} ms");
    }

    fn stop_if_due(&mut self) {
        let now = self.sim.now() + self.ahead;
        if self.quirks.stop_at.is_some_and(|at| at <= now) && !self.control.stopped() {
            self.control.stop();
        }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.seen.books = self.sim.books();
        self.seen.ended_at = self.sim.now() + self.ahead;
        self.report.replace(std::mem::take(&mut self.seen));
    }
}

impl Driver for Probe<'_> {
    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        self.sim.add_endpoint(endpoint)
    }

    fn now(&mut self) -> Nanos {
        self.ahead += self.quirks.tick;
        self.stop_if_due();
        self.sim.now() + self.ahead
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        self.seen.events += 1;
        self.seen.attempts.push((self.sim.now() + self.ahead, conn.slot));
        self.sim.connect(conn, endpoint);
    }

    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        assert!(self.unsaid.iter().all(|(_, of)| *of != conn), "a send on {conn:?} is unfinished");
        self.seen.events += 1;
        self.seen.last_send = self.sim.now() + self.ahead;
        self.seen.send_after_stop = self.after_stop;
        self.sim.send(conn, payload, len, notify);
    }

    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        self.sim.draft(slot)
    }

    fn drafted(&self, slot: u32) -> &[u8] {
        self.sim.drafted(slot)
    }

    fn discard(&mut self, conn: ConnId, bytes: u64) {
        self.sim.discard(conn, bytes);
    }

    fn close(&mut self, conn: ConnId, reset: bool) {
        self.seen.events += 1;
        self.sim.close(conn, reset);
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        self.resolve();
        self.seen.turns += 1;
        self.after_stop += u32::from(self.control.stopped());
        let before = self.sim.now();
        self.began = if self.seen.turns == 1 { before } else { self.began };
        let next = self.unsaid.front().map_or(Nanos::MAX, |(at, _)| *at);
        self.sim.wait(match wait {
            Wait::Until { until: Nanos::MAX, want } if next == Nanos::MAX => {
                Wait::Until { until: Nanos::MAX, want }
            }
            Wait::Until { until, want } => Wait::Until { until: (until - self.ahead).min(next), want },
            Wait::Poll => Wait::Poll,
        })?;
        self.stop_if_due();
        let now = self.sim.now();
        self.collect(now + self.ahead);
        if let Some(leader) = &mut self.leader {
            leader(now + self.ahead, self.sim.books());
        }
        self.watch(now - before);
        Ok(())
    }

    fn next(&mut self) -> Option<Completion> {
        if let Some(conn) = self.hung_up.pop_front() {
            return Some(Completion { conn, event: Event::Eof });
        }
        let now = self.sim.now();
        if self.unsaid.front().is_some_and(|(at, _)| *at <= now) {
            let (_, conn) = self.unsaid.pop_front()?;
            return Some(Completion { conn, event: Event::Sent });
        }
        let completion = self.sim.next()?;
        self.seen.events += 1;
        if matches!(completion.event, Event::Connected(_)) && self.quirks.hang_up {
            self.hung_up.push_back(completion.conn);
        }
        if completion.event == Event::Sent && self.quirks.sent_late > Nanos::ZERO {
            self.unsaid.push_back((now + self.quirks.sent_late, completion.conn));
            return self.next();
        }
        Some(completion)
    }

    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.sim.bytes(buffer)
    }

    fn release(&mut self, buffer: Buffer) {
        self.sim.release(buffer);
    }

    fn counters(&self) -> DriverCounters {
        self.sim.counters()
    }
}

impl AddRoute for Probe<'_> {
    fn add_route(&mut self, endpoint: Endpoint, route: Route) -> u32 {
        assert!(route.is_direct());
        self.add_endpoint(endpoint)
    }
}
