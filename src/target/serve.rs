//! One serving thread: its runtime, its listener, its connections.

use std::cell::{Cell, RefCell};
use std::io::{self, PipeReader};
use std::net::{Shutdown, TcpListener as StdListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crossbeam_channel::Sender;
use tokio_uring::fs::File;
use tokio_uring::net::TcpListener;

use super::connection::Connection;
use super::core::{Core, Peer};
use super::error::TargetError;
use super::inject::{Dice, Latency, Stall};
use super::metrics::ThreadStats;
use super::respond::Responder;
use super::timer::Timer;
use crate::clock;
use crate::units::Nanos;

/// How long requests in flight may take after the server was told to stop.
const DRAIN_MAX: Nanos = Nanos::from_secs(5);
/// How long connections get to notice that they were cut off.
const CUT_OFF_MAX: Nanos = Nanos::from_millis(200);
/// How often the thread looks whether they are all done.
const DRAIN_STEP: Nanos = Nanos::from_millis(2);
/// How long to wait before accepting again when descriptors or memory have run out.
const ACCEPT_PAUSE: Nanos = Nanos::from_millis(10);
/// How often a thread that stands still looks whether it should stop instead.
const STALL_STEP: Nanos = Nanos::from_millis(10);
/// Submission queue entries; a full queue is flushed, so this only sets the batch size.
const SQ_ENTRIES: u32 = 1024;
/// Completion queue entries: room for 10,000 connections that all become readable at once.
const CQ_ENTRIES: u32 = 16_384;

/// What one thread is made from.
pub(super) struct Setup {
    /// Its place among the threads, from 0.
    pub(super) index: usize,
    pub(super) core: usize,
    pub(super) listener: StdListener,
    pub(super) latency: Option<Latency>,
    pub(super) error_rate: f64,
    pub(super) stall: Option<Stall>,
    pub(super) seed: u64,
    /// When the server started: all threads stall by it.
    pub(super) epoch: Nanos,
    pub(super) stats: Arc<[ThreadStats]>,
    /// Set before `stop_pipe` ends.
    pub(super) stop: Arc<AtomicBool>,
    /// Its end of input is the signal to stop: nothing is ever written to it.
    pub(super) stop_pipe: PipeReader,
}

/// Runs one thread: says on `ready` whether it serves, and returns when it has stopped.
pub(super) fn run(setup: Setup, ready: &Sender<Result<(), TargetError>>) {
    let prepared = pin(setup.core).and_then(|()| Ok((runtime()?, timer()?)));
    match prepared {
        Ok((runtime, timer)) => runtime.block_on(serve(setup, timer, ready)),
        // The receiver waits for one word of each thread, so the channel is open.
        Err(error) => drop(ready.send(Err(error))),
    }
}

fn pin(core: usize) -> Result<(), TargetError> {
    if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        Ok(())
    } else {
        Err(TargetError::Pin { core })
    }
}

fn timer() -> Result<Rc<Timer>, TargetError> {
    let timer = Timer::new().map_err(|source| TargetError::Resources { source })?;
    Ok(Rc::new(timer))
}

/// A runtime whose ring does not interrupt the thread for each completion (Linux 5.19; worth
/// 45 % at 50 connections), or a plain one where the kernel does not know the flag.
fn runtime() -> Result<tokio_uring::Runtime, TargetError> {
    let build = |cooperative: bool| {
        let mut ring = tokio_uring::uring_builder();
        ring.setup_cqsize(CQ_ENTRIES);
        if cooperative {
            ring.setup_coop_taskrun();
        }
        let mut builder = tokio_uring::builder();
        builder.entries(SQ_ENTRIES).uring_builder(&ring);
        tokio_uring::Runtime::new(&builder)
    };
    build(true)
        .or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => build(false),
            _ => Err(error),
        })
        .map_err(|source| TargetError::Ring { source })
}

