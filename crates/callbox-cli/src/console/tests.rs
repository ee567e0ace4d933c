//! The editor and the screen on a terminal, as a person meets them: this test binary starts itself on one.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use callbox_testkit::{Callbox, Input, Process, Scratch, Terminal};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::command::Command;
use super::descriptors::{HELD, Low};
use super::{Console, Side, Typed, command, direct};

/// Where the program finds the test that drives it.
const DRIVER: &str = "CALLBOX_TEST_DRIVER";

fn program(wire: &Path) -> Callbox {
    Callbox::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", PROGRAM, "--nocapture", "--test-threads=1"])
        .env(DRIVER, wire)
}

/// The test that is the program instead when a driver is named: this binary has no other way in.
const PROGRAM: &str = "console::tests::without_a_terminal_a_program_drives_the_console";

/// A program on a terminal, with a line to it besides the keyboard.
struct Driven {
    terminal: Terminal,
    process: Process,
    wire: UnixStream,
    before: String,
}

impl Driven {
    fn starts(scratch: &Scratch, term: &str) -> Driven {
        Driven::starts_by(scratch, term, |program| program)
    }

    fn starts_by(scratch: &Scratch, term: &str, how: impl FnOnce(Callbox) -> Callbox) -> Driven {
        let terminal = Terminal::opens();
        let before = format!("{:?}", terminal.settings());
        let path = scratch.path().join("wire");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let program =
            program(&path).env("XDG_STATE_HOME", scratch.path()).env("TERM", term).within_folder(scratch.path());
        let process = how(program).on_terminal(&terminal).start();
        let wire = listener.accept().expect("the program").0;
        Driven { terminal, process, wire, before }
    }

    /// Lets the program do something that nobody typed.
    fn does(&mut self, what: &str) -> &mut Self {
        writeln!(self.wire, "{what}").expect("the program listens");
        self
    }

    fn types(&self, text: impl AsRef<[u8]>) -> &Self {
        self.terminal.types(text);
        self
    }

    /// Waits for these rows at the bottom.
    #[track_caller]
    fn ends_with(&self, rows: &[&str]) -> &Self {
        self.terminal.sees(&format!("{rows:?} last"), |seen| seen.ends_with(&rows.map_owned()));
        self
    }

    #[track_caller]
    fn exits(self, code: i32) -> Terminal {
        let status = self.process.ends_with_input_open();
        status.exited(code);
        assert_eq!(format!("{:?}", self.terminal.settings()), self.before, "the terminal is as it was");
        self.terminal
    }
}

trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|&row| row.to_owned()).collect()
    }
}

fn open() -> (Scratch, Driven) {
    let scratch = Scratch::new();
    let driven = Driven::starts(&scratch, "xterm-256color");
    driven.ends_with(&[">"]);
    (scratch, driven)
}

