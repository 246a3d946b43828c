//! What happened in a run of scenarios, kept apart as a [`Layout`] says.

use crate::stats::compact::CompactHistogram;
use crate::stats::histogram::Histogram;
use crate::stats::latencies::LatencySet;
use crate::stats::layout::Layout;
use crate::stats::registry::{Key, KeyRef, KindConflict, Registry, Role, SeriesId};
use crate::stats::series::{Figures, Rate, Requests};
use crate::units::Nanos;

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
    /// Nanoseconds in which its users' scripts computed.
    pub script_time: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses.
    pub received_bytes: u64,
    /// Whole iterations, from begin to end.
    pub iteration_duration: CompactHistogram,
    /// Virtual users at work when the interval ended. A gauge: merging adds workers up.
    pub vus: u64,
    /// Most virtual users that were there at a time.
    pub vus_max: u64,
}

/// What of a [`ScenarioTally`] adds up, by `&` or `&mut`.
macro_rules! sums {
    ($tally:expr) => {
        fields!(
            $tally,
            ScenarioTally {
                scheduled,
                started,
                completed,
                broken,
                interrupted,
                dropped,
                redirects_refused,
                script_time,
                sent_bytes,
                received_bytes,
            } but { iteration_duration, vus, vus_max }
        )
    };
}

impl ScenarioTally {
    /// What adds up, in a fixed order.
    pub(super) fn sums(&self) -> [&u64; 10] {
        sums!(self)
    }

    /// The same, to be filled.
    pub(super) fn sums_mut(&mut self) -> [&mut u64; 10] {
        sums!(self)
    }

    fn add_counts(&mut self, other: &ScenarioTally) {
        self.sums_mut().into_iter().zip(other.sums()).for_each(|(to, from)| *to += from);
        self.iteration_duration.merge(&other.iteration_duration);
    }

    fn clear(&mut self) {
        let mut iteration_duration = std::mem::take(&mut self.iteration_duration);
        iteration_duration.clear();
        *self = ScenarioTally { iteration_duration, ..ScenarioTally::default() };
    }
}

/// A response that failed a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSample {
    /// Index into [`Layout::checks`].
    pub check: u32,
    /// Its status; 0 when there was no whole response.
    pub status: u16,
    /// When, from the start of measuring.
    pub at: Nanos,
    /// The beginning of its body, where it was kept.
    pub excerpt: String,
}

/// What ended iterations early, or kept requests from being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Index into [`Layout::places`]: at which step, in which scenario.
    pub place: u32,
    /// Which value was missing or wrong, in words.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// Everything that a run of scenarios keeps apart. Empty (no entries) in plain runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// What the series are found by: those of the plan, then those that samples have made.
    registry: Registry,
    /// Their figures, by number.
    series: Vec<Figures>,
    /// A scenario's stages in a row.
    pub scenarios: Vec<ScenarioTally>,
}

impl Eq for Tally {}

impl Tally {
    /// An empty one.
    pub fn new(layout: &Layout) -> Tally {
        let registry = layout.registry().clone();
        Tally {
            series: registry.keys().iter().map(|key| Figures::new(key.kind())).collect(),
            registry,
            scenarios: vec![ScenarioTally::default(); layout.scenario_slots()],
        }
    }

    /// One of these; `None` where the figures are not those of the keys.
    pub(super) fn of_parts(
        registry: Registry,
        series: Vec<Figures>,
        scenarios: Vec<ScenarioTally>,
    ) -> Option<Tally> {
        let kinds = registry.keys().iter().map(|key| key.kind());
        kinds.eq(series.iter().map(Figures::kind)).then_some(Tally { registry, series, scenarios })
    }

