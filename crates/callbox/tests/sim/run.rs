//! One run: a client, a bridge and a server, each a task of its own, in virtual time.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use callbox::bridge::{Passage, bridge};
use callbox::direction::{Direction, Role};
use callbox::observers::Observers;
use callbox::pipe::plan::Faults;
use callbox::report::SessionId;
use callbox::rng::Rng;
use callbox::{Addr, Session, Stream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, interval, timeout};

use crate::flip::Flipper;
use crate::plan::{Plan, Script};
use crate::side::{Fate, play};
use crate::wire::{self, Lane, Side, halves};

/// Far more than any plan takes; only who waits for ever comes to it.
const LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Between two changes of the faults.
const FLIP: Duration = Duration::from_millis(10);

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) client: Fate,
    pub(crate) server: Fate,
    pub(crate) passage: Passage,
    /// When the bridge was done.
    pub(crate) over: Instant,
    /// Bytes by direction: what the bridge was given, what it counted as read and as written, what it gave.
    pub(crate) to_server: [usize; 4],
    pub(crate) to_client: [usize; 4],
    pub(crate) began: Instant,
}

/// Plays what `seed` stands for; with `faults`, under those that lose nothing, changed all the time.
pub(crate) fn run(seed: u64, faults: bool) -> Result<(Rc<Plan>, Outcome), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let mut rng = Rng::new(seed);
    let plan = Rc::new(Plan::draw(&mut rng));
    let outcome = LocalSet::new()
        .block_on(&runtime.expect("a runtime"), async { timeout(LIMIT, talk(plan.clone(), rng, faults)).await });
    match outcome {
        Ok(outcome) => Ok((plan, outcome)),
        Err(_) => Err("somebody waits for ever".to_owned()),
    }
}

async fn talk(plan: Rc<Plan>, mut rng: Rng, faults: bool) -> Outcome {
    let began = Instant::now();
    let [there, back, on, home] = plan.lanes.clone();
    let (client, near) = wire::pair(there, back, &mut rng);
    let (far, server) = wire::pair(on, home, &mut rng);
    let lanes = [&near.incoming, &near.outgoing, &far.outgoing, &far.incoming].map(Lane::clone);
    let mut fork = || Rng::new(rng.next_u64());
    let scripts = [plan.client.clone(), plan.server.clone()];
    let playing =
        |me: &Rc<Script>, other: &Rc<Script>, side, rng| spawn_local(play(me.clone(), other.clone(), side, rng));
    let client = playing(&scripts[0], &scripts[1], client, fork());
    let server = playing(&scripts[1], &scripts[0], server, fork());
    let near = stream(Role::Server, near);
    let far = stream(Role::Client, far);
    let sessions = [near.session().clone(), far.session().clone()];
    let nobody_resets = plan.client.reset.is_none() && plan.server.reset.is_none();
    let flipper = faults.then(|| Flipper::new(fork(), nobody_resets));
    let carrying = spawn_local(carry(near, far, flipper));
    let (passage, over) = carrying.await.expect("no panic");
    let (client, server) = (client.await.expect("no panic"), server.await.expect("no panic"));
    let counted = |direction| sessions.each_ref().map(|session| session.meter().bytes(direction) as usize);
    let [there, back, on, home] = lanes.map(|lane| lane.counts());
    let ([read, written], [given, taken]) = (counted(Direction::ToServer), counted(Direction::ToClient));
    Outcome {
        client,
        server,
        passage,
        over,
        to_server: [there.1, read, written, on.0],
        to_client: [home.1, taken, given, back.0],
        began,
    }
}

fn stream(role: Role, side: std::sync::Arc<Side>) -> Stream {
    let (reader, writer) = halves(&side);
    Stream::join(Session::new(SessionId(1), role, Addr::Memory, Observers::none()), reader, writer)
}

/// Bridges, and then lets go of both sides, as the relay does.
async fn carry(near: Stream, far: Stream, flipper: Option<Flipper>) -> (Passage, Instant) {
    let session = near.session().clone();
    let Some(mut flipper) = flipper else {
        return (bridge(&session, &near, &far, None).await, Instant::now());
    };
    let faults = Faults::none();
    if !flipper.is_last() {
        faults.change(|plan| flipper.flip(plan));
    }
    let mut carrying = pin!(bridge(&session, &near, &far, Some(&faults)));
    let mut ticks = interval(FLIP);
    loop {
        tokio::select! {
            biased;
            passage = &mut carrying => return (passage, Instant::now()),
            // What changes the faults wakes the bridge too; then nothing does but itself and the streams.
            _ = ticks.tick(), if !flipper.is_done() => faults.change(|plan| flipper.flip(plan)),
        }
    }
}
