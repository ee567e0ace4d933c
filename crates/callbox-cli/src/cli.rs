//! The command line: commands, and errors of usage in one clear line.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::args::{Color, OutputArgs};
use crate::cmd;
use crate::exit::{self, Failure};

/// What `--version` says: which TLS is built in matters where its weaknesses are told of.
const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\ntls: rustls/ring");

/// The test set for TCP: connect, listen, serve, relay, measure, learn
#[derive(Debug, Parser)]
#[command(name = "callbox", version, long_version = LONG_VERSION, disable_help_subcommand = true, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Try `callbox serve` in one terminal and `callbox connect 127.0.0.1:8848 --send hello` in another."
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// How much is said
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connect to a server: stdin -> stream -> stdout, or --send and --expect
    #[command(visible_alias = "c")]
    Connect(Box<cmd::connect::ConnectArgs>),
    /// Wait for one client and be a byte pipe to it, as connect is
    #[command(visible_alias = "l")]
    Listen(Box<cmd::listen::ListenArgs>),
    /// Serve many clients: reply, echo, discard, generate or run a program
    #[command(visible_alias = "s")]
    Serve(Box<cmd::serve::ServeArgs>),
    /// Stand between a client and a server: watch what passes, break it on demand, balance
    #[command(visible_alias = "r")]
    Relay(Box<cmd::relay::RelayArgs>),
    /// Put load on a server and measure it: exchanges, bytes or connections
    #[command(visible_alias = "b")]
    Bench(Box<cmd::bench::BenchArgs>),
    /// See how long a server takes to be reached and to answer, again and again
    Ping(Box<cmd::ping::PingArgs>),
    /// Wait until servers are ready, then run a command
    Wait(Box<cmd::wait::WaitArgs>),
    /// See how TCP sockets behave: the tutorial's steps and notes, live
    Tour(cmd::tour::TourArgs),
    /// Print a completion script for a shell
    Completions(cmd::completions::CompletionsArgs),
    /// Print the manual page, or write all of them to a folder
    Man(cmd::man::ManArgs),
}

/// Runs the command line and returns the exit code.
pub fn run() -> u8 {
    if let Some(code) = cmd::wait_for_it::run_by_that_name(std::env::args_os()) {
        return code;
    }
    let matches = Cli::command().color(help_color()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let result = match &cli.command {
        Command::Connect(args) => cmd::connect::run(args, &cli.output),
        Command::Listen(args) => cmd::listen::run(args, &cli.output),
        Command::Serve(args) => cmd::serve::run(args, &cli.output),
        Command::Relay(args) => cmd::relay::run(args, &cli.output),
        Command::Bench(args) => cmd::bench::run(args, &cli.output),
        Command::Ping(args) => cmd::ping::run(args, &cli.output),
        Command::Wait(args) => cmd::wait::run(args, &cli.output),
        Command::Tour(args) => {
            let colored = cli.output.colored(&std::io::stdout());
            cmd::tour::run(args, &cli.output, colored)
        }
        Command::Completions(args) => cmd::completions::run(args),
        Command::Man(args) => cmd::man::run(args),
    };
    result.unwrap_or_else(|failure| {
        failure.print();
        failure.code
    })
}

/// Help is printed while arguments are still being read, so its colour is looked up beforehand.
fn help_color() -> ColorChoice {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let after = words.iter().position(|word| word == "--color").and_then(|at| words.get(at + 1));
    let value = after.map(String::as_str).or_else(|| words.iter().find_map(|word| word.strip_prefix("--color=")));
    let color = match value {
        Some("always") => Color::Always,
        Some("never") => Color::Never,
        _ => Color::Auto,
    };
    // Decided by our rules: clap's own see a colourful terminal wherever CI is set.
    if color.applies_to(&std::io::stdout()) { ColorChoice::Always } else { ColorChoice::Never }
}

/// Shows help and version, or says in one line what is wrong and in another what to do.
fn refuse(error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Failure::local("write to standard output", &error).print();
                exit::LOCAL
            }
            _ => exit::DONE,
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return exit::USAGE;
    }
    let failure = usage(error);
    failure.print();
    failure.code
}

fn usage(error: &clap::Error) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    // A parser's own line says more than clap's frame around it.
    let message = match (std::error::Error::source(error), text(ContextKind::InvalidArg)) {
        (Some(source), Some(arg)) => format!("{}: {source}", arg.split([' ', '=']).next().unwrap_or(&arg)),
        _ => first_line(&error.to_string()),
    };
    let mut failure = Failure::usage(message);
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue] {
        if let Some(suggestion) = text(kind) {
            failure = failure.hint(format!("did you mean {suggestion}?"));
        }
    }
    let command = std::env::args_os()
        .nth(1)
        .map(|word| word.to_string_lossy().into_owned())
        .filter(|word| !word.starts_with('-') && is_command(word));
    failure.hint(match command {
        Some(command) => format!("see `callbox {command} --help`"),
        None => "see `callbox --help`".into(),
    })
}

fn is_command(word: &str) -> bool {
    Cli::command().find_subcommand(word).is_some()
}

/// clap's message without its prefix: up to the empty line, with lists on the same line.
fn first_line(rendered: &str) -> String {
    let paragraph = rendered.split("\n\n").next().unwrap_or(rendered);
    let line = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn message(words: &[&str]) -> String {
        let error = Cli::try_parse_from(words).expect_err("is wrong");
        let failure = usage(&error);
        assert_eq!(failure.code, exit::USAGE);
        failure.message
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_the_flag() {
        assert!(message(&["callbox", "connect", "x:1", "--timeout", "5x"]).starts_with("--timeout: invalid duration"));
        assert!(message(&["callbox", "connect", "x:1", "--send", "a\\q"]).starts_with("--send: invalid escape"));
    }

    #[test]
    fn an_unknown_flag_is_one_line() {
        let message = message(&["callbox", "serve", "--ecko"]);
        assert_eq!(message, "unexpected argument '--ecko' found");
    }
}
