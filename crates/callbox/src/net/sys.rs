//! The one file with `unsafe`: what neither std, tokio, socket2 nor rustix offers.
//!
//! Each block says why it is sound, and each function has a test.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::event::PeerProcess;
use crate::report::TcpFacts;

/// Reads `TCP_INFO` of a connection or listener, and its queues. Of an end of stream that has been sent and not yet
/// acknowledged the kernel makes one more unacknowledged byte.
///
/// # Errors
///
/// Anything that is not TCP.
#[cfg(target_os = "linux")]
pub fn tcp_facts(socket: BorrowedFd<'_>) -> io::Result<TcpFacts> {
    // SAFETY: `tcp_info` is plain numbers, for which all-zero bytes are a valid value.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = mem::size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `info`; the kernel writes at most `length` bytes and an older one
    // fewer, which leaves zeros.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut length)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpFacts {
        state: info.tcpi_state,
        round_trip: Duration::from_micros(u64::from(info.tcpi_rtt)),
        round_trip_variation: Duration::from_micros(u64::from(info.tcpi_rttvar)),
        congestion_window: info.tcpi_snd_cwnd,
        retransmissions: info.tcpi_total_retrans,
        acknowledged_bytes: acknowledged(&info),
        unread_bytes: unread_bytes(socket).unwrap_or(0) as u64,
        unacknowledged_bytes: unacknowledged_bytes(socket).unwrap_or(0) as u64,
    })
}

/// Reads the state of a connection or listener by the kernel's number; 0 where it cannot be told.
#[cfg(target_os = "linux")]
pub fn tcp_state(socket: BorrowedFd<'_>) -> u8 {
    let mut state = 0u8;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the pointer and the length describe `state`; the kernel writes the first byte of its structure, the state.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &raw mut length,
        )
    };
    if result == 0 { state } else { 0 }
}

/// Reads the state of a connection; only Linux tells it in this form.
#[cfg(not(target_os = "linux"))]
pub fn tcp_state(_socket: BorrowedFd<'_>) -> u8 {
    0
}

/// Reads `TCP_INFO`; only Linux has it in this form.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn tcp_facts(_socket: BorrowedFd<'_>) -> io::Result<TcpFacts> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `tcpi_bytes_acked`, which the C library's structure may not name: it stands 120 bytes into the kernel's structure.
#[cfg(target_os = "linux")]
fn acknowledged(info: &libc::tcp_info) -> u64 {
    const OFFSET: usize = 120;
    if mem::size_of::<libc::tcp_info>() < OFFSET + 8 {
        return 0;
    }
    // SAFETY: the eight bytes lie inside `info` (checked above) and any bytes are a valid u64.
    unsafe { (&raw const *info).cast::<u8>().add(OFFSET).cast::<u64>().read_unaligned() }
}

/// Returns the bytes that a socket has taken from us and that the peer has not acknowledged (`SIOCOUTQ`).
///
/// # Errors
///
/// A descriptor that has no such queue.
#[cfg(target_os = "linux")]
pub fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    queue_length(socket, libc::TIOCOUTQ)
}

/// Returns the unacknowledged bytes; only Linux tells.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn unacknowledged_bytes(_socket: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has a socket that is bound to an address without a port get its port when it connects, so that the port only has to be unused
/// towards that peer (`IP_BIND_ADDRESS_NO_PORT`, ip(7)): else all connections from one address share 28,000 ports, wherever to.
#[cfg(target_os = "linux")]
pub fn bind_without_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which lives until the call is over.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Elsewhere ports are chosen when binding.
#[cfg(not(target_os = "linux"))]
pub fn bind_without_port(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Returns the bytes that have arrived and that nobody has read (`SIOCINQ`).
///
/// # Errors
///
/// A descriptor that has no such queue.
pub fn unread_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    queue_length(socket, libc::FIONREAD)
}

/// Tells whether an urgent byte comes next: receiving has stopped short of it, whatever is there behind it.
#[cfg(target_os = "linux")]
pub fn is_at_urgent(socket: BorrowedFd<'_>) -> bool {
    /// `SIOCATMARK` (asm-generic/sockios.h), which the C library's crate does not name. Where it has another number, nothing
    /// is told.
    const AT_MARK: libc::Ioctl = 0x8905;
    queue_length(socket, AT_MARK).is_ok_and(|at| at > 0)
}

/// Tells whether an urgent byte comes next; only Linux tells in this form.
#[cfg(not(target_os = "linux"))]
pub fn is_at_urgent(_socket: BorrowedFd<'_>) -> bool {
    false
}

