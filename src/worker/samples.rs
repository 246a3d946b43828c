//! A worker's stream of samples, for outputs that want every one of them.
//!
//! Bounded and lossless: a worker has a fixed number of blocks; full ones go to whoever writes them down, emptied ones come
//! back. When none is there the worker waits, and that wait is in its readings. Without a stream each request pays one branch.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::control::Control;
use crate::clock;
use crate::stats::places::PlaceTags;
use crate::stats::registry::Key;
use crate::stats::samples::{Added, Block, NewPlace, NewSeries, Record, ScenarioEdge};
use crate::units::Nanos;

/// Records in a block: some milliseconds' worth at full speed, so that handing one over costs nothing per record.
const RECORDS: usize = 2_048;

/// While a worker waits for an empty block, it looks this often whether the run is to be stopped.
const LOOK_FOR_STOP: Duration = Duration::from_millis(20);

/// For so long a run that is to be stopped still waits for an empty block: a writer that stands still must not keep it.
const PATIENCE: Nanos = Nanos::from_secs(2);

/// A worker's ends of the two channels.
#[derive(Debug)]
pub struct SampleEnds {
    /// To whoever writes. Holds all blocks of all workers, so that handing one over never waits.
    pub full: Sender<Block>,
    /// Emptied blocks. Nobody writes any more when the other end has gone.
    pub emptied: Receiver<Block>,
    /// Tells when the run is to be stopped.
    pub control: Arc<Control>,
}

/// What came of a worker's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleReadings {
    /// How long the worker waited for an empty block.
    pub waited: Nanos,
    /// Blocks that were handed over.
    pub blocks: u64,
    /// Samples that could not be handed over, because nobody took them any more.
    pub lost: u64,
}

impl Block {
    /// An empty one of a worker. Memory that is not used is not touched.
    pub fn of(worker: u32) -> Block {
        Block {
            worker,
            open: Nanos::ZERO,
            places: Vec::new(),
            series: Vec::new(),
            edges: Vec::new(),
            records: Vec::with_capacity(RECORDS),
        }
    }

    /// Bytes that one takes.
    pub fn bytes() -> u64 {
        (RECORDS * size_of::<Record>()) as u64
    }
}

/// Where a worker puts samples; mostly nowhere.
#[derive(Debug, Default)]
pub(super) struct Samples(Option<Box<Stream>>);

#[derive(Debug)]
struct Stream {
    ends: SampleEnds,
    /// The one that is being filled; `None` between windows, and once nobody takes any more.
    block: Option<Block>,
    open: Nanos,
    /// Series that were announced in this window, by number.
    announced: Vec<bool>,
    /// Waited since it was last asked.
    waited_lately: Nanos,
    readings: SampleReadings,
}

impl Samples {
    pub(super) fn to(ends: SampleEnds) -> Samples {
        // Before the load begins all blocks are there.
        let block = ends.emptied.try_recv().ok();
        let readings = SampleReadings::default();
        Samples(Some(Box::new(Stream {
            ends,
            block,
            open: Nanos::ZERO,
            announced: Vec::new(),
            waited_lately: Nanos::ZERO,
            readings,
        })))
    }

    /// Measuring begins.
    pub(super) fn begin(&mut self, open: Nanos) {
        if let Some(stream) = &mut self.0 {
            stream.open = open;
        }
    }

    /// Another window is to come: its first block is taken, since the last one went with the window before.
    pub(super) fn make_ready(&mut self) {
        if let Some(stream) = &mut self.0
            && stream.block.is_none()
        {
            stream.block = stream.ends.emptied.try_recv().ok();
        }
    }

    /// Whether anybody wants samples.
    #[inline(always)]
    pub(super) fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Takes one in, and waits if there is no room.
    #[inline]
    pub(super) fn push(&mut self, record: Record) {
        let Some(stream) = &mut self.0 else { return };
        match &mut stream.block {
            Some(block) if block.records.len() < RECORDS => block.records.push(record),
            _ => stream.push_to_next(record),
        }
    }

    /// Says what the number of a place stands for, before the first record that has it.
    pub(super) fn announce(&mut self, number: u32, tags: PlaceTags) {
        if let Some(block) = self.0.as_mut().and_then(|stream| stream.block.as_mut()) {
            block.places.push(NewPlace { number, tags });
        }
    }

    /// Takes a value in; `key` is what its series is found by.
    pub(super) fn add(&mut self, added: Added, key: &Key) {
        let Some(stream) = &mut self.0 else { return };
        let at = added.series as usize;
        if stream.announced.len() <= at {
            stream.announced.resize(at + 1, false);
        }
        if !stream.announced[at]
            && let Some(block) = &mut stream.block
        {
            stream.announced[at] = true;
            block.series.push(NewSeries { number: added.series, key: key.clone() });
        }
        self.push(Record::Value(added));
    }

    /// Takes in where users of a scenario are.
    pub(super) fn edge(&mut self, edge: ScenarioEdge) {
        if let Some(block) = self.0.as_mut().and_then(|stream| stream.block.as_mut()) {
            block.edges.push(edge);
        }
    }

    /// Hands over what there is, if that needs no waiting: at an interval's edge.
    pub(super) fn hand_over(&mut self) {
        let Some(stream) = &mut self.0 else { return };
        let says_something = |block: &Block| !block.records.is_empty() || !block.edges.is_empty();
        if stream.block.as_ref().is_some_and(says_something)
            && let Ok(empty) = stream.ends.emptied.try_recv()
        {
            stream.exchange_for(Some(empty));
        }
    }

    /// How long it waited since this was last asked.
    #[inline]
    pub(super) fn take_waited(&mut self) -> Nanos {
        match &mut self.0 {
            None => Nanos::ZERO,
            Some(stream) => std::mem::take(&mut stream.waited_lately),
        }
    }

    /// The window is over: hands over what is left of it.
    pub(super) fn end(&mut self) -> SampleReadings {
        let Some(stream) = &mut self.0 else { return SampleReadings::default() };
        if stream.open > Nanos::ZERO {
            stream.exchange_for(None);
            stream.open = Nanos::ZERO;
            stream.announced.clear();
        }
        std::mem::take(&mut stream.readings)
    }
}

impl Stream {
    #[cold]
    fn push_to_next(&mut self, record: Record) {
        if self.block.is_some() {
            let empty = self.ends.emptied.try_recv().ok().or_else(|| self.wait());
            self.exchange_for(empty);
        }
        match &mut self.block {
            Some(block) => block.records.push(record),
            None => self.readings.lost += 1,
        }
    }

    /// Waits for an empty block; `None` when there will be none.
    fn wait(&mut self) -> Option<Block> {
        let since = clock::now();
        let mut stopped_at = None;
        let block = loop {
            match self.ends.emptied.recv_timeout(LOOK_FOR_STOP) {
                Ok(block) => break Some(block),
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) if self.ends.control.stopped() => {
                    let now = clock::now();
                    if now - *stopped_at.get_or_insert(now) > PATIENCE {
                        break None;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let waited = clock::now() - since;
        self.waited_lately += waited;
        self.readings.waited += waited;
        block
    }

    /// Hands the block over that was filled, and goes on with `next`.
    fn exchange_for(&mut self, next: Option<Block>) {
        let Some(mut full) = std::mem::replace(&mut self.block, next) else { return };
        full.open = self.open;
        let count = full.records.len() as u64;
        // Also an empty one at the end: there was a run, and it had nothing to say.
        if self.ends.full.send(full).is_err() {
            self.readings.lost += count;
            self.block = None;
        } else {
            self.readings.blocks += 1;
        }
    }
}

#[cfg(test)]
mod tests;
