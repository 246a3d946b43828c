//! The parts of responses that somebody wants to see, and how much of them all users together may keep.

use std::sync::Arc;

use crate::worker::shared::Allowance;

/// A body that has grown beyond this is not kept for the next response.
const KEPT_MOST: usize = 1 << 20;

/// The parts of a response that somebody wants to see.
#[derive(Debug, Default)]
pub struct Parts {
    /// The final head.
    pub head: Vec<u8>,
    /// The payload.
    pub body: Vec<u8>,
    /// It was longer than what may be kept of one.
    pub truncated: bool,
    /// It would have been more than what may be kept of all.
    pub(in crate::worker) refused: bool,
    allowance: Option<Arc<Allowance>>,
    /// Taken of the allowance, and given back with the buffer.
    taken: u64,
}

impl Parts {
    /// The next piece of the payload, of which at most `limit` bytes are kept.
    pub(in crate::worker) fn take_in(&mut self, bytes: &[u8], limit: usize) {
        let room = limit - self.body.len().min(limit);
        self.truncated |= bytes.len() > room;
        let bytes = &bytes[..bytes.len().min(room)];
        if bytes.len() <= self.body.capacity() - self.body.len() || self.grow(bytes.len()) {
            self.body.extend_from_slice(bytes);
        }
    }

    /// Room for so many bytes more. Without it nothing of the body is kept any more.
    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        let before = self.body.capacity();
        // Twice as much each time, as a vector grows by itself.
        let wanted = (self.body.len() + more).max(before * 2) - before;
        if let Some(allowance) = &self.allowance {
            if self.refused || !allowance.take(wanted as u64) {
                self.refused = true;
                return false;
            }
            self.taken += wanted as u64;
        }
        self.body.reserve_exact(before + wanted - self.body.len());
        true
    }

    fn give_up_body(&mut self) {
        self.body = Vec::new();
        if let Some(allowance) = &self.allowance {
            allowance.give_back(std::mem::take(&mut self.taken));
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.give_up_body();
    }
}

/// Parts that are in no outcome, for the next ones.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "exchanges hold them boxed, so that one without costs a pointer")]
pub(in crate::worker) struct Spare {
    parts: Vec<Box<Parts>>,
    allowance: Arc<Allowance>,
}

impl Spare {
    pub(in crate::worker) fn new(allowance: &Arc<Allowance>) -> Spare {
        Spare { parts: Vec::new(), allowance: Arc::clone(allowance) }
    }

    #[inline]
    pub(in crate::worker) fn take(&mut self) -> Box<Parts> {
        self.parts.pop().unwrap_or_else(|| {
            let mut parts = Box::<Parts>::default();
            parts.allowance = Some(Arc::clone(&self.allowance));
            parts
        })
    }

    #[inline]
    pub(in crate::worker) fn put(&mut self, parts: Option<Box<Parts>>) {
        if let Some(mut parts) = parts {
            parts.head.clear();
            parts.body.clear();
            parts.truncated = false;
            if parts.refused || parts.body.capacity() > KEPT_MOST {
                parts.refused = false;
                parts.give_up_body();
            }
            self.parts.push(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_kept_up_to_their_limit_and_to_that_of_all() {
        let allowance = Allowance::of(10_000);
        let mut spare = Spare::new(&allowance);
        let mut first = spare.take();
        first.take_in(&[1; 3_000], 4_000);
        assert_eq!((first.body.len(), first.truncated, allowance.left()), (3_000, false, 7_000));
        first.take_in(&[2; 3_000], 4_000);
        assert_eq!((first.body.len(), first.truncated, first.refused), (4_000, true, false));
        let mut second = spare.take();
        second.take_in(&[3; 6_000], 1 << 20);
        assert_eq!((second.body.len(), second.refused), (0, true), "{}", allowance.left());
        second.take_in(&[3; 1], 1 << 20);
        assert!(second.body.is_empty(), "what is behind a piece that is missing is not kept");
        spare.put(Some(second));
        drop(first);
        assert_eq!(allowance.left(), 10_000);
        let mut again = spare.take();
        assert!(!again.refused);
        again.take_in(&[4; 6_000], 1 << 20);
        assert_eq!(again.body.len(), 6_000);
    }

    #[test]
    fn small_buffers_stay_and_large_ones_go() {
        let allowance = Allowance::of(u64::MAX);
        let mut spare = Spare::new(&allowance);
        for (len, kept) in [(KEPT_MOST, true), (KEPT_MOST + 1, false)] {
            let mut parts = spare.take();
            parts.take_in(&vec![0; len], usize::MAX);
            spare.put(Some(parts));
            assert_eq!(spare.parts.last().is_some_and(|parts| parts.body.capacity() > 0), kept);
        }
        drop(spare);
        assert_eq!(allowance.left(), u64::MAX);
    }
}
