//! The one place that knows how a worker is built and started.

use std::sync::Arc;

use squall::driver::{DriverConfig, Endpoint};
use squall::load::LoadModel;
use squall::plan::Plan;
use squall::plan::workload::Workload;
use squall::stats::layout::Layout;
use squall::units::Nanos;
use squall::worker::channel::{Channel, Control, ThreadReadings};
use squall::worker::pool::{Pool, PoolConfig};
use squall::worker::shared::Shared;
use squall::worker::users::UsersConfig;
use squall::worker::{Clocks, OriginSpec, Worker};

use super::probe::Probe;
use super::{ms, secs};

/// What a plain worker is told, in one.
#[derive(Clone, Debug)]
pub(crate) struct WorkerConfig {
    pub(crate) worker: u32,
    pub(crate) workers: u32,
    pub(crate) connections: u32,
    pub(crate) load: LoadModel,
    pub(crate) requests: Option<u64>,
    pub(crate) duration: Option<Nanos>,
    pub(crate) warmup: Nanos,
    pub(crate) timeout: Nanos,
    pub(crate) connect_timeout: Nanos,
    pub(crate) tls_timeout: Nanos,
    pub(crate) drain: Nanos,
    pub(crate) interval: Nanos,
    pub(crate) spin: bool,
    pub(crate) max_backlog: u64,
    /// Addresses of the peer.
    pub(crate) endpoints: u32,
}

/// What a worker of scenarios is told, in one.
#[derive(Clone, Debug)]
pub(crate) struct VuWorkerConfig {
    pub(crate) worker: u32,
    pub(crate) workers: u32,
    pub(crate) workload: Arc<Workload>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) shared: Arc<Shared>,
    /// For each origin the first of its endpoints, and how many it has.
    pub(crate) endpoints: Vec<(u32, u32)>,
    pub(crate) warmup: Nanos,
    pub(crate) connect_timeout: Nanos,
    pub(crate) tls_timeout: Nanos,
    pub(crate) drain: Nanos,
    pub(crate) interval: Nanos,
    pub(crate) spin: bool,
    pub(crate) seed: u64,
}

const CLOCKS: Clocks = Clocks { thread: ThreadReadings::default, wall: || Nanos::ZERO };

/// Four connections, closed, for 200 ms, on the only worker.
pub(crate) fn plain_config() -> WorkerConfig {
    WorkerConfig {
        worker: 0,
        workers: 1,
        connections: 4,
        load: LoadModel::Closed,
        requests: None,
        duration: Some(ms(200)),
        warmup: Nanos::ZERO,
        timeout: secs(2),
        connect_timeout: ms(500),
        tls_timeout: ms(500),
        drain: secs(3),
        interval: secs(1),
        spin: false,
        max_backlog: 100_000,
        endpoints: 2,
    }
}

/// A workload's run, over its workers.
pub(crate) struct Scenarios {
    pub(crate) workload: Arc<Workload>,
    pub(crate) layout: Arc<Layout>,
    shared: Arc<Shared>,
}

impl Scenarios {
    pub(crate) fn new(workload: Workload) -> Scenarios {
        Scenarios {
            layout: Arc::new(workload.layout()),
            shared: Shared::new(&workload, u64::MAX),
            workload: Arc::new(workload),
        }
    }

    /// No warm-up, intervals of 100 ms; each origin has one endpoint.
    pub(crate) fn config(&self, worker: u32, workers: u32) -> VuWorkerConfig {
        VuWorkerConfig {
            worker,
            workers,
            workload: Arc::clone(&self.workload),
            layout: Arc::clone(&self.layout),
            shared: Arc::clone(&self.shared),
            endpoints: (0..self.workload.origins.len() as u32).map(|origin| (origin, 1)).collect(),
            warmup: Nanos::ZERO,
            connect_timeout: ms(500),
            tls_timeout: ms(500),
            drain: secs(3),
            interval: ms(100),
            spin: false,
            seed: 7,
        }
    }

