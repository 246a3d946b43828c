//! What several integration tests share.
#![allow(dead_code, unreachable_pub, missing_docs)] // each test uses its part

pub mod rig;
pub mod seccomp;
