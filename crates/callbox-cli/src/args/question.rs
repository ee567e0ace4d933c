//! What to ask a server, and where its answer ends.

use callbox::handle::exchange::Until;
use callbox::probe::Question;
use callbox::text::Encoding;
use clap::{ArgMatches, Command};

use super::Sends;
use crate::exit::Failure;

/// A question: what is sent, and what is awaited.
#[derive(Debug, Clone, clap::Args)]
pub struct QuestionArgs {
    #[command(flatten)]
    request: Request,
    /// Where the answer ends: with this text or re:REGEX, bytes:N, any (the first bytes) or end (of stream) [default: any with --send]
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, help_heading = "What to ask")]
    pub until: Option<String>,
    /// The encoding of --send and --until, such as gbk, shift_jis or utf-16le
    #[arg(long, value_name = "LABEL", default_value = "utf-8", help_heading = "What to ask")]
    pub encoding: Encoding,
}

impl QuestionArgs {
    /// Returns the question, if there is one.
    ///
    /// # Errors
    ///
    /// What cannot be read: a text, a file, a pattern.
    pub fn question(&self) -> Result<Option<Question>, Failure> {
        if self.request.0.is_empty() && self.until.is_none() {
            return Ok(None);
        }
        let of = |invalid: callbox::Invalid| Failure::usage(format!("--until: {invalid}"));
        let until = self.until.as_deref().unwrap_or("any");
        let until = Until::parse_in(until, self.encoding).map_err(of)?;
        Question::new(self.request.0.at_once(self.encoding)?, until).map(Some).map_err(of)
    }
}

/// `--send` and its like, together one request.
#[derive(Debug, Clone)]
struct Request(Sends);

impl clap::FromArgMatches for Request {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Request, clap::Error> {
        Sends::from_arg_matches(matches).map(Request)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl clap::Args for Request {
    fn augment_args(command: Command) -> Command {
        let helps = [
            (
                "send",
                "Send this text once connected; \\n \\r \\t \\0 \\\\ \\xHH \\u{...} are escapes; repeatable, all of it is one request",
            ),
            ("send_hex", "Send these bytes, such as '48 65 6c'; repeatable"),
            ("send_file", "Send a file's bytes, or standard input's for -; repeatable"),
        ];
        helps.into_iter().fold(Sends::augment_args(command), |command, (name, help)| {
            command.mut_arg(name, |arg| arg.help(help).help_heading("What to ask"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Request::augment_args(command)
    }
}