/// The program: shows what is typed, and does what the wire says.
fn be_the_program(path: &str) -> ! {
    let wire = BufReader::new(UnixStream::connect(path).expect("the test listens"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map_or(Some(4096), |hard| Some(hard.min(4096)));
    setrlimit(Resource::Nofile, limit).expect("the soft limit is ours");
    // Below what the test harness has written.
    direct::write(direct::To::Output, b"\n").expect("a terminal");
    let console = Console::open(Side::Serve, "> ").expect("a console");
    console.sessions().set([7, 70]);
    let code = runtime.block_on(drive(console, wire));
    #[allow(clippy::exit)]
    std::process::exit(code);
}

async fn drive(mut console: Console, wire: BufReader<UnixStream>) -> i32 {
    let (asks, mut asked) = tokio::sync::mpsc::channel(1);
    let screen = console.screen().clone();
    std::thread::spawn(move || {
        let mut hoard = Vec::new();
        for line in wire.lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("print", text)) => screen.print(text.replace('|', "\n")),
                Some(("complain", text)) => crate::ui::complain(&format!("{text}\n")),
                Some(("hoard", count)) => {
                    let count: usize = count.parse().expect("a number");
                    let null = || std::fs::File::open("/dev/null").expect("a descriptor");
                    let mut low = Low::hold();
                    hoard.extend(std::iter::repeat_with(null).take(count));
                    low.give();
                    hoard.extend(std::iter::repeat_with(null).take(HELD / 2));
                    screen.print(format!("hoarded, one is low: {}\n", null().as_raw_fd() < 1024));
                }
                Some(("flood", count)) => {
                    for index in 0..count.parse().expect("a number") {
                        screen.print(format!("line {index}\n"));
                    }
                }
                _ => asks.blocking_send(line).expect("somebody listens"),
            }
        }
    });
    loop {
        let typed = tokio::select! {
            typed = console.next() => typed,
            asked = asked.recv() => match asked.as_deref() {
                Some("close") => {
                    console.close().await;
                    crate::ui::complain("closed\n");
                    return 0;
                }
                Some("drop") => return 0,
                _ => panic!("as asked"),
            },
        };
        match typed {
            Typed::Line(line) => match command::parse_bytes(&line, Side::Serve) {
                Ok(Some(Command::Quit)) => {
                    console.close().await;
                    return 0;
                }
                Ok(_) => console.screen().print(format!("got {}\n", callbox::text::escape(&line))),
                Err(invalid) => console.screen().print(format!("{invalid}\n")),
            },
            Typed::Notice(text) => console.screen().print(format!("note {text}\n")),
            Typed::Leave => {
                console.close().await;
                return 130;
            }
            Typed::End => {
                console.screen().print("the end\n");
                assert!(console.screen().flush(), "shown without the editor");
                console.close().await;
                return 0;
            }
        }
    }
}

#[test]
fn the_prompt_and_the_line_stay_whole_under_what_comes() {
    let (_scratch, mut driven) = open();
    driven.types("hel").ends_with(&["> hel"]);
    driven.does("print one|two").ends_with(&["one", "two", "> hel"]);
    driven.does("complain three").ends_with(&["two", "three", "> hel"]);
    driven.types("lo\r").ends_with(&["three", "> hello", "got hello", ">"]);
    driven.types("/quit\r");
    driven.exits(0);
}

#[test]
fn characters_of_several_bytes_are_typed_and_shown() {
    let (_scratch, mut driven) = open();
    driven.types(b"\xe4").types(b"\xbd\xa0").types("好é").ends_with(&["> 你好é"]);
    driven.does("print 世界").ends_with(&["世界", "> 你好é"]);
    driven.types("\x7f\x7f!\r").ends_with(&["> 你!", "got 你!", ">"]);
    driven.types(b"\xff\xff").ends_with(&["note what was typed is not UTF-8 and was not taken", ">"]);
    driven.types("\x04");
    driven.exits(0);
}

#[test]
fn control_c_clears_the_line_and_again_leaves() {
    let (_scratch, driven) = open();
    driven.types("abc").ends_with(&["> abc"]);
    driven.types("\x03").ends_with(&["> abc", ">"]);
    driven.types("\x03");
    driven.exits(130);
}

#[test]
fn control_c_on_an_empty_line_asks_first_and_a_line_disarms_it() {
    let (_scratch, driven) = open();
    driven.types("\x03").ends_with(&["note Ctrl-C again leaves", ">"]);
    driven.types("a\r").ends_with(&["got a", ">"]);
    driven.types("\x03").ends_with(&["got a", ">", "note Ctrl-C again leaves", ">"]);
    driven.types("\x03");
    driven.exits(130);
}

#[test]
fn control_d_ends_the_input_and_the_screen_goes_on_without_the_editor() {
    let (_scratch, driven) = open();
    driven.types("abc\x01\x04").ends_with(&["> bc"]);
    driven.types("\r\x04");
    let terminal = driven.exits(0);
    terminal.sees("the end", |rows| rows.ends_with(&["the end".to_owned()]));
}

#[test]
fn a_resize_keeps_the_line() {
    let (_scratch, mut driven) = open();
    driven.types("0123456789").ends_with(&["> 0123456789"]);
    driven.terminal.resizes(24, 20);
    driven.types("abcdefghij").ends_with(&["> 0123456789abcdefgh", "ij"]);
    driven.does("print one").ends_with(&["one", "> 0123456789abcdefgh", "ij"]);
    driven.types("\r").ends_with(&["ij", "got 0123456789abcdef", "ghij", ">"]);
    driven.types("\x04");
    driven.exits(0);
}

