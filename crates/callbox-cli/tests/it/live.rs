//! What is seen of a load run while it goes on: a screen, a line, or nothing (rows 73 and 74).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callbox_testkit::{Callbox, Input, Output, Process, Terminal, deadline, scaled};

use crate::cli::{callbox, served};

/// Long enough that every test ends it sooner, or waits for nothing else.
const LONG: &[&str] = &["-d", "60s"];
const SHORT: &[&str] = &["-d", "1500ms"];

fn bench(address: SocketAddr, words: &[&str]) -> Callbox {
    callbox(["bench", &address.to_string(), "--send", "hello", "-c", "4"]).args(words.iter().copied())
}

fn is_screen(address: SocketAddr, rows: &[String]) -> bool {
    rows.first().is_some_and(|row| row.starts_with(&address.to_string()) && row.ends_with(" left"))
}

/// Waits for a screen with figures on it.
#[track_caller]
fn sees_screen(terminal: &Terminal, address: SocketAddr) {
    let counts = |row: &String| row.starts_with("rate") && !row.contains("now -");
    terminal.sees("the screen", |rows| is_screen(address, rows) && rows.iter().any(counts));
}

/// What the terminal was sent after the screen was gone.
fn after_screen(terminal: &Terminal) -> String {
    let bytes = terminal.screen().text();
    bytes.rsplit_once("\x1b[?1049l").unwrap_or_else(|| panic!("no end of a screen in {bytes:?}")).1.to_owned()
}

/// Ends the run by Ctrl-C: the terminal is as it was, and the report stands on it.
#[track_caller]
fn leaves(terminal: &Terminal, address: SocketAddr, run: Process, before: &str) {
    terminal.types("\x03");
    run.ends_with_input_open().exited(130);
    assert_eq!(settings(terminal), before);
    terminal.sees("the report", |rows| !is_screen(address, rows) && rows.iter().any(|row| row.contains("p99")));
}

fn settings(terminal: &Terminal) -> String {
    format!("{:?}", terminal.settings())
}

fn on_screen(words: &[&str]) -> (Process, SocketAddr, Terminal, Process, String) {
    let (server, address) = served(["--echo"]);
    let terminal = Terminal::opens();
    let before = settings(&terminal);
    let run = bench(address, words).on_terminal(&terminal).start();
    (server, address, terminal, run, before)
}

#[test]
fn the_screen_is_gone_at_the_end_and_the_report_stands_in_its_place() {
    let (server, address, terminal, run, before) = on_screen(SHORT);
    sees_screen(&terminal, address);
    terminal.types("typed in vain\n");
    run.ends_with_input_open().exited(0);
    assert_eq!(settings(&terminal), before);
    terminal.sees("the report", |rows| !is_screen(address, rows) && rows.iter().any(|row| row.contains("p99")));
    assert!(!terminal.screen().text().contains("typed in vain"));
    server.drains();
}

#[test]
fn a_small_terminal_has_the_most_important_rows() {
    let (server, address) = served(["--echo"]);
    let terminal = Terminal::opens();
    terminal.resizes(10, 40);
    let run = bench(address, LONG).on_terminal(&terminal).start();
    sees_screen(&terminal, address);
    terminal.sees("ten rows", |rows| {
        rows.len() <= 10
            && ["rate", "errors", "response"].iter().all(|name| rows.iter().any(|row| row.starts_with(name)))
    });
    terminal.types("\x03");
    run.ends_with_input_open().exited(130);
    server.drains();
}

#[test]
fn control_c_on_the_screen_prints_the_report() {
    let (server, address, terminal, run, before) = on_screen(LONG);
    sees_screen(&terminal, address);
    leaves(&terminal, address, run, &before);
    server.drains();
}

