//! `callbox man`

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::{self, Failure};
use crate::ui::output::write_all;

/// Print the manual page, or write all of them to a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: callbox man | man -l -")]
pub struct ManArgs {
    /// Write the pages of all commands to this folder instead
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Prints or writes the pages.
pub fn run(args: &ManArgs) -> Result<u8, Failure> {
    let mut command = Cli::command().disable_help_flag(false);
    command.build();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(|error| Failure::local("make the page", &error))?;
        return match write_all(&page) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::local("write to standard output", &error))
            }
            _ => Ok(exit::DONE),
        };
    };
    let failed = |error: std::io::Error| Failure::local(&format!("write {}", dir.display()), &error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)?;
    Ok(exit::DONE)
}
