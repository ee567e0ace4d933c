//! The binary `callbox`.
fn main() {}
