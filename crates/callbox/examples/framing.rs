//! Measures framers in memory: chunks of 64 KiB, frames of 80 bytes, GiB a second.

use std::hint::black_box;
use std::time::Duration;

use callbox::frame::{Framer, Framing};
use tokio::time::Instant;

const CHUNK_BYTES: usize = 64 * 1024;
const ROUNDS: usize = 5;

fn main() -> Result<(), callbox::Invalid> {
    for spec in
        ["line", "crlf", "delim:0x03", "fixed:80", "length:u16be", "varint", "netstring", "slip", "cobs", "json"]
    {
        let framing: Framing = spec.parse()?;
        let payload = match spec {
            "json" => format!("{{\"text\":\"{}\"}}", "x".repeat(68)),
            "fixed:80" => "x".repeat(80),
            _ => "x".repeat(78),
        };
        let stream = framing.encode(payload.as_bytes())?.repeat(800_000);
        let best = (0..ROUNDS).map(|_| frame(&framing, &stream)).min().unwrap_or_default();
        println!("{spec:14} {:6.2} GiB/s", stream.len() as f64 / best.as_secs_f64() / f64::from(1 << 30));
    }
    Ok(())
}

fn frame(framing: &Framing, stream: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut framer = Framer::new(framing);
    let mut bytes = 0;
    for mut chunk in stream.chunks(CHUNK_BYTES) {
        while let Ok(Some(frame)) = framer.next(begun, &mut chunk) {
            bytes += black_box(frame.payload).len();
        }
    }
    assert!(bytes > stream.len() / 2);
    begun.elapsed()
}
