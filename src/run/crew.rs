//! The worker threads: started, pinned, given a driver, joined.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::RunError;
use super::config::{DriverChoice, RunConfig};
use super::job::{Job, Work};
use crate::driver::epoll::EpollDriver;
use crate::driver::uring::{SetupError, UringDriver};
use crate::driver::{self, DriverConfig};
use crate::stats::snapshot::Snapshot;
use crate::worker::channel::{Channel, Control, Message};

/// Snapshots on their way per worker: one fills, one is merged.
const SNAPSHOTS: usize = 2;

/// Which driver the workers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriverKind {
    Uring,
    Epoll,
}

impl DriverKind {
    /// As on the command line and in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            DriverKind::Uring => "uring",
            DriverKind::Epoll => "epoll",
        }
    }
}

/// The driver that a run gets, and why.
pub(super) struct Means {
    pub(super) kind: DriverKind,
    /// Why it is not io_uring, if that was not asked for.
    pub(super) note: Option<String>,
    /// What the ring has.
    pub(super) features: Vec<&'static str>,
}

impl Means {
    /// Tries a small ring: the only way to know.
    ///
    /// # Errors
    /// When io_uring was asked for and cannot be had.
    pub(super) fn choose(asked: DriverChoice) -> Result<Means, SetupError> {
        let epoll = |note| Means { kind: DriverKind::Epoll, note, features: Vec::new() };
        if asked == DriverChoice::Epoll {
            return Ok(epoll(None));
        }
        let probe =
            DriverConfig { slots: 1, payloads: Vec::new(), endpoints: Vec::new(), expect_large: true };
        match UringDriver::new(probe) {
            Ok(driver) => {
                Ok(Means { kind: DriverKind::Uring, note: None, features: driver.features().to_vec() })
            }
            Err(e) if asked == DriverChoice::Uring => Err(e),
            Err(e) => Ok(epoll(Some(format!("{e}; going on with epoll")))),
        }
    }
}

/// The workers of a run, and the coordinator's ends of their channels.
pub(super) struct Crew {
    pub(super) control: Arc<Control>,
    pub(super) messages: Receiver<(u32, Message)>,
    emptied: Vec<Sender<Snapshot>>,
    threads: Vec<JoinHandle<bool>>,
}

impl Crew {
    /// Starts one thread per core of `config.cores`; each begins to connect at once.
    pub(super) fn start(
        config: &RunConfig,
        work: &Work,
        kind: DriverKind,
        spin: bool,
    ) -> Result<Crew, RunError> {
        let workers = config.cores.len();
        // Each worker has at most its snapshots, one `Connected` and one last word under way.
        let (out, messages) = bounded(workers * (SNAPSHOTS + 3));
        let mut crew = Crew {
            control: Arc::new(Control::new()),
            messages,
            emptied: Vec::with_capacity(workers),
            threads: Vec::with_capacity(workers),
        };
        for (worker, &core) in config.cores.iter().enumerate() {
            let (give, emptied) = bounded(SNAPSHOTS);
            for _ in 0..SNAPSHOTS {
                give.send(Snapshot::new(worker as u32)).expect("the channel holds that many");
            }
            crew.emptied.push(give);
            let seat = Seat {
                core,
                kind,
                job: Job::share_of(config, work, worker as u32, spin),
                channel: Channel { out: out.clone(), emptied },
                control: Arc::clone(&crew.control),
            };
            let thread = thread::Builder::new().name(format!("squall-{worker}")).spawn(move || seat.work());
            match thread {
                Ok(thread) => crew.threads.push(thread),
                Err(e) => {
                    crew.join();
                    return Err(RunError::Thread(e));
                }
            }
        }
        Ok(crew)
    }

    /// Sends an emptied snapshot back to its worker.
    pub(super) fn give_back(&self, snapshot: Snapshot) {
        // The worker's last snapshot has nowhere to go: the channel is full or closed.
        let _ = self.emptied[snapshot.worker as usize].try_send(snapshot);
    }

    /// Ends the load, waits for every thread to end, and says which were pinned.
    pub(super) fn join(self) -> Vec<bool> {
        self.control.stop();
        // Nobody may be left waiting for room in the channel.
        let (threads, messages) = (self.threads, self.messages);
        let drain = thread::spawn(move || while messages.recv().is_ok() {});
        let pinned = threads.into_iter().map(|t| t.join().unwrap_or(false)).collect();
        // Every sender is gone with its thread.
        let _ = drain.join();
        pinned
    }
}

/// Everything that one worker thread takes with it.
struct Seat {
    core: usize,
    kind: DriverKind,
    job: Job,
    channel: Channel,
    control: Arc<Control>,
}

impl Seat {
    /// The thread's life; true when it could be pinned.
    fn work(self) -> bool {
        let pinned = core_affinity::set_for_current(core_affinity::CoreId { id: self.core });
        driver::tighten_timers();
        let number = self.job.worker();
        let Seat { job, channel, control, .. } = self;
        // The ring belongs to the thread that builds it (IORING_SETUP_SINGLE_ISSUER).
        let begun = match self.kind {
            DriverKind::Uring => UringDriver::new(job.driver_config())
                .map(|driver| job.carry_out(driver, &channel, &control))
                .map_err(|e| e.to_string()),
            DriverKind::Epoll => EpollDriver::new(job.driver_config())
                .map(|driver| job.carry_out(driver, &channel, &control))
                .map_err(|e| explain_epoll(&e)),
        };
        if let Err(cause) = begun {
            let _ = channel.out.send((number, Message::Broken(cause)));
        }
        pinned
    }
}

fn explain_epoll(e: &io::Error) -> String {
    format!("epoll set-up failed: {e}")
}
