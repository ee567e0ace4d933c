//! The way a conversation ended, as an exit code with its reason.

use callbox::direction::Role;
use callbox::error::{Error, Kind};
use callbox::handle::talk::{Ending, Outcome};
use callbox::pattern::Expect;
use callbox::session::Session;
use callbox::termination::Termination;
use callbox::text::{Lines, Printer};

use super::PipeArgs;
use crate::app::App;
use crate::exit::{self, Failure};

/// Turns the way a conversation ended into an exit code.
pub fn judge(app: &App, args: &PipeArgs, session: &Session, outcome: Outcome) -> Result<u8, Failure> {
    let peer = match session.role() {
        Role::Client => "server",
        Role::Server => "client",
    };
    if let Some(failure) = no_frame(args, session) {
        return Err(failure);
    }
    match outcome.ending {
        Ending::ExpectMet | Ending::CountReached => Ok(exit::DONE),
        // `/quit` and `/reset`: nobody else says so or aborts.
        ending @ (Ending::Left | Ending::Stopped(Termination::Aborted)) => match &outcome.expect {
            Some(expect) if !expect.is_met() => Err(unmet(expect, &ending, peer, args)),
            _ => Ok(exit::DONE),
        },
        Ending::OutputClosed => {
            if app.output.verbose > 0 {
                app.say("nobody reads our output any more; input not yet sent is dropped");
            }
            Ok(exit::DONE)
        }
        Ending::InputFailed(error) => Err(Failure::local("read", &error)),
        Ending::OutputFailed(error) => Err(Failure::local("write to standard output", &error)),
        Ending::Lost(error) => Err(Failure::from(error)),
        Ending::Stopped(Termination::Timeout) if args.expect.is_empty() => Err(Failure::new(
            exit::TIMED_OUT,
            format!("not done within {}", callbox::units::show_duration(args.timeout)),
        )),
        Ending::Stopped(Termination::IdleTimeout) if args.expect.is_empty() => {
            let limit = callbox::units::show_duration(args.idle_timeout);
            Err(Failure::new(exit::TIMED_OUT, format!("no byte in either direction for {limit}")))
        }
        ending => match (&outcome.expect, args.count) {
            (Some(expect), _) if !expect.is_met() => Err(hurried(unmet(expect, &ending, peer, args), session, args)),
            (_, Some(count)) if outcome.counted < count => {
                let what = if args.text.framing.frame.is_none() { "chunks" } else { "frames" };
                let ended = match ending {
                    Ending::Stopped(Termination::Fault) => "a fault ended the session".to_owned(),
                    _ => format!("the {peer} ended its stream"),
                };
                let message = format!("{ended} after {} of {count} {what}", outcome.counted);
                Err(hurried(Failure::new(exit::LOST, message), session, args))
            }
            _ => Ok(exit::DONE),
        },
    }
}

/// Says so where the session ended because what came is no frame, whatever else happened meanwhile.
fn no_frame(args: &PipeArgs, session: &Session) -> Option<Failure> {
    let (kind, hint) = match session.stopped()? {
        Termination::FrameTooLarge => (Kind::FrameTooLarge, "--max-frame allows larger ones, up to 64Mi"),
        Termination::FrameMalformed => (Kind::FrameMalformed, "is --frame the rule that the other side follows?"),
        _ => return None,
    };
    let problem = session.frame_error().map(|error| error.to_string()).unwrap_or_default();
    let error = Error::new("read", kind, format!("{problem} ({})", args.text.framing.frame)).at(session.peer());
    Some(Failure::from(error).hint(hint))
}

/// Adds what may help where the peer left after our end of stream, which follows the last send.
fn hurried(failure: Failure, session: &Session, args: &PipeArgs) -> Failure {
    let ours = match session.role() {
        Role::Client => Termination::ClientClosed,
        Role::Server => Termination::ServerClosed,
    };
    let after_ours = session.first_end() == Some(ours) && session.termination() == Some(ours);
    match after_ours && !args.sends.is_empty() && !args.no_shutdown {
        true => failure.hint("our end of stream came first, and some peers leave at it; --no-shutdown keeps it back"),
        false => failure,
    }
}

/// Says what was expected and what came instead.
fn unmet(expect: &Expect, ending: &Ending, peer: &str, args: &PipeArgs) -> Failure {
    let pattern = expect.pending().map(ToString::to_string).unwrap_or_default();
    let until = match ending {
        Ending::Stopped(Termination::IdleTimeout) => {
            format!("before no byte had come or gone for {}", callbox::units::show_duration(args.idle_timeout))
        }
        Ending::Left | Ending::Stopped(Termination::Aborted) => "before we left".into(),
        Ending::Stopped(Termination::Fault) => "before a fault ended the session".into(),
        Ending::Stopped(_) => format!("within {}", callbox::units::show_duration(args.timeout)),
        Ending::LingerOver => "before the linger time was over".into(),
        _ => format!("before the {peer}'s end of stream"),
    };
    let number =
        if args.expect.len() > 1 { format!(" ({} of {})", expect.met() + 1, args.expect.len()) } else { String::new() };
    let instead = match expect.tail() {
        [] => "nothing came".to_owned(),
        tail => {
            let (mut printer, mut text) =
                (Printer::in_encoding(Lines::Escape, args.text.framing.encoding), String::new());
            printer.push(tail, &mut text);
            printer.finish(&mut text);
            format!("what came instead: \"{text}\"")
        }
    };
    Failure::new(exit::UNMET, format!("expected \"{pattern}\"{number} and did not see it {until}; {instead}"))
}
