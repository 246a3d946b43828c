//! From the flags as they were given to a run that can be started.
//!
//! Two stages: [`RawConfig`] holds what was typed, [`RunConfig`] only what makes sense.
//! [`RunConfig::validate`] is the only way from one to the other, and reports every problem that it
//! finds at once.

mod change;
mod connect;
mod error;
mod flags;
mod limits;
mod load;
mod routes;
mod secrets;
mod workers;
mod workload;

use std::net::SocketAddr;
use std::sync::Arc;

pub use self::change::Change;
pub use self::connect::names::{HostPattern, NameRules};
pub use self::connect::{Dialing, Override};
pub use self::error::{ConfigError, Problem};
pub use self::flags::words::{DriverChoice, WaitMode};
pub use self::flags::{RawConfig, RawConnect, RawTls};
pub use self::routes::Routes;
pub use self::routes::proxies::Proxies;
pub use self::routes::proxy::Proxy;
pub use self::routes::tls::TlsChoice;

use self::connect::ports::Demand;
use self::error::Problems;
use self::load::Load;
use self::workers::host::{Host, ThisHost};
use self::workers::{Room, Wish};
use crate::clock;
use crate::http::url::Url;
use crate::load::LoadModel;
use crate::plan::workload::Workload;
use crate::run::machine::UsableCores;
use crate::secrets::Redactor;
use crate::stats::layout::Layout;
use crate::threshold::Threshold;
use crate::units::Nanos;
use crate::worker::flow::script::ScriptTask;

/// Connections when `-c` is not given.
pub const CONNECTIONS_DEFAULT: u64 = 50;
/// How long a run takes when neither `-d` nor `-n` is given.
pub const DURATION_DEFAULT: Nanos = Nanos::from_secs(10);
/// How long a request may take when `--timeout` is not given.
pub const TIMEOUT_DEFAULT: Nanos = Nanos::from_secs(10);
/// How long the opening of a connection may take when `--connect-timeout` is not given.
pub const CONNECT_TIMEOUT_DEFAULT: Nanos = Nanos::from_secs(5);
/// How often the workers hand their figures over when `--interval` is not given.
pub const INTERVAL_DEFAULT: Nanos = Nanos::from_secs(1);
/// Most requests in flight on one connection.
pub const PIPELINE_MAX: u64 = 1_024;
/// Most that `--max-series` takes: a series has some kilobytes in each of several snapshots of a worker.
pub const SERIES_LIMIT: u32 = 100_000;

