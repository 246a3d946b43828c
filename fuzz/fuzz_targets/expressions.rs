//! Any text as a check, a threshold, a path, a number with a unit.
#![no_main]

#[path = "../../tests/properties/expressions.rs"]
mod expressions;

libfuzzer_sys::fuzz_target!(|input: &[u8]| expressions::holds(input));
