//! Idle and stalled sessions, found by one coarse look at all of them.
//!
//! A timer for each session would cost each of them memory and a touch per chunk. The meters already say whether
//! anything has happened: the sweep compares them with what it saw before.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::shared::Shared;
use crate::net::edge::Edge;
use crate::net::sys;
use crate::termination::Termination;

/// At most this long between two looks: limits are seconds and minutes.
const COARSE: Duration = Duration::from_secs(1);
/// At least this long, for the short limits of tests.
const FINE: Duration = Duration::from_millis(5);

/// Looks at all sessions until the server is gone.
pub(super) async fn sweep(shared: Weak<Shared>, idle: Option<Duration>, stall: Option<Duration>) {
    let Some(shortest) = [idle, stall].into_iter().flatten().min() else {
        return;
    };
    let period = (shortest / 8).clamp(FINE, COARSE);
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Instant::now();
    // Time that counts: what passed while the process was stopped or starved is nobody's silence.
    let mut clock = Duration::ZERO;
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let now = Instant::now();
        clock += (now - before).min(period * 2);
        before = now;
        shared.each(|edge| look(edge, clock, idle, stall));
    }
}

fn look(edge: &Edge, clock: Duration, idle: Option<Duration>, stall: Option<Duration>) {
    let blocked = edge.is_write_blocked();
    // A slow reader makes progress long before the kernel lets us write again.
    let waiting =
        if blocked { edge.descriptor().and_then(|socket| sys::unacknowledged_bytes(socket).ok()) } else { None };
    let quiet = edge.quiet_for(clock, waiting.unwrap_or(0));
    if blocked && stall.is_some_and(|limit| quiet >= limit) {
        edge.session().stop(Termination::WriteStall);
    } else if idle.is_some_and(|limit| quiet >= limit) {
        edge.session().stop(Termination::IdleTimeout);
    }
}
