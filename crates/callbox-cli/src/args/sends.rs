//! What to send: several kinds of flag whose order among each other counts.

use std::path::PathBuf;

use bytes::Bytes;
use callbox::text::{parse_hex, unescape};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Send {
    /// These bytes.
    Bytes(Bytes),
    /// A file's bytes.
    File(PathBuf),
    /// What standard input has.
    Stdin,
}

/// `--send`, `--send-hex` and `--send-file`, in the order given.
#[derive(Debug, Clone, Default)]
pub struct Sends(pub Vec<Send>);

impl clap::FromArgMatches for Sends {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Sends, clap::Error> {
        let mut placed: Vec<(usize, Send)> = Vec::new();
        for name in ["send", "send_hex"] {
            let values = matches.get_many::<Bytes>(name).into_iter().flatten().cloned().map(Send::Bytes);
            placed.extend(matches.indices_of(name).into_iter().flatten().zip(values));
        }
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
        let text = |text: &str| unescape(text).map(Bytes::from);
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
