//! Streams of bytes through a relay, as fast as they go: both ends are here, and what arrives is counted where it arrives.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::io::{Errno, Result};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};

use crate::usage::Usage;

/// What is read and written at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// What a source that does not copy sends from, over and over.
const FILE_BYTES: usize = 1024 * 1024;
/// How often a source that is not let write looks whether it is over.
const WRITE_LIMIT: Duration = Duration::from_millis(200);
/// The upstream must have all connections by then.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// After the end, bytes that are still under way may not pause for longer.
const QUIET: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What source and sink do with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// `send` and `recv` with buffers, as programs do.
    Copy,
    /// `sendfile` from memory, and `recv` with `MSG_TRUNC`, which discards: they cost little, so the relay is what is seen.
    Zero,
}

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where the relay is.
    pub addr: SocketAddrV4,
    /// Where it connects to: the sinks listen here.
    pub upstream: SocketAddrV4,
    /// Streams at the same time.
    pub streams: usize,
    /// What the ends do.
    pub ends: Ends,
    /// Load before the window, not counted.
    pub warm_up: Duration,
    /// What is counted.
    pub window: Duration,
    /// Whose processor time is taken over the window.
    pub server_pid: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Bytes that arrived in the window.
    pub bytes: u64,
    /// What the slowest stream had of the mean.
    pub slowest: f64,
    /// Bytes that were sent, in all the time, and did not arrive, or arrived and were not sent.
    pub missing: u64,
    /// The window as it was.
    pub window: Duration,
    /// Who used the processor.
    pub usage: Usage,
}

/// What is shared with the threads.
#[derive(Debug)]
struct Counts {
    over: AtomicBool,
    sent: AtomicU64,
    connected: AtomicU64,
    /// By stream.
    received: Vec<AtomicU64>,
}

/// Performs `plan`.
///
/// # Errors
/// When a connection cannot be opened or does not come out at the upstream's address, or when nothing arrives.
pub fn run(plan: Plan) -> Result<Report> {
    let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    net::bind(&listener, &plan.upstream)?;
    net::listen(&listener, plan.streams as i32)?;
    let received = (0..plan.streams).map(|_| AtomicU64::new(0)).collect();
    let (over, sent, connected) = Default::default();
    let counts = Arc::new(Counts { over, sent, connected, received });
    let sinks = counts.clone();
    // Not waited for: a relay that never ends its streams must not keep this program.
    thread::spawn(move || accept(&listener, &sinks, plan));
    let streams = (0..plan.streams).map(|index| super::connect(plan.addr, index)).collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + OPEN_LIMIT;
    while counts.connected.load(Relaxed) < plan.streams as u64 {
        if Instant::now() > deadline {
            return Err(Errno::TIMEDOUT);
        }
        thread::sleep(LOOK_EVERY);
    }
    let start = |stream| {
        let counts = counts.clone();
        thread::spawn(move || (send(&stream, &counts, plan.ends), stream))
    };
    let sources: Vec<_> = streams.into_iter().map(start).collect();
    thread::sleep(plan.warm_up);
    let (usage, before, start) = (Usage::of(plan.server_pid), counts.arrived(), Instant::now());
    thread::sleep(plan.window);
    let (after, window) = (counts.arrived(), start.elapsed());
    let usage = Usage::of(plan.server_pid).since(usage);
    counts.over.store(true, Relaxed);
    // Kept until all has arrived. A source that failed shows in what is missing.
    let streams: Vec<_> = sources.into_iter().map(|source| source.join().expect("no panic")).collect();
    let missing = counts.settle();
    drop(streams);
    let each: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    let bytes: u64 = each.iter().sum();
    let slowest = each.iter().copied().min().unwrap_or(0) as f64 * plan.streams as f64 / bytes as f64;
    if bytes == 0 {
        return Err(Errno::NODATA);
    }
    Ok(Report { bytes, slowest, missing, window, usage })
}

impl Counts {
    fn arrived(&self) -> Vec<u64> {
        self.received.iter().map(|count| count.load(Relaxed)).collect()
    }

    /// Waits for what is under way; returns how many bytes there are too few or too many.
    fn settle(&self) -> u64 {
        let sent = self.sent.load(Relaxed);
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let arrived = self.arrived().iter().sum();
            if arrived == sent || since.elapsed() > QUIET {
                return sent.abs_diff(arrived);
            }
            if arrived != last {
                (last, since) = (arrived, Instant::now());
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

fn accept(listener: &OwnedFd, counts: &Arc<Counts>, plan: Plan) {
    for index in 0..plan.streams {
        let Ok(stream) = net::accept_with(listener, SocketFlags::CLOEXEC) else { return };
        counts.connected.fetch_add(1, Relaxed);
        let counts = counts.clone();
        thread::spawn(move || {
            let flags = if plan.ends == Ends::Zero { RecvFlags::TRUNC } else { RecvFlags::empty() };
            let mut buffer = vec![0; CHUNK_BYTES];
            while let Ok((_, received @ 1..)) = net::recv(&stream, &mut buffer[..], flags) {
                counts.received[index].fetch_add(received as u64, Relaxed);
            }
        });
    }
}

/// Sends until it is over, then the end of stream.
fn send(stream: &OwnedFd, counts: &Counts, ends: Ends) -> Result<()> {
    rustix::io::ioctl_fionbio(stream, false)?;
    sockopt::set_socket_timeout(stream, Timeout::Send, Some(WRITE_LIMIT))?;
    let file = memfd_create("bulk", MemfdFlags::CLOEXEC)?;
    let chunk = vec![0x5a; CHUNK_BYTES];
    (0..FILE_BYTES / CHUNK_BYTES)
        .try_for_each(|part| rustix::io::pwrite(&file, &chunk, (part * CHUNK_BYTES) as u64).map(drop))?;
    while !counts.over.load(Relaxed) {
        let sent = match ends {
            Ends::Copy => net::send(stream, &chunk, SendFlags::NOSIGNAL),
            Ends::Zero => sendfile(stream, &file, Some(&mut 0), FILE_BYTES),
        };
        match sent {
            Ok(sent) => drop(counts.sent.fetch_add(sent as u64, Relaxed)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    net::shutdown(stream, Shutdown::Write)
}
