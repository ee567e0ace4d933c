//! What was done and what the kernel answered, line by line, and how it is laid out.

use std::io::{self, Write};

use crate::lang::{Both, Lang, columns};

/// Where the lines of a fact begin: below its title, past `[ok] `.
pub(crate) const INDENT: usize = 5;
/// Columns for what was done, as wide as `client2.connect(127.0.0.1:65535)`; what was answered follows, so that whole
/// lines stay below 80 columns.
const CALL_COLUMNS: usize = 32;

/// What happened while a fact was performed; kept when it breaks off, so that its reader sees how far it got.
#[derive(Debug, Default)]
pub(crate) struct Transcript(Vec<Line>);

#[derive(Debug)]
enum Line {
    Call { call: String, answer: Both },
    Remark(Both),
}

impl Transcript {
    /// Notes a call, spelled as in the tutorial, and what the kernel answered.
    pub(crate) fn call(&mut self, call: impl Into<String>, answer: impl Into<Both>) {
        self.0.push(Line::Call { call: call.into(), answer: answer.into() });
    }

    /// Notes what follows from the calls before it.
    pub(crate) fn remark(&mut self, remark: Both) {
        self.0.push(Line::Remark(remark));
    }

    /// Writes the lines.
    pub(crate) fn write(&self, out: &mut dyn Write, lang: Lang) -> io::Result<()> {
        for line in &self.0 {
            match line {
                Line::Call { call, answer } => {
                    let pad = CALL_COLUMNS.saturating_sub(columns(call));
                    writeln!(out, "{:INDENT$}{call}{:pad$} -> {}", "", "", answer.text(lang))?;
                }
                Line::Remark(remark) => writeln!(out, "{:INDENT$}{}", "", remark.text(lang))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::both;

    #[test]
    fn answers_stand_below_each_other() {
        let mut transcript = Transcript::default();
        transcript.call("client.close()", "0");
        transcript.call("client2.connect(127.0.0.1:65535)", both!("refused", "被拒绝"));
        transcript.remark(both!("So it is.", "就是这样。"));
        let mut out = Vec::new();
        transcript.write(&mut out, Lang::Zh).expect("memory takes it");
        let text = String::from_utf8(out).expect("is text");
        let expected = "     client.close()                   -> 0
     client2.connect(127.0.0.1:65535) -> 被拒绝
     就是这样。
";
        assert_eq!(text, expected);
    }
}
