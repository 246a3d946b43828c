//! What is done once beside the load: a run of one iteration of one user.

use std::sync::Arc;

use super::config::RunConfig;
use crate::plan::workload::{Executor, Scenario, Workload};
use crate::units::Nanos;

/// The run of `workload`, whose only scenario is [`scenario`]'s: one worker, no thresholds.
pub(super) fn config(config: &RunConfig, workload: Workload, limit: Nanos) -> RunConfig {
    RunConfig {
        workload: Some(Arc::new(workload)),
        cores: config.cores[..1].to_vec(),
        thresholds: Vec::new(),
        connections: 1,
        warmup: Nanos::ZERO,
        duration: Some(limit),
        ..config.clone()
    }
}

/// One iteration of one of these flows, which may take so long.
pub(super) fn scenario(name: &str, flows: Vec<(u32, u32)>, limit: Nanos) -> Scenario {
    let executor = Executor::PerVuIterations { vus: 1, iterations: 1, max_duration: limit };
    Scenario { graceful_stop: Nanos::ZERO, flows, ..Scenario::new(name, executor) }
}
