//! How much is said, and how it looks.

use std::io::IsTerminal;

use crate::console::voice::Manner;

use crate::lang::Lang;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR or TERM=dumb says otherwise
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Flags that every command has.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArgs {
    /// Say nothing but errors
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    /// Say more: how each session ended, how its frames arrived, what faults did, what TLS agreed on; twice: the effective socket options too
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,
    /// Use colour; NO_COLOR and CLICOLOR_FORCE are obeyed
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true, help_heading = "Output")]
    pub color: Color,
    /// Print one JSON object a line on stdout instead of bytes and lines
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Say at the end of each session what TCP did, and why connecting or binding failed, for those who learn it
    #[arg(long, global = true, help_heading = "Output")]
    pub explain: bool,
    /// Language of --explain and of the tour; by default that of the locale
    #[arg(long, value_name = "LANG", value_enum, global = true, help_heading = "Output")]
    pub lang: Option<Lang>,
}

impl OutputArgs {
    /// Returns how a console answers.
    pub fn manner(&self) -> Manner {
        Manner { json: self.json, quiet: self.quiet }
    }

    /// Decides about colour for one of our streams.
    pub fn colored(&self, stream: &impl IsTerminal) -> bool {
        self.color.applies_to(stream)
    }

    /// Returns the language of longer texts: the flag first, then the locale.
    pub fn language(&self) -> Lang {
        self.lang.unwrap_or_else(Lang::of_environment)
    }

    /// Returns in which language endings and failures are explained, where they are.
    pub fn explains(&self) -> Option<Lang> {
        (self.explain && !self.quiet).then(|| self.language())
    }
}

impl Color {
    /// Decides about colour for one of our streams: the flag first, then what the environment says, then the stream.
    pub fn applies_to(self, stream: &impl IsTerminal) -> bool {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if value("NO_COLOR").is_some() => false,
            Color::Auto if value("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            Color::Auto if value("CLICOLOR").is_some_and(|value| value == "0") => false,
            Color::Auto => stream.is_terminal() && value("TERM").is_some_and(|term| term != "dumb"),
        }
    }
}
