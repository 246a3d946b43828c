//! One configuration derived from another: the windows of a session.

use std::sync::Arc;

use super::error::Problems;
use super::{ConfigError, RunConfig, limits};
use crate::load::{Arrivals, LoadModel, Schedule};
use crate::plan::workload::{ArrivalPlan, Executor, Scenario, Workload};
use crate::units::{Nanos, Rate};

/// What a window has other than the configuration that it is derived from. `None`: the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Arrivals. A plain run without a schedule gets one.
    pub rate: Option<Rate>,
    /// Connections of a plain run: at least one for each worker, and at most as many as the configuration has.
    pub connections: Option<u32>,
    /// Virtual users of a plan's only scenario, whose number does not change over time; at most as many as it has. Of an arrival rate: users at
    /// the start and at the most.
    pub users: Option<u32>,
    /// How long to measure; of a plan's only scenario, without stages.
    pub duration: Option<Nanos>,
    /// Load before it is measured.
    pub warmup: Option<Nanos>,
}

impl RunConfig {
    /// The same run with a change.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with every part of the change that does not fit.
    pub fn changed(&self, change: &Change) -> Result<RunConfig, ConfigError> {
        let mut config = self.clone();
        if *change == Change::default() {
            return Ok(config);
        }
        let mut problems = Problems::default();
        config.warmup = change.warmup.unwrap_or(self.warmup);
        if change.duration == Some(Nanos::ZERO) {
            problems.add("duration", "a window must last longer than zero");
        }
        match &self.workload {
            None => config.change_plain(change, &mut problems),
            Some(workload) => {
                let mut workload = Workload::clone(workload);
                config.change_workload(&mut workload, change, &mut problems);
                config.duration = Some(workload.duration() - config.warmup);
                config.workload = Some(Arc::new(workload));
            }
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Refused(problems.into_vec())) }
    }

    fn change_plain(&mut self, change: &Change, problems: &mut Problems) {
        self.duration = change.duration.or(self.duration);
        if change.users.is_some() {
            problems.add("users", "a run without scenarios has connections instead of users: change those");
        }
        if let Some(connections) = change.connections {
            let least = self.cores.len() as u32;
            if !(least..=self.connections).contains(&connections) {
                problems.add(
                    "connections",
                    format!(
                        "{connections} do not fit: each of {least} workers needs one, and there is room for those of the \
                         configuration, {}",
                        self.connections
                    ),
                );
            }
            self.connections = connections;
        }
        let (before, arrivals, seed) = match self.load {
            LoadModel::Open(Schedule { rate, arrivals, seed, .. }) => (Some(rate), arrivals, seed),
            LoadModel::Closed => (None, Arrivals::Uniform, self.seed),
        };
        let Some(rate) = change.rate.or(before) else { return };
        // What was asked for stays; what follows from the rate follows.
        if before.is_none_or(|before| self.max_backlog == limits::default_backlog(before)) {
            self.max_backlog = limits::default_backlog(rate);
        }
        self.load =
            LoadModel::Open(Schedule { rate, arrivals, seed, end: self.duration, limit: self.requests });
    }

    fn change_workload(&mut self, workload: &mut Workload, change: &Change, problems: &mut Problems) {
        if change.connections.is_some() {
            problems.add("connections", "scenarios have users, each with its own connections: change those");
        }
        let added = self.warmup;
        let Change { rate, users, duration, warmup, .. } = *change;
        if rate.is_none() && users.is_none() && duration.is_none() && warmup.is_none() {
            return;
        }
        let measured = self.duration.unwrap_or(workload.duration());
        let [scenario] = workload.scenarios.as_mut_slice() else {
            let count = workload.scenarios.len();
            return problems
                .add("window", format!("it is not clear which of {count} scenarios is to be changed"));
        };
        if let Some(rate) = rate {
            change_rate(scenario, rate, problems);
        }
        if let Some(users) = users {
            change_users(scenario, users, problems);
        }
        if duration.is_some() || warmup.is_some() {
            let whole = duration.unwrap_or(measured) + added;
            change_duration(scenario, whole - scenario.start, problems);
        }
        self.connections = u32::try_from(workload.max_vus()).unwrap_or(u32::MAX);
    }
}

fn change_rate(scenario: &mut Scenario, rate: Rate, problems: &mut Problems) {
    match &mut scenario.executor {
        Executor::ArrivalRate { arrivals: ArrivalPlan::Constant { rate: old, .. }, .. } => *old = rate,
        other => {
            let (name, executor) = (&scenario.name, other.name());
            problems.add("rate", format!("scenario {name} ({executor}) has no constant rate to change"));
        }
    }
}

fn change_users(scenario: &mut Scenario, users: u32, problems: &mut Problems) {
    let most = scenario.executor.max_vus();
    if !(1..=most).contains(&users) {
        problems.add(
            "users",
            format!("{users} do not fit: there is room for 1 to those of the scenario, {most}"),
        );
    }
    match &mut scenario.executor {
        Executor::ConstantVus { vus, .. }
        | Executor::SharedIterations { vus, .. }
        | Executor::PerVuIterations { vus, .. } => *vus = users,
        Executor::ArrivalRate { pre_allocated_vus, max_vus, .. } => {
            (*pre_allocated_vus, *max_vus) = (users, users);
        }
        Executor::RampingVus { .. } => {
            problems.add("users", format!("those of scenario {} change over time", scenario.name));
        }
    }
}

/// `whole`: from the scenario's start, with the warm-up.
fn change_duration(scenario: &mut Scenario, whole: Nanos, problems: &mut Problems) {
    match &mut scenario.executor {
        Executor::ConstantVus { duration, .. }
        | Executor::SharedIterations { max_duration: duration, .. }
        | Executor::PerVuIterations { max_duration: duration, .. } => *duration = whole,
        Executor::ArrivalRate { arrivals: ArrivalPlan::Constant { .. }, duration, stage_ends, .. } => {
            *duration = whole;
            *stage_ends = vec![whole];
        }
        other => {
            let (name, executor) = (&scenario.name, other.name());
            problems.add("duration", format!("scenario {name} ({executor}) lasts as long as its stages"));
        }
    }
}

#[cfg(test)]
mod tests;
