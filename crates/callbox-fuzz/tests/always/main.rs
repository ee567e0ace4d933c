//! Every target over its kept corpus and random mutations of it, in each run of the tests.
//!
//! `CALLBOX_FUZZ_SEED` chooses the mutations (1 unless given), `CALLBOX_FUZZ_RUNS` how many times as many there are, and
//! `CALLBOX_TEST_QUICK=1` makes them a tenth. Nothing here looks at a clock: a run is repeated by its seed.

mod kept;
mod mutator;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use callbox::rng::Rng;
use callbox_fuzz::TARGETS;

use kept::Kept;
use mutator::Mutator;

/// Makes a test of each target, with the number of its mutations: what takes about two seconds on one core.
macro_rules! always {
    ($($name:ident: $runs:literal,)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            run(stringify!($name), $runs);
        })*
    };
}

always! {
    address: 200_000,
    certificate: 40_000,
    console: 100_000,
    decoder: 50_000,
    escapes: 100_000,
    fault_spec: 60_000,
    frame_cobs: 30_000,
    frame_crlf: 40_000,
    frame_delim: 50_000,
    frame_fixed: 30_000,
    frame_idle: 30_000,
    frame_json: 50_000,
    frame_length: 50_000,
    frame_line: 30_000,
    frame_netstring: 40_000,
    frame_none: 30_000,
    frame_slip: 50_000,
    frame_spec: 150_000,
    frame_varint: 50_000,
    hex: 100_000,
    hexdump: 30_000,
    http_connect_client: 30_000,
    http_connect_server: 40_000,
    json_indent: 100_000,
    pattern: 20_000,
    pin: 100_000,
    printer: 100_000,
    proxy_header: 40_000,
    proxy_url: 80_000,
    ranges: 60_000,
    socks_client: 200_000,
    socks_server: 100_000,
    targets: 60_000,
    template: 100_000,
    units: 150_000,
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

fn run(name: &'static str, runs: u64) {
    let kept = Kept::of(name);
    for (path, bytes) in &kept.inputs {
        attempt(name, bytes, &format!("the kept {}", path.display()));
    }
    let seed = variable("CALLBOX_FUZZ_SEED").unwrap_or(1);
    let is_quick = variable("CALLBOX_TEST_QUICK") == Some(1);
    let runs = if is_quick { runs / 10 } else { runs * variable("CALLBOX_FUZZ_RUNS").unwrap_or(1) };
    let mut mutator = Mutator::new(&kept, Rng::new(seed));
    for _ in 0..runs {
        let bytes = mutator.mutation();
        attempt(name, &bytes, &format!("a mutation by CALLBOX_FUZZ_SEED={seed}"));
    }
}

/// Runs the body; when it panics, says on what and how to keep that.
fn attempt(name: &str, bytes: &[u8], origin: &str) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| callbox_fuzz::run(name, bytes))) else { return };
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-failed"));
    let written = match std::fs::write(&path, bytes) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("(not written: {error})"),
    };
    eprintln!("{name} failed on {origin}, {} bytes: \"{}\"", bytes.len(), bytes.escape_ascii());
    eprintln!("keep it: cp {written} crates/callbox-fuzz/corpus/{name}/<what-it-shows>");
    resume_unwind(panic);
}

#[test]
fn every_target_is_run_has_seeds_and_words_and_can_be_given_to_libfuzzer() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(TESTED, names, "the table and the tests");
    let folder = kept::root().join("../../fuzz/fuzz_targets");
    let manifest = std::fs::read_to_string(folder.join("../Cargo.toml")).expect("fuzz/ has a manifest");
    for (name, _) in TARGETS {
        assert!(Kept::of(name).inputs.len() >= 3, "{name} has seeds");
        let path = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&path), "fuzz/Cargo.toml lists {name}");
        let text = std::fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap_or_default();
        assert!(text.contains(&format!("run(\"{name}\", data)")), "{path} calls its body");
    }
    let corpora = std::fs::read_dir(kept::root().join("corpus")).expect("a folder").count();
    assert_eq!(corpora, TARGETS.len(), "no seeds without a target");
}
