//! One file a command: its arguments and a composition of the library's parts.

pub mod bench;
pub mod completions;
pub mod connect;
pub mod listen;
pub mod man;
pub mod ping;
pub mod pipe;
pub mod relay;
pub mod serve;
pub mod tour;
pub mod wait;
pub mod wait_for_it;

use std::io::Write;
use std::path::Path;

use callbox::Addr;

use crate::exit::Failure;

/// Runs a command on the runtime of the main thread: the first worker, where acceptors run too.
fn run_on_main<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = callbox::workers::runtime().map_err(|error| Failure::local("start the runtime", &error))?;
    let result = runtime.block_on(command);
    // A lookup that hangs would hold the exit.
    runtime.shutdown_background();
    result
}

/// Writes the bound addresses, one a line, so that a reader sees all of them or no file.
fn write_ready_file(path: Option<&Path>, addrs: &[Addr]) -> Result<(), Failure> {
    let Some(path) = path else {
        return Ok(());
    };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.tmp", std::process::id()));
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&draft)?;
        addrs.iter().try_for_each(|addr| writeln!(file, "{addr}"))?;
        std::fs::rename(&draft, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        Failure::local(&format!("write {}", path.display()), &error)
    })
}
