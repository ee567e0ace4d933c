//! Starting a child: its pipes, its environment, its error output.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use bytes::Bytes;
use tokio::net::unix::pipe;

use super::Program;
use crate::addr::{Addr, Host};
use crate::event::Event;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::session::Session;

/// The longest line of a child's error output that is reported in one piece.
const LINE_BYTES: usize = 16 * 1024;

/// A running child and our ends of its pipes.
pub(super) struct Started {
    pub(super) child: std::process::Child,
    pub(super) input: pipe::Sender,
    pub(super) output: pipe::Receiver,
    pub(super) errors: pipe::Receiver,
}

/// Starts the program in a process group of its own.
pub(super) fn start(program: &Program, stream: &Stream) -> io::Result<Started> {
    let mut command = Command::new(&program.words[0]);
    command.args(&program.words[1..]).env_clear().envs(program.environment.iter().cloned());
    command.envs(connection_names(stream));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    sys::confine_child(&mut command, program.nofile);
    let mut child = command.spawn()?;
    let input = OwnedFd::from(child.stdin.take().expect("piped above"));
    let output = OwnedFd::from(child.stdout.take().expect("piped above"));
    let errors = OwnedFd::from(child.stderr.take().expect("piped above"));
    let pipes = || {
        Ok((
            pipe::Sender::from_owned_fd(input)?,
            pipe::Receiver::from_owned_fd(output)?,
            pipe::Receiver::from_owned_fd(errors)?,
        ))
    };
    match pipes() {
        Ok((input, output, errors)) => Ok(Started { child, input, output, errors }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// The connection as UCSPI and as ncat name it. Nothing in it comes from the peer's bytes.
fn connection_names(stream: &Stream) -> Vec<(&'static str, OsString)> {
    let mut names: Vec<(&'static str, OsString)> = Vec::new();
    let peer = stream.session().peer();
    if let Addr::Unix(_) = peer {
        names.push(("PROTO", "UNIX".into()));
        return names;
    }
    names.push(("PROTO", "TCP".into()));
    names.push(("NCAT_PROTO", "TCP".into()));
    let mut add = |addr: &Addr, ip_names: [&'static str; 2], port_names: [&'static str; 2]| {
        if let Addr::Tcp { host, port } = addr {
            let ip = match host {
                Host::Ip(ip) => ip.to_canonical().to_string(),
                Host::Name(scoped) => scoped.clone(),
                Host::Loopback | Host::Any => return,
            };
            names.extend(ip_names.map(|name| (name, ip.clone().into())));
            names.extend(port_names.map(|name| (name, port.to_string().into())));
        }
    };
    add(peer, ["TCPREMOTEIP", "NCAT_REMOTE_ADDR"], ["TCPREMOTEPORT", "NCAT_REMOTE_PORT"]);
    if let Some(local) = stream.local() {
        add(&local, ["TCPLOCALIP", "NCAT_LOCAL_ADDR"], ["TCPLOCALPORT", "NCAT_LOCAL_PORT"]);
    }
    names
}

/// Reports each line of a child's error output as an event, until it ends.
pub(super) async fn report_errors(errors: pipe::Receiver, session: Session) {
    let mut line = Vec::new();
    loop {
        if errors.readable().await.is_err() {
            break;
        }
        match errors.try_read_buf(&mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        while let Some(end) = memchr::memchr(b'\n', &line) {
            let rest = line.split_off(end + 1);
            line.truncate(end);
            report(&session, std::mem::replace(&mut line, rest));
        }
        if line.len() >= LINE_BYTES {
            report(&session, std::mem::take(&mut line));
        }
    }
    if !line.is_empty() {
        report(&session, line);
    }
}

fn report(session: &Session, line: Vec<u8>) {
    session.observers().emit(|| Event::Child { session: session.id(), message: Bytes::from(line) });
}
