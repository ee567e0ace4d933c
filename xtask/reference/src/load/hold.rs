//! Connections that stay, idle, while somebody else looks at the server.

use std::io::{BufRead, Write};
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, Result};
use rustix::net::{self, RecvFlags, SendFlags};

use super::message::Messages;

const MESSAGE_BYTES: usize = 64;
/// A second chance for servers that answer late, each.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Opens `connections`, says `connected N`, then obeys the lines of `orders`: `echo` exchanges one message on each and
/// says `echoed N`; the end of orders ends it.
///
/// # Errors
/// When a connection cannot be opened.
pub fn run(addr: SocketAddrV4, connections: usize, orders: impl BufRead, mut says: impl Write) -> std::io::Result<()> {
    let streams = (0..connections).map(|index| super::connect(addr, index)).collect::<Result<Vec<OwnedFd>>>()?;
    writeln!(says, "connected {}", streams.len())?;
    says.flush()?;
    for order in orders.lines() {
        if order? != "echo" {
            break;
        }
        let right =
            streams.iter().enumerate().filter(|(index, stream)| exchange(stream, *index as u32) == Ok(true)).count();
        writeln!(says, "echoed {right}")?;
        says.flush()?;
    }
    Ok(())
}

/// Sends one message and says whether exactly that came back.
fn exchange(stream: &OwnedFd, index: u32) -> Result<bool> {
    let messages = Messages::of_size(MESSAGE_BYTES);
    let (mut due, mut buffer) = ([0; MESSAGE_BYTES], [0; MESSAGE_BYTES]);
    messages.write(&mut due, index, 0);
    net::send(stream, &due, SendFlags::NOSIGNAL)?;
    let deadline = Instant::now() + ANSWER_LIMIT;
    let mut received = 0;
    while received < MESSAGE_BYTES {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(|_| Errno::INVAL)?;
        if poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&left))? == 0 {
            return Err(Errno::TIMEDOUT);
        }
        match net::recv(stream, &mut buffer[received..], RecvFlags::empty())? {
            (0, _) => return Ok(false),
            (more, _) => received += more,
        }
    }
    Ok(buffer == due)
}
