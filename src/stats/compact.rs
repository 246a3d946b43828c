//! Histograms for the many: as exact as the dense ones, with memory for what occurred alone.

use std::fmt;

use crate::stats::histogram::{HIGHEST, Histogram, LOWEST, rank, upper};
use crate::units::Nanos;

/// Counters of equal size in each doubling of the value, as a power of two: the dense histograms' three significant digits.
const HALF: u32 = 10;
/// Steps below the first doubling are 16 wide, as in the dense ones.
const UNIT: u32 = LOWEST.trailing_zeros();
/// Counters of a chunk.
const CHUNK: usize = 64;
/// Different values that are kept as a list before chunks pay.
const FEW_MAX: usize = 24;
/// No chunk.
const NONE: u16 = u16::MAX;
/// Chunks of one width at most: more than there are counters for.
const INDEX: u16 = (1 << 14) - 1;

/// How often each latency occurred, with the steps of [`Histogram`]: merging in either direction is exact.
///
/// Values are in ns; [`CompactHistogram::record`] saturates at one hour as dense ones do, [`CompactHistogram::record_any`] takes
/// the whole range of u64. An empty one takes 40 bytes, one of up to 24 different values some hundred more, one with 10,000 values over six
/// decades about 40 KiB. Memory is kept when it is cleared.
#[derive(Clone, Default)]
pub struct CompactHistogram {
    len: u64,
    store: Store,
}

#[derive(Clone)]
enum Store {
    /// Counters that are not zero, in ascending order.
    Few(Vec<(u16, u32)>),
    Many(Box<Chunks>),
}

impl Default for Store {
    fn default() -> Store {
        Store::Few(Vec::new())
    }
}

/// Counters in chunks, each as wide as its largest count needs.
#[derive(Clone, Default)]
struct Chunks {
    /// For each chunk of the range, from `first` on, where it is: width in the upper two bits, index among those of this width below.
    places: Vec<u16>,
    /// Number of the first chunk in `places`.
    first: u16,
    bytes: Vec<[u8; CHUNK]>,
    shorts: Vec<[u16; CHUNK]>,
    words: Vec<[u32; CHUNK]>,
    longs: Vec<[u64; CHUNK]>,
}

/// The counter of a value.
#[inline]
fn counter(value: u64) -> u16 {
    let first = (2 << (HALF + UNIT)) - 1;
    let doubling = (63 - HALF - UNIT) - (value | first).leading_zeros();
    // Below the first doubling the steps begin at 0, above at half of the counters: both come to the same.
    (((doubling) << HALF) + (value >> (doubling + UNIT)) as u32) as u16
}

/// The smallest value of a counter.
fn value(counter: u16) -> u64 {
    let (doubling, step) = (u32::from(counter) >> HALF, u64::from(counter) & ((1 << HALF) - 1));
    match doubling.checked_sub(1) {
        None => step << UNIT,
        Some(shift) => (step + (1 << HALF)) << (shift + UNIT),
    }
}

impl CompactHistogram {
    /// Counts one value; above one hour as one hour.
    #[inline]
    pub fn record(&mut self, value: Nanos) {
        self.add(counter(value.0.min(HIGHEST)), 1);
    }

    /// Counts one value of any size.
    #[inline]
    pub fn record_any(&mut self, value: u64) {
        self.add(counter(value), 1);
    }

