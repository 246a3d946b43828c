//! Any request with templates, and any values from a target.
#![no_main]

#[path = "../../tests/properties/template.rs"]
mod template;
#[allow(dead_code)] // a part of it is needed
#[path = "../../tests/properties/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| template::holds(input));
