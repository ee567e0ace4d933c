//! One side at work: it sends and receives by its script, and keeps account.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use callbox::rng::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::plan::{Reset, Script};
use crate::wire::{Incoming, Mark, Outgoing, Side, halves};

/// What came of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Bytes it got rid of.
    pub(crate) sent: usize,
    /// Its end of stream was sent.
    pub(crate) ended: bool,
    /// It could not send, for the other was gone.
    pub(crate) refused: bool,
    /// Bytes that came.
    pub(crate) received: usize,
    /// The first byte that was not what the other had sent there.
    pub(crate) wrong: Option<usize>,
    /// How the other's direction ended.
    pub(crate) mark: Option<Mark>,
    /// It has reset.
    pub(crate) reset: bool,
    /// When it was done.
    pub(crate) done: Instant,
}

#[derive(Default)]
struct Account {
    sent: Cell<usize>,
    ended: Cell<bool>,
    refused: Cell<bool>,
    received: Cell<usize>,
    wrong: Cell<Option<usize>>,
    mark: Cell<Option<Mark>>,
    /// The other's direction is over.
    over: Notify,
    /// Time to reset.
    reset: Notify,
}

/// Plays `script`, expecting a prefix of `due`.
pub(crate) async fn play(script: Rc<Script>, due: Rc<Script>, side: Arc<Side>, mut rng: Rng) -> Fate {
    let account = Account::default();
    let (incoming, outgoing) = halves(&side);
    let (mut one, mut other) = (Rng::new(rng.next_u64()), Rng::new(rng.next_u64()));
    let reset = async {
        match script.reset {
            Some(Reset::At(after)) => sleep(after).await,
            _ => account.reset.notified().await,
        }
    };
    let work = async {
        tokio::join!(
            send(&script, outgoing, &account, &mut one),
            receive(&script, &due.bytes, incoming, &account, &mut other)
        )
    };
    let reset = tokio::select! {
        biased;
        () = reset => true,
        // Both halves live on until both are done: going away in between would be a reset.
        _halves = work => false,
    };
    if reset {
        side.reset();
    }
    Fate {
        sent: account.sent.get(),
        ended: account.ended.get(),
        refused: account.refused.get(),
        received: account.received.get(),
        wrong: account.wrong.get(),
        mark: account.mark.get(),
        reset,
        done: Instant::now(),
    }
}

async fn send(script: &Script, mut outgoing: Outgoing, account: &Account, rng: &mut Rng) -> Outgoing {
    sleep(script.start).await;
    loop {
        let sent = account.sent.get();
        if matches!(script.reset, Some(Reset::Sent(at)) if sent >= at) {
            account.reset.notify_one();
            return pending().await;
        }
        let (mut rest, mut late) = (&script.bytes[sent..], None);
        if let Some((from, pause)) = script.late {
            match from.checked_sub(sent) {
                Some(before @ 1..) => rest = &rest[..before],
                Some(0) => late = Some(pause),
                None => {}
            }
        }
        if let Some(Reset::Sent(at)) = script.reset {
            rest = &rest[..rest.len().min(at - sent)];
        }
        if let Some(pause) = late {
            account.over.notified().await;
            account.over.notify_one();
            sleep(pause).await;
        }
        if rest.is_empty() && sent == script.bytes.len() {
            sleep(script.before_fin).await;
            match outgoing.shutdown().await {
                Ok(()) => account.ended.set(true),
                Err(_) => account.refused.set(true),
            }
            return outgoing;
        }
        let count = 1 + rng.below(rest.len().min(script.most_sent) as u64) as usize;
        match outgoing.write(&rest[..count]).await {
            Ok(written) => account.sent.set(sent + written),
            Err(_) => {
                account.refused.set(true);
                return outgoing;
            }
        }
        pause(script, rng).await;
    }
}

async fn receive(script: &Script, due: &[u8], mut incoming: Incoming, account: &Account, rng: &mut Rng) -> Incoming {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let received = account.received.get();
        if matches!(script.reset, Some(Reset::Received(at)) if received >= at) {
            account.reset.notify_one();
        }
        let mark = match incoming.read(&mut buffer).await {
            Ok(0) => Mark::Fin,
            Err(_) => Mark::Rst,
            Ok(read) => {
                let due = due.get(received..).unwrap_or_default();
                let right = buffer[..read].iter().zip(due).take_while(|(got, due)| got == due).count();
                if right < read && account.wrong.get().is_none() {
                    account.wrong.set(Some(received + right));
                }
                account.received.set(received + read);
                pause(script, rng).await;
                continue;
            }
        };
        account.mark.set(Some(mark));
        account.over.notify_one();
        return incoming;
    }
}

async fn pause(script: &Script, rng: &mut Rng) {
    let (often, most) = script.pauses;
    if rng.below(100) < often {
        sleep(most.mul_f64(rng.below(1000) as f64 / 1000.0)).await;
    }
}
