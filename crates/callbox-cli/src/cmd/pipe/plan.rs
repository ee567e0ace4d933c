//! What the byte pipe's flags mean, put together before anything is opened.

use std::sync::{Arc, Mutex};

use callbox::direction::Role;
use callbox::frame::{Framing, Rule};
use callbox::frames::Ends;
use callbox::pattern::Pattern;
use callbox::pipe::fault::Fault;
use callbox::pipe::plan::Faults;
use callbox::view::{Show, Timestamps};

use super::PipeArgs;
use crate::app::{App, Watched};
use crate::args::{OutputArgs, Ready};
use crate::exit::Failure;
use crate::ui::traffic::{SharedStyle, Style};

/// The flags, put together.
pub struct Plan {
    /// How frames are cut and made.
    pub framing: Framing,
    /// What is sent instead of standard input.
    pub sends: Vec<Ready>,
    /// What is waited for, in the encoding.
    pub expect: Vec<Pattern>,
    /// Faults on the way, where there are any.
    pub faults: Option<Faults>,
    /// Where randomness begins.
    pub seed: u64,
    /// Received bytes go to standard output as they are, past the events.
    pub raw: bool,
    /// How received bytes are shown.
    pub style: SharedStyle,
    /// Whether standard input is a console's.
    pub console: bool,
}

/// Returns the faults that happen before there are bytes.
fn of_listener(faults: &Faults) -> Option<Fault> {
    let plan = faults.plan();
    plan.faults.iter().map(|clipped| &clipped.fault).find(|fault| fault.kind.is_of_listener()).cloned()
}

impl PipeArgs {
    /// Puts the flags together: texts in their encoding, sends in their frames.
    ///
    /// # Errors
    ///
    /// What does not go together, and a file that cannot be opened: before anybody is connected to.
    pub fn plan(&self, output: &OutputArgs) -> Result<Plan, Failure> {
        self.check_files()?;
        let text = &self.text;
        let framing = text.framing.framing()?;
        let sends = self.sends.ready(text, self.template.template, &framing)?;
        let parse = |pattern: &Pattern| {
            let written = pattern.to_string();
            if written.starts_with("re:") && !written.is_ascii() && !text.framing.encoding.is_utf8() {
                let problem = format!(
                    "--expect: a regex is on bytes, and \"{written}\" is not written in {}",
                    text.framing.encoding
                );
                return Err(
                    Failure::usage(problem).hint("write the bytes as \\xHH, or expect a text instead of a regex")
                );
            }
            let parsed = Pattern::parse_in(&pattern.to_string(), text.framing.encoding);
            parsed.map_err(|invalid| Failure::usage(format!("--expect: {invalid}")))
        };
        let expect = self.expect.iter().map(parse).collect::<Result<_, _>>()?;
        let show = self.show();
        let style = Style {
            show,
            encoding: text.framing.encoding,
            timestamps: text.timestamps,
            asked: text.show == Some(Show::Text),
            json: framing.rule == Rule::Json,
            watch: None,
        };
        let (seed, _) = text.framing.seed();
        let faults = self.faults.clipped(&framing, seed)?;
        if let Some(fault) = faults.as_ref().and_then(of_listener) {
            let failure =
                Failure::usage(format!("--fault {fault}: it is a listener's for many, and here is one connection"));
            return Err(failure.hint("callbox serve and callbox relay have it"));
        }
        if self.console.console && !self.sends.is_empty() {
            let failure = Failure::usage("--console reads what is sent from standard input, and --send is given too");
            return Err(failure.hint("leave one of them out; the console has /hex, /file and /every"));
        }
        let by_hand = self.input_is_terminal() && App::stdout_is_terminal() && !output.json && show != Show::Raw;
        let console = self.console.console || (by_hand && !self.console.no_console);
        // What a console may change goes through events.
        let raw = show == Show::Raw && !console;
        let style = Arc::new(Mutex::new(style));
        Ok(Plan { framing, sends, expect, faults, seed, raw, style, console })
    }

    /// How received bytes are shown: as asked for, else exact where a program reads them, safe where a person does.
    fn show(&self) -> Show {
        match self.text.show {
            Some(show) => show,
            None if self.raw => Show::Raw,
            None if self.escape || App::stdout_is_terminal() => Show::Text,
            // A time is put before something that people read.
            None if self.text.timestamps != Timestamps::None => Show::Text,
            None => Show::Raw,
        }
    }

    fn check_files(&self) -> Result<(), Failure> {
        for path in self.sends.files() {
            let opened = std::fs::File::open(path).map(drop);
            opened.map_err(|error| Failure::local(&format!("read {}", path.display()), &error))?;
        }
        Ok(())
    }
}

impl Plan {
    /// Tells whether anything that is sent is drawn by lot.
    pub fn draws_randomness(&self) -> bool {
        self.sends.iter().any(|send| matches!(send, Ready::Template(template) if template.draws_randomness()))
    }

    /// Returns what is done with the bytes besides carrying them, as the side that plays `role`.
    pub fn watched(&self, args: &PipeArgs, role: Role) -> Watched {
        Watched {
            style: self.style.clone(),
            live: self.console,
            framing: self.framing.clone(),
            most_frames: args.count,
            ends_session: Ends::Received,
            inbound: role.inbound(),
            raw: self.raw,
            expiry_warn: None,
        }
    }
}