#[test]
fn what_is_pasted_is_sent_line_by_line_and_a_tab_is_a_tab() {
    let (_scratch, driven) = open();
    driven.types("a\tb\rc\r\rd");
    driven.terminal.shows("got a\\tb\r\n").shows("got c\r\n").shows("got \r\n");
    driven.ends_with(&["got ", "> d"].map(str::trim_end));
    driven.types("\r/quit\r");
    driven.exits(0);
}

#[test]
fn a_long_paste_and_much_output_do_not_stop_each_other() {
    const LINES: usize = 300;
    let (_scratch, mut driven) = open();
    driven.does("flood 20000");
    let paste: String = (0..LINES).map(|index| format!("p{index}\r")).collect();
    // In pieces: the terminal itself holds no more than 4 KiB that nobody has read.
    for piece in paste.as_bytes().chunks(512) {
        let typed = driven.terminal.screen().bytes().len();
        driven.types(piece);
        driven.terminal.screen().wait(callbox_testkit::patience(), |bytes, _| (bytes.len() > typed).then_some(()));
    }
    driven.terminal.shows(format!("got p{}\r\n", LINES - 1)).shows("line 19999\r\n");
    driven.types("\x04");
    let shown = driven.exits(0).screen().text();
    let got = |kind: &str| -> Vec<String> {
        let parts = shown.split(kind).skip(1);
        parts.map(|rest| rest.split("\r\n").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(got("got p"), (0..LINES).map(|index| index.to_string()).collect::<Vec<_>>());
    assert_eq!(got("line "), (0..20_000).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order_while_lines_are_typed() {
    const LINES: usize = 5000;
    let (_scratch, mut driven) = open();
    driven.does(&format!("flood {LINES}"));
    for index in 0..20 {
        driven.types(format!("x{index}\r"));
        driven.terminal.shows(format!("got x{index}\r\n"));
    }
    driven.terminal.shows(format!("line {}\r\n", LINES - 1));
    driven.types("\x04");
    let terminal = driven.exits(0);
    let shown = terminal.screen().text();
    let numbers: Vec<usize> = shown
        .split("line ")
        .skip(1)
        .map(|rest| rest.split("\r\n").next().and_then(|number| number.parse().ok()).expect("a whole line"))
        .collect();
    assert_eq!(numbers, (0..LINES).collect::<Vec<_>>());
}

#[test]
fn closing_takes_the_prompt_away_and_shows_what_is_left() {
    let (_scratch, mut driven) = open();
    driven.types("half").ends_with(&["> half"]);
    driven.does("print no end").does("close");
    let terminal = driven.exits(0);
    terminal.sees("no prompt", |rows| rows.ends_with(&["no end".to_owned(), "closed".to_owned()]));
}

#[test]
fn the_terminal_is_put_back_whatever_ends_the_program() {
    for (what, code) in [("drop", 0), ("panic", 101)] {
        let (_scratch, mut driven) = open();
        driven.types("half").ends_with(&["> half"]);
        driven.does(what);
        driven.exits(code);
    }
}

#[test]
fn a_line_is_typed_although_every_low_descriptor_is_taken() {
    let (_scratch, mut driven) = open();
    driven.does("hoard 2000").ends_with(&["hoarded, one is low: true", ">"]);
    for line in ["one", "two", "three"] {
        driven.types(format!("{line}\r")).ends_with(&[&format!("got {line}"), ">"]);
    }
    driven.types("\x04");
    driven.exits(0);
}

#[test]
fn an_editor_that_does_not_end_holds_nobody_up() {
    let (_scratch, mut driven) = open();
    driven.types("first\r").ends_with(&["got first", ">"]);
    // While it searches, the editor takes no texts.
    driven.types("\x12fi").terminal.shows("search)`fi'");
    driven.does("close");
    driven.exits(0).shows("closed");
}

#[test]
fn control_z_stops_with_the_terminal_as_it_was() {
    let scratch = Scratch::new();
    let shell = ["sh", "-c", "set -m; \"$@\"; echo stopped; read -r line; fg; exit $?", "sh"];
    let driven = Driven::starts_by(&scratch, "xterm-256color", |program| program.through(shell));
    driven.ends_with(&[">"]).types("ab").ends_with(&["> ab"]).types("\x1a");
    driven.terminal.shows("stopped\r\n");
    assert_eq!(format!("{:?}", driven.terminal.settings()), driven.before);
    driven.types("go on\n");
    driven.terminal.sees("the line again", |rows| rows.last().is_some_and(|row| row == "> ab"));
    driven.types("c\r").ends_with(&["> abc", "got abc", ">"]).types("\x04");
    driven.exits(0);
}

#[test]
fn tab_completes_commands_values_and_sessions() {
    let (_scratch, driven) = open();
    driven.types("/enc\tgb\t").ends_with(&["gbk      gb18030", "> /encoding gb"]);
    driven.types("k\r").ends_with(&["got /encoding gbk", ">"]);
    driven.types("/watch 70\t\r").ends_with(&["got /watch 70", ">"]);
    driven.types("/lst\r").ends_with(&["invalid command \"/lst\": no command /lst at byte 0; write /list", ">"]);
    driven.types("\x04");
    driven.exits(0);
}

#[test]
fn lines_are_remembered_by_their_owner_alone() {
    let (scratch, driven) = open();
    driven.types("first\r").ends_with(&["got first", ">"]);
    driven.types("again\r").ends_with(&["got again", ">"]).types("again\r").types("\x04");
    driven.exits(0);
    let file = scratch.path().join("callbox/history");
    let mode = |path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!((mode(scratch.path().join("callbox")), mode(file.clone())), (0o700, 0o600));
    assert_eq!(std::fs::read_to_string(file).expect("lines"), "#V2\nfirst\nagain\n");
    let driven = Driven::starts(&scratch, "xterm-256color");
    driven.ends_with(&[">"]).types("\x1b[A\x1b[A").ends_with(&["> first"]);
    driven.types("\r").ends_with(&["got first", ">"]).types("\x04");
    driven.exits(0);
}

#[test]
fn a_history_that_cannot_be_kept_is_said_once() {
    let scratch = Scratch::new();
    scratch.file("callbox", "no folder");
    let driven = Driven::starts(&scratch, "xterm-256color");
    driven.terminal.shows("note history: ").shows("until the end only");
    driven.types("a\r").ends_with(&["got a", ">"]).types("\x1b[A\r");
    driven.terminal.sees("the line again", |rows| rows.iter().filter(|row| *row == "got a").count() == 2);
    driven.types("\x04");
    let terminal = driven.exits(0);
    assert_eq!(terminal.screen().text().matches("note history").count(), 1);
}

#[test]
fn a_terminal_without_a_cursor_reads_plain_lines() {
    let scratch = Scratch::new();
    let mut driven = Driven::starts(&scratch, "dumb");
    driven.types("hello\n");
    driven.does("print one|");
    driven.terminal.shows("got hello\r\n").shows("one\r\n").types("\x04");
    let terminal = driven.exits(0);
    assert!(!terminal.screen().bytes().contains(&b'\x1b'));
}

#[test]
fn without_a_terminal_a_program_drives_the_console() {
    if let Ok(path) = std::env::var(DRIVER) {
        be_the_program(&path);
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("wire");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut process = program(&path).input(Input::Piped).start();
    let _wire = listener.accept().expect("the program").0;
    process.types(b"hello\r\n/zz\n\xff\xfe\nlast").ends_input();
    let outcome = process.ends().exited(0);
    let shown = String::from_utf8_lossy(&outcome.stdout);
    let lines: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("got")).collect();
    let refused =
        "invalid command \"/zz\": no command /zz at byte 0; write /help, or start the line with // to send it";
    assert_eq!(lines, ["got hello\\r", refused, "got \\xff\\xfe", "got last", "the end"]);
}
