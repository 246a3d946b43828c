//! The flag form: one scenario with one step.

use super::check::Check;
use super::executors::{Pool, VUS_MAX, arrival_rate, ramping_vus as ramping_vus_of, stage_ends};
use super::request_template::RequestTemplate;
use super::status::StatusSet;
use super::workload::{
    ArrivalPlan, BODY_LIMIT, ConnectionPolicy, CookiePolicy, Executor, Flow, GRACE, Once, Origin, Scenario,
    Step, Think, Workload,
};
use crate::http::request::Request;
use crate::http::url::Url;
use crate::load::{Arrivals, RateStages, arrivals_seed};
use crate::units::{Nanos, Rate, parse_duration};

/// When only iterations are counted, no iteration begins after this; k6's default is 10 minutes, but
/// flags have none.
const DURATION_MAX: Nanos = Nanos::from_secs(365 * 86_400);

/// What the flags ask for, as far as each was judged alone.
#[derive(Clone, Debug)]
pub struct FlagForm {
    /// The URL.
    pub url: Url,
    /// Its request; the authority and target are the URL's.
    pub request: Request,
    /// `--stage TIME:TARGET`, in order.
    pub stages: Vec<String>,
    /// `--vus`
    pub vus: Option<u64>,
    /// `-c`, or its default.
    pub connections: u32,
    /// `-R`
    pub rate: Option<Rate>,
    /// `--arrivals`
    pub arrivals: Arrivals,
    /// `--seed`
    pub seed: u64,
    /// `-d`, or its default unless there is `-n`.
    pub duration: Option<Nanos>,
    /// `-n`
    pub requests: Option<u64>,
    /// `--max-backlog`
    pub max_backlog: u64,
    /// `--check`
    pub checks: Vec<String>,
    /// `--timeout`
    pub timeout: Nanos,
    /// `--max-redirects`
    pub redirects_max: u32,
    /// `--requests-per-connection`, or 1 for `--no-keepalive`.
    pub requests_max: Option<u32>,
    /// `--cookies`
    pub cookies: bool,
}

