//! An echo server that answers at once but freezes at the end of every second.
//!
//! `reference-stall ADDR [--freeze-ms N] [--freezes FILE] [--arrivals FILE]`: frozen for 100 ms of each second of its life
//! unless told otherwise (0 is never). `--freezes` is written a line `BEGIN END` for each freeze, `--arrivals` a line for
//! each chunk, both in nanoseconds since its start.

use std::fs::File;
use std::io;
use std::time::Duration;

use bench_reference::args::Args;
use bench_reference::server::Server;
use bench_reference::stall::{self, Plan};

fn main() -> io::Result<()> {
    let args = Args::of_process();
    let log = |name: &str| match args.value(name, String::new()) {
        path if path.is_empty() => Ok(None),
        path => File::create(path).map(Some),
    };
    let freeze = Duration::from_millis(args.value("freeze-ms", 100));
    let plan = Plan { freeze, freezes: log("freezes")?, arrivals: log("arrivals")? };
    stall::run(Server::bind(args.addr(), false, None, true)?, plan)
}
