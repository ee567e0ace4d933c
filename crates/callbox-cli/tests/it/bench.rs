//! `bench` as a command: how much it does, of what, on which connections, and that the server has counted the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callbox_testkit::{Certificates, Leaf, Process, Scratch, eventually, patience, requires, scaled};

use crate::bench_kit::{Act, Crowd, Run, asks, bench, measures};
use crate::cli::{callbox, served};
use crate::tls::{secured, serves, word};

/// Returns how many requests came on each connection.
fn by_connection(crowd: &Crowd) -> Vec<usize> {
    let mut counts = vec![0; crowd.accepted()];
    for heard in crowd.heard() {
        counts[heard.connection] += 1;
    }
    counts
}

#[test]
fn n_exchanges_are_done_each_is_answered_and_the_server_has_counted_the_same() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["-n", "1000", "-c", "8"], 0);
    run.answered_all(1000).counts(&[("connections", 8), ("to_server_bytes", 5000), ("to_client_bytes", 5000)]);
    assert_eq!((run.count_of("response"), run.count_of("service"), run.count_of("lateness")), (1000, 1000, 0));
    assert_eq!(crowd.texts(), vec!["PING"; 1000], "nothing more, nothing less");
    assert_eq!(&run.report["rate_asked"], &serde_json::Value::Null);
    assert_eq!((&run.report["schedule"], &run.report["mode"]), (&"closed".into(), &"exchange".into()));
    assert_eq!((&run.report["ending"], &run.report["saturated"]), (&"count".into(), &false.into()));
    assert_eq!(run.report["address"], crowd.address().to_string().as_str());
    assert_eq!(run.report["response"], run.report["service"], "without a rate they are the same");
}

#[test]
fn a_server_of_callbox_s_own_has_metered_the_same() {
    let (server, address) = served(["--echo", "--json"]);
    let run = measures(address, ["--send", "0123456789", "--verify", "echo", "-n", "300", "-c", "5"], 0);
    run.answered_all(300).counts(&[("to_server_bytes", 3000), ("to_client_bytes", 3000), ("opened", 5)]);
    let ledger = server.drains().ledger();
    let summary = ledger.balances().summary();
    assert_eq!((&summary["to_server_bytes"], &summary["to_client_bytes"]), (&3000.into(), &3000.into()));
    assert_eq!(summary["sessions"], 5);
}

#[test]
fn c_is_how_many_connections_there_are_and_each_does_its_part() {
    for (words, due) in [(&["-c", "7"][..], 7), (&["--connections", "1"], 1), (&[], 64)] {
        let crowd = Crowd::echoes();
        // A little thinking leaves each connection the time to be there before others have done its part.
        let (count, think) = ((due * 20).to_string(), ["--think", "5ms", "-n"]);
        let run = asks(&crowd, [&think[..], &[&count], words].concat(), 0);
        run.answered_all(due * 20).counts(&[("connections", due), ("opened", due), ("most_open", due)]);
        assert_eq!((crowd.accepted() as u64, crowd.most_open() as u64), (due, due));
        assert!(by_connection(&crowd).iter().all(|count| *count > 0), "{:?}", by_connection(&crowd));
    }
}

#[test]
fn d_ends_a_run_after_its_time() {
    let crowd = Crowd::echoes();
    let begin = Instant::now();
    let run = asks(&crowd, ["-d", "600ms", "-c", "2"], 0);
    let lasted = begin.elapsed();
    assert!(lasted >= Duration::from_millis(600) && lasted < scaled(Duration::from_millis(1600)), "{lasted:?}");
    run.lasted(Duration::from_millis(590)..=Duration::from_millis(900));
    assert_eq!(run.report["ending"], "duration");
    assert!(run.count("answered") > 50, "{}", run.report);
    let heard = crowd.heard().len() as u64;
    run.counts(&[("requests", heard), ("missed", 0)]);
    assert_eq!(run.all_errors(), 0, "to be over is no error: {}", run.report);
}

#[test]
fn of_a_number_and_a_time_the_first_that_is_reached_ends_a_run() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["-d", "15s", "-n", "20", "-c", "1"], 0);
    run.answered_all(20).lasted(Duration::ZERO..=Duration::from_secs(14));
    assert_eq!(run.report["ending"], "count");
    let run = asks(&crowd, ["-d", "300ms", "-n", "1G", "-c", "1"], 0);
    assert_eq!(run.report["ending"], "duration");
}

