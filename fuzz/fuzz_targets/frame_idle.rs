//! The body of `frame_idle` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbox_fuzz::run("frame_idle", data));
