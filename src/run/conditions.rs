//! The conditions of a run, read before and after it: whether its figures can be trusted.

use super::config::RunConfig;
use super::coordinator::Course;
use super::machine::{self, StealTicks};
use crate::units::Nanos;
use crate::verdict::{Readings, WorkerReadings};

/// What was read before the load began.
pub(super) struct Conditions {
    steal: StealTicks,
}

impl Conditions {
    pub(super) fn read() -> Conditions {
        Conditions { steal: machine::steal_ticks() }
    }

    /// Reads again, after the load.
    pub(super) fn readings(
        &self,
        config: &RunConfig,
        course: &Course,
        pinned: &[bool],
        spinning: bool,
    ) -> Readings {
        let workers = config.cores.iter().zip(&course.finished).zip(pinned);
        let workers = workers.map(|((&core, finished), &pinned)| {
            let readings = &finished.readings;
            WorkerReadings {
                core,
                user_cpu: readings.cpu.0,
                system_cpu: readings.cpu.1,
                wall: readings.wall,
                busy: readings.busy,
                cq_overflows: readings.driver.cq_overflows,
                buffer_starvations: readings.driver.buffer_starvations,
                enters: readings.driver.enters,
                turns: readings.turns,
                pinned,
            }
        });
        let stood_still = course.finished.iter().map(|f| f.readings.stood_still).max();
        let target = config.target_cores.as_deref().unwrap_or(&[]);
        Readings {
            workers: workers.collect(),
            spinning,
            open_model: config.is_open(),
            steal_share: machine::steal_ticks().share_since(&self.steal, &config.cores),
            shared_cores: machine::shared_cores(&config.cores, target),
            stopped_for: stood_still.unwrap_or(Nanos::ZERO),
        }
    }
}