#[test]
fn the_alias_b_and_an_address_in_two_words_are_the_same() {
    let crowd = Crowd::echoes();
    let port = crowd.address().port().to_string();
    let words = ["--send", "PING\\n", "--until", "\\n", "-n", "10", "-c", "1", "--json"];
    for line in [&["b", &crowd.address().to_string()][..], &["bench", "127.0.0.1", &port], &["bench", &port, "-4"]] {
        Run::read(callbox(line.iter().copied()).args(words).run().exited(0)).answered_all(10);
    }
    assert_eq!(crowd.heard().len(), 30);
}

#[test]
fn an_answer_ends_where_it_was_said_to_however_it_is_cut() {
    let crowd = Crowd::plays(|mut line, connection| {
        for nth in 0.. {
            if line.hears(connection, nth).is_none() {
                return;
            }
            for piece in ["+O", "K 0123", "45\r", "\n"] {
                line.says(piece);
                std::thread::yield_now();
            }
        }
    });
    for until in ["+OK 012345\\r\\n", "\\r\\n", "re:^.OK [0-9]{6}\\r\\n", "bytes:12"] {
        let words = ["--send", "x\\n", "--until", until, "-n", "60", "-c", "3"];
        let run = measures(crowd.address(), words, 0);
        run.answered_all(60).counts(&[("to_client_bytes", 720), ("unasked_bytes", 0)]);
    }
}

#[test]
fn what_comes_behind_an_answer_is_counted_as_unasked() {
    let crowd = Crowd::answers(|_| Act::Say("+OK and more\n".to_owned()));
    let run = measures(crowd.address(), ["--send", "x\\n", "--until", "+OK", "-n", "50", "-c", "2"], 0);
    // What comes after the last answer of a connection may find nobody there.
    run.answered_all(50).counts_within("unasked_bytes", 48 * 10..=50 * 10);
}

#[test]
fn several_requests_are_sent_as_their_weights_say_and_a_seed_says_which() {
    let seen = |seed: &str, connections: &str| {
        let crowd = Crowd::echoes();
        let words = ["--send", "a\\n", "--send", "b\\n", "--weights", "3,1", "--until", "\\n"];
        let more = ["-n", "2000", "-c", connections, "--seed", seed];
        let run = measures(crowd.address(), words.into_iter().chain(more), 0);
        run.answered_all(2000).counts(&[("seed", seed.parse().expect("a number"))]);
        let texts = crowd.texts();
        let many = texts.iter().filter(|text| *text == "a").count();
        // Five standard deviations of a binomial distribution to each side of 1,500.
        assert!((1403..=1597).contains(&many), "{many} of 2,000");
        texts
    };
    let first = seen("5", "1");
    assert_eq!(first, seen("5", "1"), "the same seed, the same requests");
    assert_ne!(first, seen("6", "1"), "another seed, others");
    seen("5", "4");
}

#[test]
fn requests_are_texts_hex_and_files_and_without_weights_all_are_alike() {
    let scratch = Scratch::new();
    let file = scratch.file("request", "from a file\n");
    let crowd = Crowd::echoes();
    let words = ["--send", "a\\x62\\n", "--send-hex", "63 64 0a", "--send-file", word(&file), "--until", "\\n"];
    measures(crowd.address(), words.into_iter().chain(["-n", "900", "-c", "2", "--seed", "1"]), 0).answered_all(900);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in crowd.texts() {
        *counts.entry(text).or_default() += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["ab", "cd", "from a file"]);
    assert!(counts.values().all(|count| (220..=380).contains(count)), "{counts:?}");
}

#[test]
fn a_template_gives_each_exchange_its_number_once() {
    let crowd = Crowd::echoes();
    let words = ["--send", "no {n}\\n", "--template", "--until", "\\n", "-n", "500", "-c", "8"];
    measures(crowd.address(), words, 0).answered_all(500);
    let texts = crowd.texts();
    let due: BTreeSet<String> = (1..=500).map(|number| format!("no {number}")).collect();
    let seen: BTreeSet<String> = texts.iter().cloned().collect();
    assert_eq!((texts.len(), seen.len()), (500, 500), "each once");
    let (missing, strange) = (due.difference(&seen).count(), seen.difference(&due).collect::<Vec<_>>());
    assert_eq!(missing, 0, "instead of them there are {strange:?}");
}

