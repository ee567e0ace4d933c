//! Steering a running server by signals until it is over.

use std::io;

use callbox::server::{Report, Running};

use super::console::Head;
use crate::app::App;
use crate::console::Wish;
use crate::exit::{self, Failure};
use crate::signal::{Asked, Ending, Signals};
use crate::started::Service;

/// Serves until a signal, a closed output or the last session ends it.
pub async fn until_over(
    app: &App,
    running: Running,
    service: &mut Service,
    mut head: Option<&mut Head>,
    signals: &mut Signals,
) -> (Result<u8, Failure>, Option<Report>) {
    let mut status = app.status();
    let why = loop {
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Suspend => {
                    running.suspend();
                    service.status("suspended");
                }
                Asked::Resume => {
                    running.resume();
                    service.status("accepting again");
                }
                Asked::Reload => service.reload(),
                Asked::End(ending) => break Why::Signal(ending),
            },
            () = service.reloaded(app) => {}
            wish = wish(head.as_deref_mut(), &running) => match wish {
                Wish::Quit => break Why::Quit,
                Wish::Leave => return (Ok(Ending::Interrupt.code()), Some(running.snapshot().report)),
            },
            error = status.failed() => break Why::Output(error),
            report = running.finished() => {
                return match report {
                    Ok(report) => (Ok(exit::DONE), Some(report)),
                    Err(error) => (Err(error.into()), Some(running.snapshot().report)),
                };
            }
        }
    };
    service.stopping();
    if let Some(head) = &head {
        head.dismiss();
    }
    let report = tokio::select! {
        biased;
        report = running.drain() => report,
        // The second one: at once.
        ending = second(head, &running, signals) => return (Ok(ending.code()), Some(running.snapshot().report)),
    };
    match (report, why) {
        (Err(error), _) => (Err(error.into()), Some(running.snapshot().report)),
        (Ok(report), Why::Quit) => (Ok(exit::DONE), Some(report)),
        (Ok(report), Why::Signal(ending)) => {
            let code = if report.undrained > 0 { ending.code() } else { exit::DONE };
            (Ok(code), Some(report))
        }
        (Ok(report), Why::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => (Ok(exit::DONE), Some(report)),
        (Ok(report), Why::Output(error)) => (Err(Failure::local("write to standard output", &error)), Some(report)),
    }
}

enum Why {
    Quit,
    Signal(Ending),
    Output(io::Error),
}

/// Ends a drain: another signal, or another word from whoever sits at the console.
async fn second(head: Option<&mut Head>, running: &Running, signals: &mut Signals) -> Ending {
    tokio::select! {
        biased;
        ending = signals.ending() => ending,
        _ = wish(head, running) => Ending::Interrupt,
    }
}

async fn wish(head: Option<&mut Head>, running: &Running) -> Wish {
    match head {
        Some(head) => head.obey(running).await,
        None => std::future::pending().await,
    }
}
