//! The loop: the only place where plan, load, http, driver and stats meet.
//!
//! One turn: read the clock once, handle every completion, fire timers, take the arrivals that are
//! due, read the clock again, submit all sends with that time stamp, wait. Nothing in a turn
//! allocates per request.

mod batching;
pub mod channel;
mod connection;
mod failure;
mod inflight;
pub mod names;
mod phases;
mod pool;
mod receive;
mod reconnect;
mod rotation;
mod source;
mod transmit;
pub mod vus;

use std::io;

use crate::driver::{Driver, Wait};
use crate::http::response::HeadCache;
use crate::load::LoadModel;
use crate::plan::Plan;
use crate::stats::recorder::Recorder;
use crate::stats::snapshot::Snapshot;
use crate::units::Nanos;

use batching::Batching;
use channel::{Channel, Connected, LoopReadings};
use inflight::Inflight;
use pool::Pool;
use rotation::Rotation;
use source::Source;

/// The longest that a batch is waited for, should answers come more slowly than a moment ago. A
/// shorter limit would have to program the timer hardware for each wait.
const BATCH_WAIT: Nanos = Nanos::from_millis(2);

/// A turn that comes so much later than it should have means that the thread stood still: answers may have come in
/// time and lie in the kernel.
const STANDSTILL: Nanos = Nanos::from_millis(10);

/// For so long after a standstill nobody's time is up: first the answers that are there are to be seen.
const GRACE: Nanos = Nanos::from_millis(20);

/// One worker's share of a run.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// This worker's number, from 0.
    pub worker: u32,
    /// How many workers there are.
    pub workers: u32,
    /// Connections of this worker, at least 1.
    pub connections: u32,
    /// The load model of the whole run; the worker takes its share of the arrivals.
    pub load: LoadModel,
    /// Closed model: this worker's share of `-n`.
    pub requests: Option<u64>,
    /// Length of the measured window.
    pub duration: Option<Nanos>,
    /// Load before the measured window.
    pub warmup: Nanos,
    /// From a request's send to its last byte.
    pub timeout: Nanos,
    /// From the start of a connection attempt until TCP stands.
    pub connect_timeout: Nanos,
    /// From there until TLS stands; zero where there is none.
    pub tls_timeout: Nanos,
    /// How long requests in flight are waited for after the window.
    pub drain: Nanos,
    /// Length of a reporting interval.
    pub interval: Nanos,
    /// Spin between completions instead of sleeping.
    pub spin: bool,
    /// Arrivals that may wait on this worker.
    pub max_backlog: u64,
    /// How many addresses the driver has; connections take turns.
    pub endpoints: u32,
}

/// The stretches of a run, on the driver's clock. All MAX before the start is known.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Load may be sent from here on.
    start: Nanos,
    /// Measuring begins: `start` plus the warm-up. A request scheduled before it is not measured.
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

/// One worker: a driver, its connections, its share of the load, its recorder.
pub struct Worker<'a, D: Driver> {
    driver: D,
    plan: Plan,
    config: WorkerConfig,
    channel: &'a Channel,
    pool: Pool,
    inflight: Inflight,
    cache: HeadCache,
    recorder: Recorder,
    source: Source,
    /// Connections with requests to send in this turn.
    dirty: Vec<u32>,
    window: Window,
    /// The next edge of a reporting interval.
    edge: Nanos,
    connected: Connected,
    /// Whose turn it is among the addresses.
    rotation: Rotation,
    batching: Batching,
    /// When the last measured answer was complete.
    last_done: Nanos,
    shut: phases::Shut,
    /// The turn before: when it began, whether it did anything, when the next was due.
    before: Turn,
    /// No time limit is enforced before this: see [`grace`].
    timers_from: Nanos,
    readings: LoopReadings,
    /// Reads the user and system time of this thread.
    cpu: fn() -> (Nanos, Nanos),
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    began: Nanos,
    did: bool,
    next_due: Nanos,
}

/// From when on time limits are enforced, given from when they were, the turn before, and this turn's time.
#[inline]
fn grace(timers_from: Nanos, before: &Turn, now: Nanos) -> Nanos {
    // One grace does not follow the other: on a host that is always late, time limits must hold, too.
    let enforced = before.began >= timers_from;
    if now - before.next_due > STANDSTILL && enforced { now + GRACE } else { timers_from }
}

