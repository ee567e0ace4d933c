//! Deadlines, and the one place that polls.

use std::thread;
use std::time::{Duration, Instant};

/// How long a wait lasts before it counts as never; long, because only a failing test pays for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at a condition that nothing announces.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Returns `duration` times `CALLBOX_TEST_SCALE`.
pub fn scaled(duration: Duration) -> Duration {
    let scale = std::env::var("CALLBOX_TEST_SCALE").ok().and_then(|text| text.parse::<f64>().ok());
    duration.mul_f64(scale.filter(|scale| *scale > 0.0).unwrap_or(1.0))
}

/// Returns the deadline of an ordinary wait.
pub fn patience() -> Duration {
    scaled(PATIENCE)
}

/// Returns whether the heavy tests should shorten themselves (`CALLBOX_TEST_QUICK=1`).
pub fn quick() -> bool {
    std::env::var("CALLBOX_TEST_QUICK").is_ok_and(|value| value == "1")
}

/// Looks until `look` returns something; panics with `what` and the last failure when `within` has passed.
///
/// The only polling loop of the suite: for facts that nothing announces, such as a descriptor count.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) if start.elapsed() >= within => panic!("{what}: not within {within:?}: {why}"),
            Err(_) => thread::sleep(BETWEEN_LOOKS),
        }
    }
}

/// Waits until `value` has stayed the same for `still`; returns it. Tells a full queue from one that still moves.
pub fn settled<T: PartialEq + std::fmt::Debug>(what: &str, still: Duration, mut value: impl FnMut() -> T) -> T {
    let mut last = value();
    let mut since = Instant::now();
    eventually(what, patience(), || {
        let now = value();
        if now != last {
            last = now;
            since = Instant::now();
        } else if since.elapsed() >= still {
            return Ok(());
        }
        Err(format!("still moving: {last:?}"))
    });
    last
}

/// Lets time pass where the time itself is the fault or the claim: a late answer, "nothing comes for a while".
pub fn let_pass(duration: Duration) {
    thread::sleep(duration);
}
