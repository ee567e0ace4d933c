//! A console on a terminal: the thread with the line editor.

use std::borrow::Cow;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::Completer;
use rustyline::config::{BellStyle, Configurer};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Cmd, ConditionalEventHandler, Context, Event, EventContext, EventHandler, KeyCode, KeyEvent};
use rustyline::{ColorMode, CompletionType, Config, EditMode, Editor, ExternalPrinter, Helper};
use rustyline::{Modifiers, RepeatCount};
use tokio::sync::{mpsc, oneshot};

use super::Typed;
use super::command::Side;
use super::complete::{self, Sessions};
use super::descriptors::Low;
use super::gate::{Gate, Left};
use super::history::{self, History};
use super::settings::Settings;

/// Terminals that cannot move their cursor.
const PLAIN: [&str; 4] = ["", "dumb", "cons25", "emacs"];

/// Whether a terminal of this name can be edited on.
pub fn can_edit(term: &str) -> bool {
    !PLAIN.contains(&term)
}

/// What the editor is told at its start.
pub struct Setup {
    /// Whose console it is, for completion.
    pub side: Side,
    /// What stands before the line.
    pub prompt: String,
    /// Sessions that Tab offers.
    pub sessions: Sessions,
    /// Where it meets the screen.
    pub gate: Arc<Gate>,
    /// The terminal, which is put back when the editor ends.
    pub settings: Arc<Settings>,
}

/// Starts the thread. Returns what texts are shown with, and what closes when the editor has ended.
pub fn start(
    setup: Setup,
    typed: mpsc::Sender<Typed>,
) -> io::Result<(impl ExternalPrinter + Send + use<>, oneshot::Receiver<()>)> {
    let config = Config::builder()
        .max_history_size(history::ENTRIES)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(io::Error::other)?
        .edit_mode(EditMode::Emacs)
        .completion_type(CompletionType::List)
        // A list that waits for a second Tab would hold up the output meanwhile.
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(usize::MAX)
        .bell_style(BellStyle::None)
        // Not for colours: with it, the editor says when it draws its line.
        .color_mode(ColorMode::Forced)
        // Lines that are pasted are sent as lines; and a terminal that was left in this mode would stay in it.
        .bracketed_paste(false)
        .build();
    let mut editor: Line = Editor::with_config(config).map_err(io::Error::other)?;
    editor.enable_synchronized_output(false);
    let low = Mutex::new(Low::hold());
    editor.set_helper(Some(Ears { side: setup.side, sessions: setup.sessions, gate: setup.gate.clone(), low }));
    let keys = Keys { gate: setup.gate.clone(), settings: setup.settings.clone() };
    editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(keys)));
    let printer = editor.create_external_printer().map_err(io::Error::other)?;
    let (ending, ended) = oneshot::channel();
    // Never joined: it waits for keys.
    std::thread::Builder::new().name("callbox-console".into()).spawn({
        let (gate, settings, prompt, side) = (setup.gate, setup.settings, setup.prompt, setup.side);
        move || {
            work(editor, side, &prompt, &gate, &typed);
            settings.restore();
            // What is left is shown, then the screen is everybody's.
            gate.ends();
            drop(ending);
        }
    })?;
    Ok((printer, ended))
}

type Line = Editor<Ears, DefaultHistory>;

/// Reads lines until somebody leaves. The editor is gone when this returns.
fn work(mut editor: Line, side: Side, prompt: &str, gate: &Gate, typed: &mpsc::Sender<Typed>) {
    let (mut history, notice) = History::open(&mut editor);
    let give = |what| typed.blocking_send(what).is_ok();
    if notice.is_some_and(|notice| !give(Typed::Notice(notice))) {
        return;
    }
    let mut armed = false;
    while gate.starts() {
        editor.helper().inspect(|ears| ears.low().give());
        Low::wait_for_one();
        // Unwinding is how a waiting editor is made to end; a panic of its own is the end as well.
        let Ok(line) = catch_unwind(AssertUnwindSafe(|| editor.readline(prompt))).map_err(|cause| {
            if !cause.is::<Left>() {
                give(Typed::End);
            }
        }) else {
            return;
        };
        let interrupted = gate.returns();
        let goes_on = match line {
            Ok(line) => {
                armed = false;
                let notice = history.add(&mut editor, &line);
                give(Typed::Line(line.into_bytes())) && notice.is_none_or(|notice| give(Typed::Notice(notice)))
            }
            Err(ReadlineError::Interrupted) => {
                let empty = interrupted.unwrap_or(true);
                // With nothing to clear there, one session is left at once, as without a console; a server with many
                // is not.
                let leaves = empty && (armed || side == Side::Connect);
                let said = !empty || leaves || give(Typed::Notice("Ctrl-C again leaves".into()));
                armed = true;
                if leaves {
                    give(Typed::Leave);
                }
                said && !leaves
            }
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                give(Typed::Notice("what was typed is not UTF-8 and was not taken".into()))
            }
            Err(_) => {
                crate::ui::input::wait_for_hangup();
                give(Typed::End);
                false
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// What the editor asks while a line is typed.
struct Ears {
    side: Side,
    sessions: Sessions,
    gate: Arc<Gate>,
    low: Mutex<Low>,
}

impl Ears {
    fn low(&self) -> std::sync::MutexGuard<'_, Low> {
        self.low.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Helper for Ears {}

impl Validator for Ears {}

impl Completer for Ears {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::complete(line, pos, self.side, &self.sessions))
    }
}

impl Hinter for Ears {
    type Hint = String;
}

impl Highlighter for Ears {
    fn highlight_char(&self, _line: &str, _pos: usize, kind: CmdKind) -> bool {
        match kind {
            // The line is accepted: the last drawing, and no waiting after it.
            CmdKind::ForcedRefresh => false,
            // "Yes" has it drawn always: otherwise a question could be followed by no drawing.
            CmdKind::MoveCursor | CmdKind::Other => {
                self.low().hold_again();
                self.gate.asks();
                true
            }
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        self.gate.draws();
        Cow::Borrowed(prompt)
    }
}

/// Sees every key before the editor does.
struct Keys {
    gate: Arc<Gate>,
    settings: Arc<Settings>,
}

impl ConditionalEventHandler for Keys {
    fn handle(&self, event: &Event, _n: RepeatCount, _positive: bool, context: &EventContext) -> Option<Cmd> {
        let key = event.get(0)?;
        let line = context.line();
        let control = |letter| *key == KeyEvent::ctrl(letter);
        let tab = *key == KeyEvent(KeyCode::Tab, Modifiers::NONE) || control('I');
        let interrupted = control('C');
        let last = interrupted
            || control('\\')
            || control('D') && line.is_empty()
            || control('J')
            || control('M')
            || *key == KeyEvent(KeyCode::Enter, Modifiers::NONE);
        self.gate.key(tab, last, interrupted.then_some(line.is_empty()));
        if control('Z') {
            self.settings.suspend();
            return Some(Cmd::Repaint);
        }
        // In a line that is sent, a tab is a character.
        (tab && !complete::is_command(line)).then(|| Cmd::Insert(1, "\t".into()))
    }
}
