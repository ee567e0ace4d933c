//! Tab: names of commands and files, values, sessions' numbers.

use callbox::text::Encoding;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::command::{Side, commands};

/// Candidates shown at most.
const MOST: usize = 100;
/// Entries of a folder looked at for them.
const MOST_READ: usize = 10_000;

/// Beginnings and wholes of framings.
const FRAMES: [&str; 20] = [
    "none",
    "line",
    "crlf",
    "delim:",
    "fixed:",
    "length:u8",
    "length:u16be",
    "length:u16le",
    "length:u24be",
    "length:u24le",
    "length:u32be",
    "length:u32le",
    "length:u64be",
    "length:u64le",
    "varint",
    "netstring",
    "slip",
    "cobs",
    "idle:",
    "json",
];

/// The sessions that Tab offers; whoever knows them keeps the list up to date.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Mutex<Vec<u64>>>);

impl Sessions {
    /// Replaces the list.
    pub fn set(&self, sessions: impl IntoIterator<Item = u64>) {
        let sessions = sessions.into_iter().collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sessions;
    }

    fn matching(&self, begun: &str) -> Vec<String> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().map(u64::to_string).filter(|number| number.starts_with(begun)).take(MOST).collect()
    }
}

/// Whether Tab completes here; in a line that is sent it is a character.
pub fn is_command(line: &str) -> bool {
    line.starts_with('/') && !line.starts_with("//")
}

/// Returns where the word before the cursor begins, and what it could become.
pub fn complete(line: &str, pos: usize, side: Side, sessions: &Sessions) -> (usize, Vec<String>) {
    let Some(before) = line.get(..pos).filter(|before| is_command(before)) else { return (pos, Vec::new()) };
    let Some((name, rest)) = before[1..].split_once(' ') else {
        let names = commands(side).filter(|entry| entry.name.starts_with(&before[1..]));
        let space = |arguments: &str| if arguments.is_empty() { "" } else { " " };
        return (0, names.map(|entry| format!("/{}{}", entry.name, space(entry.arguments(side)))).collect());
    };
    let Some(entry) = commands(side).find(|entry| entry.name == name) else { return (pos, Vec::new()) };
    if name == "file" {
        let typed = rest.trim_start();
        return (pos - typed.len(), files(typed));
    }
    // Only the first word after the name is known to be one of a few.
    let word = rest.trim_start();
    if word.contains(' ') {
        return (pos, Vec::new());
    }
    let choose = |values: &[&str]| values.iter().filter(|value| value.starts_with(word)).map(|&v| v.into()).collect();
    let candidates = match name {
        "encoding" => choose(Encoding::NAMES),
        "frame" => choose(&FRAMES),
        "show" | "timestamps" | "eol" => choose(&entry.arguments.split('|').collect::<Vec<_>>()),
        "every" => choose(&["1s ", "off"]),
        "help" => choose(&commands(side).map(|entry| entry.name).collect::<Vec<_>>()),
        "to" => sessions.matching(word).into_iter().map(|number| number + " ").collect(),
        _ if side == Side::Serve && entry.arguments.contains("SESSION") => sessions.matching(word),
        _ => Vec::new(),
    };
    (pos - word.len(), candidates)
}

/// Returns the files and folders that `typed` is the beginning of, as they would be typed.
fn files(typed: &str) -> Vec<String> {
    let (folder, begun) = match typed.rfind('/') {
        Some(at) => typed.split_at(at + 1),
        None => ("", typed),
    };
    let Ok(entries) = Path::new(if folder.is_empty() { "." } else { folder }).read_dir() else { return Vec::new() };
    let mut names: Vec<String> = entries
        .take(MOST_READ)
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            // A name that could move the cursor is not shown.
            let shown = name.starts_with(begun) && !hidden && callbox::text::safe(&name) == name;
            let slash = if entry.path().is_dir() { "/" } else { "" };
            shown.then(|| format!("{folder}{name}{slash}"))
        })
        .collect();
    names.sort();
    names.truncate(MOST);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str, side: Side) -> (usize, Vec<String>) {
        let sessions = Sessions::default();
        sessions.set([1, 12, 30]);
        complete(line, line.len(), side, &sessions)
    }

    #[test]
    fn what_was_begun_is_completed() {
        let table: [(&str, usize, &[&str]); 14] = [
            ("/he", 0, &["/hex ", "/help "]),
            ("/q", 0, &["/quit"]),
            ("/reset", 0, &["/reset "]),
            ("/encoding gb", 10, &["gbk", "gb18030"]),
            ("/frame  length:u16", 8, &["length:u16be", "length:u16le"]),
            ("/show b", 6, &["both"]),
            ("/timestamps r", 12, &["relative"]),
            ("/eol c", 5, &["crlf", "cr"]),
            ("/every o", 7, &["off"]),
            ("/help sus", 6, &["suspend"]),
            ("/to 1", 4, &["1 ", "12 "]),
            ("/close 12", 7, &["12"]),
            ("/watch 3", 7, &["30"]),
            ("/to 1 /he", 9, &[]),
        ];
        for (line, start, candidates) in table {
            let (at, found) = completed(line, Side::Serve);
            assert_eq!((at.min(line.len()), found), (start, candidates.iter().map(|&c| c.into()).collect()), "{line}");
        }
    }

    #[test]
    fn a_side_is_offered_its_own_commands() {
        assert_eq!(completed("/reset", Side::Connect).1, ["/reset"]);
        assert!(completed("/reset ", Side::Connect).1.is_empty());
        assert!(completed("/list", Side::Connect).1.is_empty());
    }

    #[test]
    fn a_line_that_is_sent_is_left_alone() {
        for line in ["he", "//he", "", " /he", "/nothing x"] {
            assert!(completed(line, Side::Serve).1.is_empty(), "{line}");
        }
        assert!(complete("/é", 2, Side::Serve, &Sessions::default()).1.is_empty(), "inside a character");
    }

    #[test]
    fn files_are_completed_folder_by_folder() {
        let scratch = callbox_testkit::Scratch::new();
        let folder = scratch.path().to_str().expect("a readable path").to_owned();
        for name in ["one two", "one\u{1b}", ".one", "other"] {
            std::fs::write(scratch.path().join(name), "").expect("a file");
        }
        std::fs::create_dir(scratch.path().join("one")).expect("a folder");
        let line = format!("/file {folder}/one");
        let expected = (6, vec![format!("{folder}/one two"), format!("{folder}/one/")]);
        assert_eq!(completed(&line, Side::Connect), expected);
        assert_eq!(completed(&format!("/file {folder}/.o"), Side::Connect).1, [format!("{folder}/.one")]);
    }
}
