//! Any fields as a body in parts.
#![no_main]

#[path = "../../tests/properties/multipart.rs"]
mod multipart;

libfuzzer_sys::fuzz_target!(|input: &[u8]| multipart::holds(input));
