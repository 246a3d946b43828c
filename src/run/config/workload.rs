//! Plans: from a file, or from flags that ask for more than one request over and over.

pub(super) mod request;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::request::RequestParts;
use super::error::{ConfigError, Problems};
use super::workers::{Room, with_reserved};
use super::{RawConfig, load::Times};
use crate::http::request::Request;
use crate::http::url::Url;
use crate::load::{Arrivals, LoadModel};
use crate::plan::file::{self, Compiled, Surroundings};
use crate::plan::flags::{FlagForm, from_flags};
use crate::plan::workload::Workload;
use crate::secrets::Redactor;
use crate::threshold::Threshold;

/// The file that is meant when the URL's place holds the name of one.
fn plan_path(raw: &RawConfig) -> Option<PathBuf> {
    let path = Path::new(&raw.url);
    (file::format_of(path).is_some() && path.is_file()).then(|| path.to_owned())
}

/// Reads and compiles a file; flags that say what it says are refused.
pub(super) fn from_file(
    raw: &RawConfig,
    seed: u64,
    secrets: &mut Redactor,
    problems: &mut Problems,
) -> Result<Option<Compiled>, ConfigError> {
    let Some(path) = plan_path(raw) else {
        return Ok(None);
    };
    for (flag, given) in own_of_plan(raw) {
        if given {
            problems.add(flag, format!("`{}` is a plan, which says that itself: leave {flag} out", raw.url));
        }
    }
    let mut variables = BTreeMap::new();
    for text in &raw.vars {
        match text.split_once('=') {
            Some((name, value)) => drop(variables.insert(name.to_owned(), value.to_owned())),
            None => problems.add("--var", format!("`{text}` has no `=`: write NAME=VALUE")),
        }
    }
    let env = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let around = Surroundings {
        env: env.collect(),
        variables,
        base_dir: path.parent().unwrap_or(Path::new("")),
        seed,
        seed_wins: raw.seed.is_some(),
    };
    file::load(&path, &around, secrets).map(Some).map_err(ConfigError::Plan)
}

/// The flags for what a plan says itself, and whether they are given.
fn own_of_plan(raw: &RawConfig) -> [(&'static str, bool); 19] {
    [
        ("-c", raw.connections.is_some()),
        ("-d", raw.duration.is_some()),
        ("-n", raw.requests.is_some()),
        ("-R", raw.rate.is_some()),
        ("--arrivals", raw.arrivals.is_some()),
        ("-p", raw.pipeline.is_some()),
        ("--max-backlog", raw.max_backlog.is_some()),
        ("-m", raw.method.is_some()),
        ("-H", !raw.headers.is_empty()),
        ("--body", raw.body.is_some()),
        ("--body-file", raw.body_file.is_some()),
        ("--timeout", raw.timeout.is_some()),
        ("--stage", !raw.stages.is_empty()),
        ("--vus", raw.vus.is_some()),
        ("--check", !raw.checks.is_empty()),
        ("--max-redirects", raw.max_redirects.is_some()),
        ("--no-keepalive", raw.no_keepalive),
        ("--requests-per-connection", raw.requests_per_connection.is_some()),
        ("--cookies", raw.cookies),
    ]
}

/// The option, or "plan", that says how many users or connections there are.
pub(super) fn who_says_how_many(raw: &RawConfig) -> &'static str {
    match raw {
        _ if plan_path(raw).is_some() => "plan",
        _ if raw.vus.is_some() => "--vus",
        // With -R the stages are of the rate, and -c says how many connections carry it.
        _ if !raw.stages.is_empty() && raw.rate.is_none() => "--stage",
        _ => "-c",
    }
}

/// How many users there can be; each has a connection, and thus a descriptor, for each origin.
pub(super) fn users(raw: &RawConfig, workload: &Workload, room: Room, problems: &mut Problems) -> u32 {
    let (users, origins) = (workload.max_vus(), workload.origins.len() as u64);
    let connections = users.saturating_mul(origins);
    let option = who_says_how_many(raw);
    // Those of -c were counted with it.
    if connections > room.connections && option != "-c" {
        let needed = with_reserved(connections);
        let each = if origins == 1 {
            "a connection".into()
        } else {
            format!("a connection to each of {origins} origins")
        };
        problems.add(
            option,
            format!(
                "{users} users with {each} {}: raise the hard limit (ulimit -n {needed}), or use at most {} users",
                room.lack(connections),
                room.connections / origins
            ),
        );
    }
    u32::try_from(users).unwrap_or(u32::MAX)
}

