//! What nobody sees from outside: which way the bytes take, what is held, and whose turn it is.

mod bent;
mod turns;

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use super::half::{BEGIN_BYTES, COPY_BYTES, End, Half};
use crate::addr::Addr;
use crate::direction::{Direction, Role};
use crate::net::edge::Edge;
use crate::net::splice::{CONDUIT_BYTES, Conduit};
use crate::net::stream::TURN_BYTES;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::rng::Rng;
use crate::session::Session;

/// More than one turn, and more than the kernel holds of it when nobody reads.
const MUCH: usize = 8 << 20;
/// What the kernel is asked to hold at most, of each socket in each direction.
const BUFFER_BYTES: usize = 512 * 1024;

/// One direction from a client to a server, both of them plain sockets that do not block.
struct Lane {
    client: TcpStream,
    server: TcpStream,
    near: Arc<Edge>,
    far: Arc<Edge>,
    half: Half,
    sent: usize,
    received: usize,
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let one = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
    let (other, _) = listener.accept().expect("accepts");
    for stream in [&one, &other] {
        stream.set_nonblocking(true).expect("sets");
        stream.set_nodelay(true).expect("sets");
    }
    (one, other)
}

fn edge(stream: TcpStream, role: Role) -> Arc<Edge> {
    let session = Session::new(SessionId(1), role, Addr::Memory, Observers::none());
    Arc::new(Edge::socket(OwnedFd::from(stream), session).expect("registers"))
}

/// What is sent from this offset on, up to `most` bytes of it: random, with a period that is no power of two.
fn bytes(at: usize, most: usize) -> &'static [u8] {
    const PERIOD: usize = 1_000_003;
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = vec![0; PERIOD];
        Rng::new(4).fill(&mut bytes);
        bytes
    });
    let at = at % PERIOD;
    &BYTES[at..PERIOD.min(at + most)]
}

impl Lane {
    fn new() -> Lane {
        let ((client, near), (far, server)) = (connection(), connection());
        for stream in [&client, &near, &far, &server] {
            let socket = socket2::SockRef::from(stream);
            socket.set_send_buffer_size(BUFFER_BYTES).expect("sets");
            socket.set_recv_buffer_size(BUFFER_BYTES).expect("sets");
        }
        let (near, far) = (edge(near, Role::Server), edge(far, Role::Client));
        Lane { client, server, near, far, half: Half::new(), sent: 0, received: 0 }
    }

