//! What the screen shows of which run, as texts in `screens/`, and which display is chosen where.
//!
//! `CALLBOX_BLESS=1 cargo test -p callbox-cli live` writes the texts anew.

use std::path::Path;

use callbox::load::Snapshot;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::draw::draw;
use super::line::Look;
use super::rows::summary;
use super::{Display, Place};

mod on_terminal;
mod runs;

const PLAIN: Look = Look { colored: false, unicode: true };

fn drawn(snapshot: &Snapshot, (columns, rows): (u16, u16), look: Look) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory");
    terminal.draw(|frame| draw(frame, snapshot, look)).expect("memory").buffer.clone()
}

/// Returns what stands on the screen, without the spaces at the ends of rows.
fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.content.chunks(buffer.area.width.into()) {
        let row: String = row.iter().map(|cell| cell.symbol()).collect();
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// Compares with the text of this name, or writes it where that was asked for.
fn looks_as(name: &str, snapshot: &Snapshot, size: (u16, u16), look: Look) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui/live/screens").join(format!("{name}.txt"));
    let text = text_of(&drawn(snapshot, size, look));
    if std::env::var_os("CALLBOX_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the folder of the screens");
    }
    let due = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == due, "{name}: shown\n{text}\ndue\n{due}\nCALLBOX_BLESS=1 writes it anew");
}

#[test]
fn every_run_looks_as_it_should_on_a_usual_terminal() {
    for (name, snapshot) in runs::all() {
        looks_as(name, &snapshot, (80, 24), PLAIN);
    }
}

#[test]
fn a_screen_makes_do_with_the_room_there_is() {
    for size in [(120, 40), (60, 30), (40, 10), (10, 3), (80, 1), (1, 1)] {
        looks_as(&format!("exchange-{}x{}", size.0, size.1), &runs::exchange(), size, PLAIN);
    }
    looks_as("both-40x10", &runs::both(), (40, 10), PLAIN);
    looks_as("idle-40x10", &runs::idle(), (40, 10), PLAIN);
    looks_as("saturated-40x10", &runs::saturated(), (40, 10), PLAIN);
}

#[test]
fn a_terminal_of_ascii_gets_nothing_else() {
    looks_as("exchange-ascii", &runs::exchange(), (80, 24), Look { colored: false, unicode: false });
    for (name, snapshot) in runs::all() {
        let text = text_of(&drawn(&snapshot, (120, 40), Look { colored: true, unicode: false }));
        assert!(text.is_ascii(), "{name}: {text}");
    }
}

#[test]
fn any_size_is_drawn_and_every_row_of_a_huge_one_is_used() {
    for (name, snapshot) in runs::all() {
        for columns in (1..=130).step_by(9).chain([500]) {
            for rows in (1..=60).step_by(5).chain([200]) {
                let text = text_of(&drawn(&snapshot, (columns, rows), PLAIN));
                assert!(name == "empty" || !text.trim().is_empty(), "{name} in {columns}x{rows}");
            }
        }
    }
    let text = text_of(&drawn(&runs::exchange(), (500, 200), PLAIN));
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("127.0.0.1:8848") && rows[0].ends_with("left"), "{}", rows[0]);
    assert!(rows[199].contains("0 s") && rows[199].ends_with("10 s"), "{}", rows[199]);
}

#[test]
fn without_colour_nothing_but_text_is_shown_and_colour_adds_no_text() {
    for (name, snapshot) in runs::all() {
        let plain = drawn(&snapshot, (80, 24), PLAIN);
        let bare = |cell: &ratatui::buffer::Cell| {
            (cell.fg, cell.bg, cell.modifier) == (Color::Reset, Color::Reset, Modifier::empty())
        };
        assert!(plain.content.iter().all(bare), "{name}");
        let colored = drawn(&snapshot, (80, 24), Look { colored: true, unicode: true });
        assert_eq!(text_of(&plain), text_of(&colored), "{name}");
        assert!(name == "empty" || !colored.content.iter().all(bare), "{name}");
    }
}

#[test]
fn an_address_cannot_write_elsewhere_and_leaves_room_for_the_time() {
    let mut snapshot = runs::exchange();
    snapshot.report.address = "\x1b[2J\u{202e}中文.example:1".repeat(9);
    for columns in (1..200).step_by(3) {
        let text = text_of(&drawn(&snapshot, (columns, 24), PLAIN));
        assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
        assert!(columns < 20 || text.lines().next().is_some_and(|row| row.ends_with("4.2 s, 5.8 s left")), "{text}");
    }
    assert!(!summary(&snapshot).contains(['\x1b', '\u{202e}']));
}

#[test]
fn a_run_in_one_line() {
    let table = [
        (runs::exchange(), "bench 127.0.0.1:8848: 4.2 s of 10 s, 12,340/s, p99 4.02 ms, 3 errors"),
        (runs::both(), "bench 127.0.0.1:8848: 4.2 s of 10 s, 1.12 GiB/s to server, 903 MiB/s to client"),
        (runs::idle(), "bench 127.0.0.1:8848: 1m05s, 9,998 of 10,000 held, 2 errors"),
        (runs::warming_up(), "bench 127.0.0.1:8848: warming up for 1.2 s"),
        (Snapshot::default(), "bench : 0.0 s"),
    ];
    for (snapshot, line) in table {
        assert_eq!(summary(&snapshot), line);
    }
}

#[test]
fn where_nobody_looks_nothing_is_shown() {
    let of = |out, errors, term, no_screen| {
        Display::of(Place { stdout_is_terminal: out, stderr_is_terminal: errors, term, no_screen })
    };
    let table = [
        ((true, true, "xterm-256color", false), Display::Screen),
        ((true, false, "xterm-256color", false), Display::Screen),
        ((false, true, "xterm-256color", false), Display::Progress),
        ((false, false, "xterm-256color", false), Display::Nothing),
        ((true, true, "xterm-256color", true), Display::Progress),
        ((true, false, "xterm-256color", true), Display::Nothing),
        ((true, true, "dumb", false), Display::Nothing),
        ((false, true, "dumb", false), Display::Nothing),
        ((true, true, "", false), Display::Nothing),
    ];
    for ((out, errors, term, no_screen), display) in table {
        assert_eq!(of(out, errors, term, no_screen), display, "{out} {errors} {term} {no_screen}");
    }
}
