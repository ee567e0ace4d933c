//! Bytes as people read them: a line a chunk or frame, a hexdump, or text that runs on.
//!
//! A server's lines name their session and direction: `#1 > hello` is what the client sent, `#1 < thank you !` what it
//! was sent. A relay that shows both its sockets has `#1 >> hello` for what the server was given, `#1 << thank you !` for
//! what it sent. The byte pipe shows what it receives, without names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use callbox::checksum::Verdict;
use callbox::direction::Direction;
use callbox::event::FrameFacts;
use callbox::frame::FrameKind;
use callbox::report::SessionId;
use callbox::text::{Encoding, Lines, Printer};
use callbox::view::{Hexdump, Layout, Show, Stamper, Timestamps, hex_line, json};
use tokio::time::Instant;

use super::sampler::Sampler;

/// The longest line; the rest is counted at its end.
const LINE_BYTES: usize = 64 * 1024;
/// Sessions whose split characters are remembered; more than that can only be open when their ends were lost.
const MAX_REMEMBERED: usize = 1 << 17;

/// How bytes are shown; a console changes it while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// As what.
    pub show: Show,
    /// Of text.
    pub encoding: Encoding,
    /// Before each item.
    pub timestamps: Timestamps,
    /// Somebody asked for text, and not for want of another view.
    pub asked: bool,
    /// Frames are JSON values, which are then shown on several lines.
    pub json: bool,
    /// Only this session, where one is watched.
    pub watch: Option<SessionId>,
}

/// A style that somebody may change.
pub type SharedStyle = Arc<Mutex<Style>>;

/// Where the lines go, and what they say of themselves.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Lines name their session and direction; without that, only what is received is shown.
    pub names: bool,
    /// The direction that is shown, where it is one alone.
    pub only: Option<Direction>,
    /// Whether colours are welcome.
    pub colored: bool,
    /// Whether a person watches: then nothing waits for a line to fill.
    pub live: bool,
    /// Whether a person types between the lines of many: then no more are shown than can be.
    pub sampled: bool,
}

/// Prints chunks and frames, with characters that are split over chunks shown once and whole.
pub struct Traffic {
    style: SharedStyle,
    /// The style as it was for the last item.
    seen: Style,
    place: Place,
    lanes: HashMap<Wire, Lane>,
    /// When each session began, and its times.
    started: HashMap<SessionId, (Instant, Stamper)>,
    /// The same moment by both clocks: events carry the one that cannot jump.
    origin: (Instant, SystemTime),
    text: String,
    sampler: Option<Sampler>,
}

/// One direction of a session, at one of a relay's two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wire {
    /// Whose.
    pub session: SessionId,
    /// Which way.
    pub direction: Direction,
    /// At the upstream's socket.
    pub far: bool,
}

/// What a wire needs from one item to the next.
struct Lane {
    printer: Printer,
    dump: Hexdump,
}

/// One thing to show.
struct Item<'a> {
    at: Instant,
    wire: Wire,
    bytes: &'a [u8],
    frame: Option<&'a FrameFacts>,
}

impl Traffic {
    /// Nothing seen yet.
    pub fn new(style: SharedStyle, place: Place) -> Traffic {
        let seen = lock(&style);
        Traffic {
            style,
            seen,
            place,
            lanes: HashMap::new(),
            started: HashMap::new(),
            origin: (Instant::now(), SystemTime::now()),
            text: String::new(),
            sampler: place.sampled.then(Sampler::default),
        }
    }

    /// Tells whether something has yet to be said of what was not shown.
    pub fn has_hidden(&self) -> bool {
        self.sampler.as_ref().is_some_and(Sampler::has_hidden)
    }

    /// Returns how many items were not shown because nobody could have read them, when it is time to say so.
    pub fn hidden(&mut self, at_once: bool) -> Option<u64> {
        self.sampler.as_mut()?.hidden(Instant::now(), at_once)
    }

    /// A session is there: its time begins.
    pub fn begin(&mut self, session: SessionId, at: Instant) {
        if self.started.len() >= MAX_REMEMBERED {
            self.started.clear();
        }
        // A relay's session connects twice, and began with the client.
        self.started.entry(session).or_insert_with(|| (at, Stamper::new(self.seen.timestamps)));
    }

