//! How a client is tested without a runtime: against a real server, and against a peer that does what servers rarely do.
//!
//! `cargo run --example fixture`; in a project the three functions would be `#[test]`s.

use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpStream};

use callbox::fixture::{Peer, Server};

/// What is to be tested: asks, and reads one line of answer.
fn ask(addr: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(b"time?\n")?;
    let mut line = String::new();
    io::BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

fn a_server_answers() {
    let server = Server::reply("12:34\n");
    assert_eq!(ask(server.addr()).unwrap(), "12:34\n");
    assert_eq!(server.stop().to_server_bytes, 6);
}

fn an_answer_in_two_halves_is_put_together() {
    let peer = Peer::listen().expects("time?\n").sends("12:").sends("34\n").expects_end().start();
    assert_eq!(ask(peer.addr()).unwrap(), "12:34\n");
    println!("{}", peer.join());
}

fn a_reset_is_an_error() {
    let peer = Peer::listen().expects("time?\n").sends("12:").resets().start();
    assert_eq!(ask(peer.addr()).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

fn main() {
    [a_server_answers, an_answer_in_two_halves_is_put_together, a_reset_is_an_error].iter().for_each(|test| test());
}
