//! What happened in a run of scenarios, kept apart as a [`Layout`] says.

use crate::stats::compact::CompactHistogram;
use crate::stats::histogram::Histogram;
use crate::stats::layout::Layout;
use crate::stats::snapshot::LatencySet;
use crate::units::Nanos;

/// The samples of one series.
///
/// Most requests of the closed model go out when they are scheduled and are answered in one piece: then
/// response time, service time and time to the first byte are one value, recorded once in
/// `alike`. All others go into the other tables, each of which then has one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Answered requests.
    pub completed: u64,
    /// Requests without a whole answer.
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

/// The tables of a [`Series`], by `&` or `&mut`. Taken apart so that one added later cannot be forgotten.
macro_rules! tables {
    ($series:expr) => {{
        let Series {
            completed: _,
            failed: _,
            completed_in_window: _,
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
        } = $series;
        [
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
        ]
    }};
}

impl Series {
    /// Adds another's samples.
    pub fn merge(&mut self, other: &Series) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.completed_in_window += other.completed_in_window;
        for (to, from) in tables!(self).into_iter().zip(tables!(other)) {
            to.merge(from);
        }
    }

    /// Forgets everything, without giving memory back.
    pub fn clear(&mut self) {
        self.completed = 0;
        self.failed = 0;
        self.completed_in_window = 0;
        tables!(self).into_iter().for_each(CompactHistogram::clear);
    }
}

/// What became of a scenario's iterations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScenarioTally {
    /// Iterations that arrived by schedule (arrival-rate executors), or simply began.
    pub scheduled: u64,
    /// Iterations that a virtual user began.
    pub started: u64,
    /// Whole iterations; one that ended at a missing value counts (`broken`).
    pub completed: u64,
    /// Of those, iterations cut short because an extraction found nothing or a data set ran out.
    pub broken: u64,
    /// Iterations cut off by the end of the graceful stop, of the ramp-down, or of the run.
    pub interrupted: u64,
    /// Iterations that never began: no virtual user was free (arrival rates), or their number was not
    /// reached (shared-iterations, per-vu-iterations). k6's `dropped_iterations`.
    pub dropped: u64,
    /// Redirects that were not followed: the plan has no such origin, or there were too many.
    pub redirects_refused: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of answers.
    pub received_bytes: u64,
    /// Whole iterations, from begin to end.
    pub iteration_duration: CompactHistogram,
    /// Virtual users at work when the interval ended. A gauge: merging adds workers up.
    pub vus: u64,
    /// Most virtual users that were there at a time.
    pub vus_max: u64,
}

impl ScenarioTally {
    fn add_counts(&mut self, other: &ScenarioTally) {
        self.scheduled += other.scheduled;
        self.started += other.started;
        self.completed += other.completed;
        self.broken += other.broken;
        self.interrupted += other.interrupted;
        self.dropped += other.dropped;
        self.redirects_refused += other.redirects_refused;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.iteration_duration.merge(&other.iteration_duration);
    }

    fn clear(&mut self) {
        let mut iteration_duration = std::mem::take(&mut self.iteration_duration);
        iteration_duration.clear();
        *self = ScenarioTally { iteration_duration, ..ScenarioTally::default() };
    }
}

/// An answer that failed a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSample {
    /// Index into [`Layout::checks`].
    pub check: u32,
    /// Its status; 0 when there was no whole answer.
    pub status: u16,
    /// When, from the start of measuring.
    pub at: Nanos,
    /// The beginning of its body, where it was kept.
    pub excerpt: String,
}

/// How often a check passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckTally {
    /// Passed.
    pub passes: u64,
    /// Did not.
    pub fails: u64,
}

/// Everything that a run of scenarios keeps apart. Empty (no entries) in plain runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Base series, then those of watches.
    pub series: Vec<Series>,
    /// How many of them are base series: together they hold each sample once.
    pub bases: usize,
    /// A scenario's stages in a row.
    pub scenarios: Vec<ScenarioTally>,
    /// A check's stages in a row.
    pub checks: Vec<CheckTally>,
}

impl Tally {
    /// An empty one.
    pub fn new(layout: &Layout) -> Tally {
        Tally {
            series: vec![Series::default(); layout.series()],
            bases: layout.base_series(),
            scenarios: vec![ScenarioTally::default(); layout.scenario_slots()],
            checks: vec![CheckTally::default(); layout.check_slots()],
        }
    }

    /// True in plain runs.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Each sample once.
    pub fn base_series(&self) -> &[Series] {
        &self.series[..self.bases]
    }

    /// Adds all response times to `to`.
    pub fn merge_response_time_into(&self, to: &mut Histogram) {
        for series in self.base_series() {
            series.alike.merge_into(to);
            series.response_time.merge_into(to);
        }
    }

    /// The latencies of all requests. Those that are not in any series (`connect`, `tls_handshake`, `pickup_lag`) are the caller's.
    pub fn latencies(&self, started: u64) -> LatencySet {
        let mut set = LatencySet::default();
        for series in self.base_series() {
            series.alike.merge_into(&mut set.service_time);
            series.service_time.merge_into(&mut set.service_time);
            series.alike.merge_into(&mut set.first_byte);
            series.first_byte.merge_into(&mut set.first_byte);
            series.start_lag.merge_into(&mut set.start_lag);
        }
        self.merge_response_time_into(&mut set.response_time);
        set.start_lag.record_n(Nanos::ZERO, started.saturating_sub(set.start_lag.len()));
        set
    }

    /// Takes the shape of `other`, if it has none yet.
    pub fn fit(&mut self, other: &Tally) {
        if self.series.len() < other.series.len() {
            self.bases = other.bases;
            self.series.resize_with(other.series.len(), Series::default);
            self.scenarios.resize_with(other.scenarios.len(), ScenarioTally::default);
            self.checks.resize_with(other.checks.len(), CheckTally::default);
        }
    }

    fn merge_counts(&mut self, other: &Tally) {
        self.fit(other);
        self.series.iter_mut().zip(&other.series).for_each(|(to, from)| to.merge(from));
        for (to, from) in self.scenarios.iter_mut().zip(&other.scenarios) {
            to.add_counts(from);
        }
        for (to, from) in self.checks.iter_mut().zip(&other.checks) {
            to.passes += from.passes;
            to.fails += from.fails;
        }
    }

    /// Adds the same interval of another worker: gauges add up.
    pub fn merge(&mut self, other: &Tally) {
        self.merge_counts(other);
        for (to, from) in self.scenarios.iter_mut().zip(&other.scenarios) {
            to.vus += from.vus;
            to.vus_max += from.vus_max;
        }
    }

    /// Adds the next interval of the same workers: gauges are the later ones.
    pub fn append(&mut self, next: &Tally) {
        self.merge_counts(next);
        for (to, from) in self.scenarios.iter_mut().zip(&next.scenarios) {
            to.vus = from.vus;
            to.vus_max = to.vus_max.max(from.vus_max);
        }
    }

    /// Forgets everything, without giving memory back.
    pub fn clear(&mut self) {
        self.series.iter_mut().for_each(Series::clear);
        self.scenarios.iter_mut().for_each(ScenarioTally::clear);
        self.checks.fill(CheckTally::default());
    }
}
