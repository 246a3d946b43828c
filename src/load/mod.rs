//! When to send: pure functions of time. No clock, no sleep, no descriptor.
//!
//! All points of time here are offsets from the start of the load.

pub mod model;
pub mod pacer;
pub mod stages;

pub use model::{Arrivals, LoadModel, Schedule, arrivals_seed, share};
pub use pacer::Pacer;
pub use stages::{RateStages, StageError, VuStages};
