//! What several integration tests share.
#![allow(dead_code, unreachable_pub, missing_docs)] // each test uses its part

pub mod haproxy;
pub mod mounts;
pub mod nginx;
pub mod nginx_tls;
pub mod parallel;
pub mod pki;
pub mod plain;
pub mod process;
pub mod recorder;
pub mod responses;
pub mod rig;
pub mod run;
pub mod seccomp;
pub mod skip;
pub mod supervisor;
pub mod sysctl;
pub mod target;
pub mod yardstick;
