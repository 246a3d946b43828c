//! Which figures a run of scenarios keeps apart, and by which tags they are found again.
//!
//! Nothing is looked up by tag while load is sent: a [`Place`] (a step within a scenario) has a fixed
//! run of series, one for each stage and for expected and other responses; they are the first of the [`Registry`]. Totals of any
//! kind are sums over series, exact, since histograms merge exactly.

use std::collections::BTreeMap;

use crate::stats::outcome::ErrorKind;
pub use crate::stats::registry::{CHECKS, REQUESTS};
use crate::stats::registry::{Key, KeyRef, Kind, Registry, Role};
use crate::units::Nanos;

/// Tags of requests whose values are known only with the response, or with the time: squall's own.
pub const OWN_TAGS: [&str; 5] = ["stage", "expected_response", "status", "error", "error_code"];
/// What places have instead of `expected_response` whose responses nobody judges: they are in no `http_req_failed`.
pub const UNJUDGED: (&str, &str) = ("expected_response", "unjudged");
/// Tags of watches.
const CONDITIONS: [&str; 2] = ["status", "error"];

/// Tags, name to value, as k6 has them.
pub type Tags = BTreeMap<String, String>;

/// What the indexes of a [`Tally`](super::tally::Tally) mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// By scenario.
    pub scenarios: Vec<ScenarioKey>,
    /// Steps within scenarios, scenario by scenario.
    pub places: Vec<Place>,
    /// Checks, place by place in the order of the step's list.
    pub checks: Vec<CheckKey>,
    /// Series for thresholds on single statuses or errors; see [`Layout::watch`].
    pub watches: Vec<Watch>,
    /// What thresholds ask of single statuses or errors; each once.
    pub conditions: Vec<Condition>,
    /// Requests may have tags that nobody knows before the run: any may be asked for.
    any_tags: bool,
    /// The series of all places, checks and watches.
    registry: Registry,
    /// Entries of scenario tallies.
    scenario_slots: u32,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioKey {
    /// Its name.
    pub name: String,
    /// k6's name of its executor.
    pub executor: String,
    /// Its tags, `scenario` among them.
    pub tags: Tags,
    /// Ends of its stages, from the start of the load; at least one entry, and the last one has no end
    /// ([`Nanos::MAX`]).
    pub stage_ends: Vec<Nanos>,
    /// First entry among the scenario tallies; one for each stage.
    pub first_slot: u32,
}

/// One step within one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Layout::scenarios`].
    pub scenario: u32,
    /// Index of the step in the workload.
    pub step: u32,
    /// `scenario`, `name`, `method`, `url`, and own ones.
    pub tags: Tags,
    /// The first of its series; two for each stage.
    pub first_series: u32,
    /// The first of its checks in [`Layout::checks`].
    pub first_check: u32,
    /// Its entries in [`Layout::watches`], to be filled for each sample that meets the condition.
    pub watches: Vec<u32>,
}

/// One check of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckKey {
    /// Index into [`Layout::places`].
    pub place: u32,
    /// Its name.
    pub name: String,
    /// The place's tags and `check`.
    pub tags: Tags,
    /// The first of its series; one for each stage.
    pub first_series: u32,
}

/// A series beside the others, of samples that meet a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Index into [`Layout::places`].
    pub place: u32,
    /// Which samples.
    pub condition: Condition,
    /// The first of its series, laid out as the place's own.
    pub first_series: u32,
}

/// Which samples a watch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Answers of this status.
    Status(u16),
    /// Requests that failed in this way.
    Error(ErrorKind),
}

impl Condition {
    /// The tag that says so.
    pub fn tag(self) -> (&'static str, String) {
        match self {
            Condition::Status(status) => (CONDITIONS[0], status.to_string()),
            Condition::Error(kind) => (CONDITIONS[1], kind.key().to_owned()),
        }
    }

    /// Whether a key is of samples that meet it.
    pub fn fits(self, key: &Key) -> bool {
        let (name, value) = self.tag();
        key.tag(name) == Some(&value)
    }
}

impl Layout {
    /// Appends a scenario; its places and checks are to be appended before the next one.
    pub fn add_scenario(&mut self, name: &str, executor: &str, tags: Tags, stage_ends: Vec<Nanos>) -> u32 {
        let mut stage_ends = stage_ends;
        match stage_ends.last_mut() {
            Some(last) => *last = Nanos::MAX,
            None => stage_ends.push(Nanos::MAX),
        }
        // The report has figures by scenario, also of requests whose own series would be one too many.
        self.registry.select(REQUESTS, vec![("scenario".into(), name.into())]);
        let first_slot = self.scenario_slots;
        self.scenario_slots += stage_ends.len() as u32;
        self.scenarios.push(ScenarioKey {
            name: name.into(),
            executor: executor.into(),
            tags,
            stage_ends,
            first_slot,
        });
        self.scenarios.len() as u32 - 1
    }

