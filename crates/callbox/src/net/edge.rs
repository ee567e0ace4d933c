//! The outside of a stream: the socket, what has ended, the first error, the counting and the taps.

mod ending;

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{SendFlags, Shutdown};
use tokio::io::Interest;

use crate::addr::Addr;
use crate::direction::{Direction, Role};
use crate::event::Event;
use crate::net::io::{Io, is_passing, poll_send};
use crate::net::socket::local_addr;
use crate::net::sys;
use crate::report::state;
use crate::session::Session;
use crate::termination::Termination;

/// The buffer that all sessions of a thread read into: big enough that a bulk stream needs few calls, and there is
/// only one, so that an idle session holds none.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// Everything about one stream except its public face.
///
/// What every chunk touches comes first and together, as in the session's facts.
#[repr(C)]
pub(crate) struct Edge {
    io: Io,
    session: Session,
    /// The first error of the socket, as errno: the kernel reports it once, but it ends both directions.
    broken: AtomicI32,
    read_ended: AtomicBool,
    write_ended: AtomicBool,
    /// A write is waiting for the peer; the sweep looks at this.
    write_blocked: AtomicBool,
    aborted: AtomicBool,
    reported: AtomicBool,
    /// Whether anybody taps the bytes; most often nobody does.
    tapped: bool,
    /// The session's, at hand.
    role: Role,
    /// The kernel's state just before our end of stream, which tells who was first; 0 where nobody watched.
    before_fin: AtomicU8,
    swept: Swept,
}

/// What the sweep saw when it last looked.
struct Swept {
    bytes: AtomicU64,
    waiting: AtomicU64,
    /// Milliseconds of the sweep's clock when something last moved.
    moved: AtomicU64,
}

/// The sweep has not looked yet.
const UNSEEN: u64 = u64::MAX;

impl Edge {
    pub(crate) fn new(io: Io, session: Session) -> Edge {
        Edge {
            tapped: session.is_watched(),
            role: session.role(),
            io,
            session,
            broken: AtomicI32::new(0),
            read_ended: AtomicBool::new(false),
            write_ended: AtomicBool::new(false),
            write_blocked: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            before_fin: AtomicU8::new(0),
            swept: Swept { bytes: AtomicU64::new(0), waiting: AtomicU64::new(0), moved: AtomicU64::new(UNSEEN) },
        }
    }

    /// Takes over a connected socket, which must be non-blocking, on the current runtime.
    pub(crate) fn socket(socket: OwnedFd, session: Session) -> io::Result<Edge> {
        Ok(Edge::new(Io::Socket(sys::register(socket, Interest::READABLE | Interest::WRITABLE)?), session))
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.io {
            Io::Socket(socket) => Some(socket.get_ref().as_fd()),
            Io::Joined(_) => None,
        }
    }

    /// Returns our end's address; asks the kernel the first time where it is not known.
    pub(crate) fn local(&self) -> Option<Addr> {
        let ask = || local_addr(self.descriptor()?).ok().map(Addr::from);
        self.session.note_local(ask).cloned()
    }

