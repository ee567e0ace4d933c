//! Lines of at most so many columns: sentences that wrap, tables, names with values.

use std::borrow::Cow;

use callbox::load::Distribution;
use ratatui::text::Span;

use super::super::figures;

/// How text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether there may be colours. They only repeat what the words say.
    pub colored: bool,
    /// How many columns there are.
    pub width: u16,
}

impl Default for Look {
    fn default() -> Look {
        Look { colored: false, width: 80 }
    }
}

/// Narrower than this nothing is told in one line any more: lines are then longer than asked.
const LEAST_WIDTH: u16 = 40;
/// From here on a table of times has a row for each name; narrower ones have a column.
const WIDE: usize = 64;
/// Text beside a count has at least so many columns.
const LEAST_BESIDE: usize = 16;
/// What all but sentences is set in by.
const INDENT: &str = "  ";

/// What a piece of text is; colours only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What is read first.
    Strong,
    /// What the rest is to be read with.
    Warning,
    /// What explains.
    Quiet,
    /// What a bar is drawn in.
    Bar,
}

/// A report being written.
#[derive(Debug)]
pub struct Sheet {
    out: String,
    look: Look,
}

impl Sheet {
    /// Starts an empty one.
    pub fn new(look: Look) -> Sheet {
        Sheet { out: String::new(), look: Look { width: look.width.max(LEAST_WIDTH), ..look } }
    }

    /// Returns how many columns there are behind the indent.
    pub fn room(&self) -> usize {
        usize::from(self.look.width) - INDENT.len()
    }

    /// Returns text in a colour, if there are colours.
    pub fn toned(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Strong => "1",
            Tone::Warning => "33",
            Tone::Quiet => "2",
            Tone::Bar => "34",
        };
        if self.look.colored && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Writes a sentence, wrapped; its further lines are set in.
    pub fn sentence(&mut self, tone: Tone, text: &str) {
        for (at, line) in wrapped(text, self.room()).into_iter().enumerate() {
            let indent = if at == 0 { "" } else { INDENT };
            let line = self.toned(tone, &line);
            self.out.push_str(&format!("{indent}{line}\n"));
        }
    }

    /// Writes an explanation, wrapped and set in.
    pub fn remark(&mut self, text: &str) {
        for line in wrapped(text, self.room()) {
            let line = self.toned(Tone::Quiet, &line);
            self.line(&line);
        }
    }

    /// Writes an empty line and what the next lines are about.
    pub fn heading(&mut self, text: &str) {
        let text = self.toned(Tone::Strong, text);
        self.out.push_str(&format!("\n{text}\n"));
    }

    /// Writes a line that fits, set in.
    pub fn line(&mut self, line: &str) {
        self.out.push_str(&format!("{INDENT}{}\n", line.trim_end()));
    }

