//! Every sample on its own, for outputs that want them all: what one says, and who takes them.
//!
//! Workers fill [`Block`]s; whoever writes them down gets whole blocks, off the workers, as a [`Sink`].

use std::io;
use std::sync::Arc;

use crate::secrets::Redactor;
use crate::stats::layout::Layout;
use crate::stats::outcome::ErrorKind;
use crate::stats::places::PlaceTags;
use crate::stats::registry::Key;
use crate::units::Nanos;

/// One thing that was measured. Points in time are on the driver's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record {
    /// A request is over.
    Request(RequestEnd),
    /// A check has judged a response.
    Check(Judgement),
    /// An iteration is over, or will never begin.
    Iteration(IterationEnd),
    /// A flow has added a value to a metric of its own, or has checked something.
    Value(Added),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEnd {
    /// Index into [`Layout::places`], or the number of a [`NewPlace`] of the same worker; 0 in plain runs, which have none.
    pub place: u32,
    /// Stage of its scenario in which it was meant to start; 0 in plain runs.
    pub stage: u16,
    /// Its status is one of those that its step calls expected. False without a whole response.
    pub expected: bool,
    /// The status; or why there is no whole response.
    pub result: Result<u16, ErrorKind>,
    /// When it was meant to start.
    pub scheduled: Nanos,
    /// When it was sent; [`Nanos::MAX`] if it never was.
    pub sent: Nanos,
    /// When the first byte of the response was seen; [`Nanos::MAX`] without one.
    pub first_byte: Nanos,
    /// When it was over.
    pub done: Nanos,
    /// Bytes of payload in the response; 0 without a whole one.
    pub body_bytes: u64,
    /// How long it waited for its connection: in all, of that until TCP stood, and for TLS. All zero where one was free.
    pub blocked: Nanos,
    /// Part of `blocked`.
    pub connecting: Nanos,
    /// Part of `blocked`.
    pub securing: Nanos,
    /// From `sent` until the kernel had the whole request, where that was not at once. Zero in plain runs.
    pub sending: Nanos,
}

/// What a check made of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Index into [`Layout::checks`].
    pub check: u32,
    /// Stage of the request.
    pub stage: u16,
    /// Whether it passed.
    pub passed: bool,
    /// When.
    pub at: Nanos,
}

/// How an iteration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterationEnd {
    /// Index into [`Layout::scenarios`].
    pub scenario: u32,
    /// Stage in which it was meant to begin.
    pub stage: u16,
    /// What became of it.
    pub fate: IterationFate,
    /// When it was over; of one that never began, when it was meant to begin, or when it was clear that it would not.
    pub at: Nanos,
    /// From its beginning; zero if it never began.
    pub took: Nanos,
}

/// A value of a metric of a flow's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Added {
    /// The number of a [`NewSeries`] of the same worker.
    pub series: u32,
    /// The value; of a rate not zero where it passed.
    pub value: f64,
    /// When.
    pub at: Nanos,
}

/// What a worker's users of one scenario are at, and what they have sent and received since the edge before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioEdge {
    /// Index into [`Layout::scenarios`].
    pub scenario: u32,
    /// Users at work.
    pub vus: u64,
    /// Users that there are.
    pub vus_max: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses.
    pub received_bytes: u64,
    /// When.
    pub at: Nanos,
}

/// What became of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IterationFate {
    /// All was done.
    Completed,
    /// It ended where a value was missing that the rest needs.
    Broken,
    /// It was cut off.
    Interrupted,
    /// So many never began.
    Dropped(u64),
}

/// Samples of one worker, in the order in which things ended.
#[derive(Debug)]
pub struct Block {
    /// The worker's number.
    pub worker: u32,
    /// When measuring began, on the driver's clock.
    pub open: Nanos,
    /// Places that were made since the block before. Records of this one, and of later ones of the worker, are of them.
    pub places: Vec<NewPlace>,
    /// Series that values were first added to since the block before, likewise.
    pub series: Vec<NewSeries>,
    /// Where users are at the edges of intervals.
    pub edges: Vec<ScenarioEdge>,
    /// What was measured.
    pub records: Vec<Record>,
}

impl Block {
    /// Forgets what is in it, without giving memory back.
    pub fn clear(&mut self) {
        self.places.clear();
        self.series.clear();
        self.edges.clear();
        self.records.clear();
    }
}

/// A place that a worker has made while load was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPlace {
    /// Its number in this worker, behind those of the layout.
    pub number: u32,
    /// Its tags; `other` among them where it is that of all others.
    pub tags: PlaceTags,
}

/// A series that a flow has added to.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSeries {
    /// Its number in this worker.
    pub number: u32,
    /// Its metric, and its tags; `other` among them where it is that of all others.
    pub key: Key,
}

/// What the numbers in records stand for.
#[derive(Clone, Debug)]
pub struct Legend {
    /// Places, checks and scenarios; without any in plain runs.
    pub layout: Arc<Layout>,
    /// Plain runs: the method of every request.
    pub method: String,
    /// Plain runs: the URL of every request.
    pub url: String,
    /// The wall clock (since the Unix epoch) when the driver's clock was at zero.
    pub epoch: Nanos,
    /// Keeps secrets out of tags and URLs.
    pub secrets: Arc<Redactor>,
}

/// Takes all samples of a run, from a thread of its own.
pub trait Sink: Send {
    /// Where they go, for people: a path.
    fn place(&self) -> String;

    /// Before the first block, once; also in a run without any.
    ///
    /// # Errors
    /// When nothing can be written: nothing more is handed over then, here as below.
    fn begin(&mut self, legend: &Legend) -> io::Result<()>;

    /// A block, which may be kept back until [`flush`](Sink::flush).
    ///
    /// # Errors
    /// When it cannot be written.
    fn take(&mut self, block: &Block) -> io::Result<()>;

    /// Nothing waits at the moment: what was kept back is to be written. Also after the last block.
    ///
    /// # Errors
    /// When it cannot be written.
    fn flush(&mut self) -> io::Result<()>;
}