    /// Appends a step of `scenario` with its checks' names.
    pub fn add_place(&mut self, scenario: u32, step: u32, tags: Tags, checks: &[&str]) -> u32 {
        let stages = self.stages(scenario);
        let place = self.places.len() as u32;
        let first_check = self.checks.len() as u32;
        for name in checks {
            let mut own = tags.clone();
            own.insert("check".into(), (*name).into());
            let first_series = self.next_series();
            for stage in 0..stages {
                self.append(CHECKS, Kind::Rate, &own, &[("stage", &stage.to_string())]);
            }
            self.checks.push(CheckKey { place, name: (*name).into(), tags: own, first_series });
        }
        let first_series = self.next_series();
        self.append_requests(&tags, stages, None);
        self.places.push(Place { scenario, step, tags, first_series, first_check, watches: Vec::new() });
        place
    }

    /// A series of `place` for samples that meet `condition`; the same one when asked again. Only after
    /// the last [`add_place`](Layout::add_place).
    pub fn watch(&mut self, place: u32, condition: Condition) -> u32 {
        let known = self.watches.iter().position(|w| w.place == place && w.condition == condition);
        if let Some(known) = known {
            return known as u32;
        }
        let first_series = self.next_series();
        let tags = self.places[place as usize].tags.clone();
        self.append_requests(&tags, self.stages_of_place(place), Some(condition));
        let watch = self.watches.len() as u32;
        self.watches.push(Watch { place, condition, first_series });
        self.places[place as usize].watches.push(watch);
        watch
    }

    /// Stages of a scenario, at least 1.
    pub fn stages(&self, scenario: u32) -> u32 {
        self.scenarios[scenario as usize].stage_ends.len() as u32
    }

    /// Stages of the scenario of a place.
    pub fn stages_of_place(&self, place: u32) -> u32 {
        self.stages(self.places[place as usize].scenario)
    }

    /// All series that the plan has, in the order of their numbers.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Requests, and checks, may have tags that are made while load is sent, and are not in this layout.
    pub fn expect_any_tags(&mut self) {
        self.any_tags = true;
    }

    /// Whether a tag that is not in this layout may yet turn up.
    pub fn has_any_tags(&self) -> bool {
        self.any_tags
    }

    /// Somebody asks for the samples of `metric` that have these tags and meet the condition: none of them is lost to all others,
    /// whatever room there is for series.
    pub fn select(&mut self, metric: &str, tags: &Tags, stage: Option<u32>, condition: Option<Condition>) {
        let own = stage.map(|stage| ("stage".to_owned(), stage.to_string()));
        let condition_tag = condition.map(|condition| {
            let (name, value) = condition.tag();
            (name.to_owned(), value)
        });
        let given = tags.iter().map(|(name, value)| (name.clone(), value.clone()));
        self.registry.select(metric, given.chain(own).chain(condition_tag).collect());
        if let Some(condition) = condition.filter(|condition| !self.conditions.contains(condition)) {
            self.conditions.push(condition);
        }
    }

    /// So many series can samples make beside them.
    pub fn bound_series(&mut self, max: u32) {
        self.registry.set_bound(max);
    }

    fn next_series(&self) -> u32 {
        self.registry.keys().len() as u32
    }

    /// Those of a place, or of a watch on it: as [`series_at`] finds them.
    fn append_requests(&mut self, tags: &Tags, stages: u32, condition: Option<Condition>) {
        let condition = condition.map(Condition::tag);
        for stage in 0..stages {
            for expected in ["true", "false"] {
                let stage = stage.to_string();
                let mut more = vec![("stage", stage.as_str()), ("expected_response", expected)];
                more.extend(condition.as_ref().map(|(name, value)| (*name, value.as_str())));
                self.append(REQUESTS, Kind::Requests, tags, &more);
            }
        }
    }

    /// A condition makes it a watch.
    fn append(&mut self, metric: &str, kind: Kind, tags: &Tags, more: &[(&str, &str)]) {
        let mut all: BTreeMap<&str, &str> = tags.iter().map(|(name, value)| (&**name, &**value)).collect();
        all.extend(more.iter().copied());
        let tags: Vec<(&str, &str)> = all.into_iter().collect();
        let watch = more.iter().any(|(name, _)| CONDITIONS.contains(name));
        let role = if watch { Role::Watch } else { Role::Plain };
        self.registry.append(KeyRef { metric, kind, tags: &tags, role });
    }

    /// How many entries the scenario tallies have.
    pub fn scenario_slots(&self) -> usize {
        self.scenario_slots as usize
    }
}

/// The series of a stage and of expected or other responses, behind a first one.
#[inline]
pub fn series_at(first: u32, stage: u32, expected: bool) -> usize {
    (first + 2 * stage + u32::from(!expected)) as usize
}

#[cfg(test)]
mod tests;
