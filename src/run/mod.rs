//! To come.

pub mod config;
pub mod machine;
pub mod resolve;
