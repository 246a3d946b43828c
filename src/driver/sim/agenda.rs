//! What is going to happen, in the order of the virtual clock.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::peer::Delivery;
use crate::driver::ConnId;
use crate::units::Nanos;

#[derive(Debug)]
pub(super) enum Action {
    ConnectOver {
        refused: bool,
    },
    /// Bytes of a send leave; `notify` when they are the last of one that asked for `Sent`.
    Depart {
        bytes: u64,
        notify: bool,
    },
    Arrive(Delivery),
    /// Something of a connection that has been closed.
    Stale,
}

#[derive(Debug)]
struct Entry {
    at: Nanos,
    /// Breaks ties: what was planned first happens first.
    sequence: u64,
    conn: ConnId,
    action: Action,
}

impl Entry {
    fn key(&self) -> (Nanos, u64) {
        (self.at, self.sequence)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Nanos, conn: ConnId, action: Action) {
        self.sequence += 1;
        self.entries.push(Reverse(Entry { at, sequence: self.sequence, conn, action }));
    }

    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the next action when it is due by `now`, with the time it was due.
    pub(super) fn due(&mut self, now: Nanos) -> Option<(Nanos, ConnId, Action)> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse(entry) = self.entries.pop()?;
        Some((entry.at, entry.conn, entry.action))
    }
}
