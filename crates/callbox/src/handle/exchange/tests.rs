//! Exchanges with scripted peers, over in-memory pairs.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod ends;
mod frames;
mod talks;
mod times;

use super::*;
use crate::text::{Encoding, Template};

/// Gives the turns that a test gives.
struct Given {
    turns: Mutex<UnboundedReceiver<Turn>>,
    done: UnboundedSender<Done>,
    unasked: AtomicUsize,
    highest: AtomicU64,
}

impl Stopwatch for Given {
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<Option<Turn>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(cx)
    }

    fn done(&self, done: &Done) {
        let _ = self.done.send(*done);
    }

    fn unasked(&self, bytes: usize) {
        self.unasked.fetch_add(bytes, Relaxed);
    }

    fn highest(&self) -> u64 {
        self.highest.load(Relaxed)
    }
}

/// A connection that has exchanges, and the peer, who is the test.
struct Scene {
    peer: Stream,
    turns: Option<UnboundedSender<Turn>>,
    done: UnboundedReceiver<Done>,
    stopwatch: Arc<Given>,
    handling: JoinHandle<Result<()>>,
}

impl Scene {
    fn begin(dialogue: Dialogue) -> Scene {
        let (stream, peer) = Stream::pair();
        let (turns, given) = unbounded_channel();
        let (said, done) = unbounded_channel();
        let (unasked, highest) = (AtomicUsize::new(0), AtomicU64::new(0));
        let stopwatch = Arc::new(Given { turns: Mutex::new(given), done: said, unasked, highest });
        let exchange = Exchange { dialogue: Arc::new(dialogue), stopwatch: stopwatch.clone(), seed: 1 };
        let session = stream.session().clone();
        let handling = tokio::spawn(async move { exchange.handle(session, stream).await });
        Scene { peer, turns: Some(turns), done, stopwatch, handling }
    }

    /// Gives a turn.
    fn turn(&self, number: u64) {
        let turn = Turn { number, intended: Instant::now() };
        self.turns.as_ref().expect("turns go on").send(turn).expect("somebody waits");
    }

    /// The peer waits for these bytes.
    async fn expects(&mut self, bytes: &[u8]) {
        let mut came = Vec::new();
        while came.len() < bytes.len() {
            came.extend_from_slice(
                &timeout(LONG, self.peer.chunk()).await.expect("in time").expect("reads").expect("no early end"),
            );
        }
        assert!(came == bytes, "{} for {}", came.escape_ascii(), bytes.escape_ascii());
    }

    async fn sends(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).await.expect("writes");
    }

    async fn outcome(&mut self) -> Outcome {
        self.done().await.outcome
    }

    async fn done(&mut self) -> Done {
        timeout(LONG, self.done.recv()).await.expect("in time").expect("a turn has its end")
    }

    /// There are no further turns; returns how the session ended.
    async fn over(&mut self) -> Result<()> {
        self.turns = None;
        let result = timeout(LONG, &mut self.handling).await.expect("it ends").expect("no panic");
        assert!(self.done.try_recv().is_err(), "each turn has ended once");
        result
    }

    /// The peer goes away with a reset.
    fn reset(&mut self) {
        std::mem::replace(&mut self.peer, Stream::pair().0).reset();
    }

    fn unasked(&self) -> usize {
        self.stopwatch.unasked.load(Relaxed)
    }
}

fn requests(texts: &[&str], framing: &str) -> Requests {
    let request = |text: &&str| Request { template: Template::parse(text, Encoding::UTF_8).expect("good"), weight: 1 };
    Requests::new(texts.iter().map(request).collect(), framing.parse().expect("good")).expect("fits")
}

fn dialogue(request: &str, until: &str) -> Dialogue {
    Dialogue::new(requests(&[request], "none"), until.parse().expect("good"))
}

fn framed(request: &str, framing: &str) -> Dialogue {
    let dialogue = Dialogue::new(requests(&[request], framing), Until::Frame);
    Dialogue { framing: framing.parse().expect("good"), ..dialogue }
}

/// What somebody waits for who must not wait for ever; the clock is paused.
const LONG: Duration = Duration::from_secs(3600);
