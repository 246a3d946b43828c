//! Any JSON as the options of a script.
#![no_main]

#[path = "../../tests/properties/options.rs"]
mod options;

libfuzzer_sys::fuzz_target!(|input: &[u8]| options::holds(input));
