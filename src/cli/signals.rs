//! Ctrl-C, SIGTERM and SIGHUP: the first one asks to stop, the second one does not ask.

use std::thread;

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};
use crate::observer::StopFlag;

/// From now on the first signal sets the flag that is returned, and the next one leaves at once with
/// the code for "interrupted". To be called once in a process.
///
/// A signal that was ignored when the process began stays so: `nohup` does that with SIGHUP, and shells with the SIGINT of what
/// they start in the background (POSIX, XCU 2.12).
pub(super) fn stop_flag() -> Result<StopFlag, Failure> {
    let stop = StopFlag::new();
    let flag = stop.clone();
    let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored(&status));
    let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !has(ignored, *signal));
    let caught = Signals::new(heeded).map_err(anyhow::Error::new).and_then(|mut signals| {
        let wait = move || {
            let mut came = signals.forever();
            if came.next().is_some() {
                flag.set();
            }
            if came.next().is_some() {
                std::process::exit(Exit::Interrupted as i32);
            }
        };
        Ok(thread::Builder::new().name("signals".into()).spawn(wait)?)
    });
    caught.context("cannot catch Ctrl-C").map_err(Failure::run)?;
    Ok(stop)
}

/// The set of ignored signals of /proc/PID/status (proc(5)), signal 1 in the lowest bit; none where it does not say.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

fn has(set: u64, signal: i32) -> bool {
    set >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_as_the_kernel_writes_them() {
        let set =
            ignored("Name:\tsquall\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert_eq!([SIGHUP, SIGINT, SIGTERM, 13].map(|signal| has(set, signal)), [true, false, false, true]);
        assert_eq!(ignored("Name:\tsquall\n"), 0);
        assert_eq!(ignored("SigIgn:\tgarbage\n"), 0);
    }
}
