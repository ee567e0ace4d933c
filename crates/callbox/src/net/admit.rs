//! Who may come in: slots for connections, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::access::ip;
use crate::addr::Addr;
use crate::event::Refusal;

/// Counts the open connections against the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    max: usize,
    per_ip: Option<usize>,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// One open connection; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Slot {
    admission: Arc<Admission>,
    /// Where addresses are counted; boxed, for most servers count none and have many slots.
    ip: Option<Box<IpAddr>>,
}

impl Admission {
    pub(crate) fn new(max: usize, per_ip: Option<usize>) -> Arc<Admission> {
        Arc::new(Admission { max, per_ip, state: Mutex::default(), freed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many connections may be open at once.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Returns how many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.state().open
    }

    /// Tells whether one more would fit.
    pub(crate) fn has_room(&self) -> bool {
        self.open() < self.max
    }

    /// Takes a slot for `peer`, or says which limit is in the way.
    pub(crate) fn admit(self: &Arc<Self>, peer: &Addr) -> Result<Slot, Refusal> {
        self.take(peer, self.max)
    }

    /// Takes a slot for `peer` though all may be taken: who waits for room when the listener closes can wait no longer.
    pub(crate) fn admit_beyond(self: &Arc<Self>, peer: &Addr) -> Result<Slot, Refusal> {
        self.take(peer, usize::MAX)
    }

    fn take(self: &Arc<Self>, peer: &Addr, max: usize) -> Result<Slot, Refusal> {
        let ip = self.per_ip.and_then(|_| ip(peer));
        let mut state = self.state();
        if state.open >= max {
            return Err(Refusal::MaxConnections);
        }
        self.count(&mut state, ip)?;
        state.open += 1;
        Ok(Slot { admission: self.clone(), ip: ip.map(Box::new) })
    }

    /// Counts one more from an address, where that is limited.
    fn count(&self, state: &mut State, ip: Option<IpAddr>) -> Result<(), Refusal> {
        if let (Some(limit), Some(ip)) = (self.per_ip, ip) {
            let count = state.by_ip.entry(ip).or_default();
            if *count >= limit {
                return Err(Refusal::PerIp);
            }
            *count += 1;
        }
        Ok(())
    }

    /// Returns a future that is ready once some connection has ended after this call: make it first, then look.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let freed = self.freed();
            if self.open() == 0 {
                return;
            }
            freed.await;
        }
    }
}

impl Slot {
    /// Counts it for `peer`, whose address was not known before.
    pub(crate) fn count_for(&mut self, peer: &Addr) -> Result<(), Refusal> {
        let ip = self.admission.per_ip.and_then(|_| ip(peer));
        self.admission.count(&mut self.admission.state(), ip)?;
        self.ip = ip.map(Box::new);
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.open -= 1;
        if let Some(ip) = &self.ip
            && let Some(count) = state.by_ip.get_mut(ip)
        {
            *count -= 1;
            if *count == 0 {
                state.by_ip.remove(ip);
            }
        }
        drop(state);
        self.admission.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Addr {
        Addr::from(std::net::SocketAddr::new(ip.parse().expect("good"), 1))
    }

    #[test]
    fn one_address_is_capped_and_the_others_are_not() {
        let admission = Admission::new(10, Some(2));
        let _first = admission.admit(&peer("127.0.0.2")).expect("room");
        let second = admission.admit(&peer("::ffff:127.0.0.2")).expect("room");
        assert_eq!(admission.admit(&peer("127.0.0.2")).expect_err("two are in"), Refusal::PerIp);
        let _other = admission.admit(&peer("127.0.0.3")).expect("another address");
        drop(second);
        let _again = admission.admit(&peer("127.0.0.2")).expect("one has left");
        assert_eq!(admission.open(), 3);
    }

    #[test]
    fn who_is_named_later_is_counted_then() {
        let admission = Admission::new(10, Some(1));
        let mut first = admission.admit(&Addr::Memory).expect("room");
        let mut second = admission.admit(&Addr::Memory).expect("room");
        first.count_for(&peer("127.0.0.2")).expect("the first");
        assert_eq!(second.count_for(&peer("::ffff:127.0.0.2")).expect_err("one is in"), Refusal::PerIp);
        drop(second);
        assert_eq!(admission.state().by_ip.len(), 1, "who was not counted gives nothing back");
        drop(first);
        assert!(admission.state().by_ip.is_empty());
    }

    #[test]
    fn the_limit_in_all_comes_first_and_refusing_takes_nothing() {
        let admission = Admission::new(1, Some(1));
        let slot = admission.admit(&peer("127.0.0.2")).expect("room");
        assert_eq!(admission.admit(&peer("127.0.0.3")).expect_err("full"), Refusal::MaxConnections);
        drop(slot);
        assert_eq!(admission.open(), 0);
        assert!(admission.state().by_ip.is_empty());
    }
}
