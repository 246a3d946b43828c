//! `squall target`: the bundled server.

use std::io::Write;

use anyhow::anyhow;

use super::args::TargetArgs;
use super::exit::{Exit, Failure};
use super::{signals, sink};
use crate::run::machine::{UsableCores, parse_core_list, usable_cores};
use crate::target::{self, TargetConfig};

pub(super) fn execute(args: TargetArgs) -> Result<Exit, Failure> {
    let cores = cores(args.threads, args.cores.as_deref(), &usable_cores())
        .map_err(|e| Failure::usage(anyhow!(e)))?;
    let stop = signals::stop_flag()?;
    let server = target::start(TargetConfig {
        listen: args.listen,
        cores,
        latency: args.latency,
        error_rate: args.error_rate,
        stall: args.stall,
        seed: args.seed,
    })
    .map_err(Failure::run)?;
    let mut line = Vec::new();
    writeln!(line, "listening on http://{}/load-test", server.local_addr()).map_err(Failure::run)?;
    sink::to_stdout(&line)?;
    server.wait(stop.as_ref()).map_err(Failure::run)?;
    Ok(Exit::Fine)
}

/// The cores for the server's threads. Without a wish the first half of the usable ones, since a
/// generator on the same host takes the last half.
fn cores(threads: Option<usize>, list: Option<&str>, usable: &UsableCores) -> Result<Vec<usize>, String> {
    if threads == Some(0) {
        return Err("--threads: at least one thread is needed; leave it out for a fitting number".into());
    }
    let mut cores = match list {
        Some(list) => parse_core_list(list)
            .map_err(|e| format!("--cores: `{list}`: {e} (a list looks like `1,3-5`)"))?,
        None => usable.mask.clone(),
    };
    let half = (usable.count() / 2).max(1);
    let wanted = threads.unwrap_or(if list.is_some() { cores.len() } else { half });
    if wanted > cores.len() {
        return Err(format!(
            "--threads: {wanted} threads do not fit on {} usable cores: each needs one of its own",
            cores.len()
        ));
    }
    cores.truncate(wanted);
    Ok(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_the_ones_asked_for_or_the_first_half() {
        let usable = UsableCores { mask: vec![0, 1, 4, 5], quota: None };
        assert_eq!(cores(None, None, &usable), Ok(vec![0, 1]));
        assert_eq!(cores(Some(3), None, &usable), Ok(vec![0, 1, 4]));
        assert_eq!(cores(None, Some("4-5"), &usable), Ok(vec![4, 5]));
        assert_eq!(cores(Some(1), Some("4-5"), &usable), Ok(vec![4]));
        let one = UsableCores { mask: vec![7], quota: None };
        assert_eq!(cores(None, None, &one), Ok(vec![7]));
    }

    #[test]
    fn impossible_wishes_are_refused() {
        let usable = UsableCores { mask: vec![0, 1], quota: None };
        for (threads, list, part) in [
            (Some(0), None, "at least one"),
            (Some(3), None, "3 threads"),
            (Some(2), Some("1"), "2 threads"),
            (None, Some("x"), "`x`"),
        ] {
            let error = cores(threads, list, &usable).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