/// The plan's thresholds and those of `--threshold METRIC:EXPRESSION`.
pub(super) fn thresholds(
    raw: &RawConfig,
    plan: Vec<Threshold>,
    workload: Option<&Workload>,
    problems: &mut Problems,
) -> Vec<Threshold> {
    let mut layout = workload.map(Workload::layout).unwrap_or_default();
    let mut all = plan;
    for text in &raw.thresholds {
        let read = Threshold::parse_flag(text).and_then(|threshold| {
            // Without a workload there are other problems, which come first.
            if workload.is_some() {
                threshold.prepare(&mut layout)?;
            }
            Ok(threshold)
        });
        all.extend(problems.note("--threshold", read));
    }
    all
}

/// Whether the flags ask for what only virtual users can do.
fn wanted(raw: &RawConfig) -> Option<&'static str> {
    let flags = [
        ("--stage", !raw.stages.is_empty()),
        ("--vus", raw.vus.is_some()),
        ("--check", !raw.checks.is_empty()),
        ("--threshold", !raw.thresholds.is_empty()),
        ("--max-redirects", raw.max_redirects.is_some_and(|n| n > 0)),
        ("--no-keepalive", raw.no_keepalive),
        ("--requests-per-connection", raw.requests_per_connection.is_some()),
        ("--cookies", raw.cookies),
    ];
    flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
}

/// The workload, where the flags ask for one.
pub(super) fn of_flags(
    raw: &RawConfig,
    url: &Url,
    (request, authorization): (&RequestParts, Option<&str>),
    times: &Times,
    load: (&LoadModel, u64, u32),
    problems: &mut Problems,
) -> Option<Workload> {
    if !raw.vars.is_empty() {
        problems.add("--var", "is for the variables of a plan; there is none here");
    }
    let flag = wanted(raw)?;
    if raw.pipeline.is_some_and(|depth| depth > 1) {
        problems.add("-p", format!("does not go with {flag}: a user waits for each response"));
    }
    if !raw.stages.is_empty() && raw.duration.is_some() {
        problems.add("-d", "does not go with --stage: the stages say when the run ends");
    }
    if raw.vus.is_some() && raw.connections.is_some() {
        problems.add("-c", "does not go with --vus: each user has its own connection");
    }
    if raw.requests_per_connection == Some(0) {
        problems.add("--requests-per-connection", "must be at least 1");
    }
    let (model, max_backlog, connections) = load;
    let (rate, arrivals, seed) = match model {
        LoadModel::Open(schedule) => (Some(schedule.rate), schedule.arrivals, schedule.seed),
        LoadModel::Closed => (None, Arrivals::Uniform, 0),
    };
    let authorization = authorization.map(|value| ("Authorization".to_owned(), value.to_owned()));
    let form = FlagForm {
        url: url.clone(),
        request: Request {
            method: request.method.clone(),
            target: url.target.clone(),
            authority: url.authority(),
            headers: request.headers.iter().cloned().chain(authorization).collect(),
            body: request.body.clone(),
        },
        stages: raw.stages.clone(),
        vus: raw.vus,
        connections,
        rate,
        arrivals,
        seed,
        duration: times.duration.map(|duration| duration + times.warmup),
        requests: raw.requests,
        max_backlog,
        checks: raw.checks.clone(),
        timeout: times.timeout,
        redirects_max: raw.max_redirects.unwrap_or(0),
        requests_max: if raw.no_keepalive { Some(1) } else { raw.requests_per_connection },
        cookies: raw.cookies,
    };
    match from_flags(form) {
        Ok(workload) => Some(workload),
        Err(found) => {
            found.into_iter().for_each(|(flag, message)| problems.add(flag, message));
            None
        }
    }
}
