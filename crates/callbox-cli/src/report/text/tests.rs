//! What the printed report holds.

use super::super::samples;
use super::*;
use sheet::width;

fn shown(report: &Report, width: u16) -> String {
    render(report, Look { colored: false, width })
}

/// Takes colours out.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').expect("colours end").1)
}

#[test]
fn no_line_is_wider_than_asked() {
    for (name, report) in samples::all() {
        for columns in [40, 57, 80, 132, 200] {
            let text = shown(&report, columns);
            let wide: Vec<_> = text.lines().filter(|line| width(line) > usize::from(columns)).collect();
            assert!(wide.is_empty(), "{name} at {columns}: {wide:#?}");
            assert!(text.lines().all(|line| line == line.trim_end()), "{name} at {columns} ends lines with blanks");
        }
    }
}

#[test]
fn colors_only_repeat_what_words_say() {
    for (name, report) in samples::all() {
        let colored = render(&report, Look { colored: true, width: 80 });
        assert!(colored.contains("\x1b["), "{name}");
        assert_eq!(plain(&colored), shown(&report, 80), "{name}");
    }
}

#[test]
fn the_times_of_a_run_that_stalls_are_told() {
    let text = shown(&samples::stalls(), 80);
    let expected = "
12,000 exchanges in 10 s: 1,200/s asked, 1,200/s reached

times
";
    assert!(text.starts_with(expected.trim_start()), "{text}");
    for row in ["response", "service", "seed         4815162342", "warm-up      1 s before that, not counted"] {
        assert!(text.contains(row), "{row} in {text}");
    }
    let rows = text.lines().filter(|line| line.trim_start().starts_with("to ") && line.ends_with('%'));
    assert!((8..=12).contains(&rows.count()), "{text}");
}

#[test]
fn what_went_wrong_is_told_and_cannot_move_the_cursor() {
    let text = shown(&samples::saturated(), 80);
    for part in [
        "saturated: 5,000/s asked, 3,114/s reached",
        "limit: this generator was the limit",
        "caution: the generator itself was late",
        "missed    18,720  exchanges that were due",
        "reset    112  read 127.0.0.1:7000: connection reset",
        "\\x1b[2J<b>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\x1b'));
}

#[test]
fn a_run_that_never_connected_says_why() {
    let text = shown(&samples::never_connected(), 80);
    assert!(text.starts_with("no connection to 127.0.0.1:9 could be opened\n"), "{text}");
    assert!(text.contains("refused  640  connect 127.0.0.1:9: connection refused"), "{text}");
    assert!(!text.contains("times"), "{text}");
}
