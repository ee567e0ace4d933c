//! One end of one connection: a thread that sends and one that receives.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::account::{Account, Counts};
use super::message::{MESSAGE_BYTES, append, mix};

/// Bytes given to one write, at most: small ones often.
const MOST_AT_ONCE: [u64; 5] = [200, 200, 4096, 4096, 65_536];
const STACK_BYTES: usize = 256 * 1024;

/// What one end does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Its number among all streams of messages.
    pub(super) stream: u64,
    /// Messages that it sends.
    pub(super) messages: u64,
    /// Messages that the other end sends.
    pub(super) due: u64,
    /// From this message on it sends only once the other direction has ended.
    pub(super) late_from: Option<u64>,
    pub(super) seed: u64,
}

/// What came of one end: the messages it was due, which stream they were of, and what failed.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) counts: Counts,
    pub(super) stream: Option<u64>,
    pub(super) failure: Option<String>,
}

/// Starts an end in `scope`; joining gives what came of it.
pub(super) fn start<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    part: Part,
    stream: TcpStream,
) -> impl FnOnce() -> Fate + use<'scope> {
    let spawn = thread::Builder::new().stack_size(STACK_BYTES);
    let (over, ended) = mpsc::channel();
    let writer = stream.try_clone().expect("a descriptor");
    let sending = spawn.spawn_scoped(scope, move || send(part, writer, &ended)).expect("a thread");
    let spawn = thread::Builder::new().stack_size(STACK_BYTES);
    let receiving = spawn
        .spawn_scoped(scope, move || {
            let fate = receive(part, stream);
            let _ = over.send(());
            fate
        })
        .expect("a thread");
    move || {
        let sent = sending.join().expect("no panic");
        let mut fate = receiving.join().expect("no panic");
        fate.failure = fate.failure.or(sent.err());
        fate
    }
}

fn send(part: Part, mut stream: TcpStream, ended: &mpsc::Receiver<()>) -> Result<(), String> {
    let mut seed = mix(part.seed ^ part.stream);
    let mut draw = |below: u64| {
        seed = mix(seed);
        seed % below
    };
    let mut buffer = Vec::new();
    let mut made = 0;
    let failed = |what: &str, error: std::io::Error| format!("{what} on stream {}: {error}", part.stream);
    loop {
        let late = part.late_from.filter(|from| made <= *from);
        let limit = MOST_AT_ONCE[draw(5) as usize];
        let most = 1 + draw(limit) as usize;
        let stop = late.unwrap_or(part.messages);
        while buffer.len() < most && made < stop {
            append(&mut buffer, part.stream, made);
            made += 1;
        }
        // Any cut, also within a message; what is left goes with the next.
        let count = buffer.len().min(most);
        stream.write_all(&buffer[..count]).map_err(|error| failed("send", error))?;
        buffer.drain(..count);
        if buffer.is_empty() && late == Some(made) {
            // It cannot end without us: who receives tells in any case.
            let _ = ended.recv();
            if made == part.messages {
                break;
            }
            append(&mut buffer, part.stream, made);
            made += 1;
        }
        if buffer.is_empty() && made == part.messages {
            break;
        }
    }
    stream.shutdown(Shutdown::Write).map_err(|error| failed("end", error))
}

fn receive(part: Part, mut stream: TcpStream) -> Fate {
    let mut account = Account::default();
    let mut buffer = vec![0; 1024 * MESSAGE_BYTES];
    let failure = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break None,
            Ok(read) => account.take(&buffer[..read]),
            Err(error) => break Some(format!("receive beside stream {}: {error}", part.stream)),
        }
    };
    let stream = account.stream;
    Fate { counts: account.close(part.due), stream, failure }
}
