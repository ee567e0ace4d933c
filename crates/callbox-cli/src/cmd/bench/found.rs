//! What was found, told: on standard output, into files, and by the exit code.

use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime};

use callbox::direction::Role;
use callbox::load::{Report, Whom};
use callbox::report::SessionId;
use callbox::text::{Encoding, safe};

use super::code;
use super::search::Searched;
use crate::args::{OutputArgs, ResultArgs};
use crate::exit::{self, Failure};
use crate::report::text::Look;
use crate::report::{csv, files, html, json as as_json, saved, text};
use crate::signal::{Ending, Signals};
use crate::tls::expiry;
use crate::ui::{self, json::Json};

/// What was found.
pub struct Found {
    /// By the run, or by the best one of a search.
    pub report: Report,
    /// When it began.
    pub begun: SystemTime,
    /// The signal that ended it.
    pub signalled: Option<Ending>,
    /// The search that it is the result of.
    pub search: Option<Searched>,
    /// Whom the first connection led to.
    pub whom: Option<Whom>,
}

impl Found {
    /// Says which address answered and what TLS agreed on, and warns of certificates. That is after the run: until then there may
    /// be a screen.
    pub fn say_whom(&self, expiry_warn: Option<Duration>, output: &OutputArgs) {
        let Some(whom) = &self.whom else { return };
        let now = SystemTime::now();
        if output.verbose > 0 && !output.quiet {
            let through = whom.through.as_ref().map_or(String::new(), |through| format!(" through {through}"));
            let mut lines = vec![format!("#1 connected to {}{through}", whom.peer)];
            if let Some(tls) = &whom.tls {
                lines.extend(ui::tls::lines(SessionId(1), Role::Client, tls, now));
            }
            ui::complain(&lines.iter().map(|line| format!("{}\n", safe(line))).collect::<String>());
        }
        if let (Some(within), Some(tls)) = (expiry_warn, &whom.tls) {
            ui::tls::warnings(Role::Client, tls, within, now).iter().for_each(|warning| expiry::warn(warning));
        }
    }

    /// Prints it and writes the files that were asked for; returns the exit code.
    pub async fn tell(&self, result: &ResultArgs, output: &OutputArgs, signals: &mut Signals) -> Result<u8, Failure> {
        let printed = self.printed(result, output);
        // A reader that takes nothing can be left by a signal.
        let printing = tokio::task::spawn_blocking(move || print(&printed));
        let printed = tokio::select! {
            biased;
            printed = printing => printed.unwrap_or(Ok(exit::DONE)),
            ending = signals.ending() => return Ok(ending.code()),
        };
        let written = self.write(result);
        let lacking = self.search.as_ref().filter(|search| search.best.is_none() && self.signalled.is_none());
        let mut failed = lacking.is_some();
        if let Some(search) = lacking {
            Failure::new(exit::UNMET, format!("--find-rate {}: it holds at no rate", search.condition)).print();
        }
        for condition in result.fail_if.iter().filter(|condition| condition.holds(&self.report)) {
            let found = condition.found(&self.report);
            Failure::new(exit::UNMET, format!("--fail-if {condition}: {found}")).print();
            failed = true;
        }
        printed?;
        written?;
        let verdict = code(&self.report, self.signalled);
        if self.signalled.is_none() && !failed {
            verdict
                .1
                .inspect(|reason| Failure::new(verdict.0, format!("bench {}: {reason}", self.report.address)).print());
        }
        Ok(if failed && self.signalled.is_none() { exit::UNMET } else { verdict.0 })
    }

    fn printed(&self, result: &ResultArgs, output: &OutputArgs) -> String {
        let report = &self.report;
        if output.json {
            let mut value = as_json::value(report, self.begun);
            if let Some(search) = &self.search {
                value["search"] = search.json();
            }
            return format!("{value}\n");
        }
        if result.csv {
            return csv::render(report);
        }
        let search = self.search.as_ref().map(Searched::text).unwrap_or_default();
        search + &text::render(report, look(output))
    }

    fn write(&self, result: &ResultArgs) -> Result<(), Failure> {
        let title = format!("callbox bench {}", self.report.address);
        let html = result.html.as_ref().map(|path| (path, html::page(&self.report, &title, self.begun)));
        let saved = result.save.as_ref().map(|path| (path, saved::write(&self.report, self.begun)));
        let mut failed = Ok(());
        for (path, text) in [html, saved].into_iter().flatten() {
            if let Err(failure) = files::write(path, &text) {
                // Each is told; the last one is the command's.
                if let Err(before) = std::mem::replace(&mut failed, Err(failure)) {
                    Failure::print(&before);
                }
            }
        }
        failed
    }
}

/// Returns how a report is to look where standard output goes.
pub fn look(output: &OutputArgs) -> Look {
    let stdout = std::io::stdout();
    let width = if stdout.is_terminal() {
        rustix::termios::tcgetwinsize(&stdout).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
    } else {
        None
    };
    Look { colored: output.colored(&stdout), width: width.unwrap_or(80) }
}

/// Prints to standard output; whoever has closed it wants no more.
pub fn print(text: &str) -> Result<u8, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::local("write to standard output", &error))
        }
        _ => Ok(exit::DONE),
    }
}

/// Says to a program why there is no report.
pub fn print_failure(failure: &Failure) {
    let mut line = Vec::new();
    Json::new(Encoding::UTF_8).failure(failure, &mut line);
    let mut stdout = std::io::stdout().lock();
    // The failure itself is what the command ends with, whoever reads it or not.
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}
