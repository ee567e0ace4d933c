//! What must hold after every run.

use std::time::Duration;

use callbox::bridge::Passage;
use callbox::direction::Role;

use crate::plan::{Plan, Script};
use crate::run::Outcome;
use crate::side::Fate;
use crate::wire::Mark;

/// What one direction of a bridge may hold when it has to let it go: one chunk, and under faults a pipe full.
const HELD_BYTES: usize = 2 * callbox::bridge::COPY_BYTES;
/// After the last that a side did, the last bytes and marks are on their way, each at most half a second a lane; under
/// faults a little more.
const SOON: Duration = Duration::from_secs(5);

/// Says what is wrong with a run, if anything is.
pub(crate) fn check(plan: &Plan, outcome: &Outcome) -> Result<(), String> {
    let Outcome { client, server, passage, .. } = outcome;
    received_is_a_prefix("client", client, server)?;
    received_is_a_prefix("server", server, client)?;
    conserved("to the server", outcome.to_server, !server.reset)?;
    conserved("to the client", outcome.to_client, !client.reset)?;
    in_time(outcome)?;
    match (client.reset, server.reset) {
        (false, false) => {
            all(&plan.client, client, server)?;
            all(&plan.server, server, client)?;
            that(*passage == Passage::Ended, || format!("nobody has reset, but {passage:?}"))
        }
        (true, false) => reset_passed(Role::Client, client, server, *passage),
        (false, true) => reset_passed(Role::Server, server, client, *passage),
        (true, true) => that(matches!(passage, Passage::Broken(_)) || (client.ended && server.ended), || {
            format!("both have reset, but {passage:?}")
        }),
    }
}

fn that(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// No hole, no double, nothing that was not sent; and an end of stream only where there was one, behind everything.
fn received_is_a_prefix(name: &str, me: &Fate, other: &Fate) -> Result<(), String> {
    that(me.wrong.is_none(), || format!("the {name} received something else at byte {:?}", me.wrong))?;
    that(me.received <= other.sent, || format!("the {name} received {} of {} bytes", me.received, other.sent))?;
    let clean = me.mark != Some(Mark::Fin) || (other.ended && me.received == other.sent);
    that(clean, || format!("the {name} saw an end of stream after {} bytes of {other:?}", me.received))
}

/// What was read was written, or its receiver has reset.
fn conserved(way: &str, [given, read, written, taken]: [usize; 4], all: bool) -> Result<(), String> {
    that(given == read && written == taken, || {
        format!("{way}: {read} bytes counted as read were {given}, {written} as written were {taken}")
    })?;
    let discarded = read.checked_sub(written).ok_or_else(|| format!("{way}: {written} written, {read} read"))?;
    let most = if all { 0 } else { HELD_BYTES };
    that(discarded <= most, || format!("{way}: {discarded} of {read} bytes were discarded"))
}

fn in_time(outcome: &Outcome) -> Result<(), String> {
    let last = outcome.client.done.max(outcome.server.done);
    that(outcome.over <= last + SOON, || {
        format!("over after {:?}, both sides were done after {:?}", outcome.over - outcome.began, last - outcome.began)
    })
}

/// Everything arrived, and then the end of stream.
fn all(script: &Script, from: &Fate, to: &Fate) -> Result<(), String> {
    let whole = from.ended && from.sent == script.bytes.len() && to.received == from.sent;
    that(whole && to.mark == Some(Mark::Fin), || format!("{} bytes: {from:?}, received: {to:?}", script.bytes.len()))
}

/// A reset passes as a reset, behind all that was sent before it, and is put down to who made it.
fn reset_passed(side: Role, gone: &Fate, other: &Fate, passage: Passage) -> Result<(), String> {
    that(other.received == gone.sent, || format!("{} of {} bytes came before the reset", other.received, gone.sent))?;
    // Who has ended its direction and then resets has done both; the later one may be what is seen.
    let seen = other.mark == Some(Mark::Rst) || (gone.ended && other.mark == Some(Mark::Fin));
    that(seen, || format!("{:?} where a reset was", other.mark))?;
    match passage {
        Passage::Broken(broken) if broken == side => Ok(()),
        // It had ended its direction, and the other's end was on its way to it.
        Passage::Ended if gone.ended && other.ended => Ok(()),
        passage => Err(format!("{passage:?}, where the {side:?} has reset")),
    }
}
