//! `bench --verify`: right, wrong and mixed-up answers, each counted as the server has given them.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::bench_kit::{Act, Crowd, bench, measures};
use crate::cli::served;

#[test]
fn an_echo_is_right_byte_for_byte() {
    let (server, address) = served(["--echo", "-q"]);
    let words = ["--send", "\\x00\\xff hello\\r\\n", "--verify", "echo", "-n", "400", "-c", "4"];
    let run = measures(address, words, 0);
    run.answered_all(400).counts(&[("mixed_up", 0), ("to_client_bytes", 4000)]);
    server.drains();
}

#[test]
fn answers_that_are_no_echo_are_wrong_the_report_is_printed_and_the_code_is_1() {
    let crowd = Crowd::answers(|heard| Act::Say(if heard.number % 10 == 9 { "PONG\n" } else { "PING\n" }.to_owned()));
    let words = ["--send", "PING\\n", "--verify", "echo", "-n", "200", "-c", "4"];
    let run = measures(crowd.address(), words, 1);
    run.counts(&[("requests", 200), ("answered", 180), ("wrong", 20), ("lost", 0), ("mixed_up", 0)]);
    assert_eq!(run.report["ending"], "count", "a wrong answer ends nothing");

    let outcome = bench(crowd.address(), words).run().exited(1);
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("wrong"), "people are told as well: {outcome:?}");
}

#[test]
fn every_answer_but_one_is_not_every_answer() {
    let crowd = Crowd::answers(|heard| Act::Say(if heard.number == 777 { "PINg\n" } else { "PING\n" }.to_owned()));
    let run = measures(crowd.address(), ["--send", "PING\\n", "--verify", "echo", "-n", "1000", "-c", "4"], 1);
    run.counts(&[("answered", 999), ("wrong", 1), ("lost", 0)]);
}

#[test]
fn a_pattern_is_to_be_met_in_each_answer() {
    let crowd = Crowd::answers(|heard| Act::Say(if heard.number % 4 == 3 { "-ERR\n" } else { "+OK 12\n" }.to_owned()));
    let words = ["--send", "PING\\n", "--until", "\\n", "--verify", "re:^\\+OK [0-9]+", "-n", "100", "-c", "2"];
    measures(crowd.address(), words, 1).counts(&[("answered", 75), ("wrong", 25), ("mixed_up", 0), ("lost", 0)]);
    let words = ["--send", "PING\\n", "--until", "\\n", "--verify", "re:^[+-]", "-n", "100", "-c", "2"];
    measures(crowd.address(), words, 0).answered_all(100);
}

const NUMBERED: [&str; 7] = ["--send", "get {n}\\n", "--template", "--until", "\\n", "--verify", "sequence"];

#[test]
fn a_sequence_is_right_when_each_answer_has_its_exchange_s_number() {
    let crowd = Crowd::answers(|heard| Act::Say(format!("value of {}\n", heard.text)));
    measures(crowd.address(), NUMBERED.into_iter().chain(["-n", "500", "-c", "8"]), 0).answered_all(500);
}

#[test]
fn an_answer_without_the_number_is_wrong() {
    let crowd = Crowd::answers(|heard| match heard.number % 5 {
        4 => Act::Say("no number\n".to_owned()),
        _ => Act::Say(format!("{}\n", heard.text)),
    });
    let run = measures(crowd.address(), NUMBERED.into_iter().chain(["-n", "100", "-c", "2"]), 1);
    run.counts(&[("answered", 80), ("wrong", 20), ("mixed_up", 0), ("lost", 0)]);
}

