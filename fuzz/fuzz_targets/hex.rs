//! The body of `hex` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbox_fuzz::run("hex", data));
