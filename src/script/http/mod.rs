//! Requests and responses of scripts, as data: what a script asks for, and what came of it.

pub mod address;
pub mod ask;
pub mod cookies;
pub mod decode;
pub mod fields;
pub mod follow;
pub mod form;
pub mod statuses;
pub mod wire;
