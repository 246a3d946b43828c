//! Latency histograms: hdrhistogram with bounds that are the same everywhere, so that merging is exact.

use std::sync::OnceLock;
use std::{fmt, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::units::Nanos;

/// Resolution below which values are not told apart, in ns.
///
/// With three significant digits a histogram has 2,048 steps of this size before the steps begin to
/// grow: 16 ns up to 32 µs, which is finer than 0.1 % from 16 µs on. A finer unit would cost 1,024 more
/// counters for each halving and say nothing: reading the clock alone takes longer.
pub(super) const LOWEST: u64 = 16;

/// Largest value: one hour. Longer ones count as this.
pub(super) const HIGHEST: u64 = 3_600_000_000_000;

/// Three significant digits: a value is off by less than 0.1 %.
const DIGITS: u8 = 3;

/// How often each latency occurred. Values are in ns, from 0 to one hour, with three significant
/// digits from 16 µs up and to 16 ns below; longer ones saturate at one hour.
///
/// All histograms have the same 29,696 counters (232 KiB), from their first value on: it never allocates after that.
#[derive(Clone)]
pub struct Histogram(Option<hdrhistogram::Histogram<u64>>);

/// One step of the percentile spectrum, see [`Histogram::spectrum`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumPoint {
    /// 0 to 100.
    pub percentile: f64,
    /// So many percent of the values are at or below this one.
    pub value: Nanos,
    /// How many values those are.
    pub count: u64,
}

/// Text that is not a histogram which squall, or another HdrHistogram in its range, has written.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// Not base64.
    #[error("not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not the HdrHistogram V2 format with deflate.
    #[error("not a V2-DEFLATE histogram: {0}")]
    Format(String),
    /// Values above one hour.
    #[error("the histogram holds values above one hour")]
    Range,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

/// Equal when the same values, to the resolution, occurred equally often.
impl PartialEq for Histogram {
    fn eq(&self, other: &Histogram) -> bool {
        // hdrhistogram's own comparison tells a cleared histogram from a new one.
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Histogram {}

/// The figures that matter: 29,696 counters help nobody in a failed assertion.
impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("len", &self.len())
            .field("min", &self.min())
            .field("p50", &self.percentile(50.0))
            .field("p99", &self.percentile(99.0))
            .field("max", &self.max())
            .finish()
    }
}

impl Histogram {
    /// An empty histogram, without memory.
    pub fn new() -> Histogram {
        Histogram(None)
    }

    /// Its table, which it has from here on.
    #[inline]
    fn table(&mut self) -> &mut hdrhistogram::Histogram<u64> {
        self.0.get_or_insert_with(new_table)
    }

    /// Counts one value. Only the first one allocates.
    #[inline]
    pub fn record(&mut self, value: Nanos) {
        self.table().saturating_record(value.0.min(HIGHEST));
    }

    /// Counts `count` equal values. Only the first one allocates.
    pub fn record_n(&mut self, value: Nanos, count: u64) {
        // hdrhistogram would take a value that occurred zero times as a minimum or maximum.
        if count > 0 {
            self.table().saturating_record_n(value.0.min(HIGHEST), count);
        }
    }

