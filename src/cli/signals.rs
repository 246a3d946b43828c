//! Ctrl-C, SIGTERM and SIGHUP: the first one asks to stop, the second one does not ask.

use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::{Exit, Failure};
use crate::observer::StopFlag;

/// From now on the first signal sets the flag that is returned, and the next one leaves at once with
/// the code for "interrupted". To be called once in a process.
pub(super) fn stop_flag() -> Result<StopFlag, Failure> {
    let stop = StopFlag::new();
    let flag = stop.clone();
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        flag.set();
    })
    .map_err(|error| Failure::run(anyhow::Error::new(error).context("cannot catch Ctrl-C")))?;
    Ok(stop)
}
