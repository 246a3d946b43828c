//! The options that make a run more than one request over and over: virtual users, stages, checks,
//! thresholds, connections that do not last.

use std::sync::Arc;

use super::error::Problems;
use super::load::Times;
use super::request::RequestParts;
use super::{CONNECTIONS_DEFAULT, RawConfig};
use crate::http::request::Request;
use crate::http::url::Url;
use crate::load::{Arrivals, LoadModel, RateStages, VuStages};
use crate::plan::check::Check;
use crate::plan::request_template::RequestTemplate;
use crate::plan::status::StatusSet;
use crate::plan::workload::{
    ArrivalPlan, ConnectionPolicy, Executor, Flow, Origin, Scenario, Step, Think, Workload,
};
use crate::stats::layout::Layout;
use crate::threshold::Threshold;
use crate::units::{Nanos, Rate, parse_duration};

/// How long running iterations may go on after the end: k6's default.
const GRACEFUL: Nanos = Nanos::from_secs(30);
/// How long an executor with a number of iterations may take: k6's default.
const ITERATIONS_MAX: Nanos = Nanos::from_secs(600);
/// Users to start from when stages do not say: k6's default.
const START_VUS: u64 = 1;

/// What the options ask for.
pub(super) struct Asked {
    executor: Executor,
    checks: Vec<Check>,
    connections: ConnectionPolicy,
    pub(super) thresholds: Vec<Threshold>,
}

impl RawConfig {
    /// True when one of the options needs virtual users.
    fn asks_for_users(&self) -> bool {
        self.vus.is_some()
            || self.no_keepalive
            || self.requests_per_connection.is_some()
            || !(self.stages.is_empty() && self.checks.is_empty() && self.thresholds.is_empty())
    }

    /// How many users, and so connections to each origin, `asked` can have.
    pub(super) fn users(&self, asked: Option<&Asked>) -> Option<u64> {
        asked.map(|asked| u64::from(asked.executor.max_vus())).or(self.connections)
    }
}

/// Reads the options; `None` when the run is a plain one.
pub(super) fn asked(
    raw: &RawConfig,
    times: &Times,
    load: &LoadModel,
    max_backlog: u64,
    problems: &mut Problems,
) -> Option<Asked> {
    if !raw.asks_for_users() {
        return None;
    }
    if raw.pipeline.is_some_and(|depth| depth > 1) {
        problems.add(
            "-p",
            "a virtual user has one request in flight: leave -p out, or the checks, thresholds, stages, --vus and \
             connection options",
        );
    }
    let checks = raw.checks.iter().filter_map(|text| problems.note("--check", Check::parse(text))).collect();
    let thresholds: Vec<Threshold> = (raw.thresholds.iter())
        .filter_map(|text| problems.note("--threshold", Threshold::parse_flag(text)))
        .collect();
    if raw.requests_per_connection == Some(0) {
        problems.add("--requests-per-connection", "at least one request goes over a connection");
    }
    let requests_max = if raw.no_keepalive { Some(1) } else { raw.requests_per_connection };
    let executor = executor(raw, times, load, max_backlog, problems)?;
    Some(Asked {
        executor,
        checks,
        connections: ConnectionPolicy { requests_max, close_after_iteration: false },
        thresholds,
    })
}

fn executor(
    raw: &RawConfig,
    times: &Times,
    load: &LoadModel,
    max_backlog: u64,
    problems: &mut Problems,
) -> Option<Executor> {
    if raw.vus == Some(0) && raw.stages.is_empty() {
        problems.add("--vus", "at least one virtual user is needed");
        return None;
    }
    if raw.vus.is_some() && raw.connections.is_some() {
        problems.add(
            "--vus",
            "there is -c too, and each virtual user has a connection of its own; give one of them",
        );
    }
    let users = raw.vus.or(raw.connections).unwrap_or(CONNECTIONS_DEFAULT);
    let users = u32::try_from(users).unwrap_or(u32::MAX);
    if !raw.stages.is_empty() {
        for (given, option) in [(raw.duration.is_some(), "-d"), (raw.requests.is_some(), "-n")] {
            if given {
                problems.add(option, "the stages say how long the run takes; leave it out");
            }
        }
    }
    match load {
        LoadModel::Closed if !raw.stages.is_empty() => ramping_vus(raw, problems),
        LoadModel::Closed => Some(match raw.requests {
            Some(iterations) => Executor::SharedIterations {
                vus: users,
                iterations,
                max_duration: times.duration.unwrap_or(ITERATIONS_MAX),
            },
            None => Executor::ConstantVus { vus: users, duration: times.duration? + times.warmup },
        }),
        LoadModel::Open(schedule) => {
            let (arrivals, duration, stage_ends) = if raw.stages.is_empty() {
                let (rate, process, seed) = (schedule.rate, schedule.arrivals, schedule.seed);
                let duration =
                    times.duration.map_or_else(|| long_enough(rate, raw.requests), |d| d + times.warmup);
                (ArrivalPlan::Constant { rate, process, seed }, duration, vec![duration])
            } else {
                ramping_rate(raw, schedule.rate, schedule.arrivals, problems)?
            };
            Some(Executor::ArrivalRate {
                arrivals,
                duration,
                stage_ends,
                pre_allocated_vus: users,
                max_vus: users,
                max_backlog,
                limit: raw.requests,
            })
        }
    }
}

/// Time for `requests` arrivals, even if Poisson's come late.
fn long_enough(rate: Rate, requests: Option<u64>) -> Nanos {
    let seconds = requests.unwrap_or(1) as f64 / rate.per_second() * 2.0 + 60.0;
    Nanos((seconds * 1e9).min(1e18) as u64)
}

