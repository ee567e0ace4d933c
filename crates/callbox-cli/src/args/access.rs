//! Who may connect, alike on all commands that accept.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use callbox::access::{AccessList, Range, read_ranges};

use crate::exit::Failure;

/// Longest file of ranges: some millions of lines.
pub const RANGES_BYTES: u64 = 64 << 20;

/// Lists of addresses.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AccessArgs {
    /// Let nobody in but these: a range like 10.0.0.0/8, one address, or a file with one a line, read again on SIGHUP; repeatable
    #[arg(long, value_name = "CIDR|FILE", help_heading = "Who may connect")]
    pub allow: Vec<Source>,
    /// Keep these out, allowed or not: as --allow; repeatable
    #[arg(long, value_name = "CIDR|FILE", help_heading = "Who may connect")]
    pub deny: Vec<Source>,
}

/// Where ranges come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Range(Range),
    /// A file, read when it is asked for.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Source, String> {
        let invalid = match text.parse() {
            Ok(range) => return Ok(Source::Range(range)),
            Err(invalid) => invalid,
        };
        let path = PathBuf::from(text);
        // Written like a range, and no file is called so: then it was meant as one.
        let like_a_range = text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/".contains(&byte));
        if like_a_range && !path.exists() { Err(invalid.to_string()) } else { Ok(Source::File(path)) }
    }
}

impl AccessArgs {
    /// Tells whether there is something to read again.
    pub fn has_files(&self) -> bool {
        self.allow.iter().chain(&self.deny).any(|source| matches!(source, Source::File(_)))
    }

    /// Reads all files, and puts the list together.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or a line in it; with the name of the file, and the line.
    pub fn read(&self) -> Result<AccessList, Failure> {
        let allow = if self.allow.is_empty() { None } else { Some(ranges(&self.allow)?) };
        Ok(AccessList::new(allow, ranges(&self.deny)?))
    }
}

fn ranges(sources: &[Source]) -> Result<Vec<Range>, Failure> {
    let mut ranges = Vec::new();
    for source in sources {
        match source {
            Source::Range(range) => ranges.push(*range),
            Source::File(path) => {
                let name = path.display();
                let mut text = Vec::new();
                let read = File::open(path).and_then(|file| file.take(RANGES_BYTES + 1).read_to_end(&mut text));
                read.map_err(|error| {
                    let failure = Failure::local(&format!("read {name}"), &error);
                    match error.kind() {
                        std::io::ErrorKind::NotFound => {
                            failure.hint("what is no range and no address is a file; names are not looked up")
                        }
                        _ => failure,
                    }
                })?;
                if text.len() as u64 > RANGES_BYTES {
                    return Err(Failure::usage(format!("{name}: longer than 64 MiB")));
                }
                let of_file = read_ranges(&text).map_err(|bad| Failure::usage(format!("{name}:{bad}")))?;
                ranges.extend(of_file);
            }
        }
    }
    Ok(ranges)
}
