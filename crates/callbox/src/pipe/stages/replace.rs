//! Replace: what matches is replaced, over chunk boundaries; in frames each by itself, with its length put right.

use std::time::Duration;

use bytes::Bytes;
use regex::bytes::Regex;
use tokio::time::Instant;

use super::Stage;
use super::seeker::{Found, Seeker};
use crate::frame::{Frame, FrameKind, Framer, Framing, Rule};
use crate::pattern::Pattern;
use crate::pipe::decision::What;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};

/// Bytes that may be the beginning of a match are let go when nothing has come for so long.
pub const MATCH_PATIENCE: Duration = Duration::from_millis(200);

/// A frame longer than this goes on as it is: nothing in it is replaced.
pub const REPLACED_FRAME_BYTES: usize = 128 * 1024;

/// Replaces what matches.
pub(super) struct Replace {
    seeker: Seeker,
    by: By,
    offset: u64,
    due: Option<Instant>,
    frames: Option<Frames>,
}

/// What comes instead.
struct By {
    text: Vec<u8>,
    /// The text has groups in it.
    groups: Option<Regex>,
}

/// Frames, and what has become of the one under way.
struct Frames {
    framer: Framer,
    framing: Framing,
    /// So many bytes of the unfinished frame have gone on already, for it is too long or not to be changed.
    gone: usize,
    /// Some of its bytes are not to be changed.
    untouched: bool,
}

impl Replace {
    pub(super) fn new(pattern: &Pattern, text: Vec<u8>, framing: &Framing) -> Replace {
        let groups = pattern.regex().filter(|_| text.contains(&b'$')).cloned();
        let frames = (!framing.is_none()).then(|| Frames {
            framer: Framer::new(framing),
            framing: framing.clone(),
            gone: 0,
            untouched: false,
        });
        let seeker = Seeker::new(pattern.automaton());
        Replace { seeker, by: By { text, groups }, offset: 0, due: None, frames }
    }

    fn chunk(&mut self, bytes: &[u8], out: &mut Outbox<'_>) {
        let mut made = Made::new(&self.by, self.offset - self.seeker.held() as u64, bytes.len());
        self.seeker.feed(bytes, &mut |found| made.take(found, out));
        made.finish(out);
        self.offset += bytes.len() as u64;
        self.due = (self.seeker.held() > 0).then(|| later(out.at, MATCH_PATIENCE));
    }

    fn flush(&mut self, out: &mut Outbox<'_>) {
        self.due = None;
        let mut made = Made::new(&self.by, self.offset - self.seeker.held() as u64, 0);
        self.seeker.finish(&mut |found| made.take(found, out));
        made.finish(out);
    }

    /// Takes bytes into the frames; `changes` says whether those may be changed.
    fn framed(&mut self, bytes: Bytes, changes: bool, out: &mut Outbox<'_>) {
        let Some(mut frames) = self.frames.take() else { return };
        self.silence(&mut frames, out);
        let mut rest = &bytes[..];
        loop {
            frames.untouched |= !changes && !rest.is_empty();
            let before = rest.len();
            let failed = match frames.framer.next(out.at, &mut rest) {
                Ok(Some(frame)) => {
                    self.offset += (before - rest.len()) as u64;
                    let whole = (frames.untouched, std::mem::take(&mut frames.gone));
                    self.frame(&frame, &frames.framing, whole, out);
                    frames.untouched = false;
                    continue;
                }
                Ok(None) => {
                    self.offset += before as u64;
                    frames.let_go(out);
                    false
                }
                Err(_) => true,
            };
            if failed {
                // Nothing says where the next frame begins: all that comes goes on as it is.
                out.bytes(Bytes::copy_from_slice(&frames.framer.held()[frames.gone..]));
                out.bytes(bytes.slice_ref(rest));
                self.offset += before as u64;
                frames = Frames { framer: Framer::new(&Framing::none()), framing: Framing::none(), ..frames };
                (frames.gone, frames.untouched) = (0, true);
            }
            break;
        }
        self.due = frames.framer.due();
        self.frames = Some(frames);
    }

    /// Lets a frame go on that silence has completed.
    fn silence(&mut self, frames: &mut Frames, out: &mut Outbox<'_>) {
        let state = (frames.untouched, frames.gone);
        if let Some(frame) = frames.framer.expire(out.at) {
            self.frame(&frame, &frames.framing, state, out);
            (frames.untouched, frames.gone) = (false, 0);
        }
    }

