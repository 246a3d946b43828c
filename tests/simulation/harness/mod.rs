//! Whole runs in virtual time, plain ones and scenarios, over any number of workers: what is to happen ([`World`]),
//! what came of it ([`Outcome`]), and whether the books hold (`books`). Shared with `examples/simulate.rs`.

pub(crate) mod books;
pub(crate) mod plans;
pub(crate) mod probe;
pub(crate) mod random;
pub(crate) mod workers;

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::harness::workers::VuWorkerConfig;
use crate::harness::workers::WorkerConfig;
use crossbeam_channel::unbounded;
use squall::driver::DriverConfig;
use squall::driver::sim::{PeerBooks, SimDriver, SimScript};
use squall::http::request::Request;
use squall::load::{Arrivals, LoadModel, Schedule, share};
use squall::plan::Plan;
use squall::plan::workload::Workload;
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::{Summary, SummaryBuilder};
use squall::units::{Nanos, Rate};
use squall::worker::channel::{Channel, Control, Finished, Message};

use probe::{Probe, Quirks, Seen};
use workers::Scenarios;

pub(crate) const fn us(us: u64) -> Nanos {
    Nanos::from_micros(us)
}

pub(crate) const fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

pub(crate) const fn secs(s: u64) -> Nanos {
    Nanos::from_secs(s)
}

/// A run to be. Everything that happens in it follows from this.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) script: SimScript,
    pub(crate) work: Work,
    pub(crate) workers: u32,
    pub(crate) warmup: Nanos,
    pub(crate) connect_timeout: Nanos,
    pub(crate) drain: Nanos,
    pub(crate) interval: Nanos,
    pub(crate) spin: bool,
    /// From the start of the load: Ctrl-C.
    pub(crate) stop_after: Option<Nanos>,
    /// Emptied snapshots that each worker has at the start; more come as [`Quirks::emptied`] says.
    pub(crate) snapshots: u32,
    pub(crate) quirks: Quirks,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Plain(PlainWork),
    /// A plan's text (TOML), and what is to be known of it.
    Plan(String),
    /// One request, with checks: `-R`, `-n`, `-c` and the like.
    Flags(Box<plans::Flags>),
}

/// What the command line asks a plain run for.
#[derive(Clone, Debug)]
pub(crate) struct PlainWork {
    pub(crate) connections: u32,
    pub(crate) pipeline: u16,
    /// Length of the request's body.
    pub(crate) upload: usize,
    pub(crate) rate: Option<Rate>,
    pub(crate) arrivals: Arrivals,
    pub(crate) requests: Option<u64>,
    pub(crate) duration: Option<Nanos>,
    pub(crate) max_backlog: u64,
    pub(crate) timeout: Nanos,
    /// Addresses that the connections take turns at.
    pub(crate) endpoints: u32,
}

impl Default for PlainWork {
    /// Four connections, closed, for 200 ms.
    fn default() -> PlainWork {
        PlainWork {
            connections: 4,
            pipeline: 1,
            upload: 0,
            rate: None,
            arrivals: Arrivals::Uniform,
            requests: None,
            duration: Some(ms(200)),
            max_backlog: 100_000,
            timeout: secs(2),
            endpoints: 2,
        }
    }
}

/// What one worker and its peer have to say.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) connected: u32,
    pub(crate) finished: Vec<Finished>,
    pub(crate) broken: Vec<String>,
    /// The last word was the last.
    pub(crate) spoke_on: bool,
    pub(crate) seen: Seen,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) summary: Summary,
    pub(crate) shares: Vec<Share>,
    /// Of all peers together.
    pub(crate) peer: PeerBooks,
    /// When the load began, and measuring.
    pub(crate) start: Nanos,
    pub(crate) open: Nanos,
    /// What scenarios were carried out.
    pub(crate) scenarios: Option<Scenarios>,
    /// Length of a plain request.
    pub(crate) request_len: u64,
}

impl World {
    pub(crate) fn new(work: Work) -> World {
        World {
            script: SimScript::default(),
            work,
            workers: 1,
            warmup: Nanos::ZERO,
            connect_timeout: ms(500),
            drain: secs(3),
            interval: ms(100),
            spin: false,
            stop_after: None,
            snapshots: 1,
            quirks: Quirks { emptied: Some((Nanos::ZERO, Nanos::ZERO)), ..Quirks::default() },
        }
    }

