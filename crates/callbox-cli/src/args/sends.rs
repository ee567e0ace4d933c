//! What to send: several kinds of flag whose order among each other counts.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use callbox::frame::Framing;
use callbox::text::{Encoding, Template, parse_hex, unescape, unescape_in};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::TextArgs;
use crate::exit::Failure;

/// One thing to send, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Send {
    /// A text with escapes.
    Text(String),
    /// These bytes.
    Bytes(Bytes),
    /// A file's bytes.
    File(PathBuf),
    /// What standard input has.
    Stdin,
}

/// `--send`, `--send-hex` and `--send-file`, in the order given.
#[derive(Debug, Clone, Default)]
pub struct Sends(Vec<Send>);

/// One thing to send, ready as far as it can be before there is a session.
#[derive(Debug, Clone)]
pub enum Ready {
    /// Bytes, framed.
    Bytes(Bytes),
    /// A text that is made when it is sent, then framed.
    Template(Template),
    /// A file: one frame where there are frames, else a stream of bytes.
    File(PathBuf),
    /// Standard input, likewise.
    Stdin,
}

impl Sends {
    /// Tells whether anything is to be sent instead of standard input.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the files among them.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().filter_map(|send| match send {
            Send::File(path) => Some(path),
            _ => None,
        })
    }

    /// Returns what is sent: texts in the encoding, templates read, frames made.
    ///
    /// # Errors
    ///
    /// A character that the encoding does not have, a bad template, or what fits no frame.
    pub fn ready(&self, text: &TextArgs, template: bool, framing: &Framing) -> Result<Vec<Ready>, Failure> {
        self.made(text.framing.encoding, template, framing)
    }

    fn made(&self, encoding: Encoding, template: bool, framing: &Framing) -> Result<Vec<Ready>, Failure> {
        let of = |flag: &'static str| move |invalid: callbox::Invalid| Failure::usage(format!("{flag}: {invalid}"));
        let framed =
            |bytes: &[u8], flag| framing.encode(bytes).map(|bytes| Ready::Bytes(bytes.into())).map_err(of(flag));
        let ready = |send: &Send| match send {
            Send::Text(written) if template => {
                let template = Template::parse(written, encoding).map_err(of("--send"))?;
                Ok(Ready::Template(template))
            }
            Send::Text(written) => framed(&unescape_in(written, encoding).map_err(of("--send"))?, "--send"),
            Send::Bytes(bytes) => framed(bytes, "--send-hex"),
            Send::File(path) => Ok(Ready::File(path.clone())),
            Send::Stdin => Ok(Ready::Stdin),
        };
        self.0.iter().map(ready).collect()
    }
}

impl Sends {
    /// Returns what is sent without frames, for whoever makes frames of it each time.
    ///
    /// # Errors
    ///
    /// As [`Sends::ready`].
    pub fn unframed(&self, encoding: Encoding, template: bool) -> Result<Vec<Ready>, Failure> {
        self.made(encoding, template, &Framing::none())
    }

    /// Returns all of it in one, in the order given; files and standard input are read now.
    ///
    /// # Errors
    ///
    /// A character that the encoding does not have, and files that cannot be read.
    pub fn at_once(&self, encoding: Encoding) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        for send in &self.0 {
            match send {
                Send::Text(written) => all.extend(
                    unescape_in(written, encoding).map_err(|invalid| Failure::usage(format!("--send: {invalid}")))?,
                ),
                Send::Bytes(bytes) => all.extend_from_slice(bytes),
                Send::File(path) => all.extend(file(path)?),
                Send::Stdin => all.extend(stdin()?),
            }
        }
        Ok(all)
    }
}

/// Reads a file whole.
pub fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::local(&format!("read {}", path.display()), &error))
}

/// Reads standard input to its end.
pub fn stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes);
    read.map_err(|error| Failure::local("read standard input", &error))?;
    Ok(bytes)
}

impl clap::FromArgMatches for Sends {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Sends, clap::Error> {
        let mut placed: Vec<(usize, Send)> = Vec::new();
        let texts = matches.get_many::<String>("send").into_iter().flatten().cloned().map(Send::Text);
        placed.extend(matches.indices_of("send").into_iter().flatten().zip(texts));
        let bytes = matches.get_many::<Bytes>("send_hex").into_iter().flatten().cloned().map(Send::Bytes);
        placed.extend(matches.indices_of("send_hex").into_iter().flatten().zip(bytes));
        let files = matches.get_many::<PathBuf>("send_file").into_iter().flatten();
        let files = files.map(|path| if path.as_os_str() == "-" { Send::Stdin } else { Send::File(path.clone()) });
        placed.extend(matches.indices_of("send_file").into_iter().flatten().zip(files));
        placed.sort_by_key(|(index, _)| *index);
        Ok(Sends(placed.into_iter().map(|(_, send)| send).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Sends::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Sends {
    fn augment_args(command: Command) -> Command {
        let flag = |name: &'static str, long: &'static str, value: &'static str, help: &'static str| {
            let arg = Arg::new(name).long(long).value_name(value).help(help).action(ArgAction::Append);
            arg.help_heading("What to send").allow_hyphen_values(true)
        };
        // Its encoding is known later; a bad escape is told at once.
        let text = |text: &str| unescape(text).map(|_| text.to_owned());
        let hex = |text: &str| parse_hex(text).map(Bytes::from);
        command
            .arg(
                flag("send", "send", "TEXT", "Send this text instead of standard input; \\n \\r \\t \\0 \\\\ \\xHH \\u{...} are escapes; repeatable")
                    .value_parser(text),
            )
            .arg(
                flag("send_hex", "send-hex", "HEX", "Send these bytes, such as '48 65 6c'; repeatable")
                    .value_parser(hex),
            )
            .arg(
                flag("send_file", "send-file", "PATH", "Send a file's bytes, or standard input for -; repeatable")
                    .value_parser(value_parser!(PathBuf)),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Sends::augment_args(command)
    }
}
