//! What there is to say about a session at its edge, above all at its end: what has ended, what the kernel knows, and on
//! whose side TIME_WAIT stays.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Edge, REPORTED, our_close};
use crate::direction::{Direction, Role};
use crate::event::Event;
use crate::net::sys;
use crate::report::{SessionReport, TcpFacts, TimeWait, state};

/// What the kernel tells of an ending, where it is TCP and somebody watches.
#[derive(Default)]
struct KernelFacts {
    tcp: Option<TcpFacts>,
    reset_by: Option<Role>,
    time_wait: Option<TimeWait>,
}

impl Edge {
    pub(crate) fn tcp_facts(&self) -> Option<TcpFacts> {
        self.descriptor().and_then(|fd| sys::tcp_facts(fd).ok())
    }

    /// What the kernel knows, and what it will make of the close.
    fn kernel_facts(&self) -> KernelFacts {
        let Some((socket, mut tcp)) = self.descriptor().and_then(|fd| Some((fd, sys::tcp_facts(fd).ok()?))) else {
            return KernelFacts::default();
        };
        if self.before_fin.load(Relaxed) != 0 || self.write_ended.load(Relaxed) {
            tcp.unacknowledged_bytes = tcp.unacknowledged_bytes.saturating_sub(1);
        }
        let option = socket2::SockRef::from(&socket);
        if tcp.state == state::CLOSE
            && self.broken.load(Relaxed) == 0
            && let Ok(Some(error)) = option.take_error()
        {
            // A reset that nobody was there to read. It ends no direction any more, but `TIME_WAIT` it does.
            self.broken.store(error.raw_os_error().unwrap_or(libc::EIO), Relaxed);
        }
        // What close(2) does: a reset where bytes are unread, or where zero linger is set and a direction still open.
        let open = matches!(tcp.state, state::ESTABLISHED | state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSE_WAIT);
        let resets = (tcp.state != state::CLOSE && tcp.unread_bytes > 0)
            || (open && matches!(option.linger(), Ok(Some(Duration::ZERO))));
        let broken = self.broken.load(Relaxed);
        let reset_by = match broken {
            libc::ECONNRESET | libc::EPIPE => Some(self.role.other()),
            _ => resets.then_some(self.role),
        };
        let gone = broken != 0 && tcp.state == state::CLOSE;
        let time_wait = match reset_by.is_some() || gone {
            true => Some(TimeWait::Nobody),
            false => TimeWait::after(tcp.state, self.before_fin.load(Relaxed)),
        };
        KernelFacts { tcp: Some(tcp), reset_by, time_wait }
    }

    /// Returns what there is to say about the session, without ending it; asks the kernel where somebody watches.
    pub(crate) fn report(&self) -> SessionReport {
        let watched = self.session.observers().wants_talk();
        if !watched {
            return self.tally();
        }
        // The address is noted in the session, from where the report takes it.
        let _ = self.local();
        self.report_with(&self.kernel_facts())
    }

    /// Returns the same without a question to the kernel: for totals.
    pub(crate) fn tally(&self) -> SessionReport {
        self.report_with(&KernelFacts::default())
    }

    fn report_with(&self, kernel: &KernelFacts) -> SessionReport {
        let session = &self.session;
        let peer_has_reset = self.broken.load(Relaxed) == libc::ECONNRESET;
        // The peer's FIN may have arrived behind bytes that nobody read.
        let arrived = kernel.tcp.is_some_and(|tcp| TimeWait::peer_has_ended(tcp.state))
            && kernel.reset_by != Some(self.role.other())
            && self.broken.load(Relaxed) == 0;
        let ended = |direction| match direction == self.role.inbound() {
            true => self.is_read_ended() || arrived,
            false => self.write_ended.load(Relaxed),
        };
        SessionReport {
            session: session.id(),
            role: session.role(),
            peer: session.peer().clone(),
            local: session.local(),
            termination: session.termination().unwrap_or(our_close(session.role())),
            first_end: session.first_end(),
            to_server_ended: ended(Direction::ToServer),
            to_client_ended: ended(Direction::ToClient),
            reset_by: kernel.reset_by.or(peer_has_reset.then_some(self.role.other())),
            to_server_bytes: session.meter().bytes(Direction::ToServer),
            to_client_bytes: session.meter().bytes(Direction::ToClient),
            to_server_chunks: session.meter().chunks(Direction::ToServer),
            to_client_chunks: session.meter().chunks(Direction::ToClient),
            duration: session.age(),
            frames: session.frame_report(),
            tcp: kernel.tcp,
            time_wait: kernel.time_wait,
        }
    }

    /// Says that the session is over, once. The socket is still open, so that the kernel can still be asked.
    pub(crate) fn finish(&self) {
        if self.is_lent() {
            return;
        }
        if self.tapped {
            [Direction::ToServer, Direction::ToClient]
                .into_iter()
                .for_each(|direction| self.session.show_rest(direction));
        }
        if self.late.fetch_or(REPORTED, Relaxed) & REPORTED != 0 {
            return;
        }
        if self.tapped {
            self.session.show_closed();
        }
        if self.session.observers().wants_talk() {
            let report = Box::new(self.report());
            self.session.observers().emit(|| Event::Closed(report));
        }
    }

    /// Says that a direction has reached its end of stream.
    pub(super) fn emit_end(&self, direction: Direction) {
        if self.is_lent() {
            return;
        }
        if self.tapped {
            self.session.show_end(direction);
        }
        if self.session.observers().wants_talk() {
            self.session.observers().emit(|| Event::End { session: self.session.id(), direction });
        }
    }
}
