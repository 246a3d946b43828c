//! The heads that were seen before, so that the next equal one need not be parsed.
//!
//! Servers response equal requests with equal heads but for the Date value. An entry keeps the head's
//! bytes and what the parser made of them; a response whose bytes match on both sides of the Date has
//! the same meaning, for the Date takes no part in the framing.
//!
//! There are `ENTRIES` entries, so that alternating heads (200 and 404, two routes of a pipelined
//! flow) all hit rather than evict each other. Replacement is "second chance": a hit marks an entry,
//! and a new head takes the place of the first unmarked one, so that a stray head cannot drive out
//! one in use. Where no two heads are ever equal (a request id in each) learning is waste: after
//! `EAGER_MISSES` misses in a row only every `LEARN_EVERY`th head is learnt.

use super::head::{DATE_LEN, Framing, Head, MAX_HEAD};
use super::message::{Expect, Response};

/// Heads that are remembered at a time.
const ENTRIES: usize = 4;

/// Misses in a row after which learning becomes rare.
const EAGER_MISSES: u32 = 64;

/// One in so many heads is learnt then.
const LEARN_EVERY: u32 = 16;

/// Longest head that is remembered, in bytes; longer ones are rare, and would hold memory for long.
const MAX_CACHED: usize = 8 * 1024;

/// Half-read heads kept for reuse at most.
const MAX_SPARE: u32 = 64;

/// A head that was parsed before.
pub(super) struct Entry {
    /// With the Date value that was seen last.
    head: Vec<u8>,
    /// Where the Date value begins.
    date_at: Option<usize>,
    /// What was asked: the response to HEAD ends where that to GET goes on. `None`: entry not in use.
    expect: Option<Expect>,
    /// Second chance.
    used: bool,
    /// Where the body ends.
    pub(super) framing: Framing,
    /// What completes if the framing is a length: the body is counted in already.
    pub(super) response: Response,
}

impl Entry {
    /// The Date changes once a second: mostly one comparison does.
    #[inline]
    fn matches(&mut self, expect: Expect, bytes: &[u8]) -> bool {
        self.expect == Some(expect) && (bytes.starts_with(&self.head) || self.matches_anew(bytes))
    }

    /// Compares either side of the Date; takes the new one over.
    #[cold]
    fn matches_anew(&mut self, bytes: &[u8]) -> bool {
        let (Some(at), Some(bytes)) = (self.date_at, bytes.get(..self.head.len())) else {
            return false;
        };
        let end = at + DATE_LEN;
        let equal = bytes[..at] == self.head[..at] && bytes[end..] == self.head[end..];
        let fits = equal && is_field_value(&bytes[at..end]);
        if fits {
            self.head[at..end].copy_from_slice(&bytes[at..end]);
        }
        fits
    }
}

/// No byte that would end the line or make the slow path refuse it (RFC 9110, 5.5).
fn is_field_value(bytes: &[u8]) -> bool {
    (bytes.iter()).all(|&b| matches!(b, b'\t' | b' '..=b'~' | 0x80..))
}

/// A head that is not complete yet.
#[derive(Default)]
pub(super) struct Partial {
    pub(super) bytes: Vec<u8>,
    next: Option<Box<Partial>>,
}

/// Remembers heads; one per worker and origin, shared by that worker's parsers.
pub struct HeadCache {
    entries: [Entry; ENTRIES],
    /// Index of the entry that hit last.
    hot: usize,
    /// Where the search for a place goes on.
    hand: usize,
    /// Since the last hit.
    misses: u32,
    spare: Option<Box<Partial>>,
    spares: u32,
    /// Longest head that is read, in bytes.
    pub(super) head_most: usize,
}

impl Default for HeadCache {
    fn default() -> Self {
        Self::new()
    }
}

impl HeadCache {
    /// An empty one, for heads of at most [`MAX_HEAD`] bytes.
    pub fn new() -> Self {
        HeadCache::up_to(MAX_HEAD)
    }

