//! A load run: a [`Plan`] is a schedule, an end, and what is said; a [`Report`] is what came of it.
//!
//! Where a rate is given, response times count from when an exchange was *intended* to begin, so a server that stands still is not
//! spared those that would have come meanwhile (coordinated omission).
//!
//! | question | type |
//! |---|---|
//! | when does each exchange begin? | [`Schedule`] |
//! | when is it over? | [`Stop`] |
//! | what is done on a connection? | [`Work`], and of exchanges [`Dialogue`](crate::handle::exchange::Dialogue) |
//! | how does it stand? | [`Snapshot`], of a [`Running`] |
//! | was it good enough? | [`Condition`] |
//! | how much can it take? | [`Search`] |
//! | was it better than the last time? | [`compare`] |
//!
//! Each worker has a share of the schedule, connections and counts of its own, so none waits for another. Memory grows with the
//! connections, and not with the rate, with the length of the run or with how far the server is behind. It knows no protocol, has
//! one exchange at a time on a connection, and prints nothing.

mod compare;
mod condition;
mod distribution;
mod find;
mod plan;
mod report;
mod run;
mod schedule;
mod stop;
mod tally;

pub use compare::{Comparison, FEWEST_SLICES, Figure, RESAMPLES, SAME, Verdict, compare, show_ratio};
pub use condition::Condition;
pub use distribution::Distribution;
pub use find::{MOST_TRIALS, STEP, Search, Trial};
pub use plan::{Dial, Plan, Play, Playing, Precision, Work};
pub use report::{Ending, ErrorCount, Limit, PhaseTimes, Report, Series, Slice, Snapshot, Whom};
pub use run::Running;
pub use schedule::{Schedule, Share, Starts, Step};
pub use stop::Stop;
