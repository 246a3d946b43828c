//! Where requests went.

use serde::{Deserialize, Serialize};

/// One origin: of the plan, or found while load was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginEntry {
    /// Scheme, host and port.
    pub url: String,
    /// The plan, or the command, names it.
    pub planned: bool,
    /// Connections that came about, over the whole run.
    pub connections: u64,
    /// Requests sent to it, over the whole run, warm-up included.
    pub requests: u64,
    /// Why it could not be reached, the last time that its addresses could not be had.
    pub unreachable: Option<String>,
}