    /// Appends a chunk or frame to `out`.
    pub fn show(&mut self, at: Instant, wire: Wire, (bytes, frame): (&[u8], Option<&FrameFacts>), out: &mut Vec<u8>) {
        self.follow_style(out);
        let Wire { session, direction, far } = wire;
        let elsewhere = self.seen.watch.is_some_and(|watched| watched != session);
        if elsewhere || self.place.only.is_some_and(|only| only != direction) || self.seen.show == Show::None {
            return;
        }
        if self.sampler.as_mut().is_some_and(|sampler| !sampler.admits(at)) {
            return;
        }
        if self.lanes.len() >= MAX_REMEMBERED {
            self.lanes.clear();
        }
        let item = Item { at, wire, bytes, frame };
        match self.seen.show {
            Show::None => {}
            // Of a server, the clients' bytes: those of the other direction are its own.
            Show::Raw if !far && direction == self.place.only.unwrap_or(Direction::ToServer) => {
                out.extend_from_slice(bytes)
            }
            Show::Raw => {}
            Show::Text => self.text(&item, out),
            Show::Hex if self.place.names || frame.is_some() || self.seen.timestamps != Timestamps::None => {
                self.hex(&item, out);
            }
            Show::Hex | Show::Both => self.dump(&item, out),
        }
    }

    /// The direction has ended: shows what is left of a character that never became whole, or of a line of a dump.
    pub fn end(&mut self, wire: Wire, out: &mut Vec<u8>) {
        let Some(mut lane) = self.lanes.remove(&wire) else { return };
        self.text.clear();
        lane.printer.finish(&mut self.text);
        lane.dump.finish(out);
        if self.text.is_empty() {
            return;
        }
        if self.runs_on() {
            out.extend_from_slice(self.text.as_bytes());
        } else {
            self.prefix(wire, out);
            out.extend_from_slice(self.text.as_bytes());
            out.push(b'\n');
        }
    }

    /// The session is over.
    pub fn forget(&mut self, session: SessionId) {
        self.started.remove(&session);
    }

    /// Whether unframed text is shown as it comes, newlines as newlines.
    fn runs_on(&self) -> bool {
        !self.place.names && self.seen.timestamps == Timestamps::None
    }

