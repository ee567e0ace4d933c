//! `cargo xtask bench`: callbox beside its peers, in one run, driven alike.
//!
//! Every server runs alone on one core, the load client on another; the order changes from round to round; what is
//! reported are medians with ranges, and for callbox the ratio to the yardstick of the same round. Nothing here fails
//! because a figure was missed: it is reported as missed.

mod cycle;
mod echo;
mod frames;
mod generator;
mod load;
mod machine;
mod memory;
mod network;
mod options;
mod peer;
mod peers;
mod relay;
mod report;
mod rounds;
mod sample;
mod server;
mod setup;
mod show;
mod size;
mod start;
mod text;

use std::process::ExitCode;

use options::Options;
use report::{Report, Section};

/// One group of figures.
type Figure = fn(&setup::Setup) -> Section;

const FIGURES: [(&str, Figure); 20] = [
    ("echo", echo::measure),
    ("memory", memory::measure),
    ("cycle", cycle::measure),
    ("start", start::measure),
    ("size", size::measure),
    ("text", text::measure),
    ("show", show::measure),
    ("relay-bulk", relay::bulk::measure),
    ("relay-response", relay::response::measure),
    ("relay-rate", relay::rate::measure),
    ("relay-memory", relay::memory::measure),
    ("relay-faults", relay::faults::measure),
    ("tls-bulk", relay::tls::measure_bulk),
    ("tls-handshakes", relay::tls::measure_handshakes),
    ("generator-closed", generator::closed::measure),
    ("generator-bulk", generator::bulk::measure),
    ("generator-stall", generator::stall::measure),
    ("generator-timer", generator::timer::measure),
    ("generator-idle", generator::idle::measure),
    ("generator-others", generator::others::measure),
];

/// Runs the recipe.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let names = FIGURES.map(|(name, _)| name);
    let options = match Options::parse(words, &names) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("xtask bench: {message}");
            return ExitCode::from(2);
        }
    };
    let setup = match setup::Setup::prepare(options) {
        Ok(setup) => setup,
        Err(message) => {
            eprintln!("xtask bench: {message}");
            return ExitCode::FAILURE;
        }
    };
    let chosen = FIGURES.iter().filter(|(name, _)| setup.options.wants(name));
    let sections = chosen.map(|(_, measure)| measure(&setup)).collect();
    let text = Report { setup: &setup, sections }.to_markdown();
    if let Err(error) = std::fs::write(&setup.options.out, &text) {
        eprintln!("xtask bench: write {}: {error}", setup.options.out.display());
        return ExitCode::FAILURE;
    }
    println!("\n{text}\nwritten to {}", setup.options.out.display());
    ExitCode::SUCCESS
}
