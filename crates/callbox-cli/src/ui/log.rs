//! Events as lines for people: who came and went on the error output, traffic on standard output.

use std::collections::HashMap;
use std::time::Duration;

use callbox::addr::Addr;
use callbox::direction::{Direction, Role};
use callbox::event::{Event, Mirrored, PeerProcess, Phases, Turn};
use callbox::net::tls::TlsFacts;
use callbox::report::{SessionId, SessionReport};
use callbox::server::Report;
use callbox::termination::Termination;
use callbox::text::{escape, safe};
use callbox::units::show_duration;
use tokio::time::Instant;

use super::tls;
use super::traffic::{Traffic, Wire};
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
    /// Certificates of other sides that expire within this time are warned of, however little is said.
    pub expiry_warn: Option<Duration>,
}

/// Prints events for people.
pub struct Log {
    level: Level,
    colored: bool,
    traffic: Option<Traffic>,
    repeated: Repeated,
    /// Whether it was said that other machines can connect.
    exposed: bool,
    /// The proxies of open sessions, where their ends are explained: TCP's other end is the proxy, not the client.
    proxies: HashMap<SessionId, Addr>,
}

/// Names the process at the other end of a Unix socket.
fn who(found: &PeerProcess) -> String {
    let pid = found.pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
    format!("pid {pid}, uid {}, gid {}", found.uid, found.gid)
}

impl Log {
    /// Says as much as `level` wants; traffic is shown where there is a printer for it.
    pub fn new(level: Level, colored: bool, traffic: Option<Traffic>) -> Log {
        Log { level, colored, traffic, repeated: Repeated::default(), exposed: false, proxies: HashMap::new() }
    }

    /// Shows what an event means for the bytes: into `out`.
    pub fn traffic(&mut self, at: Instant, event: &Event, out: &mut Vec<u8>) {
        if let Some(traffic) = &mut self.traffic {
            show(traffic, at, event, out);
        }
    }

    /// Says that a connection is there.
    fn connected(&mut self, event: &Event) {
        let Event::Connected { session, role, peer, phases, via, process, through, .. } = event else { return };
        let way = through.as_deref().map(|through| format!(" through {through}")).unwrap_or_default();
        let message = match (role, phases, via) {
            // A relay's second connection.
            (Role::Client, Some(phases), _) if self.level.sessions => {
                if self.level.verbose == 0 {
                    return;
                }
                let took = show_duration(phases.connect + phases.proxy);
                format!("{session} connected to {peer}{way} ({took}{})", handshake(phases))
            }
            (Role::Client, Some(phases), _) => {
                let many = phases.attempts > 1;
                let attempts = if many { format!(", {} addresses tried", phases.attempts) } else { String::new() };
                let (resolve, connect) = (show_duration(phases.resolve), show_duration(phases.connect));
                let proxy = match through {
                    Some(_) => format!(", proxy {}", show_duration(phases.proxy)),
                    None => String::new(),
                };
                let tls = handshake(phases);
                format!("connected to {peer}{way} (resolve {resolve}, connect {connect}{attempts}{proxy}{tls})")
            }
            (_, _, Some(via)) if via.proxy != *peer => format!("{session} connected from {peer} via {}", via.proxy),
            _ => format!("{session} connected from {peer}"),
        };
        let message = match process {
            Some(found) if self.level.verbose > 0 => format!("{message} ({})", who(found)),
            _ => message,
        };
        self.say(&message);
    }

