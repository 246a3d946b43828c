//! Which figures a run of scenarios keeps apart, and by which tags they are found again.
//!
//! Nothing is looked up by tag while load is sent: a [`Place`] (a step within a scenario) has a fixed
//! run of series, one for each stage and for expected and other responses. Totals of any
//! kind are sums over series, exact, since histograms merge exactly.

use std::collections::BTreeMap;

use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;

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
    /// Base series of all places.
    bases: u32,
    /// Entries of check tallies.
    check_slots: u32,
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
    /// First entry among the check tallies; one for each stage.
    pub first_slot: u32,
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

impl Layout {
    /// Appends a scenario; its places and checks are to be appended before the next one.
    pub fn add_scenario(&mut self, name: &str, executor: &str, tags: Tags, stage_ends: Vec<Nanos>) -> u32 {
        let mut stage_ends = stage_ends;
        match stage_ends.last_mut() {
            Some(last) => *last = Nanos::MAX,
            None => stage_ends.push(Nanos::MAX),
        }
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
            let first_slot = self.check_slots;
            self.check_slots += stages;
            self.checks.push(CheckKey { place, name: (*name).into(), tags: own, first_slot });
        }
        let first_series = self.bases;
        self.bases += 2 * stages;
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
        let first_series = self.series() as u32;
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

    /// How many series there are, watches included.
    pub fn series(&self) -> usize {
        let watched: u32 = self.watches.iter().map(|w| 2 * self.stages_of_place(w.place)).sum();
        (self.bases + watched) as usize
    }

    /// Series that together hold every sample once: those before the watches.
    pub fn base_series(&self) -> usize {
        self.bases as usize
    }

    /// How many entries the check tallies have.
    pub fn check_slots(&self) -> usize {
        self.check_slots as usize
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
