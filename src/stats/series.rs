//! The figures of one series.

use crate::stats::compact::CompactHistogram;
use crate::stats::histogram::interpolated;
use crate::stats::registry::Kind;
use crate::units::Nanos;

/// Values of trends are kept in millionths: of milliseconds, as k6 gives times, these are nanoseconds.
const MILLIONTHS: f64 = 1e6;

/// Samples of requests.
///
/// Most requests of the closed model go out when they are scheduled and are answered in one piece: then
/// response time, service time and time to the first byte are one value, recorded once in
/// `alike`. All others go into the other tables, each of which then has one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Answered requests.
    pub completed: u64,
    /// Requests without a whole response.
    pub failed: u64,
    /// Those answered before the window closed.
    pub completed_in_window: u64,
    /// Service time, first byte and response time in one.
    pub alike: CompactHistogram,
    /// done - sent of the others.
    pub service_time: CompactHistogram,
    /// First byte - sent of the others.
    pub first_byte: CompactHistogram,
    /// done - scheduled of the others.
    pub response_time: CompactHistogram,
    /// sent - scheduled of the others; the rest had none.
    pub start_lag: CompactHistogram,
    /// done - first byte, where it was not zero.
    pub receiving: CompactHistogram,
    /// Until the kernel had taken the request, where that was not at once.
    pub sending: CompactHistogram,
    /// From wanting a connection to having it, where there was none already.
    pub blocked: CompactHistogram,
    /// Of that, establishing it.
    pub connecting: CompactHistogram,
    /// Of that, the TLS handshake.
    pub tls_handshaking: CompactHistogram,
    /// How long requests that failed took: sent to the failure (0 when never sent).
    pub failed_time: CompactHistogram,
}

/// The tables of [`Requests`], by `&` or `&mut`.
macro_rules! tables {
    ($series:expr) => {
        fields!(
            $series,
            Requests {
                alike,
                service_time,
                first_byte,
                response_time,
                start_lag,
                receiving,
                sending,
                blocked,
                connecting,
                tls_handshaking,
                failed_time,
            } but { completed, failed, completed_in_window }
        )
    };
}

impl Requests {
    fn merge(&mut self, other: &Requests) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.completed_in_window += other.completed_in_window;
        for (to, from) in self.tables_mut().into_iter().zip(other.tables()) {
            to.merge(from);
        }
    }

    fn clear(&mut self) {
        self.completed = 0;
        self.failed = 0;
        self.completed_in_window = 0;
        self.tables_mut().into_iter().for_each(CompactHistogram::clear);
    }

    /// Its histograms, in a fixed order.
    pub(super) fn tables(&self) -> [&CompactHistogram; 11] {
        tables!(self)
    }

    /// The same, to be filled.
    pub(super) fn tables_mut(&mut self) -> [&mut CompactHistogram; 11] {
        tables!(self)
    }
}

/// The sum of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counter {
    /// Of all values.
    pub sum: f64,
    /// How many there were.
    pub samples: u64,
}

/// The last value of a gauge, and between what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauge {
    /// When it was set, as time since the start of measuring.
    pub at: Nanos,
    /// The value; meaningless where it was never set.
    pub value: f64,
    /// The smallest that it was set to; meaningless where it was never set.
    pub min: f64,
    /// The largest; meaningless where it was never set.
    pub max: f64,
    /// How often it was set.
    pub samples: u64,
}

impl Gauge {
    /// Adds another's samples; `later`: its last value is the last one of both.
    fn merge(&mut self, other: &Gauge, later: bool) {
        if other.samples == 0 {
            return;
        }
        if self.samples == 0 {
            *self = *other;
            return;
        }
        if later {
            (self.at, self.value) = (other.at, other.value);
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.samples += other.samples;
    }
}

/// How often something passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Passed.
    pub passes: u64,
    /// Did not.
    pub fails: u64,
}

/// Values of a custom metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// Their sum.
    pub sum: f64,
    /// The smallest; meaningless without values.
    pub min: f64,
    /// The largest; meaningless without values.
    pub max: f64,
    /// The values from zero on, in millionths.
    pub values: CompactHistogram,
    /// Those below zero, in millionths of their amount.
    pub negative: CompactHistogram,
}

