//! Whole workers in virtual time, over a peer that is simulated, faults and all: hours of load in
//! seconds, and the same seed gives the same run.

mod backoff;
mod conservation;
mod ending;
mod faults;
mod harness;
mod latency;
mod random_worlds;
mod schedule;
mod sessions;
mod timeouts;
mod vus;
mod world;
