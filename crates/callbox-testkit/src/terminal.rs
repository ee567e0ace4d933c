//! A terminal whose screen the test reads and whose keyboard it types on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{Termios, Winsize};

use crate::deadline::patience;
use crate::process::contains;
use crate::transcript::Transcript;

/// A pseudo-terminal: programs get its [`Terminal::side`], the test has the keyboard and the raw screen bytes.
#[derive(Debug)]
pub struct Terminal {
    keyboard: Option<File>,
    side: Option<OwnedFd>,
    screen: Transcript,
    reader: Option<Reader>,
    /// From which byte of the screen on it has how many rows and columns.
    sizes: Mutex<Vec<(usize, u16, u16)>>,
}

/// Rows and columns at first.
const SIZE: (u16, u16) = (24, 80);

#[derive(Debug)]
struct Reader {
    thread: JoinHandle<()>,
    stop: OwnedFd,
}

impl Terminal {
    /// Opens a terminal of 80 columns and 24 lines.
    pub fn opens() -> Self {
        let keyboard =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        rustix::pty::grantpt(&keyboard).expect("own pty");
        rustix::pty::unlockpt(&keyboard).expect("own pty");
        let name = rustix::pty::ptsname(&keyboard, Vec::new()).expect("own pty");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let side = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).expect("own pty");
        rustix::termios::tcsetwinsize(&keyboard, winsize(SIZE.0, SIZE.1)).expect("own pty");
        let screen = Transcript::default();
        let reader = Reader::runs(keyboard.try_clone().expect("a descriptor"), screen.clone());
        Self {
            keyboard: Some(keyboard.into()),
            side: Some(side),
            screen,
            reader: Some(reader),
            sizes: Mutex::default(),
        }
    }

    /// Switches off what the terminal itself adds to the output (CR before LF) and its echo of what is typed, so that
    /// the screen's raw bytes are exactly what the program wrote.
    pub fn without_processing(self) -> Self {
        use rustix::termios::{LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
        let side = self.side.as_ref().expect("not hung up");
        let mut settings = tcgetattr(side).expect("own pty");
        settings.output_modes.remove(OutputModes::OPOST);
        settings.local_modes.remove(LocalModes::ECHO);
        tcsetattr(side, OptionalActions::Now, &settings).expect("own pty");
        self
    }

    /// Returns a descriptor of the programs' side.
    pub fn side(&self) -> OwnedFd {
        self.side.as_ref().expect("not hung up").try_clone().expect("a descriptor")
    }

    /// Types.
    pub fn types(&self, text: impl AsRef<[u8]>) -> &Self {
        self.keyboard.as_ref().expect("not hung up").write_all_ref(text.as_ref());
        self
    }

    /// Returns the raw bytes that reached the screen, as they grow.
    pub fn screen(&self) -> &Transcript {
        &self.screen
    }

    /// Waits until the screen has shown `text`.
    #[track_caller]
    pub fn shows(&self, text: impl AsRef<[u8]>) -> &Self {
        let text = text.as_ref();
        if self.screen.wait(patience(), |bytes, _| contains(bytes, text).then_some(())).is_none() {
            self.fail(&format!("never showed \"{}\"", text.escape_ascii()));
        }
        self
    }

    /// Gives the terminal another size; programs on it are told as by a window.
    pub fn resizes(&self, rows: u16, columns: u16) -> &Self {
        let mut sizes = self.sizes.lock().expect("no test has panicked here");
        sizes.push((self.screen.bytes().len(), rows, columns));
        let keyboard = self.keyboard.as_ref().expect("not hung up");
        rustix::termios::tcsetwinsize(keyboard, winsize(rows, columns)).expect("own pty");
        self
    }

    /// Returns the rows as a person sees them, without the spaces at their ends and the empty rows at the bottom.
    pub fn rows(&self) -> Vec<String> {
        self.rows_of(&self.screen.bytes())
    }

    fn rows_of(&self, bytes: &[u8]) -> Vec<String> {
        let mut parser = vt100::Parser::new(SIZE.0, SIZE.1, 0);
        let mut shown = 0;
        for (at, rows, columns) in &*self.sizes.lock().expect("no test has panicked here") {
            parser.process(&bytes[shown..*at]);
            parser.screen_mut().set_size(*rows, *columns);
            shown = *at;
        }
        parser.process(&bytes[shown..]);
        let columns = parser.screen().size().1;
        let mut rows: Vec<String> = parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
        rows
    }

    /// Waits until the rows are as `holds` wants them, which `what` says in words.
    #[track_caller]
    pub fn sees(&self, what: &str, holds: impl Fn(&[String]) -> bool) -> &Self {
        if self.screen.wait(patience(), |bytes, _| holds(&self.rows_of(bytes)).then_some(())).is_none() {
            self.fail(&format!("never saw {what}\n{}", self.rows().join("\n")));
        }
        self
    }

    /// Returns the terminal's settings.
    pub fn settings(&self) -> Termios {
        rustix::termios::tcgetattr(self.side.as_ref().expect("not hung up")).expect("own pty")
    }

    /// Closes the terminal under the programs on it, as a closed window does.
    pub fn hangs_up(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.stops();
        }
        self.side = None;
        self.keyboard = None;
    }

    /// Panics with `why` and the screen so far.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!("{why}\n-- screen --\n{}\n--", self.screen.bytes().escape_ascii())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hangs_up();
    }
}

