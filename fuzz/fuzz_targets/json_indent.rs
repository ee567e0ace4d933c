//! The body of `json_indent` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbox_fuzz::run("json_indent", data));
