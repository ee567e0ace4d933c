//! Tests a machine cannot run: skipped aloud and counted, never passed in silence.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Says that a test is skipped and why, on stderr past the test harness's capture, and in `CALLBOX_SKIP_LOG`.
pub fn announce(test: &str, reason: &str) {
    let test = test.trim_end_matches("::here").rsplit("it::").next().unwrap_or(test);
    let line = format!("SKIPPED {test}: {reason}\n");
    // Straight to the stream: `eprintln!` would be captured, and a skip nobody sees is a lie.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("CALLBOX_SKIP_LOG") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.unwrap_or_else(|error| panic!("CALLBOX_SKIP_LOG {}: {error}", path.display()));
        // One write a line, so that tests running at once do not mix theirs.
        file.write_all(line.as_bytes()).expect("the skip log takes a line");
    }
}

/// Skips the current test: says so, counts it, returns from it.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        fn here() {}
        $crate::skip::announce(::std::any::type_name_of_val(&here), &::std::format!($($reason)+));
        return;
    }};
}

/// Skips the current test unless every requirement holds: `requires!(root(), tool("strace"))`.
#[macro_export]
macro_rules! requires {
    ($($need:ident ( $($argument:expr),* )),+ $(,)?) => {
        $(if let ::std::result::Result::Err(reason) = $crate::skip::$need($($argument),*) {
            $crate::skip!("{reason}");
        })+
    };
}

/// Holds where the tests run as root.
///
/// # Errors
///
/// Says that they do not.
pub fn root() -> Result<(), String> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err("needs root".to_owned()) }
}

/// Holds where `name` is on the path (or where Debian keeps administration tools).
///
/// # Errors
///
/// Names the missing tool.
pub fn tool(name: &str) -> Result<(), String> {
    find_tool(name).map(|_| ()).ok_or_else(|| format!("needs {name}"))
}

/// Holds where the tests may make network namespaces of their own.
///
/// # Errors
///
/// Says what is missing.
pub fn netns() -> Result<(), String> {
    root()?;
    tool("ip")?;
    crate::Netns::new().map(|_| ())
}

/// Holds where the machine has IPv6 on loopback.
///
/// # Errors
///
/// Says that it has not.
pub fn ipv6() -> Result<(), String> {
    std::net::TcpListener::bind("[::1]:0").map(|_| ()).map_err(|_| "needs IPv6 on loopback".to_owned())
}

/// Holds where this process may hold `count` descriptors; raises its soft limit as far as it must.
///
/// # Errors
///
/// Names the limit.
pub fn descriptors(count: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|soft| soft >= count) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|hard| hard < count) {
        return Err(format!("needs {count} descriptors, the hard limit is {}", limit.maximum.unwrap_or(0)));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(|error| format!("raise the descriptor limit: {error}"))
}

/// Returns where `name` is.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.map(|folder| folder.join(name)).find(|candidate| executable(candidate))
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
