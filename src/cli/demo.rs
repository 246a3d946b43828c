//! `squall demo`: the bundled target and a run against it, in one process.

use std::net::{Ipv4Addr, SocketAddr};

use super::args::DemoArgs;
use super::exit::{Exit, Failure};
use super::run::{Show, carry_out};
use super::signals;
use super::sink::Sink;
use crate::output::Style;
use crate::run::config::{RawConfig, RunConfig};
use crate::run::machine::{UsableCores, usable_cores};
use crate::target::{self, TargetConfig};

const NEXT: &str = "
Try next: `squall target` in one terminal, and in another
  squall http://127.0.0.1:8080/load-test -R 20k -d 10s
for the open model, where latency counts from when a request should have been sent.
";

pub(super) fn execute(args: DemoArgs) -> Result<Exit, Failure> {
    let (server_cores, own_cores) = split(&usable_cores());
    let server = target::start(TargetConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        cores: server_cores,
        latency: None,
        error_rate: 0.0,
        stall: None,
        seed: 0,
    })
    .map_err(Failure::run)?;
    let url = format!("http://{}/load-test", server.local_addr());
    let config = RunConfig::validate(RawConfig {
        url: url.clone(),
        cores: Some(own_cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",")),
        connections: args.connections,
        duration: args.duration,
        ..RawConfig::default()
    })?;
    let stop = signals::stop_flag()?;
    let sink = Sink::Stdout;
    let style = Style { colours: sink.wants_colours(), ..Style::default() };
    let report = carry_out(&config, None, Show { line: true, sink, style, more: NEXT }, &stop)?;
    server.stop().map_err(Failure::run)?;
    Ok(Exit::of(&report, false))
}

/// The cores of the target and those of the generator: the first and the last half. With one core
/// both are on it, and the verdict says so.
fn split(usable: &UsableCores) -> (Vec<usize>, Vec<usize>) {
    let cores = &usable.mask[..usable.count()];
    let (server, own) = cores.split_at(cores.len() / 2);
    if server.is_empty() { (own.to_vec(), own.to_vec()) } else { (server.to_vec(), own.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_and_generator_share_cores_only_when_there_is_one() {
        let usable = |mask: &[usize], quota| UsableCores { mask: mask.to_vec(), quota };
        assert_eq!(split(&usable(&[3], None)), (vec![3], vec![3]));
        assert_eq!(split(&usable(&[0, 1], None)), (vec![0], vec![1]));
        assert_eq!(split(&usable(&[0, 1, 2], None)), (vec![0], vec![1, 2]));
        assert_eq!(split(&usable(&[0, 1, 2, 3], Some(1.5))), (vec![0], vec![1]));
    }
}
