//! The simulated driver with what a script cannot say: things that depend on the clock or the worker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use squall::driver::sim::{PeerBooks, SimDriver};
use squall::driver::{Buffer, Completion, ConnId, Driver, DriverCounters, Endpoint, Event, PayloadId, Wait};
use squall::units::Nanos;
use squall::worker::channel::Control;

/// What happens beside the script.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quirks {
    /// Ctrl-C at this point of the clock.
    pub(crate) stop_at: Option<Nanos>,
    /// Each reading of the clock takes this long: time passes within a turn.
    pub(crate) tick: Nanos,
    /// The peer accepts every connection and closes it at once.
    pub(crate) hang_up: bool,
    /// `Sent` comes this much later than the simulation has it: perhaps after the answer.
    pub(crate) sent_late: Nanos,
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
    seen: Seen,
    report: Rc<RefCell<Seen>>,
}

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
            seen: Seen::default(),
            report: Rc::clone(report),
        }
    }

    fn stop_if_due(&mut self) {
        let now = self.sim.now() + self.ahead;
        if self.quirks.stop_at.is_some_and(|at| at <= now) {
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
    fn now(&mut self) -> Nanos {
        self.ahead += self.quirks.tick;
        self.stop_if_due();
        self.sim.now() + self.ahead
    }

    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        self.sim.add_endpoint(endpoint)
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        self.seen.attempts.push((self.sim.now() + self.ahead, conn.slot));
        self.sim.connect(conn, endpoint);
    }

    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        assert!(self.unsaid.iter().all(|(_, of)| *of != conn), "a send on {conn:?} is unfinished");
        self.seen.last_send = self.sim.now() + self.ahead;
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
        self.sim.close(conn, reset);
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        let next = self.unsaid.front().map_or(Nanos::MAX, |(at, _)| *at);
        self.sim.wait(match wait {
            Wait::Until { until: Nanos::MAX, want } if next == Nanos::MAX => {
                Wait::Until { until: Nanos::MAX, want }
            }
            Wait::Until { until, want } => Wait::Until { until: (until - self.ahead).min(next), want },
            Wait::Poll => Wait::Poll,
        })?;
        self.stop_if_due();
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