#[test]
fn row_73_control_z_gives_the_terminal_back_and_fg_draws_again() {
    let (server, address) = served(["--echo"]);
    let terminal = Terminal::opens();
    let before = settings(&terminal);
    let shell = ["sh", "-c", "set -m; \"$@\"; echo stopped; read -r line; fg; exit $?", "sh"];
    let run = bench(address, LONG).through(shell).on_terminal(&terminal).start();
    sees_screen(&terminal, address);
    terminal.types("\x1a");
    terminal.sees("the shell", |rows| !is_screen(address, rows) && rows.iter().any(|row| row == "stopped"));
    assert_eq!(settings(&terminal), before);
    terminal.types("go on\n");
    sees_screen(&terminal, address);
    leaves(&terminal, address, run, &before);
    server.drains();
}

#[test]
fn row_74_a_storm_of_sizes_breaks_nothing() {
    // So few exchanges that what is used is the screen's.
    let (server, address, terminal, mut run, before) = on_screen(&["-d", "60s", "--rate", "10/s"]);
    sees_screen(&terminal, address);
    let side = terminal.side();
    let resize = |ws_row, ws_col| {
        let size = rustix::termios::Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&side, size).expect("own terminal");
    };
    let (begun, used) = (Instant::now(), run.reading().cpu());
    let sizes = [(1, 1), (24, 80), (200, 500), (3, 10), (10, 40), (0, 0)];
    for (rows, columns) in sizes.into_iter().cycle().take(400) {
        resize(rows, columns);
        deadline::let_pass(Duration::from_millis(5));
    }
    let used = (run.reading().cpu() - used).as_secs_f64() / begun.elapsed().as_secs_f64();
    assert!(used < 0.2 * scaled(Duration::from_secs(1)).as_secs_f64(), "{used}");
    run.still_runs();
    resize(24, 80);
    sees_screen(&terminal, address);
    terminal.types("\x03");
    run.ends_with_input_open().exited(130);
    assert_eq!(settings(&terminal), before);
    server.drains();
}

#[test]
fn no_color_is_obeyed_on_the_screen() {
    for (no_color, is_colored) in [("", true), ("1", false)] {
        let (server, address) = served(["--echo"]);
        let terminal = Terminal::opens();
        let run = bench(address, SHORT).env("NO_COLOR", no_color).on_terminal(&terminal).start();
        sees_screen(&terminal, address);
        run.ends_with_input_open().exited(0);
        after_screen(&terminal);
        assert_eq!(terminal.screen().text().contains("\x1b[38;"), is_colored);
        server.drains();
    }
}

#[test]
fn where_no_screen_is_wanted_or_possible_there_is_none() {
    let (server, address) = served(["--echo"]);
    for (words, term, may_go_back) in [(&["--no-screen"][..], "xterm", true), (&[], "dumb", false)] {
        let terminal = Terminal::opens().without_processing();
        let run = bench(address, SHORT).args(words.iter().copied()).env("TERM", term).env("NO_COLOR", "1");
        run.on_terminal(&terminal).start().ends_with_input_open().exited(0);
        let bytes = terminal.shows("p99").screen().bytes();
        assert!(!bytes.contains(&0x1b), "{}", bytes.escape_ascii());
        assert!(may_go_back || !bytes.contains(&b'\r'), "{}", bytes.escape_ascii());
    }
    server.drains();
}

#[test]
fn a_report_into_a_file_leaves_a_line_on_the_terminal_while_it_is_made() {
    let (server, address) = served(["--echo"]);
    let terminal = Terminal::opens().without_processing();
    let run = bench(address, SHORT).input(Input::Null).errors(Output::To(terminal.side())).start();
    terminal.shows(format!("bench {address}: "));
    run.exits(0).showed("p99");
    terminal.sees("no line", |rows| !rows.iter().any(|row| row.starts_with("bench ")));
    let bytes = terminal.screen().bytes();
    assert!(!bytes.contains(&0x1b) && !bytes.contains(&b'\n'), "{}", bytes.escape_ascii());
    server.drains();
}

#[test]
fn without_a_terminal_neither_a_screen_nor_a_line_is_shown() {
    let (server, address) = served(["--echo"]);
    let outcome = bench(address, SHORT).run().exited(0).showed("p99");
    let bytes = [outcome.stdout.as_slice(), outcome.stderr.as_bytes()].concat();
    assert!(!bytes.contains(&0x1b) && !bytes.contains(&b'\r'), "{}", bytes.escape_ascii());
    server.drains();
}
