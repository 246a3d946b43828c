//! Whether there are local ports enough, foreseen as far as it can be.
//!
//! A connection is told from others by its four numbers: both addresses and both ports. So each pair of a source and one of
//! the target's addresses has all local ports for itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::connect::Dialing;
use super::error::{ConfigError, Problem};
use super::host::Host;
use crate::plan::workload::{ArrivalPlan, Executor, Scenario, Workload};
use crate::run::machine::LocalPorts;
use crate::units::{Nanos, human};

/// Windows in which the arrivals of stages are looked at for the fullest one.
const WINDOWS: u64 = 256;

/// A source, if one was asked for, and an address of the target.
type Pair = (SocketAddr, Option<IpAddr>);

/// What is asked of each pair, and what it has.
pub(super) struct Demand<'a> {
    pub(super) dialing: &'a Dialing,
    /// The addresses of each origin.
    pub(super) origins: &'a [Vec<SocketAddr>],
    /// Connections to each origin that may be open together.
    pub(super) connections: u32,
    /// The option that says how many there are.
    pub(super) option: &'static str,
}

impl Demand<'_> {
    /// Deals `to_origin(i, address)` connections out over the pairs of origin i; returns the pair with the most, how many those are,
    /// and the number of pairs.
    fn fullest(&self, to_origin: impl Fn(usize, IpAddr) -> f64) -> Option<(Pair, f64, usize)> {
        let mut load: BTreeMap<Pair, f64> = BTreeMap::new();
        for (i, addresses) in self.origins.iter().enumerate() {
            let pairs = self.dialing.pairs(addresses);
            for pair in &pairs {
                *load.entry(*pair).or_default() += to_origin(i, pair.0.ip()) / pairs.len() as f64;
            }
        }
        let pairs = load.len();
        let (pair, most) = load.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((pair, most, pairs))
    }

    /// Refuses what cannot be, and says what may come to grief.
    pub(super) fn judge(
        &self,
        workload: Option<&Workload>,
        host: &impl Host,
    ) -> Result<Option<String>, ConfigError> {
        let Some(ports) = host.local_ports() else { return Ok(None) };
        match self.too_many(&ports) {
            Some(message) => Err(ConfigError::Refused(vec![Problem { option: self.option, message }])),
            None => Ok(workload.and_then(|workload| self.churn(workload, &ports, host))),
        }
    }

    /// More connections than there are ports for.
    fn too_many(&self, ports: &LocalPorts) -> Option<String> {
        let (_, most, pairs) = self.fullest(|_, _| self.connections.into())?;
        if most <= f64::from(ports.count) {
            return None;
        }
        let connections = f64::from(self.connections);
        Some(format!(
            "{} connections over {} of source and target address need {} local ports each, but there are {}. {}, or use at \
             most {} connections",
            human::count(connections as u64),
            if pairs == 1 { "1 pair".into() } else { format!("{pairs} pairs") },
            human::count(most.ceil() as u64),
            there_are(ports),
            self.way_out(),
            human::count((connections * f64::from(ports.count) / most) as u64),
        ))
    }

    /// Foresees that new connections, each of which may leave a port blocked behind it, run out of them. Not certain: the target may close
    /// first, and then the port is free at once.
    fn churn(&self, workload: &Workload, ports: &LocalPorts, host: &impl Host) -> Option<String> {
        let new = |origin, target| new_connections(workload, origin, host.port_blocked_for(target));
        let ((target, _), most, _) = self.fullest(new)?;
        if most <= f64::from(ports.count) {
            return None;
        }
        let blocked = host.port_blocked_for(target.ip());
        let reuse = if blocked > Nanos::from_secs(1) { ", or set net.ipv4.tcp_tw_reuse to 1" } else { "" };
        Some(format!(
            "local ports may run out: up to {} new connections to {target} from one address within {blocked}, for which each blocks              its port after its end (TIME_WAIT) unless the target closes first, but there are {}. {}{reuse}",
            human::count(most as u64),
            there_are(ports),
            self.way_out(),
        ))
    }

    fn way_out(&self) -> &'static str {
        if self.dialing.sources.is_empty() {
            "Let connections come from several addresses of this host (--source), or widen the range"
        } else {
            "Add addresses to --source, or widen the range"
        }
    }
}

fn there_are(ports: &LocalPorts) -> String {
    let (low, high) = ports.range;
    format!("{} (net.ipv4.ip_local_port_range is {low} to {high})", human::count(ports.count.into()))
}

/// New connections to an origin in the fullest stretch of length `span`, as far as a schedule tells; 0 where connections are kept.
fn new_connections(workload: &Workload, origin: usize, span: Nanos) -> f64 {
    let of = |scenario: &Scenario| {
        let weights: f64 = scenario.flows.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let each: f64 = scenario
            .flows
            .iter()
            .map(|(flow, weight)| f64::from(*weight) / weights * per_iteration(workload, *flow, origin))
            .sum();
        each * arrivals(&scenario.executor, span)
    };
    workload.scenarios.iter().map(of).sum()
}

/// New connections to an origin for each iteration of a flow, as far as their ends block ports: only those that the target is asked to
/// close. Where we close on our own account it is with RST, which leaves nothing behind.
fn per_iteration(workload: &Workload, flow: u32, origin: usize) -> f64 {
    if workload.connections.requests_max != Some(1) {
        return 0.0;
    }
    let steps = &workload.flows[flow as usize].steps;
    steps.iter().filter(|step| workload.steps[**step as usize].origin as usize == origin).count() as f64
}

/// Most arrivals in a stretch of length `span`; 0 for a closed loop, whose pace is the target's.
fn arrivals(executor: &Executor, span: Nanos) -> f64 {
    let Executor::ArrivalRate { arrivals, duration, limit, .. } = executor else { return 0.0 };
    let most = match arrivals {
        ArrivalPlan::Constant { rate, .. } => rate.per_second() * span.min(*duration).as_secs_f64(),
        ArrivalPlan::Ramping(stages) => {
            let within = |from: Nanos| stages.arrivals_before(from + span) - stages.arrivals_before(from);
            let step = Nanos((stages.end().0 / WINDOWS).max(1));
            (0..WINDOWS).map(|at| within(Nanos(step.0 * at))).max().unwrap_or(0) as f64
        }
    };
    limit.map_or(most, |limit| most.min(limit as f64))
}