fn ramping_vus(raw: &RawConfig, problems: &mut Problems) -> Option<Executor> {
    let number = |text: &str| {
        let number = text.parse::<u32>().map(u64::from);
        number.map_err(|_| format!("`{text}` is not a number of virtual users, as in 30s:100"))
    };
    let stages = read_stages(raw, number, problems)?;
    let stage_ends = ends(&stages);
    let stages = problems.note("--stage", VuStages::new(raw.vus.unwrap_or(START_VUS), &stages))?;
    if stages.max() == 0 {
        problems.add("--stage", "no stage has a virtual user: give at least one a target above zero");
        return None;
    }
    Some(Executor::RampingVus { stages, stage_ends, graceful_ramp_down: GRACEFUL })
}

fn ramping_rate(
    raw: &RawConfig,
    start: Rate,
    arrivals: Arrivals,
    problems: &mut Problems,
) -> Option<(ArrivalPlan, Nanos, Vec<Nanos>)> {
    if arrivals == Arrivals::Poisson {
        problems.add("--arrivals", "stages have evenly spaced arrivals; leave it out");
    }
    let rate = |text: &str| match text {
        "0" => Ok(Rate { count: 0, per: Nanos::from_secs(1) }),
        _ => text.parse::<Rate>().map_err(|e| e.to_string()),
    };
    let stages = read_stages(raw, rate, problems)?;
    let rates = std::iter::once(start).chain(stages.iter().map(|(_, rate)| *rate));
    // All in one time unit, so that the integral is exact.
    let per = rates.clone().try_fold(1u64, |all, rate| {
        let common = gcd(all, rate.per.0);
        (all / common).checked_mul(rate.per.0)
    });
    let Some(per) = per else {
        problems.add("--stage", "these rates have no common time unit: give them all per second");
        return None;
    };
    let counts: Option<Vec<u64>> = rates.map(|rate| rate.count.checked_mul(per / rate.per.0)).collect();
    let Some(counts) = counts else {
        problems.add("--stage", "a rate is too large");
        return None;
    };
    let spans: Vec<(Nanos, u64)> =
        stages.iter().zip(&counts[1..]).map(|((span, _), count)| (*span, *count)).collect();
    let plan = problems.note("--stage", RateStages::new(Nanos(per), counts[0], &spans))?;
    Some((ArrivalPlan::Ramping(plan.clone()), plan.end(), ends(&spans)))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Reads `TIME:TARGET`, all of them.
fn read_stages<T>(
    raw: &RawConfig,
    target: impl Fn(&str) -> Result<T, String>,
    problems: &mut Problems,
) -> Option<Vec<(Nanos, T)>> {
    let read = |text: &String| {
        let (span, wanted) =
            text.split_once(':').ok_or_else(|| format!("`{text}` is not TIME:TARGET, as in 30s:100"))?;
        let span = parse_duration(span).map_err(|e| e.to_string())?;
        Ok::<_, String>((span, target(wanted.trim())?))
    };
    let stages: Vec<_> = raw.stages.iter().filter_map(|text| problems.note("--stage", read(text))).collect();
    (stages.len() == raw.stages.len()).then_some(stages)
}

fn ends<T>(stages: &[(Nanos, T)]) -> Vec<Nanos> {
    let mut at = Nanos::ZERO;
    stages
        .iter()
        .map(|(span, _)| {
            at += *span;
            at
        })
        .collect()
}

/// One scenario of one step: what the options describe.
pub(super) fn workload(
    asked: Asked,
    target: &Url,
    request: &RequestParts,
    timeout: Nanos,
    problems: &mut Problems,
) -> Option<Arc<Workload>> {
    let mut headers = request.headers.clone();
    if asked.connections.requests_max == Some(1) {
        headers.push(("Connection".into(), "close".into()));
    }
    let whole = Request {
        method: request.method.clone(),
        target: target.target.clone(),
        authority: target.authority(),
        headers,
        body: request.body.clone(),
    };
    let bytes = problems.note("-H", whole.encode())?;
    let step = Step {
        name: target.to_string().into(),
        origin: 0,
        method: whole.method.as_str().into(),
        url: target.to_string().into(),
        request: RequestTemplate::of_bytes(&bytes),
        expect: whole.expect(),
        timeout,
        expected: StatusSet::default(),
        checks: asked.checks,
        extracts: Vec::new(),
        redirects_max: 0,
        think: Think::None,
        tags: Vec::new(),
    };
    let origin = Origin { name: target.authority(), url: Url { target: "/".into(), ..target.clone() } };
    let workload = Workload {
        origins: vec![origin],
        steps: vec![step],
        flows: vec![Flow { name: "default".into(), steps: vec![0] }],
        scenarios: vec![Scenario {
            name: "default".into(),
            executor: asked.executor,
            start: Nanos::ZERO,
            graceful_stop: GRACEFUL,
            flows: vec![(0, 1)],
            think: Think::None,
            tags: Vec::new(),
        }],
        data: Vec::new(),
        variables: Vec::new(),
        connections: asked.connections,
        cookies: false,
        body_limit: 1 << 20,
    };
    prepare(&workload, &asked.thresholds, problems);
    Some(Arc::new(workload))
}

/// Finds thresholds on what there cannot be.
fn prepare(workload: &Workload, thresholds: &[Threshold], problems: &mut Problems) {
    let mut layout: Layout = workload.layout();
    for threshold in thresholds {
        problems.note("--threshold", threshold.prepare(&mut layout));
    }
}
