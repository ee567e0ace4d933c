//! What the reference programs of `cargo xtask bench` share.
//!
//! The servers here do the least work that is still correct; nothing in them is meant for use. They are the yardstick.

pub mod args;
pub mod histogram;
pub mod load;
pub mod relay;
pub mod server;
pub mod stall;
pub mod usage;