/// A run that can be started. Every figure is in its bounds, and the target has an address.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The target, as given.
    pub target: Url,
    /// The request's method, a token; GET unless asked otherwise, POST when there is a body.
    pub method: String,
    /// The request's own headers, in order; names are tokens, values without CR, LF and NUL.
    pub headers: Vec<(String, String)>,
    /// Value of Authorization for the user name and password of the URL (RFC 7617): sent, and never shown.
    pub authorization: Option<String>,
    /// The request's body; with `pipeline` copies of it below 1 GiB.
    pub body: Arc<[u8]>,
    /// Connections in total, at least one for each worker.
    pub connections: u32,
    /// Connections beside them, for origins that responses lead to.
    pub spare_connections: u32,
    /// The option that says how many, or "plan".
    pub counted_by: &'static str,
    /// One worker per entry, pinned to that core; never empty, no core twice.
    pub cores: Vec<usize>,
    /// Whether at least one of the addresses is on this host.
    pub shared_host: bool,
    /// The cores that the target may run on, when it is on this host and they can be known. Read
    /// before the workers are pinned, so it is right even if the target is in this very process.
    pub target_cores: Option<Vec<usize>>,
    /// Whether the workers have their cores for themselves: `--wait auto` may spin then.
    pub cores_to_spare: bool,
    /// How long to measure. With `requests` given too, whichever comes first ends the run.
    pub duration: Option<Nanos>,
    /// How many requests to start in total, at least 1.
    pub requests: Option<u64>,
    /// All of `requests` are owed: nothing else was to end the run.
    pub owes_requests: bool,
    /// When requests start.
    pub load: LoadModel,
    /// Requests in flight per connection, 1 to [`PIPELINE_MAX`].
    pub pipeline: u32,
    /// How long one request may take; above zero.
    pub timeout: Nanos,
    /// How long opening a connection may take; above zero.
    pub connect_timeout: Nanos,
    /// How long TLS may take from there; above zero.
    pub tls_timeout: Nanos,
    /// Load before the measuring starts; zero for none.
    pub warmup: Nanos,
    /// How workers wait.
    pub wait: WaitMode,
    /// How many arrivals may wait for a connection, over all workers (open model only).
    pub max_backlog: u64,
    /// Which driver.
    pub driver: DriverChoice,
    /// Seed of everything random; given, or taken from the clock, but always reported.
    pub seed: u64,
    /// The target's addresses, in the resolver's order; empty only where everything goes to a Unix socket.
    pub addresses: Vec<SocketAddr>,
    /// How connections are dialled.
    pub dialing: Dialing,
    /// How often the workers hand their figures over: a point of the timeline, and an event for each observer; 100 ms
    /// or more.
    pub interval: Nanos,
    /// Series that samples may make, of a flow's own metrics and tags: in a worker, and in what is merged of all; up to [`SERIES_LIMIT`].
    /// Those of a plan are not among them.
    pub max_series: u32,
    /// How long requests in flight may take after the end.
    pub drain: Nanos,
    /// Longest head of a response, in bytes.
    pub max_head: usize,
    /// Memory for the run in bytes, if that was said.
    pub max_memory: Option<u64>,
    /// Requests of plain runs are sent again that met a connection which was just being closed.
    pub resend: bool,
    /// Whether a verdict of INVALID still exits 0.
    pub allow_invalid: bool,
    /// Scenarios, when the run is more than one request over and over.
    pub workload: Option<Arc<Workload>>,
    /// The addresses of each of the workload's origins.
    pub origin_addresses: Vec<Vec<SocketAddr>>,
    /// How the origins are reached.
    pub routes: Routes,
    /// What may be looked up while load is sent.
    pub names: NameRules,
    /// What the whole must come to, from the plan and `--threshold`. Only with scenarios.
    pub thresholds: Vec<Threshold>,
    /// Keeps the secrets of options and plan out of what is shown.
    pub secrets: Arc<Redactor>,
    /// The script whose scenarios the workload has, and what it is run for.
    pub script: Option<ScriptTask>,
}

/// What a script says of its load, in place of a plan.
#[derive(Debug)]
pub struct Scripted {
    /// Its scenarios.
    pub workload: Workload,
    /// Its thresholds.
    pub thresholds: Vec<Threshold>,
    /// The script.
    pub task: ScriptTask,
}

impl RunConfig {
    /// True when requests, or the iterations of any scenario, follow a schedule.
    pub(super) fn is_open(&self) -> bool {
        match &self.workload {
            Some(workload) => workload.is_open(),
            None => self.load.is_open(),
        }
    }

    /// What the run keeps apart; nothing in plain runs.
    pub(super) fn layout(&self) -> Layout {
        let mut layout = self.workload.as_ref().map(|workload| workload.layout()).unwrap_or_default();
        if self.script.is_some() {
            layout.expect_any_tags();
        }
        layout.bound_series(self.max_series);
        for threshold in &self.thresholds {
            threshold.prepare(&mut layout).expect("it was prepared when the options were judged");
        }
        layout
    }

    /// Judges the options, and resolves the target's name when they are fine (up to 10 s).
    ///
    /// Raises the soft limit on descriptors to the hard one, and reads `--body-file`.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with every problem found; [`ConfigError::Resolve`] when only the
    /// name is at fault.
    pub fn validate(raw: RawConfig) -> Result<RunConfig, ConfigError> {
        validate_on(raw, None, &ThisHost::new())
    }