    /// Lets a whole frame go on, changed where something matches.
    fn frame(&mut self, frame: &Frame<'_>, framing: &Framing, state: (bool, usize), out: &mut Outbox<'_>) {
        let (untouched, gone) = state;
        let usual = matches!(frame.kind, FrameKind::Whole | FrameKind::Partial);
        if untouched || gone > 0 || !usual {
            return out.bytes(Bytes::copy_from_slice(&frame.whole[gone..]));
        }
        let start = self.offset.saturating_sub(frame.whole.len() as u64);
        let mut made = Made::new(&self.by, start, frame.payload.len());
        let mut noted = Vec::new();
        self.seeker.feed(frame.payload, &mut |found| made.replace(found, &mut noted));
        self.seeker.finish(&mut |found| made.replace(found, &mut noted));
        // Each frame is searched by itself.
        self.seeker.begin_anew();
        if noted.is_empty() {
            return out.bytes(Bytes::copy_from_slice(frame.whole));
        }
        match framed(frame, framing, &made.bytes) {
            Some(changed) => {
                for (offset, bytes, by) in noted {
                    out.note(offset, What::Replaced { bytes, by });
                }
                out.dropped(frame.whole.len());
                out.added(changed.len());
                out.bytes(Bytes::from(changed));
            }
            None => {
                out.note(start, What::NoFrame);
                out.bytes(Bytes::copy_from_slice(frame.whole));
            }
        }
    }
}

/// Makes the frame anew around another payload.
fn framed(frame: &Frame<'_>, framing: &Framing, payload: &[u8]) -> Option<Vec<u8>> {
    let start = (frame.payload.as_ptr() as usize).checked_sub(frame.whole.as_ptr() as usize);
    let inside = start.filter(|start| start + frame.payload.len() <= frame.whole.len());
    let around = |start: usize| {
        let behind = &frame.whole[start + frame.payload.len()..];
        [&frame.whole[..start], payload, behind].concat()
    };
    let is_bare = matches!(framing.rule, Rule::Line | Rule::Crlf | Rule::Delimiter(_) | Rule::Json | Rule::Idle(_));
    if frame.kind == FrameKind::Partial {
        // What says how long it is has been said.
        return inside.filter(|_| is_bare).map(around);
    }
    match &framing.rule {
        Rule::Length(field) => framing.encode(&[frame.whole.get(..field.offset)?, payload].concat()).ok(),
        // What lies around it stays: line endings, white space.
        _ if is_bare && framing.checksum.is_none() => inside.map(around),
        _ => framing.encode(payload).ok(),
    }
}

impl Frames {
    /// Lets an unfinished frame go on as it is, when it is too long to be held.
    fn let_go(&mut self, out: &mut Outbox<'_>) {
        let held = self.framer.held();
        if self.gone > 0 || held.len() > REPLACED_FRAME_BYTES {
            out.bytes(Bytes::copy_from_slice(&held[self.gone..]));
            self.gone = held.len();
        }
    }
}

/// What is made of found bytes.
struct Made<'a> {
    by: &'a By,
    offset: u64,
    bytes: Vec<u8>,
}

impl Made<'_> {
    fn new(by: &By, offset: u64, capacity: usize) -> Made<'_> {
        Made { by, offset, bytes: Vec::with_capacity(capacity) }
    }

    fn take(&mut self, found: Found<'_>, out: &mut Outbox<'_>) {
        let mut noted = Vec::new();
        self.replace(found, &mut noted);
        for (offset, bytes, by) in noted {
            out.note(offset, What::Replaced { bytes, by });
            out.dropped(bytes as usize);
            out.added(by as usize);
        }
    }

    /// Appends what comes of it, and to `noted` each replacement: where, how many bytes, by how many.
    fn replace(&mut self, found: Found<'_>, noted: &mut Vec<(u64, u64, u64)>) {
        let (around, range) = match found {
            Found::Plain(bytes) => {
                self.offset += bytes.len() as u64;
                return self.bytes.extend_from_slice(bytes);
            }
            Found::Match { around, range } => (around, range),
        };
        let before = self.bytes.len();
        let groups = self.by.groups.as_ref().and_then(|regex| regex.captures_at(around, range.start));
        match groups {
            Some(groups) => groups.expand(&self.by.text, &mut self.bytes),
            None => self.bytes.extend_from_slice(&self.by.text),
        }
        noted.push((self.offset, range.len() as u64, (self.bytes.len() - before) as u64));
        self.offset += range.len() as u64;
    }

    fn finish(self, out: &mut Outbox<'_>) {
        out.bytes(Bytes::from(self.bytes));
    }
}

impl Stage for Replace {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.offset = offset;
        if self.frames.is_some() { self.framed(bytes, true, out) } else { self.chunk(&bytes, out) }
    }

    fn pass(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.offset = offset;
        if self.frames.is_some() {
            return self.framed(bytes, false, out);
        }
        self.flush(out);
        out.bytes(bytes);
    }

    fn may_be_passed_by(&self) -> bool {
        self.frames.is_none() && self.seeker.held() == 0
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        self.release(false, out);
        out.item(item);
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        let Some(mut frames) = self.frames.take() else { return self.flush(out) };
        self.silence(&mut frames, out);
        self.due = frames.framer.due();
        self.frames = Some(frames);
    }

    fn release(&mut self, _replaced: bool, out: &mut Outbox<'_>) {
        let Some(mut frames) = self.frames.take() else { return self.flush(out) };
        let state = (frames.untouched, frames.gone);
        if let Some(frame) = frames.framer.finish() {
            self.frame(&frame, &frames.framing, state, out);
        }
    }

    fn held(&self) -> usize {
        self.seeker.held() + self.frames.as_ref().map_or(0, |frames| frames.framer.held().len() - frames.gone)
    }
}
