//! What a terminal makes of what the printer lets through, by a terminal's parser that is not ours.

use callbox::rng::Rng;
use callbox::text::{Encoding, Lines, Printer};
use vte::{Params, Parser, Perform};

/// Counts what is harmless and panics at everything that a terminal would obey.
#[derive(Default)]
struct Obedient {
    printed: u64,
}

impl Perform for Obedient {
    fn print(&mut self, c: char) {
        let reorders =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!c.is_control() && !reorders, "{c:?}");
        self.printed += 1;
    }

    fn execute(&mut self, byte: u8) {
        assert!(matches!(byte, b'\n' | b'\t'), "{byte:#x}");
    }

    fn hook(&mut self, _params: &Params, _intermediates: &[u8], _ignore: bool, action: char) {
        panic!("a device control string {action}");
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _bell: bool) {
        panic!("an operating system command {params:?}");
    }

    fn csi_dispatch(&mut self, _params: &Params, _intermediates: &[u8], _ignore: bool, action: char) {
        panic!("a control sequence {action}");
    }

    fn esc_dispatch(&mut self, _intermediates: &[u8], _ignore: bool, byte: u8) {
        panic!("an escape sequence {byte:#x}");
    }
}

const CHUNK_BYTES: usize = 64 * 1024;

/// Shows that many random bytes, and returns how many characters that took.
fn show(encoding: Encoding, lines: Lines, bytes: usize, seed: u64) -> u64 {
    let (mut rng, mut chunk) = (Rng::new(seed), vec![0; CHUNK_BYTES]);
    let (mut printer, mut parser) = (Printer::in_encoding(lines, encoding), Parser::new());
    let (mut terminal, mut out) = (Obedient::default(), String::new());
    let mut left = bytes;
    while left > 0 {
        let chunk = &mut chunk[..left.min(CHUNK_BYTES)];
        rng.fill(chunk);
        left -= chunk.len();
        printer.push(chunk, &mut out);
        if left == 0 {
            printer.finish(&mut out);
        }
        parser.advance(&mut terminal, out.as_bytes());
        out.clear();
    }
    terminal.printed
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
    let labels = [
        "gbk",
        "gb18030",
        "big5",
        "shift_jis",
        "euc-jp",
        "euc-kr",
        "iso-2022-jp",
        "utf-16le",
        "utf-16be",
        "windows-1252",
        "koi8-r",
        "x-user-defined",
    ];
    for (seed, label) in labels.into_iter().enumerate() {
        let encoding = label.parse().expect("a label");
        let printed = show(encoding, Lines::Pass, random_bytes() / 200, seed as u64);
        assert!(printed > 1000, "{label}: {printed}");
    }
}

#[test]
fn the_parser_would_obey_what_is_not_escaped() {
    for bytes in [&b"\x1b[2J"[..], b"\x1b]0;title\x07", b"\x1bPq", b"\x1bc", b"\x07", b"\xc2\x9b"] {
        let obeyed = std::panic::catch_unwind(|| Parser::new().advance(&mut Obedient::default(), bytes));
        assert!(obeyed.is_err(), "{bytes:?}");
    }
}
