//! Which faults there are: a list that does not change, and a handle on the one that counts now.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::draw;
use super::fault::{Fault, FaultKind, Point, When};
use super::rate::SessionRate;
use crate::direction::Direction;
use crate::error::Invalid;
use crate::frame::Framing;

/// A fault that is clipped on: what tells it from the others while the list changes.
#[derive(Debug, Clone)]
pub struct Clipped {
    /// Stays the same as long as this fault does; a changed fault has a new one. What is drawn hangs on it: number
    /// faults alike (1, 2, 3 ...) where a seed shall mean the same again.
    pub id: u64,
    /// How people call it. A changed fault keeps it.
    pub name: String,
    /// What it does.
    pub fault: Fault,
}

/// All faults of a relay, in the order in which bytes meet them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// All that is random is drawn from this, together with the number of the session and the id of the fault.
    pub seed: u64,
    /// What a frame is, where a fault wants to know.
    pub framing: Framing,
    /// The faults.
    pub faults: Vec<Clipped>,
    /// The most that each direction is given, behind all faults; it is none itself, and told as none.
    pub rate: Option<SessionRate>,
}

/// What happens to a connection that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtAccept {
    /// It is reset, as if nobody had listened.
    Refuse,
    /// It is taken this much later.
    Delay(Duration),
    /// It is closed at once.
    Close,
}

/// What a listener does with all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtListener {
    /// It is closed, so that the system refuses them.
    Refuse,
    /// It takes nobody: handshakes get no answer.
    BacklogFull,
}

impl Plan {
    /// Tells whether no fault concerns this direction of this session at all, nor a rate.
    pub fn is_idle_for(&self, session: u64, direction: Direction) -> bool {
        self.rate.is_none() && !self.faults.iter().any(|clipped| concerns(self, clipped, session, direction))
    }

    /// Returns what happens to the connection that would be this session, this long after the listener began.
    ///
    /// The first `refuse` or `accept-then-close` counts, else all delays together.
    pub fn at_accept(&self, session: u64, since_start: Duration) -> Option<AtAccept> {
        let mut delay = None;
        for clipped in &self.faults {
            let fault = &clipped.fault;
            if !is_within(&fault.when, since_start) || !is_in_session(self, clipped, session) {
                continue;
            }
            match &fault.kind {
                // For all of them, that is a matter of the listener.
                FaultKind::Refuse if !is_for_all(fault) => return Some(AtAccept::Refuse),
                FaultKind::AcceptThenClose => return Some(AtAccept::Close),
                FaultKind::AcceptDelay { delay: more } => {
                    delay = Some(delay.unwrap_or(Duration::ZERO).saturating_add(*more));
                }
                _ => {}
            }
        }
        delay.map(AtAccept::Delay)
    }

    /// Returns what the listener does this long after it began: what concerns every connection alike.
    pub fn listener(&self, since_start: Duration) -> Option<AtListener> {
        self.faults.iter().find_map(|clipped| match clipped.fault.kind {
            FaultKind::Refuse if is_for_all(&clipped.fault) && is_within(&clipped.fault.when, since_start) => {
                Some(AtListener::Refuse)
            }
            FaultKind::BacklogFull if is_within(&clipped.fault.when, since_start) => Some(AtListener::BacklogFull),
            _ => None,
        })
    }

    /// Returns when [`listener`](Plan::listener) may say something else, this long after the listener began.
    pub fn listener_turns(&self, since_start: Duration) -> Option<Duration> {
        let time = |point| match point {
            Some(Point::Time(time)) if time > since_start => Some(time),
            _ => None,
        };
        let faults = self.faults.iter().map(|clipped| &clipped.fault).filter(|fault| fault.kind.is_of_listener());
        faults.flat_map(|fault| [time(fault.when.from), time(fault.when.to)]).flatten().min()
    }

    /// Refuses what can never be: a fault on a frame where nothing says what a frame is, or a framing that cannot frame.
    ///
    /// # Errors
    ///
    /// That, with the fault as it is written.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(clipped) = self.faults.iter().find(|clipped| clipped.fault.when.frame.is_some())
            && self.framing.is_none()
        {
            let problem = "nothing says what a frame is";
            let invalid = Invalid::new("fault", clipped.fault.to_string(), problem);
            return Err(invalid.instead("name the framing, as in --frame length:u16be"));
        }
        self.framing.check()
    }
}

/// Tells whether a fault may act in a direction of a session: its direction, session, and what is drawn.
pub(super) fn concerns(plan: &Plan, clipped: &Clipped, session: u64, direction: Direction) -> bool {
    let fault = &clipped.fault;
    let frames = fault.when.frame.is_none() || !plan.framing.is_none();
    !fault.kind.is_of_listener() && fault.towards.includes(direction) && frames && is_in_session(plan, clipped, session)
}

