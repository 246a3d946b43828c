//! Any text as the URL of a script.
#![no_main]

#[path = "../../tests/properties/script_url.rs"]
mod script_url;

libfuzzer_sys::fuzz_target!(|input: &[u8]| script_url::holds(input));
