//! The worker threads: started, pinned, given a driver, joined.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::RunError;
use super::backend::{Backend, Chosen, Trial, trials};
use super::config::RunConfig;
use super::job::{Job, Orders, SessionRoom, Work};
use super::names;
use super::samples::{self, Writer, Written};
use crate::driver;
use crate::driver::epoll::EpollDriver;
use crate::observer::StopFlag;
use crate::stats::samples::{Legend, Sink};
use crate::stats::snapshot::Snapshot;
use crate::worker::channel::{Channel, Control, Message};
use crate::worker::samples::SampleEnds;

/// Snapshots on their way per worker: one fills, one is merged.
const SNAPSHOTS: usize = 2;

/// The workers of a session, and the coordinator's ends of their channels.
pub(super) struct Threads {
    pub(super) control: Arc<Control>,
    pub(super) messages: Receiver<(u32, Message)>,
    /// What they carry the bytes with.
    pub(super) backend: Backend,
    emptied: Vec<Sender<Snapshot>>,
    orders: Vec<Orders>,
    threads: Vec<JoinHandle<()>>,
    /// Which of them are on their cores.
    pinned: Arc<[AtomicBool]>,
    room: SessionRoom,
    /// Looks names up while load is sent, where that can be needed.
    names: Option<names::Handle>,
    /// Writes samples down, where that was asked for.
    writer: Option<Writer>,
}

impl Threads {
    /// The coordinator's ends of the channels, and each worker's: nobody is at work yet.
    pub(super) fn of(workers: usize, room: SessionRoom) -> (Threads, Vec<Channel>) {
        // Each worker has at most its snapshots, one `Connected`, those of the window's end and of the drain, and one last word under way.
        let (out, messages) = bounded(workers * (SNAPSHOTS + 4));
        let mut emptied = Vec::with_capacity(workers);
        let channels = (0..workers).map(|worker| {
            let (give, take) = bounded(SNAPSHOTS);
            for _ in 0..SNAPSHOTS {
                give.send(Snapshot::new(worker as u32)).expect("the channel holds that many");
            }
            emptied.push(give);
            Channel { out: out.clone(), emptied: take }
        });
        let channels = channels.collect();
        let threads = Threads {
            control: Arc::new(Control::new()),
            messages,
            backend: Backend::default(),
            emptied,
            orders: Vec::with_capacity(workers),
            threads: Vec::with_capacity(workers),
            pinned: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            room,
            names: None,
            writer: None,
        };
        (threads, channels)
    }

    /// Starts one thread per core of `config.cores`. They agree on a driver; then each begins to connect.
    pub(super) fn start(
        config: &RunConfig,
        work: &Work,
        room: SessionRoom,
        spin: bool,
        samples: Option<(Box<dyn Sink>, Legend)>,
    ) -> Result<Threads, RunError> {
        let workers = config.cores.len();
        let (mut threads, channels) = Threads::of(workers, room);
        let (trials, trial) = trials(config.driver, workers);
        let streams = threads.write(samples, workers)?;
        let spawned = threads.spawn(config, work, spin, streams, channels, trial);
        // By value: when nothing is decided the threads that wait for it end.
        match spawned.and_then(move |()| trials.decide(workers).map_err(RunError::from)) {
            Ok(backend) => {
                threads.backend = backend;
                Ok(threads)
            }
            Err(e) => {
                threads.join();
                Err(e)
            }
        }
    }

    /// Starts the threads, which alone keep their channels and `trial`: so their going shows.
    fn spawn(
        &mut self,
        config: &RunConfig,
        work: &Work,
        spin: bool,
        streams: Vec<SampleEnds>,
        channels: Vec<Channel>,
        trial: Trial,
    ) -> Result<(), RunError> {
        let started = names::start(config, config.cores.len()).map_err(RunError::Thread)?;
        let (names, handle) = started.unzip();
        self.names = handle;
        let mut names = names.unwrap_or_default().into_iter();
        let mut streams = streams.into_iter();
        for ((worker, &core), channel) in config.cores.iter().enumerate().zip(channels) {
            let (job, orders) = Job::share_of(config, work, worker as u32, self.room, spin, names.next());
            self.orders.push(orders);
            let worker_thread = WorkerThread {
                core,
                trial: trial.clone(),
                job,
                pinned: Arc::clone(&self.pinned),
                samples: streams.next(),
                channel,
                control: Arc::clone(&self.control),
            };
            let thread =
                thread::Builder::new().name(format!("squall-{worker}")).spawn(move || worker_thread.work());
            self.threads.push(thread.map_err(RunError::Thread)?);
        }
        Ok(())
    }

