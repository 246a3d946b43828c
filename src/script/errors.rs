//! k6's error codes and texts, those that no kind of failure has among them.

pub use crate::stats::codes::{code, code_of_status, text};

/// All that has none of its own.
pub const OTHER: u32 = 1_000;
/// What is no URL.
pub const NO_URL: u32 = 1_020;
/// A host that the options block.
pub const BLOCKED: u32 = 1_111;
/// An address that cannot be called.
pub const DIAL: u32 = 1_210;
/// The body is not in the coding that its head names.
pub const DECODING: u32 = 1_701;
