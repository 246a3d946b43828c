//! Requests and responses of scripts, as data: what a script asks for, and what came of it.

pub mod ask;
pub mod decode;
pub mod fields;
pub mod wire;
