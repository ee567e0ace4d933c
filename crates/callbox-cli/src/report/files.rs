//! Report files: written whole or not at all, and read up to a limit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// Writes a file under another name beside it and renames it, so that a full disk leaves no half report and an old one stays.
///
/// What is there and is no plain file, such as `/dev/stdout`, is written to as it is. `-` is not special.
///
/// # Errors
///
/// What the system says, with the path; exit 6.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    replace(path, text).map_err(|error| Failure::local(&format!("write {}", path.display()), &error))
}

/// Tells whether a file can be written there, before there is anything to write: its folder takes a new file.
///
/// # Errors
///
/// What the system says, with the path; exit 6.
pub fn check(path: &Path) -> Result<(), Failure> {
    let tried = || {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&target) {
            Ok(there) if there.is_dir() => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
            // To open a device or a pipe is to begin with it.
            Ok(there) if !there.is_file() => return Ok(()),
            _ => {}
        }
        let beside = beside(&target)?;
        OpenOptions::new().write(true).create_new(true).open(&beside)?;
        fs::remove_file(&beside)
    };
    tried().map_err(|error| Failure::local(&format!("write {}", path.display()), &error))
}

/// Reads a file of at most so many bytes.
///
/// # Errors
///
/// What the system says, or that it is longer, with the path; exit 6.
pub fn read(path: &Path, most: u64) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::local(&format!("read {}", path.display()), &error);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(most + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > most {
        return Err(failed(io::Error::other(format!("longer than {}", callbox::units::Size(most)))));
    }
    Ok(text)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Where a link leads is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return OpenOptions::new().write(true).open(&target)?.write_all(text.as_bytes());
    }
    let beside = beside(&target)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        // Some file systems tell only now that they are full.
        .and_then(|()| file.sync_all())
        .and_then(|()| old.map_or(Ok(()), |old| file.set_permissions(old.permissions())))
        .and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Returns a name in the same folder, for only there a rename is one step.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use callbox_testkit::scratch::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn names(scratch: &Scratch) -> Vec<String> {
        let entries = fs::read_dir(scratch.path()).expect("own folder");
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_nothing_else_is_left() {
        let scratch = Scratch::new();
        let path = scratch.file("run.html", "old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("run.html", scratch.join("link")).unwrap();
        write(&scratch.join("link"), "new").unwrap();
        assert_eq!(read(&path, 3).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        write(&scratch.join("-"), "plain").unwrap();
        assert_eq!(names(&scratch), ["-", "link", "run.html"]);
    }

    #[test]
    fn what_cannot_be_written_is_named_and_the_old_file_stays() {
        let scratch = Scratch::new();
        let lacking = scratch.join("no/run.json");
        let failure = write(&lacking, "x").unwrap_err();
        assert_eq!(failure.code, crate::exit::LOCAL);
        assert_eq!(failure.message, format!("write {}: no such file or directory", lacking.display()));
        assert!(write(scratch.path(), "x").unwrap_err().message.ends_with("is a directory"));
        let full = write(Path::new("/dev/full"), "x").unwrap_err();
        assert_eq!(full.message, "write /dev/full: no space left on device");
        assert!(names(&scratch).is_empty());
    }

    #[test]
    fn that_a_file_cannot_be_written_is_known_before_and_leaves_nothing() {
        let scratch = Scratch::new();
        let lacking = scratch.join("no/run.json");
        assert_eq!(check(&lacking).unwrap_err().message, write(&lacking, "x").unwrap_err().message);
        assert_eq!(check(scratch.path()).unwrap_err().message, write(scratch.path(), "x").unwrap_err().message);
        check(&scratch.join("run.json")).unwrap();
        check(&scratch.file("old.json", "old")).unwrap();
        check(Path::new("/dev/full")).unwrap();
        assert_eq!(names(&scratch), ["old.json"]);
        assert_eq!(read(&scratch.join("old.json"), 3).unwrap(), "old");
    }

    #[test]
    fn devices_are_written_to_and_stay_devices() {
        write(Path::new("/dev/null"), "x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let scratch = Scratch::new();
        let path = scratch.file("run.json", "12345");
        assert_eq!(read(&path, 5).unwrap(), "12345");
        assert!(read(&path, 4).unwrap_err().message.ends_with("longer than 4 B"));
    }
}
