//! Executors from what was asked for, whoever asks: scenario files, flags, scripts.

use schemars::JsonSchema;
use serde::Deserialize;

use super::workload::{ArrivalPlan, Executor, GRACE};
use crate::load::{Arrivals, RateStages, StageError, VuStages};
use crate::units::{Nanos, Rate};

/// k6's default for maxDuration.
pub const MAX_DURATION: Nanos = Nanos::from_secs(600);
/// Users that squall can keep: slots of a driver are 24 bits wide.
pub const VUS_MAX: u64 = 1 << 24;
/// Longer than any run: 10 years. Sums of a few such spans fit into [`Nanos`].
pub const SPAN_MAX: Nanos = Nanos::from_secs(10 * 365 * 86_400);
/// What a rate is per, and what times that a run depends on last at least, as in k6.
const SECOND: Nanos = Nanos::from_secs(1);

/// k6's executors.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutorName {
    /// So many users loop for `duration`.
    ConstantVus,
    /// A number of users that follows `stages`.
    RampingVus,
    /// All users share `iterations`: whoever is free does the next.
    SharedIterations,
    /// Each user does its own `iterations`.
    PerVuIterations,
    /// Iterations begin at `rate`, whatever the target does.
    ConstantArrivalRate,
    /// Iterations begin at a rate that follows `stages`.
    RampingArrivalRate,
}

use ExecutorName::*;

impl ExecutorName {
    /// All of them.
    pub const ALL: [ExecutorName; 6] =
        [ConstantVus, RampingVus, SharedIterations, PerVuIterations, ConstantArrivalRate, RampingArrivalRate];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            ConstantVus => "constant-vus",
            RampingVus => "ramping-vus",
            SharedIterations => "shared-iterations",
            PerVuIterations => "per-vu-iterations",
            ConstantArrivalRate => "constant-arrival-rate",
            RampingArrivalRate => "ramping-arrival-rate",
        }
    }

    /// What k6 has for it alone, in k6's order.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            ConstantVus => &["vus", "duration"],
            RampingVus => &["startVUs", "stages", "gracefulRampDown"],
            SharedIterations | PerVuIterations => &["vus", "iterations", "maxDuration"],
            ConstantArrivalRate => &["rate", "timeUnit", "duration", "preAllocatedVUs", "maxVUs"],
            RampingArrivalRate => &["startRate", "timeUnit", "stages", "preAllocatedVUs", "maxVUs"],
        }
    }
}

/// What is asked of an executor, by k6's names; `None` where nobody said.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "they are k6's: https://grafana.com/docs/k6/latest/using-k6/scenarios/")]
pub struct Asked {
    pub vus: Option<u64>,
    pub duration: Option<Nanos>,
    pub start_vus: Option<u64>,
    /// Durations and targets.
    pub stages: Option<Vec<(Nanos, u64)>>,
    pub graceful_ramp_down: Option<Nanos>,
    pub iterations: Option<u64>,
    pub max_duration: Option<Nanos>,
    pub rate: Option<u64>,
    pub start_rate: Option<u64>,
    pub time_unit: Option<Nanos>,
    pub pre_allocated_vus: Option<u64>,
    pub max_vus: Option<u64>,
    /// Arrivals that may wait for a free user, where k6 drops them.
    pub max_backlog: u64,
    /// How arrivals at a constant rate lie in time.
    pub process: Arrivals,
    /// Seeds a Poisson process.
    pub seed: u64,
}

/// What is wrong with what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Of which key.
    pub key: &'static str,
    /// Nothing was said there.
    pub is_missing: bool,
    /// What is wrong with it, and the way out.
    pub message: String,
}

/// Makes the executor, by k6's rules for what it needs.
///
/// # Errors
/// All that is wrong with what is asked.
pub fn executor(name: ExecutorName, asked: &Asked) -> Result<Executor, Vec<Misfit>> {
    let mut maker = Maker { asked, misfits: Vec::new() };
    let made = maker.make(name);
    match made {
        Some(executor) if maker.misfits.is_empty() => Ok(executor),
        _ => Err(maker.misfits),
    }
}

struct Maker<'a> {
    asked: &'a Asked,
    misfits: Vec<Misfit>,
}