    /// Begins anew where somebody has changed the style.
    fn follow_style(&mut self, out: &mut Vec<u8>) {
        let style = lock(&self.style);
        if style == self.seen {
            return;
        }
        for wire in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.end(wire, out);
        }
        if style.timestamps != self.seen.timestamps {
            self.started.values_mut().for_each(|(_, stamper)| *stamper = Stamper::new(style.timestamps));
        }
        self.seen = style;
    }

    fn lane(&mut self, wire: Wire) -> &mut Lane {
        let (style, place) = (&self.seen, &self.place);
        let runs_on = !place.names && style.timestamps == Timestamps::None;
        self.lanes.entry(wire).or_insert_with(|| {
            let lines = if runs_on { Lines::Pass } else { Lines::Escape };
            let mut prefix = Vec::new();
            if place.names {
                name(wire, place.colored, &mut prefix);
            }
            let layout = Layout { ascii: style.show == Show::Both, colored: place.colored, squeeze: true };
            Lane {
                printer: Printer::in_encoding(lines, style.encoding),
                dump: Hexdump::new(layout).with_prefix(prefix),
            }
        })
    }

    fn text(&mut self, item: &Item<'_>, out: &mut Vec<u8>) {
        let Some(frame) = item.frame else {
            let shown = if self.runs_on() { item.bytes.len() } else { item.bytes.len().min(LINE_BYTES) };
            let (shown, unseen) = item.bytes.split_at(shown);
            let mut text = std::mem::take(&mut self.text);
            text.clear();
            let printer = &mut self.lane(item.wire).printer;
            printer.push(shown, &mut text);
            // What is cut off may end within a character.
            unseen.chunks(LINE_BYTES).for_each(|unseen| printer.push(unseen, &mut String::new()));
            if self.runs_on() {
                out.extend_from_slice(text.as_bytes());
            } else {
                // A chunk that is only the beginning of a character is shown with its rest.
                let hidden = unseen.len() + cut(&mut text);
                if !text.is_empty() {
                    self.line(item, &text, hidden, out);
                }
            }
            self.text = text;
            return;
        };
        let indents = self.seen.asked && self.seen.json;
        let indented = if indents { json::indent(&frame.payload) } else { None };
        let encoding = self.seen.encoding;
        match indented {
            // Indented by bytes, so in an encoding whose brackets and quotes are ASCII.
            Some(lines) => lines.split(|&b| b == b'\n').for_each(|line| self.framed(item, line, encoding, out)),
            None => self.framed(item, &frame.payload, encoding, out),
        }
    }

    /// One line for a payload, whose characters end with it.
    fn framed(&mut self, item: &Item<'_>, payload: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
        let shown = &payload[..payload.len().min(LINE_BYTES)];
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let mut printer = Printer::in_encoding(Lines::Escape, encoding);
        printer.push(shown, &mut text);
        printer.finish(&mut text);
        let hidden = payload.len() - shown.len() + cut(&mut text);
        self.line(item, &text, hidden, out);
        self.text = text;
    }

    fn line(&mut self, item: &Item<'_>, text: &str, hidden: usize, out: &mut Vec<u8>) {
        self.head(item, out);
        out.extend_from_slice(text.as_bytes());
        if hidden > 0 {
            out.extend_from_slice(format!("… +{hidden} bytes").as_bytes());
        }
        out.push(b'\n');
    }

    fn hex(&mut self, item: &Item<'_>, out: &mut Vec<u8>) {
        let shown = &item.bytes[..item.bytes.len().min(LINE_BYTES / 3)];
        self.head(item, out);
        hex_line(shown, out);
        if shown.len() < item.bytes.len() {
            out.extend_from_slice(format!(" … +{} bytes", item.bytes.len() - shown.len()).as_bytes());
        }
        out.push(b'\n');
    }

    fn dump(&mut self, item: &Item<'_>, out: &mut Vec<u8>) {
        let remarkable = item.frame.is_some_and(|frame| !marks(frame).is_empty());
        if remarkable || self.seen.timestamps != Timestamps::None {
            self.head(item, out);
            let size = item.bytes.len();
            out.extend_from_slice(format!("{size} byte{}\n", if size == 1 { "" } else { "s" }).as_bytes());
        }
        let live = self.place.live || self.place.names || self.seen.timestamps != Timestamps::None;
        let lane = self.lane(item.wire);
        lane.dump.push(item.bytes, out);
        if item.frame.is_some() {
            lane.dump.finish(out);
        } else if live {
            lane.dump.flush(out);
        }
    }

    /// What stands before an item: time, session and direction, and what is remarkable about the frame.
    fn head(&mut self, item: &Item<'_>, out: &mut Vec<u8>) {
        let wall = match item.at.checked_duration_since(self.origin.0) {
            Some(since) => self.origin.1 + since,
            None => self.origin.1 - self.origin.0.duration_since(item.at),
        };
        let (origin, timestamps) = (self.origin.0, self.seen.timestamps);
        let begun = || (origin, Stamper::new(timestamps));
        let (started, stamper) = self.started.entry(item.wire.session).or_insert_with(begun);
        stamper.stamp(wall, item.at.saturating_duration_since(*started), out);
        self.prefix(item.wire, out);
        if let Some(frame) = item.frame {
            out.extend_from_slice(marks(frame).as_bytes());
        }
    }

    fn prefix(&self, wire: Wire, out: &mut Vec<u8>) {
        if self.place.names {
            name(wire, self.place.colored, out);
        }
    }
}

fn lock(style: &SharedStyle) -> Style {
    style.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn name(Wire { session, direction, far }: Wire, colored: bool, out: &mut Vec<u8>) {
    let (arrow, color) = match (direction, far) {
        (Direction::ToServer, false) => (">", "36"),
        (Direction::ToClient, false) => ("<", "32"),
        (Direction::ToServer, true) => (">>", "36"),
        (Direction::ToClient, true) => ("<<", "32"),
    };
    let name = match colored {
        true => format!("\x1b[{color}m{session} {arrow}\x1b[0m "),
        false => format!("{session} {arrow} "),
    };
    out.extend_from_slice(name.as_bytes());
}

/// What is remarkable about a frame.
fn marks(frame: &FrameFacts) -> String {
    let mut marks = String::new();
    match frame.kind {
        FrameKind::Partial => marks.push_str("[partial] "),
        FrameKind::Malformed => marks.push_str("[malformed] "),
        _ => {}
    }
    match frame.checksum {
        Some(Verdict::Right) => marks.push_str("[checksum ok] "),
        Some(Verdict::Wrong) => marks.push_str("[checksum wrong] "),
        None => {}
    }
    marks
}

/// Cuts text to the longest line and returns how many bytes of it went.
fn cut(text: &mut String) -> usize {
    if text.len() <= LINE_BYTES {
        return 0;
    }
    let end = (0..=LINE_BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let hidden = text.len() - end;
    text.truncate(end);
    hidden
}

#[cfg(test)]
mod tests;
