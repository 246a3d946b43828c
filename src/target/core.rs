//! What the connections of one serving thread share.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio_uring::net::TcpStream;

use super::inject::{Dice, Latency};
use super::metrics::{self, ThreadStats};
use super::respond::Responder;
use super::scan::{Scan, Scanner};
use super::timer::Timer;
use crate::clock;
use crate::units::Nanos;

/// What the tasks of one thread share.
pub(super) struct Core {
    pub(super) index: usize,
    pub(super) latency: Option<Latency>,
    pub(super) error_rate: f64,
    pub(super) stats: Arc<[ThreadStats]>,
    pub(super) dice: RefCell<Dice>,
    pub(super) scanner: RefCell<Scanner>,
    pub(super) responder: RefCell<Responder>,
    /// When the Date changes next.
    pub(super) next_second: Cell<Nanos>,
    pub(super) timer: Rc<Timer>,
    pub(super) stopping: Cell<bool>,
    pub(super) peers: RefCell<HashMap<u64, Rc<Peer>>>,
}

impl Core {
    pub(super) fn stats(&self) -> &ThreadStats {
        &self.stats[self.index]
    }

    pub(super) fn metrics(&self) -> String {
        metrics::render(&self.stats)
    }

    pub(super) fn scan(&self, input: &[u8]) -> Scan {
        self.scanner.borrow_mut().scan(input)
    }

    pub(super) fn responder(&self) -> Ref<'_, Responder> {
        self.responder.borrow()
    }

    pub(super) fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Whether the server was told to stop.
    pub(super) fn stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Whether latency or errors are injected at all.
    pub(super) fn has_faults(&self) -> bool {
        self.latency.is_some() || self.error_rate > 0.0
    }

    pub(super) fn draw_latency(&self) -> Nanos {
        match &self.latency {
            Some(latency) => latency.draw(&mut self.dice.borrow_mut()),
            None => Nanos::ZERO,
        }
    }

    pub(super) fn draw_error(&self) -> bool {
        let hit = self.error_rate > 0.0 && self.dice.borrow_mut().hits(self.error_rate);
        if hit {
            self.stats().injected_error();
        }
        hit
    }

    /// Renews the Date if a second has passed.
    #[inline]
    pub(super) fn tick(&self, now: Nanos) {
        if now >= self.next_second.get() {
            let wall = clock::wall();
            self.responder.borrow_mut().set_date(wall);
            self.next_second.set(now + Nanos(1_000_000_000 - wall.0 % 1_000_000_000));
        }
    }
}

/// What the thread knows of a connection while its task runs.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    /// Waiting for the first byte of a request: nothing is lost when the input ends here.
    pub(super) idle: Cell<bool>,
}
