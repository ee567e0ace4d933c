//! The framers of callbox over memory, beside memchr alone; prints words `name=value`, medians of passes in turn.
//!
//! `reference-frames [--mib N]`

use std::hint::black_box;
use std::io;
use std::time::Instant;

use bench_reference::args::Args;
use callbox::frame::{Framer, Framing};

/// An odd number, for the median; a pass takes some hundredths of a second.
const PASSES: usize = 9;
/// What one read of a stream brings.
const INPUT_BYTES: usize = 64 * 1024;
/// Of a line with its end, and of a frame with its length.
const FRAME_BYTES: usize = 80;

fn main() -> io::Result<()> {
    let bytes = Args::of_process().value("mib", 64) << 20;
    let (lines, frames) = (lines(bytes), frames(bytes));
    let whole = bytes / FRAME_BYTES;
    let mut rates: [Vec<f64>; 3] = Default::default();
    for pass in 0..=PASSES {
        let found = [
            timed(&lines, whole, |bytes| Ok(newlines(bytes)))?,
            timed(&lines, whole, |bytes| framed("line", bytes))?,
            timed(&frames, whole, |bytes| framed("length:u16be", bytes))?,
        ];
        // The first one brings the pages and the processor's clock up.
        if pass > 0 {
            rates.iter_mut().zip(found).for_each(|(rates, found)| rates.push(found));
        }
    }
    for (name, mut rates) in ["memchr", "line", "length"].into_iter().zip(rates) {
        rates.sort_by(f64::total_cmp);
        print!("{name}_gib_s={:.3} ", rates[PASSES / 2]);
    }
    println!("frames={whole}");
    Ok(())
}

/// Returns GiB/s; fails unless `whole` frames are found.
fn timed(bytes: &[u8], whole: usize, find: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<f64> {
    let started = Instant::now();
    let found = find(black_box(bytes))?;
    let rate = bytes.len() as f64 / f64::from(1 << 30) / started.elapsed().as_secs_f64();
    if found == whole { Ok(rate) } else { Err(io::Error::other(format!("{found} frames found, not {whole}"))) }
}

fn newlines(bytes: &[u8]) -> usize {
    let mut found = 0;
    for mut input in bytes.chunks(INPUT_BYTES) {
        while let Some(at) = memchr::memchr(b'\n', input) {
            black_box(&input[..at]);
            input = &input[at + 1..];
            found += 1;
        }
    }
    found
}

fn framed(framing: &str, bytes: &[u8]) -> io::Result<usize> {
    let framing: Framing = framing.parse().map_err(io::Error::other)?;
    let mut framer = Framer::new(&framing);
    let mut found = 0;
    for mut input in bytes.chunks(INPUT_BYTES) {
        let at = tokio::time::Instant::now();
        while let Some(frame) = framer.next(at, &mut input).map_err(io::Error::other)? {
            black_box(frame.payload);
            found += 1;
        }
    }
    Ok(found)
}

/// Returns lines and the beginning of one, `len` bytes together.
fn lines(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| if index % FRAME_BYTES == FRAME_BYTES - 1 { b'\n' } else { b'a' + (index % 23) as u8 })
        .collect()
}

/// Returns frames and the beginning of one, `len` bytes together, lengths in two bytes.
fn frames(len: usize) -> Vec<u8> {
    let length = ((FRAME_BYTES - 2) as u16).to_be_bytes();
    (0..len).map(|index| length.get(index % FRAME_BYTES).copied().unwrap_or((index % 251) as u8)).collect()
}