    /// Sends an emptied snapshot back to its worker.
    pub(super) fn give_back(&self, snapshot: Snapshot) {
        // The worker's last snapshot has nowhere to go: the channel is full or closed.
        let _ = self.emptied[snapshot.worker as usize].try_send(snapshot);
    }

    /// Starts whoever writes samples down, if anybody wants them, and returns each worker's ends of the streams to it.
    pub(super) fn write(
        &mut self,
        samples: Option<(Box<dyn Sink>, Legend)>,
        workers: usize,
    ) -> Result<Vec<SampleEnds>, RunError> {
        let Some((sink, legend)) = samples else { return Ok(Vec::new()) };
        let started = samples::start(sink, legend, workers, &self.control);
        let (streams, writer) = started.map_err(RunError::Thread)?;
        self.writer = Some(writer);
        Ok(streams)
    }

    /// Has all workers do another window, of the same kind of work. All must have finished the one before.
    pub(super) fn next_window(&self, config: &RunConfig, work: &Work, spin: bool) {
        self.control.rewind();
        for (worker, orders) in self.orders.iter().enumerate() {
            orders.send(config, work, worker as u32, self.room, spin);
        }
    }

    /// Which workers are on their cores.
    pub(super) fn pinned(&self) -> Vec<bool> {
        self.pinned.iter().map(|pinned| pinned.load(Ordering::Relaxed)).collect()
    }

    /// Waits until so many `blocks` of a window's samples are written, if anybody wants samples, and says what came of them. Once
    /// `stop` is set it does not wait for long for samples that nobody takes.
    pub(super) fn written(&mut self, blocks: u64, stop: &StopFlag) -> Option<Written> {
        self.writer.as_mut().map(|writer| writer.catch_up(blocks, stop))
    }

    /// Why samples are not written any more.
    pub(super) fn samples_failure(&self) -> Option<String> {
        self.writer.as_ref().and_then(Writer::failure)
    }

    /// Ends the load, and waits for every thread to end.
    pub(super) fn join(self) {
        self.control.stop();
        // Nobody may be left waiting for room in the channel, or for another window: without the other end each call returns at once.
        drop((self.messages, self.orders));
        for thread in self.threads {
            let _ = thread.join();
        }
        // With the workers all who could ask have gone.
        self.names.into_iter().for_each(names::Handle::join);
    }
}

/// Everything that one worker thread takes with it.
struct WorkerThread {
    core: usize,
    trial: Trial,
    job: Job,
    pinned: Arc<[AtomicBool]>,
    samples: Option<SampleEnds>,
    channel: Channel,
    control: Arc<Control>,
}

impl WorkerThread {
    /// The thread's life.
    fn work(self) {
        let pinned = core_affinity::set_for_current(core_affinity::CoreId { id: self.core });
        driver::tighten_timers();
        let number = self.job.worker();
        self.pinned[number as usize].store(pinned, Ordering::Relaxed);
        let WorkerThread { job, samples, trial, channel, control, .. } = self;
        let _last_word = LastWord { worker: number, out: channel.out.clone() };
        let begun = match trial.attempt(job.driver_config()) {
            None => return,
            Some(Chosen::Uring(driver)) => {
                job.carry_out(*driver, samples, &channel, &control);
                Ok(())
            }
            Some(Chosen::Epoll) => EpollDriver::new(job.driver_config())
                .map(|driver| job.carry_out(driver, samples, &channel, &control))
                .map_err(|e| explain_epoll(&e)),
        };
        if let Err(cause) = begun {
            let _ = channel.out.send((number, Message::Broken(cause)));
        }
    }
}

/// Says so when a worker panics: the others keep the channel open, and the coordinator would wait for this one for ever.
pub(super) struct LastWord {
    pub(super) worker: u32,
    pub(super) out: Sender<(u32, Message)>,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.out.send((self.worker, Message::Broken("it has panicked".into())));
        }
    }
}

fn explain_epoll(e: &io::Error) -> String {
    format!("epoll set-up failed: {e}")
}
