//! The connections of one worker: which are open, which have room, which are due to be opened.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::connection::{Connection, State};
use crate::units::Nanos;

/// Connection attempts under way at a time: below every common accept queue (nginx: 511), so that
/// no SYN is dropped and retried a second later.
pub(super) const CONNECTING_MAX: u32 = 128;

/// Slots, and the queues that slots stand in. A slot stands in each queue at most once.
pub(super) struct Pool {
    pub(super) connections: Vec<Connection>,
    /// Open connections with room for a request, longest idle first (no micro-bursts on a few).
    idle: VecDeque<u32>,
    /// To be opened as soon as the limit on attempts allows.
    to_open: VecDeque<u32>,
    timers: BinaryHeap<Reverse<(Nanos, u32)>>,
    pub(super) connecting: u32,
    pub(super) open: u32,
    /// Requests sent and not yet answered, over all connections.
    pub(super) in_flight: u64,
}

impl Pool {
    pub(super) fn new(slots: u32) -> Pool {
        Pool {
            connections: (0..slots).map(|_| Connection::new()).collect(),
            idle: VecDeque::with_capacity(slots as usize),
            to_open: (0..slots).collect(),
            timers: BinaryHeap::with_capacity(slots as usize + 1),
            connecting: 0,
            open: 0,
            in_flight: 0,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.connections[slot as usize]
    }

    /// Puts an open connection with room into the queue of idle ones.
    #[inline]
    pub(super) fn offer(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if !connection.queued {
            connection.queued = true;
            self.idle.push_back(slot);
        }
    }

    /// [`offer`](Pool::offer), if less than `depth` requests are on the connection.
    #[inline]
    pub(super) fn offer_if_room(&mut self, slot: u32, depth: u16) {
        if self.connections[slot as usize].fifo.len() < depth {
            self.offer(slot);
        }
    }

    /// The longest idle connection that has room for one more of `depth` requests.
    #[inline]
    pub(super) fn take_idle(&mut self, depth: u16) -> Option<u32> {
        while let Some(slot) = self.idle.pop_front() {
            let connection = &mut self.connections[slot as usize];
            connection.queued = false;
            // Since it was queued it may have been closed, and even be open again.
            if connection.state == State::Open && connection.fifo.len() < depth {
                return Some(slot);
            }
        }
        None
    }

    /// The next slot to open, if the limit on attempts allows one.
    pub(super) fn take_to_open(&mut self) -> Option<u32> {
        if self.connecting >= CONNECTING_MAX {
            return None;
        }
        self.to_open.pop_front()
    }

    pub(super) fn reopen(&mut self, slot: u32) {
        self.to_open.push_back(slot);
    }

    /// True while connections wait for nothing but their turn to be opened.
    pub(super) fn can_open(&self) -> bool {
        !self.to_open.is_empty() && self.connecting < CONNECTING_MAX
    }

    /// Sets a timer on `slot`, unless an earlier one is set: when that fires, it is asked again.
    ///
    /// So a busy connection costs one timer per time-out span, not one per request.
    #[inline]
    pub(super) fn set_timer(&mut self, slot: u32, at: Nanos) {
        let connection = &mut self.connections[slot as usize];
        if at < connection.alarm {
            connection.alarm = at;
            self.timers.push(Reverse((at, slot)));
        }
    }

    /// When the next timer fires.
    #[inline]
    pub(super) fn next_timer(&self) -> Nanos {
        self.timers.peek().map_or(Nanos::MAX, |Reverse((at, _))| *at)
    }

    /// A slot whose timer has fired by `now`.
    pub(super) fn take_expired(&mut self, now: Nanos) -> Option<u32> {
        while self.next_timer() <= now {
            let Reverse((at, slot)) = self.timers.pop()?;
            let connection = &mut self.connections[slot as usize];
            // A timer that was overtaken by an earlier one is void.
            if connection.alarm == at {
                connection.alarm = Nanos::MAX;
                return Some(slot);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool_with_open(slots: u32) -> Pool {
        let mut pool = Pool::new(slots);
        for slot in 0..slots {
            pool.get_mut(slot).state = State::Open;
        }
        pool
    }

    #[test]
    fn idle_connections_take_turns_and_stand_in_the_queue_once() {
        let mut pool = pool_with_open(3);
        for slot in [2, 0, 2, 1] {
            pool.offer(slot);
        }
        let order: Vec<_> = std::iter::from_fn(|| pool.take_idle(1)).collect();
        assert_eq!(order, [2, 0, 1]);
    }

    #[test]
    fn a_closed_connection_is_not_handed_out() {
        let mut pool = pool_with_open(2);
        pool.offer(0);
        pool.offer(1);
        pool.get_mut(0).retire();
        assert_eq!(pool.take_idle(1), Some(1));
        assert_eq!(pool.take_idle(1), None);
    }

    #[test]
    fn an_earlier_timer_overtakes_and_voids_a_later_one() {
        let mut pool = pool_with_open(1);
        pool.set_timer(0, Nanos(100));
        pool.set_timer(0, Nanos(200)); // covered by the first
        pool.set_timer(0, Nanos(50));
        assert_eq!(pool.next_timer(), Nanos(50));
        assert_eq!(pool.take_expired(Nanos(60)), Some(0));
        assert_eq!(pool.take_expired(Nanos(1_000)), None);
        assert_eq!(pool.next_timer(), Nanos::MAX);
    }

    #[test]
    fn attempts_are_bounded() {
        let mut pool = Pool::new(1_000);
        let mut begun = 0;
        while pool.take_to_open().is_some() {
            pool.connecting += 1;
            begun += 1;
        }
        assert_eq!(begun, CONNECTING_MAX);
    }
}
