//! The body of `address` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbox_fuzz::run("address", data));
