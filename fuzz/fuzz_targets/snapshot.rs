//! Any bytes as a snapshot.
#![no_main]

#[path = "../../tests/properties/snapshot.rs"]
mod snapshot;

libfuzzer_sys::fuzz_target!(|input: &[u8]| snapshot::holds(input));