#[test]
fn a_seed_makes_random_parts_the_same_again() {
    let seen = |seed: &str| {
        let crowd = Crowd::echoes();
        let words = ["--send", "{random:12}\\n", "--template", "--until", "\\n", "-n", "40", "-c", "1", "--seed", seed];
        measures(crowd.address(), words, 0).answered_all(40);
        crowd.texts()
    };
    let first = seen("7");
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 40, "{first:?}");
    assert_eq!(first, seen("7"));
    assert_ne!(first, seen("8"));
}

#[test]
fn renew_makes_a_new_connection_after_so_many_exchanges() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["-n", "100", "-c", "1", "--renew", "10"], 0);
    run.answered_all(100).counts(&[("opened", 10), ("most_open", 1)]);
    assert_eq!(by_connection(&crowd), [10; 10]);

    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["-n", "40", "--renew", "-c", "2"], 0);
    run.answered_all(40).counts(&[("connections", 2)]);
    let counts = by_connection(&crowd);
    assert!(counts.iter().all(|count| *count <= 1) && counts.iter().sum::<usize>() == 40, "{counts:?}");
    assert_eq!(run.count("opened"), crowd.accepted() as u64);
}

#[test]
fn a_server_that_closes_after_each_answer_is_met_by_new_connections() {
    let crowd = Crowd::answers(|_| Act::SayAndEnd("bye\n".to_owned()));
    let run = asks(&crowd, ["-n", "60", "-c", "2"], 0);
    // A request may meet the close on its way; it is lost then, and the run goes on.
    run.counts(&[("requests", 60), ("wrong", 0)]);
    assert!(run.count("answered") >= 30, "{}", run.report);
    assert!(crowd.accepted() as u64 >= run.count("answered"), "{} accepted: {}", crowd.accepted(), run.report);
}

#[test]
fn think_is_between_an_answer_and_the_next_request() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["-n", "24", "-c", "2", "--think", "40ms"], 0);
    run.answered_all(24);
    let heard = crowd.heard();
    for connection in 0..2 {
        let times: Vec<Instant> = heard.iter().filter(|one| one.connection == connection).map(|one| one.at).collect();
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // A gap is measured after the answer of the one and the way of the other, which vary by less than the rest.
        assert!(gaps.iter().sum::<Duration>() >= Duration::from_millis(38) * gaps.len() as u32, "{gaps:?}");
    }
    assert!(run.time("response", "p50") < Duration::from_millis(30), "thinking is no response: {}", run.report);
}

#[test]
fn what_is_done_in_the_warm_up_is_not_counted() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["--rate", "200/s", "--warm-up", "500ms", "-d", "1s", "-c", "4"], 0);
    run.counts(&[("warm_up_us", 500_000)]).counts_within("requests", 199..=201);
    run.lasted(Duration::from_millis(990)..=Duration::from_millis(1400));
    let heard = crowd.heard().len();
    assert!((297..=303).contains(&heard), "{heard} in the warm-up and after");

    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["--rate", "500/s", "--warm-up", "300ms", "-n", "100", "-c", "4"], 0);
    run.answered_all(100).counts(&[("to_server_bytes", 500), ("to_client_bytes", 500)]);
    let heard = crowd.heard().len();
    assert!((240..=254).contains(&heard), "{heard} in the warm-up and after");
}

#[test]
fn connections_are_what_is_counted_in_mode_connect_which_is_the_default_without_a_request() {
    for words in [&["--mode", "connect"][..], &[]] {
        let (server, address) = served(["--discard", "--json"]);
        let run = measures(address, [&["-n", "50", "-c", "4"][..], words].concat(), 0);
        run.answered_all(50).counts(&[("opened", 50), ("to_server_bytes", 0), ("to_client_bytes", 0)]);
        assert_eq!(run.report["mode"], "connect");
        assert_eq!((run.count_of("service"), run.report["phases"]["connect"]["count"].as_u64()), (50, Some(50)));
        let ledger = server.drains().ledger();
        assert_eq!(ledger.balances().summary()["sessions"], 50);
    }
}

/// Returns what a server has received and sent, by its own meters.
fn metered(server: Process) -> (f64, f64) {
    let ledger = server.drains().ledger();
    let of = |name: &str| ledger.summary()[name].as_f64().expect("a count");
    (of("to_server_bytes"), of("to_client_bytes"))
}

