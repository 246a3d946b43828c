//! To come.

pub mod machine;
pub mod resolve;