    /// True in plain runs.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.scenarios.is_empty()
    }

    /// What the series are found by.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All series with their keys, in the order of their numbers.
    pub fn series(&self) -> impl Iterator<Item = (&Key, &Figures)> {
        self.registry.keys().iter().zip(&self.series)
    }

    /// Figures by number.
    pub fn figures(&self, id: SeriesId) -> Option<&Figures> {
        self.series.get(id.0 as usize)
    }

    /// Requests of a series of that kind; of another or none: nothing.
    pub fn requests(&self, number: usize) -> Option<&Requests> {
        match self.series.get(number) {
            Some(Figures::Requests(requests)) => Some(requests),
            _ => None,
        }
    }

    /// The same, to be filled.
    #[inline]
    pub fn requests_mut(&mut self, number: usize) -> Option<&mut Requests> {
        match self.series.get_mut(number) {
            Some(Figures::Requests(requests)) => Some(requests),
            _ => None,
        }
    }

    /// A rate, by number.
    pub fn rate(&self, number: u32) -> Rate {
        match self.series.get(number as usize) {
            Some(Figures::Rate(rate)) => *rate,
            _ => Rate::default(),
        }
    }

    /// The same, to be filled.
    #[inline]
    pub fn rate_mut(&mut self, number: u32) -> Option<&mut Rate> {
        match self.series.get_mut(number as usize) {
            Some(Figures::Rate(rate)) => Some(rate),
            _ => None,
        }
    }

    /// The series of a sample, made where there is none yet.
    ///
    /// # Errors
    /// See [`Registry::series`].
    pub fn series_of(&mut self, key: KeyRef<'_>) -> Result<SeriesId, KindConflict> {
        let id = self.registry.series(key)?;
        self.grow();
        Ok(id)
    }

    /// The series of all others that a sample goes to when it is to have none of its own: of those with the same tags that are asked for.
    pub fn other_of(&mut self, key: KeyRef<'_>) -> SeriesId {
        let id = self.registry.other(key);
        self.grow();
        id
    }

    /// The watch for a sample that meets a condition, `tag` among the key's tags; `None` where no threshold asks for it.
    pub fn watch_of(&mut self, key: KeyRef<'_>, tag: (&str, &str)) -> Option<SeriesId> {
        let id = self.registry.watch(key, tag);
        self.grow();
        id
    }

    /// Adds a value of a custom metric; see [`Figures::add`].
    pub fn add(&mut self, id: SeriesId, value: f64, at: Nanos) {
        if let Some(figures) = self.series.get_mut(id.0 as usize) {
            figures.add(value, at);
        }
    }

    /// Gives every key its figures.
    fn grow(&mut self) {
        let missing = &self.registry.keys()[self.series.len()..];
        self.series.extend(missing.iter().map(|key| Figures::new(key.kind())));
    }

    /// Requests that together hold every sample once.
    pub fn all_requests(&self) -> impl Iterator<Item = &Requests> {
        self.series().filter(|(key, _)| !key.is_watch()).filter_map(|(_, figures)| match figures {
            Figures::Requests(requests) => Some(&**requests),
            _ => None,
        })
    }

    /// Samples that went to the series of others, since theirs would have been one too many.
    pub fn in_others(&self) -> u64 {
        self.series().filter(|(key, _)| key.role() == Role::Other).map(|(_, figures)| figures.samples()).sum()
    }

    /// Adds all response times to `to`.
    pub fn merge_response_time_into(&self, to: &mut Histogram) {
        for series in self.all_requests() {
            series.alike.merge_into(to);
            series.response_time.merge_into(to);
        }
    }

    /// The latencies of all requests. Those that are not in any series (`connect`, `tls_handshake`, `pickup_lag`) are the caller's.
    pub fn latencies(&self, started: u64) -> LatencySet {
        let mut set = LatencySet::default();
        for series in self.all_requests() {
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

    /// Takes the shape of `other`, of which it is mostly an earlier state of the same worker, or nothing yet. Both hold nothing, or this one does.
    pub(super) fn follow(&mut self, other: &Tally) {
        if !self.registry.begins(&other.registry) {
            *self = Tally::default(); // it is of another window
        }
        self.registry.follow(&other.registry);
        self.grow();
        if self.scenarios.len() < other.scenarios.len() {
            self.scenarios.resize_with(other.scenarios.len(), ScenarioTally::default);
        }
    }

    fn merge_counts(&mut self, other: &Tally) {
        if self.is_empty() {
            self.follow(other);
        }
        for (number, (key, figures)) in other.series().enumerate() {
            // Mostly both have the same series in the same order.
            let at = match self.registry.keys().get(number) {
                Some(known) if known == key => SeriesId(number as u32),
                _ => self.registry.adopt(key),
            };
            self.grow();
            self.series[at.0 as usize].merge(figures);
        }
        if self.scenarios.len() < other.scenarios.len() {
            self.scenarios.resize_with(other.scenarios.len(), ScenarioTally::default);
        }
        for (to, from) in self.scenarios.iter_mut().zip(&other.scenarios) {
            to.add_counts(from);
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

    /// Forgets all samples, without giving memory back. The series stay.
    pub fn clear(&mut self) {
        self.series.iter_mut().for_each(Figures::clear);
        self.scenarios.iter_mut().for_each(ScenarioTally::clear);
    }
}

#[cfg(test)]
mod tests;
