//! Any text as a scenario file.
#![no_main]

#[path = "../../tests/properties/scenario.rs"]
mod scenario;
#[allow(dead_code)] // a part of it is needed
#[path = "../../tests/properties/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| scenario::holds(input));
