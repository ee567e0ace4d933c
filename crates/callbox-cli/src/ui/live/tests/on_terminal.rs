//! The screen on a terminal, as a person meets it: this test binary starts itself on one.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use callbox::load::Snapshot;
use callbox_testkit::{Callbox, Outcome, Process, Scratch, Signal, Terminal, deadline, scaled};
use tokio::signal::unix::{SignalKind, signal};

use super::super::{Progress, Screen};
use super::runs;
use crate::console::direct;

/// Where the program finds the test that drives it.
const DRIVER: &str = "CALLBOX_TEST_DRIVER";
/// What the program shows: `screen`, `plain` or `progress`.
const SHOWN: &str = "CALLBOX_TEST_SHOWN";
/// The test that is the program instead when a driver is named: this binary has no other way in.
const PROGRAM: &str = "ui::live::tests::on_terminal::a_screen_without_a_terminal_is_an_error";

/// A program on a terminal, with a line to it besides the keyboard.
struct Driven {
    terminal: Terminal,
    process: Process,
    wire: UnixStream,
    before: String,
    _scratch: Scratch,
}

impl Driven {
    fn starts(shown: &str) -> Driven {
        Driven::starts_by(shown, |program| program)
    }

    fn starts_by(shown: &str, how: impl FnOnce(Callbox) -> Callbox) -> Driven {
        let scratch = Scratch::new();
        let terminal = Terminal::opens();
        let before = format!("{:?}", terminal.settings());
        let path = scratch.path().join("wire");
        let listener = UnixListener::bind(&path).expect("a socket");
        let program = Callbox::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", PROGRAM, "--nocapture", "--test-threads=1"])
            .env(DRIVER, &path)
            .env(SHOWN, shown)
            .within_folder(scratch.path());
        let process = how(program).on_terminal(&terminal).start();
        let wire = listener.accept().expect("the program").0;
        Driven { terminal, process, wire, before, _scratch: scratch }
    }

    fn does(&mut self, what: &str) -> &mut Self {
        writeln!(self.wire, "{what}").expect("the program listens");
        self
    }

    #[track_caller]
    fn sees_screen(&self) -> &Self {
        self.terminal
            .sees("the screen", |rows| is_screen(rows) && rows.last().is_some_and(|row| row.ends_with("10 s")));
        self
    }

    /// Waits for the end, after which nothing is left of the screen.
    #[track_caller]
    fn exits(self, code: i32) -> (Terminal, Outcome) {
        let outcome = self.process.ends_with_input_open().exited(code);
        assert_eq!(format!("{:?}", self.terminal.settings()), self.before, "the terminal is as it was");
        self.terminal.sees("no screen", |rows| !is_screen(rows));
        (self.terminal, outcome)
    }
}

fn is_screen(rows: &[String]) -> bool {
    rows.first().is_some_and(|row| row.starts_with("127.0.0.1:8848") && row.ends_with("left"))
}

/// The program: shows a run, and does what the wire says.
fn be_the_program(path: &str, shown: &str) -> ! {
    let wire = BufReader::new(UnixStream::connect(path).expect("the test listens"));
    // Below what the test harness has written.
    direct::write(direct::To::Output, b"\n").expect("a terminal");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let code = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("a signal");
        let (asks, mut asked) = tokio::sync::mpsc::channel(1);
        let show: Box<dyn Fn(Snapshot)> = match shown {
            "progress" => {
                let progress = Progress::start().expect("a terminal");
                Box::new(move |snapshot| progress.show(snapshot))
            }
            _ => {
                let screen = Screen::start(shown == "screen").expect("a terminal");
                Box::new(move |snapshot| screen.show(snapshot))
            }
        };
        std::thread::spawn(move || wire.lines().map_while(Result::ok).try_for_each(|line| asks.blocking_send(line)));
        let mut snapshot = runs::exchange();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    snapshot.report.answered += 1;
                    show(snapshot.clone());
                }
                _ = interrupt.recv() => {
                    drop(show);
                    crate::ui::complain("the report\n");
                    return 130;
                }
                asked = asked.recv() => match asked.as_deref() {
                    Some("close") => {
                        let begun = Instant::now();
                        drop(show);
                        crate::ui::complain(&format!("closed, soon: {}\n", begun.elapsed() < Duration::from_secs(1)));
                        return 0;
                    }
                    _ => panic!("as asked"),
                },
            }
        }
    });
    #[allow(clippy::exit)]
    std::process::exit(code);
}

#[test]
fn a_screen_without_a_terminal_is_an_error() {
    if let (Ok(path), Ok(shown)) = (std::env::var(DRIVER), std::env::var(SHOWN)) {
        be_the_program(&path, &shown);
    }
    if !rustix::termios::isatty(std::io::stderr()) && !rustix::termios::isatty(std::io::stdout()) {
        assert!(Screen::start(true).is_err());
        assert!(Progress::start().is_err());
    }
}

#[test]
fn the_screen_is_gone_when_it_is_closed_and_so_is_what_was_typed() {
    let mut driven = Driven::starts("screen");
    driven.sees_screen().terminal.types("typed in vain\n");
    driven.terminal.sees("new figures", |rows| rows.iter().any(|row| row.contains("answered 51,26")));
    driven.does("close");
    let (mut terminal, _) = driven.exits(0);
    terminal.shows("closed, soon: true");
    let screen = terminal.screen().text();
    assert!(!screen.contains("typed in vain"), "{screen:?}");
    assert!(
        terminal.rows().iter().any(|row| row == "running 1 test"),
        "what stood there before: {:?}",
        terminal.rows()
    );
    terminal.hangs_up();
}

