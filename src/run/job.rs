//! What the workers of a window are to do, and one worker's share of it.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::config::RunConfig;
use super::machine;
use crate::clock;
use crate::driver::{DriverConfig, Endpoint};
use crate::load::share;
use crate::plan::Plan;
use crate::plan::workload::Workload;
use crate::stats::layout::Layout;
use crate::transport::{AddRoute, Route, Transport};
use crate::units::Nanos;
use crate::worker::channel::{Channel, Control, NextWindow};
use crate::worker::flow::script::ScriptTask;
use crate::worker::names::Names;
use crate::worker::pool::PoolConfig;
use crate::worker::samples::SampleEnds;
use crate::worker::shared::Shared;
use crate::worker::users::UsersConfig;
use crate::worker::{Clocks, OriginSpec, Worker, WorkerConfig};

/// The whole window's work.
pub(super) enum Work {
    /// One request, over and over.
    Plain(Plan),
    /// Virtual users on their ways.
    Scenarios(Scenarios),
}

pub(super) struct Scenarios {
    workload: Arc<Workload>,
    layout: Arc<Layout>,
    /// How many iterations were taken of each shared-iterations scenario.
    shared: Arc<Shared>,
    /// The script whose they are.
    script: Option<ScriptTask>,
}

impl Work {
    /// Of bodies that are looked at `bodies` bytes may be kept at a time.
    pub(super) fn scenarios(
        workload: &Arc<Workload>,
        layout: &Arc<Layout>,
        bodies: u64,
        script: Option<ScriptTask>,
    ) -> Work {
        let shared = Shared::new(workload, bodies);
        let (workload, layout) = (Arc::clone(workload), Arc::clone(layout));
        Work::Scenarios(Scenarios { workload, layout, shared, script })
    }
}

/// How many connections, or users, the windows of a session may have, and whether there may be more than one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionRoom {
    pub(super) most: u32,
    pub(super) windows: bool,
}

/// One worker's share of the first window, and all that it needs for any.
pub(super) struct Job {
    task: Task,
    worker: WorkerConfig,
    driver: DriverConfig,
    routes: Vec<Route>,
    /// Finds origins while load is sent.
    names: Option<Names>,
}

enum Task {
    Plain(Plan, PoolConfig, Receiver<NextWindow<PoolConfig>>),
    Scenarios(UsersConfig, Receiver<NextWindow<UsersConfig>>),
    Script(ScriptTask, UsersConfig, Receiver<NextWindow<UsersConfig>>),
}

/// Through which a worker hears of other windows. Without it there are none.
pub(super) enum Orders {
    Plain(Sender<NextWindow<PoolConfig>>),
    Scenarios(Sender<NextWindow<UsersConfig>>),
}

impl Orders {
    /// Tells worker `worker` of another window of the same kind of work.
    pub(super) fn send(&self, config: &RunConfig, work: &Work, worker: u32, room: SessionRoom, spin: bool) {
        let warmup = config.warmup;
        // A worker that has gone is missed elsewhere.
        match (self, work) {
            (Orders::Plain(orders), Work::Plain(_)) => {
                let _ = orders.send(NextWindow { load: pool_config(config, worker, room), warmup, spin });
            }
            (Orders::Scenarios(orders), Work::Scenarios(scenarios)) => {
                let load = users_config(config, scenarios, worker, room);
                let _ = orders.send(NextWindow { load, warmup, spin });
            }
            _ => debug_assert!(false, "all windows of a session are of one kind"),
        }
    }
}

impl Job {
    pub(super) fn share_of(
        config: &RunConfig,
        work: &Work,
        worker: u32,
        room: SessionRoom,
        spin: bool,
        names: Option<Names>,
    ) -> (Job, Orders) {
        let workers = config.cores.len() as u32;
        let (endpoints, origins) = origins(config, work);
        let counts = origins.iter().map(|origin| origin.endpoints.1 as usize);
        let routes =
            counts.zip(&config.routes.to_origins).flat_map(|(count, route)| vec![route.clone(); count]);
        let (task, orders, slots, payloads) = match work {
            Work::Plain(plan) => {
                let (orders, windows) = bounded(1);
                let pool = pool_config(config, worker, room);
                let (slots, payloads) = (pool.places, vec![Arc::clone(&plan.payload)]);
                (Task::Plain(plan.clone(), pool, windows), Orders::Plain(orders), slots, payloads)
            }
            Work::Scenarios(scenarios) => {
                let (orders, windows) = bounded(1);
                let users = users_config(config, scenarios, worker, room);
                let (slots, payloads) = (users.connections, payloads(&scenarios.workload));
                let task = match &scenarios.script {
                    Some(script) => Task::Script(script.clone(), users, windows),
                    None => Task::Scenarios(users, windows),
                };
                (task, Orders::Scenarios(orders), slots, payloads)
            }
        };
        let job = Job {
            task,
            routes: routes.collect(),
            driver: DriverConfig {
                slots,
                payloads,
                endpoints,
                expect_large: expects_large(&config.routes.to_origins),
            },
            worker: WorkerConfig {
                worker,
                workers,
                origins,
                warmup: config.warmup,
                connect_timeout: config.connect_timeout,
                tls_timeout: tls_timeout(config),
                dns_ttl: config.names.ttl(),
                drain: config.drain,
                interval: config.interval,
                spin,
                head_most: config.max_head,
            },
            names,
        };
        (job, orders)
    }

