//! What contributors and CI run.
fn main() {}