#[test]
fn control_c_ends_the_run_and_its_report_stands_below() {
    let driven = Driven::starts("screen");
    driven.sees_screen().terminal.types("\x03");
    driven.exits(130).0.shows("the report");
}

#[test]
fn a_panic_is_read_on_the_terminal_as_it_was() {
    let mut driven = Driven::starts_by("screen", |program| program.env("RUST_BACKTRACE", "0"));
    driven.sees_screen();
    driven.does("panic");
    let (terminal, _) = driven.exits(101);
    terminal.sees("why", |rows| rows.iter().any(|row| row == "as asked"));
}

#[test]
fn a_signal_for_a_core_leaves_the_terminal_as_it_was() {
    let driven = Driven::starts_by("screen", |program| program.through(["prlimit", "--core=0", "--"]));
    driven.sees_screen().terminal.types("\x1c");
    let outcome = driven.process.ends_with_input_open();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&outcome.status), Some(Signal::ABORT.as_raw()));
    assert_eq!(format!("{:?}", driven.terminal.settings()), driven.before);
    driven.terminal.sees("no screen", |rows| !is_screen(rows));
}

#[test]
fn control_z_stops_with_the_terminal_as_it_was_and_fg_draws_again() {
    let shell = ["sh", "-c", "set -m; \"$@\"; echo stopped; read -r line; fg; exit $?", "sh"];
    let mut driven = Driven::starts_by("screen", |program| program.through(shell));
    driven.sees_screen();
    driven.terminal.types("\x1a");
    driven.terminal.sees("the shell", |rows| !is_screen(rows) && rows.iter().any(|row| row == "stopped"));
    assert_eq!(format!("{:?}", driven.terminal.settings()), driven.before);
    driven.terminal.types("go on\n");
    driven.sees_screen();
    driven.does("close");
    driven.exits(0).0.shows("closed, soon: true");
}

#[test]
fn a_screen_in_the_background_leaves_the_terminal_alone_until_it_is_in_front() {
    let shell = ["sh", "-c", "set -m; \"$@\" & read -r line; fg; exit $?", "sh"];
    let mut driven = Driven::starts_by("screen", |program| program.through(shell));
    driven.terminal.shows("running 1 test");
    deadline::let_pass(Duration::from_millis(300));
    assert!(!driven.terminal.screen().text().contains("\x1b[?1049h"));
    assert_eq!(format!("{:?}", driven.terminal.settings()), driven.before);
    driven.terminal.types("go on\n");
    driven.sees_screen();
    driven.does("close");
    driven.exits(0);
}

#[test]
fn a_terminal_that_is_stopped_holds_nobody_up() {
    let mut driven = Driven::starts("screen");
    driven.sees_screen().terminal.types("\x13");
    let screen = driven.terminal.screen().clone();
    deadline::settled("a stopped screen", Duration::from_millis(300), || screen.bytes().len());
    driven.does("close");
    driven.exits(0).0.shows("closed, soon: true");
}

#[test]
fn a_storm_of_sizes_is_drawn_at_leisure() {
    let mut driven = Driven::starts("screen");
    driven.sees_screen();
    let end = Instant::now() + Duration::from_secs(2);
    let (reading, before) = (driven.process.reading(), driven.process.reading().cpu());
    let begun = Instant::now();
    let side = driven.terminal.side();
    let resize = |ws_row, ws_col| {
        let size = rustix::termios::Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&side, size).expect("own terminal");
    };
    let sizes = [(1, 1), (24, 80), (200, 500), (3, 10), (10, 40), (0, 0)];
    for (rows, columns) in sizes.into_iter().cycle() {
        // Past the test's own idea of the screen, which knows no size of nothing.
        resize(rows, columns);
        deadline::let_pass(Duration::from_millis(5));
        if Instant::now() > end {
            break;
        }
    }
    let used = (reading.cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    assert!(used < 0.2 * scaled(Duration::from_secs(1)).as_secs_f64(), "{used}");
    driven.process.still_runs();
    resize(24, 80);
    driven.sees_screen();
    driven.does("close");
    driven.exits(0);
}

#[test]
fn without_colour_no_colour_is_sent() {
    for (shown, is_colored) in [("screen", true), ("plain", false)] {
        let mut driven = Driven::starts_by(shown, |program| program.env("NO_COLOR", "1"));
        driven.sees_screen();
        driven.does("close");
        let screen = driven.exits(0).0.screen().text();
        assert_eq!(screen.contains("\x1b[38;"), is_colored, "{screen:?}");
        assert_eq!(screen.contains("\x1b[1m"), is_colored, "{screen:?}");
    }
}

#[test]
fn a_line_is_written_over_and_taken_away() {
    let mut driven = Driven::starts("progress");
    let line = "bench 127.0.0.1:8848: 4.2 s of 10 s, 12,340/s, p99 4.02 ms, 3 errors";
    driven.terminal.sees("the line", |rows| rows.last().is_some_and(|row| row == line));
    driven.terminal.resizes(24, 20);
    driven.terminal.shows("\rbench 127.0.0.1:88~");
    driven.does("close");
    let (terminal, _) = driven.exits(0);
    terminal.shows("closed, soon: true");
    let screen = terminal.screen().text();
    assert!(!screen.contains('\x1b'), "{screen:?}");
}