/// Panics unless a report's bytes are the server's, apart from what was on its way at the end.
#[track_caller]
fn agree(run: &Run, name: &str, server: f64) {
    let client = run.number(name);
    let on_the_way = 32e6 + 0.05 * server;
    assert!(client > 5e6, "{name}: {}", run.report);
    assert!((client - server).abs() <= on_the_way, "{name}: the server has metered {server}: {}", run.report);
}

#[test]
fn send_moves_bytes_to_the_server_which_meters_the_same() {
    let (server, address) = served(["--discard", "--json", "--show", "none"]);
    let run = measures(address, ["--mode", "send", "-c", "2", "-d", "700ms"], 0);
    assert_eq!((&run.report["mode"], run.count("to_client_bytes")), (&"send".into(), 0));
    agree(&run, "to_server_bytes", metered(server).0);
}

#[test]
fn receive_takes_bytes_from_the_server_which_meters_the_same() {
    let (server, address) = served(["--generate", "--json", "--show", "none"]);
    let run = measures(address, ["--mode", "receive", "-c", "2", "-d", "700ms"], 0);
    assert_eq!((&run.report["mode"], run.count("to_server_bytes")), (&"receive".into(), 0));
    agree(&run, "to_client_bytes", metered(server).1);
}

#[test]
fn both_moves_bytes_either_way_at_once() {
    let (server, address) = served(["--echo", "--json", "--show", "none"]);
    let run = measures(address, ["--mode", "both", "--size", "16Ki", "-c", "2", "-d", "700ms"], 0);
    assert_eq!(run.report["mode"], "both");
    let (to_server, to_client) = metered(server);
    agree(&run, "to_server_bytes", to_server);
    agree(&run, "to_client_bytes", to_client);
}

#[test]
fn idle_holds_so_many_connections_at_once_and_says_nothing_on_them() {
    let crowd = Crowd::echoes();
    let running = bench(crowd.address(), ["--mode", "idle", "-c", "150", "-d", "1s", "--json"]).start();
    eventually("150 at once", patience(), || match crowd.open() {
        150 => Ok(()),
        open => Err(format!("{open} open")),
    });
    let run = Run::of(running, 0);
    run.counts(&[("opened", 150), ("most_open", 150), ("connections", 150), ("to_server_bytes", 0)]);
    assert_eq!((crowd.accepted(), crowd.most_open(), crowd.heard().len()), (150, 150, 0));
    assert_eq!((&run.report["mode"], &run.report["ending"]), (&"idle".into(), &"duration".into()));
}

#[test]
fn tls_is_spoken_and_its_handshake_is_a_phase_of_its_own() {
    let made = Certificates::of("CA of the test");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--echo", "-q"]);
    let words = ["--send", "0123456789", "--verify", "echo", "-n", "80", "-c", "4"];
    for trust in [&["--ca", word(made.ca())][..], &["--insecure"]] {
        let run = measures(format!("tls://{address}"), [&words[..], trust].concat(), 0);
        run.answered_all(80).counts(&[("to_server_bytes", 800), ("to_client_bytes", 800), ("opened", 4)]);
        assert_eq!(run.report["phases"]["tls"]["count"], 4, "{}", run.report);
        assert_eq!(run.report["phases"]["connect"]["count"], 4, "{}", run.report);
    }
    // Nobody is believed without a reason.
    let outcome = bench(format!("tls://{address}"), words).args(["--give-up", "300ms"]).run();
    assert!(matches!(outcome.status.code(), Some(3 | 4)), "{outcome:?}");
    outcome.said("certificate");
    server.drains();
}

#[test]
fn a_proxy_is_gone_through_and_is_a_phase_of_its_own() {
    let (server, address) = served(["--echo", "--json"]);
    let proxy = callbox(["relay", "127.0.0.1:0", "socks5:", "--json"]).start();
    let at = proxy.event("listening", |_| true)["address"].as_str().expect("an address").to_owned();
    let words =
        ["--send", "0123456789", "--verify", "echo", "-n", "60", "-c", "3", "--proxy", &format!("socks5://{at}")];
    let run = measures(address, words, 0);
    run.answered_all(60).counts(&[("to_server_bytes", 600), ("opened", 3)]);
    assert_eq!(run.report["phases"]["proxy"]["count"], 3, "{}", run.report);
    assert_eq!(proxy.drains().ledger().summary()["sessions"], 3);
    assert_eq!(server.drains().ledger().summary()["to_server_bytes"], 600);
}

