//! What the page holds, and that nobody but callbox writes its markup.

use std::time::{Duration, SystemTime};

use super::super::samples;
use super::*;
use callbox::load::Report;

fn shown(report: &Report) -> String {
    page(report, "a run", SystemTime::UNIX_EPOCH + Duration::from_secs(1_785_000_000))
}

/// Returns the names of the elements in their order, an end with its stroke; fails where one is not closed.
fn elements(page: &str) -> Vec<String> {
    const SINGLE: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).expect("a tag has a name");
        all.push(name.to_owned());
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag} closes another element");
        } else if !tag.ends_with('/') && !SINGLE.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    all
}

#[test]
fn every_element_is_closed_and_nothing_is_fetched() {
    for (name, report) in samples::all() {
        let page = shown(&report);
        let elements = elements(&page);
        for foreign in ["script", "link", "img", "iframe", "object", "use"] {
            assert!(!elements.iter().any(|element| element == foreign), "{foreign} in {name}");
        }
        for fetched in ["http:", "https:", "url(", "@import", "src=", "href="] {
            assert!(!page.contains(fetched), "{fetched} in {name}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{name} has a number that is none");
    }
}

#[test]
fn each_mode_has_its_plots() {
    let table = [
        (samples::stalls(), vec!["curve", "heat", "rate"]),
        (samples::saturated(), vec!["curve", "heat", "rate"]),
        (samples::bulk(), vec!["rate"]),
        (samples::idle(), vec!["rate"]),
        (samples::never_connected(), vec![]),
    ];
    for (report, plots) in table {
        let page = shown(&report);
        let found: Vec<_> = ["curve", "heat", "rate"]
            .into_iter()
            .filter(|name| page.contains(&format!("id=\"{name}-title\"")))
            .collect();
        assert_eq!(found, plots, "{}", report.mode);
        assert_eq!(page.matches("<svg").count(), page.matches("role=\"img\"").count());
        assert_eq!(page.matches("<svg").count(), page.matches("<desc").count());
    }
}

#[test]
fn what_others_wrote_is_text_and_no_markup() {
    let hostile = "</title><script>alert(1)</script>\u{1b}[2J\u{202e}\"'&";
    let mut report = samples::saturated();
    report.address = hostile.into();
    report.errors[0].example = hostile.into();
    let page = page(&report, hostile, SystemTime::UNIX_EPOCH);
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert_eq!(page.matches("&lt;/title&gt;&lt;script&gt;alert(1)").count(), 4, "title, heading, error and address");
    elements(&page);
}

#[test]
fn only_the_time_differs_from_page_to_page() {
    let report = samples::stalls();
    let later = page(&report, "a run", SystemTime::UNIX_EPOCH);
    let first = shown(&report);
    let differ: Vec<_> = first.lines().zip(later.lines()).filter(|(left, right)| left != right).collect();
    assert_eq!(differ.len(), 1, "{differ:?}");
    assert!(
        differ[0].0.contains("<time datetime=\"2026-07-25T17:20:00.000000Z\">2026-07-25 17:20:00 UTC"),
        "{differ:?}"
    );
}

#[test]
fn pages_stay_small() {
    for (name, report) in samples::all() {
        let size = shown(&report).len();
        assert!(size < 400_000, "{name} has {size} bytes");
    }
}
