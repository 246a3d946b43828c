//! The thread that writes samples down, off the workers.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::clock;
use crate::observer::StopFlag;
use crate::stats::samples::{Block, Legend, Sink};
use crate::units::Nanos;
use crate::worker::channel::Control;
use crate::worker::samples::SampleEnds;

/// Blocks of a worker: about 6 MiB, or what a fast one fills in some tenths of a second, so that a disk may be slow for a moment.
const BLOCKS: usize = 32;

/// How often the end of the writing is looked for, and whether the user has had enough.
const POLL_EVERY: Nanos = Nanos::from_millis(2);

/// Once the run was stopped by a signal, what is left is written as long as something is in this time.
const PATIENCE: Nanos = Nanos::from_secs(2);

/// What came of the samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Where they went.
    pub(super) place: String,
    /// Samples that were written.
    pub(super) samples: u64,
    /// Why not all of them were.
    pub(super) error: Option<String>,
}

/// Bytes that the blocks of so many workers take.
pub(super) fn memory(workers: u64) -> u64 {
    workers * BLOCKS as u64 * Block::bytes()
}

/// The thread that writes.
pub(super) struct Writer {
    place: String,
    /// Nothing comes of it; it breaks when the thread is done.
    over: Receiver<()>,
    progress: Arc<Progress>,
    /// Blocks that the workers have handed over in the windows so far.
    blocks: u64,
    /// Samples that were told of.
    told: u64,
}

/// How far the thread has come.
#[derive(Debug, Default)]
struct Progress {
    /// Samples that the sink has taken.
    samples: AtomicU64,
    /// Blocks that it has taken and written out.
    blocks: AtomicU64,
    failure: OnceLock<String>,
}

/// What the thread takes with it.
struct BlockWriter {
    sink: Box<dyn Sink>,
    legend: Legend,
    filled: Receiver<Block>,
    emptied: Vec<Sender<Block>>,
}

/// Starts the thread. Returns each worker's ends too.
///
/// # Errors
/// When no thread can be had.
pub(super) fn start(
    sink: Box<dyn Sink>,
    legend: Legend,
    workers: usize,
    control: &Arc<Control>,
) -> io::Result<(Vec<SampleEnds>, Writer)> {
    let (full, filled) = bounded(workers * BLOCKS);
    let place = sink.place();
    let mut writer = BlockWriter { sink, legend, filled, emptied: Vec::with_capacity(workers) };
    let mut ends = Vec::with_capacity(workers);
    for worker in 0..workers {
        let (give, emptied) = bounded(BLOCKS);
        for _ in 0..BLOCKS {
            give.send(Block::of(worker as u32)).expect("the channel holds that many");
        }
        writer.emptied.push(give);
        ends.push(SampleEnds { full: full.clone(), emptied, control: Arc::clone(control) });
    }
    let (over_with, over) = bounded(0);
    let progress = Arc::new(Progress::default());
    let told = Arc::clone(&progress);
    thread::Builder::new().name("squall-samples".into()).spawn(move || {
        // With the writer the channels go: no worker waits for a writer that has failed.
        if let Err(e) = writer.write(&told) {
            let _ = told.failure.set(e.to_string());
        }
        drop(over_with);
    })?;
    Ok((ends, Writer { place, over, progress, blocks: 0, told: 0 }))
}

impl BlockWriter {
    /// Until every worker has gone.
    fn write(mut self, progress: &Progress) -> io::Result<()> {
        // Without one no worker has come to measure: what an earlier run has left stays.
        let Ok(mut block) = self.filled.recv() else { return Ok(()) };
        self.sink.begin(&self.legend)?;
        let mut blocks = 0;
        loop {
            self.sink.take(&block)?;
            blocks += 1;
            progress.samples.fetch_add(block.records.len() as u64, Ordering::Relaxed);
            block.clear();
            // A worker that has gone wants none back.
            let _ = self.emptied[block.worker as usize].send(block);
            block = match self.filled.try_recv() {
                Ok(block) => block,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.sink.flush()?;
                    progress.blocks.store(blocks, Ordering::Release);
                    match self.filled.recv() {
                        Ok(block) => block,
                        Err(_) => break,
                    }
                }
            };
        }
        self.sink.flush()?;
        progress.blocks.store(blocks, Ordering::Release);
        Ok(())
    }
}

impl Writer {
    /// What went wrong, as soon as it did.
    pub(super) fn failure(&self) -> Option<String> {
        let error = self.progress.failure.get()?;
        Some(format!("cannot write samples to {}: {error}; going on without them", self.place))
    }

    /// Waits until `blocks` more of the workers' blocks are written, and says what came of them: of a window, or of all. Once `stop` is set it
    /// waits only as long as it gets on.
    pub(super) fn catch_up(&mut self, blocks: u64, stop: &StopFlag) -> Written {
        self.blocks += blocks;
        let poll_every = Duration::from_nanos(POLL_EVERY.0);
        let samples = || self.progress.samples.load(Ordering::Relaxed);
        let (mut written, mut since) = (samples(), clock::now());
        let mut error = None;
        while self.progress.blocks.load(Ordering::Acquire) < self.blocks {
            if self.over.recv_timeout(poll_every) != Err(RecvTimeoutError::Timeout) {
                let failure = self.progress.failure.get().cloned();
                error = Some(failure.unwrap_or_else(|| "the thread that writes has panicked".into()));
                break;
            }
            if !stop.is_set() || samples() > written {
                (written, since) = (samples(), clock::now());
            } else if clock::now() - since > PATIENCE {
                // The thread is left alone with its write; it ends with the process.
                error = Some(format!("stopped, and what was left was not taken within {PATIENCE}"));
                break;
            }
        }
        let all = samples();
        let samples = all - std::mem::replace(&mut self.told, all);
        Written { place: self.place.clone(), samples, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink that fails at the second block.
    struct Failing(u32);

    impl Sink for Failing {
        fn place(&self) -> String {
            "nowhere".into()
        }

        fn begin(&mut self, _: &Legend) -> io::Result<()> {
            Ok(())
        }

        fn take(&mut self, _: &Block) -> io::Result<()> {
            self.0 += 1;
            if self.0 > 1 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn legend() -> Legend {
        let (method, url) = ("GET".into(), "/".into());
        Legend { layout: Arc::default(), method, url, epoch: Nanos::ZERO, secrets: Arc::default() }
    }

    #[test]
    fn a_failure_shows_at_once_and_closes_the_stream() {
        let control = Arc::new(Control::new());
        let (mut ends, mut writer) = start(Box::new(Failing(0)), legend(), 1, &control).unwrap();
        let ends = ends.pop().unwrap();
        assert_eq!(writer.failure(), None);
        let block = || ends.emptied.recv().unwrap();
        ends.full.send(block()).unwrap();
        ends.full.send(block()).unwrap();
        // Whoever waits for an empty block is let go.
        while ends.emptied.recv().is_ok() {}
        assert!(ends.full.send(Block::of(0)).is_err());
        let written = writer.catch_up(2, &StopFlag::new());
        assert_eq!(written.samples, 0);
        assert!(written.error.is_some_and(|error| !error.is_empty()));
    }

    #[test]
    fn workers_that_never_measured_leave_the_sink_alone() {
        let control = Arc::new(Control::new());
        let (ends, mut writer) = start(Box::new(Failing(9)), legend(), 3, &control).unwrap();
        assert_eq!(ends.len(), 3);
        drop(ends);
        let written = writer.catch_up(0, &StopFlag::new());
        assert_eq!(written, Written { place: "nowhere".into(), ..Written::default() });
    }
}
