//! What the editor and the screen know of each other: who writes to the terminal now, and what has been shown.
//!
//! The editor shows a text above its prompt only while it waits for a key, takes one at a time, and does not say when
//! it has. It does ask for a hint whenever it draws the line, except when it draws it again below a text: a line
//! drawn without a hint is how we learn that the text stands on the screen.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustyline::ExternalPrinter;

use super::direct;

/// How long a text waits for the editor between two lines before it is written without it.
const AWAY: Duration = Duration::from_millis(100);
/// The same while another text waits inside the editor, which would then come too late.
const AWAY_BEHIND: Duration = Duration::from_secs(1);
/// How long an unconfirmed text holds up the next one; the editor's own queue of one waits after that.
const UNCONFIRMED: Duration = Duration::from_millis(250);
/// How long a key waits for a text that is just being handed over.
const HANDOVER: Duration = Duration::from_millis(100);
/// Ends a waiting editor: one up, one down, nothing to see.
const NOTHING: &str = "\x1b[A\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody reads a line: before the first, and between two.
    Away,
    /// The editor is about to draw its prompt.
    Starting,
    /// The editor waits for keys and texts.
    Reading,
    /// The editor is gone, for good.
    Ended,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Texts that the editor has and that are not known to be on the screen.
    handed: VecDeque<String>,
    /// A text is being handed over.
    handing: bool,
    /// Since when nobody reads a line.
    away: Instant,
    /// The editor is about to draw the line on its own account.
    asked: bool,
    /// The last key was Tab: the line may be drawn below a list.
    listing: bool,
    /// The next text ends the editor.
    leaving: bool,
    /// Whether the line was empty at Ctrl-C; `None`: it was no Ctrl-C.
    interrupted: Option<bool>,
}

/// The one place where editor and screen meet.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

/// Unwinds out of the editor, which knows no other way to end without a key.
pub struct Left;

impl Gate {
    /// Begins with nobody reading.
    pub fn new() -> Gate {
        let state = State {
            phase: Phase::Away,
            handed: VecDeque::new(),
            handing: false,
            away: Instant::now(),
            asked: false,
            listing: false,
            leaving: false,
            interrupted: None,
        };
        Gate { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, patience: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    fn enter(&self, state: &mut State, phase: Phase) {
        if phase == Phase::Away && state.phase != Phase::Away {
            state.away = Instant::now();
        }
        if state.phase != Phase::Ended {
            state.phase = phase;
        }
        self.changed.notify_all();
    }

    // ---- the editor's side

    /// The editor is about to read a line; returns whether it still may.
    pub fn starts(&self) -> bool {
        let mut state = self.lock();
        state.interrupted = None;
        self.enter(&mut state, Phase::Starting);
        state.phase != Phase::Ended && !state.leaving
    }

    /// The editor is about to draw the line on its own account, and waits for keys and texts after that.
    pub fn asks(&self) {
        let mut state = self.lock();
        state.asked = true;
        self.enter(&mut state, Phase::Reading);
    }

    /// The editor draws the line.
    pub fn draws(&self) {
        let mut state = self.lock();
        let below_a_text = !std::mem::take(&mut state.asked) && !state.listing && state.phase == Phase::Reading;
        if below_a_text {
            state.handed.pop_front();
            self.changed.notify_all();
            if state.leaving {
                state.phase = Phase::Away;
                drop(state);
                // No panic: nothing is reported.
                std::panic::resume_unwind(Box::new(Left));
            }
        }
    }

    /// A key has come; `last` says that the line ends with it. No text is handed over from then on.
    pub fn key(&self, tab: bool, last: bool, interrupted: Option<bool>) {
        let mut state = self.lock();
        state.listing = tab;
        state.interrupted = interrupted;
        if last {
            self.enter(&mut state, Phase::Away);
            // Where two are on their way, the second waits for the first inside the editor's queue, in order.
            let deadline = Instant::now() + HANDOVER;
            while state.handing && state.handed.len() == 1 && Instant::now() < deadline {
                state = self.wait(state, deadline.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// The editor has returned; returns whether the line was empty, if that was a Ctrl-C.
    pub fn returns(&self) -> Option<bool> {
        let mut state = self.lock();
        self.enter(&mut state, Phase::Away);
        state.interrupted.take()
    }

    /// The editor no longer exists: what it has not shown is written here.
    pub fn ends(&self) {
        let mut state = self.lock();
        let deadline = Instant::now() + HANDOVER;
        while state.handing && Instant::now() < deadline {
            state = self.wait(state, deadline.saturating_duration_since(Instant::now()));
        }
        for text in std::mem::take(&mut state.handed) {
            write(&text);
        }
        self.enter(&mut state, Phase::Ended);
    }

    /// Declares the editor gone although it may not be: nobody waits for it any more. Returns whether it was there.
    pub fn abandon(&self) -> bool {
        let mut state = self.lock();
        let waited = matches!(state.phase, Phase::Starting | Phase::Reading);
        self.enter(&mut state, Phase::Ended);
        waited
    }

    // ---- the screen's side

    /// Tells whether the editor is gone.
    pub fn has_ended(&self) -> bool {
        self.lock().phase == Phase::Ended
    }

    #[cfg(test)]
    /// Waits until everything is on the screen.
    pub fn settles(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.handing || !state.handed.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.wait(state, left);
        }
        true
    }

    /// Shows whole lines above the prompt, or where the cursor is when there is none.
    pub fn show(&self, printer: &mut impl ExternalPrinter, text: String) {
        self.hand(printer, text);
    }

    /// Ends an editor that waits for keys.
    pub fn leave(&self, printer: &mut impl ExternalPrinter) {
        let mut state = self.lock();
        state.leaving = true;
        // An editor that has shown its last text may be between two lines; then it sees for itself.
        let waits = matches!(state.phase, Phase::Starting | Phase::Reading);
        drop(state);
        if waits {
            self.hand(printer, NOTHING.into());
        }
    }

    /// Hands a text to the editor, or writes it when there is no editor to take it.
    fn hand(&self, printer: &mut impl ExternalPrinter, text: String) {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            let behind = !state.handed.is_empty();
            let patience = match state.phase {
                Phase::Ended => return write(&text),
                Phase::Reading if !behind => break,
                Phase::Reading => UNCONFIRMED,
                Phase::Away | Phase::Starting if behind => AWAY_BEHIND,
                Phase::Away | Phase::Starting => AWAY,
            };
            let since = if state.phase == Phase::Away { state.away.max(begun) } else { begun };
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                match state.phase {
                    Phase::Reading => break,
                    // The lock is held: the editor does not draw its prompt meanwhile.
                    Phase::Away => return write(&text),
                    Phase::Starting | Phase::Ended => {}
                }
            }
            // Away for long, the editor is stopped or its lines are not taken; it is looked at again now and then.
            state = self.wait(state, left.max(Duration::from_millis(1)));
        }
        state.handing = true;
        state.handed.push_back(text.clone());
        drop(state);
        // Waits only while an unconfirmed text is still inside the editor.
        let printed = printer.print(text);
        let mut state = self.lock();
        state.handing = false;
        // The editor's queue has one place: the one before has been taken out of it.
        while state.handed.len() > 1 && printed.is_ok() {
            state.handed.pop_front();
        }
        self.changed.notify_all();
    }
}

fn write(text: &str) {
    if text != NOTHING {
        // A terminal that takes nothing any more is seen by whoever reads from it.
        let _ = direct::write(direct::To::Output, text.as_bytes());
    }
}