    /// An empty one, for heads of at most `head_most` bytes.
    pub fn up_to(head_most: usize) -> Self {
        HeadCache {
            entries: std::array::from_fn(|_| Entry {
                head: Vec::new(),
                date_at: None,
                expect: None,
                used: false,
                framing: Framing::UntilClose,
                response: Response { status: 0, keep_alive: false, head_len: 0, body_len: 0 },
            }),
            hot: 0,
            hand: 0,
            misses: 0,
            spare: None,
            spares: 0,
            head_most,
        }
    }

    /// The entry for the head at the start of `bytes`.
    #[inline]
    pub(super) fn find(&mut self, expect: Expect, bytes: &[u8]) -> Option<&Entry> {
        let mut hit = self.hot;
        if !self.entries[hit].matches(expect, bytes) {
            hit = self.find_elsewhere(expect, bytes)?;
        }
        self.misses = 0;
        let entry = &mut self.entries[hit];
        entry.used = true;
        Some(entry)
    }

    #[cold]
    fn find_elsewhere(&mut self, expect: Expect, bytes: &[u8]) -> Option<usize> {
        let hit = (self.entries.iter_mut()).position(|entry| entry.matches(expect, bytes))?;
        self.hot = hit;
        Some(hit)
    }

    /// Takes in the head that `find` missed. `head` was parsed from the start of `bytes`.
    pub(super) fn learn(&mut self, expect: Expect, head: &Head, bytes: &[u8]) {
        self.misses = self.misses.saturating_add(1);
        let rare = self.misses > EAGER_MISSES && !self.misses.is_multiple_of(LEARN_EVERY);
        if rare || head.len > MAX_CACHED {
            return;
        }
        while self.entries[self.hand].used {
            self.entries[self.hand].used = false;
            self.hand = (self.hand + 1) % ENTRIES;
        }
        let place = self.hand;
        self.hand = (self.hand + 1) % ENTRIES;
        self.hot = place;

        let entry = &mut self.entries[place];
        entry.head.clear();
        entry.head.extend_from_slice(&bytes[..head.len]);
        entry.date_at = head.date_at;
        entry.expect = Some(expect);
        entry.framing = head.framing;
        entry.response = Response::of(head);
    }

    /// A buffer for a head that came in pieces: a used one if there is one.
    pub(super) fn lend(&mut self) -> Box<Partial> {
        match self.spare.take() {
            Some(mut partial) => {
                self.spare = partial.next.take();
                self.spares -= 1;
                partial
            }
            None => Box::default(),
        }
    }