fn queue_length(socket: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<usize> {
    let mut value: libc::c_int = 0;
    // SAFETY: all these requests write one int through the pointer, which is valid for the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut value) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value.max(0) as usize) }
}

/// Returns the process at the other end of a Unix socket, as it was when it connected.
///
/// # Errors
///
/// Anything that is no Unix socket.
#[cfg(target_os = "linux")]
pub fn peer_process(socket: BorrowedFd<'_>) -> io::Result<PeerProcess> {
    /// What TCP sockets answer: nobody.
    const NOBODY: libc::uid_t = libc::uid_t::MAX;
    let mut found = libc::ucred { pid: 0, uid: NOBODY, gid: NOBODY };
    let mut length = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `found`, which is three numbers; the kernel writes `length` bytes at most.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    match result {
        0 if found.uid == NOBODY => Err(io::ErrorKind::Unsupported.into()),
        0 => {
            let pid = u32::try_from(found.pid).ok().filter(|pid| *pid > 0);
            Ok(PeerProcess { pid, uid: found.uid, gid: found.gid })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns the process at the other end; only Linux tells in this form.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn peer_process(_socket: BorrowedFd<'_>) -> io::Result<PeerProcess> {
    Err(io::ErrorKind::Unsupported.into())
}

/// That an urgent byte has come.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub const URGENT: Interest = Interest::PRIORITY;
/// That something has come: here it is not told whether there is an urgent byte.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub const URGENT: Interest = Interest::READABLE;
/// What a stream's socket is registered for.
pub const STREAM: Interest = Interest::READABLE.add(Interest::WRITABLE).add(URGENT);

/// Registers a descriptor, which must be non-blocking, with the current runtime.
///
/// # Errors
///
/// Whatever the event queue reports, such as a descriptor that cannot be waited for.
pub fn register(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` owns an open descriptor, always answers with the same one, and closes it only when dropped,
    // which the `AsyncFd` does after it has deregistered it.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(io::Error::from)
}

/// Takes over a descriptor that this process inherited (`fd:3`), after checking that it is open.
///
/// The caller must be the only one to use the number; it is closed with the returned value.
///
/// # Errors
///
/// A number that is not open.
pub fn adopt(number: u32) -> io::Result<OwnedFd> {
    let number = i32::try_from(number).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: F_SETFD takes an int and touches no memory; on a number that is not open it fails with EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open (checked above), and by this function's contract nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What a child is to run, as the kernel takes it.
pub struct Image {
    /// The file itself; no search, and no shell when the kernel does not know the format.
    pub path: CString,
    /// The arguments, the program's name first.
    pub arguments: Vec<CString>,
    /// The environment, each as `NAME=value`.
    pub environment: Vec<CString>,
}

/// Prepares a child: nothing but descriptors 0-2 reaches it, it gets the descriptor limit this process began with, and
/// it runs `image`, whatever program `command` names.
pub fn confine_child(command: &mut Command, nofile: Option<(u64, u64)>, image: Image) {
    use std::os::unix::process::CommandExt;
    let pointers = |words: &[CString]| -> Vec<usize> {
        // As numbers, which may go to another thread; the strings live as long, in the closure.
        words.iter().map(|word| word.as_ptr() as usize).chain([0]).collect()
    };
    let (arguments, environment) = (pointers(&image.arguments), pointers(&image.environment));
    let limit = nofile.map(|(soft, hard)| libc::rlimit { rlim_cur: soft as _, rlim_max: hard as _ });
    let confine = move || {
        if let Some(limit) = &limit {
            // SAFETY: setrlimit reads the structure, which lives in the closure. It is async-signal-safe.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        close_above_two()?;
        // The closure owns the whole image, or it would capture the path alone and leave the lists dangling.
        let image = &image;
        // SAFETY: the path and both lists are strings that the closure owns (`image`), and the lists end with a null
        // pointer. The C library's search functions would hand an unknown format to a shell; this call does not.
        unsafe { libc::execve(image.path.as_ptr(), arguments.as_ptr().cast(), environment.as_ptr().cast()) };
        Err(io::Error::last_os_error())
    };
    // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor takes locks.
    unsafe { command.pre_exec(confine) };
}

/// Marks every descriptor above 2 close-on-exec, so that the report of a failed exec still gets through.
#[cfg(target_os = "linux")]
fn close_above_two() -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: the call takes three numbers and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        return Ok(());
    }
    // Before Linux 5.11: one by one, up to the limit the child has.
    mark_one_by_one();
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn close_above_two() -> io::Result<()> {
    mark_one_by_one();
    Ok(())
}

fn mark_one_by_one() {
    /// Descriptors looked at where the range call is missing: the usual hard limit.
    const HIGHEST: libc::c_int = 4096;
    for number in 3..HIGHEST {
        // SAFETY: F_SETFD takes an int and touches no memory; numbers that are not open fail harmlessly.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, IntoRawFd};
    use std::process::Stdio;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback binds");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        (client, listener.accept().expect("accepts").0)
    }

    #[test]
    fn tcp_info_tells_state_and_acknowledged_bytes() {
        let (mut client, mut server) = pair();
        client.write_all(b"hello").expect("writes");
        server.read_exact(&mut [0; 5]).expect("reads");
        server.write_all(b"x").expect("writes");
        client.read_exact(&mut [0; 1]).expect("reads");
        let facts = tcp_facts(client.as_fd()).expect("is TCP");
        assert_eq!(facts.state, 1, "ESTABLISHED");
        assert_eq!(tcp_state(client.as_fd()), 1, "the same, asked alone");
        // The SYN counts as one in some kernels.
        assert!((5..=6).contains(&facts.acknowledged_bytes), "{facts:?}");
        assert!(facts.round_trip > Duration::ZERO);
        assert!(facts.congestion_window > 0);
    }

    #[test]
    fn tcp_info_of_a_pipe_is_an_error() {
        let (reader, _writer) = std::io::pipe().expect("pipe");
        assert!(tcp_facts(reader.as_fd()).is_err());
        assert_eq!(tcp_state(reader.as_fd()), 0);
    }

    #[test]
    fn queues_are_seen_on_both_ends() {
        let (mut client, server) = pair();
        client.write_all(&[0; 1000]).expect("writes");
        let deadline = std::time::SystemTime::now() + Duration::from_secs(5);
        while unread_bytes(server.as_fd()).expect("asks") < 1000 {
            assert!(std::time::SystemTime::now() < deadline, "1000 bytes arrive on loopback");
        }
        assert!(unacknowledged_bytes(client.as_fd()).expect("asks") <= 1000);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_urgent_byte_that_comes_next_is_known() {
        use rustix::net::{SendFlags, send};
        let (client, mut server) = pair();
        assert!(!is_at_urgent(server.as_fd()));
        send(&client, b"abc", SendFlags::empty()).expect("sends");
        send(&client, b"!", SendFlags::OOB).expect("sends");
        send(&client, b"d", SendFlags::empty()).expect("sends");
        assert!(!is_at_urgent(server.as_fd()));
        server.read_exact(&mut [0; 3]).expect("reads");
        assert!(is_at_urgent(server.as_fd()));
        server.read_exact(&mut [0; 1]).expect("reads");
        assert!(!is_at_urgent(server.as_fd()));
    }

    #[tokio::test]
    async fn a_registered_descriptor_becomes_readable() {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let reader = register(reader.into(), Interest::READABLE).expect("registers");
        writer.write_all(b"x").expect("writes");
        let _ready = reader.readable().await.expect("readable");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_at_the_other_end_of_a_unix_socket_is_known() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let found = peer_process(one.as_fd()).expect("is known");
        assert_eq!((found.pid, found.uid), (Some(std::process::id()), rustix::process::geteuid().as_raw()));
        assert!(peer_process(pair().0.as_fd()).is_err());
    }

    #[test]
    fn adopting_takes_an_open_descriptor_and_refuses_a_closed_one() {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let number = OwnedFd::from(reader).into_raw_fd();
        let adopted = adopt(number as u32).expect("is open");
        writer.write_all(b"x").expect("writes");
        let mut byte = [0];
        std::fs::File::from(adopted).read_exact(&mut byte).expect("reads");
        assert_eq!(&byte, b"x");
        assert_eq!(adopt(999_999).expect_err("is closed").raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn a_child_sees_three_descriptors_and_the_limit_it_is_given() {
        // Not close-on-exec, as a careless parent would leave it.
        let (reader, _writer) = std::io::pipe().expect("pipe");
        rustix::io::fcntl_setfd(&reader, rustix::io::FdFlags::empty()).expect("sets");
        let mut command = Command::new("sh");
        command.stdin(Stdio::null());
        let words = |words: &[&str]| words.iter().map(|word| CString::new(*word).expect("no null")).collect();
        let image = Image {
            path: CString::new("/bin/sh").expect("no null"),
            arguments: words(&["sh", "-c", "ulimit -n; ls /proc/self/fd; echo $NAME"]),
            environment: words(&["NAME=value", "PATH=/usr/bin:/bin"]),
        };
        confine_child(&mut command, Some((123, 456)), image);
        let output = command.output().expect("runs");
        // `ls` itself opens the folder it lists.
        assert_eq!(String::from_utf8_lossy(&output.stdout), "123\n0\n1\n2\n3\nvalue\n");
    }
}
