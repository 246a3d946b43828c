//! Any bytes as a recording, any text as a curl command.
#![no_main]

#[path = "../../tests/properties/import.rs"]
mod import;
#[allow(dead_code)] // a part of it is needed
#[path = "../../tests/properties/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| import::holds(input));