    /// How many values were counted.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn add(&mut self, counter: u16, count: u64) {
        self.len += count;
        match &mut self.store {
            Store::Many(chunks) => chunks.add(counter, count),
            Store::Few(_) => self.add_to_few(counter, count),
        }
    }

    fn add_to_few(&mut self, counter: u16, count: u64) {
        let Store::Few(few) = &mut self.store else { return };
        match few.binary_search_by_key(&counter, |(at, _)| *at) {
            Ok(at) => {
                if let Some(sum) =
                    u64::from(few[at].1).checked_add(count).and_then(|sum| u32::try_from(sum).ok())
                {
                    few[at].1 = sum;
                    return;
                }
            }
            Err(at) if few.len() < FEW_MAX => {
                if let Ok(count) = u32::try_from(count) {
                    few.insert(at, (counter, count));
                    return;
                }
            }
            Err(_) => {}
        }
        let mut chunks = Box::<Chunks>::default();
        few.iter().for_each(|(counter, count)| chunks.add(*counter, u64::from(*count)));
        chunks.add(counter, count);
        self.store = Store::Many(chunks);
    }

    /// Counters that are not zero with their counts, in ascending order.
    #[inline]
    pub(crate) fn each_counter(&self, mut f: impl FnMut(u16, u64)) {
        match &self.store {
            Store::Few(few) => few.iter().for_each(|(counter, count)| f(*counter, u64::from(*count))),
            Store::Many(chunks) => chunks.each(f),
        }
    }

    fn counters(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let mut all = Vec::new();
        self.each_counter(|counter, count| all.push((counter, count)));
        all.into_iter()
    }

    /// One of these counters, in ascending order, each once and above zero. `None` where one is beyond the values of u64.
    pub(crate) fn of_counters(counters: &[(u16, u64)]) -> Option<CompactHistogram> {
        let mut built = CompactHistogram::default();
        let Some((last, _)) = counters.last() else { return Some(built) };
        if *last > counter(u64::MAX) {
            return None;
        }
        built.len = counters.iter().map(|(_, count)| count).sum();
        let few =
            counters.len() <= FEW_MAX && counters.iter().all(|(_, count)| *count <= u64::from(u32::MAX));
        built.store = if few {
            Store::Few(counters.iter().map(|(counter, count)| (*counter, *count as u32)).collect())
        } else {
            Store::Many(Box::new(Chunks::of(counters)))
        };
        Some(built)
    }

    /// The smallest values of the steps that hold some, with their counts, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counters().map(|(counter, count)| (value(counter), count))
    }

    /// The largest values of these steps, instead.
    pub fn iter_upper(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let last = counter(u64::MAX);
        self.counters().map(move |(at, count)| (if at < last { value(at + 1) - 1 } else { u64::MAX }, count))
    }

    /// Adds another's values to this one's, exactly.
    pub fn merge(&mut self, other: &CompactHistogram) {
        other.each_counter(|counter, count| self.add(counter, count));
    }

    /// Adds its values to a dense one, exactly; those above one hour as one hour.
    pub fn merge_into(&self, to: &mut Histogram) {
        self.each_counter(|counter, count| to.record_n(Nanos(value(counter)), count));
    }

    /// Adds a dense one's values, exactly.
    pub fn merge_dense(&mut self, dense: &Histogram) {
        if !dense.is_empty() {
            dense.iter().for_each(|(value, count)| self.add(counter(value.0), count));
        }
    }

    /// All of a dense one's values.
    pub fn of(dense: &Histogram) -> CompactHistogram {
        let mut built = CompactHistogram::default();
        built.merge_dense(dense);
        built
    }

    /// The value that `percent` (0 to 100) of the values do not exceed, as the dense one says it; 0 when empty.
    pub fn percentile(&self, percent: f64) -> Nanos {
        let rank = rank(percent, self.len);
        let mut seen = 0;
        let mut steps = self.iter_upper();
        let found = steps.find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        found.map_or(Nanos::ZERO, |(value, _)| upper(value))
    }

    /// The largest value, rounded up to the resolution; 0 when empty.
    pub fn max(&self) -> Nanos {
        self.iter_upper().last().map_or(Nanos::ZERO, |(value, _)| upper(value))
    }

    /// Forgets all values, and keeps the memory.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.len) == 0 {
            return;
        }
        match &mut self.store {
            Store::Few(few) => few.clear(),
            Store::Many(chunks) => chunks.clear(),
        }
    }

    /// The memory that it takes beside itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.store {
            Store::Few(few) => few.capacity() * size_of::<(u16, u32)>(),
            Store::Many(chunks) => size_of::<Chunks>() + chunks.heap_bytes(),
        }
    }
}

