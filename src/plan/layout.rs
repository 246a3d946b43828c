//! Which figures a workload's run keeps apart.

use super::workload::{Scenario, Step, Workload};
use crate::stats::layout::{Layout, Tags};

impl Workload {
    /// The places, in the order of [`Workload::places`], with their tags and checks.
    pub fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        for (index, scenario) in self.scenarios.iter().enumerate() {
            let mut tags: Tags = scenario.tags.iter().cloned().collect();
            tags.insert("scenario".into(), scenario.name.to_string());
            let ends = scenario.executor.stage_ends().iter().map(|end| scenario.start + *end).collect();
            layout.add_scenario(&scenario.name, scenario.executor.name(), tags.clone(), ends);
            for step in self.steps_of(scenario) {
                let place = tags_of(&self.steps[step as usize], &tags);
                let checks: Vec<&str> =
                    self.steps[step as usize].checks.iter().map(|check| &*check.name).collect();
                layout.add_place(index as u32, step, place, &checks);
            }
        }
        layout
    }

    /// The steps that a scenario's flows and its setup have, each once, in ascending order.
    pub fn steps_of(&self, scenario: &Scenario) -> Vec<u32> {
        let flows = scenario.all_flows().map(|flow| &self.flows[flow as usize]);
        let mut steps: Vec<u32> = flows.flat_map(|flow| flow.steps.iter().copied()).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

fn tags_of(step: &Step, scenario: &Tags) -> Tags {
    let mut tags = scenario.clone();
    tags.extend(step.tags.iter().cloned());
    for (name, value) in [("name", &step.name), ("method", &step.method), ("url", &step.url)] {
        tags.insert(name.into(), value.to_string());
    }
    tags
}
