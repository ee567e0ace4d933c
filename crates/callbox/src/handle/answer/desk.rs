//! Where somebody sits who talks with every session of a server: says things to one or all, stops reading, ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::frame::Framing;
use crate::report::SessionId;
use crate::session::Session;
use crate::termination::Termination;

/// Orders that may wait for one session: whoever types or repeats faster than a client reads is told.
pub const SEAT_ORDERS: usize = 64;
/// How much is kept of what was last received, for a list: a line of a wide terminal.
const LAST_BYTES: usize = 256;

/// What a session is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send these bytes.
    Send(Bytes),
    /// Stop reading: the client's window fills.
    Pause,
    /// Read on.
    Resume,
    /// Cut what is received, and frame what is answered, by another rule.
    Frame(Framing),
    /// Send our end of stream after what was ordered before; go on reading.
    End,
    /// Send our end of stream after what was ordered before, and close.
    Close,
}

/// Why an order was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such session, or no longer.
    Gone,
    /// [`SEAT_ORDERS`] wait already: the client takes nothing.
    Full,
    /// Our end of stream was ordered before: nothing can be sent behind it.
    Ended,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Gone => f.write_str("there is no such session"),
            Refused::Ended => f.write_str("our end of stream is sent, nothing can follow it"),
            Refused::Full => write!(f, "{SEAT_ORDERS} sends wait already, the client takes nothing"),
        }
    }
}

/// The open sessions of a server as the one who talks sees them.
#[derive(Debug, Default)]
pub struct Desk {
    seats: Mutex<BTreeMap<SessionId, Arc<Place>>>,
    /// The rule of sessions that come, once somebody has chosen one.
    framing: Mutex<Option<Framing>>,
    dismissed: watch::Sender<bool>,
}

/// One session at the desk.
#[derive(Debug)]
struct Place {
    session: Session,
    orders: mpsc::Sender<Order>,
    paused: AtomicBool,
    /// The client has ended its stream.
    ended: AtomicBool,
    /// Our end of stream was ordered.
    finished: AtomicBool,
    last: Mutex<Vec<u8>>,
}

/// An open session, now.
#[derive(Debug, Clone)]
pub struct SeatSnapshot {
    /// Its facts and totals.
    pub session: Session,
    /// Whether it was told to stop reading.
    pub is_paused: bool,
    /// Whether the client has ended its stream.
    pub has_ended: bool,
    /// The beginning of what was last received.
    pub last: Vec<u8>,
}

impl Desk {
    /// Makes one without sessions.
    pub fn new() -> Arc<Desk> {
        Arc::default()
    }

    /// Has every session, those that come too, answered by another rule; says how many could not be told.
    pub fn recut(&self, framing: &Framing) -> usize {
        *self.framing.lock().unwrap_or_else(PoisonError::into_inner) = Some(framing.clone());
        self.order_all(&Order::Frame(framing.clone())).1
    }

    pub(super) fn framing(&self) -> Option<Framing> {
        self.framing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells a session to do something.
    ///
    /// # Errors
    ///
    /// It is gone, or too much waits for it.
    pub fn order(&self, session: SessionId, order: Order) -> Result<(), Refused> {
        self.place(session)?.order(order)
    }

    /// Tells all sessions; returns how many took the order and how many could not.
    pub fn order_all(&self, order: &Order) -> (usize, usize) {
        let places: Vec<_> = self.seats().values().cloned().collect();
        let taken = places.iter().filter(|place| place.order(order.clone()).is_ok()).count();
        (taken, places.len() - taken)
    }

    /// Aborts a session at once, whatever waits for it: its client sees a reset.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn reset(&self, session: SessionId) -> Result<(), Refused> {
        self.place(session).map(|place| place.session.stop(Termination::Aborted))
    }

    /// Returns the open sessions, oldest first.
    pub fn list(&self) -> Vec<SeatSnapshot> {
        self.seats().values().map(|place| place.snapshot()).collect()
    }

    /// Returns the numbers of the open sessions.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.seats().keys().copied().collect()
    }

    /// Has sessions whose client has ended its stream end at once, after what is ordered, and the others as soon as
    /// theirs does: a server drains.
    pub fn dismiss(&self) {
        self.dismissed.send_replace(true);
    }

    pub(super) fn take_seat(self: &Arc<Desk>, session: &Session) -> (Seat, Option<mpsc::Receiver<Order>>) {
        let (orders, inbox) = mpsc::channel(SEAT_ORDERS);
        let place = Arc::new(Place {
            session: session.clone(),
            orders,
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            last: Mutex::default(),
        });
        self.seats().insert(session.id(), place.clone());
        (Seat { taken: Some((self.clone(), place)) }, Some(inbox))
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Place>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, session: SessionId) -> Result<Arc<Place>, Refused> {
        self.seats().get(&session).cloned().ok_or(Refused::Gone)
    }
}

impl Place {
    fn order(&self, order: Order) -> Result<(), Refused> {
        let note = match order {
            Order::Pause => Some((&self.paused, true)),
            Order::Resume => Some((&self.paused, false)),
            Order::End => Some((&self.finished, true)),
            Order::Send(_) if self.finished.load(Relaxed) => return Err(Refused::Ended),
            Order::Send(_) | Order::Frame(_) | Order::Close => None,
        };
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Gone,
        })?;
        if let Some((flag, is)) = note {
            flag.store(is, Relaxed);
        }
        Ok(())
    }

    fn snapshot(&self) -> SeatSnapshot {
        SeatSnapshot {
            session: self.session.clone(),
            is_paused: self.paused.load(Relaxed),
            has_ended: self.ended.load(Relaxed),
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// A session's place at a desk; given up when it is dropped.
pub(super) struct Seat {
    taken: Option<(Arc<Desk>, Arc<Place>)>,
}

impl Seat {
    /// A session that nobody talks to. It has no queue: that would be most of its memory.
    pub(super) fn alone() -> (Seat, Option<mpsc::Receiver<Order>>) {
        (Seat { taken: None }, None)
    }

    /// Waits until nobody answers clients any more that have ended their stream.
    pub(super) fn dismissed(&self) -> impl Future<Output = ()> + use<> {
        let dismissed = self.taken.as_ref().map(|(desk, _)| desk.dismissed.subscribe());
        async move {
            if let Some(mut dismissed) = dismissed {
                // The desk is there as long as its seats: this is no error.
                let _ = dismissed.wait_for(|dismissed| *dismissed).await;
            }
        }
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        if let Some((_, place)) = &self.taken {
            let mut last = place.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.clear();
            last.extend_from_slice(&bytes[..bytes.len().min(LAST_BYTES)]);
        }
    }

    pub(super) fn ended(&self) {
        if let Some((_, place)) = &self.taken {
            place.ended.store(true, Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((desk, place)) = &self.taken {
            desk.seats().remove(&place.session.id());
        }
    }
}
