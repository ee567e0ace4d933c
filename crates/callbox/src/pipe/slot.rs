//! One fault in its place in the chain: its conditions and its stage.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::decision::What;
use super::fault::{FaultKind, When};
use super::gate::Gate;
use super::outbox::{Item, Outbox};
use super::plan::{Clipped, Plan};
use super::rate::SessionRate;
use super::stages::{self, Given, Stage};
use super::{draw, plan};
use crate::direction::Direction;

/// The id of a rate among faults, which are numbered from 1.
pub(super) const RATE: u64 = u64::MAX;

/// One fault of one direction.
pub(super) struct Slot {
    pub(super) id: u64,
    pub(super) name: Arc<str>,
    kind: Discriminant<FaultKind>,
    gate: Gate,
    open: bool,
    stage: Box<dyn Stage>,
    /// Nothing comes any more.
    pub(super) ended: bool,
    /// It is taken away: all goes by it.
    released: bool,
    /// What becomes of it is told; that of a limit is not.
    told: bool,
    /// Where the outbox puts what goes on; empty between two calls.
    pub(super) given: Vec<Item>,
}

impl Slot {
    /// Makes the one of a fault; none when it cannot act there.
    pub(super) fn new(
        plan: &Plan,
        clipped: &Clipped,
        (session, direction, started): (u64, Direction, Instant),
    ) -> Option<Slot> {
        if !plan::concerns(plan, clipped, session, direction) {
            return None;
        }
        let fault = &clipped.fault;
        let rng = draw::of_direction(plan.seed, session, clipped.id, direction);
        let given = Given { rng, started, framing: &plan.framing, probability: fault.probability };
        let stage = stages::make(fault, given)?;
        let gate = Gate::new(&fault.when, fault.kind.happens_once(), &plan.framing, started);
        let (id, name, kind) = (clipped.id, Arc::from(&*clipped.name), discriminant(&fault.kind));
        let (open, ended, released, told) = (false, false, false, true);
        Some(Slot { id, name, kind, gate, open, stage, ended, released, told, given: Vec::new() })
    }

    /// Makes the one of a rate: always at work, and not told.
    pub(super) fn limit(rate: &SessionRate, plan: &Plan, started: Instant) -> Slot {
        let kind = FaultKind::Throttle { rate: rate.per_second() };
        let gate = Gate::new(&When::default(), kind.happens_once(), &plan.framing, started);
        let (name, kind, stage) = (Arc::from("session-rate"), discriminant(&kind), stages::limit(rate));
        let (open, ended, released, told) = (false, false, false, false);
        Slot { id: RATE, name, kind, gate, open, stage, ended, released, told, given: Vec::new() }
    }

    /// Puts a new one into a stream that has come this far.
    pub(super) fn begin_at(&mut self, offset: u64, ended: bool) {
        self.gate.begin_at(offset);
        self.ended = ended;
    }

    /// Returns the offset of the byte to come.
    pub(super) fn offset(&self) -> u64 {
        self.gate.offset()
    }

    /// Returns when something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.stage.due(), self.gate.due()].into_iter().flatten().min()
    }

    /// Returns how many bytes it holds.
    pub(super) fn held(&self) -> usize {
        self.stage.held()
    }

    /// Returns in how many chunks it holds them.
    pub(super) fn chunks(&self) -> usize {
        self.stage.chunks()
    }

    /// Tells whether bytes may go by it unseen, for it will never act on any.
    pub(super) fn is_over(&self) -> bool {
        self.released || !self.open && !self.ended && self.gate.is_over() && self.stage.may_be_passed_by()
    }

    /// Notes that so many bytes go by it unseen.
    pub(super) fn pass_by(&mut self, bytes: usize) {
        self.gate.begin_at(self.gate.offset() + bytes as u64);
    }

    /// Returns how many bytes may go by it unseen now.
    pub(super) fn clear_for(&self) -> u64 {
        if self.released {
            return u64::MAX;
        }
        if self.ended || self.stage.held() > 0 {
            return 0;
        }
        let stage = match self.open {
            true => self.stage.clear_for(self.gate.offset()),
            false if self.stage.may_be_passed_by() => u64::MAX,
            false => 0,
        };
        stage.min(self.gate.blind_for(self.open))
    }

    /// Notes that so many bytes went by it unseen that it would have let through.
    pub(super) fn skip(&mut self, bytes: u64) {
        let offset = self.gate.offset();
        if self.open {
            self.stage.skip(offset, bytes);
        }
        self.gate.begin_at(offset + bytes);
    }

    /// Looks at the time, and tells the stage when its conditions begin or cease to hold.
    pub(super) fn look(&mut self, out: &mut Outbox<'_>) {
        let open = self.gate.look(out.at);
        if open != self.open {
            self.open = open;
            let offset = self.gate.offset();
            if self.told {
                out.note(offset, if open { What::AtWork } else { What::Over });
            }
            if open { self.stage.opened(offset, out) } else { self.stage.shut(out) }
        }
    }

    /// Does what is due.
    pub(super) fn fire(&mut self, out: &mut Outbox<'_>) {
        if self.stage.due().is_some_and(|due| due <= out.at) {
            self.stage.fire(out);
        }
        if self.gate.due().is_some_and(|due| due <= out.at) {
            self.look(out);
        }
    }

    /// Takes what the slot before it let through.
    pub(super) fn take(&mut self, item: Item, out: &mut Outbox<'_>) {
        if self.released {
            return out.item(item);
        }
        if self.ended {
            return out.dropped(item.len());
        }
        match item {
            Item::Bytes(bytes) => self.bytes(bytes, out),
            item => {
                self.ended = true;
                self.stage.last(item, out);
            }
        }
    }

    fn bytes(&mut self, mut bytes: Bytes, out: &mut Outbox<'_>) {
        while !bytes.is_empty() {
            self.look(out);
            let offset = self.gate.offset();
            let len = self.gate.take(out.at, &bytes);
            let piece = bytes.split_to(len);
            if piece.is_empty() {
                continue;
            }
            if self.open { self.stage.act(offset, piece, out) } else { self.stage.pass(offset, piece, out) }
        }
        self.look(out);
    }

    /// Lets go what it holds, for it is taken away; `successor` takes its place where it is the same fault changed.
    pub(super) fn release(&mut self, successor: Option<&mut Slot>, out: &mut Outbox<'_>) {
        if self.told {
            out.note(self.gate.offset(), What::TakenAway);
        }
        self.released = true;
        let replaced = successor.is_some();
        if let Some(successor) = successor {
            successor.stage.go_on_from(self.stage.counted());
        }
        self.stage.release(replaced, out);
    }

    /// Tells whether `other` is the same fault with other values.
    pub(super) fn is_same_changed(&self, other: &Slot) -> bool {
        self.name == other.name && self.kind == other.kind
    }
}
