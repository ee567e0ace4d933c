//! The outside of a stream: the socket, what has ended, the first error, the counting and the taps.

mod apart;
mod broken;
mod ending;
mod secured;
mod swept;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::unix::AsyncFd;

use crate::addr::Addr;
use crate::direction::{Direction, Role};
use crate::net::io::{Io, poll_recv_owned, poll_splice_in, poll_splice_out};
use crate::net::socket::local_addr;
use crate::net::splice::Conduit;
use crate::net::sys;
use crate::net::wire::{is_passing, poll_send};
use crate::report::state;
use crate::session::Session;
use crate::termination::Termination;
use swept::Swept;

/// The buffer that all sessions of a thread read into: big enough that a bulk stream needs few calls, and there is
/// only one, so that an idle session holds none.
const SCRATCH_BYTES: usize = 64 * 1024;
/// What it may grow to for those that ask for more at once.
pub(crate) const MOST_SCRATCH_BYTES: usize = 256 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// The session is another edge's, which counts and reports: this one is the far side of a relay.
const LENT: u8 = 1;
/// Bytes are to be copied also where they could be spliced.
const COPIES: u8 = 2;
/// The session's report is made.
const REPORTED: u8 = 1;
/// The handler is done: nobody wants what still comes.
const PARTING: u8 = 2;