impl Trend {
    fn record(&mut self, value: f64) {
        let first = self.is_empty();
        self.sum += value;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        // Casts of floats saturate.
        let scaled = (value.abs() * MILLIONTHS).round() as u64;
        if value < 0.0 { self.negative.record_any(scaled) } else { self.values.record_any(scaled) }
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.values.len() + self.negative.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean; 0 without values.
    pub fn mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.sum / self.len() as f64 }
    }

    /// The value that `percent` (0 to 100) of the values do not exceed, to three significant digits; 0 without values.
    pub fn percentile(&self, percent: f64) -> f64 {
        if self.is_empty() || percent <= 0.0 {
            return self.min;
        }
        let rank = ((percent / 100.0 * self.len() as f64).ceil() as u64).min(self.len());
        let mut seen = 0;
        for (value, count) in self.steps() {
            seen += count;
            if seen >= rank {
                return value;
            }
        }
        self.max
    }

    /// The percentile as k6 has it: see [`interpolated`]. 0 without values.
    pub fn interpolated(&self, percent: f64) -> f64 {
        interpolated(self.steps(), self.len(), percent).clamp(self.min, self.max)
    }

    /// Steps that hold values, in ascending order, and how many each holds.
    fn steps(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below: Vec<_> =
            self.negative.iter().map(|(amount, count)| (-(amount as f64), count)).collect();
        below.reverse();
        let above = self.values.iter_upper().map(|(value, count)| (value as f64, count));
        let all = below.into_iter().chain(above);
        all.map(|(value, count)| ((value / MILLIONTHS).clamp(self.min, self.max), count))
    }

    fn merge(&mut self, other: &Trend) {
        if other.is_empty() {
            return;
        }
        let first = self.is_empty();
        self.sum += other.sum;
        self.min = if first { other.min } else { self.min.min(other.min) };
        self.max = if first { other.max } else { self.max.max(other.max) };
        self.values.merge(&other.values);
        self.negative.merge(&other.negative);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.negative.clear();
        (self.sum, self.min, self.max) = (0.0, 0.0, 0.0);
    }
}

/// What a series holds, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Figures {
    /// Of requests.
    Requests(Box<Requests>),
    /// A sum.
    Counter(Counter),
    /// The last value.
    Gauge(Gauge),
    /// A share.
    Rate(Rate),
    /// A distribution.
    Trend(Box<Trend>),
}

impl Figures {
    /// None yet.
    pub fn new(kind: Kind) -> Figures {
        match kind {
            Kind::Requests => Figures::Requests(Box::default()),
            Kind::Counter => Figures::Counter(Counter::default()),
            Kind::Gauge => Figures::Gauge(Gauge::default()),
            Kind::Rate => Figures::Rate(Rate::default()),
            Kind::Trend => Figures::Trend(Box::default()),
        }
    }

    /// Of which kind they are.
    pub fn kind(&self) -> Kind {
        match self {
            Figures::Requests(_) => Kind::Requests,
            Figures::Counter(_) => Kind::Counter,
            Figures::Gauge(_) => Kind::Gauge,
            Figures::Rate(_) => Kind::Rate,
            Figures::Trend(_) => Kind::Trend,
        }
    }

    /// Adds a value of a custom metric at `at`, an offset from the start of measuring. A rate takes what is not zero as passed. What is
    /// no number is left out, as in k6.
    pub fn add(&mut self, value: f64, at: Nanos) {
        if !value.is_finite() {
            return;
        }
        match self {
            Figures::Requests(_) => debug_assert!(false, "requests are recorded by what they took"),
            Figures::Counter(counter) => {
                counter.sum += value;
                counter.samples += 1;
            }
            Figures::Gauge(gauge) => {
                gauge.merge(&Gauge { at, value, min: value, max: value, samples: 1 }, true)
            }
            Figures::Rate(rate) if value != 0.0 => rate.passes += 1,
            Figures::Rate(rate) => rate.fails += 1,
            Figures::Trend(trend) => trend.record(value),
        }
    }

    /// Adds another's samples. Exact; of two gauges the later one stays, of two of the same time the larger one, so that the order
    /// does not matter.
    pub fn merge(&mut self, other: &Figures) {
        match (self, other) {
            (Figures::Requests(to), Figures::Requests(from)) => to.merge(from),
            (Figures::Counter(to), Figures::Counter(from)) => {
                to.sum += from.sum;
                to.samples += from.samples;
            }
            (Figures::Rate(to), Figures::Rate(from)) => {
                to.passes += from.passes;
                to.fails += from.fails;
            }
            (Figures::Trend(to), Figures::Trend(from)) => to.merge(from),
            (Figures::Gauge(to), Figures::Gauge(from)) => {
                let later = (to.at, to.value) < (from.at, from.value);
                to.merge(from, later);
            }
            _ => debug_assert!(false, "series of one key are of one kind"),
        }
    }

