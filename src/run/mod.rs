//! One run, from a validated configuration to a report.

mod collector;
pub mod config;
pub mod machine;
pub mod resolve;
mod crew;

use std::io;

use crossbeam_channel::RecvTimeoutError;
use thiserror::Error;

use crate::clock;
use crate::driver::uring::{SetupError, UringDriver};
use crate::driver::{DriverConfig, Endpoint};
use crate::http::request::{Request, RequestError};
use crate::load::LoadModel;
use crate::observer::{Observer, Phase, Progress, StopFlag};
use crate::plan::Plan;
use crate::report::Report;
use crate::stats::outcome::ErrorKind;
use crate::stats::snapshot::Snapshot;
use crate::stats::summary::TimelinePoint;
use crate::units::Nanos;
use crate::worker::channel::{Connected, Finished, Message};

use collector::Collector;
use config::{DriverChoice, RunConfig, WaitMode};
use crew::Crew;

/// How often the coordinator looks for Ctrl-C.
const GLANCE: Nanos = Nanos::from_millis(20);

/// From "all are connected" to the first request: time for every worker to see it.
const LEAD: Nanos = Nanos::from_millis(1);

/// Why there is no report.
#[derive(Debug, Error)]
pub enum RunError {
    /// The request cannot be encoded.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// `--driver uring` was asked for and cannot be had.
    #[error("{0}")]
    Driver(#[from] SetupError),
    /// A worker could not be started, or its driver broke.
    #[error("worker {worker} stopped: {cause}")]
    Worker {
        /// Its number.
        worker: u32,
        /// What it said.
        cause: String,
    },
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(io::Error),
    /// Not one connection could be opened.
    #[error("cannot connect to {target}: {cause}")]
    NothingConnected {
        /// Where to.
        target: String,
        /// Why not.
        cause: String,
    },
}

/// Sends the load that `config` describes, tells `observer` about it, and reports.
///
/// Blocks until the run is over: at most connect time limit + warm-up + duration + drain, or, once
/// `stop` is set, the drain.
///
/// # Errors
/// When no load could be sent at all. A run that met errors on the way has a report that says so.
pub fn run(config: &RunConfig, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Report, RunError> {
    let plan = Plan::compile(&request(config), config.pipeline as u16)?;
    let driver = choose_driver(config, observer)?;
    let started_at = clock::wall();
    let conditions = conditions::Before::read(config);
    let spin = spins(config);
    let crew = Crew::start(config, &plan, driver.kind, spin)?;

    observer.on_phase(Phase::Connect);
    let outcome = Coordinator::new(config, &crew, observer, stop).conduct();
    crew.control.stop();
    crew.join();
    let course = outcome?;
    Ok(conditions.report(config, course, driver, spin, started_at, observer))
}
