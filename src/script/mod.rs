//! k6 scripts: a JavaScript engine for each virtual user, and k6's modules.
//!
//! Each user has a runtime of its own, in a coroutine ([`engine`]): whatever its script waits for suspends it, and whoever drives it goes on with
//! others. Nothing here knows a socket: requests, pauses and figures are handed over as data, through the user's [`Core`](core::Core).
//!
//! What k6 does was read in its documentation and tried on the real one; docs/k6.md has the table.

pub mod base64;
pub mod console;
pub mod core;
pub mod engine;
pub mod errors;
pub mod exception;
mod foreign;
pub mod hash;
pub mod http;
pub mod json;
pub mod live;
mod modules;
pub mod options;
pub mod pace;
mod paths;
pub mod program;
pub mod tags;
