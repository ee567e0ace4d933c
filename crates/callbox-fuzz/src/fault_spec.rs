//! Faults: what is read prints and reads back, and bends bytes without losing count; what is not is refused at its place.

use callbox::direction::Direction;
use callbox::frame::Framing;
use callbox::pipe::fault::Fault;
use callbox::pipe::plan::{Clipped, Plan};
use callbox::pipe::{Next, Pipe};
use tokio::time::Instant;

use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let fault: Fault = match text.parse() {
        Ok(fault) => fault,
        Err(invalid) => return refusal::check(&invalid, text),
    };
    let shown = fault.to_string();
    let again: Fault = shown.parse().unwrap_or_else(|invalid| panic!("{invalid}"));
    assert_eq!(again.to_string(), shown);
    for framing in ["none", "line"] {
        let framing: Framing = framing.parse().expect("a framing");
        let faults = vec![Clipped { id: 1, name: shown.clone(), fault: again.clone() }];
        bend(&Plan { seed: 1, framing, faults, rate: None }, data);
    }
}

/// Pushes some bytes twice and lets out what comes; the books must balance after each step.
fn bend(plan: &Plan, data: &[u8]) {
    let mut now = Instant::now();
    let mut pipe = Pipe::new(plan, 1, Direction::ToServer, now);
    for _ in 0..2 {
        pipe.push(now, data.to_vec().into());
        balances(&pipe);
    }
    pipe.end(now);
    // A throttle may have very many pieces, so not all of them.
    for _ in 0..100 {
        let len = match pipe.next(now) {
            Next::Write(bytes) => {
                assert!(!bytes.is_empty());
                bytes.len()
            }
            Next::End => {
                pipe.ended();
                0
            }
            Next::Wait(Some(due)) => {
                assert!(due > now);
                now = due;
                0
            }
            Next::Close | Next::Reset | Next::Wait(None) | Next::Done => return balances(&pipe),
        };
        pipe.advance(len);
        balances(&pipe);
    }
}

fn balances(pipe: &Pipe) {
    let ledger = pipe.ledger();
    assert_eq!(ledger.pushed + ledger.added, ledger.written + ledger.dropped + ledger.held, "{ledger:?}");
}