#[test]
fn phases_that_were_not_gone_through_are_not_there() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["-n", "30", "-c", "3"], 0);
    let phases = run.report["phases"].as_object().expect("checked");
    assert_eq!(phases.keys().collect::<Vec<_>>(), ["connect", "first_byte"]);
    assert_eq!((&phases["connect"]["count"], &phases["first_byte"]["count"]), (&3.into(), &3.into()));
}

#[test]
fn a_unix_socket_is_an_address_like_any_other() {
    let scratch = Scratch::new();
    let address = format!("unix:{}", scratch.join("echo.sock").display());
    let server = callbox(["serve", &address, "--echo"]).start();
    server.says("listening on ");
    let run = measures(&address, ["--send", "hello", "--verify", "echo", "-n", "200", "-c", "4"], 0);
    run.answered_all(200).counts(&[("opened", 4), ("to_client_bytes", 1000)]);
    assert_eq!(run.report["address"], address.as_str());
    server.drains();
}

#[test]
fn a_family_can_be_asked_for() {
    requires!(ipv6());
    let ready = Scratch::new();
    let start = |address: &str| -> (Process, SocketAddr) {
        let path = ready.join(address);
        crate::cli::started(callbox(["serve", address, "--echo", "-q", "--ready-file", word(&path)]), &path)
    };
    let (four, at_four) = start("127.0.0.1:0");
    let (six, at_six) = start("[::1]:0");
    let words = ["--send", "hello", "--verify", "echo", "-n", "20", "-c", "2", "--give-up", "200ms"];
    for (family, right, wrong) in [("-4", at_four, at_six), ("-6", at_six, at_four)] {
        let of = |address: SocketAddr| format!("localhost:{}", address.port());
        measures(of(right), [&words[..], &[family]].concat(), 0).answered_all(20);
        bench(of(wrong), [&words[..], &[family]].concat()).run().exited(3);
    }
    four.drains();
    six.drains();
}

/// Reads frames of a length in two bytes and answers each with itself.
fn framed() -> Crowd {
    Crowd::plays(|mut line, connection| {
        for nth in 0.. {
            let Some(length) = line.takes(2) else { return };
            let Some(payload) = line.takes(usize::from(length[0]) << 8 | usize::from(length[1])) else { return };
            line.notes(connection, nth, String::from_utf8_lossy(&payload).into_owned());
            line.says([length, payload].concat());
        }
    })
}

#[test]
fn frames_are_sent_and_awaited_with_and_without_until() {
    for until in [&[][..], &["--until", "frame"], &["--until", "llo"], &["--until", "bytes:7"], &["--verify", "echo"]] {
        let crowd = framed();
        let words = ["--frame", "length:u16be", "--send", "hello", "-n", "90", "-c", "3"];
        let run = measures(crowd.address(), [&words[..], until].concat(), 0);
        run.answered_all(90).counts(&[("to_server_bytes", 630), ("to_client_bytes", 630), ("unasked_bytes", 0)]);
        assert_eq!(crowd.texts(), vec!["hello"; 90], "{until:?}");
    }
}

#[test]
fn an_answer_that_lasts_to_the_end_of_stream_takes_a_connection_each() {
    let crowd = Crowd::plays(|mut line, connection| {
        if line.hears(connection, 0).is_some() {
            line.says("one\ntwo\n");
            line.says("three\n");
            line.ends();
        }
    });
    let run = measures(crowd.address(), ["--send", "x\\n", "--until", "end", "-n", "40", "-c", "2"], 0);
    run.answered_all(40).counts(&[("to_client_bytes", 40 * 14)]);
    assert_eq!(by_connection(&crowd).iter().sum::<usize>(), 40);
    assert!(by_connection(&crowd).iter().all(|count| *count <= 1));
}

#[test]
fn one_thread_or_several_do_the_same() {
    for threads in ["1", "3"] {
        let crowd = Crowd::echoes();
        let run = asks(&crowd, ["-n", "500", "-c", "6", "--threads", threads], 0);
        run.answered_all(500).counts(&[("opened", 6)]);
        assert_eq!(crowd.heard().len(), 500);
    }
}
