//! Events as lines for people: who came and went on the error output, traffic on standard output.

use std::time::Duration;

use callbox::addr::Addr;
use callbox::direction::{Direction, Role};
use callbox::event::Event;
use callbox::report::SessionReport;
use callbox::server::Report;
use callbox::termination::Termination;
use callbox::text::{escape, safe};
use callbox::units::show_duration;
use tokio::time::Instant;

use super::traffic::Traffic;
use crate::explain;
use crate::lang::Lang;

/// Identical lines a second before they are only counted.
const LINES_PER_SECOND: u32 = 10;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Errors alone.
    pub quiet: bool,
    /// 0, 1 (how sessions ended), 2 (options too).
    pub verbose: u8,
    /// Who came and went is said although nobody asked: many sessions are the command's purpose.
    pub sessions: bool,
    /// In which language the end of each session is explained, where it is.
    pub explain: Option<Lang>,
}

/// Prints events for people.
pub struct Log {
    level: Level,
    colored: bool,
    traffic: Option<Traffic>,
    repeated: Repeated,
    /// Whether it was said that other machines can connect.
    exposed: bool,
}

impl Log {
    /// Says as much as `level` wants; traffic is shown where there is a printer for it.
    pub fn new(level: Level, colored: bool, traffic: Option<Traffic>) -> Log {
        Log { level, colored, traffic, repeated: Repeated::default(), exposed: false }
    }

    /// Shows what an event means for the bytes: into `out`.
    pub fn traffic(&mut self, at: Instant, event: &Event, out: &mut Vec<u8>) {
        if let Some(traffic) = &mut self.traffic {
            show(traffic, at, event, out);
        }
    }

    /// Says at once what an event means for people.
    pub fn talk(&mut self, event: &Event) {
        let talk = !self.level.quiet;
        let sessions = talk && (self.level.sessions || self.level.verbose > 0);
        match event {
            Event::Closed(report) => self.closed(report, sessions),
            Event::Listening { address } if talk => {
                self.say(&format!("listening on {address}"));
                let exposed = !address.is_loopback() && matches!(address, Addr::Tcp { .. });
                if exposed && !std::mem::replace(&mut self.exposed, true) {
                    self.say("note: this is wider than loopback, other machines can connect");
                }
            }
            Event::Connected { session, role, peer, phases, .. } if sessions => match (role, phases) {
                (Role::Client, Some(phases)) => {
                    let attempts = if phases.attempts > 1 {
                        format!(", {} addresses tried", phases.attempts)
                    } else {
                        String::new()
                    };
                    self.say(&format!(
                        "connected to {peer} (resolve {}, connect {}{attempts})",
                        show_duration(phases.resolve),
                        show_duration(phases.connect),
                    ));
                }
                _ => self.say(&format!("{session} connected from {peer}")),
            },
            Event::Refused { peer, reason } if talk => {
                self.say_at_most(&format!("refused a connection: {}", reason.name()), &format!(" from {peer}"));
            }
            Event::Suspended if talk => self.say("suspended: no new connections; SIGUSR2 or /accept resumes"),
            Event::Resumed if talk => self.say("resumed"),
            Event::Draining { sessions } if talk => {
                self.say(&format!(
                    "draining: waiting for {sessions} open session{}; a second signal ends at once",
                    plural(*sessions as u64)
                ));
            }
            Event::Notice { message } if talk => self.say(&safe(message)),
            Event::Child { session, message } if talk => self.say(&format!("{session} ! {}", escape(message))),
            Event::Retrying { error, pause } if talk && (self.level.verbose > 0) => {
                self.say(&format!("{error}; trying again in {}", show_duration(*pause)));
            }
            Event::Paused { message, pause } => {
                self.error(&format!("accept: {message}; pausing for {}", show_duration(*pause)));
            }
            Event::Failed { session: Some(session), error } => {
                self.say_at_most(&format!("callbox: {}", safe(&error.to_string())), &format!(" ({session})"));
            }
            Event::Failed { session: None, error } => self.error(&error.to_string()),
            _ => {}
        }
    }

    /// Shows the end of a session: its line where `sessions` are said, and what TCP did where that is explained.
    fn closed(&mut self, report: &SessionReport, sessions: bool) {
        if sessions {
            self.say(&closing(report, self.level.verbose > 0));
        }
        if let Some(lang) = self.level.explain {
            self.say(&explain::session::session(report, lang));
        }
    }

    /// Says that events were dropped because this thread did not keep up.
    pub fn lost(&mut self, count: u64) {
        if !self.level.quiet {
            self.say(&format!("{count} line{} not shown: the output did not keep up", plural(count)));
        }
    }

    /// Tells whether something has yet to be said of lines that were not shown.
    pub fn has_hidden(&self) -> bool {
        self.traffic.as_ref().is_some_and(Traffic::has_hidden)
    }

    /// Says how many lines were not shown because they came faster than anybody reads, when it is time to.
    pub fn say_hidden(&mut self, at_once: bool) {
        if let Some(count) = self.traffic.as_mut().and_then(|traffic| traffic.hidden(at_once)) {
            let line = if count == 1 { "line" } else { "lines" };
            self.say(&format!("({count} {line} not shown, faster than anybody reads; /watch N shows one session)"));
        }
    }

