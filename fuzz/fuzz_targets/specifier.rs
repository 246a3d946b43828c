//! Any text as the name of a module that a script imports.
#![no_main]

#[path = "../../tests/properties/specifier.rs"]
mod specifier;

libfuzzer_sys::fuzz_target!(|input: &[u8]| specifier::holds(input));
