//! Quantities with their units, as written on a command line and as shown: durations, sizes, rates.

mod decimal;
pub mod duration;
pub mod rate;
pub mod size;

pub use duration::{parse_duration, show_duration};
pub use rate::{Rate, RateUnit};
pub use size::Size;
