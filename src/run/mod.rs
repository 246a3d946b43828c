//! One run, from a validated configuration to a report.

pub mod config;
pub mod events;
pub mod machine;
mod names;
mod once;
pub mod resolve;

mod alone;
mod backend;
mod collector;
mod conditions;
mod coordinator;
mod describe;
mod job;
mod judge;
mod memory;
mod samples;
pub mod script;
mod script_memory;
pub mod session;
mod threads;

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::driver::failure::Failure;
use crate::driver::uring::SetupError;
use crate::http::request::RequestError;
use crate::observer::StopFlag;
use crate::report::Report;
use crate::stats::layout::Layout;
use crate::stats::outcome::ErrorKind;
use crate::stats::samples::Sink;
use crate::stats::summary::Summary;
use crate::threshold::{Outcome, Threshold};
use crate::units::human;
use crate::verdict::Readings;

use config::{Change, ConfigError, RunConfig};
use events::Events;
use session::Session;

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
    /// More memory is needed than the run may have.
    #[error(
        "--max-memory: the run needs about {} before any response is looked at, and may have {}; allow more, or use fewer workers \
         (-t), connections (-c) or steps",
        human::bytes(*needed), human::bytes(*most)
    )]
    MemoryAsked {
        /// About how many bytes.
        needed: u64,
        /// What was asked for.
        most: u64,
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
    /// What the plan does once could not be done.
    #[error("what the plan does `once` failed, so that no load was sent: {0}")]
    Once(String),
    /// A window of a session cannot be as it was asked for.
    #[error(transparent)]
    Window(#[from] ConfigError),
    /// A session has ended with an earlier window's error.
    #[error("the session is over: an earlier window has failed")]
    SessionIsOver,
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
    Session::of_one_window(config.clone(), samples).window(&Change::default(), events, stop)
}

fn nothing_connected(config: &RunConfig, failure: Option<(ErrorKind, Option<Failure>)>) -> RunError {
    let cause = match failure {
        Some((ErrorKind::TlsTimeout, _)) => {
            format!("TLS did not stand within {}: is the port right for https?", config.tls_timeout)
        }
        Some((ErrorKind::ConnectTimeout, _)) => {
            format!(
                "no response within {}: is a firewall in between, or does it accept nobody?",
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