    /// Runs it; a panic (a breach of the driver's contract, a loop that does not end) is what is wrong.
    pub(crate) fn run(&self) -> Result<Outcome, String> {
        catch_unwind(AssertUnwindSafe(|| self.carry_out())).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
        })
    }

    /// Runs it, and holds what came of it against what must hold.
    pub(crate) fn check(&self) -> Result<Outcome, String> {
        let outcome = self.run()?;
        books::check(self, &outcome)?;
        Ok(outcome)
    }

    /// When the load begins: late enough that each connection was tried once, however slowly.
    fn start(&self) -> Nanos {
        let connections = match &self.work {
            Work::Plain(plain) => plain.connections,
            Work::Plan(_) | Work::Flags(_) => 0,
        };
        // At most 128 attempts are under way at a time.
        let rounds = u64::from(connections.div_ceil(128 * self.workers));
        self.script.start + Nanos(self.connect_timeout.0 * rounds) + ms(100)
    }

    fn carry_out(&self) -> Outcome {
        let (plain, scenarios) = match &self.work {
            Work::Plain(plain) => (Some((plain, plain.plan())), None),
            Work::Plan(text) => (None, Some(Scenarios::new(plans::compile(text, self.script.seed)))),
            Work::Flags(flags) => (None, Some(Scenarios::new(flags.workload()))),
        };
        let start = self.start();
        let mut quirks = self.quirks;
        quirks.stop_at = self.stop_after.map(|after| start + after);
        quirks.spins |= self.spin;
        quirks.end_by = Some(match &scenarios {
            Some(scenarios) => books::end_of(self, start, &scenarios.workload),
            None => books::end_of_plain(self, start),
        });
        let mut shares = Vec::new();
        let mut snapshots = Vec::new();
        // The first worker last: it says for all how many of the shared iterations nobody took.
        for worker in (0..self.workers).rev() {
            let job = match (&plain, &scenarios) {
                (Some((work, plan)), _) => {
                    Job::Plain(plan.clone(), Box::new(self.plain_config(work, worker)))
                }
                (None, Some(scenarios)) => {
                    Job::Users(Box::new(self.users_config(scenarios, worker)), scenarios)
                }
                (None, None) => unreachable!("a run is plain or has scenarios"),
            };
            shares.push(self.share(job, worker, start, quirks, &mut snapshots));
        }
        let request_len = plain.map_or(0, |(_, plan)| u64::from(plan.request_len));
        self.sum_up(shares, snapshots, start, scenarios, request_len)
    }

    fn plain_config(&self, work: &PlainWork, worker: u32) -> WorkerConfig {
        let (end, limit, seed) = (work.duration, work.requests, self.script.seed);
        let open = |rate| LoadModel::Open(Schedule { rate, arrivals: work.arrivals, seed, end, limit });
        WorkerConfig {
            worker,
            workers: self.workers,
            connections: share(u64::from(work.connections), worker, self.workers) as u32,
            load: work.rate.map_or(LoadModel::Closed, open),
            requests: limit.map(|n| share(n, worker, self.workers)),
            duration: work.duration,
            warmup: self.warmup,
            timeout: work.timeout,
            connect_timeout: self.connect_timeout,
            drain: self.drain,
            interval: self.interval,
            spin: self.spin,
            max_backlog: share(work.max_backlog, worker, self.workers),
            endpoints: work.endpoints,
            ..workers::plain_config()
        }
    }

    fn users_config(&self, scenarios: &Scenarios, worker: u32) -> VuWorkerConfig {
        VuWorkerConfig {
            warmup: self.warmup,
            connect_timeout: self.connect_timeout,
            drain: self.drain,
            interval: self.interval,
            spin: self.spin,
            seed: self.script.seed,
            ..scenarios.config(worker, self.workers)
        }
    }

    /// Lets one worker do its part; puts its snapshots to the others'.
    fn share(
        &self,
        job: Job<'_>,
        worker: u32,
        start: Nanos,
        quirks: Quirks,
        snapshots: &mut Vec<Snapshot>,
    ) -> Share {
        let (control, report) = (Control::new(), Rc::default());
        control.start(start);
        let (out, messages) = unbounded();
        let (give, emptied) = unbounded();
        for _ in 0..self.snapshots {
            give.send(Snapshot::new(worker)).expect("the receiver lives");
        }
        let channel = Channel { out, emptied };
        let seed = self.script.seed.wrapping_add(u64::from(worker));
        let script = SimScript { seed, ..self.script.clone() };
        let sim = SimDriver::new(job.driver_config(), script);
        let probe = Probe::new(sim, quirks, &control, &report).with_collector(give);
        job.run(probe, &channel, &control);
        drop(channel);
        let mut share = Share { seen: RefCell::take(&report), ..Share::default() };
        for (_, message) in messages {
            share.spoke_on |= !share.finished.is_empty() || !share.broken.is_empty();
            match message {
                Message::Connected(_) => share.connected += 1,
                Message::Interval(snapshot) => snapshots.push(snapshot),
                Message::Finished(said) => share.finished.push(*said),
                Message::Broken(cause) => share.broken.push(cause),
            }
        }
        share
    }

    /// Merges what the workers said, as the collector of a run does: interval by interval.
    fn sum_up(
        &self,
        shares: Vec<Share>,
        mut snapshots: Vec<Snapshot>,
        start: Nanos,
        scenarios: Option<Scenarios>,
        request_len: u64,
    ) -> Outcome {
        let open_model = match &self.work {
            Work::Plain(plain) => plain.rate.is_some(),
            Work::Plan(_) | Work::Flags(_) => true,
        };
        snapshots.sort_by_key(|snapshot| (snapshot.drain, snapshot.end));
        let mut builder = SummaryBuilder::new(open_model);
        let number = |snapshot: &Snapshot| (snapshot.drain, snapshot.end.0.div_ceil(self.interval.0));
        for interval in snapshots.chunk_by_mut(|a, b| number(a) == number(b)) {
            let (first, others) = interval.split_first_mut().expect("no chunk is empty");
            others.iter().for_each(|other| first.merge(other));
            builder.push(first);
        }
        let open = start + self.warmup;
        let (mut peer, mut in_flight, mut backlog, mut until) = (PeerBooks::default(), 0, 0, open);
        for share in &shares {
            peer.merge(&share.seen.books);
            for said in &share.finished {
                in_flight += said.in_flight;
                backlog += said.backlog;
                until = until.max(said.measured_until);
            }
        }
        let summary = builder.finish(until - open, in_flight, backlog);
        Outcome { summary, shares, peer, start, open, scenarios, request_len }
    }
}

