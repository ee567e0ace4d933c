//! What a worker knows of one of its seats.

use std::task::Waker;

use tokio::time::Instant;

use crate::handle::exchange::Turn;
use crate::session::Session;

/// One connection after the other.
#[derive(Default)]
pub(super) struct Place {
    pub(super) waker: Option<Waker>,
    pub(super) is_free: bool,
    /// Given, and not yet taken by its connection.
    pub(super) turn: Option<Turn>,
    /// The one under way counts.
    pub(super) counts: bool,
    /// Its start was not our own lateness: no connection was free.
    pub(super) was_behind: bool,
    /// Since when the one under way is, by its intended start.
    pub(super) under_way: Option<Instant>,
    /// It was lost, and by what is still to be told.
    pub(super) unsettled: bool,
    /// It has had an exchange before.
    pub(super) has_begun: bool,
    /// Opening its connection belongs to the exchange under way.
    pub(super) service_from: Option<Instant>,
    /// The first byte on this connection is still to come.
    pub(super) fresh: bool,
    pub(super) session: Option<Session>,
    /// When its last exchange was over, until it asks for the next one.
    pub(super) just_over: Option<Instant>,
    /// Which of its bytes are counted.
    pub(super) counted: (u64, u64),
    /// Not before then does it begin another exchange.
    pub(super) thinks_until: Option<Instant>,
}
