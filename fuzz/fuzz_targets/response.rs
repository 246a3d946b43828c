//! Any bytes as the responses of a connection.
#![no_main]

#[path = "../../tests/properties/response.rs"]
mod response;

libfuzzer_sys::fuzz_target!(|input: &[u8]| response::holds(input));
