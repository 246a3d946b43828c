//! Any text as a URL.
#![no_main]

#[path = "../../tests/properties/url.rs"]
mod url;

libfuzzer_sys::fuzz_target!(|input: &[u8]| url::holds(input));
