//! The one place that knows how a worker is built and started.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use squall::driver::{DriverConfig, Endpoint};
use squall::load::LoadModel;
use squall::plan::Plan;
use squall::plan::workload::Workload;
use squall::stats::layout::Layout;
use squall::units::Nanos;
use squall::worker::channel::{Channel, Control};
use squall::worker::vus::{VuWorker, VuWorkerConfig};
use squall::worker::{Worker, WorkerConfig};

use super::probe::Probe;
use super::{ms, secs};

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
    pots: Arc<[AtomicU64]>,
}

impl Scenarios {
    pub(crate) fn new(workload: Workload) -> Scenarios {
        Scenarios {
            layout: Arc::new(workload.layout()),
            pots: workload.scenarios.iter().map(|_| AtomicU64::new(0)).collect(),
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
            pots: Arc::clone(&self.pots),
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
            slots: config.slots(),
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

fn endpoint() -> Endpoint {
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    Endpoint { addr: addr.into(), source: None, congestion: None }
}

fn no_time() -> (Nanos, Nanos) {
    (Nanos::ZERO, Nanos::ZERO)
}

/// Carries a plain worker's share out.
pub(crate) fn run_plain(
    probe: Probe<'_>,
    plan: Plan,
    config: WorkerConfig,
    channel: &Channel,
    control: &Control,
) {
    Worker::new(probe, plan, config, channel, no_time).run(control);
}

/// Carries one worker's share of scenarios out.
pub(crate) fn run_users(probe: Probe<'_>, config: VuWorkerConfig, channel: &Channel, control: &Control) {
    VuWorker::new(probe, config, channel, no_time, || Nanos::ZERO).run(control);
}
