//! The secrets of connections, appended to a file in the format that Wireshark reads.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use callbox::net::tls::KeyLog;

use crate::exit::Failure;

/// Names the file where `--tls-keylog` does not; other programs know it too.
const VARIABLE: &str = "SSLKEYLOGFILE";

/// A file that is open for secrets.
pub struct Keylog {
    /// For the library.
    pub log: KeyLog,
    path: PathBuf,
}

/// Opens the file, where one is asked for: without one named, that of the environment.
///
/// # Errors
///
/// Neither names one, or it cannot be opened.
pub fn open(asked: Option<&Option<PathBuf>>) -> Result<Option<Keylog>, Failure> {
    let Some(named) = asked else { return Ok(None) };
    let from_environment = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(path) = named.clone().or_else(from_environment) else {
        let failure = Failure::usage(format!("--tls-keylog: no file is named, and {VARIABLE} is not set"));
        return Err(failure.hint("write --tls-keylog FILE"));
    };
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let file = opened.map_err(|error| Failure::local(&format!("--tls-keylog: open {}", path.display()), &error))?;
    Ok(Some(Keylog { log: log(file, path.clone()), path }))
}

impl Keylog {
    /// Says what it means.
    pub fn notice(&self) -> String {
        format!("secrets go to {}: whoever has that file can read these connections", self.path.display())
    }
}

/// One write a line, at the end of the file, so that lines of many connections and processes stay whole.
fn log(file: File, path: PathBuf) -> KeyLog {
    let failed = AtomicBool::new(false);
    KeyLog::new(move |line| {
        if let Err(error) = (&file).write_all(format!("{line}\n").as_bytes())
            && !failed.swap(true, Relaxed)
        {
            Failure::local(&format!("write {}", path.display()), &error).print();
        }
    })
}