    /// Forgets all samples, without giving memory back.
    pub fn clear(&mut self) {
        match self {
            Figures::Requests(requests) => requests.clear(),
            Figures::Counter(counter) => *counter = Counter::default(),
            Figures::Gauge(gauge) => *gauge = Gauge::default(),
            Figures::Rate(rate) => *rate = Rate::default(),
            Figures::Trend(trend) => trend.clear(),
        }
    }

    /// How many samples went into it.
    pub fn samples(&self) -> u64 {
        match self {
            Figures::Requests(requests) => requests.completed + requests.failed,
            Figures::Counter(counter) => counter.samples,
            Figures::Gauge(gauge) => gauge.samples,
            Figures::Rate(rate) => rate.passes + rate.fails,
            Figures::Trend(trend) => trend.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(values: &[f64]) -> Trend {
        let mut figures = Figures::new(Kind::Trend);
        values.iter().for_each(|value| figures.add(*value, Nanos::ZERO));
        match figures {
            Figures::Trend(trend) => *trend,
            _ => unreachable!("it was made as one"),
        }
    }

    #[test]
    fn a_trend_takes_any_number() {
        let all = trend(&[-2.5, 0.0, 1.0, 250.0, 3e12, f64::NAN, f64::INFINITY]);
        assert_eq!((all.len(), all.min, all.max), (5, -2.5, 3e12));
        assert_eq!(all.percentile(0.0), -2.5);
        assert!((all.percentile(50.0) - 1.0).abs() < 0.001);
        assert!((all.percentile(80.0) - 250.0).abs() < 0.25);
        assert_eq!((trend(&[]).mean(), trend(&[]).percentile(99.0)), (0.0, 0.0));
        assert_eq!(trend(&[-2.0, 0.0, 5.0]).mean(), 1.0);
        assert_eq!(trend(&[]).interpolated(99.0), 0.0);
        // k6 1.1 has these of 0, 3, 7, 7: p(50.5) is 5.06, p(99.99) is 7; of 1 and 4 p(99.99) is 3.9997.
        let (four, two) = (trend(&[7.0, 0.0, 3.0, 7.0]), trend(&[4.0, 1.0]));
        for (found, k6) in [
            (four.interpolated(50.5), 5.06),
            (four.interpolated(99.99), 7.0),
            (two.interpolated(99.99), 3.9997),
        ] {
            assert!((found - k6).abs() < k6 / 1_000.0, "{found} {k6}");
        }
        let mut merged = trend(&[-2.5, 250.0]);
        merged.merge(&trend(&[0.0, 1.0, 3e12]));
        assert_eq!(merged, all);
    }

    #[test]
    fn of_two_gauges_the_later_one_stays() {
        let at = |at, value| {
            let mut gauge = Figures::new(Kind::Gauge);
            gauge.add(value, Nanos(at));
            gauge
        };
        for (a, b) in [(at(1, 9.0), at(2, 3.0)), (at(2, 3.0), at(1, 9.0)), (at(2, 3.0), at(2, 1.0))] {
            let mut merged = a;
            merged.merge(&Figures::new(Kind::Gauge));
            merged.merge(&b);
            let Figures::Gauge(gauge) = merged else { unreachable!("it was made as one") };
            assert_eq!((gauge.at, gauge.value, gauge.samples), (Nanos(2), 3.0, 2));
            assert!(gauge.min <= 3.0 && gauge.max >= 3.0 && gauge.max - gauge.min > 1.0, "{gauge:?}");
        }
    }

    #[test]
    fn quiet_series_are_small() {
        let mut requests = Requests::default();
        for (n, table) in requests.tables_mut().into_iter().enumerate() {
            (0..5).for_each(|value| table.record(Nanos(100_000 * (n as u64 + value))));
        }
        let heap: usize = requests.tables().map(CompactHistogram::heap_bytes).iter().sum();
        let all = size_of::<Figures>() + size_of::<Requests>() + heap;
        assert!(all <= 4 << 10, "{all}");
    }
}
