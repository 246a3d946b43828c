//! What the workers of a run are to do, and one worker's share of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::config::RunConfig;
use super::machine;
use crate::clock;
use crate::driver::{Driver, DriverConfig, Endpoint};
use crate::load::share;
use crate::plan::Plan;
use crate::plan::workload::Workload;
use crate::stats::layout::Layout;
use crate::transport::{Route, Transport};
use crate::units::Nanos;
use crate::worker::channel::{Channel, Control};
use crate::worker::vus::{VuWorker, VuWorkerConfig};
use crate::worker::{Worker, WorkerConfig};

/// The whole run's work.
pub(super) enum Work {
    /// One request, over and over.
    Plain(Plan),
    /// Virtual users on their ways.
    Scenarios {
        workload: Arc<Workload>,
        layout: Arc<Layout>,
        /// How many iterations were taken from the pot of each scenario.
        pots: Arc<[AtomicU64]>,
    },
}

impl Work {
    pub(super) fn scenarios(workload: &Arc<Workload>, layout: &Arc<Layout>) -> Work {
        let pots = workload.scenarios.iter().map(|_| AtomicU64::new(0)).collect();
        Work::Scenarios { workload: Arc::clone(workload), layout: Arc::clone(layout), pots }
    }
}

/// One worker's share.
pub(super) enum Job {
    Plain { plan: Plan, worker: WorkerConfig, driver: DriverConfig, routes: Vec<Route> },
    Scenarios { worker: Box<VuWorkerConfig>, driver: DriverConfig, routes: Vec<Route> },
}

impl Job {
    pub(super) fn share_of(config: &RunConfig, work: &Work, worker: u32, spin: bool) -> Job {
        match work {
            Work::Plain(plan) => {
                let driver = driver_config(config, plan, worker);
                let endpoints = driver.endpoints.len() as u32;
                Job::Plain {
                    plan: plan.clone(),
                    worker: worker_config(config, worker, spin, endpoints),
                    driver,
                    routes: vec![config.way.routes[0].clone(); endpoints as usize],
                }
            }
            Work::Scenarios { workload, layout, pots } => {
                let (endpoints, ranges) = endpoints(config);
                let routes = ranges.iter().zip(&config.way.routes);
                let routes = routes.flat_map(|((_, count), route)| vec![route.clone(); *count as usize]);
                let routes: Vec<Route> = routes.collect();
                let worker = VuWorkerConfig {
                    worker,
                    workers: config.cores.len() as u32,
                    workload: Arc::clone(workload),
                    layout: Arc::clone(layout),
                    pots: Arc::clone(pots),
                    endpoints: ranges,
                    warmup: config.warmup,
                    connect_timeout: config.connect_timeout,
                    tls_timeout: tls_timeout(config),
                    drain: config.drain,
                    interval: config.interval,
                    spin,
                    seed: config.seed,
                };
                let driver = DriverConfig {
                    slots: worker.slots(),
                    payloads: payloads(workload),
                    endpoints,
                    expect_large: expects_large(&config.way.routes),
                };
                Job::Scenarios { worker: Box::new(worker), driver, routes }
            }
        }
    }

    pub(super) fn worker(&self) -> u32 {
        match self {
            Job::Plain { worker, .. } => worker.worker,
            Job::Scenarios { worker, .. } => worker.worker,
        }
    }

    pub(super) fn driver_config(&self) -> DriverConfig {
        match self {
            Job::Plain { driver, .. } | Job::Scenarios { driver, .. } => driver.clone(),
        }
    }

    /// Carries it out, through tunnels and TLS where there are any.
    pub(super) fn carry_out(mut self, driver: impl Driver, channel: &Channel, control: &Control) {
        let (Job::Plain { routes, driver: config, .. } | Job::Scenarios { routes, driver: config, .. }) =
            &mut self;
        // Where every way is direct, workers meet the driver itself.
        if routes.iter().all(Route::is_direct) {
            return self.work(driver, channel, control);
        }
        let (routes, payloads) = (std::mem::take(routes), std::mem::take(&mut config.payloads));
        let transport = Transport::new(driver, config.slots, payloads, routes);
        self.work(transport, channel, control);
    }

    fn work(self, driver: impl Driver, channel: &Channel, control: &Control) {
        let cpu = machine::thread_cpu;
        match self {
            Job::Plain { plan, worker, .. } => {
                Worker::new(driver, plan, worker, channel, cpu).run(control);
            }
            Job::Scenarios { worker, .. } => {
                VuWorker::new(driver, *worker, channel, cpu, clock::wall).run(control);
            }
        }
    }
}

fn worker_config(config: &RunConfig, worker: u32, spin: bool, endpoints: u32) -> WorkerConfig {
    let workers = config.cores.len() as u32;
    WorkerConfig {
        worker,
        workers,
        connections: share(u64::from(config.connections), worker, workers) as u32,
        load: config.load,
        requests: config.requests.map(|n| share(n, worker, workers)),
        duration: config.duration,
        warmup: config.warmup,
        timeout: config.timeout,
        connect_timeout: config.connect_timeout,
        tls_timeout: tls_timeout(config),
        drain: config.drain,
        interval: config.interval,
        spin,
        max_backlog: share(config.max_backlog, worker, workers),
        endpoints,
    }
}

/// Zero where nothing is https.
fn tls_timeout(config: &RunConfig) -> Nanos {
    if config.way.tls.is_some() { config.tls_timeout } else { Nanos::ZERO }
}

fn driver_config(config: &RunConfig, plan: &Plan, worker: u32) -> DriverConfig {
    DriverConfig {
        slots: share(u64::from(config.connections), worker, config.cores.len() as u32) as u32,
        payloads: vec![Arc::clone(&plan.payload)],
        endpoints: config.dialing.endpoints(&config.addresses),
        expect_large: expects_large(&config.way.routes),
    }
}

/// What is encrypted cannot be dropped in the kernel.
fn expects_large(routes: &[Route]) -> bool {
    routes.iter().any(|route| route.tls.is_none())
}

/// The endpoints of all origins in a row, and where each origin's are.
fn endpoints(config: &RunConfig) -> (Vec<Endpoint>, Vec<(u32, u32)>) {
    let (mut all, mut ranges) = (Vec::new(), Vec::new());
    for addresses in &config.origin_addresses {
        let endpoints = config.dialing.endpoints(addresses);
        ranges.push((all.len() as u32, endpoints.len() as u32));
        all.extend(endpoints);
    }
    (all, ranges)
}

/// The bytes of each step, where they are constant.
fn payloads(workload: &Workload) -> Vec<Arc<[u8]>> {
    let bytes = workload.steps.iter().map(|step| step.request.constant().cloned());
    bytes.map(|bytes| bytes.unwrap_or_else(|| Arc::from([]))).collect()
}