async fn serve(setup: Setup, timer: Rc<Timer>, ready: &Sender<Result<(), TargetError>>) {
    let core = Rc::new(Core {
        index: setup.index,
        latency: setup.latency,
        error_rate: setup.error_rate,
        stats: setup.stats,
        dice: RefCell::new(Dice::new(setup.seed, setup.index)),
        scanner: RefCell::default(),
        responder: RefCell::new(Responder::new(clock::wall())),
        next_second: Cell::new(Nanos::ZERO),
        timer: timer.clone(),
        stopping: Cell::new(false),
        peers: RefCell::default(),
    });
    let door = match setup.listener.try_clone() {
        Ok(door) => door,
        Err(source) => return drop(ready.send(Err(TargetError::Resources { source }))),
    };
    tokio_uring::spawn(timer.drive());
    tokio_uring::spawn(accept(core.clone(), TcpListener::from_std(setup.listener)));
    if let Some(stall) = setup.stall {
        tokio_uring::spawn(stand_still(core.clone(), stall, setup.epoch, setup.stop.clone()));
    }
    drop(ready.send(Ok(())));

    end_of_input(setup.stop_pipe).await;
    core.stopping.set(true);
    drain(&core, &door).await;
}

async fn end_of_input(pipe: PipeReader) {
    let file = File::from_std(std::fs::File::from(OwnedFd::from(pipe)));
    let _ = file.read_at(vec![0u8; 1], 0).await;
}

/// Closes the door, ends idle connections, and waits for the others within [`DRAIN_MAX`].
async fn drain(core: &Core, door: &StdListener) {
    // A shut-down listener refuses new connections and completes the pending accept.
    let _ = socket2::SockRef::from(door).shutdown(Shutdown::Both);
    for peer in core.peers.borrow().values() {
        if peer.idle.get() {
            let _ = peer.stream.shutdown(Shutdown::Read);
        }
    }
    until_no_peers(core, DRAIN_MAX).await;
    // tokio-uring frees the buffers of unfinished operations when its driver is dropped, while
    // the kernel may still write into them: so none may be left. A shut-down socket completes
    // its own, and a disarmed timer never fires.
    for peer in core.peers.borrow().values() {
        let _ = peer.stream.shutdown(Shutdown::Both);
    }
    until_no_peers(core, CUT_OFF_MAX).await;
    core.timer.disarm();
}

/// Waits until every connection has ended, at most for `span`.
async fn until_no_peers(core: &Core, span: Nanos) {
    let deadline = clock::now() + span;
    while !core.peers.borrow().is_empty() && clock::now() < deadline {
        core.timer.sleep_until(clock::now() + DRAIN_STEP).await;
    }
}

async fn accept(core: Rc<Core>, listener: TcpListener) {
    let mut next_id = 0;
    while !core.stopping() {
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = Rc::new(Peer { stream, idle: Cell::new(false) });
                let id = next_id;
                next_id += 1;
                core.peers.borrow_mut().insert(id, peer.clone());
                let core = core.clone();
                tokio_uring::spawn(async move {
                    Connection::new(core.clone(), peer).run().await;
                    core.peers.borrow_mut().remove(&id);
                });
            }
            Err(error) if out_of_resources(&error) => {
                core.timer.sleep_until(clock::now() + ACCEPT_PAUSE).await;
            }
            // Such as ECONNABORTED: that peer is gone, the next one is not.
            Err(_) => {}
        }
    }
}

fn out_of_resources(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Blocks the whole thread during each stall: no request is read, no response written, no timer
/// kept. The kernel goes on queueing connections and requests, as it would for a process that
/// collects garbage or swaps.
async fn stand_still(core: Rc<Core>, stall: Stall, epoch: Nanos, stop: Arc<AtomicBool>) {
    while !core.stopping() {
        let (begin, end) = stall.around(clock::now() - epoch);
        core.timer.sleep_until(epoch + begin).await;
        loop {
            let left = (epoch + end) - clock::now();
            if left == Nanos::ZERO || stop.load(Relaxed) {
                break;
            }
            clock::sleep(left.min(STALL_STEP));
        }
        core.tick(clock::now());
        if stop.load(Relaxed) {
            return;
        }
    }
}