    /// Writes a table of times; where it is narrow, a row for each figure.
    pub fn times(&mut self, times: &[(&str, &Distribution)]) {
        let mut rows = vec![[vec![String::new()], figures::times_heads()].concat()];
        rows.extend(times.iter().map(|(name, times)| [vec![(*name).to_owned()], figures::times(times)].concat()));
        let least: usize = widths(&rows).iter().map(|column| column + 1).sum();
        if self.room() < WIDE.max(least) {
            rows = (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].clone()).collect()).collect();
        }
        self.table(&rows);
    }

    /// Writes a table: the first row has the heads, the first column the names.
    pub fn table(&mut self, rows: &[Vec<String>]) {
        let widths = widths(rows);
        // Columns of a few figures are as far from each other as there is room, up to what an eye follows.
        let taken: usize = widths.iter().sum();
        let gap = (self.room().saturating_sub(taken) / widths.len().saturating_sub(1).max(1)).clamp(1, 4);
        for (number, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (at, (cell, column)) in row.iter().zip(&widths).enumerate() {
                let fill = " ".repeat(column - width(cell));
                match at {
                    0 => line.push_str(&format!("{cell}{fill}")),
                    _ => line.push_str(&format!("{}{fill}{cell}", " ".repeat(gap))),
                }
            }
            let line = if number == 0 { self.toned(Tone::Quiet, line.trim_end()) } else { line };
            self.line(&line);
        }
    }

    /// Writes names and values, one below the other; long values wrap.
    pub fn pairs<T: AsRef<str>>(&mut self, pairs: &[(&str, T)]) {
        let column = pairs.iter().map(|(name, _)| width(name)).max().unwrap_or(0) + 2;
        for (name, value) in pairs {
            for (at, line) in wrapped(value.as_ref(), self.room().saturating_sub(column)).into_iter().enumerate() {
                let name = if at == 0 { *name } else { "" };
                let fill = " ".repeat(column - width(name));
                let name = self.toned(Tone::Quiet, name);
                self.line(&format!("{name}{fill}{line}"));
            }
        }
    }

    /// Writes names with a count and what is meant by them; below them where there is no room beside them.
    pub fn counts(&mut self, rows: &[(&str, u64, String)]) {
        let names = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
        let counts: Vec<_> = rows.iter().map(|(_, count, _)| figures::count(*count)).collect();
        let digits = counts.iter().map(String::len).max().unwrap_or(0);
        let column = names + 2 + digits + 2;
        let beside = self.room().saturating_sub(column);
        for ((name, _, what), count) in rows.iter().zip(&counts) {
            let begin = format!("{name}{}  {count:>digits$}", " ".repeat(names - width(name)));
            if beside < LEAST_BESIDE {
                self.line(&begin);
                wrapped(what, self.room() - INDENT.len()).iter().for_each(|line| self.line(&format!("{INDENT}{line}")));
                continue;
            }
            for (at, line) in wrapped(what, beside).into_iter().enumerate() {
                let begin = if at == 0 { format!("{begin}  ") } else { " ".repeat(column) };
                self.line(&format!("{begin}{line}"));
            }
        }
    }

    /// Returns what was written.
    pub fn finish(self) -> String {
        self.out
    }
}

/// Returns how wide the columns of a table are.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns).map(|at| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0)).collect()
}

/// Returns how many columns a text takes.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Returns a text in lines of at most so many columns, broken at blanks, and within words that are longer than a line.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let most = most.max(8);
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in words(text) {
        let word = &word;
        for (at, piece) in pieces(word, most).into_iter().enumerate() {
            let wide = width(&piece);
            let blank = usize::from(at == 0 && taken > 0);
            if at > 0 || taken + blank + wide > most && taken > 0 {
                lines.push(piece.into_owned());
                taken = wide;
                continue;
            }
            let line = lines.last_mut().expect("there is always one");
            line.push_str(&" ".repeat(blank));
            line.push_str(&piece);
            taken += blank + wide;
        }
    }
    lines
}

/// Returns the words of a text; a number and its unit are one.
fn words(text: &str) -> Vec<String> {
    const UNITS: [&str; 16] = [
        "ns", "us", "ms", "s", "%", "B", "KiB", "MiB", "GiB", "TiB", "KiB/s", "MiB/s", "GiB/s", "TiB/s", "Mbit/s",
        "Gbit/s",
    ];
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let bare = word.trim_end_matches([',', ';', ':', ')']);
        match words.last_mut() {
            Some(last) if UNITS.contains(&bare) && last.ends_with(|c: char| c.is_ascii_digit()) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Cuts a word that is longer than a line.
fn pieces(word: &str, most: usize) -> Vec<Cow<'_, str>> {
    if width(word) <= most {
        return vec![word.into()];
    }
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        let last = pieces.last_mut().expect("there is always one");
        let mut longer = last.clone();
        longer.push(c);
        if width(&longer) > most && !last.is_empty() { pieces.push(c.into()) } else { *last = longer }
    }
    pieces.into_iter().map(Cow::Owned).collect()
}