    pub(super) fn worker(&self) -> u32 {
        self.worker.worker
    }

    pub(super) fn driver_config(&self) -> DriverConfig {
        self.driver.clone()
    }

    /// Carries it out, through tunnels and TLS where there are any, or may be.
    pub(super) fn carry_out(
        mut self,
        driver: impl AddRoute,
        samples: Option<SampleEnds>,
        channel: &Channel,
        control: &Control,
    ) {
        // Where every way is direct, workers meet the driver itself.
        if self.names.is_none() && self.routes.iter().all(Route::is_direct) {
            return self.work(driver, samples, channel, control);
        }
        let (routes, payloads) =
            (std::mem::take(&mut self.routes), std::mem::take(&mut self.driver.payloads));
        let transport = Transport::new(driver, self.driver.slots, payloads, routes);
        self.work(transport, samples, channel, control);
    }

    fn work(self, driver: impl AddRoute, samples: Option<SampleEnds>, channel: &Channel, control: &Control) {
        let clocks = Clocks { thread: machine::thread_readings, wall: clock::wall };
        let Job { task, worker, names, .. } = self;
        match task {
            Task::Plain(plan, pool, windows) => {
                let worker = Worker::plain(driver, plan, worker, pool, names, channel, clocks);
                worker.sampled(samples).serve(control, &windows);
            }
            Task::Scenarios(users, windows) => {
                let worker = Worker::scenarios(driver, worker, users, names, channel, clocks);
                worker.sampled(samples).serve(control, &windows);
            }
            Task::Script(script, users, windows) => {
                let worker = Worker::script(driver, worker, users, &script, names, channel, clocks);
                worker.sampled(samples).serve(control, &windows);
            }
        }
    }
}

/// One worker's share of a plain window.
fn pool_config(config: &RunConfig, worker: u32, room: SessionRoom) -> PoolConfig {
    let workers = config.cores.len() as u32;
    PoolConfig {
        places: share(u64::from(room.most), worker, workers) as u32,
        connections: share(u64::from(config.connections), worker, workers) as u32,
        load: config.load,
        requests: config.requests.map(|n| share(n, worker, workers)),
        duration: config.duration,
        timeout: config.timeout,
        max_backlog: share(config.max_backlog, worker, workers),
        resend: config.resend,
    }
}

/// One worker's share of a window of scenarios.
fn users_config(config: &RunConfig, scenarios: &Scenarios, worker: u32, room: SessionRoom) -> UsersConfig {
    let Scenarios { workload, layout, shared, .. } = scenarios;
    let workers = config.cores.len() as u32;
    let own = UsersConfig::connections(workload, worker, workers);
    // Each scenario's users are dealt out by themselves.
    let most = room.most.div_ceil(workers) + workload.scenarios.len() as u32;
    let most = if room.windows { most.saturating_mul(workload.origins.len() as u32) } else { 0 };
    UsersConfig {
        workload: Arc::clone(workload),
        layout: Arc::clone(layout),
        shared: Arc::clone(shared),
        connections: own.max(most) + share(u64::from(config.spare_connections), worker, workers) as u32,
        seed: config.seed,
        keeps_connections: room.windows,
    }
}

/// Zero where nothing is https.
fn tls_timeout(config: &RunConfig) -> Nanos {
    if config.routes.tls.is_some() { config.tls_timeout } else { Nanos::ZERO }
}

/// What is encrypted cannot be dropped in the kernel.
fn expects_large(routes: &[Route]) -> bool {
    routes.iter().any(|route| route.tls.is_none())
}

/// The endpoints of all origins in a row, and which of them each origin has.
fn origins(config: &RunConfig, work: &Work) -> (Vec<Endpoint>, Vec<OriginSpec>) {
    let planned: Vec<_> = match work {
        Work::Plain(_) => vec![(&config.target, None, &config.addresses)],
        Work::Scenarios(Scenarios { workload, .. }) => {
            let origins = workload.origins.iter().zip(&config.origin_addresses);
            origins.map(|(origin, addresses)| (&origin.url, origin.forward.clone(), addresses)).collect()
        }
    };
    let (mut all, mut specs) = (Vec::new(), Vec::new());
    for (url, forward, addresses) in planned {
        let endpoints = config.dialing.endpoints(addresses);
        let range = (all.len() as u32, endpoints.len() as u32);
        specs.push(OriginSpec { url: url.clone(), forward, endpoints: range });
        all.extend(endpoints);
    }
    (all, specs)
}

/// The bytes of each step, where they are constant.
fn payloads(workload: &Workload) -> Vec<Arc<[u8]>> {
    let bytes = workload.steps.iter().map(|step| step.request.constant().cloned());
    bytes.map(|bytes| bytes.unwrap_or_else(|| Arc::from([]))).collect()
}