    /// The driver for it.
    pub(crate) fn driver_config(&self, config: &VuWorkerConfig) -> DriverConfig {
        let bytes = self.workload.steps.iter().map(|step| step.request.constant().cloned());
        DriverConfig {
            slots: UsersConfig::connections(&self.workload, config.worker, config.workers),
            payloads: bytes.map(|bytes| bytes.unwrap_or_else(|| Arc::from([]))).collect(),
            endpoints: vec![endpoint(); self.workload.origins.len()],
            expect_large: true,
        }
    }
}

/// The driver for a plain worker.
pub(crate) fn plain_driver_config(plan: &Plan, config: &WorkerConfig) -> DriverConfig {
    DriverConfig {
        slots: config.connections,
        payloads: vec![Arc::clone(&plan.payload)],
        endpoints: vec![endpoint(); config.endpoints as usize],
        expect_large: true,
    }
}

pub(crate) fn endpoint() -> Endpoint {
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    Endpoint { addr: addr.into(), source: None, congestion: None }
}

/// A plain worker's share of a window; the driver has `places` slots.
pub(crate) fn pool_config(config: &WorkerConfig, places: u32) -> PoolConfig {
    PoolConfig {
        connections: config.connections,
        places,
        load: config.load,
        requests: config.requests,
        duration: config.duration,
        timeout: config.timeout,
        max_backlog: config.max_backlog,
        resend: false,
    }
}

/// Carries a plain worker's share out.
pub(crate) fn run_plain(
    probe: Probe<'_>,
    plan: Plan,
    config: WorkerConfig,
    channel: &Channel,
    control: &Control,
) {
    plain_worker(probe, plan, &config, config.connections, channel).run(control);
}

/// A plain worker, whose driver has `places` slots.
pub(crate) fn plain_worker<'a>(
    probe: Probe<'a>,
    plan: Plan,
    config: &WorkerConfig,
    places: u32,
    channel: &'a Channel,
) -> Worker<'a, Probe<'a>, Pool> {
    let common = squall::worker::WorkerConfig {
        worker: config.worker,
        workers: config.workers,
        origins: vec![OriginSpec {
            url: "http://peer/".parse().expect("a URL"),
            forward: None,
            endpoints: (0, config.endpoints),
        }],
        warmup: config.warmup,
        connect_timeout: config.connect_timeout,
        tls_timeout: config.tls_timeout,
        dns_ttl: Nanos::MAX,
        drain: config.drain,
        interval: config.interval,
        spin: config.spin,
        head_most: squall::http::head::MAX_HEAD,
    };
    let pool = pool_config(config, places);
    Worker::plain(probe, plan, common, pool, None, channel, CLOCKS)
}

/// Carries one worker's share of scenarios out.
pub(crate) fn run_users(mut probe: Probe<'_>, config: VuWorkerConfig, channel: &Channel, control: &Control) {
    let origins = config.workload.origins.iter().zip(&config.endpoints);
    let common = squall::worker::WorkerConfig {
        worker: config.worker,
        workers: config.workers,
        origins: origins
            .map(|(origin, endpoints)| OriginSpec {
                url: origin.url.clone(),
                forward: origin.forward.clone(),
                endpoints: *endpoints,
            })
            .collect(),
        warmup: config.warmup,
        connect_timeout: config.connect_timeout,
        tls_timeout: config.tls_timeout,
        dns_ttl: Nanos::MAX,
        drain: config.drain,
        interval: config.interval,
        spin: config.spin,
        head_most: squall::http::head::MAX_HEAD,
    };
    let users = UsersConfig {
        connections: UsersConfig::connections(&config.workload, config.worker, config.workers),
        workload: config.workload,
        layout: config.layout,
        shared: config.shared,
        seed: config.seed,
        keeps_connections: false,
    };
    let names = probe.resolver();
    Worker::scenarios(probe, common, users, Some(names), channel, CLOCKS).run(control);
}
