//! The loop: the only place where plan, load, http, driver and stats meet.
//!
//! One turn: read the clock once, handle every completion, fire timers, take what is due by the load model, read the clock again,
//! submit all sends with that time stamp, wait. Nothing in a turn allocates per request.
//!
//! A worker is the loop, its connections ([`links`]), and who owns them: the [`pool`] of a plain run, where a connection
//! is the loop, or the [`users`] of scenarios, whose [`flow`] says what comes next. What both do stands here and in `links`, once.

mod batching;
pub mod channel;
mod control;
mod exchange;
pub mod flow;
mod links;
pub mod names;
mod phases;
pub mod pool;
pub mod samples;
pub mod shared;
mod timers;
mod turn;
pub mod users;

use crate::driver::{Driver, TlsReadings};
use crate::stats::snapshot::Snapshot;
use crate::transport::AddRoute;
use crate::units::Nanos;

use channel::{Channel, LoopReadings, ThreadReadings};
pub use links::{Cause, OriginSpec, OriginUse, Reason, Standing, Tried};
use links::{Links, Owner};
use samples::{SampleEnds, Samples};
use turn::Turn;

/// What every worker of a run is told, whoever owns its connections.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// This worker's number, from 0.
    pub worker: u32,
    /// How many workers there are.
    pub workers: u32,
    /// Where connections go. Never empty.
    pub origins: Vec<OriginSpec>,
    /// Load before the measured window: what is scheduled in it is not measured.
    pub warmup: Nanos,
    /// From the start of a connection attempt until TCP stands.
    pub connect_timeout: Nanos,
    /// From there until TLS stands; zero where there is none.
    pub tls_timeout: Nanos,
    /// How long the addresses that were found before the run may be believed; [`Nanos::MAX`]: for all of it.
    pub dns_ttl: Nanos,
    /// How long requests in flight are waited for after the window.
    pub drain: Nanos,
    /// Length of a reporting interval.
    pub interval: Nanos,
    /// Spin between completions instead of sleeping.
    pub spin: bool,
    /// Longest head of a response, in bytes.
    pub head_most: usize,
}

/// Functions of the worker's thread, which stand on a higher floor.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Reads what the kernel tells about the calling thread.
    pub thread: fn() -> ThreadReadings,
    /// Reads the wall clock, as time since the Unix epoch.
    pub wall: fn() -> Nanos,
}

/// The stretches of a run, on the driver's clock. All MAX before the start is known.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Load may be sent from here on.
    start: Nanos,
    /// Measuring begins: `start` plus the warm-up. What is scheduled before it is not measured.
    open: Nanos,
    /// Measuring ends; no request is sent from here on.
    close: Nanos,
}

impl Window {
    const NOT_YET: Window = Window { start: Nanos::MAX, open: Nanos::MAX, close: Nanos::MAX };

    #[inline]
    fn measures(&self, scheduled: Nanos) -> bool {
        scheduled >= self.open
    }
}

/// Who is given a load to send.
pub trait TakesLoad {
    /// One worker's share of a window's load.
    type Load;
}

/// Who sends load over a worker's connections, and when.
trait LoadOwner: Owner + TakesLoad {
    /// Makes ready for another window: for its load, on the connections that there are. Books, schedules and users are new ones.
    fn take_on<D: AddRoute>(&mut self, links: &mut Links<D, Self>, config: &WorkerConfig, load: Self::Load);

    /// How many connections are to be tried before the load begins; `None`: they are opened when they are needed.
    fn opens_first(&self) -> Option<u32>;

    /// The load begins, at `links.window.start`.
    fn begin<D: AddRoute>(&mut self, links: &mut Links<D, Self>);

    /// The warm-up is over, if there was one: what is scheduled from `links.window.open` on is measured. Sets when the window
    /// closes, if that is known.
    fn begin_measuring<D: AddRoute>(&mut self, links: &mut Links<D, Self>);

    /// Once a turn: fires timers of its own, takes what is due by `now`, and puts it on connections.
    fn take_due<D: AddRoute>(&mut self, links: &mut Links<D, Self>, now: Nanos);

