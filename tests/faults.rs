//! Faults in mid-run: the real binary while its server, its network, its host or it itself fails. Each run ends by
//! itself and in time, its books balance, and what it says is what happened.

mod common;

#[path = "faults/broken.rs"]
mod broken;
#[path = "faults/frozen.rs"]
mod frozen;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/output.rs"]
mod output;
#[path = "faults/peer.rs"]
mod peer;
#[path = "faults/ways.rs"]
mod ways;
