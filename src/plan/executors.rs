//! Executors from what was asked for, whoever asks: scenario files, flags, scripts.

use super::workload::{ArrivalPlan, Executor};
use crate::load::{RateStages, StageError, VuStages};
use crate::units::{Nanos, Rate};

/// k6's default for gracefulStop and gracefulRampDown.
pub const GRACE: Nanos = Nanos::from_secs(30);
/// k6's default for maxDuration.
pub const MAX_DURATION: Nanos = Nanos::from_secs(600);
/// Users that squall can keep: slots of a driver are 24 bits wide.
pub const VUS_MAX: u64 = 1 << 24;

/// The users of arrivals.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Users at the start.
    pub pre_allocated: u32,
    /// Users at the most, at least `pre_allocated`.
    pub max: u32,
    /// Arrivals that may wait for a free user.
    pub max_backlog: u64,
}

/// A number of users along stages of (duration, target).
///
/// # Errors
/// Stages that cannot be used.
pub fn ramping_vus(
    start: u64,
    stages: &[(Nanos, u64)],
    graceful_ramp_down: Nanos,
) -> Result<Executor, StageError> {
    let stage_ends = stage_ends(stages);
    Ok(Executor::RampingVus { stages: VuStages::new(start, stages)?, stage_ends, graceful_ramp_down })
}

/// Arrivals as `arrivals` has them, for as long as the stages that end at `stage_ends`.
pub fn arrival_rate(arrivals: ArrivalPlan, stage_ends: Vec<Nanos>, pool: Pool) -> Executor {
    Executor::ArrivalRate {
        arrivals,
        duration: stage_ends.last().copied().unwrap_or(Nanos::ZERO),
        stage_ends,
        pre_allocated_vus: pool.pre_allocated,
        max_vus: pool.max,
        max_backlog: pool.max_backlog,
        limit: None,
    }
}

/// Arrivals along stages of (duration, target per `per`).
///
/// # Errors
/// Stages that cannot be used.
pub fn ramping_rate(
    per: Nanos,
    start: u64,
    stages: &[(Nanos, u64)],
    pool: Pool,
) -> Result<Executor, StageError> {
    let rates = RateStages::new(per, start, stages)?;
    Ok(arrival_rate(ArrivalPlan::Ramping(rates), stage_ends(stages), pool))
}

/// The arrivals of an executor as k6 has them, where squall's own end a gap earlier.
///
/// squall's arrival takes its gap behind it: 20/s for a second are 20, the first at 0 and none at the end. k6's constant rate ticks at both
/// ends (21), and its ramps begin with the first gap and tick at their end ([`RateStages::when_reached`]). What is due at the very end is
/// part of the executor's time then, which is a nanosecond longer.
#[must_use]
pub fn with_k6_arrivals(executor: Executor) -> Executor {
    let Executor::ArrivalRate {
        arrivals,
        mut stage_ends,
        pre_allocated_vus: pre_allocated,
        max_vus: max,
        max_backlog,
        ..
    } = executor
    else {
        return executor;
    };
    let arrivals = match arrivals {
        ArrivalPlan::Ramping(stages) => ArrivalPlan::Ramping(stages.when_reached()),
        constant @ ArrivalPlan::Constant { .. } => constant,
    };
    if let Some(end) = stage_ends.last_mut() {
        *end += Nanos(1);
    }
    arrival_rate(arrivals, stage_ends, Pool { pre_allocated, max, max_backlog })
}

/// Why a rate cannot be had: nothing is due twice within a nanosecond.
///
/// # Errors
/// What is wrong with it, and the way out.
pub fn constant_rate(count: u64, per: Nanos) -> Result<Rate, &'static str> {
    match count {
        0 => Err("`rate` is 0: give at least 1 per `timeUnit`"),
        count if count > per.0 => Err("is more than one arrival in each nanosecond: give less"),
        count => Ok(Rate { count, per }),
    }
}

/// When each of the stages ends.
pub fn stage_ends(stages: &[(Nanos, u64)]) -> Vec<Nanos> {
    let ends = stages.iter().scan(Nanos::ZERO, |at, (span, _)| {
        *at += *span;
        Some(*at)
    });
    ends.collect()
}
