//! How what is typed becomes bytes, and how bytes are shown: what `/encoding`, `/frame`, `/show`, `/eol` change.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use callbox::Invalid;
use callbox::frame::{Framing, Rule};
use callbox::rng::Rng;
use callbox::text::template::Facts;
use callbox::text::{Encoding, Template, safe};
use callbox::view::{Show, Timestamps};

use super::command::{self, Argument, Command, Eol, Side};
use crate::args::Seed;
use crate::ui::traffic::{SharedStyle, Style};

/// What holds for the lines of a console.
pub struct Outgoing {
    side: Side,
    encoding: Encoding,
    /// How frames are made, as said.
    spec: Framing,
    /// The same in the encoding.
    framing: Framing,
    eol: Eol,
    style: SharedStyle,
    rng: Rng,
    seed: Seed,
}

/// What a command of this file's has changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nothing: it was a question, and this is the answer.
    Nothing(String),
    /// Nothing but what holds from here on; in a line.
    Said(String),
    /// The framer too: the sessions' bytes have to be cut by it.
    Framing(Framing, String),
}

impl Outgoing {
    /// Begins with what the command line says.
    pub fn new(side: Side, spec: Framing, eol: Eol, style: SharedStyle, seed: Seed) -> Outgoing {
        let encoding = style.lock().unwrap_or_else(PoisonError::into_inner).encoding;
        let framing = spec.clone().in_encoding(encoding);
        Outgoing { side, encoding, spec, framing, eol, style, rng: Rng::new(seed.seed), seed }
    }

    /// Carries a command out, where it is one of these.
    ///
    /// # Errors
    ///
    /// A value that cannot be read, with its place in the line.
    pub fn change(&mut self, command: &Command) -> Option<Result<Changed, Invalid>> {
        Some(match command {
            Command::Encoding(argument) => argument.read().map(|encoding| self.encode_by(encoding)),
            Command::Frame(argument) => argument.read().and_then(|framing| self.frame_by(argument, framing)),
            Command::Show(argument) => argument.read().map(|show: Show| {
                self.restyle(|style| (style.show, style.asked) = (show, show == Show::Text));
                Changed::Said(format!("showing {show}"))
            }),
            Command::Timestamps(argument) => argument.read().map(|timestamps: Timestamps| {
                self.restyle(|style| style.timestamps = timestamps);
                Changed::Said(format!("timestamps: {timestamps}"))
            }),
            Command::Eol(eol) => {
                self.eol = *eol;
                let bytes = callbox::text::escape(eol.text().as_bytes());
                Ok(Changed::Said(match bytes.is_empty() {
                    true => "nothing ends a line that is sent".into(),
                    false => format!("{bytes} ends a line that is sent"),
                }))
            }
            Command::Help(name) => Ok(Changed::Nothing(command::help(self.side, name.as_deref()).trim_end().into())),
            _ => return None,
        })
    }

    /// Returns the bytes of a typed line: encoded, and in a frame or with its line ending.
    ///
    /// # Errors
    ///
    /// A character that the encoding does not have, or a line that fits no frame.
    pub fn line(&self, text: &str) -> Result<Bytes, Invalid> {
        self.ended(self.encoded(text)?)
    }

    /// Returns the bytes of a line that no encoding touches, in a frame or with its line ending.
    ///
    /// # Errors
    ///
    /// A line that fits no frame.
    pub fn line_bytes(&self, bytes: Vec<u8>) -> Result<Bytes, Invalid> {
        self.ended(bytes)
    }

    /// Returns bytes as they are sent: in a frame where there are frames.
    ///
    /// # Errors
    ///
    /// What fits no frame.
    pub fn payload(&self, bytes: &[u8]) -> Result<Bytes, Invalid> {
        self.framing.encode(bytes).map(Bytes::from)
    }

    /// Reads the template of an `/every`.
    ///
    /// # Errors
    ///
    /// A bad one, with its place in the line.
    pub fn template(&self, argument: &Argument) -> Result<Template, Invalid> {
        let read = Template::parse(&argument.text, self.encoding);
        read.map_err(|invalid| command::within(&argument.line, argument.at, invalid))
    }

    /// Returns what there is to say of the seed before a template draws from it, once.
    pub fn seed_of(&mut self, template: &Template) -> Option<String> {
        let says = template.draws_randomness() && std::mem::take(&mut self.seed.unsaid);
        says.then(|| format!("seed {0}: --seed {0} draws the same again", self.seed.seed))
    }

    /// Returns what a template stands for now, as a line.
    ///
    /// # Errors
    ///
    /// As [`Outgoing::line`].
    pub fn expand(&mut self, template: &Template, n: u64, session: u64, peer: &str) -> Result<Bytes, Invalid> {
        let facts = Facts { n, time: SystemTime::now(), session, peer };
        let text = template.render(&facts, &mut self.rng);
        self.ended(text.map_err(|error| Invalid::new("template", "", error.to_string()))?)
    }

    /// Returns the framing of what is sent, for files.
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    fn encoded(&self, text: &str) -> Result<Vec<u8>, Invalid> {
        self.encoding.encode(text).map_err(|error| {
            Invalid::new("line", text, format!("{} has no '{}'", self.encoding, safe(&error.character.to_string())))
                .at(error.at)
                .instead("write /encoding utf-8, or /hex and the bytes")
        })
    }

    fn ended(&self, mut bytes: Vec<u8>) -> Result<Bytes, Invalid> {
        // A frame has its own end.
        if self.framing.is_none() {
            let eol = self.encoding.encode(self.eol.text());
            bytes.extend_from_slice(&eol.unwrap_or_else(|_| self.eol.text().into()));
        }
        self.payload(&bytes)
    }

    fn restyle(&self, change: impl FnOnce(&mut Style)) {
        change(&mut self.style.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn encode_by(&mut self, encoding: Encoding) -> Changed {
        self.encoding = encoding;
        self.restyle(|style| style.encoding = encoding);
        let said = format!("encoding {encoding}");
        // A line ends otherwise where characters are made of two bytes.
        let framing = self.spec.clone().in_encoding(encoding);
        match framing == self.framing {
            true => Changed::Said(said),
            false => {
                self.framing = framing;
                Changed::Framing(self.framing.clone(), said)
            }
        }
    }

    fn frame_by(&mut self, argument: &Argument, framing: Framing) -> Result<Changed, Invalid> {
        // The maximum and the checksum are the command line's.
        let spec = framing.with_max_bytes(self.spec.max_bytes).with_checksum(self.spec.checksum);
        spec.check().map_err(|invalid| command::within(&argument.line, argument.at, invalid))?;
        let said = format!("frames: {spec}");
        self.framing = spec.clone().in_encoding(self.encoding);
        self.restyle(|style| style.json = spec.rule == Rule::Json);
        self.spec = spec;
        Ok(Changed::Framing(self.framing.clone(), said))
    }
}

/// Takes what a console and its repeated sends share.
pub fn lock(outgoing: &Mutex<Outgoing>) -> MutexGuard<'_, Outgoing> {
    outgoing.lock().unwrap_or_else(PoisonError::into_inner)
}
