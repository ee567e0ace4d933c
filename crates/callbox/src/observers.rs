//! Who gets to see what happens.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::bus::{Bus, FarTap};
use crate::event::Event;
use crate::frame::Framing;
use crate::frames::Cut;
use crate::tap::Tap;

/// Who watches a session or a server; cheap to clone.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<Inner>>);

struct Inner {
    bus: Option<Arc<Bus>>,
    taps: Vec<Arc<dyn Tap>>,
    /// Shared by all clones: it may be replaced while they run.
    cut: Option<Arc<Mutex<Cut>>>,
}

impl Observers {
    /// Nobody watches: nothing is built, sent or sampled.
    pub fn none() -> Observers {
        Observers(None)
    }

    /// Events go to `bus`; bytes too, where it asks for data.
    pub fn on_bus(bus: &Arc<Bus>) -> Observers {
        let taps: Vec<Arc<dyn Tap>> = if bus.wants_data() { vec![bus.clone()] } else { Vec::new() };
        Observers(Some(Arc::new(Inner { bus: Some(bus.clone()), taps, cut: None })))
    }

    /// Adds a tap.
    #[must_use]
    pub fn with_tap(self, tap: Arc<dyn Tap>) -> Observers {
        let mut inner = self.inner();
        inner.taps.push(tap);
        Observers(Some(Arc::new(inner)))
    }

    /// Has every session's bytes cut into frames: taps are shown them ([`Tap::frame`]), the session's report counts
    /// them, and a frame beyond the framer's maximum ends its session.
    #[must_use]
    pub fn with_cut(self, cut: Cut) -> Observers {
        Observers(Some(Arc::new(Inner { cut: Some(Arc::new(Mutex::new(cut))), ..self.inner() })))
    }

    /// Has the bytes of coming sessions cut by another rule; for one that is there see
    /// [`Session::recut`](crate::Session::recut). Nothing happens where they are not cut at all.
    pub fn recut(&self, framing: &Framing) {
        if let Some(cut) = self.0.as_ref().and_then(|inner| inner.cut.as_ref()) {
            cut.lock().unwrap_or_else(PoisonError::into_inner).framing = framing.clone();
        }
    }

    /// Returns the same watchers for the far side of a relay: its bytes, marked as seen there, and no events, for the
    /// session is the near side's.
    #[must_use]
    pub fn far_side(&self) -> Observers {
        let bus = self.bus().filter(|bus| bus.wants_data());
        let taps: Vec<Arc<dyn Tap>> = bus.map(|bus| Arc::new(FarTap(bus.clone())) as _).into_iter().collect();
        let cut = self.0.as_ref().and_then(|inner| inner.cut.clone());
        Observers(Some(Arc::new(Inner { bus: None, taps, cut })))
    }

    fn inner(&self) -> Inner {
        match &self.0 {
            Some(inner) => Inner { bus: inner.bus.clone(), taps: inner.taps.clone(), cut: inner.cut.clone() },
            None => Inner { bus: None, taps: Vec::new(), cut: None },
        }
    }

    /// Returns how bytes are cut, if they are.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let cut = self.0.as_ref()?.cut.as_ref()?;
        Some(cut.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Emits what `make` builds; nothing is built where nobody listens.
    pub(crate) fn emit(&self, make: impl FnOnce() -> Event) {
        if let Some(bus) = self.bus() {
            bus.emit(Instant::now(), make());
        }
    }

    /// Returns where events go.
    pub(crate) fn bus(&self) -> Option<&Arc<Bus>> {
        self.0.as_ref()?.bus.as_ref()
    }

    /// Tells whether somebody wants the facts of single sessions (who came and went), not failures alone.
    pub(crate) fn wants_talk(&self) -> bool {
        self.bus().is_some_and(|bus| bus.wants_talk())
    }

    /// Tells whether somebody wants to see bytes.
    pub(crate) fn wants_data(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| !inner.taps.is_empty() || inner.cut.is_some())
    }

    /// Returns the taps, outermost first.
    pub(crate) fn taps(&self) -> &[Arc<dyn Tap>] {
        self.0.as_ref().map_or(&[], |inner| &inner.taps)
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers(bus: {}, taps: {})", self.bus().is_some(), self.taps().len())
    }
}