    /// Says what was done in all.
    pub fn summary(&mut self, report: &Report) {
        self.repeated.flush();
        if self.level.quiet {
            return;
        }
        let mut line = format!(
            "served {} session{} in {}: {} B to server, {} B to client",
            report.sessions,
            plural(report.sessions),
            show_duration(report.duration),
            report.to_server_bytes,
            report.to_client_bytes,
        );
        if report.refused > 0 {
            line.push_str(&format!(", {} refused", report.refused));
        }
        if report.frames.to_server.frames > 0 {
            line.push_str(&format!("; received {}", report.frames.to_server));
        }
        for (limit, times) in &report.limits {
            line.push_str(&format!("; {limit} hit {times} time{}", plural(*times)));
        }
        if report.lost_events > 0 {
            line.push_str(&format!("; {} events lost", report.lost_events));
        }
        self.say(&line);
    }

    fn error(&mut self, message: &str) {
        self.repeated.flush();
        let (red, reset) = if self.colored { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        super::complain(&format!("{red}callbox:{reset} {}\n", safe(message)));
    }

    fn say(&mut self, line: &str) {
        self.repeated.flush();
        super::complain(&format!("{line}\n"));
    }

    /// Says a line whose like may come in floods; `detail` is not compared.
    fn say_at_most(&mut self, line: &str, detail: &str) {
        if self.repeated.admits(line) {
            super::complain(&format!("{line}{detail}\n"));
        }
    }
}

/// Shows what concerns bytes.
fn show(traffic: &mut Traffic, at: Instant, event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Connected { session, .. } => traffic.begin(*session, at),
        Event::Data { session, direction, bytes, frame } => {
            traffic.show(at, *session, *direction, (bytes, frame.as_deref()), out);
        }
        Event::End { session, direction } => traffic.end(*session, *direction, out),
        Event::Closed(report) => {
            traffic.end(report.session, Direction::ToServer, out);
            traffic.end(report.session, Direction::ToClient, out);
            traffic.forget(report.session);
        }
        _ => {}
    }
}

/// Counts lines that repeat faster than anybody can read.
#[derive(Default)]
struct Repeated {
    line: String,
    since: Option<std::time::SystemTime>,
    said: u32,
    suppressed: u64,
}

impl Repeated {
    fn admits(&mut self, line: &str) -> bool {
        let now = std::time::SystemTime::now();
        let fresh =
            self.since.and_then(|since| now.duration_since(since).ok()).is_some_and(|age| age < Duration::from_secs(1));
        if self.line != line || !fresh {
            self.flush();
            *self = Repeated { line: line.to_owned(), since: Some(now), said: 0, suppressed: 0 };
        }
        if self.said < LINES_PER_SECOND {
            self.said += 1;
            return true;
        }
        self.suppressed += 1;
        false
    }

    fn flush(&mut self) {
        if self.suppressed > 0 {
            super::complain(&format!("{} ({} more suppressed)\n", self.line, self.suppressed));
        }
        *self = Repeated::default();
    }
}

/// One line on how a session ended.
pub fn closing(report: &SessionReport, detailed: bool) -> String {
    let how = how(report.termination);
    if !detailed {
        return format!("{} closed: {how}", report.session);
    }
    let mut line = format!(
        "{} closed: {how}; {} B to server, {} B to client in {}",
        report.session,
        report.to_server_bytes,
        report.to_client_bytes,
        show_duration(report.duration),
    );
    if let Some(frames) = &report.frames
        && frames.of(report.role.inbound()).frames > 0
    {
        line.push_str(&format!("; received {}", frames.of(report.role.inbound())));
    }
    if let Some(tcp) = &report.tcp {
        line.push_str(&format!(
            "; round trip {}, {} retransmission{}",
            show_duration(tcp.round_trip),
            tcp.retransmissions,
            plural(u64::from(tcp.retransmissions)),
        ));
    }
    line
}

/// Who ended a session, and how.
pub fn how(termination: Termination) -> &'static str {
    match termination {
        Termination::ClientClosed => "the client closed first (FIN)",
        Termination::ServerClosed => "the server closed first (FIN)",
        Termination::ClientReset => "the client reset the connection (RST)",
        Termination::ServerReset => "the server reset the connection (RST)",
        Termination::CountReached => "we closed: the count was reached (limit)",
        Termination::ExpectMet => "we closed: what was expected has come",
        Termination::LingerOver => "we closed: the linger time was over (limit)",
        Termination::Timeout => "we closed: the time allowed was over (timeout)",
        Termination::IdleTimeout => "we closed: idle for too long (timeout)",
        Termination::WriteStall => "we reset it: the peer took nothing for too long (timeout)",
        Termination::FrameTooLarge => "we closed: a frame was over the maximum (limit, --max-frame)",
        Termination::FrameMalformed => "we closed: what came is no frame by the rule (--frame)",
        Termination::Drained => "we closed: the drain deadline passed (timeout)",
        Termination::Aborted => "we reset it (RST)",
        Termination::Signal => "we closed: a signal came (signal)",
        Termination::PeerTimeout => "the peer did not answer any more (timeout)",
        Termination::IoError => "the system reported an error",
        _ => "for another reason",
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