impl Chunks {
    /// Of counters in ascending order; there is at least one.
    fn of(counters: &[(u16, u64)]) -> Chunks {
        let chunk_of = |(counter, _): &(u16, u64)| usize::from(*counter) / CHUNK;
        let (first, last) = (chunk_of(&counters[0]), chunk_of(&counters[counters.len() - 1]));
        let mut chunks =
            Chunks { places: vec![NONE; last - first + 1], first: first as u16, ..Chunks::default() };
        chunks.bytes.reserve(chunks.places.len().min(counters.len()));
        for run in counters.chunk_by(|a, b| chunk_of(a) == chunk_of(b)) {
            let place = &mut chunks.places[chunk_of(&run[0]) - first];
            *place = match run.iter().map(|(_, count)| *count).max().unwrap_or(0) {
                0..0x100 => put(&mut chunks.bytes, run, 0, |count| count as u8),
                0x100..0x1_0000 => put(&mut chunks.shorts, run, 1, |count| count as u16),
                0x1_0000..0x1_0000_0000 => put(&mut chunks.words, run, 2, |count| count as u32),
                _ => put(&mut chunks.longs, run, 3, |count| count),
            };
        }
        chunks
    }

    #[inline]
    fn add(&mut self, counter: u16, count: u64) {
        let (chunk, at) = (usize::from(counter) / CHUNK, usize::from(counter) % CHUNK);
        let place = self.places.get(chunk.wrapping_sub(usize::from(self.first))).copied().unwrap_or(NONE);
        // The most frequent by far: a chunk that is there, and wide enough.
        let index = usize::from(place & INDEX);
        let fits = match place >> 14 {
            0 => add_narrow(&mut self.bytes, index, at, count),
            1 => add_narrow(&mut self.shorts, index, at, count),
            2 => add_narrow(&mut self.words, index, at, count),
            _ if place != NONE => {
                self.longs[index][at] += count;
                true
            }
            _ => false,
        };
        if !fits {
            self.widen(chunk, place);
            self.add(counter, count);
        }
    }

    /// Makes the chunk one step wider; one that is not there comes into being. What is left behind stays unused: at most as much
    /// as the wider one takes.
    #[cold]
    fn widen(&mut self, chunk: usize, place: u16) {
        let index = usize::from(place & INDEX);
        let (width, new) = match place >> 14 {
            _ if place == NONE => {
                self.reach(chunk);
                self.bytes.push([0; CHUNK]);
                (0, self.bytes.len())
            }
            0 => {
                self.shorts.push(self.bytes[index].map(u16::from));
                (1, self.shorts.len())
            }
            1 => {
                self.words.push(self.shorts[index].map(u32::from));
                (2, self.words.len())
            }
            _ => {
                self.longs.push(self.words[index].map(u64::from));
                (3, self.longs.len())
            }
        };
        self.places[chunk - usize::from(self.first)] = width << 14 | (new - 1) as u16;
    }

    /// Gives `places` an entry for the chunk.
    fn reach(&mut self, chunk: usize) {
        if self.places.is_empty() {
            self.first = chunk as u16;
        }
        if let Some(missing) = usize::from(self.first).checked_sub(chunk) {
            self.places.splice(0..0, std::iter::repeat_n(NONE, missing));
            self.first = chunk as u16;
        }
        let at = chunk - usize::from(self.first);
        if at >= self.places.len() {
            self.places.resize(at + 1, NONE);
        }
    }

    /// Counters that are not zero with their counts, in ascending order.
    fn each(&self, mut f: impl FnMut(u16, u64)) {
        let chunks = (usize::from(self.first)..).zip(&self.places).filter(|(_, place)| **place != NONE);
        for (chunk, place) in chunks {
            let (index, first) = (usize::from(place & INDEX), (chunk * CHUNK) as u16);
            match place >> 14 {
                0 => each_byte(&self.bytes[index], first, &mut f),
                1 => each_counter(&self.shorts[index], first, &mut f),
                2 => each_counter(&self.words[index], first, &mut f),
                _ => each_counter(&self.longs[index], first, &mut f),
            }
        }
    }

