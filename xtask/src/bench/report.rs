//! BENCHMARKS.md: machine, versions, commands, targets with what was found, tables.

use super::machine;
use super::peer::Peer;
use super::rounds::Row;
use super::setup::Setup;
use crate::workspace::{first_line, program};

/// A figure that was promised.
#[derive(Debug)]
pub(crate) struct Target {
    what: String,
    wanted: String,
    found: Option<f64>,
    met: bool,
}

impl Target {
    /// Judges a figure that must not be lower.
    pub(crate) fn at_least(what: &str, wanted: f64, found: Option<f64>) -> Target {
        let met = found.is_some_and(|found| found >= wanted);
        Target { what: what.to_owned(), wanted: format!("at least {wanted}"), found, met }
    }

    /// Judges a figure that must not be higher.
    pub(crate) fn at_most(what: &str, wanted: f64, found: Option<f64>) -> Target {
        let met = found.is_some_and(|found| found <= wanted);
        Target { what: what.to_owned(), wanted: format!("at most {wanted}"), found, met }
    }

    fn line(&self) -> Vec<String> {
        let found = self.found.map_or("-".into(), |found| format!("{found:.3}"));
        let verdict = match (self.found, self.met) {
            (None, _) => "not measured",
            (_, true) => "met",
            (_, false) => "**missed**",
        };
        vec![self.what.clone(), self.wanted.clone(), found, verdict.into()]
    }
}

/// One group of figures.
#[derive(Debug)]
pub(crate) struct Section {
    title: &'static str,
    paragraphs: Vec<String>,
    targets: Vec<Target>,
    commands: Vec<(String, String)>,
}

impl Section {
    /// Starts a group.
    pub(crate) fn new(title: &'static str) -> Section {
        Section { title, paragraphs: Vec::new(), targets: Vec::new(), commands: Vec::new() }
    }

    /// Adds a paragraph or a table.
    pub(crate) fn say(&mut self, text: &str) {
        self.paragraphs.push(text.to_owned());
    }

    /// Adds a figure that was promised.
    pub(crate) fn judge(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// Notes the command of a peer.
    pub(crate) fn command(&mut self, peer: &Peer) {
        let line = (peer.name.to_owned(), peer.shown());
        if !self.commands.contains(&line) {
            self.commands.push(line);
        }
    }

    /// Notes the commands of all rows.
    pub(crate) fn commands(&mut self, rows: &[Row]) {
        rows.iter().for_each(|row| self.command(&row.peer));
    }
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// What it was run with.
    pub(crate) setup: &'a Setup,
    /// What was found.
    pub(crate) sections: Vec<Section>,
}

impl Report<'_> {
    /// Writes the page.
    pub(crate) fn to_markdown(&self) -> String {
        let options = &self.setup.options;
        let mut parts = vec!["# Benchmarks".to_owned()];
        parts.push(format!(
            "Written by `cargo xtask bench{}{}`: callbox and its peers side by side in one run, {:.1} s each, in changing order; \
             {} rounds of callbox and the yardstick, always next to each other, {} of the others, {} of servers that start a \
             process a connection. Figures are medians, in brackets the range. The yardstick is a plain epoll server \
             (`xtask/reference`), ratios are taken within a round. Counting, events and limits of callbox are on.",
            options.only.as_ref().map_or(String::new(), |only| format!(" --only {only}")),
            if options.quick { " --quick" } else { "" },
            options.window().as_secs_f64(),
            options.rounds(),
            options.rounds_of_peers(),
            options.rounds_of_slow_peers(),
        ));
        parts.push("## Targets".into());
        let lines = self.sections.iter().flat_map(|section| section.targets.iter().map(Target::line));
        parts.push(table(&["figure", "to reach", "found", ""], lines));
        parts.push("## Machine".into());
        let placement = match (self.setup.server_core, self.setup.client_core) {
            (Some(server), Some(client)) => format!("server pinned to core {server}, load client to core {client}"),
            _ => "server and load client not pinned".into(),
        };
        parts.push(list(machine::describe().into_iter().chain([placement]).chain(self.setup.remarks.iter().cloned())));
        parts.push("## Versions".into());
        parts.push(list(self.versions().into_iter()));
        for section in &self.sections {
            parts.push(format!("## {}", section.title));
            parts.extend(section.paragraphs.iter().cloned());
            if !section.commands.is_empty() {
                let lines = section.commands.iter().map(|(name, shown)| format!("{name}: {shown}"));
                parts.push(format!("Commands:\n\n{}", list(lines)));
            }
        }
        // Written by hand after a profile; says of which run it speaks.
        parts.push(include_str!("profile.md").trim_end().to_owned());
        parts.join("\n\n") + "\n"
    }

    fn versions(&self) -> Vec<String> {
        let own = self.setup.callbox.display().to_string();
        let revision = first_line("git", &["rev-parse", "--short", "HEAD"]).filter(|line| !line.starts_with("fatal"));
        let mut lines = vec![format!(
            "callbox: {} (revision {})",
            first_line(&own, &["--version"]).unwrap_or_else(|| "says none".into()),
            revision.unwrap_or_else(|| "unknown".into()),
        )];
        let others = [
            ("ncat", "--version"),
            ("socat", "-V"),
            ("haproxy", "-v"),
            ("nginx", "-v"),
            ("redir", "--version"),
            ("python3", "--version"),
            ("xxd", "--version"),
            ("hexyl", "--version"),
            ("iperf3", "--version"),
            ("wrk", "-v"),
            ("redis-server", "--version"),
        ];
        for (name, option) in others {
            if program(name).is_some() {
                let line = if name == "socat" { socat_version() } else { first_line(name, &[option]) };
                lines.push(format!("{name}: {}", line.unwrap_or_default()));
            }
        }
        if let (Some(folder), Some(python)) = (&self.setup.uvloop, super::peers::python()) {
            let code = format!("import sys; sys.path.insert(0, {folder:?}); import uvloop; print(uvloop.__version__)");
            lines.push(format!("uvloop: {}", first_line(&python, &["-c", &code]).unwrap_or_default()));
        }
        lines
    }
}

/// Its first line is about copyright.
fn socat_version() -> Option<String> {
    let output = std::process::Command::new("socat").arg("-V").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find(|line| line.starts_with("socat version")).map(str::to_owned)
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

/// Writes a table; short lines are filled up.
pub(crate) fn table(head: &[&str], lines: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = vec![format!("| {} |", head.join(" | ")), format!("|---|{}", "--:|".repeat(head.len() - 1))];
    for mut line in lines {
        line.resize(head.len(), String::new());
        text.push(format!("| {} |", line.join(" | ").replace('\n', " ")));
    }
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_from_the_numbers() {
        let verdict = |target: Target| target.line()[3].clone();
        assert_eq!(verdict(Target::at_least("x", 0.95, Some(0.95))), "met");
        assert_eq!(verdict(Target::at_least("x", 0.95, Some(0.949))), "**missed**");
        assert_eq!(verdict(Target::at_most("x", 1.2, Some(1.201))), "**missed**");
        assert_eq!(verdict(Target::at_most("x", 0.0, Some(0.0))), "met");
        assert_eq!(verdict(Target::at_most("x", 1.2, None)), "not measured");
    }

    #[test]
    fn tables_have_equal_lines() {
        let text = table(&["a", "b"], [vec!["1".to_owned()]].into_iter());
        assert_eq!(text, "| a | b |\n|---|--:|\n| 1 |  |");
    }
}
