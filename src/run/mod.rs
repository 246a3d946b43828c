//! One run, from a validated configuration to a report.

pub mod config;
pub mod events;
pub mod machine;
mod names;
pub mod resolve;

mod collector;
mod conditions;
mod coordinator;
mod crew;
mod describe;
mod job;
mod judge;
mod means;
mod memory;
mod samples;

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::clock;
use crate::driver::failure::Failure;
use crate::driver::uring::SetupError;
use crate::http::request::RequestError;
use crate::observer::{Phase, StopFlag};
use crate::plan::Plan;
use crate::report::{Report, ReportParts, ScenarioParts};
use crate::stats::layout::Layout;
use crate::stats::outcome::ErrorKind;
use crate::stats::samples::{Legend, Sink};
use crate::stats::summary::Summary;
use crate::threshold::{Outcome, Threshold};
use crate::units::human;
use crate::verdict::{self, Readings};

use conditions::Conditions;
use config::{RunConfig, WaitMode};
use coordinator::Coordinator;
use crew::Crew;
use events::Events;
use job::Work;
use judge::Judge;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum RunError {
    /// The request cannot be encoded.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// `--driver uring` was asked for and cannot be had.
    #[error("{0}; --driver auto goes on with epoll")]
    Driver(#[from] SetupError),
    /// A worker could not be started, or its driver broke.
    #[error("worker {worker} stopped: {cause}")]
    Worker {
        /// Its number.
        worker: u32,
        /// What it said.
        cause: String,
    },
    /// There is not enough memory.
    #[error(
        "there is no memory for the run: it needs about {} more than it may have; raise the limit (`ulimit -v`), or use \
         fewer workers (-t), connections (-c) or steps",
        human::bytes(*needed)
    )]
    Memory {
        /// About how many bytes.
        needed: u64,
    },
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(io::Error),
    /// A thread for an observer could not be started.
    #[error("cannot start a thread for an observer: {0}")]
    Observer(io::Error),
    /// Not one connection could be opened.
    #[error("cannot connect to {target}: {cause}")]
    NothingConnected {
        /// Where to.
        target: String,
        /// Why not.
        cause: String,
    },
    /// Stopped by a signal before any load was sent.
    #[error("interrupted before any load was sent")]
    Interrupted,
}

/// What a run came to: numbers, with the histograms behind them, and the report that is made of them.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// Totals, latencies, series and the timeline.
    pub summary: Summary,
    /// What the numbers of the series stand for.
    pub layout: Arc<Layout>,
    /// How the thresholds came out, and which of them ended the run.
    pub thresholds: Vec<(Threshold, Outcome, bool)>,
    /// What the verdict was made of.
    pub readings: Readings,
    /// The same as it is written out, with the verdict.
    pub report: Arc<Report>,
}

/// Sends the load that `config` describes, tells the observers of `events` about it, and reports.
///
/// Blocks until the run is over: at most the time limit for connecting, warm-up, duration and drain; or, once
/// `stop` is set, the drain alone. It never waits for an observer: see [`Events::finish`].
///
/// # Errors
/// When no load could be sent at all. A run that met errors on the way has a report that says so.
pub fn run(config: &RunConfig, events: &mut Events, stop: &StopFlag) -> Result<RunResult, RunError> {
    run_sampled(config, None, events, stop)
}

