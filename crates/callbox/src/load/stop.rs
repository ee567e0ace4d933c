//! When a load run is over.

use std::time::Duration;

/// When a run is over; the first that comes true ends it. With neither it goes on until somebody stops it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stop {
    /// After this time, warm-up apart.
    pub after: Option<Duration>,
    /// After so many exchanges have been begun, warm-up apart.
    pub count: Option<u64>,
}

impl Stop {
    /// Ends after this time.
    pub fn after(duration: Duration) -> Stop {
        Stop { after: Some(duration), count: None }
    }

    /// Ends when so many exchanges are done.
    pub fn count(count: u64) -> Stop {
        Stop { after: None, count: Some(count) }
    }
}