/// A flag and what is wrong with it.
pub type FlagProblem = (&'static str, String);

/// The workload of the flags.
///
/// # Errors
/// All flags that cannot be used as they are.
pub fn from_flags(form: FlagForm) -> Result<Workload, Vec<FlagProblem>> {
    let mut problems = Vec::new();
    let executor = match executor(&form) {
        Ok(executor) => Some(executor),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let step = step(&form, &mut problems);
    match (executor, step) {
        (Some(executor), Some(step)) if problems.is_empty() => Ok(Workload {
            origins: vec![Origin {
                name: form.url.authority(),
                url: Url { target: "/".into(), ..form.url },
                forward: None,
            }],
            steps: vec![step],
            flows: vec![Flow { name: "default".into(), steps: vec![0] }],
            scenarios: vec![Scenario::new("default", executor)],
            data: Vec::new(),
            variables: Vec::new(),
            once: Once::default(),
            connections: ConnectionPolicy { requests_max: form.requests_max, close_after_iteration: false },
            // There are no other steps that could bring a cookie back within the iteration.
            cookies: if form.cookies { CookiePolicy::User } else { CookiePolicy::Off },
            open_ended: false,
            body_limit: BODY_LIMIT,
        }),
        _ => Err(problems),
    }
}

fn step(form: &FlagForm, problems: &mut Vec<FlagProblem>) -> Option<Step> {
    let mut request = form.request.clone();
    (request.target, request.authority) = (form.url.target.clone(), form.url.authority());
    let says = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection"));
    if form.requests_max == Some(1) && !says {
        request.headers.push(("Connection".into(), "close".into()));
    }
    let checks = form.checks.iter().filter_map(|text| match Check::parse(text) {
        Ok(check) => Some(check),
        Err(error) => {
            problems.push(("--check", error.to_string()));
            None
        }
    });
    let checks = checks.collect();
    let bytes = request.encode().map_err(|error| problems.push(("-H", error.to_string()))).ok()?;
    let url = form.url.to_string();
    Some(Step {
        name: url.as_str().into(),
        origin: 0,
        open_url: None,
        method: request.method.as_str().into(),
        url: url.as_str().into(),
        expect: request.expect(),
        request: RequestTemplate::of_bytes(&bytes),
        timeout: form.timeout,
        expected: StatusSet::default(),
        checks,
        extracts: Vec::new(),
        redirects_max: form.redirects_max,
        think: Think::None,
        tags: Vec::new(),
    })
}

fn executor(form: &FlagForm) -> Result<Executor, FlagProblem> {
    let vus = match form.vus {
        Some(0) if form.stages.is_empty() => return Err(("--vus", "at least one user is needed".into())),
        Some(vus) => u32::try_from(vus).ok().filter(|vus| u64::from(*vus) <= VUS_MAX),
        None => Some(form.connections),
    };
    let vus = vus.ok_or_else(|| ("--vus", "squall can keep 16777216 users at most".to_owned()))?;
    if !form.stages.is_empty() {
        if form.requests.is_some() {
            return Err(("-n", "does not go with --stage: the stages say when the run ends".into()));
        }
        return match form.rate {
            Some(rate) => ramping_rate(form, rate, vus),
            None => ramping_vus(form),
        };
    }
    let duration = form.duration.unwrap_or(DURATION_MAX);
    Ok(match (form.rate, form.requests) {
        (Some(rate), limit) => Executor::ArrivalRate {
            arrivals: ArrivalPlan::Constant {
                rate,
                process: form.arrivals,
                seed: arrivals_seed(form.seed, 0),
            },
            duration,
            stage_ends: vec![duration],
            pre_allocated_vus: vus,
            max_vus: vus,
            max_backlog: form.max_backlog,
            limit,
        },
        (None, None) => Executor::ConstantVus { vus, duration },
        (None, Some(iterations)) if iterations < u64::from(vus) => {
            Executor::SharedIterations { vus: iterations as u32, iterations, max_duration: duration }
        }
        (None, Some(iterations)) => Executor::SharedIterations { vus, iterations, max_duration: duration },
    })
}

fn refuse(error: impl ToString) -> FlagProblem {
    ("--stage", error.to_string())
}

/// `30s:100` as a duration and what is behind the colon.
fn split(stage: &str) -> Result<(Nanos, &str), FlagProblem> {
    let halves = stage.split_once(':');
    let (span, target) =
        halves.ok_or_else(|| refuse(format!("`{stage}` has no colon: write TIME:TARGET, as in 30s:100")))?;
    Ok((parse_duration(span).map_err(refuse)?, target.trim()))
}

/// As in k6, it begins with one user unless `--vus` says otherwise.
fn ramping_vus(form: &FlagForm) -> Result<Executor, FlagProblem> {
    let mut pairs = Vec::new();
    for stage in &form.stages {
        let (span, target) = split(stage)?;
        let users = target.parse::<u64>().ok().filter(|users| *users <= VUS_MAX);
        let users =
            users.ok_or_else(|| refuse(format!("`{target}` is no number of users up to 16777216")))?;
        pairs.push((span, users));
    }
    let executor = ramping_vus_of(form.vus.unwrap_or(1), &pairs, GRACE).map_err(refuse)?;
    if executor.max_vus() == 0 || executor.duration() == Nanos::ZERO {
        return Err(refuse("there is never any user: give a target above 0, and a time"));
    }
    Ok(executor)
}

fn ramping_rate(form: &FlagForm, start: Rate, vus: u32) -> Result<Executor, FlagProblem> {
    let mut stages = Vec::new();
    for stage in &form.stages {
        let (span, target) = split(stage)?;
        // No rate is zero; a stage may go down to it.
        let zero = target.parse::<f64>().is_ok_and(|number| number == 0.0);
        let rate = if zero { Rate { count: 0, per: start.per } } else { target.parse().map_err(refuse)? };
        stages.push((span, rate));
    }
    let per = stages.iter().try_fold(start.per.0, |per, (_, rate)| common(per, rate.per.0));
    let per = per.ok_or_else(|| refuse("the rates have no common time unit: give all of them per second"))?;
    let scaled = |rate: Rate| rate.count.saturating_mul(per / rate.per.0);
    let pairs: Vec<(Nanos, u64)> = stages.into_iter().map(|(span, rate)| (span, scaled(rate))).collect();
    let stages = RateStages::new(Nanos(per), scaled(start), &pairs).map_err(refuse)?;
    if stages.end() == Nanos::ZERO {
        return Err(refuse("the stages take no time: give one a duration"));
    }
    let pool = Pool { pre_allocated: vus, max: vus, max_backlog: form.max_backlog };
    Ok(arrival_rate(ArrivalPlan::Ramping(stages), stage_ends(&pairs), pool))
}

/// The least common multiple.
fn common(a: u64, b: u64) -> Option<u64> {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).checked_mul(b)
}