/// [`run`], which hands every sample to a sink as well. Takes as long as that takes, unless `stop` is set.
///
/// # Errors
/// As [`run`]. A sink that fails makes the verdict INVALID.
pub fn run_sampled(
    config: &RunConfig,
    samples: Option<Box<dyn Sink>>,
    events: &mut Events,
    stop: &StopFlag,
) -> Result<RunResult, RunError> {
    let layout = Arc::new(config.layout());
    memory::ask_for(config, &layout, samples.is_some())?;
    let work = match &config.workload {
        Some(workload) => Work::scenarios(workload, &layout),
        None => Work::Plain(Plan::compile(&describe::request(config), config.pipeline as u16)?),
    };
    let spin = spins(config);
    let started_at = clock::wall();
    let conditions = Conditions::read();
    // Workers connect as soon as they have a driver.
    events.phase(Phase::Connect);
    let samples = samples.map(|sink| (sink, legend(config, &layout)));
    let mut crew = Crew::start(config, &work, spin, samples)?;
    let means = std::mem::take(&mut crew.means);
    if let Some(note) = &means.note {
        events.notice(note);
    }
    let judge = Judge::new(Arc::clone(&layout), config.thresholds.clone());
    let outcome = Coordinator::new(config, &crew, &layout, events, stop, judge).conduct();
    let (pinned, written) = crew.join(stop);
    let course = outcome?;
    if course.gave_up() {
        events.notice("no connection could be had for longer than the connect time limit: stopped early");
    }
    let readings = conditions.readings(config, &course, &pinned, spin, written);
    let samples: Vec<_> = course.finished.iter().flat_map(|f| f.samples.iter().cloned()).collect();
    let workload = config.workload.as_deref();
    let steps: Vec<String> =
        workload.iter().flat_map(|w| &w.steps).map(|step| step.name.to_string()).collect();
    let report = Arc::new(Report::new(ReportParts {
        scenarios: workload.map(|_| ScenarioParts {
            layout: &layout,
            tally: &course.summary.tally,
            thresholds: &course.judged,
            samples: &samples,
            steps: &steps,
            elapsed: course.summary.duration,
        }),
        config: describe::settings(config),
        environment: describe::environment(config, &means),
        tls: describe::tls(config, course.finished.iter().map(|f| f.tls)),
        origins: describe::origins(course.finished.iter().flat_map(|f| &f.origins)),
        summary: &course.summary,
        verdict: verdict::evaluate(&readings, &course.summary),
        readings: &readings,
        aborted: course.aborted,
        started_at,
        max_rss_bytes: machine::max_rss_bytes(),
    }));
    events.report(&report);
    Ok(RunResult { summary: course.summary, layout, thresholds: course.judged, readings, report })
}

/// What samples' numbers stand for.
fn legend(config: &RunConfig, layout: &Arc<Layout>) -> Legend {
    Legend {
        layout: Arc::clone(layout),
        method: config.method.clone(),
        url: config.target.to_string(),
        epoch: clock::wall() - clock::now(),
    }
}

/// Whether the workers spin. `auto`: in the open model, when they have their cores for themselves. A
/// closed loop has no schedule to be late for, and its sleep is paid for by the target.
fn spins(config: &RunConfig) -> bool {
    match config.wait {
        WaitMode::Spin => true,
        WaitMode::Sleep => false,
        WaitMode::Auto => config.is_open() && config.cores_to_spare,
    }
}

fn nothing_connected(config: &RunConfig, failure: Option<(ErrorKind, Option<Failure>)>) -> RunError {
    let cause = match failure {
        Some((ErrorKind::TlsTimeout, _)) => {
            format!("TLS did not stand within {}: is the port right for https?", config.tls_timeout)
        }
        Some((ErrorKind::ConnectTimeout, _)) => {
            format!(
                "no answer within {}: is a firewall in between, or does it accept nobody?",
                config.connect_timeout
            )
        }
        Some((ErrorKind::PortExhausted, Some(failure))) => format!(
            "{failure}: no local port is free for it; let connections come from several addresses (--source), or widen \
             net.ipv4.ip_local_port_range"
        ),
        Some((_, Some(failure @ Failure::Os(libc::ECONNREFUSED))))
            if config.dialing.unix_socket.is_some() =>
        {
            format!("{failure}: nobody listens on it; is the target running?")
        }
        Some((_, Some(failure @ Failure::Os(libc::ECONNREFUSED)))) => {
            format!("{failure}: is the target running, and is this its port?")
        }
        Some((_, Some(failure))) => failure.to_string(),
        Some((_, None)) | None => "every attempt failed".into(),
    };
    let to = match &config.dialing.unix_socket {
        Some(path) => format!("Unix socket {}", path.display()),
        None => config.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    RunError::NothingConnected { target: format!("{} ({to})", config.target), cause }
}