impl Maker<'_> {
    fn make(&mut self, name: ExecutorName) -> Option<Executor> {
        let asked = self.asked;
        Some(match name {
            ConstantVus => Executor::ConstantVus {
                vus: self.users("vus", asked.vus, 1),
                duration: self.second("duration", asked.duration, None),
            },
            RampingVus => return self.ramping_vus(),
            SharedIterations => {
                let (vus, iterations) = (self.users("vus", asked.vus, 1), asked.iterations.unwrap_or(1));
                if iterations < u64::from(vus) {
                    self.add(
                        "iterations",
                        format!("is {iterations}, fewer than the {vus} users that share them: give more"),
                    );
                }
                let max_duration = self.second("maxDuration", asked.max_duration, Some(MAX_DURATION));
                Executor::SharedIterations { vus, iterations, max_duration }
            }
            PerVuIterations => {
                let iterations = asked.iterations.unwrap_or(1);
                if iterations == 0 {
                    self.add("iterations", "is 0: give at least 1");
                }
                Executor::PerVuIterations {
                    vus: self.users("vus", asked.vus, 1),
                    iterations,
                    max_duration: self.second("maxDuration", asked.max_duration, Some(MAX_DURATION)),
                }
            }
            ConstantArrivalRate => return self.constant_rate(),
            RampingArrivalRate => {
                let (per, stages, pool) = (self.time_unit(), self.stages(), self.pool());
                let made = ramping_rate(per, asked.start_rate.unwrap_or(0), &stages, pool);
                return self.noted(made, &stages);
            }
        })
    }

    fn ramping_vus(&mut self) -> Option<Executor> {
        let asked = self.asked;
        let start = asked.start_vus.unwrap_or(1);
        self.limit("startVUs", start);
        let stages = self.stages();
        let most = stages.iter().map(|(_, target)| *target).max().unwrap_or(0);
        self.limit("stages", most);
        if most.max(start) == 0 && !stages.is_empty() {
            self.add("stages", "never has any user: give a target above 0, or users at the start");
        }
        let made = ramping_vus(start, &stages, asked.graceful_ramp_down.unwrap_or(GRACE));
        self.noted(made, &stages)
    }

    fn constant_rate(&mut self) -> Option<Executor> {
        let asked = self.asked;
        let per = self.time_unit();
        match asked.rate {
            None => self.miss("rate", "say how many iterations begin per `timeUnit`, as in 10"),
            Some(0) => self.add("rate", "is 0: give at least 1 per `timeUnit`"),
            Some(count) if count > per.0 => {
                self.add("rate", format!("is {count} in {per}, more than one in each nanosecond: give less"));
            }
            Some(_) => {}
        }
        let duration = self.second("duration", asked.duration, None);
        let pool = self.pool();
        let rate = Rate { count: asked.rate?, per };
        let arrivals = ArrivalPlan::Constant { rate, process: asked.process, seed: asked.seed };
        Some(arrival_rate(arrivals, vec![duration], pool))
    }

    fn add(&mut self, key: &'static str, problem: impl AsRef<str>) {
        let message = format!("`{key}` {}", problem.as_ref());
        self.misfits.push(Misfit { key, is_missing: false, message });
    }

    fn miss(&mut self, key: &'static str, way_out: &str) {
        let message = format!("`{key}` is missing: {way_out}");
        self.misfits.push(Misfit { key, is_missing: true, message });
    }

    fn limit(&mut self, key: &'static str, users: u64) {
        if users > VUS_MAX {
            self.add(
                key,
                format!("has {users} users, more than the {VUS_MAX} that squall can keep: give less"),
            );
        }
    }

    /// A number of users, at least `least`.
    fn users(&mut self, key: &'static str, users: Option<u64>, least: u64) -> u32 {
        let users = users.unwrap_or(least);
        if users < least {
            self.add(key, format!("is {users}: give at least {least}"));
        }
        self.limit(key, users);
        users.min(VUS_MAX) as u32
    }

    /// A span of a second at least.
    fn second(&mut self, key: &'static str, span: Option<Nanos>, or: Option<Nanos>) -> Nanos {
        match span.or(or) {
            None => self.miss(key, "say how long, as in \"30s\""),
            Some(span) if span < SECOND => self.add(key, format!("is {span}: give at least 1s")),
            Some(span) => return span,
        }
        SECOND
    }

    fn time_unit(&mut self) -> Nanos {
        match self.asked.time_unit {
            Some(Nanos::ZERO) => {
                self.add("timeUnit", "is 0s: give more, as in \"1s\"");
                SECOND
            }
            given => given.unwrap_or(SECOND),
        }
    }

    fn stages(&mut self) -> Vec<(Nanos, u64)> {
        let way_out = "give at least one, with its `duration` and `target`";
        match &self.asked.stages {
            None => self.miss("stages", way_out),
            Some(stages) if stages.is_empty() => self.add("stages", format!("has no stages: {way_out}")),
            Some(stages) => return stages.clone(),
        }
        Vec::new()
    }

    fn pool(&mut self) -> Pool {
        let asked = self.asked;
        if asked.pre_allocated_vus.is_none() {
            self.miss("preAllocatedVUs", "say how many users are to be ready, as in 10");
        }
        let pre_allocated = self.users("preAllocatedVUs", asked.pre_allocated_vus, 0);
        let max = asked.max_vus.map_or(pre_allocated, |max| self.users("maxVUs", Some(max), 0));
        if max < pre_allocated {
            self.add(
                "maxVUs",
                format!("is {max}, below `preAllocatedVUs`, which is {pre_allocated}: give more"),
            );
        }
        Pool { pre_allocated, max: max.max(pre_allocated), max_backlog: asked.max_backlog }
    }

    /// The executor, or why its stages cannot be used; that there are none has been said.
    fn noted(&mut self, made: Result<Executor, StageError>, stages: &[(Nanos, u64)]) -> Option<Executor> {
        made.map_err(|error| {
            if !stages.is_empty() {
                self.add("stages", format!("cannot be followed: {error}"));
            }
        })
        .ok()
    }
}

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
    // It refuses what is too long, so that the ends can be summed up.
    let users = VuStages::new(start, stages)?;
    Ok(Executor::RampingVus { stages: users, stage_ends: stage_ends(stages), graceful_ramp_down })
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

/// When each of the stages ends.
pub fn stage_ends(stages: &[(Nanos, u64)]) -> Vec<Nanos> {
    let ends = stages.iter().scan(Nanos::ZERO, |at, (span, _)| {
        *at += *span;
        Some(*at)
    });
    ends.collect()
}