    /// Takes a buffer back, unless there are enough or it has grown large.
    pub(super) fn give_back(&mut self, mut partial: Box<Partial>) {
        if self.spares == MAX_SPARE || partial.bytes.capacity() > MAX_CACHED {
            return;
        }
        partial.bytes.clear();
        partial.next = self.spare.take();
        self.spare = Some(partial);
        self.spares += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::head;
    use super::*;

    #[test]
    fn buffers_come_back_up_to_a_number_and_a_size() {
        let mut cache = HeadCache::new();
        let lent: Vec<_> = (0..MAX_SPARE + 5).map(|_| cache.lend()).collect();
        for mut partial in lent {
            partial.bytes.extend_from_slice(b"half a head");
            cache.give_back(partial);
        }
        assert_eq!(cache.spares, MAX_SPARE);
        let mut large = cache.lend();
        assert!(large.bytes.is_empty() && large.bytes.capacity() > 0, "one that was used");
        assert_eq!(cache.spares, MAX_SPARE - 1);
        large.bytes.reserve(MAX_CACHED + 1);
        cache.give_back(large);
        assert_eq!(cache.spares, MAX_SPARE - 1, "one that has grown is let go");
        (0..MAX_SPARE - 1).for_each(|_| drop(cache.lend()));
        assert!(cache.spares == 0 && cache.spare.is_none());
    }

    /// Looks `head` up as the parser does, and learns it on a miss. True for a hit.
    fn meet(cache: &mut HeadCache, expect: Expect, head: &str) -> bool {
        let bytes = head.as_bytes();
        let hit = cache.find(expect, bytes).is_some();
        if !hit {
            let parsed = head::parse(bytes, expect, MAX_HEAD).expect("valid").expect("complete");
            cache.learn(expect, &parsed, bytes);
        }
        hit
    }

    fn response(status: u16, date: &str) -> String {
        assert_eq!(date.len(), DATE_LEN);
        format!("HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n")
    }

    /// Where `response` has its Date value.
    const DATE_AT: usize = 22;
    const ONE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const TWO: &str = "Mon, 07 Nov 1994 00:00:00 GMT";

    #[test]
    fn the_date_may_change_and_nothing_else() {
        let mut cache = HeadCache::new();
        assert!(!meet(&mut cache, Expect::Normal, &response(200, ONE)));
        assert!(meet(&mut cache, Expect::Normal, &response(200, TWO)));
        for i in 0..response(200, ONE).len() {
            let mut changed = response(200, ONE).into_bytes();
            let in_date = (DATE_AT..DATE_AT + DATE_LEN).contains(&i);
            changed[i] ^= 1;
            let hit = cache.find(Expect::Normal, &changed).is_some();
            assert_eq!(hit, in_date, "byte {i}");
        }
    }

    #[test]
    fn a_date_that_ends_its_line_is_no_date() {
        let mut cache = HeadCache::new();
        meet(&mut cache, Expect::Normal, &response(200, ONE));
        for bad in [b'\r', b'\n', 0, 0x7f, 0x1f] {
            for i in 0..DATE_LEN {
                let mut changed = response(200, ONE).into_bytes();
                changed[DATE_AT + i] = bad;
                assert!(cache.find(Expect::Normal, &changed).is_none());
            }
        }
    }

    #[test]
    fn prefixes_and_other_questions_miss() {
        let mut cache = HeadCache::new();
        let head = response(200, ONE);
        assert!(cache.find(Expect::Normal, b"").is_none());
        meet(&mut cache, Expect::Normal, &head);
        for end in 0..head.len() {
            assert!(cache.find(Expect::Normal, &head.as_bytes()[..end]).is_none());
        }
        assert!(cache.find(Expect::Head, head.as_bytes()).is_none());
    }

    #[test]
    fn alternating_heads_all_hit() {
        let mut cache = HeadCache::new();
        let heads = [200, 201, 404, 500].map(|status| response(status, ONE));
        for head in &heads {
            assert!(!meet(&mut cache, Expect::Normal, head));
        }
        for _ in 0..10 {
            for head in &heads {
                assert!(meet(&mut cache, Expect::Normal, head));
            }
        }
    }

    #[test]
    fn strays_do_not_drive_out_what_is_in_use() {
        let mut cache = HeadCache::new();
        let used = response(200, ONE);
        meet(&mut cache, Expect::Normal, &used);
        let mut misses = 0;
        for i in 0..1000 {
            misses += u32::from(!meet(&mut cache, Expect::Normal, &used));
            let stray = format!("HTTP/1.1 200 OK\r\nX-Id: {i}\r\nContent-Length: 0\r\n\r\n");
            assert!(!meet(&mut cache, Expect::Normal, &stray));
        }
        assert_eq!(misses, 0);
    }

    #[test]
    fn a_new_head_is_learnt_after_any_run_of_misses() {
        let mut cache = HeadCache::new();
        for i in 0..10_000 {
            let stray = format!("HTTP/1.1 200 OK\r\nX-Id: {i}\r\nContent-Length: 0\r\n\r\n");
            meet(&mut cache, Expect::Normal, &stray);
        }
        let met = (0..=LEARN_EVERY).position(|_| meet(&mut cache, Expect::Normal, &response(200, ONE)));
        assert!(met.is_some());
    }
}
