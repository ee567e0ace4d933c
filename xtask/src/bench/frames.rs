//! Framing from memory: lines and length-prefixed frames, beside memchr alone.

use std::process::{Command, Stdio};

use super::load::Found;
use super::report::{Section, Target, table};
use super::sample::Sample;
use super::setup::Setup;

/// GiB/s for lines of 80 bytes, and for frames as long.
const TARGET: f64 = 2.0;

const ROWS: [(&str, &str); 3] = [
    ("memchr alone, lines of 80 bytes", "memchr_gib_s"),
    ("`line`, the same lines", "line_gib_s"),
    ("`length:u16be`, frames of 80 bytes", "length_gib_s"),
];

/// Adds the figures to `section`.
pub(crate) fn measure(setup: &Setup, section: &mut Section) {
    section.say(
        "### Framing from memory\n\n64 MiB in inputs of 64 KiB, on one core, by `reference-frames`, which takes the three in turn, \
         nine times a round; GiB of input a second.",
    );
    let mut rounds = Vec::new();
    for round in 0..setup.options.rounds() {
        match run(&setup.reference("reference-frames")) {
            Ok(found) => rounds.push(found),
            Err(problem) => section.say(&format!("Round {}: not measured: {problem}", round + 1)),
        }
    }
    let sample = |figure: &dyn Fn(&Found) -> f64| {
        let mut sample = Sample::default();
        rounds.iter().for_each(|found| sample.push(figure(found)));
        sample
    };
    let line = |(name, word): (&str, &str)| {
        let ratios = sample(&|found| found.value(word) / found.value("memchr_gib_s"));
        vec![name.to_owned(), sample(&|found| found.value(word)).show(2), ratios.show(2)]
    };
    section.say(&table(&["framing", "GiB/s", "to memchr"], ROWS.into_iter().map(line)));
    for (name, word) in &ROWS[1..] {
        let median = sample(&|found| found.value(word)).median();
        section.judge(Target::at_least(&format!("framing from memory, {name}: GiB/s"), TARGET, median));
    }
}

fn run(program: &str) -> Result<Found, String> {
    let output = Command::new(program).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(Found::read(&String::from_utf8_lossy(&output.stdout)))
}
