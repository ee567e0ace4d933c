//! `cargo xtask soak`: the test of many messages through the relay, made long, with the binary as users have it.

use std::process::ExitCode;

use crate::workspace::cargo;

/// Messages each way.
const MESSAGES: u64 = 10_000_000;
const WORDS: [&str; 5] = ["test", "--release", "--locked", "-p", "callbox-cli"];

/// What to do.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    messages: u64,
    /// Each of the tests goes on for so long at least.
    minutes: u64,
    seed: u64,
}

/// Runs the recipe.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let options = match Options::read(words) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("xtask soak: {why}");
            return ExitCode::from(2);
        }
    };
    let mut command = cargo(&WORDS);
    command.args(["--test", "soak", "--", "--nocapture", "--test-threads=1"]);
    command.env("CALLBOX_SOAK_MESSAGES", options.messages.to_string());
    command.env("CALLBOX_SOAK_MINUTES", options.minutes.to_string());
    command.env("CALLBOX_SEED", options.seed.to_string());
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask soak: cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn read(words: &[&str]) -> Result<Options, String> {
        let mut options = Options { messages: MESSAGES, minutes: 0, seed: 1 };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let field = match *word {
                "--messages" => &mut options.messages,
                "--minutes" => &mut options.minutes,
                "--seed" => &mut options.seed,
                _ => return Err(format!("no option reads '{word}'")),
            };
            let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            *field = value.replace('_', "").parse().map_err(|_| format!("{word} '{value}': not a number"))?;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_nonsense_is_refused() {
        let long = Options::read(&["--messages", "20_000_000", "--minutes", "5", "--seed", "7"]);
        assert_eq!(long, Ok(Options { messages: 20_000_000, minutes: 5, seed: 7 }));
        assert_eq!(Options::read(&[]), Ok(Options { messages: MESSAGES, minutes: 0, seed: 1 }));
        for words in [&["--messages"][..], &["--messages", "many"], &["--fast"]] {
            assert!(Options::read(words).is_err(), "{words:?}");
        }
    }
}
