//! Any bytes as a chunked body.
#![no_main]

#[path = "../../tests/properties/chunked.rs"]
mod chunked;

libfuzzer_sys::fuzz_target!(|input: &[u8]| chunked::holds(input));
