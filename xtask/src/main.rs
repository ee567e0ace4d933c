//! What contributors and CI run. `cargo xtask` alone lists the recipes.

mod bench;
mod packages;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

const RECIPES: &str = "\
cargo xtask RECIPE

  test [--quick]    install what the tests need (where that is allowed), then format, lints, unit, property,
                    process and doc tests, rustdoc, examples and licences; --quick for the inner loop
  bench [--only NAME] [--quick] [--out FILE]
                    measure callbox beside its peers in one run and write BENCHMARKS.md;
                    NAME is echo, memory, cycle, start, size, text, show, relay (or one of it: relay-bulk,
                    relay-response, relay-rate, relay-memory, relay-faults), tls (tls-bulk, tls-handshakes) or
                    generator (generator-closed, generator-bulk, generator-stall, generator-timer, generator-idle,
                    generator-others)
  soak [--messages N] [--minutes N] [--seed N]
                    send N (10,000,000) checksummed messages each way through `callbox relay`, over 100 connections
                    with random chunks and ends; then watched, then with 1 % of all segments lost; each for N minutes at least

The layers, file sizes and words are checked by a plain test: cargo test -p callbox --test tidy";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "-h" | "--help"] => {
            println!("{RECIPES}");
            ExitCode::SUCCESS
        }
        ["test"] => test::run(test::Extent::Full),
        ["test", "--quick"] => test::run(test::Extent::Quick),
        ["soak", options @ ..] => soak::run(options),
        ["bench", options @ ..] => bench::run(options),
        _ => {
            eprintln!("xtask: no recipe reads '{}'\n\n{RECIPES}", words.join(" "));
            ExitCode::from(2)
        }
    }
}
