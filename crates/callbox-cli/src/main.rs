//! The binary `callbox`: arguments, composition and presentation of the library of the same name.

mod app;
mod args;
mod cli;
mod cmd;
mod config;
mod console;
mod control;
mod exit;
mod explain;
mod lang;
mod report;
mod signal;
mod started;
mod tls;
mod tour;
mod ui;

fn main() {
    // Sessions and readers may still sit in system calls that nobody can interrupt: leaving is the way out.
    #[allow(clippy::exit)]
    std::process::exit(i32::from(cli::run()));
}
