//! What is going to happen, in the order of the virtual clock.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::peer::Delivery;
use crate::driver::ConnId;
use crate::units::Nanos;

#[derive(Debug)]
pub(super) enum Action {
    ConnectOver {
        errno: Option<i32>,
    },
    /// Bytes of a send leave; `notify` when they are the last of one that asked for `Sent`.
    Depart {
        bytes: u64,
        notify: bool,
        then: Then,
    },
    Arrive(Delivery),
    /// Something of a connection that has been closed.
    Stale,
    /// Every connection is reset.
    Outage,
}

/// What befalls a send behind the bytes that leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// The peer answers though it has not got everything; perhaps it closes then.
    EarlyResponse {
        close: bool,
    },
    /// The send fails, perhaps behind a response.
    Fails {
        errno: i32,
        answered: bool,
    },
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

/// Most of what is planned is planned in the order in which it happens: that stands in a queue. The rest, and what is
/// so far off that everything after it would belong to the rest, is in the heap.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    in_order: VecDeque<Entry>,
    others: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

/// Whatever is farther off than this does not go into the queue.
const NEAR: Nanos = Nanos::from_millis(20);

impl Agenda {
    pub(super) fn plan(&mut self, now: Nanos, at: Nanos, conn: ConnId, action: Action) {
        self.sequence += 1;
        let entry = Entry { at, sequence: self.sequence, conn, action };
        if at <= now + NEAR && self.in_order.back().is_none_or(|last| last.at <= at) {
            self.in_order.push_back(entry);
        } else {
            self.others.push(Reverse(entry));
        }
    }

    /// When the next thing happens, and whether it stands in the queue.
    fn first(&self) -> Option<(Nanos, bool)> {
        match (self.in_order.front(), self.others.peek()) {
            (Some(front), Some(Reverse(other))) if other < front => Some((other.at, false)),
            (Some(front), _) => Some((front.at, true)),
            (None, other) => other.map(|Reverse(other)| (other.at, false)),
        }
    }

    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.first().map(|(at, _)| at)
    }

    /// Takes the next action when it is due by `now`, with the time it was due.
    pub(super) fn due(&mut self, now: Nanos) -> Option<(Nanos, ConnId, Action)> {
        let (at, queued) = self.first()?;
        if at > now {
            return None;
        }
        let entry = if queued { self.in_order.pop_front()? } else { self.others.pop()?.0 };
        Some((entry.at, entry.conn, entry.action))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_happens_in_order(times in prop::collection::vec((0..50u64, 0..100u64), 1..100)) {
            let (mut agenda, mut now, mut order) = (Agenda::default(), Nanos::ZERO, Vec::new());
            let conn = ConnId { slot: 0, generation: 0 };
            let mut planned = Vec::new();
            for (number, (passes, ahead)) in times.iter().enumerate() {
                now += Nanos::from_millis(passes / 10);
                while let Some((at, conn, _)) = agenda.due(now) {
                    order.push((at, conn.slot));
                }
                let at = now + Nanos::from_millis(*ahead);
                planned.push((at, number as u32));
                agenda.plan(now, at, ConnId { slot: number as u32, ..conn }, Action::Stale);
            }
            while let Some((at, conn, _)) = agenda.due(Nanos::MAX) {
                order.push((at, conn.slot));
            }
            planned.sort_unstable();
            prop_assert_eq!(order, planned);
        }
    }
}