/// Everything about one stream except its public face.
///
/// There are two for each session of a relay, and eight bytes more would cost each session 280: the allocator's sizes then no
/// longer add up to the cache lines that the runtime's records begin at.
///
/// What every chunk touches comes first and together, as in the session's facts.
#[repr(C)]
pub(crate) struct Edge {
    io: Io,
    session: Session,
    /// The first error, as errno or one of [`broken`]: the kernel reports it once, but it ends both directions.
    broken: AtomicI32,
    read_ended: AtomicBool,
    write_ended: AtomicBool,
    /// A write is waiting for the peer; the sweep looks at this.
    write_blocked: AtomicBool,
    aborted: AtomicBool,
    /// What has happened late: [`REPORTED`], [`PARTING`].
    late: AtomicU8,
    /// Whether anybody taps the bytes; most often nobody does.
    tapped: bool,
    /// The session's, at hand.
    role: Role,
    /// The kernel's state just before our end of stream, which tells who was first; 0 where nobody watched.
    before_fin: AtomicU8,
    /// What it is from the first: [`LENT`], [`COPIES`].
    traits: u8,
    /// The sweep has found it gone.
    lost: AtomicBool,
    /// Nobody reads here for now: it waits for the other side, or for somebody to read for. The sweep looks at this.
    unread: AtomicBool,
    /// Its peer is to be probed where it is silent, and the kernel does not know that yet.
    owes_keepalive: AtomicBool,
    swept: Swept,
    /// The other side of a relay's session.
    far: OnceLock<Weak<Edge>>,
}

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
            late: AtomicU8::new(0),
            before_fin: AtomicU8::new(0),
            traits: 0,
            lost: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            owes_keepalive: AtomicBool::new(false),
            swept: Swept::default(),
            far: OnceLock::new(),
        }
    }

    /// Takes over the socket on the far side of a relay, as part of the near side's session. What passes there is what
    /// passes here, so only the near side counts and reports; nobody may tap the session.
    pub(crate) fn far_side(io: Io, session: Session) -> Edge {
        debug_assert!(!session.is_watched(), "what is tapped has a session on each side");
        let role = session.role().other();
        Edge::lent(io, session, role)
    }

    /// An edge of a session that another one counts and reports.
    pub(crate) fn lent(io: Io, session: Session, role: Role) -> Edge {
        let mut edge = Edge::new(io, session);
        (edge.traits, edge.tapped, edge.role) = (LENT, false, role);
        edge
    }

    /// Notes the other side of a relay's session, once.
    pub(crate) fn join(&self, far: &Arc<Edge>) {
        let _ = self.far.set(Arc::downgrade(far));
    }

    /// Returns the other side of a relay's session, while it is there.
    pub(crate) fn far(&self) -> Option<Arc<Edge>> {
        self.far.get().and_then(Weak::upgrade)
    }

    /// Tells whether, of a relay's two directions, one has ended on both sides and the other has not.
    pub(crate) fn is_half_closed_with(&self, far: &Edge) -> bool {
        let (there, back) = (
            self.is_read_ended() && far.write_ended.load(Relaxed),
            far.is_read_ended() && self.write_ended.load(Relaxed),
        );
        there != back
    }

    /// Takes over a connected socket, which must be non-blocking, on the current runtime.
    pub(crate) fn socket(socket: OwnedFd, session: Session) -> io::Result<Edge> {
        Ok(Edge::new(Io::Socket(sys::register(socket, sys::STREAM)?), session))
    }

    /// Takes over a connected socket that is registered with the current runtime, for reading and writing.
    pub(crate) fn registered(socket: AsyncFd<OwnedFd>, session: Session) -> Edge {
        Edge::new(Io::Socket(socket), session)
    }

    fn is_lent(&self) -> bool {
        self.traits & LENT != 0
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Tells whether TLS is spoken.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.io, Io::Tls(_))
    }

    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.io.descriptor()
    }

    /// Returns our end's address; asks the kernel the first time where it is not known.
    pub(crate) fn local(&self) -> Option<Addr> {
        let ask = || local_addr(self.descriptor()?).ok().map(|addr| Arc::new(addr.into()));
        self.session.note_local(ask)
    }

    pub(crate) fn is_read_ended(&self) -> bool {
        self.read_ended.load(Relaxed)
    }

    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }

    /// Tells whether our end of stream has been sent.
    pub(crate) fn is_write_ended(&self) -> bool {
        self.write_ended.load(Relaxed)
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
        // The kernel knows nothing of TLS's own end of stream.
        self.is_over() || (self.is_read_ended() && !matches!(self.io, Io::Tls(_)))
    }

    #[inline(always)]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.is_read_ended() || buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_taps(cx));
        let read = match ready!(self.io.poll_read(cx, buffer)) {
            Ok(read) => read,
            Err(error) if self.needs_no_word(&error) => 0,
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
        self.poll_at_most_with(cx, SCRATCH_BYTES, take)
    }

    /// The same with a bound on what is received at once.
    #[inline(always)]
    pub(crate) fn poll_at_most_with<R>(
        &self,
        cx: &mut Context<'_>,
        most: usize,
        take: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
    ) -> Poll<io::Result<Option<R>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            if scratch.len() < most {
                scratch.resize(most.min(MOST_SCRATCH_BYTES), 0);
            }
            let most = most.min(scratch.len());
            let read = ready!(self.poll_read(cx, &mut scratch[..most]))?;
            Poll::Ready(Ok((read > 0).then(|| take(cx, &scratch[..read]))))
        })
    }

    /// Has bytes copied also where they could be spliced.
    pub(crate) fn never_splice(&mut self) {
        self.traits |= COPIES;
    }

    /// Receives a chunk of at most `most` bytes to keep; `None` at the end of stream.
    pub(crate) fn poll_chunk(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Option<Bytes>>> {
        let Io::Socket(socket) = &self.io else {
            return self.poll_at_most_with(cx, most, |_, bytes| Bytes::copy_from_slice(bytes));
        };
        if self.is_read_ended() {
            return Poll::Ready(Ok(None));
        }
        ready!(self.poll_taps(cx));
        match ready!(poll_recv_owned(socket, cx, most)) {
            Ok(bytes) if bytes.is_empty() => Poll::Ready(self.inbound_ended().map(|()| None)),
            Ok(bytes) => {
                self.observe(self.role.inbound(), &bytes);
                Poll::Ready(Ok(Some(bytes)))
            }
            Err(error) => Poll::Ready(Err(self.latch(error))),
        }
    }

    /// Tells whether bytes may go through here without being looked at.
    pub(crate) fn can_splice(&self) -> bool {
        cfg!(target_os = "linux") && !self.tapped && self.traits & COPIES == 0 && matches!(self.io, Io::Socket(_))
    }

    /// Receives into an empty pipe; `None` where it has to be received the plain way, above all the end of stream. The edge
    /// must be one that [can](Edge::can_splice).
    pub(crate) fn poll_splice_in(
        &self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
    ) -> Poll<io::Result<Option<usize>>> {
        let Io::Socket(socket) = &self.io else { unreachable!("only sockets are spliced") };
        if self.is_read_ended() {
            return Poll::Ready(Ok(None));
        }
        let result = ready!(poll_splice_in(socket, cx, conduit)).map_err(|error| self.latch(error));
        if let Ok(Some(read)) = result {
            self.count(self.role.inbound(), read);
        }
        Poll::Ready(result)
    }

    /// Sends what fits now from a pipe that holds something.
    pub(crate) fn poll_splice_out(&self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<usize>> {
        let Io::Socket(socket) = &self.io else { unreachable!("only sockets are spliced") };
        let result = poll_splice_out(socket, cx, conduit);
        self.write_blocked.store(result.is_pending(), Relaxed);
        match ready!(result) {
            Ok(written) => {
                self.count(self.role.outbound(), written);
                Poll::Ready(Ok(written))
            }
            Err(error) => Poll::Ready(Err(self.latch(error))),
        }
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
                    self.count(self.role.outbound(), sent);
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
            (Io::Tls(tls), _) => tls.poll_write(cx, bytes, |gone| self.observe(self.role.outbound(), gone)),
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
            Io::Tls(tls) => {
                let closed = tls.poll_close(cx, |gone| self.observe(self.role.outbound(), gone));
                self.write_blocked.store(closed.is_pending(), Relaxed);
                ready!(closed).and_then(|()| self.send_fin(tls.descriptor(), Shutdown::Write))
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
            Io::Tls(tls) => {
                tls.reset_on_close();
                let _ = socket2::SockRef::from(&tls.descriptor()).set_linger(Some(Duration::ZERO));
            }
        }
    }

    /// Ends both directions, also for halves of the stream that others still hold; by a reset, where the close was to be one.
    pub(crate) fn close_for_all(&self) {
        self.aborted.store(true, Relaxed);
        let Some(fd) = self.descriptor() else { return };
        let resets = matches!(socket2::SockRef::from(&fd).linger(), Ok(Some(Duration::ZERO)));
        // Somebody may hold it just for a look, and an end of stream before the reset would be taken for the end.
        if !resets || rustix::net::connect_unspec(fd).is_err() {
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

    /// Has the close be a reset, for a connection that others have ended: why is noted already.
    pub(crate) fn break_off(&self) {
        self.aborted.store(true, Relaxed);
        self.reset_on_close();
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
            code => Err(broken::error(code)),
        }
    }

    /// Remembers the first error for both directions and says what it means for the session.
    fn latch(&self, error: io::Error) -> io::Error {
        let code = broken::code(&error);
        // As at a plain end of stream: the kernel shows that here after an error which the other direction has consumed.
        let before = self.broken.load(Relaxed);
        if code == broken::TRUNCATED && before != 0 {
            return broken::error(before);
        }
        if let Some(termination) = broken::termination(code, self.role.other()) {
            self.session.note_end(termination);
        }
        let _ = self.broken.compare_exchange(0, code, Relaxed, Relaxed);
        // A write to a connection that was reset says EPIPE; it is the same reset.
        if code == libc::ECONNRESET { io::Error::from_raw_os_error(code) } else { error }
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
    fn count(&self, direction: Direction, bytes: usize) {
        if !self.is_lent() {
            self.session.meter().add(direction, bytes);
        }
    }

    #[inline(always)]
    fn observe(&self, direction: Direction, bytes: &[u8]) {
        self.count(direction, bytes.len());
        if self.tapped {
            self.session.show(direction, bytes);
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.say_farewell();
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

/// The end that a reset by the peer is.
pub(crate) fn peer_reset(role: Role) -> Termination {
    match role {
        Role::Client => Termination::ServerReset,
        Role::Server => Termination::ClientReset,
    }
}