    /// Chunks keep the width that they have come to.
    fn clear(&mut self) {
        self.bytes.fill([0; CHUNK]);
        self.shorts.fill([0; CHUNK]);
        self.words.fill([0; CHUNK]);
        self.longs.fill([0; CHUNK]);
    }

    fn heap_bytes(&self) -> usize {
        self.places.capacity() * 2
            + CHUNK
                * (self.bytes.capacity()
                    + 2 * self.shorts.capacity()
                    + 4 * self.words.capacity()
                    + 8 * self.longs.capacity())
    }
}

/// Appends a chunk of these counters; where it is then.
fn put<W: Copy + Default>(
    chunks: &mut Vec<[W; CHUNK]>,
    counters: &[(u16, u64)],
    width: u16,
    narrow: impl Fn(u64) -> W,
) -> u16 {
    let mut chunk = [W::default(); CHUNK];
    counters.iter().for_each(|(counter, count)| chunk[usize::from(*counter) % CHUNK] = narrow(*count));
    chunks.push(chunk);
    width << 14 | (chunks.len() - 1) as u16
}

/// Eight at a time: most are zero.
fn each_byte(counters: &[u8; CHUNK], first: u16, f: &mut impl FnMut(u16, u64)) {
    for (eight, at) in counters.as_chunks::<8>().0.iter().zip((first..).step_by(8)) {
        let mut left = u64::from_le_bytes(*eight);
        while left != 0 {
            let byte = left.trailing_zeros() / 8;
            f(at + byte as u16, left >> (8 * byte) & 0xff);
            left &= !(0xff << (8 * byte));
        }
    }
}

fn each_counter<W: Copy>(counters: &[W; CHUNK], first: u16, f: &mut impl FnMut(u16, u64))
where
    u64: From<W>,
{
    for (counter, at) in counters.iter().zip(first..) {
        let count = u64::from(*counter);
        if count > 0 {
            f(at, count);
        }
    }
}

/// Adds to a counter unless it is too narrow for the sum.
#[inline]
fn add_narrow<W: Copy + TryFrom<u64>>(chunks: &mut [[W; CHUNK]], index: usize, at: usize, count: u64) -> bool
where
    u64: From<W>,
{
    let counter = &mut chunks[index][at];
    let sum = u64::from(*counter).checked_add(count).and_then(|sum| W::try_from(sum).ok());
    sum.map(|sum| *counter = sum).is_some()
}

/// Equal when the same values, to the resolution, occurred equally often.
impl PartialEq for CompactHistogram {
    fn eq(&self, other: &CompactHistogram) -> bool {
        self.len == other.len && self.counters().eq(other.counters())
    }
}

impl Eq for CompactHistogram {}

