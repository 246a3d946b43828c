//! What happened: every measurement type lives here.

pub mod compact;
pub mod histogram;
pub mod layout;
pub mod metrics;
pub mod outcome;
pub mod recorder;
pub mod samples;
pub mod snapshot;
pub mod summary;
pub mod tally;