/// Tells whether a fault is in a session: named, every so many, drawn.
fn is_in_session(plan: &Plan, clipped: &Clipped, session: u64) -> bool {
    let Clipped { id, fault, .. } = clipped;
    let named = fault.when.session.is_none_or(|wanted| wanted == session);
    let counted = fault.when.every.is_none_or(|every| every > 0 && session.is_multiple_of(every));
    if !named || !counted || fault.probability <= 0.0 {
        return false;
    }
    // Whether something is repeated is drawn each time.
    let each_time = matches!(fault.kind, FaultKind::Duplicate);
    each_time || draw::happens(&mut draw::of_session(plan.seed, session, *id), fault.probability)
}

/// Tells whether a fault at the listener is for every connection.
fn is_for_all(fault: &Fault) -> bool {
    fault.probability >= 1.0 && fault.when.session.is_none() && fault.when.every.is_none_or(|every| every <= 1)
}

/// Tells whether a time is in the window.
fn is_within(when: &When, since_start: Duration) -> bool {
    let from = !matches!(when.from, Some(Point::Time(from)) if since_start < from);
    from && !matches!(when.to, Some(Point::Time(to)) if since_start >= to)
}

/// A handle on the faults that count now; clones share them.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: AtomicU64,
    plan: Mutex<Arc<Plan>>,
    /// Wakes whoever waits for a change.
    changed: watch::Sender<()>,
}

impl Faults {
    /// Starts with these.
    pub fn new(plan: Plan) -> Faults {
        let changed = watch::Sender::new(());
        Faults(Arc::new(Inner { version: AtomicU64::new(0), plan: Mutex::new(Arc::new(plan)), changed }))
    }

    /// No faults.
    pub fn none() -> Faults {
        Faults::new(Plan { seed: 0, framing: Framing::none(), faults: Vec::new(), rate: None })
    }

    /// Returns how many directions of sessions their rate has slowed down, where there is one.
    pub fn slowed(&self) -> u64 {
        self.plan().rate.as_ref().map_or(0, SessionRate::slowed)
    }

    /// Returns those that count now.
    pub fn plan(&self) -> Arc<Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes them for sessions to come and for those that are there, as soon as they are woken.
    pub fn change<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        let mut plan = self.0.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(Arc::make_mut(&mut plan));
        self.0.version.fetch_add(1, SeqCst);
        drop(plan);
        self.0.changed.send_replace(());
        result
    }

    /// Returns a receiver that is told of each change.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Returns a number that is another one after each change.
    pub fn version(&self) -> u64 {
        self.0.version.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::fault::Towards;

    fn plan(faults: Vec<(FaultKind, f64, When)>) -> Plan {
        let clipped = |(id, (kind, probability, when))| Clipped {
            id,
            name: String::new(),
            fault: Fault { kind, towards: Towards::Both, probability, when },
        };
        Plan { seed: 7, framing: Framing::none(), faults: (1..).zip(faults).map(clipped).collect(), rate: None }
    }

    fn window(from: u64, to: u64) -> When {
        let point = |seconds| Some(Point::Time(Duration::from_secs(seconds)));
        When { from: point(from), to: point(to), ..When::default() }
    }

    #[test]
    fn a_listener_is_bent_within_its_window_and_says_when_that_turns() {
        let plan = plan(vec![(FaultKind::Refuse, 1.0, window(2, 5)), (FaultKind::BacklogFull, 1.0, window(4, 7))]);
        let at = |seconds| plan.listener(Duration::from_secs(seconds));
        assert_eq!([0, 1, 7, 99].map(at), [None; 4]);
        assert_eq!([2, 4].map(at), [Some(AtListener::Refuse); 2]);
        assert_eq!([5, 6].map(at), [Some(AtListener::BacklogFull); 2]);
        let turns = [0, 2, 4, 5, 7].map(|seconds| plan.listener_turns(Duration::from_secs(seconds)));
        assert_eq!(turns, [Some(2), Some(4), Some(5), Some(7), None].map(|turn| turn.map(Duration::from_secs)));
        assert!((0..9).all(|session| plan.at_accept(session, Duration::from_secs(3)).is_none()));
    }

    #[test]
    fn single_connections_are_chosen_by_number_and_by_chance_from_the_seed() {
        let only = |when| plan(vec![(FaultKind::Refuse, 1.0, when)]);
        let refused = |plan: &Plan, sessions: std::ops::Range<u64>| -> Vec<u64> {
            let refuses = |session: &u64| plan.at_accept(*session, Duration::ZERO) == Some(AtAccept::Refuse);
            sessions.filter(refuses).collect()
        };
        assert_eq!(refused(&only(When { session: Some(2), ..When::default() }), 1..10), [2]);
        assert_eq!(refused(&only(When { every: Some(3), ..When::default() }), 1..10), [3, 6, 9]);
        let half = plan(vec![(FaultKind::Refuse, 0.5, When::default())]);
        let chosen = refused(&half, 1..1001);
        assert!((400..600).contains(&chosen.len()), "{}", chosen.len());
        assert_eq!(chosen, refused(&half, 1..1001), "the same again");
        assert_eq!(half.listener(Duration::ZERO), None, "the listener stays open");
    }
}
