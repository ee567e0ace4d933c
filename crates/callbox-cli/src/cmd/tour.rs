//! `callbox tour`: the tutorial's steps and notes, performed.

use std::io::{self, BufWriter, Write};

use callbox::{Error, Kind};

use crate::args::OutputArgs;
use crate::exit::Failure;
use crate::tour::show::{Style, Tally, show};
use crate::tour::which::Which;
use crate::tour::{FACTS, Fact};

/// See how TCP sockets behave, live
///
/// Performs the tutorial's client in four steps, its server in five and its nine notes on TCP, each on real sockets of
/// this machine (127.0.0.1), and shows what was called and what the kernel answered. Two mistakes that the tutorial
/// makes follow: a character cut by recv(1024), and sends that arrive merged. Each is judged by what was observed; the
/// exit code is 0 only if all hold, 1 if one does not.
#[derive(Debug, clap::Args)]
pub(crate) struct TourArgs {
    /// What to show, such as 7, client:2, server:3, split or notes; everything, if nothing is named
    ///
    /// 1 to 9 are the notes, client:1 to client:4 and server:1 to server:5 the steps, split and merge the mistakes.
    /// client, server, notes and extras are whole parts.
    #[arg(value_name = "WHAT")]
    pub(crate) facts: Vec<Which>,
}

/// Performs the tour on stdout; with `--quiet` the exit code is all it says.
///
/// Makes a runtime of its own, so it must not be called from within one. Exits 0 if all facts hold or stdout was closed,
/// 1 if one does not hold, 6 if writing failed.
pub(crate) fn run(args: &TourArgs, output: &OutputArgs, color: bool) -> Result<u8, Failure> {
    if output.json {
        return Err(Failure::usage(
            "the tour is for people and has no --json; its exit code says whether all facts hold",
        ));
    }
    let style = Style { lang: output.language(), color };
    let result = match output.quiet {
        true => perform(args, style, &mut io::sink()),
        false => perform(args, style, &mut BufWriter::new(io::stdout().lock())),
    };
    if let Err(error) = &result
        && !is_closed_stdout(error)
    {
        Failure::new(exit_code(&result), error.to_string()).print();
    }
    Ok(exit_code(&result))
}

/// The operation that a failing stdout is reported under.
const WRITE_STDOUT: &str = "write stdout";

/// All facts hold, or nobody reads any more.
const DONE: u8 = 0;
/// A fact does not hold.
const DOES_NOT_HOLD: u8 = 1;
/// The tour could not be written.
const LOCAL_IO: u8 = 6;

fn exit_code(result: &callbox::Result<Tally>) -> u8 {
    match result {
        Ok(tally) if tally.all_hold() => DONE,
        Ok(_) => DOES_NOT_HOLD,
        Err(error) if is_closed_stdout(error) => DONE,
        Err(_) => LOCAL_IO,
    }
}

/// Tells whether nobody reads any more, as below `| head`.
fn is_closed_stdout(error: &Error) -> bool {
    error.operation() == WRITE_STDOUT && error.kind() == Kind::Reset
}

fn perform(args: &TourArgs, style: Style, out: &mut dyn Write) -> callbox::Result<Tally> {
    let facts: Vec<&'static Fact> = if args.facts.is_empty() {
        FACTS.to_vec()
    } else {
        args.facts.iter().flat_map(|which| which.facts()).collect()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::io("start the runtime", error))?;
    runtime.block_on(show(&facts, style, out)).map_err(|error| Error::io(WRITE_STDOUT, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    const ENGLISH: Style = Style { lang: Lang::En, color: false };

    fn args(facts: &[&str]) -> TourArgs {
        let facts = facts.iter().map(|text| text.parse().expect("is there")).collect();
        TourArgs { facts }
    }

    /// A stdout that fails.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_named_is_shown_in_that_order() {
        let mut out = Vec::new();
        let result = perform(&args(&["7", "client:2"]), ENGLISH, &mut out);
        assert_eq!(exit_code(&result), 0);
        let text = String::from_utf8(out).expect("is text");
        let (note, step) = (text.find("[ok] 7 "), text.find("[ok] client:2 "));
        assert!(note.is_some() && note < step, "{text}");
        assert!(text.ends_with("2 of 2 hold\n"), "{text}");
    }

    #[test]
    fn a_closed_stdout_is_a_quiet_end_and_a_full_one_an_error() {
        let closed = perform(&args(&["1"]), ENGLISH, &mut Failing(io::ErrorKind::BrokenPipe));
        assert_eq!(exit_code(&closed), 0);
        let full = perform(&args(&["1"]), ENGLISH, &mut Failing(io::ErrorKind::StorageFull));
        assert_eq!(exit_code(&full), 6);
    }

    #[test]
    fn a_fact_that_does_not_hold_is_exit_code_one() {
        let tally = Tally::failing("7");
        assert_eq!(exit_code(&Ok(tally)), 1);
    }
}