/// A server that gives each of two connections the other's answer, and counts how often; one that finds nobody to
/// change with gets its own.
fn mixing() -> (Crowd, Arc<AtomicU64>) {
    let mixed = Arc::new(AtomicU64::new(0));
    let (count, waiting) = (mixed.clone(), Mutex::<Option<(String, Sender<String>)>>::default());
    let crowd = Crowd::answers(move |heard| {
        let mut partner = waiting.lock().expect("no part has panicked");
        if let Some((text, sender)) = partner.take()
            && sender.send(heard.text.clone()).is_ok()
        {
            count.fetch_add(2, Ordering::SeqCst);
            return Act::Say(format!("{text}\n"));
        }
        let (sender, receiver) = channel();
        *partner = Some((heard.text.clone(), sender));
        drop(partner);
        if let Ok(text) = receiver.recv_timeout(Duration::from_secs(1)) {
            return Act::Say(format!("{text}\n"));
        }
        // Nobody came; somebody may have just now, so what was offered is taken back under the lock.
        let mut partner = waiting.lock().expect("no part has panicked");
        match receiver.try_recv() {
            Ok(text) => Act::Say(format!("{text}\n")),
            Err(_) => {
                *partner = None;
                Act::Say(format!("{}\n", heard.text))
            }
        }
    });
    (crowd, mixed)
}

#[test]
fn answers_of_other_exchanges_are_told_as_mixed_up() {
    let (crowd, mixed) = mixing();
    let run = measures(crowd.address(), NUMBERED.into_iter().chain(["-n", "100", "-c", "2"]), 1);
    let mixed = mixed.load(Ordering::SeqCst);
    assert!(mixed >= 98, "{mixed}");
    run.counts(&[("requests", 100), ("wrong", mixed), ("mixed_up", mixed), ("answered", 100 - mixed), ("lost", 0)]);
}

/// Answers frames of a length in two bytes with themselves; a bit of every fifth is turned around.
fn damaging(every: Option<usize>) -> Crowd {
    Crowd::plays(move |mut line, connection| {
        for nth in 0.. {
            let Some(length) = line.takes(2) else { return };
            let Some(mut payload) = line.takes(usize::from(length[0]) << 8 | usize::from(length[1])) else { return };
            let heard = line.notes(connection, nth, payload.len().to_string());
            if every.is_some_and(|every| heard.number % every == every - 1) {
                payload[1] ^= 0x10;
            }
            line.says([length, payload].concat());
        }
    })
}

#[test]
fn a_frame_s_checksum_is_verified() {
    let words = ["--frame", "length:u16be", "--checksum", "crc16-modbus", "--verify", "checksum", "--send", "hello"];
    let words = [&words[..], &["-n", "100", "-c", "2"]].concat();
    let crowd = damaging(None);
    measures(crowd.address(), words.iter().copied(), 0).answered_all(100).counts(&[("to_server_bytes", 900)]);
    assert_eq!(crowd.texts(), vec!["7"; 100], "five bytes and their checksum");
    let crowd = damaging(Some(5));
    let run = measures(crowd.address(), words.iter().copied(), 1);
    run.counts(&[("requests", 100), ("answered", 80), ("wrong", 20), ("lost", 0)]);
}

#[test]
fn a_damaged_frame_is_no_echo() {
    let crowd = damaging(Some(4));
    let words = ["--frame", "length:u16be", "--verify", "echo", "--send", "hello", "-n", "100", "-c", "2"];
    measures(crowd.address(), words, 1).counts(&[("answered", 75), ("wrong", 25), ("lost", 0)]);
}

#[test]
fn an_echo_of_random_requests_is_held_against_what_was_sent() {
    let (server, address) = served(["--echo", "-q"]);
    let words = ["--send", "{n} {random:20}\\n", "--template", "--verify", "echo", "-n", "300", "-c", "4"];
    measures(address, words, 0).answered_all(300);
    server.drains();
    // The first request again and again is an echo of the first alone.
    let first = Mutex::<Option<String>>::default();
    let crowd = Crowd::answers(move |heard| {
        let mut first = first.lock().expect("no part has panicked");
        Act::Say(format!("{}\n", first.get_or_insert_with(|| heard.text.clone())))
    });
    let words = ["--send", "{random:20}\\n", "--template", "--verify", "echo", "-n", "50", "-c", "1"];
    measures(crowd.address(), words, 1).counts(&[("answered", 1), ("wrong", 49), ("lost", 0)]);
}