    /// The same for a script, whose load `scripted` has; of `raw` what concerns the load is passed over.
    ///
    /// # Errors
    /// As [`validate`](RunConfig::validate).
    pub fn of_script(raw: RawConfig, scripted: Scripted) -> Result<RunConfig, ConfigError> {
        let task = scripted.task.clone();
        let planned = Planned {
            seed: raw.seed.unwrap_or_else(random_seed),
            // Where it goes shows when it runs.
            target: "http://localhost/".parse().ok(),
            authorization: None,
            workload: Some(scripted.workload),
            thresholds: scripted.thresholds,
        };
        let config = validate_on(raw, Some(planned), &ThisHost::new())?;
        Ok(RunConfig { script: Some(task), addresses: Vec::new(), ..config })
    }
}

/// What a plan says, where there is one, and what it is about.
struct Planned {
    /// The plan's, unless `--seed` was given; without either random.
    seed: u64,
    /// The plan's first origin; without a plan the URL, when it is one.
    target: Option<Url>,
    /// What Authorization says for the URL's credentials.
    authorization: Option<String>,
    workload: Option<Workload>,
    thresholds: Vec<Threshold>,
}

fn planned(raw: &RawConfig, secrets: &mut Redactor, problems: &mut Problems) -> Result<Planned, ConfigError> {
    let seed = raw.seed.unwrap_or_else(random_seed);
    Ok(match workload::from_file(raw, seed, secrets, problems)? {
        Some(plan) => Planned {
            seed: plan.seed.filter(|_| raw.seed.is_none()).unwrap_or(seed),
            target: Some(plan.workload.origins[0].url.clone()),
            authorization: None,
            workload: Some(plan.workload),
            thresholds: plan.thresholds,
        },
        None => {
            let (target, authorization) = workload::request::target(raw, problems);
            Planned { seed, target, authorization, workload: None, thresholds: Vec::new() }
        }
    })
}

/// How everything is reached.
struct Access {
    routes: Routes,
    /// The names whose addresses are called.
    asked: Vec<Url>,
    names: NameRules,
    dialing: Dialing,
}

fn access(
    raw: &RawConfig,
    target: Option<&Url>,
    mut workload: Option<&mut Workload>,
    host: &impl Host,
    problems: &mut Problems,
) -> Access {
    let routes = routes::routes(raw, target, workload.as_deref_mut(), host, problems);
    let asked = routes.asked(target, workload.as_deref());
    let open_ended = workload.is_some_and(|workload| workload.follows_redirects());
    let dialing = connect::dialing(raw, &asked, open_ended, host, problems);
    let names = connect::names::rules(raw, &asked, &dialing, open_ended, problems);
    Access { routes, asked, names, dialing }
}

