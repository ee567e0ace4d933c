//! Who shares a thread shares it fairly.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{CONDUIT_BYTES, COPY_BYTES, TURN_BYTES};
use crate::addr::Addr;
use crate::bridge::bridge;
use crate::direction::Role;
use crate::frame::Framing;
use crate::net::stream::Stream;
use crate::observers::Observers;
use crate::pipe::plan::{Faults, Plan};
use crate::report::SessionId;
use crate::session::Session;

/// Always has bytes, always takes them: who waits for it to be done waits for ever.
struct Endless(Arc<AtomicUsize>);

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        buffer.set_filled(buffer.capacity());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.fetch_add(bytes.len(), Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Bridges two endless streams, both ways; returns the counts of what was passed on.
fn endless(faults: Option<Faults>) -> [Arc<AtomicUsize>; 2] {
    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let stream = |role, count: &Arc<AtomicUsize>| {
        let session = Session::new(SessionId(1), role, Addr::Memory, Observers::none());
        Stream::join(session, Endless(count.clone()), Endless(count.clone()))
    };
    let (near, far) = (stream(Role::Server, &counts[0]), stream(Role::Client, &counts[1]));
    tokio::spawn(async move {
        let session = near.session().clone();
        bridge(&session, &near, &far, faults.as_ref()).await
    });
    counts
}

/// Comes back when each of those who are ready has had its turn.
async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// None has less than half of the mean.
fn is_fair(counts: &[usize]) -> bool {
    let mean = counts.iter().sum::<usize>() / counts.len();
    counts.iter().all(|count| count * 2 >= mean)
}

fn assert_fair(counts: &[usize]) {
    assert!(is_fair(counts), "{counts:?}");
}

#[tokio::test]
async fn who_is_never_done_gives_the_others_their_turn() {
    let bridges = (0..5).map(|_| endless(None)).collect();
    assert_fair(&watched(bridges, TURN_BYTES + COPY_BYTES).await);
}

#[tokio::test]
async fn many_small_writes_are_a_turn_too() {
    let plan = Plan { seed: 1, framing: Framing::none(), faults: super::bent::clipped(1, &["slice=1"]), rate: None };
    let bridges = (0..3).map(|_| endless(Some(Faults::new(plan.clone())))).collect();
    assert_fair(&watched(bridges, 1000).await);
}

/// Returns what was passed on in fifty turns; each carries something, and no more than `most`.
async fn watched(bridges: Vec<[Arc<AtomicUsize>; 2]>, most: usize) -> Vec<usize> {
    let counts = move || bridges.iter().flatten().map(|count| count.load(Relaxed)).collect::<Vec<_>>();
    // A task like the bridges: the test's own future has a turn after many of theirs only.
    let watching = tokio::spawn(async move {
        let mut before = counts();
        for _ in 0..50 {
            give_way().await;
            let now = counts();
            for (now, before) in now.iter().zip(&before) {
                let carried = now - before;
                assert!(carried > 0 && carried <= most, "{carried} bytes in a turn");
            }
            before = now;
        }
        before
    });
    watching.await.expect("no panic")
}

#[tokio::test]
async fn bulk_transfers_on_one_thread_share_it() {
    // Whom the system's scheduler gives its processors in a tenth of a second is its own affair, above all on a busy
    // machine; who starves in here starves every time.
    for _ in 0..2 {
        if is_fair(&share().await) {
            return;
        }
    }
    assert_fair(&share().await);
}

/// Bridges four bulk transfers; returns how much of each has come when enough has in all.
///
/// Those who send and receive have threads of their own, as they have processes of their own elsewhere.
async fn share() -> Vec<usize> {
    const TOTAL: usize = 2 << 30;
    let (mut counts, mut threads, mut bridges) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4 {
        let (mut client, near) = super::connection();
        let (far, mut server) = super::connection();
        for peer in [&client, &server] {
            peer.set_nonblocking(false).expect("sets");
        }
        let stream = |socket, role| Stream::from_edge(super::edge(socket, role));
        let (near, far) = (stream(near, Role::Server), stream(far, Role::Client));
        let count = Arc::new(AtomicUsize::new(0));
        counts.push(count.clone());
        bridges.push(tokio::spawn(async move {
            let session = near.session().clone();
            bridge(&session, &near, &far, None).await
        }));
        threads.push(std::thread::spawn(move || while client.write_all(&[7; CONDUIT_BYTES]).is_ok() {}));
        threads.push(std::thread::spawn(move || {
            let mut buffer = vec![0; CONDUIT_BYTES];
            while let Ok(read @ 1..) = server.read(&mut buffer) {
                count.fetch_add(read, Relaxed);
            }
        }));
    }
    let counts = || counts.iter().map(|count| count.load(Relaxed)).collect::<Vec<_>>();
    while counts().iter().sum::<usize>() < TOTAL {
        tokio::task::yield_now().await;
    }
    let counts = counts();
    for bridge in bridges {
        bridge.abort();
        let _ = bridge.await;
    }
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    counts
}