impl fmt::Debug for CompactHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = self.iter();
        let first = steps.next().map(|(value, _)| value);
        let last = steps.last().map(|(value, _)| value).or(first);
        f.debug_struct("CompactHistogram")
            .field("len", &self.len)
            .field("first", &first)
            .field("last", &last)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counters_take_the_memory_that_they_need() {
        let few: Vec<(u16, u64)> = (0..FEW_MAX as u16).map(|counter| (counter, 1)).collect();
        let of = |counters: &[(u16, u64)]| CompactHistogram::of_counters(counters).unwrap();
        assert!(matches!(of(&few).store, Store::Few(_)));
        let large = [(3, u64::from(u32::MAX)), (4, 1)];
        assert!(matches!(of(&large).store, Store::Few(_)));
        let larger = [(3, u64::from(u32::MAX) + 1)];
        assert!(matches!(of(&larger).store, Store::Many(_)));
        let many: Vec<(u16, u64)> = (0..=FEW_MAX as u16).map(|counter| (counter, 1)).collect();
        let many = of(&many);
        assert!(matches!(many.store, Store::Many(_)));
        // Chunks of bytes, and the table that says where they are.
        assert!(many.heap_bytes() > CHUNK && many.heap_bytes() < 16 << 10, "{}", many.heap_bytes());
        assert!(of(&few).heap_bytes() < many.heap_bytes());
    }

    fn of(values: &[u64]) -> CompactHistogram {
        let mut built = CompactHistogram::default();
        values.iter().for_each(|value| built.record(Nanos(*value)));
        built
    }

    fn dense(values: &[u64]) -> Histogram {
        let mut built = Histogram::new();
        values.iter().for_each(|value| built.record(Nanos(*value)));
        built
    }

    /// Of all magnitudes.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let one = (0u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift);
        prop::collection::vec(one, 0..400)
    }

    proptest! {
        #[test]
        fn it_has_the_steps_of_the_dense_one(values in values()) {
            let (compact, dense) = (of(&values), dense(&values));
            let mut back = Histogram::new();
            compact.merge_into(&mut back);
            prop_assert_eq!(&back, &dense);
            prop_assert_eq!((back.min(), back.max()), (dense.min(), dense.max()));
            prop_assert_eq!(back.mean().to_bits(), dense.mean().to_bits());
            for percent in [0.1, 50.0, 75.0, 99.0, 99.9, 100.0] {
                prop_assert_eq!(compact.percentile(percent), dense.percentile(percent), "p{}", percent);
            }
            prop_assert_eq!(compact.max(), dense.max());
            prop_assert_eq!(CompactHistogram::of(&dense), compact);
        }

        #[test]
        fn merging_is_exact(a in values(), b in values(), times in 1u64..300) {
            let mut merged = of(&a);
            (0..times).for_each(|_| merged.merge(&of(&b)));
            let all: Vec<u64> = (0..times).flat_map(|_| b.iter()).chain(&a).copied().collect();
            prop_assert_eq!(&merged, &of(&all));
            let counters: Vec<(u16, u64)> = merged.counters().collect();
            let mut again = CompactHistogram::of_counters(&counters).expect("they are in range");
            prop_assert_eq!(&again, &merged);
            again.merge(&of(&a));
            let mut more = merged.clone();
            more.merge(&of(&a));
            prop_assert_eq!(&again, &more);
            merged.clear();
            prop_assert!(merged.is_empty() && merged.iter().next().is_none());
            merged.merge(&of(&a));
            prop_assert_eq!(merged, of(&a));
        }

        #[test]
        fn every_value_lies_in_its_step(shift in 0u32..64, any: u64) {
            let it = any >> shift;
            let at = counter(it);
            prop_assert!(value(at) <= it);
            prop_assert!(at == counter(u64::MAX) || value(at + 1) > it);
        }
    }

    #[test]
    fn counts_of_any_size_are_kept() {
        let mut compact = CompactHistogram::default();
        for count in [1, 250, 5, 65_000, 1 << 20, 1 << 33, 1 << 40] {
            compact.add(7, count);
        }
        let all = 1 + 250 + 5 + 65_000 + (1 << 20) + (1 << 33) + (1 << 40);
        assert_eq!(compact.counters().collect::<Vec<_>>(), [(7, all)]);
        assert_eq!(CompactHistogram::of_counters(&[(u16::MAX, 1)]), None);
        for count in [1, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32] {
            let one = CompactHistogram::of_counters(&[(7, count)]).expect("it is in range");
            assert_eq!(one.counters().collect::<Vec<_>>(), [(7, count)]);
            let many: Vec<(u16, u64)> = (0..100).map(|n| (n * 3, count)).collect();
            assert_eq!(
                CompactHistogram::of_counters(&many).map(|h| h.counters().collect::<Vec<_>>()),
                Some(many)
            );
        }
    }

    #[test]
    fn memory_is_for_what_occurred() {
        assert!(size_of::<CompactHistogram>() <= 40);
        let quiet = of(&[1_000_000, 2_000_000, 3_000_000, 2_000_000]);
        assert!(quiet.heap_bytes() <= 64, "{}", quiet.heap_bytes());
        // Evenly over the logarithms, from 1 us to 1 s.
        let busy: Vec<u64> =
            (0..10_000).map(|n| (1e3 * 10f64.powf(f64::from(n) / 10_000.0 * 6.0)) as u64).collect();
        let busy = of(&busy);
        assert!(busy.heap_bytes() <= 48 << 10, "{}", busy.heap_bytes());
    }
}
