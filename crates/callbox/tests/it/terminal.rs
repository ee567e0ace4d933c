//! What a terminal makes of what the printer lets through, by a terminal's parser that is not ours.

use callbox::rng::Rng;
use callbox::text::{Encoding, Lines, Printer};
use callbox_testkit::harmless::Screen;
use callbox_testkit::{ENCODINGS, assert_harmless};

const CHUNK_BYTES: usize = 64 * 1024;

/// Shows that many random bytes, and returns how many characters that took.
fn show(encoding: Encoding, lines: Lines, bytes: usize, seed: u64) -> u64 {
    let (mut rng, mut chunk) = (Rng::new(seed), vec![0; CHUNK_BYTES]);
    let mut printer = Printer::in_encoding(lines, encoding);
    let (mut terminal, mut out) = (Screen::default(), String::new());
    let mut left = bytes;
    while left > 0 {
        let chunk = &mut chunk[..left.min(CHUNK_BYTES)];
        rng.fill(chunk);
        left -= chunk.len();
        printer.push(chunk, &mut out);
        if left == 0 {
            printer.finish(&mut out);
        }
        terminal.shows(out.as_bytes());
        out.clear();
    }
    terminal.printed()
}

/// How many random bytes it takes to be sure: a few with `CALLBOX_TEST_QUICK=1`.
#[expect(clippy::disallowed_methods, reason = "a test is told by its runner how much time there is")]
fn random_bytes() -> usize {
    if std::env::var("CALLBOX_TEST_QUICK").is_ok_and(|value| value == "1") { 1_000_000 } else { 100_000_000 }
}

#[test]
fn a_terminal_finds_nothing_to_obey_in_random_bytes() {
    let half = random_bytes() / 2;
    std::thread::scope(|scope| {
        for (lines, seed) in [(Lines::Pass, 1), (Lines::Escape, 2)] {
            scope.spawn(move || {
                let printed = show(Encoding::UTF_8, lines, half, seed);
                assert!(printed > 2 * half as u64, "{printed} characters for {half} bytes");
            });
        }
    });
}

#[test]
fn a_terminal_finds_nothing_to_obey_in_any_encoding() {
    for (seed, label) in ENCODINGS.into_iter().enumerate() {
        let encoding = label.parse().expect("a label");
        let printed = show(encoding, Lines::Pass, random_bytes() / 200, seed as u64);
        assert!(printed > 1000, "{label}: {printed}");
    }
}

#[test]
fn the_parser_would_obey_what_is_not_escaped() {
    for bytes in [&b"\x1b[2J"[..], b"\x1b]0;title\x07", b"\x1bPq", b"\x1bc", b"\x07", b"\xc2\x9b"] {
        let obeyed = std::panic::catch_unwind(|| assert_harmless(bytes));
        assert!(obeyed.is_err(), "{bytes:?}");
    }
}