fn winsize(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

trait WriteAllRef {
    fn write_all_ref(&self, bytes: &[u8]);
}

impl WriteAllRef for File {
    fn write_all_ref(&self, bytes: &[u8]) {
        let mut file = self;
        file.write_all(bytes).expect("the terminal takes what is typed");
    }
}

impl Reader {
    fn runs(keyboard: OwnedFd, screen: Transcript) -> Self {
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        let thread = thread::spawn(move || {
            let mut keyboard = File::from(keyboard);
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let mut polled = [PollFd::new(&keyboard, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                rustix::event::poll(&mut polled, None).expect("poll a terminal");
                if !polled[0].revents().is_empty() {
                    match keyboard.read(&mut buffer) {
                        Ok(count @ 1..) => screen.append(&buffer[..count]),
                        _ => break,
                    }
                } else if !polled[1].revents().is_empty() {
                    break;
                }
            }
            screen.end();
        });
        Self { thread, stop }
    }

    fn stops(self) {
        drop(self.stop);
        self.thread.join().expect("the reader of a terminal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Callbox, Input, Output, Signal};

    #[test]
    fn a_program_finds_itself_on_the_terminal() {
        let terminal = Terminal::opens();
        let program = Callbox::new("sh").args(["-c", "test -t 0 && test -t 1 && test -t 2 && echo three of three"]);
        program.on_terminal(&terminal).start().exits(0);
        terminal.shows("three of three");
    }

    #[test]
    fn control_c_reaches_the_program() {
        let terminal = Terminal::opens();
        let cat = Callbox::new("cat").on_terminal(&terminal).start();
        terminal.types("spoken\n").shows("spoken\r\nspoken\r\n").types("\x03");
        let status = cat.ends_with_input_open().status;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::INT.as_raw()));
    }

    #[test]
    fn rows_are_what_a_person_sees() {
        let terminal = Terminal::opens().without_processing();
        let show = |text: &str| {
            let program = Callbox::new("printf").arg(text).output(Output::To(terminal.side())).input(Input::Null);
            program.start().exits(0);
        };
        show("one\\r\\ntwo\\033[1Aover ");
        terminal.sees("one written over", |rows| rows == ["oneover", "two"]);
        terminal.resizes(3, 4);
        show("\\033[H\\033[Jabcdef");
        terminal.sees("a narrow row", |rows| rows == ["abcd", "ef"]);
    }

    #[test]
    fn a_hangup_reaches_the_program() {
        let mut terminal = Terminal::opens();
        let cat = Callbox::new("cat").controlled_by(&terminal).output(Output::Captured).start();
        terminal.types("there\n");
        cat.shows("there");
        terminal.hangs_up();
        let status = cat.ends_with_input_open().status;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::HUP.as_raw()));
    }

    #[test]
    fn without_processing_the_bytes_are_the_programs() {
        let terminal = Terminal::opens().without_processing();
        let program = Callbox::new("printf").arg("a\\nb\\r\\n").output(Output::To(terminal.side())).input(Input::Null);
        program.start().exits(0);
        terminal.shows("a\nb\r\n");
    }
}
