//! Faults that change while bytes flow.

use tokio::time::Instant;

use super::Pipe;
use super::plan::Plan;
use super::slot::{RATE, Slot};

/// What is to be at a place of the new chain.
enum Place {
    /// The one that was at this index.
    Stays(usize),
    /// A new one.
    New(Box<Slot>),
}

impl Pipe {
    /// Goes over to other faults: those that stay keep their state, what a removed one held comes through, in order.
    ///
    /// A fault is the same as long as its [`id`](super::plan::Clipped::id) is; one that moved before another that stays is
    /// made anew. A new one counts offsets from the start of the stream, but frames and matches from here on. The seed
    /// and the framing of `plan` count for new ones. A `timeout` that is taken away ends the session, since bytes are
    /// missing; one that comes back under the same name with other values does not, and a `limit` then counts on.
    pub fn update(&mut self, now: Instant, plan: &Plan) {
        self.run(now);
        if self.over.is_some() {
            return;
        }
        let mut places = self.places(plan);
        let stays = |index: &usize| places.iter().any(|place| matches!(place, Place::Stays(at) if at == index));
        let removed: Vec<usize> = (0..self.slots.len()).filter(|index| !stays(index)).collect();
        // From the end, for what is nearer to it came first.
        for index in removed.into_iter().rev() {
            let changed = places.iter_mut().find_map(|place| match place {
                Place::New(new) if self.slots[index].is_same_changed(new) => Some(&mut **new),
                _ => None,
            });
            self.step(index, |slot, out| slot.release(changed, out));
        }
        let mut old: Vec<Option<Slot>> = std::mem::take(&mut self.slots).into_iter().map(Some).collect();
        let (mut offset, mut ended) = (self.ready.offset(), self.ready.last().is_some());
        let mut chain = Vec::with_capacity(places.len());
        for place in places.into_iter().rev() {
            let slot = match place {
                Place::Stays(index) => old[index].take(),
                Place::New(mut slot) => {
                    slot.begin_at(offset, ended);
                    Some(*slot)
                }
            };
            // What comes to the next one is what has come to the one behind it.
            if let Some(slot) = slot {
                (offset, ended) = (slot.offset(), slot.ended);
                chain.push(slot);
            }
        }
        chain.reverse();
        self.slots = chain;
        self.look();
        self.run(now);
    }

    fn places(&self, plan: &Plan) -> Vec<Place> {
        let mut places = Vec::with_capacity(plan.faults.len());
        let mut kept = 0;
        for clipped in &plan.faults {
            if let Some(at) = self.slots[kept..].iter().position(|slot| slot.id == clipped.id) {
                places.push(Place::Stays(kept + at));
                kept += at + 1;
            } else if let Some(new) = Slot::new(plan, clipped, (self.session, self.direction, self.started)) {
                places.push(Place::New(Box::new(new)));
            }
        }
        if let Some(rate) = &plan.rate {
            places.push(match self.slots[kept..].iter().position(|slot| slot.id == RATE) {
                Some(at) => Place::Stays(kept + at),
                None => Place::New(Box::new(Slot::limit(rate, plan, self.started))),
            });
        }
        places
    }
}
