//! The plainest ends of bulk streams: `reference-ends ADDR [--generate]` reads and discards, or writes, a thread a connection.

use std::io::{self, Read, Write};
use std::net::TcpListener;

use bench_reference::args::Args;

/// What is read and written at once.
const CHUNK_BYTES: usize = 256 * 1024;

fn main() -> io::Result<()> {
    let args = Args::of_process();
    let generate = args.has("generate");
    for stream in TcpListener::bind(args.addr())?.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || {
            let mut chunk = vec![0x5a; CHUNK_BYTES];
            // It is over when the other end says so, by whatever.
            if generate {
                while stream.write_all(&chunk).is_ok() {}
            } else {
                while stream.read(&mut chunk).is_ok_and(|read| read > 0) {}
            }
        });
    }
    Ok(())
}
