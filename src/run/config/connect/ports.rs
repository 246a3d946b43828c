//! Whether there are local ports enough, foreseen as far as it can be.
//!
//! A connection is told from others by its four numbers: both addresses and both ports. So each pair of a source and one of
//! the target's addresses has all local ports for itself. Connections that are used up take none any more, since they are reset
//! and rest in no TIME_WAIT; what a failing target costs in others is not foreseen (docs/methodology.md).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::super::connect::Dialing;
use super::super::error::{ConfigError, Problem};
use super::super::workers::host::Host;
use crate::run::machine::LocalPorts;
use crate::units::human;

/// A source, if one was asked for, and an address of the target.
type Pair = (SocketAddr, Option<IpAddr>);

/// What is asked of each pair, and what it has.
pub(in crate::run::config) struct Demand<'a> {
    pub(in crate::run::config) dialing: &'a Dialing,
    /// The addresses of each origin.
    pub(in crate::run::config) origins: &'a [Vec<SocketAddr>],
    /// Connections to each origin that may be open together.
    pub(in crate::run::config) connections: u32,
    /// The option that says how many there are.
    pub(in crate::run::config) option: &'static str,
}

impl Demand<'_> {
    /// Deals the connections out over the pairs of each origin; returns the most that one pair has, and the number of pairs.
    fn fullest(&self) -> Option<(f64, usize)> {
        let mut load: BTreeMap<Pair, f64> = BTreeMap::new();
        for addresses in self.origins {
            let pairs = self.dialing.pairs(addresses);
            for pair in &pairs {
                *load.entry(*pair).or_default() += f64::from(self.connections) / pairs.len() as f64;
            }
        }
        let most = load.values().copied().max_by(f64::total_cmp)?;
        Some((most, load.len()))
    }

    /// Refuses what cannot be.
    pub(in crate::run::config) fn judge(&self, host: &impl Host) -> Result<(), ConfigError> {
        let ports = host.local_ports();
        match ports.and_then(|ports| self.too_many(&ports)) {
            Some(message) => Err(ConfigError::Refused(vec![Problem { option: self.option, message }])),
            None => Ok(()),
        }
    }

    /// More connections than there are ports for.
    fn too_many(&self, ports: &LocalPorts) -> Option<String> {
        let (most, pairs) = self.fullest()?;
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