    /// Sends up to `most` bytes, as many as go at once.
    fn send(&mut self, most: usize) -> usize {
        let begin = self.sent;
        while self.sent < begin + most {
            match self.client.write(bytes(self.sent, begin + most - self.sent)) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.sent - begin
    }

    /// Receives and checks what is there.
    fn receive(&mut self) {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match self.server.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    let end = self.received + read;
                    while self.received < end {
                        let got = &buffer[read - (end - self.received)..read];
                        let due = bytes(self.received, got.len());
                        assert!(
                            got.starts_with(due),
                            "something else within {} bytes from {}",
                            due.len(),
                            self.received
                        );
                        self.received += due.len();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn read_by_bridge(&self) -> usize {
        self.near.session().meter().bytes(Direction::ToServer) as usize
    }

    /// Carries for one turn, which is bounded, and lets the runtime look at the sockets.
    async fn carry(&mut self, splice: bool) -> Poll<End> {
        let before = self.read_by_bridge();
        let poll = poll_fn(|cx| Poll::Ready(self.half.poll(cx, &self.near, &self.far, splice))).await;
        let carried = self.read_by_bridge() - before;
        assert!(carried < TURN_BYTES + COPY_BYTES, "{carried} bytes in one turn");
        tokio::task::yield_now().await;
        poll
    }

    /// Sends without anybody receiving until `holds` is true of the direction.
    async fn flood_until(&mut self, what: &str, holds: impl Fn(&Half) -> bool) {
        let most = self.received + MUCH;
        for _ in 0..100_000 {
            self.send(most - self.sent);
            let _ = self.carry(true).await;
            if holds(&self.half) {
                return;
            }
        }
        panic!("never: {what}");
    }

    /// Receives until the direction has ended.
    async fn carry_to_the_end(&mut self) -> End {
        for _ in 0..1_000_000 {
            match self.carry(true).await {
                Poll::Ready(end) => return end,
                Poll::Pending => self.receive(),
            }
        }
        panic!("no end after {} of {} bytes", self.received, self.sent);
    }

    /// Receives until all that was sent has come.
    async fn drain(&mut self, splice: bool) {
        for _ in 0..1_000_000 {
            let _ = self.carry(splice).await;
            self.receive();
            if self.received == self.sent {
                // Once more, so that it finds that nothing is left.
                let _ = self.carry(splice).await;
                return;
            }
        }
        panic!("{} of {} bytes came", self.received, self.sent);
    }
}

fn holds_bytes(half: &Half) -> bool {
    half.conduit_bytes().is_some_and(|held| held > 0)
}

#[tokio::test]
async fn a_bulk_transfer_is_spliced_and_a_quiet_direction_holds_nothing() {
    let mut lane = Lane::new();
    for _ in 0..3 {
        // Messages that do not fill a read are copied.
        for size in [1, 64, 4000] {
            lane.send(size);
            while lane.received < lane.sent {
                let _ = lane.carry(true).await;
                assert_eq!(lane.half.conduit_bytes(), None);
                lane.receive();
            }
        }
        lane.flood_until("bytes wait in a pipe", holds_bytes).await;
        let (held, carried) = (lane.half.conduit_bytes().expect("a pipe"), lane.read_by_bridge());
        assert!(held <= CONDUIT_BYTES, "{held}");
        for _ in 0..100 {
            let _ = lane.carry(true).await;
        }
        assert!(lane.read_by_bridge() <= carried + CONDUIT_BYTES, "nothing is read while the pipe is full");
        lane.drain(true).await;
        assert_eq!((lane.half.conduit_bytes(), lane.half.most()), (None, BEGIN_BYTES), "quiet");
    }
}

#[tokio::test]
async fn what_waits_in_a_pipe_comes_first_when_somebody_wants_to_look() {
    let mut lane = Lane::new();
    for _ in 0..3 {
        lane.flood_until("bytes wait in a pipe", holds_bytes).await;
        // The receiver takes nothing, so the pipe keeps what it has; from then on it is copied.
        let held = lane.half.conduit_bytes();
        let _ = lane.carry(false).await;
        assert_eq!(lane.half.conduit_bytes(), held);
        // It does not go quiet meanwhile, which would end the splicing too.
        let mut carried = lane.read_by_bridge();
        while lane.half.conduit_bytes().is_some() {
            lane.send(MUCH);
            lane.receive();
            let _ = lane.carry(false).await;
            assert!(
                lane.half.conduit_bytes().is_none() || lane.read_by_bridge() == carried,
                "the pipe is filled again"
            );
            carried = lane.read_by_bridge();
        }
        for _ in 0..20 {
            lane.send(100_000);
            lane.receive();
            let _ = lane.carry(false).await;
            assert_eq!(lane.half.conduit_bytes(), None);
        }
        // And back.
        lane.drain(true).await;
    }
}

#[tokio::test]
async fn who_takes_over_gets_all_that_is_held() {
    let mut lane = Lane::new();
    lane.flood_until("bytes wait in a pipe", holds_bytes).await;
    let (sink, half) = (lane.far.clone(), &mut lane.half);
    let full = poll_fn(|cx| Poll::Ready(half.poll_over(cx, &sink))).await;
    assert!(full.is_pending(), "a pipe is not looked into");
    let over = loop {
        lane.receive();
        match poll_fn(|cx| Poll::Ready(lane.half.poll_over(cx, &sink))).await {
            Poll::Ready(over) => break over,
            Poll::Pending => tokio::task::yield_now().await,
        }
    };
    assert_eq!(over, Ok((None, false)));
    assert_eq!(lane.half.conduit_bytes(), None);
    // Now with the rest of a chunk: copying, until the receiver takes no more.
    let mut quiet = 0;
    while quiet < 100 {
        let before = lane.read_by_bridge();
        lane.send(2 * MUCH - lane.sent);
        let _ = lane.carry(false).await;
        quiet = if lane.read_by_bridge() == before { quiet + 1 } else { 0 };
    }
    let Poll::Ready(Ok((Some(rest), false))) = poll_fn(|cx| Poll::Ready(lane.half.poll_over(cx, &sink))).await else {
        panic!("the receiver takes no more, so something is held");
    };
    let written = lane.far.session().meter().bytes(Direction::ToServer) as usize;
    assert_eq!(written + rest.len(), lane.read_by_bridge());
    assert!(rest.starts_with(bytes(written, rest.len())));
}

#[tokio::test]
async fn the_end_of_stream_comes_behind_what_is_in_the_pipe() {
    let mut lane = Lane::new();
    lane.flood_until("bytes wait in a pipe", holds_bytes).await;
    lane.client.shutdown(std::net::Shutdown::Write).expect("ends");
    assert_eq!(lane.carry_to_the_end().await, End::Ended);
    assert_eq!(lane.half.conduit_bytes(), None);
    for _ in 0..1000 {
        lane.receive();
        tokio::task::yield_now().await;
    }
    assert_eq!(lane.received, lane.sent);
    assert_eq!(lane.server.read(&mut [0]).expect("no reset"), 0, "the end of stream");
}

#[tokio::test]
async fn a_reset_that_a_write_has_seen_first_is_no_end_of_what_is_spliced() {
    let mut lane = Lane::new();
    lane.flood_until("bytes wait in a pipe", holds_bytes).await;
    let client = std::mem::replace(&mut lane.client, connection().0);
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("sets");
    drop(client);
    // The kernel reports it once, here; to who reads it then shows a plain end of stream.
    let near = lane.near.clone();
    let error = poll_fn(|cx| near.poll_write(cx, b"x")).await.expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(lane.carry_to_the_end().await, End::SourceBroken);
    lane.receive();
    assert_eq!(lane.received, lane.read_by_bridge(), "what was read before it has been passed on");
}

#[tokio::test]
async fn what_a_gone_receiver_leaves_in_a_pipe_comes_to_nobody_else() {
    let mut gone = Lane::new();
    gone.flood_until("bytes wait in a pipe", holds_bytes).await;
    let server = std::mem::replace(&mut gone.server, connection().0);
    // Unread bytes make that a reset.
    drop(server);
    assert_eq!(gone.carry_to_the_end().await, End::SinkBroken);
    assert_eq!(gone.half.conduit_bytes(), None);
    let mut next = Lane::new();
    next.flood_until("bytes wait in a pipe", holds_bytes).await;
    // Each byte is checked.
    next.drain(true).await;
}

/// In a process of its own: what it uses up belongs to all.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test starts itself again")]
fn without_descriptors_for_a_pipe_it_copies() {
    const INSIDE: &str = "CALLBOX_TEST_WITHOUT_DESCRIPTORS";
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(copies_without_descriptors());
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("is known"))
        .args(["--exact", "bridge::tests::without_descriptors_for_a_pipe_it_copies", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

async fn copies_without_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let mut lane = Lane::new();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).expect("less is allowed");
    let mut all = Vec::new();
    while let Ok(copy) = lane.client.try_clone() {
        all.push(copy);
    }
    assert!(Conduit::take().is_none(), "no descriptor is left");
    let mut most = 0;
    while lane.received < MUCH {
        lane.send(MUCH - lane.sent);
        let poll = lane.carry(true).await;
        assert!(poll.is_pending(), "{poll:?}");
        assert_eq!(lane.half.conduit_bytes(), None);
        most = most.max(lane.half.most());
        lane.receive();
    }
    assert_eq!(most, COPY_BYTES, "more is read at once instead");
}
