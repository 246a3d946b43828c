//! One worker's whole life over a simulated peer, and what both sides have to say about it.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::harness::workers::WorkerConfig;
use crossbeam_channel::unbounded;
use squall::driver::sim::{PeerBooks, Service, SimDriver, SimFaults, SimScript};
use squall::http::request::Request;
use squall::load::{Arrivals, LoadModel, Schedule};
use squall::plan::Plan;
use squall::stats::counts::Counts;
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::{Summary, SummaryBuilder};
use squall::units::{Nanos, Rate};
use squall::worker::channel::{Channel, Connected, Control, Finished, Message, Tried};

use crate::harness::probe::{Probe, Quirks, Seen};
use crate::harness::workers;
pub(crate) use crate::harness::{ms, secs, us};

/// A run to be: the peer, the load, the worker. Every field may be changed before [`World::run`].
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) script: SimScript,
    /// Arrivals a second over all workers; none for the closed model.
    pub(crate) rate: Option<Rate>,
    pub(crate) arrivals: Arrivals,
    pub(crate) pipeline: u16,
    /// `-n` of the whole run in the open model, this worker's share in the closed one.
    pub(crate) requests: Option<u64>,
    pub(crate) worker: WorkerConfig,
    pub(crate) quirks: Quirks,
}

/// The responses' lengths instead of their bytes: what a failed case prints is to be read.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<_> = self.script.responses.iter().map(Vec::len).collect();
        let script = SimScript { responses: Vec::new(), ..self.script.clone() };
        let load = (self.rate, self.arrivals, self.requests, self.pipeline);
        write!(f, "{script:?}, responses of {lengths:?}, {load:?}, {:?}, {:?}", self.worker, self.quirks)
    }
}

/// What worker and peer say when it is over.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) summary: Summary,
    pub(crate) connected: Tried,
    pub(crate) finished: Finished,
    /// Each interval's counts and the backlog at its edge.
    pub(crate) intervals: Vec<(Counts, u64)>,
    /// What the probe saw.
    pub(crate) seen: Seen,
    /// When measuring began: with the load, or behind the warm-up.
    pub(crate) open: Nanos,
}

impl World {
    /// Four connections, closed, one at a time on each, for 200 ms; the peer has no faults.
    pub(crate) fn closed() -> World {
        World {
            script: SimScript::default(),
            rate: None,
            arrivals: Arrivals::Uniform,
            pipeline: 1,
            requests: None,
            worker: workers::plain_config(),
            quirks: Quirks::default(),
        }
    }

    /// The same with `per_second` arrivals.
    pub(crate) fn open(per_second: u64) -> World {
        World { rate: Some(Rate::per_sec(per_second)), ..World::closed() }
    }

    /// The same with this much time on the peer's side.
    pub(crate) fn service(mut self, service: Service) -> World {
        self.script.service = service;
        self
    }

    pub(crate) fn faults(mut self, faults: SimFaults) -> World {
        self.script.faults = faults;
        self
    }

    pub(crate) fn lasting(mut self, duration: Nanos) -> World {
        self.worker.duration = Some(duration);
        self
    }

    pub(crate) fn connections(mut self, connections: u32) -> World {
        self.worker.connections = connections;
        self
    }