    /// When it has something to do by the clock.
    fn next_due(&self) -> Nanos;

    /// True when there is something to do in the next turn, whatever the clock says.
    fn is_at_hand(&self) -> bool;

    /// True while requests follow a schedule.
    fn is_open_model(&self) -> bool;

    /// True when everything that was to be done is done.
    fn is_over<D: AddRoute>(&self, links: &Links<D, Self>) -> bool;

    /// The window closes at `links.window.close`: nothing goes out any more; what is in flight may be answered until `limit`.
    fn stop<D: AddRoute>(&mut self, links: &mut Links<D, Self>, now: Nanos, limit: Nanos);

    /// When it was over, if it was over before the window closed.
    fn was_over_at<D: AddRoute>(&self, links: &Links<D, Self>, now: Nanos) -> Nanos;

    /// True while responses are waited for after the window.
    fn is_draining<D: AddRoute>(&self, links: &Links<D, Self>) -> bool;

    /// True when the run ends only by what was done: then it is given up when nothing can be connected for long.
    fn is_endless(&self) -> bool;

    /// Enters gauges before an interval is handed over.
    fn gauge<D: AddRoute>(&self, links: &mut Links<D, Self>);

    /// Fills in what a snapshot says of the present state.
    fn describe(&self, snapshot: &mut Snapshot);

    /// The last word of a window: settles what is neither done nor lost. What is still in flight is cut off, so that nothing of it comes
    /// into another window.
    fn finish<D: AddRoute>(&mut self, links: &mut Links<D, Self>) -> Rest;
}

/// What is left when a window ends.
#[derive(Debug, Default)]
struct Rest {
    /// Measured requests that were begun and are neither answered nor failed.
    in_flight: u64,
    /// Measured arrivals that were never begun.
    backlog: u64,
    samples: Vec<channel::CheckSample>,
    causes: Vec<channel::Cause>,
}

/// One worker: the loop, its connections, and their owner.
#[expect(private_bounds, reason = "owners are this module's own: a caller names the two that there are")]
pub struct Worker<'a, D: Driver, O: LoadOwner> {
    links: Links<D, O>,
    owner: O,
    config: WorkerConfig,
    channel: &'a Channel,
    /// The next edge of a reporting interval.
    edge: Nanos,
    shut: phases::Shut,
    /// The turn before: when it began, whether it did anything, when the next was due.
    before: Turn,
    /// No time limit is enforced before this: see [`turn::grace`].
    timers_from: Nanos,
    readings: LoopReadings,
    /// What had been done when the window before ended.
    before_window: Done,
    clocks: Clocks,
}

/// What is counted from a worker's beginning on.
#[derive(Debug, Default)]
struct Done {
    origins: Vec<OriginUse>,
    tls: TlsReadings,
}

#[expect(private_bounds, reason = "as above")]
impl<'a, D: AddRoute, O: LoadOwner> Worker<'a, D, O> {
    /// One that has done nothing yet.
    fn of(
        mut links: Links<D, O>,
        owner: O,
        config: WorkerConfig,
        channel: &'a Channel,
        clocks: Clocks,
    ) -> Worker<'a, D, O> {
        let now = links.driver.now();
        Worker {
            links,
            owner,
            config,
            channel,
            edge: Nanos::MAX,
            shut: phases::Shut::default(),
            before: Turn { began: now, did: false, next_due: Nanos::MAX },
            timers_from: Nanos::ZERO,
            readings: LoopReadings::default(),
            before_window: Done::default(),
            clocks,
        }
    }

    /// The same, which hands every sample over as well, if anybody wants them.
    pub fn sampled(mut self, ends: Option<SampleEnds>) -> Self {
        self.links.samples = ends.map(Samples::to).unwrap_or_default();
        self
    }

    /// Tells the collector. One that is gone needs no response.
    fn say(&self, message: channel::Message) {
        let _ = self.channel.out.send((self.config.worker, message));
    }
}
