//! Exchanges in order: one small queue per connection, all in one allocation.

use crate::http::protocol::Entry;

/// Queues of at least so many entries, one for each connection. Room for a power of two each, so that finding an entry takes no
/// comparison.
#[derive(Debug)]
pub struct Queues<X> {
    entries: Box<[X]>,
    /// Room of a queue, as a power of two.
    shift: u32,
    /// Room of a queue, less one.
    mask: u16,
}

/// Where one connection's queue begins and how full it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// Counts on and on; its lower bits are the place.
    head: u16,
    len: u16,
}

impl<X: Entry> Queues<X> {
    /// With `depth` 0 there are no queues.
    pub(super) fn new(connections: u32, depth: u16) -> Queues<X> {
        let room = if depth == 0 { 0 } else { usize::from(depth).next_power_of_two() };
        let mut entries = Vec::new();
        entries.resize_with(connections as usize * room, X::default);
        Queues { entries: entries.into(), shift: room.max(1).trailing_zeros(), mask: room.max(1) as u16 - 1 }
    }

    #[inline]
    fn at(&self, connection: u32, cursor: Cursor, index: u16) -> usize {
        let place = usize::from(cursor.head.wrapping_add(index) & self.mask);
        ((connection as usize) << self.shift) + place
    }

    /// Appends; the caller keeps the queue below the depth.
    #[inline]
    pub(super) fn push(&mut self, connection: u32, cursor: &mut Cursor, entry: X) {
        assert!(cursor.len <= self.mask);
        let at = self.at(connection, *cursor, cursor.len);
        self.entries[at] = entry;
        cursor.len += 1;
    }

    /// Takes the oldest entry; there is one.
    #[inline]
    pub(super) fn pop(&mut self, connection: u32, cursor: &mut Cursor) -> X {
        debug_assert!(cursor.len > 0);
        let at = self.at(connection, *cursor, 0);
        cursor.head = cursor.head.wrapping_add(1);
        cursor.len -= 1;
        self.entries[at].take()
    }

    /// Takes the youngest entry, if there is one.
    pub(super) fn pop_last(&mut self, connection: u32, cursor: &mut Cursor) -> Option<X> {
        cursor.len = cursor.len.checked_sub(1)?;
        let at = self.at(connection, *cursor, cursor.len);
        Some(self.entries[at].take())
    }

    /// The `index`-th oldest entry.
    #[inline]
    pub(super) fn get_mut(&mut self, connection: u32, cursor: Cursor, index: u16) -> &mut X {
        let at = self.at(connection, cursor, index);
        &mut self.entries[at]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    impl Entry for usize {}

    proptest! {
        #[test]
        fn behaves_like_a_deque_per_connection(depth in 1u16..20, steps: Vec<(bool, u8)>) {
            let mut queues = Queues::new(2, depth);
            let mut cursors = [Cursor::default(); 2];
            let mut models = [VecDeque::new(), VecDeque::new()];
            for (n, (which, step)) in steps.into_iter().enumerate() {
                let at = usize::from(which);
                match step % 3 {
                    0 if models[at].len() < usize::from(depth) => {
                        queues.push(at as u32, &mut cursors[at], n);
                        models[at].push_back(n);
                    }
                    1 if !models[at].is_empty() => {
                        prop_assert_eq!(Some(queues.pop(at as u32, &mut cursors[at])), models[at].pop_front());
                    }
                    2 => prop_assert_eq!(queues.pop_last(at as u32, &mut cursors[at]), models[at].pop_back()),
                    _ => {}
                }
                for (index, wanted) in models[at].iter().enumerate() {
                    prop_assert_eq!(&*queues.get_mut(at as u32, cursors[at], index as u16), wanted);
                }
                prop_assert_eq!(usize::from(cursors[at].len), models[at].len());
            }
        }
    }
}
