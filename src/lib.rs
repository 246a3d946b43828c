//! squall: an HTTP load generator for Linux.
//!
//! One pinned worker thread per core, each with its own ring, sends raw HTTP/1.1 and parses the
//! responses by hand. Modules stand on floors; a module imports only lower floors (held by
//! `tests/tidy.rs`):
//!
//! ```text
//! F0  units  clock (units)  escapes  rng  relation  secrets
//! F1  http   load   stats   driver          (siblings do not import each other)
//! F2  plan (http, load, rng, stats, driver, threshold)   transport (driver)   verdict (stats)   threshold (stats)   target   script (http, load, stats, plan, threshold)
//! F3  worker (plan, load, http, driver, stats, transport, script)   report (stats, verdict, threshold)   import (http, units)
//! F4  observer (report)
//! F5  run (worker, observer)   output (report, observer)
//! F7  cli
//! ```

pub mod clock;
pub mod escapes;
pub mod relation;
pub mod rng;
pub mod secrets;
pub mod units;

pub mod driver;
pub mod http;
pub mod load;
pub mod stats;

pub mod plan;
pub mod script;
pub mod target;
pub mod threshold;
pub mod transport;
pub mod verdict;

pub mod import;
pub mod report;
pub mod worker;

pub mod observer;

pub mod output;
pub mod run;

pub mod cli;

/// How a test says what it leaves out; integration tests have it from the same file.
#[cfg(test)]
#[allow(dead_code, reason = "others use more of it")]
#[path = "../tests/common/skip.rs"]
mod skip;
