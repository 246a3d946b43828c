//! The requests in flight: one small FIFO per connection, all in one allocation.

use crate::units::Nanos;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// When the load model meant it to start. In the closed model set together with `sent`.
    pub(super) scheduled: Nanos,
    /// When its send was submitted; [`Nanos::MAX`] while it is assigned but not sent.
    pub(super) sent: Nanos,
}

/// FIFOs of `depth` entries for each slot.
#[derive(Debug)]
pub(super) struct Inflight {
    entries: Box<[Entry]>,
    depth: usize,
}

/// Where one connection's FIFO begins and how full it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    head: u16,
    len: u16,
}

impl Cursor {
    /// Entries in the FIFO.
    #[inline]
    pub(super) fn len(self) -> u16 {
        self.len
    }

    /// Takes the youngest `count` entries off; there are at least that many.
    pub(super) fn shorten(&mut self, count: u16) {
        self.len -= count;
    }
}

impl Inflight {
    pub(super) fn new(slots: u32, depth: u16) -> Inflight {
        let depth = usize::from(depth);
        Inflight { entries: vec![Entry::default(); slots as usize * depth].into(), depth }
    }

    #[inline]
    fn at(&self, slot: u32, cursor: Cursor, index: u16) -> usize {
        let mut place = usize::from(cursor.head) + usize::from(index);
        if place >= self.depth {
            place -= self.depth;
        }
        slot as usize * self.depth + place
    }

    /// Appends; the caller keeps `cursor.len()` below the depth.
    #[inline]
    pub(super) fn push(&mut self, slot: u32, cursor: &mut Cursor, entry: Entry) {
        assert!(usize::from(cursor.len) < self.depth);
        let at = self.at(slot, *cursor, cursor.len);
        self.entries[at] = entry;
        cursor.len += 1;
    }

    /// The oldest entry.
    #[inline]
    pub(super) fn front(&self, slot: u32, cursor: Cursor) -> Option<&Entry> {
        (cursor.len > 0).then(|| &self.entries[self.at(slot, cursor, 0)])
    }

    /// Takes the oldest entry.
    #[inline]
    pub(super) fn pop(&mut self, slot: u32, cursor: &mut Cursor) -> Option<Entry> {
        let entry = *self.front(slot, *cursor)?;
        cursor.head += 1;
        if usize::from(cursor.head) == self.depth {
            cursor.head = 0;
        }
        cursor.len -= 1;
        Some(entry)
    }

    /// The `index`-th oldest entry.
    pub(super) fn get(&self, slot: u32, cursor: Cursor, index: u16) -> &Entry {
        &self.entries[self.at(slot, cursor, index)]
    }

    /// The `index`-th oldest entry, for stamping.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32, cursor: Cursor, index: u16) -> &mut Entry {
        let at = self.at(slot, cursor, index);
        &mut self.entries[at]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_deque_per_slot(depth in 1u16..20, steps: Vec<(bool, bool)>) {
            let mut inflight = Inflight::new(2, depth);
            let mut cursors = [Cursor::default(); 2];
            let mut models = [VecDeque::new(), VecDeque::new()];
            for (n, (slot, push)) in steps.into_iter().enumerate() {
                let slot = usize::from(slot);
                let entry = Entry { scheduled: Nanos(n as u64), sent: Nanos(n as u64 + 1) };
                if push && models[slot].len() < usize::from(depth) {
                    inflight.push(slot as u32, &mut cursors[slot], entry);
                    models[slot].push_back(entry);
                } else if !push {
                    prop_assert_eq!(inflight.pop(slot as u32, &mut cursors[slot]), models[slot].pop_front());
                }
                for (index, wanted) in models[slot].iter().enumerate() {
                    prop_assert_eq!(inflight.get_mut(slot as u32, cursors[slot], index as u16), wanted);
                }
                prop_assert_eq!(usize::from(cursors[slot].len()), models[slot].len());
            }
        }
    }
}
