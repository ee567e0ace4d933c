//! A terminal's parser that panics at everything that a terminal would obey.

use vte::{Params, Parser, Perform};

/// Insists that a terminal does nothing with `text` but print it, and move on at newlines and tabs.
pub fn check(text: &str) {
    Parser::new().advance(&mut Harmless, text.as_bytes());
}

struct Harmless;

impl Perform for Harmless {
    fn print(&mut self, c: char) {
        let reorders =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let hides = matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{2028}' | '\u{2029}');
        assert!(!c.is_control() && !reorders && !hides, "{c:?} is printed");
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
