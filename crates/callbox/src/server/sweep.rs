//! Idle and stalled sessions, found by one coarse look at all of them.
//!
//! A timer for each session would cost each of them memory and a touch per chunk. The meters already say whether
//! anything has happened: the sweep compares them with what it saw before.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::shared::Shared;
use crate::net::edge::{Edge, peer_reset};
use crate::net::sys;
use crate::termination::Termination;

/// At most this long between two looks: limits are seconds and minutes.
const COARSE: Duration = Duration::from_secs(1);
/// At least this long, for the short limits of tests.
const FINE: Duration = Duration::from_millis(5);

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle: Option<Duration>,
    pub(super) stall: Option<Duration>,
    pub(super) half_close: Option<Duration>,
    /// After this silence a relay's upstream is probed.
    pub(super) keepalive: Option<Duration>,
}

/// Looks at all sessions until the server is gone.
pub(super) async fn sweep(shared: Weak<Shared>, limits: Limits) {
    let all = [limits.idle, limits.stall, limits.half_close, limits.keepalive];
    let Some(shortest) = all.into_iter().flatten().min() else {
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
        shared.each(|edge| look(edge, clock, limits));
    }
}

fn look(edge: &Edge, clock: Duration, limits: Limits) {
    let far = edge.far();
    let blocked = edge.is_write_blocked() || far.as_ref().is_some_and(|far| far.is_write_blocked());
    let moved = |edge: &Edge| edge.session().meter().total_bytes();
    // What a fault has held moves on the far side alone.
    let bytes = moved(edge) + far.as_ref().map_or(0, |far| moved(far));
    let quiet = edge.quiet_for(clock, bytes, waiting(edge) + far.as_ref().map_or(0, |far| waiting(far)));
    let half_closed = far.as_ref().is_some_and(|far| edge.is_half_closed_with(far));
    if far.is_none() && edge.is_left_unread() && edge.finds_reset() {
        // A client whose upstream is still to be reached.
        edge.session().stop(peer_reset(edge.session().role()));
    }
    if let (Some(far), Some(idle)) = (&far, limits.keepalive) {
        far.pay_keepalive(idle);
    }
    if let Some(far) = &far
        && (half_closed || blocked || edge.is_left_unread() || far.is_left_unread())
        && (edge.finds_reset() | far.finds_reset())
    {
        // Nobody reads there: one direction has ended, is held by a fault, or waits for the other side.
        edge.session().wake();
    }
    let beyond = |limit: Option<Duration>| limit.is_some_and(|limit| quiet >= limit);
    if blocked && beyond(limits.stall) {
        edge.session().stop(Termination::WriteStall);
    } else if half_closed && beyond(limits.half_close) {
        edge.session().stop(Termination::HalfCloseTimeout);
    } else if beyond(limits.idle) {
        edge.session().stop(Termination::IdleTimeout);
    }
}

/// A slow reader makes progress long before the kernel lets us write again.
fn waiting(edge: &Edge) -> usize {
    let socket = if edge.is_write_blocked() { edge.descriptor() } else { None };
    socket.and_then(|socket| sys::unacknowledged_bytes(socket).ok()).unwrap_or(0)
}
