//! The body of `frame_line` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbox_fuzz::run("frame_line", data));
