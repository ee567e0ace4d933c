//! Who gets to see what happens.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::bus::Bus;
use crate::event::Event;
use crate::tap::Tap;

/// Who watches a session or a server; cheap to clone.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<Inner>>);

struct Inner {
    bus: Option<Arc<Bus>>,
    taps: Vec<Arc<dyn Tap>>,
}

impl Observers {
    /// Nobody watches: nothing is built, sent or sampled.
    pub fn none() -> Observers {
        Observers(None)
    }

    /// Events go to `bus`; bytes too, where it asks for data.
    pub fn on_bus(bus: &Arc<Bus>) -> Observers {
        let taps: Vec<Arc<dyn Tap>> = if bus.wants_data() { vec![bus.clone()] } else { Vec::new() };
        Observers(Some(Arc::new(Inner { bus: Some(bus.clone()), taps })))
    }

    /// Adds a tap.
    #[must_use]
    pub fn with_tap(self, tap: Arc<dyn Tap>) -> Observers {
        let (bus, mut taps) = match self.0 {
            Some(inner) => (inner.bus.clone(), inner.taps.clone()),
            None => (None, Vec::new()),
        };
        taps.push(tap);
        Observers(Some(Arc::new(Inner { bus, taps })))
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
