//! A terminal's parser that panics at everything that a terminal would obey.

use vte::{Params, Parser, Perform};

/// Insists that a terminal does nothing with `text` but print it, and move on at newlines and tabs.
///
/// # Panics
///
/// At the first thing that a terminal would obey.
pub fn assert_harmless(text: &[u8]) {
    Screen::default().shows(text);
}

/// A terminal that is shown text piece by piece.
#[derive(Default)]
pub struct Screen {
    parser: Parser,
    harmless: Harmless,
}

impl Screen {
    /// Shows it more.
    ///
    /// # Panics
    ///
    /// At the first thing that a terminal would obey.
    pub fn shows(&mut self, text: &[u8]) {
        self.parser.advance(&mut self.harmless, text);
    }

    /// Returns how many characters it has printed.
    pub fn printed(&self) -> u64 {
        self.harmless.printed
    }
}

#[derive(Default)]
struct Harmless {
    printed: u64,
}

impl Perform for Harmless {
    fn print(&mut self, c: char) {
        let reorders =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let hides = matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{2028}' | '\u{2029}');
        assert!(!c.is_control() && !reorders && !hides, "{c:?} is printed");
        self.printed += 1;
    }

    fn execute(&mut self, byte: u8) {
        assert!(matches!(byte, b'\n' | b'\t'), "{byte:#x} is obeyed");
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
