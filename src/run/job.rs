//! What the workers of a run are to do, and one worker's share of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

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
use crate::worker::channel::{Channel, Control};
use crate::worker::names::Names;
use crate::worker::pool::PoolConfig;
use crate::worker::samples::SampleEnds;
use crate::worker::users::UsersConfig;
use crate::worker::{Clocks, OriginSpec, Worker, WorkerConfig};

/// The whole run's work.
pub(super) enum Work {
    /// One request, over and over.
    Plain(Plan),
    /// Virtual users on their ways.
    Scenarios {
        workload: Arc<Workload>,
        layout: Arc<Layout>,
        /// How many iterations were taken of each shared-iterations scenario.
        taken: Arc<[AtomicU64]>,
    },
}

impl Work {
    pub(super) fn scenarios(workload: &Arc<Workload>, layout: &Arc<Layout>) -> Work {
        let taken = workload.scenarios.iter().map(|_| AtomicU64::new(0)).collect();
        Work::Scenarios { workload: Arc::clone(workload), layout: Arc::clone(layout), taken }
    }
}

/// One worker's share.
pub(super) struct Job {
    task: Task,
    worker: WorkerConfig,
    driver: DriverConfig,
    routes: Vec<Route>,
    /// Finds origins while load is sent.
    names: Option<Names>,
}

enum Task {
    Plain(Plan, PoolConfig),
    Scenarios(UsersConfig),
}

impl Job {
    pub(super) fn share_of(
        config: &RunConfig,
        work: &Work,
        worker: u32,
        spin: bool,
        names: Option<Names>,
    ) -> Job {
        let workers = config.cores.len() as u32;
        let (endpoints, origins) = origins(config, work);
        let counts = origins.iter().map(|origin| origin.endpoints.1 as usize);
        let routes = counts.zip(&config.way.routes).flat_map(|(count, route)| vec![route.clone(); count]);
        let (task, slots, payloads) = match work {
            Work::Plain(plan) => {
                let pool = pool_config(config, worker);
                let slots = pool.connections;
                (Task::Plain(plan.clone(), pool), slots, vec![Arc::clone(&plan.payload)])
            }
            Work::Scenarios { workload, layout, taken } => {
                let users = UsersConfig {
                    workload: Arc::clone(workload),
                    layout: Arc::clone(layout),
                    taken: Arc::clone(taken),
                    connections: UsersConfig::connections(workload, worker, workers)
                        + share(u64::from(config.spare_connections), worker, workers) as u32,
                    seed: config.seed,
                };
                let slots = users.connections;
                (Task::Scenarios(users), slots, payloads(workload))
            }
        };
        Job {
            task,
            routes: routes.collect(),
            driver: DriverConfig {
                slots,
                payloads,
                endpoints,
                expect_large: expects_large(&config.way.routes),
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
            },
            names,
        }
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
        let clocks = Clocks { cpu: machine::thread_cpu, wall: clock::wall };
        let Job { task, worker, names, .. } = self;
        match task {
            Task::Plain(plan, pool) => {
                Worker::plain(driver, plan, worker, pool, names, channel, clocks)
                    .sampled(samples)
                    .run(control);
            }
            Task::Scenarios(users) => {
                let worker = Worker::scenarios(driver, worker, users, names, channel, clocks);
                worker.sampled(samples).run(control);
            }
        }
    }
}

fn pool_config(config: &RunConfig, worker: u32) -> PoolConfig {
    let workers = config.cores.len() as u32;
    PoolConfig {
        connections: share(u64::from(config.connections), worker, workers) as u32,
        load: config.load,
        requests: config.requests.map(|n| share(n, worker, workers)),
        duration: config.duration,
        timeout: config.timeout,
        max_backlog: share(config.max_backlog, worker, workers),
    }
}

/// Zero where nothing is https.
fn tls_timeout(config: &RunConfig) -> Nanos {
    if config.way.tls.is_some() { config.tls_timeout } else { Nanos::ZERO }
}

/// What is encrypted cannot be dropped in the kernel.
fn expects_large(routes: &[Route]) -> bool {
    routes.iter().any(|route| route.tls.is_none())
}

/// The endpoints of all origins in a row, and which of them each origin has.
fn origins(config: &RunConfig, work: &Work) -> (Vec<Endpoint>, Vec<OriginSpec>) {
    let planned: Vec<_> = match work {
        Work::Plain(_) => vec![(&config.target, None, &config.addresses)],
        Work::Scenarios { workload, .. } => {
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