/// One worker's part.
enum Job<'a> {
    Plain(Plan, Box<WorkerConfig>),
    Users(Box<VuWorkerConfig>, &'a Scenarios),
}

impl Job<'_> {
    fn driver_config(&self) -> DriverConfig {
        match self {
            Job::Plain(plan, config) => workers::plain_driver_config(plan, config),
            Job::Users(config, scenarios) => scenarios.driver_config(config),
        }
    }

    fn run(self, probe: Probe<'_>, channel: &Channel, control: &Control) {
        match self {
            Job::Plain(plan, config) => workers::run_plain(probe, plan, *config, channel, control),
            Job::Users(config, _) => workers::run_users(probe, *config, channel, control),
        }
    }
}

impl PlainWork {
    pub(crate) fn plan(&self) -> Plan {
        let request = Request {
            method: if self.upload > 0 { "POST".into() } else { "GET".into() },
            target: "/".into(),
            authority: "a.test".into(),
            headers: Vec::new(),
            body: vec![b'u'; self.upload],
        };
        Plan::compile(&request, self.pipeline).expect("the request is a good one")
    }
}

impl Outcome {
    pub(crate) fn workload(&self) -> Option<&Workload> {
        self.scenarios.as_ref().map(|scenarios| &*scenarios.workload)
    }

    /// The figures of the equations, and what came over the wire.
    pub(crate) fn brief(&self) -> String {
        let (c, s) = (&self.summary.counts, &self.summary);
        let scenarios: Vec<String> = s
            .tally
            .scenarios
            .iter()
            .map(|t| {
                let parts = [t.scheduled, t.started, t.completed, t.broken, t.interrupted, t.dropped];
                format!("{parts:?}")
            })
            .collect();
        let mut peer = self.peer;
        let peer: Vec<String> = peer
            .figures()
            .iter()
            .filter(|(_, figure)| **figure > 0)
            .map(|(name, figure)| format!("{name} {figure}"))
            .collect();
        format!(
            "scheduled {} started {} completed {} failed {} {:?} dropped {} in flight {} backlog {}, connects {} \
             failed {:?}; iterations [scheduled, started, completed, broken, interrupted, dropped]: {}; peer: {}",
            c.scheduled,
            c.started,
            c.completed,
            c.failed,
            c.errors.iter().collect::<Vec<_>>(),
            c.dropped,
            s.in_flight_at_end,
            s.backlog_at_end,
            c.connects,
            c.connect_errors.iter().collect::<Vec<_>>(),
            scenarios.join(" "),
            peer.join(", ")
        )
    }
}

impl fmt::Display for World {
    /// The responses' lengths instead of their bytes, and the plan as it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<_> = self.script.responses.iter().map(Vec::len).collect();
        let script = SimScript { responses: Vec::new(), ..self.script.clone() };
        writeln!(f, "responses of {lengths:?}\n{script:?}")?;
        match &self.work {
            Work::Plan(text) => writeln!(f, "{text}")?,
            other => writeln!(f, "{other:?}")?,
        }
        write!(
            f,
            "workers {}, warm-up {}, connect {}, drain {}, interval {}, spin {}, stop {:?}, snapshots {}, {:?}",
            self.workers,
            self.warmup,
            self.connect_timeout,
            self.drain,
            self.interval,
            self.spin,
            self.stop_after,
            self.snapshots,
            self.quirks
        )
    }
}