/// The addresses of each of `asked`, if so many connections can go there; `demand` names the option that asks for them.
fn reach(
    dialing: &Dialing,
    asked: &[Url],
    demand: (u32, &'static str),
    host: &impl Host,
) -> Result<Vec<Vec<SocketAddr>>, ConfigError> {
    let origins = dialing.resolve(asked, host)?;
    let (connections, option) = demand;
    Demand { dialing, origins: &origins, connections, option }.judge(host)?;
    Ok(origins)
}

/// Where the workers are to be, and how they wait and send.
struct Place {
    usable: UsableCores,
    wish: Wish,
    wait: WaitMode,
    driver: DriverChoice,
    room: Room,
    /// Who says how many users or connections there are.
    option: &'static str,
}

impl Place {
    fn of(raw: &RawConfig, host: &impl Host, problems: &mut Problems) -> Place {
        let usable = host.usable_cores();
        let wish = workers::wish(raw, &usable, problems);
        let (wait, driver) = words(raw, problems);
        let room = Room::of(driver, &wish, host.descriptors());
        let option = workload::who_says_how_many(raw);
        Place { usable, wish, wait, driver, room, option }
    }
}

fn words(raw: &RawConfig, problems: &mut Problems) -> (WaitMode, DriverChoice) {
    let wait = problems.choice("--wait", raw.wait.as_deref());
    (wait, problems.choice("--driver", raw.driver.as_deref()))
}

/// As [`RunConfig::validate`], on a host that may be a test's.
fn validate_on(raw: RawConfig, given: Option<Planned>, host: &impl Host) -> Result<RunConfig, ConfigError> {
    let (mut secrets, mut problems) = (secrets::of_flags(&raw), Problems::default());
    let plan = given.map_or_else(|| planned(&raw, &mut secrets, &mut problems), Ok);
    let config = plan.and_then(|plan| read(raw, plan, problems, host, &mut secrets));
    let config = config.map_err(|error| error.without(&secrets))?;
    Ok(RunConfig { secrets: Arc::new(secrets), ..config })
}

/// The secrets that are found on the way are added to `secrets`.
fn read(
    raw: RawConfig,
    plan: Planned,
    mut problems: Problems,
    host: &impl Host,
    secrets: &mut Redactor,
) -> Result<RunConfig, ConfigError> {
    let Load { times, load, limits, pipeline } = Load::read(&raw, plan.seed, &mut problems);
    let request = workload::request::request(&raw, pipeline, &mut problems);
    secrets::of_body(&request.body, secrets);
    let Place { usable, wish, wait, driver, room, option } = Place::of(&raw, host, &mut problems);
    let connections = workers::connections(&raw, &wish, (option == "-c").then_some(room), &mut problems);
    let mut workload = plan.workload.or_else(|| {
        let (load, asked) = ((&load, limits.backlog, connections), (&request, plan.authorization.as_deref()));
        workload::of_flags(&raw, plan.target.as_ref()?, asked, &times, load, &mut problems)
    });
    let thresholds = workload::thresholds(&raw, plan.thresholds, workload.as_ref(), &mut problems);
    let way = access(&raw, plan.target.as_ref(), workload.as_mut(), host, &mut problems);
    workload.iter_mut().for_each(|workload| workload.body_limit = limits.body);
    let users = workload.as_ref().map(|w| workload::users(&raw, w, room, &mut problems));
    let connections = users.unwrap_or(connections);
    let target = plan.target.filter(|_| problems.is_empty());
    let target = target.ok_or_else(|| ConfigError::Refused(problems.into_vec()))?;
    let Access { routes, asked, names, dialing } = way;
    let origins = reach(&dialing, &asked, (connections, option), host)?;
    let workers = workers::place(wish, connections, &usable, &origins.concat(), &dialing, host);
    Ok(RunConfig {
        target,
        method: request.method,
        headers: request.headers,
        authorization: plan.authorization,
        body: request.body.into(),
        connections,
        spare_connections: workers.spare(users.filter(|_| names.open_ended), origins.len(), room),
        counted_by: option,
        cores: workers.cores,
        shared_host: workers.shared_host,
        target_cores: workers.target_cores,
        cores_to_spare: workers.cores_to_spare,
        duration: workload.as_ref().map_or(times.duration, |w| Some(w.duration() - times.warmup)),
        requests: raw.requests,
        owes_requests: raw.requests.is_some() && raw.duration.is_none(),
        load,
        pipeline,
        timeout: times.timeout,
        connect_timeout: times.connect_timeout,
        tls_timeout: times.tls_timeout,
        warmup: times.warmup,
        wait,
        max_backlog: limits.backlog,
        driver,
        seed: plan.seed,
        addresses: origins.first().cloned().unwrap_or_default(), // the target is the first origin
        dialing,
        interval: times.interval,
        max_series: limits.series,
        drain: times.drain,
        max_head: limits.head,
        max_memory: limits.memory,
        resend: raw.resend,
        allow_invalid: raw.allow_invalid,
        origin_addresses: if workload.is_some() { origins } else { Vec::new() },
        workload: workload.map(Arc::new),
        routes,
        names,
        thresholds,
        secrets: Arc::default(),
        script: None,
    })
}

/// A seed from the clock: 32 bits, since people copy it from the report by hand.
pub fn random_seed() -> u64 {
    // The upper half of a product with an odd constant depends on all the clock's bits
    // (Fibonacci hashing, Knuth, TAOCP 3, 6.4).
    clock::wall().0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

#[cfg(test)]
mod tests;