impl<'a, D: Driver> Worker<'a, D> {
    /// A worker that has done nothing yet.
    ///
    /// `driver` has `config.connections` slots and `plan.payload` as its payload 0; `cpu` reads the
    /// user and system time of the calling thread (it stands on a higher floor).
    pub fn new(
        mut driver: D,
        plan: Plan,
        config: WorkerConfig,
        channel: &'a Channel,
        cpu: fn() -> (Nanos, Nanos),
    ) -> Worker<'a, D> {
        let open_model = matches!(config.load, LoadModel::Open(_));
        let now = driver.now();
        Worker {
            pool: Pool::new(config.connections),
            inflight: Inflight::new(config.connections, plan.pipeline),
            cache: HeadCache::new(),
            recorder: Recorder::new(open_model),
            source: Source::new(&config),
            dirty: Vec::with_capacity(config.connections as usize),
            window: Window::NOT_YET,
            edge: Nanos::MAX,
            connected: Connected::default(),
            rotation: Rotation::new(config.worker, config.workers),
            batching: Batching::new(now),
            last_done: Nanos::ZERO,
            shut: phases::Shut::default(),
            before: Turn { began: now, did: false, next_due: Nanos::MAX },
            timers_from: Nanos::ZERO,
            readings: LoopReadings::default(),
            cpu,
            driver,
            plan,
            config,
            channel,
        }
    }

    /// One turn of the loop, which ends with a wait until something happens or the clock reads
    /// `limit`. Returns when it began.
    fn turn(&mut self, limit: Nanos) -> io::Result<Nanos> {
        let now = self.driver.now();
        self.account(now);
        if now >= self.window.close {
            self.stop_sending();
        }
        let handled = self.receive(now);
        if self.pool.next_timer() <= now && now >= self.timers_from {
            self.fire_timers(now);
        }
        if self.pool.can_open() {
            self.open_connections(now);
        }
        self.admit(now);
        if now >= self.edge && self.edge < self.window.close {
            self.rotate(now);
        }
        let did = handled > 0 || !self.dirty.is_empty();
        self.flush();
        let wait = self.how_to_wait(limit, now);
        self.before = Turn {
            began: now,
            did,
            next_due: match wait {
                Wait::Poll => now,
                Wait::Until { until, .. } => until.max(now),
            },
        };
        self.driver.wait(wait)?;
        Ok(now)
    }

    /// Books the time since the turn before.
    #[inline]
    fn account(&mut self, now: Nanos) {
        self.readings.turns += 1;
        if self.before.did {
            self.readings.busy += now - self.before.began;
        }
        let late = now - self.before.next_due;
        if late > self.readings.stood_still {
            self.readings.stood_still = late;
        }
        self.timers_from = grace(self.timers_from, &self.before, now);
    }

    #[inline]
    fn how_to_wait(&mut self, limit: Nanos, now: Nanos) -> Wait {
        if self.config.spin || !self.dirty.is_empty() {
            return Wait::Poll;
        }
        // In the open model a batch would make answers late and save nothing: the schedule sets the pace.
        let want = if self.source.is_open() {
            1
        } else {
            let busy = self.pool.in_flight.div_ceil(u64::from(self.plan.pipeline));
            self.batching.want(now, busy)
        };
        let mut until = limit.min(self.edge).min(self.pool.next_timer()).min(self.source.next_arrival());
        if want > 1 {
            until = until.min(now + BATCH_WAIT);
        }
        Wait::Until { until, want }
    }

    /// Hands the interval's figures over, if the collector has sent an empty snapshot back; if not,
    /// the interval goes on and nothing is lost.
    #[cold]
    fn rotate(&mut self, now: Nanos) {
        let mut passed = self.edge;
        while self.edge <= now {
            passed = self.edge;
            self.edge += self.config.interval;
        }
        if let Ok(empty) = self.channel.emptied.try_recv() {
            let mut full = self.recorder.rotate(empty);
            self.describe(&mut full, passed);
            self.say(channel::Message::Interval(full));
        }
    }

    fn describe(&self, snapshot: &mut Snapshot, edge: Nanos) {
        snapshot.worker = self.config.worker;
        snapshot.connections = u64::from(self.pool.open);
        snapshot.in_flight = self.pool.in_flight;
        snapshot.backlog = self.source.backlog_len();
        snapshot.end = edge - self.window.open;
    }

    /// Tells the collector. One that is gone needs no answer.
    fn say(&self, message: channel::Message) {
        let _ = self.channel.out.send((self.config.worker, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_suspends_time_limits_for_a_while_and_not_for_ever() {
        let ms = Nanos::from_millis;
        let turn = |began, next_due| Turn { began: ms(began), did: true, next_due: ms(next_due) };
        assert_eq!(grace(ms(0), &turn(100, 120), ms(125)), ms(0), "as late as it may be");
        assert_eq!(grace(ms(0), &turn(100, 120), ms(1_120)), ms(1_140));
        assert_eq!(grace(ms(1_140), &turn(1_120, 1_120), ms(2_000)), ms(1_140), "it is over");
        assert_eq!(grace(ms(1_140), &turn(2_000, 2_000), ms(3_000)), ms(3_020), "they were enforced between");
    }
}