    pub(crate) fn is_read_ended(&self) -> bool {
        self.read_ended.load(Relaxed)
    }

    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }

    /// Tells whether the connection is gone, so that closing gracefully has no purpose.
    pub(crate) fn is_over(&self) -> bool {
        self.aborted.load(Relaxed)
            || self.broken.load(Relaxed) != 0
            || (self.is_read_ended() && self.write_ended.load(Relaxed))
    }

    /// Tells whether dropping the socket ends the connection as it should: the peer has ended its direction, so our
    /// close is an end of stream and destroys nothing, or the connection is gone.
    pub(crate) fn needs_no_parting(&self) -> bool {
        self.is_over() || self.is_read_ended()
    }

    #[inline(always)]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.is_read_ended() || buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_taps(cx));
        let read = match ready!(self.io.poll_read(cx, buffer)) {
            Ok(read) => read,
            Err(error) => return Poll::Ready(Err(self.latch(error))),
        };
        if read == 0 {
            return Poll::Ready(self.inbound_ended().map(|()| 0));
        }
        self.observe(self.role.inbound(), &buffer[..read]);
        Poll::Ready(Ok(read))
    }

    #[inline(always)]
    pub(crate) fn poll_chunk_with<R>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
    ) -> Poll<io::Result<Option<R>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let read = ready!(self.poll_read(cx, scratch))?;
            Poll::Ready(Ok((read > 0).then(|| take(cx, &scratch[..read]))))
        })
    }

    /// Sends what fits now.
    ///
    /// The common case is here and inlined: after a system call the processor has forgotten where functions return
    /// to, so each level of calls above it costs more than the call itself.
    #[inline(always)]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let simple = !self.tapped
            && !self.write_ended.load(Relaxed)
            && !self.write_blocked.load(Relaxed)
            && !self.aborted.load(Relaxed);
        match &self.io {
            // Tried at once, without asking for readiness first: a socket almost always has room.
            Io::Socket(socket) if simple => match rustix::net::send(socket.get_ref(), bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.session.meter().add(self.role.outbound(), sent);
                    Poll::Ready(Ok(sent))
                }
                Err(errno) => self.poll_write_slow(cx, bytes, Some(errno.into())),
            },
            _ => self.poll_write_slow(cx, bytes, None),
        }
    }

    /// Everything but the common case; `tried` is what sending at once has met.
    #[cold]
    fn poll_write_slow(&self, cx: &mut Context<'_>, bytes: &[u8], tried: Option<io::Error>) -> Poll<io::Result<usize>> {
        if self.write_ended.load(Relaxed) || self.aborted.load(Relaxed) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, "our end of stream has been sent")));
        }
        ready!(self.poll_taps(cx));
        let result = match (&self.io, tried) {
            (_, Some(error)) if !is_passing(&error) => Poll::Ready(Err(error)),
            (Io::Socket(socket), _) => poll_send(socket, cx, bytes),
            (Io::Joined(joined), _) => {
                joined.writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut().poll_write(cx, bytes)
            }
        };
        self.write_blocked.store(result.is_pending(), Relaxed);
        match ready!(result) {
            Ok(written) => {
                self.observe(self.role.outbound(), &bytes[..written]);
                Poll::Ready(Ok(written))
            }
            Err(error) => Poll::Ready(Err(self.latch(error))),
        }
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_ended.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let result = match &self.io {
            Io::Socket(socket) => self.send_fin(socket.get_ref().as_fd(), Shutdown::Write),
            Io::Joined(_) if self.io.was_reset() => Err(io::ErrorKind::ConnectionReset.into()),
            Io::Joined(joined) => {
                let mut writer = joined.writer.lock().unwrap_or_else(PoisonError::into_inner);
                ready!(writer.as_mut().poll_shutdown(cx))
            }
        };
        match result {
            // Not connected any more: somebody's reset got here first.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                let pending = self.descriptor().and_then(|fd| socket2::SockRef::from(&fd).take_error().ok().flatten());
                let error = pending.unwrap_or_else(|| io::Error::from_raw_os_error(libc::ECONNRESET));
                Poll::Ready(Err(self.latch(error)))
            }
            Err(error) => Poll::Ready(Err(self.latch(error))),
            Ok(()) => {
                self.write_ended.store(true, Relaxed);
                self.session.note_end(our_close(self.role));
                self.emit_end(self.role.outbound());
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Makes the coming close a reset: the peer sees an abort, and what was not delivered is lost.
    pub(crate) fn abort(&self) {
        self.session.stop(Termination::Aborted);
        self.aborted.store(true, Relaxed);
        self.reset_on_close();
    }

    /// Has the kernel send a reset when the socket closes.
    pub(crate) fn reset_on_close(&self) {
        match &self.io {
            Io::Socket(socket) => {
                let _ = socket2::SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO));
            }
            Io::Joined(joined) => {
                if let Some(reset) = &joined.reset {
                    reset.store(true, Relaxed);
                }
            }
        }
    }

    /// Ends both directions, also for halves of the stream that others still hold.
    pub(crate) fn close_for_all(&self) {
        self.aborted.store(true, Relaxed);
        if let Some(fd) = self.descriptor() {
            let _ = self.send_fin(fd, Shutdown::Both);
        }
    }

    /// Sends our end of stream; where somebody watches, notes in which state, for that tells whose FIN was the first.
    fn send_fin(&self, socket: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
        if !self.session.observers().wants_talk() || self.before_fin.load(Relaxed) != 0 {
            return rustix::net::shutdown(socket, how).map_err(io::Error::from);
        }
        let before = sys::tcp_state(socket);
        rustix::net::shutdown(socket, how)?;
        // The peer's FIN may have come between the look and ours.
        let passed = before == state::ESTABLISHED && sys::tcp_state(socket) == state::LAST_ACK;
        self.before_fin.store(if passed { state::CLOSE_WAIT } else { before }, Relaxed);
        Ok(())
    }

    /// Tells for how long nothing has moved, by a clock that the sweep keeps; `waiting` is what the peer has not taken.
    ///
    /// Only the sweep calls this: it compares with what it saw the last time.
    pub(crate) fn quiet_for(&self, clock: Duration, waiting: usize) -> Duration {
        let (bytes, waiting) = (self.session.meter().total_bytes(), waiting as u64);
        let now = clock.as_millis() as u64;
        let (before, waited) = (self.swept.bytes.swap(bytes, Relaxed), self.swept.waiting.swap(waiting, Relaxed));
        if before != bytes || waited != waiting || self.swept.moved.load(Relaxed) == UNSEEN {
            self.swept.moved.store(now, Relaxed);
        }
        Duration::from_millis(now - self.swept.moved.load(Relaxed))
    }

    fn inbound_ended(&self) -> io::Result<()> {
        // After an error that the other direction has consumed, the kernel shows a plain end of stream here.
        match self.broken.load(Relaxed) {
            0 if self.io.was_reset() => Err(self.latch(io::ErrorKind::ConnectionReset.into())),
            0 => {
                self.read_ended.store(true, Relaxed);
                self.session.note_end(peer_close(self.role));
                self.emit_end(self.role.inbound());
                Ok(())
            }
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Remembers the first error for both directions and says what it means for the session.
    fn latch(&self, error: io::Error) -> io::Error {
        let reset = matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted
        );
        let gone = matches!(
            error.kind(),
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
        );
        let termination = match (reset, gone) {
            (true, _) => peer_reset(self.role),
            (_, true) => Termination::PeerTimeout,
            _ => Termination::IoError,
        };
        self.session.note_end(termination);
        // A write to a connection that was reset says EPIPE; it is the same reset.
        let errno = if reset { libc::ECONNRESET } else { error.raw_os_error().unwrap_or(libc::EIO) };
        let _ = self.broken.compare_exchange(0, errno, Relaxed, Relaxed);
        if reset { io::Error::from_raw_os_error(libc::ECONNRESET) } else { error }
    }

    fn poll_taps(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.tapped {
            return Poll::Ready(());
        }
        for tap in self.session.observers().taps() {
            ready!(tap.poll_ready(cx));
        }
        Poll::Ready(())
    }

    #[inline(always)]
    fn observe(&self, direction: Direction, bytes: &[u8]) {
        self.session.meter().add(direction, bytes.len());
        if self.tapped {
            self.session.show(direction, bytes);
        }
    }

    fn emit_end(&self, direction: Direction) {
        if self.tapped {
            self.session.show_rest(direction);
        }
        if self.session.observers().wants_talk() {
            self.session.observers().emit(|| Event::End { session: self.session.id(), direction });
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.finish();
    }
}

fn our_close(role: Role) -> Termination {
    match role {
        Role::Client => Termination::ClientClosed,
        Role::Server => Termination::ServerClosed,
    }
}

fn peer_close(role: Role) -> Termination {
    match role {
        Role::Client => Termination::ServerClosed,
        Role::Server => Termination::ClientClosed,
    }
}

fn peer_reset(role: Role) -> Termination {
    match role {
        Role::Client => Termination::ServerReset,
        Role::Server => Termination::ClientReset,
    }
}
