//! A run that was written is read as it was, and nothing else is read.

use super::super::samples;
use super::*;
use proptest::prelude::*;
use serde_json::Value;

const TIME: SystemTime = SystemTime::UNIX_EPOCH;

fn changed(change: impl FnOnce(&mut Value)) -> Result<Saved, String> {
    let mut file: Value = serde_json::from_str(&write(&samples::stalls(), TIME)).expect("JSON");
    change(&mut file);
    read(&file.to_string())
}

#[test]
fn every_sample_is_read_as_it_was_written() {
    for (name, report) in samples::all() {
        let text = write(&report, TIME);
        assert_eq!(read(&text), Ok(Saved { report, time: TIME }), "{name}");
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{name}");
    }
}

#[test]
fn a_saved_run_has_what_json_has() {
    let report = samples::saturated();
    let mut file: Value = serde_json::from_str(&write(&report, TIME)).expect("JSON");
    for more in ["callbox", "format", "measured"] {
        assert!(file.as_object_mut().unwrap().remove(more).is_some(), "{more}");
    }
    assert_eq!(file, json::value(&report, TIME));
}

#[test]
fn what_is_no_run_is_refused_in_a_line() {
    let mut refused: Vec<(&str, String)> = vec![
        ("is no saved run of callbox", read("").unwrap_err()),
        ("is no saved run of callbox", read("{\"v\":1,\"event\":\"report\"}").unwrap_err()),
        ("is no saved run of callbox", read(&"[".repeat(100_000)).unwrap_err()),
        ("is no whole saved run: missing field", read("{\"callbox\":\"run\",\"format\":1}").unwrap_err()),
    ];
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 12] = [
        ("is no saved run of callbox", |file| file["callbox"] = "profile".into()),
        ("is of format 2; this callbox reads format 1", |file| file["format"] = 2.into()),
        ("its time is none", |file| file["time"] = "yesterday".into()),
        ("has the mode \"fly\"", |file| file["measured"]["mode"] = "fly".into()),
        ("has the schedule \"never\"", |file| file["measured"]["schedule"] = "never".into()),
        ("has the limit \"moon\"", |file| file["measured"]["limits"] = serde_json::json!(["moon"])),
        ("has the ending \"\\x1b\"", |file| file["measured"]["ending"] = "\u{1b}".into()),
        ("its rate is no number", |file| file["measured"]["rate_asked"] = "NaN".into()),
        ("its service times do not fit together", |file| file["measured"]["service"]["max"] = u64::MAX.into()),
        ("its slices' times do not fit together", |file| file["measured"]["slices"][3]["response"]["max"] = 1.into()),
        ("unknown field `more`", |file| file["measured"]["more"] = 1.into()),
        ("invalid value", |file| file["measured"]["lost"] = (-1).into()),
    ];
    refused.extend(changes.map(|(problem, change)| (problem, changed(change).unwrap_err())));
    for (problem, found) in refused {
        assert!(found.contains(problem), "{problem}: {found}");
        assert!(!found.contains('\n') && !found.contains('\x1b') && found.len() < 200, "{found}");
    }
    assert!(changed(|_| ()).is_ok());
}

#[test]
fn more_than_a_run_can_have_is_refused() {
    let many = |count: usize| {
        changed(|file| {
            let slice = file["measured"]["slices"][0].clone();
            let slice =
                serde_json::json!({"answered": 0, "failed": 0, "to_server_bytes": 0, "to_client_bytes": 0, "open": 0,
                "response": {"min": 0, "max": 0, "sum": 0, "times": []}, })
                .as_object()
                .map_or(slice, |empty| empty.clone().into());
            file["measured"]["slices"] = vec![slice; count].into();
        })
    };
    assert!(many(1000).is_ok());
    assert_eq!(many(MOST_SLICES + 1).unwrap_err(), "it has more than 100000 slices");
    let refused = changed(|file| {
        file["measured"]["errors"] = serde_json::json!([{"kind": "reset", "count": 1, "example": "x".repeat(70_000)}])
    });
    assert_eq!(refused.unwrap_err(), "it has more than 65536 bytes of an error");
}

fn distributions() -> impl Strategy<Value = Distribution> {
    prop::collection::vec(any::<u64>().prop_map(Duration::from_nanos), 0..20)
        .prop_map(|times| times.into_iter().collect())
}

fn slices() -> impl Strategy<Value = Slice> {
    (any::<[u64; 5]>(), distributions()).prop_map(
        |([answered, failed, to_server_bytes, to_client_bytes, open], response)| Slice {
            answered,
            failed,
            to_server_bytes,
            to_client_bytes,
            open,
            response,
        },
    )
}

prop_compose! {
    fn reports()(
        numbers in any::<[u64; 16]>(),
        texts in any::<[String; 2]>(),
        rate_asked in prop::option::of(0.0..f64::MAX),
        response in distributions(),
        service in distributions(),
        connect in distributions(),
        slices in prop::collection::vec(slices(), 0..5),
        choice in 0_usize..6,
    ) -> Report {
        let [address, example] = texts;
        let time = |at: usize| Duration::from_nanos(numbers[at]);
        let kind = ["reset", "refused", "no_ports", "no_descriptors", "timed_out", "io"][choice];
        Report {
            address,
            mode: ["exchange", "send", "receive", "both", "connect", "idle"][choice],
            schedule: ["closed", "constant", "poisson", "ramp", "steps", "closed"][choice],
            rate_asked,
            connections: numbers[0],
            seed: numbers[1],
            duration: time(2),
            warm_up: time(3),
            answered: numbers[4],
            // Saturation multiplies these.
            requests: numbers[5] >> 8,
            missed: numbers[6] >> 8,
            wrong: numbers[7],
            // More would not fit into forty columns.
            errors: vec![ErrorCount { kind, count: numbers[8] >> 20, example }],
            to_server_bytes: numbers[9],
            to_client_bytes: numbers[10],
            response,
            service,
            phases: PhaseTimes { connect, ..PhaseTimes::default() },
            opened: numbers[11],
            resident_bytes: (choice > 2).then_some(numbers[12]),
            processor_time: time(13),
            limits: if choice > 3 { vec![callbox::load::Limit::Ports] } else { Vec::new() },
            series: Series { slice: time(14), slices },
            ending: if choice > 1 { callbox::load::Ending::Count } else { callbox::load::Ending::Stopped },
            ..Report::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(report in reports(), micros in 0..4_000_000_000_000_000_u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        let text = write(&report, time);
        prop_assert_eq!(read(&text), Ok(Saved { report, time }));
    }

    #[test]
    fn any_report_is_told_in_every_form(report in reports(), width in 0..300_u16) {
        let look = super::super::text::Look { colored: false, width };
        let text = super::super::text::render(&report, look);
        let widest = text.lines().map(super::super::text::sheet::width).max();
        prop_assert!(widest <= Some(usize::from(width.max(40))), "{}", text);
        let page = super::super::html::page(&report, "a run", TIME);
        prop_assert!(!page.contains("NaN") && !page.contains("\"inf") && page.ends_with("</html>\n"));
        prop_assert_eq!(super::super::csv::render(&report).lines().count(), report.series.slices.len() + 2);
    }

    #[test]
    fn text_of_any_sort_is_read_or_refused(text: String, cut in 0..2_000_usize) {
        prop_assert!(read(&text).is_err());
        let whole = write(&samples::never_connected(), TIME);
        if let Some(part) = whole.get(..cut.min(whole.len() - 2)) {
            prop_assert!(read(part).is_err());
        }
    }
}
