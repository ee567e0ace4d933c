//! A terminal whose screen the test reads and whose keyboard it types on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

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
}

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
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&keyboard, size).expect("own pty");
        let screen = Transcript::default();
        let reader = Reader::runs(keyboard.try_clone().expect("a descriptor"), screen.clone());
        Self { keyboard: Some(keyboard.into()), side: Some(side), screen, reader: Some(reader) }
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
