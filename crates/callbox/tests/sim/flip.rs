//! Faults that lose, double and reorder nothing, clipped on and taken away while bytes are on their way.

use std::time::Duration;

use callbox::pipe::fault::{Fault, FaultKind, Shape, Towards, When};
use callbox::pipe::plan::{Clipped, Plan};
use callbox::rng::Rng;

/// Faults at once, at most.
const MOST: usize = 4;

/// Changes the faults, by chance.
pub(crate) struct Flipper {
    rng: Rng,
    next: u64,
    /// Changes to come; then the bridge is left alone with the faults that there are.
    left: u64,
    /// Whether everything may be held for a while: a reset does not wait for it.
    stalls: bool,
}

impl Flipper {
    pub(crate) fn new(mut rng: Rng, stalls: bool) -> Flipper {
        let left = [1, 3, 20, 500][rng.below(4) as usize] + rng.below(5);
        Flipper { rng, next: 1, left, stalls }
    }

    /// Tells whether only the last change is to come.
    pub(crate) fn is_last(&self) -> bool {
        self.left <= 1
    }

    /// Tells whether no change is to come.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Adds one, removes one, or removes all; at last takes away those that hold bytes for ever.
    pub(crate) fn flip(&mut self, plan: &mut Plan) {
        self.left -= 1;
        if self.left == 0 {
            plan.faults.retain(|clipped| !matches!(clipped.fault.kind, FaultKind::Stall));
            return;
        }
        match self.rng.below(4) {
            0 => plan.faults.clear(),
            1 if !plan.faults.is_empty() => {
                let at = self.rng.below(plan.faults.len() as u64) as usize;
                plan.faults.remove(at);
            }
            _ if plan.faults.len() < MOST => {
                let id = self.next;
                self.next += 1;
                plan.faults.push(Clipped { id, name: format!("fault{id}"), fault: self.fault() });
            }
            _ => plan.faults.clear(),
        }
    }

    fn fault(&mut self) -> Fault {
        let rng = &mut self.rng;
        let mut time = |most: u64| Duration::from_micros(rng.below(most * 1000));
        let kind = match time(7).as_millis() {
            0 => {
                let (base, jitter) = (time(60), time(40));
                let shape = [Shape::Uniform, Shape::Normal, Shape::Pareto][time(3).as_millis() as usize];
                FaultKind::Latency { base, jitter, shape }
            }
            1 => FaultKind::Throttle { rate: 1_000 + rng.below(10_000_000) },
            2 | 3 => {
                let pause = time(3);
                let least = 1 + rng.below(200) as usize;
                FaultKind::Slice { least, most: least + rng.below(2_000) as usize, pause }
            }
            4 => FaultKind::Coalesce { window: time(30) },
            5 => FaultKind::SlowClose { delay: time(200) },
            _ if self.stalls => FaultKind::Stall,
            _ => FaultKind::SlowClose { delay: time(20) },
        };
        let towards = [Towards::Server, Towards::Client, Towards::Both][rng.below(3) as usize];
        let probability = if rng.below(4) == 0 { 0.5 } else { 1.0 };
        Fault { kind, towards, probability, when: When::default() }
    }
}