    /// How many values were counted.
    pub fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, hdrhistogram::Histogram::len)
    }

    /// True when nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest value, rounded down to the resolution; 0 when empty.
    pub fn min(&self) -> Nanos {
        Nanos(self.0.as_ref().map_or(0, hdrhistogram::Histogram::min))
    }

    /// The largest value, rounded up to the resolution (below 16 ns: 0); 0 when empty.
    pub fn max(&self) -> Nanos {
        upper(self.0.as_ref().map_or(0, hdrhistogram::Histogram::max))
    }

    /// Mean in ns; 0 when empty. Off by less than 0.05 % or 8 ns: each value counts as the middle
    /// of its step.
    pub fn mean(&self) -> f64 {
        self.0.as_ref().map_or(0.0, hdrhistogram::Histogram::mean)
    }

    /// Standard deviation in ns (of the values themselves, not an estimate from a sample); 0 when empty.
    pub fn stddev(&self) -> f64 {
        self.0.as_ref().map_or(0.0, hdrhistogram::Histogram::stdev)
    }

    /// The value that `percent` (0 to 100) of the values do not exceed, rounded up to the
    /// resolution (below 16 ns: 0); 0 when empty. Of 1,000 values 99.9 % are 999, though that product is not exact in binary.
    pub fn percentile(&self, percent: f64) -> Nanos {
        match &self.0 {
            Some(table) if !table.is_empty() => {
                let count = table.len() as f64;
                // Half a step before the rank, so that nothing is left to rounding there.
                upper(table.value_at_quantile((rank(percent, table.len()) as f64 - 0.5) / count))
            }
            _ => Nanos::ZERO,
        }
    }

    /// The percentile as k6 has it, in ns: see [`interpolated`]. 0 when empty.
    pub fn interpolated(&self, percent: f64) -> f64 {
        let steps = self.iter().map(|(value, count)| (value.0 as f64, count));
        interpolated(steps, self.len(), percent).clamp(self.min().0 as f64, self.max().0 as f64)
    }

    /// Adds another's counts to this one: exactly as if all its values had been recorded here.
    /// Tens of µs; nothing when `other` is empty.
    pub fn merge(&mut self, other: &Histogram) {
        if let Some(from) = other.0.as_ref().filter(|from| !from.is_empty()) {
            self.table().add(from).expect("all histograms have the same bounds");
        }
    }

    /// Forgets everything. Tens of µs at worst; nothing when it is empty already.
    pub fn clear(&mut self) {
        if let Some(table) = self.0.as_mut().filter(|table| !table.is_empty()) {
            table.reset();
        }
    }

    /// The steps that hold values, in ascending order: (upper end of the step, count).
    pub fn iter(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        let recorded = self.0.iter().flat_map(hdrhistogram::Histogram::iter_recorded);
        recorded.map(|v| (upper(v.value_iterated_to()), v.count_at_value()))
    }

    /// The percentile spectrum as HdrHistogram prints it: `ticks` (at least 1) points for each
    /// halving of the distance to 100 %, the last one at 100 %.
    pub fn spectrum(&self, ticks: u32) -> impl Iterator<Item = SpectrumPoint> + '_ {
        let mut count = 0;
        let points = self.0.iter().flat_map(move |table| table.iter_quantiles(ticks.max(1)));
        points.map(move |v| {
            count += v.count_since_last_iteration();
            SpectrumPoint {
                percentile: v.quantile_iterated_to() * 100.0,
                value: upper(v.value_iterated_to()),
                count,
            }
        })
    }

    /// As base64 of the HdrHistogram V2 format with deflate, which HdrHistogram's tools in all
    /// languages read. Values are in ns.
    pub fn to_base64(&self) -> String {
        // Most reports have some that are empty.
        static EMPTY: OnceLock<String> = OnceLock::new();
        match &self.0 {
            Some(table) if !table.is_empty() => encode(table),
            _ => EMPTY.get_or_init(|| encode(&new_table())).clone(),
        }
    }

    /// The inverse of [`Histogram::to_base64`]. Histograms of other bounds are taken too and rounded
    /// to this one's.
    ///
    /// # Errors
    /// When the text is not such a histogram, or holds values above one hour.
    pub fn from_base64(text: &str) -> Result<Histogram, HistogramError> {
        let bytes = BASE64.decode(text.trim())?;
        let foreign: hdrhistogram::Histogram<u64> = Deserializer::new()
            .deserialize(&mut io::Cursor::new(bytes))
            .map_err(|e| HistogramError::Format(e.to_string()))?;
        let mut own = Histogram::new();
        own.table().add(&foreign).map_err(|_| HistogramError::Range)?;
        Ok(own)
    }
}

fn encode(table: &hdrhistogram::Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(table, &mut bytes)
        .expect("writing to memory does not fail, and the counters fit the format");
    BASE64.encode(bytes)
}

/// The memory of a table, in bytes.
pub const TABLE_BYTES: u64 = 29_696 * size_of::<u64>() as u64;

#[cold]
fn new_table() -> hdrhistogram::Histogram<u64> {
    let table = hdrhistogram::Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS);
    table.expect("the bounds are constants that hdrhistogram takes")
}

/// Which of `count` values, from 1 in ascending order, the first `percent` (0 to 100) of them end with.
///
/// The exact product rounded up: one that is a whole number but for what binary fractions cannot say (99.9 % of 1,000) is that.
pub(super) fn rank(percent: f64, count: u64) -> u64 {
    let exact = percent.clamp(0.0, 100.0) * count as f64 / 100.0;
    let whole = exact.round();
    let near = (exact - whole).abs() <= whole * 1e-12;
    ((if near { whole } else { exact.ceil() }) as u64).clamp(1, count.max(1))
}

/// The percentile (0 to 100) of `count` values that lie in ascending `steps`, as k6 has it: what lies at that share of the way from the first
/// value to the last, between two of them in proportion. 0 without values.
pub(super) fn interpolated(steps: impl Iterator<Item = (f64, u64)>, count: u64, percent: f64) -> f64 {
    let at = percent.clamp(0.0, 100.0) / 100.0 * count.saturating_sub(1) as f64;
    let (mut seen, mut before) = (0u64, None);
    for (value, here) in steps {
        let first = seen as f64;
        seen += here;
        if first > at {
            // Between the last one of the step before and the first one of this.
            let below = before.unwrap_or(value);
            return below + (value - below) * (at - (first - 1.0));
        }
        if seen as f64 > at && at <= seen as f64 - 1.0 {
            return value;
        }
        before = Some(value);
    }
    before.unwrap_or(0.0)
}

/// The first step reaches from 0 to 15 ns: "no time at all" is the honest name for it, where its
/// upper end would show 15 ns of lag in a run that has none.
pub(super) fn upper(value: u64) -> Nanos {
    Nanos(if value < LOWEST { 0 } else { value })
}

#[cfg(test)]
mod tests;
