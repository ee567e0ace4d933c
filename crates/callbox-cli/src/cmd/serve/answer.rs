//! What a server answers by itself, and how its bytes are shown: the flags put together.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use callbox::direction::Role;
use callbox::frame::{Framing, Rule};
use callbox::frames::Ends;
use callbox::handle::answer::{Answer, Desk, What};
use callbox::observers::Observers;
use callbox::pipe::plan::Faults;
use callbox::text::{Template, unescape_in};
use callbox::view::Show;

use super::ServeArgs;
use super::console::Head;
use crate::app::{App, Watched};
use crate::console::Side;
use crate::console::outgoing::Outgoing;
use crate::console::voice::Manner;
use crate::exit::Failure;
use crate::ui::traffic::{SharedStyle, Style};

/// What the tutorial's server answers.
const TUTORIAL_REPLY: &str = "thank you !";

/// What the flags mean, put together before anything is bound.
pub struct Plan {
    what: What,
    /// The answer where it is always the same.
    constant: Option<Bytes>,
    /// Where the console's orders go.
    desk: Option<Arc<Desk>>,
    framing: Framing,
    faults: Option<Faults>,
    /// Whether some of them are faults, and not the rate of a session alone.
    bends: bool,
    style: SharedStyle,
    seed: u64,
}

impl Plan {
    /// Puts the flags together.
    ///
    /// # Errors
    ///
    /// A bad template, a character that the encoding does not have, or an answer that fits no frame.
    pub fn of(args: &ServeArgs) -> Result<Plan, Failure> {
        let text = &args.text;
        let framing = text.framing.framing()?;
        let written = args.reply.as_deref().unwrap_or(TUTORIAL_REPLY);
        let of = |invalid: callbox::Invalid| Failure::usage(format!("--reply: {invalid}"));
        let (seed, _) = text.framing.seed();
        let (template, constant) = match args.template.template {
            true => (Template::parse(written, text.framing.encoding).map_err(of)?, None),
            false => {
                let bytes = unescape_in(written, text.framing.encoding).map_err(of)?;
                // Framed here, so that what does not fit is told before anybody connects; if anybody is answered by it.
                let framed = if replies(args) { framing.encode(&bytes).map_err(of)? } else { Vec::new() };
                (Template::literal(bytes), Some(Bytes::from(framed)))
            }
        };
        let desk = args.console.console.then(Desk::new);
        let asked = args.reply.is_some();
        // Somebody sits there and answers.
        let what = match (&desk, args.echo) {
            (Some(_), true) => What::Echo,
            (Some(_), false) if !asked => What::Nothing,
            _ => What::Text { template, seed },
        };
        let style = Style {
            show: text.show.unwrap_or(Show::Text),
            encoding: text.framing.encoding,
            timestamps: text.timestamps,
            asked: text.show == Some(Show::Text),
            json: framing.rule == Rule::Json,
            watch: None,
        };
        let style = Arc::new(Mutex::new(style));
        let faults = args.faults.clipped(&framing, seed)?;
        let bends = faults.is_some();
        let faults = args.server.with_rate(faults, &framing);
        Ok(Plan { what, constant, desk, framing, faults, bends, style, seed })
    }

    /// Returns what is done with the bytes besides answering them.
    pub fn watched(&self) -> Watched {
        Watched {
            style: self.style.clone(),
            live: self.desk.is_some(),
            framing: self.framing.clone(),
            most_frames: None,
            ends_session: Ends::Received,
            inbound: Role::Server.inbound(),
            raw: false,
            expiry_warn: None,
        }
    }

    /// Says the seed, where anything is drawn from it.
    pub fn say_seed(&self, app: &App, args: &ServeArgs) {
        let draws = matches!(&self.what, What::Text { template, .. } if template.draws_randomness());
        if args.text.framing.seed.is_none() && (draws || self.bends) {
            app.drew(self.seed);
        }
    }

    /// Returns the faults on the way, and the rate, where there are any.
    pub fn faults(&self) -> Option<Faults> {
        self.faults.clone()
    }

    /// Returns the one text that answers every chunk, where it is that simple.
    pub fn constant(&self) -> Option<Bytes> {
        let simple = self.framing.is_none() && self.desk.is_none();
        if simple { self.constant.clone() } else { None }
    }

    /// Returns the handler that answers.
    pub fn handler(&self) -> Answer {
        let answer = Answer::new(self.what.clone()).with_framing(self.framing.clone());
        match &self.desk {
            Some(desk) => answer.with_desk(desk.clone()),
            None => answer,
        }
    }

    /// Opens the console, where there is one.
    ///
    /// # Errors
    ///
    /// The system has no thread left, or no terminal.
    pub fn head(&self, args: &ServeArgs, observers: &Observers, manner: Manner) -> Result<Option<Head>, Failure> {
        let Some(desk) = &self.desk else { return Ok(None) };
        let style = self.style.clone();
        let outgoing = Outgoing::new(
            Side::Serve,
            args.text.framing.spec(),
            args.console.eol,
            style.clone(),
            args.text.framing.seed_of(self.seed),
        );
        let head = Head::open(outgoing, desk.clone(), observers.clone(), style, manner);
        head.map(Some).map_err(|error| Failure::local("open the console", &error))
    }
}

/// Whether clients are answered by a text.
fn replies(args: &ServeArgs) -> bool {
    let other = args.echo || args.discard || args.generate.is_some() || !args.exec.is_empty();
    args.reply.is_some() || (!other && !args.console.console)
}
