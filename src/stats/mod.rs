//! What happened: every measurement type lives here.

pub mod compact;
pub mod histogram;
pub mod layout;
pub mod metrics;
pub mod outcome;
pub mod recorder;
pub mod registry;
pub mod samples;
pub mod series;
pub mod snapshot;
pub mod summary;
pub mod tally;
pub mod wire;
