//! Loads over TLS: handshakes over and over, and streams as fast as they go. Threads that block: one server core is what is
//! measured, and the client only has to keep it busy.
//!
//! Every handshake is a full one with the same suite, group and, on the server's side, key: TLS 1.3, AES-128-GCM, X25519 (or
//! P-256, for servers that know no other). The client verifies nothing, for its work is not what is measured.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::cycle;
use crate::histogram::Histogram;
use crate::usage::Usage;

/// What is sent, and what must come back. A palindrome and a line, for `openssl s_server -rev` turns lines around.
const QUESTION: &[u8] = b"x\n";
/// What is written at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// A peer that says nothing for so long has lost the connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where TLS is spoken.
    pub addr: SocketAddrV4,
    /// Where a relay connects to: the sinks of [`bulk`] listen here. Without it the server itself takes what comes.
    pub upstream: Option<SocketAddrV4>,
    /// Connections at the same time.
    pub connections: usize,
    /// Load before the window, not counted.
    pub warm_up: Duration,
    /// What is counted.
    pub window: Duration,
    /// Whose processor time is taken over the window.
    pub server_pid: u32,
}

/// Connects, shakes hands, asks, waits for the answer and closes, in a loop.
///
/// # Errors
/// When no connection at all was answered in the window.
pub fn handshakes(plan: Plan) -> io::Result<cycle::Report> {
    let (config, state) = (config()?, Arc::new(State::default()));
    let workers: Vec<_> = (0..plan.connections)
        .map(|worker| {
            let (config, state) = (config.clone(), state.clone());
            thread::spawn(move || cycle_until_over(plan.addr, worker, &config, &state))
        })
        .collect();
    thread::sleep(plan.warm_up);
    let (usage, start) = (Usage::of(plan.server_pid), Instant::now());
    state.counting.store(true, Relaxed);
    thread::sleep(plan.window);
    state.counting.store(false, Relaxed);
    let mut report = cycle::Report { window: start.elapsed(), ..cycle::Report::default() };
    report.usage = Usage::of(plan.server_pid).since(usage);
    state.over.store(true, Relaxed);
    for worker in workers {
        let found = worker.join().expect("no panic");
        report.answered += found.answered;
        report.wrong += found.wrong;
        report.lost += found.lost;
        report.times.merge(&found.times);
    }
    if report.answered == 0 {
        return Err(io::Error::other("no handshake was answered"));
    }
    Ok(report)
}

/// Sends on each connection as fast as it goes; counts what arrives behind the relay, or without one what was sent.
///
/// # Errors
/// When a connection cannot be opened or nothing arrives.
pub fn bulk(plan: Plan) -> io::Result<super::bulk::Report> {
    let (config, state) = (config()?, Arc::new(State::default()));
    if let Some(upstream) = plan.upstream {
        let (listener, state) = (TcpListener::bind(upstream)?, state.clone());
        thread::spawn(move || accept(&listener, &state));
    }
    let streams = (0..plan.connections).map(|index| open(plan.addr, index, &config)).collect::<io::Result<Vec<_>>>()?;
    let sources: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let state = state.clone();
            thread::spawn(move || {
                let mut stream = stream;
                (send(&mut stream, &state), stream)
            })
        })
        .collect();
    let count = if plan.upstream.is_some() { &state.arrived } else { &state.sent };
    thread::sleep(plan.warm_up);
    let (usage, before, start) = (Usage::of(plan.server_pid), count.load(Relaxed), Instant::now());
    thread::sleep(plan.window);
    let (after, window) = (count.load(Relaxed), start.elapsed());
    let usage = Usage::of(plan.server_pid).since(usage);
    state.over.store(true, Relaxed);
    // Kept until all has arrived: closing with tickets unread would be a reset. One that failed shows in what is missing.
    let streams: Vec<_> = sources.into_iter().map(|source| source.join().expect("no panic")).collect();
    let missing = if plan.upstream.is_some() { state.settle() } else { 0 };
    drop(streams);
    if after == before {
        return Err(io::Error::other("nothing arrived"));
    }
    Ok(super::bulk::Report { bytes: after - before, slowest: 1.0, missing, window, usage })
}

/// What is shared with the threads.
#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
    counting: AtomicBool,
    sent: AtomicU64,
    arrived: AtomicU64,
}

impl State {
    /// Waits for what is under way; returns how many bytes there are too few or too many.
    fn settle(&self) -> u64 {
        let sent = self.sent.load(Relaxed);
        let (mut last, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_secs(1) {
            let arrived = self.arrived.load(Relaxed);
            if arrived == sent {
                break;
            }
            if arrived != last {
                (last, since) = (arrived, Instant::now());
            }
            thread::sleep(Duration::from_millis(2));
        }
        sent.abs_diff(self.arrived.load(Relaxed))
    }
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn cycle_until_over(addr: SocketAddrV4, worker: usize, config: &Arc<ClientConfig>, state: &State) -> Found {
    let mut found = Found::default();
    while !state.over.load(Relaxed) {
        let start = Instant::now();
        let outcome = open(addr, worker * 1000, config).and_then(|mut stream| exchange(&mut stream));
        if !state.counting.load(Relaxed) {
            continue;
        }
        match outcome {
            Ok(true) => {
                found.answered += 1;
                found.times.record(start.elapsed().as_nanos() as u64);
            }
            Ok(false) => found.wrong += 1,
            Err(_) => found.lost += 1,
        }
    }
    found
}

#[derive(Default)]
struct Found {
    answered: u64,
    wrong: u64,
    lost: u64,
    times: Histogram,
}

/// Asks, and tells whether the answer is right.
fn exchange(stream: &mut Tls) -> io::Result<bool> {
    stream.write_all(QUESTION)?;
    let mut answer = [0; QUESTION.len()];
    stream.read_exact(&mut answer)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(answer == QUESTION)
}

fn open(addr: SocketAddrV4, index: usize, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let stream: TcpStream = super::connect(addr, index)?.into();
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

fn send(stream: &mut Tls, state: &State) -> io::Result<()> {
    stream.sock.set_write_timeout(Some(PATIENCE))?;
    let chunk = vec![0x5a; CHUNK_BYTES];
    while !state.over.load(Relaxed) {
        stream.write_all(&chunk)?;
        state.sent.fetch_add(chunk.len() as u64, Relaxed);
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.shutdown(Shutdown::Write)
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let state = state.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; CHUNK_BYTES];
            while let Ok(received @ 1..) = stream.read(&mut buffer) {
                state.arrived.fetch_add(received as u64, Relaxed);
            }
        });
    }
}

fn config() -> io::Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![ring::kx_group::X25519, ring::kx_group::SECP256R1],
        ..ring::default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(io::Error::other)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = builder.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Believes everything.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}