    /// Says at once what an event means for people.
    pub fn talk(&mut self, event: &Event) {
        let talk = !self.level.quiet;
        let sessions = talk && (self.level.sessions || self.level.verbose > 0);
        if let Event::Connected { session, via: Some(via), .. } = event
            && self.level.explain.is_some()
        {
            self.proxies.insert(*session, via.proxy.clone());
        }
        match event {
            Event::Closed(report) => self.closed(report, sessions),
            Event::Listening { address } if talk => {
                self.say(&format!("listening on {address}"));
                let exposed = !address.is_loopback() && matches!(address, Addr::Tcp { .. });
                if exposed && !std::mem::replace(&mut self.exposed, true) {
                    self.say("note: this is wider than loopback, other machines can connect");
                }
            }
            Event::Tls { session, role, facts } => self.agreed(*session, *role, facts, talk && self.level.verbose > 0),
            Event::Control { address } if talk => self.say(&format!("control on http://{address}")),
            Event::Connected { .. } if sessions => self.connected(event),
            Event::Refused { peer, reason, message } if talk => {
                let what = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
                self.say_at_most(&format!("refused a connection: {}", reason.name()), &format!(" from {peer}{what}"));
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
            Event::Fault { decision, .. } if talk && self.level.verbose > 0 => {
                self.say(&decision.to_string());
            }
            Event::Retrying { session, error, pause } if talk && (self.level.verbose > 0) => {
                let whose = session.map_or_else(String::new, |session| format!("{session} "));
                self.say(&format!("{whose}{error}; trying again in {}", show_duration(*pause)));
            }
            Event::Upstream { address, turn } if talk => self.upstream(address, turn),
            Event::Mirror { session, outcome } if talk => self.mirrored(*session, outcome),
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
        let Some(lang) = self.level.explain else { return };
        match self.proxies.remove(&report.session) {
            Some(peer) => {
                self.say(&explain::session::session(&SessionReport { peer, ..report.clone() }, lang));
            }
            None => self.say(&explain::session::session(report, lang)),
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

    /// Says what TLS agreed on, where `detailed`, and warns of certificates.
    fn agreed(&mut self, session: SessionId, role: Role, facts: &TlsFacts, detailed: bool) {
        let now = std::time::SystemTime::now();
        if detailed {
            tls::lines(session, role, facts, now).iter().for_each(|line| self.say(line));
        }
        if let Some(within) = self.level.expiry_warn {
            for warning in tls::warnings(role, facts, within, now) {
                self.say_at_most(&format!("callbox: warning: {warning}"), &format!(" ({session})"));
            }
        }
    }

    fn upstream(&mut self, address: &Addr, turn: &Turn) {
        match turn {
            Turn::Up => self.say(&format!("upstream {address} works again")),
            Turn::Down { error, rest } => {
                let line = format!("upstream {address} rests for {}", show_duration(*rest));
                self.say_at_most(&line, &format!(": {}", safe(&error.to_string())));
            }
        }
    }

    fn mirrored(&mut self, session: SessionId, outcome: &Mirrored) {
        let (line, detail) = match outcome {
            Mirrored::Same if self.level.verbose == 0 => return,
            Mirrored::Differs { offset, given, mirrored } => (
                "differs",
                format!(" at byte {offset}: the client was given '{}', not '{}'", escape(given), escape(mirrored)),
            ),
            Mirrored::Unreachable { error } => ("lost", format!(": {}", safe(&error.to_string()))),
            Mirrored::EndedEarly { offset } => ("ended early", format!(" after {offset} B")),
            Mirrored::Reset => ("reset the connection", String::new()),
            Mirrored::FellBehind => ("fell behind", String::new()),
            _ => ("same", String::new()),
        };
        self.say_at_most(&format!("mirror: {line}"), &format!("{detail} ({session})"));
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

/// How long TLS took, where it was spoken.
fn handshake(phases: &Phases) -> String {
    if phases.tls.is_zero() { String::new() } else { format!(", TLS {}", show_duration(phases.tls)) }
}

/// Shows what concerns bytes.
fn show(traffic: &mut Traffic, at: Instant, event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Connected { session, .. } => traffic.begin(*session, at),
        Event::Data { session, direction, bytes, frame, far } => {
            let wire = Wire { session: *session, direction: *direction, far: *far };
            traffic.show(at, wire, (bytes, frame.as_deref()), out);
        }
        Event::End { session, direction } => {
            traffic.end(Wire { session: *session, direction: *direction, far: false }, out);
        }
        Event::Closed(report) => {
            for (direction, far) in
                [Direction::ToServer, Direction::ToClient].into_iter().flat_map(|way| [(way, false), (way, true)])
            {
                traffic.end(Wire { session: report.session, direction, far }, out);
            }
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
        Termination::HalfCloseTimeout => "we closed: half-closed, and silent for too long (timeout)",
        Termination::UpstreamRefused => "we ended it: no upstream accepted (refused)",
        Termination::UpstreamTimeout => "we ended it: no upstream answered (timeout)",
        Termination::UpstreamUnreachable => "we ended it: no upstream could be reached (unreachable)",
        Termination::UpstreamNotFound => "we ended it: the upstream's name has no address",
        Termination::UpstreamFailed => "we ended it: no upstream could be reached",
        Termination::TargetDenied => "we ended it: nobody is led there (denied)",
        Termination::HandshakeTimeout => "we reset it: the client did not say in time where to (timeout)",
        Termination::HandshakeFailed => "we ended it: what the client asked for was not taken",
        Termination::Fault => "a fault ended it, as asked for (fault)",
        Termination::WriteStall => "we reset it: the peer took nothing for too long (timeout)",
        Termination::FrameTooLarge => "we closed: a frame was over the maximum (limit, --max-frame)",
        Termination::FrameMalformed => "we closed: what came is no frame by the rule (--frame)",
        Termination::Drained => "we closed: the drain deadline passed (timeout)",
        Termination::Aborted => "we reset it (RST)",
        Termination::Steered => "we closed: we were told to (steered)",
        Termination::Signal => "we closed: a signal came (signal)",
        Termination::TlsTruncated => "the connection ended without TLS's close_notify: bytes may be missing",
        Termination::TlsFailed => "the other side broke the rules of TLS, or ended it by an alert",
        Termination::PeerTimeout => "the peer did not answer any more (timeout)",
        Termination::IoError => "the system reported an error",
        _ => "for another reason",
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