    /// When the load begins: late enough that each connection was tried once, however slowly.
    pub(crate) fn start(&self) -> Nanos {
        // At most 128 attempts are under way at a time.
        let rounds = u64::from(self.worker.connections.div_ceil(128));
        self.script.start + Nanos(self.worker.connect_timeout.0 * rounds) + ms(100)
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Told {
        let plan = self.plan();
        let config = self.worker_config();
        let open_model = config.load.is_open();
        let driver = SimDriver::new(workers::plain_driver_config(&plan, &config), self.sim_script(&plan));
        let (control, report) = (Control::new(), Rc::default());
        control.start(self.start());
        let (out, messages) = unbounded();
        let (give, emptied) = unbounded();
        let intervals = config.duration.map_or(4, |d| d.0 / config.interval.0 + 1);
        for _ in 0..intervals {
            give.send(Snapshot::new(config.worker)).expect("the receiver lives");
        }
        let channel = Channel { out, emptied };
        let quirks = Quirks { spins: self.worker.spin, ..self.quirks };
        let probe = Probe::new(driver, quirks, &control, &report);
        workers::run_plain(probe, plan, config, &channel, &control);
        drop(channel);
        let seen = RefCell::take(&report);
        collect(
            messages.into_iter().map(|(_, message)| message),
            open_model,
            seen,
            self.start() + self.worker.warmup,
        )
    }

    pub(crate) fn plan(&self) -> Plan {
        let request = Request {
            method: "GET".into(),
            target: "/".into(),
            authority: "peer".into(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        Plan::compile(&request, self.pipeline).expect("the request is a good one")
    }

    /// What an open model's requests follow.
    pub(crate) fn schedule(&self) -> Option<Schedule> {
        let (arrivals, seed) = (self.arrivals, self.script.seed);
        let (end, limit) = (self.worker.duration, self.requests);
        self.rate.map(|rate| Schedule { rate, arrivals, seed, end, limit })
    }

    pub(crate) fn worker_config(&self) -> WorkerConfig {
        let load = self.schedule().map_or(LoadModel::Closed, LoadModel::Open);
        WorkerConfig { load, requests: self.requests, ..self.worker.clone() }
    }

    pub(crate) fn sim_script(&self, plan: &Plan) -> SimScript {
        SimScript { request_len: Some(plan.request_len), ..self.script.clone() }
    }
}

/// Merges what the worker said, as the collector of a run does.
fn collect(messages: impl Iterator<Item = Message>, open_model: bool, seen: Seen, open: Nanos) -> Told {
    let mut builder = SummaryBuilder::new(open_model);
    let (mut connected, mut finished, mut intervals) = (None, None, Vec::new());
    for message in messages {
        assert!(finished.is_none(), "{message:?} after the last word");
        match message {
            Message::Connected(Connected::Tried(said)) => connected = Some(said),
            Message::Connected(Connected::Lazy) => panic!("a pool opens its connections first"),
            Message::Interval(snapshot) => {
                intervals.push((snapshot.counts.clone(), snapshot.backlog));
                builder.push(&snapshot);
            }
            Message::Finished(said) => finished = Some(said),
            Message::Broken(cause) => panic!("the driver broke: {cause}"),
        }
    }
    let finished = *finished.expect("a last word");
    Told {
        summary: builder.finish(finished.measured_until - open, finished.in_flight, finished.backlog),
        connected: connected.expect("a word about the connections"),
        finished,
        intervals,
        seen,
        open,
    }
}

impl Told {
    pub(crate) fn counts(&self) -> &Counts {
        &self.summary.counts
    }

    pub(crate) fn books(&self) -> &PeerBooks {
        &self.seen.books
    }

    /// Holds the worker's books against themselves and against the peer's. True for every run
    /// without warm-up, whose sends are all measured.
    pub(crate) fn check(&self, world: &World) -> Result<(), String> {
        let (c, b) = (self.counts(), self.books());
        self.summary.conserved()?;
        let facts = [
            ("a request that the peer has was started", b.requests <= c.started + c.resent),
            ("a response has a request", c.completed <= b.requests),
            ("a response was sent by the peer", c.completed <= b.responses),
            ("a response that was handed over counts", c.completed == b.delivered),
            ("every response has a status", c.status.total() == c.completed),
            ("every failure has a kind", c.errors.total() == c.failed),
            ("every failed connect has a kind", c.connect_errors.total() == c.connect_failures),
            ("a connection that stands was accepted", c.connects <= b.connects),
            ("a reconnect is a connect", c.reconnects <= c.connects),
            ("bytes of whole requests", c.sent_bytes == (c.started + c.resent) * self.request_len(world)),
            ("bytes that came were sent", c.received_bytes <= b.response_bytes),
            ("the windows are nested", c.completed_in_window <= c.completed),
            ("latencies are complete", self.summary.latency.service_time.len() == c.completed),
            (
                "and so are response times",
                self.summary.latency.response_time.len() == c.completed + self.summary.latency.censored,
            ),
            (
                "what was never answered has an age",
                self.summary.latency.censored == c.errors.of(squall::stats::outcome::ErrorKind::Unanswered),
            ),
            ("and start lags", self.summary.latency.start_lag.len() == c.started),
            ("the timeline is complete", self.timeline_total().0 == c.completed_in_window),
            ("failures of the drain are not in it", self.timeline_total().1 <= c.failed),
            ("every connection was tried", self.connected.tried == world.worker.connections),
            // With a request limit the window ends with the last response: later requests may have failed.
            (
                "nothing was sent after the window, but for what had been sent in it",
                world.requests.is_some() || c.resent > 0 || self.late_send() <= us(50),
            ),
        ];
        match facts.iter().find(|(_, holds)| !holds) {
            Some((fact, _)) => Err(format!("not so: {fact}: {} {:?} {b:?}", self.brief(), c.errors)),
            None => Ok(()),
        }
    }

    /// How long after the window the last request was sent.
    fn late_send(&self) -> Nanos {
        self.seen.last_send - self.finished.measured_until
    }

    /// The figures of the two equations, and what came over the wire.
    pub(crate) fn brief(&self) -> String {
        let (c, s) = (self.counts(), &self.summary);
        format!(
            "scheduled {} started {} completed {} failed {} dropped {} in flight {} backlog {}, {} B out, {} B in",
            c.scheduled,
            c.started,
            c.completed,
            c.failed,
            c.dropped,
            s.in_flight_at_end,
            s.backlog_at_end,
            c.sent_bytes,
            c.received_bytes
        )
    }

    fn request_len(&self, world: &World) -> u64 {
        u64::from(world.plan().request_len)
    }

    fn timeline_total(&self) -> (u64, u64) {
        let points = &self.summary.timeline;
        (points.iter().map(|p| p.requests).sum(), points.iter().map(|p| p.failed).sum())
    }

    /// Until when the worker ran beyond the end of its measuring.
    pub(crate) fn overtime(&self) -> Nanos {
        self.seen.ended_at - self.finished.measured_until
    }
}
