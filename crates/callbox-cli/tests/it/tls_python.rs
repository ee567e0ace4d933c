//! TLS against Python's ssl, both ways: half-close, certificates of clients, ALPN, names, endings, bulk.

use std::time::Duration;

use callbox_testkit::deadline::let_pass;
use callbox_testkit::{Peer, Script, Server, assert_same_bytes, eventually, patience, pattern, quick};

use crate::tls_kit::{kit, line_of};

/// The flags of both versions, for callbox and for the other side.
const VERSIONS: [(&str, [&str; 2]); 2] = [("TLSv1.2", ["--max", "1.2"]), ("TLSv1.3", ["--min", "1.3"])];

/// As long as our end of stream is past before the answer comes.
const LATE: Duration = Duration::from_secs(1);

#[test]
fn a_server_s_answer_a_second_after_our_end_of_stream_is_whole() {
    let kit = kit!();
    let runs = VERSIONS.map(|(version, words)| {
        let (question, answer) = (pattern(300_000, 1), pattern(1 << 20, 2));
        let expected = answer.clone();
        let (plain, script) = Script::serves(move |mut peer: Peer| {
            let question = peer.reads_to_end();
            let_pass(LATE);
            peer.sends(answer).ends();
            question
        });
        let adapter = kit.server(plain, "server.pem", &words);
        let mut client = kit.connects(adapter.address, &[]).start();
        client.types(&question).ends_input();
        (version, adapter, client, script, question, expected)
    });
    for (version, adapter, client, script, question, expected) in runs {
        let outcome = client.exits(0).quietly();
        assert_same_bytes(version, &expected, &outcome.stdout);
        assert_same_bytes(version, &question, &script.joins());
        assert!(line_of(&adapter.process, "agreed").contains(version), "{}", adapter.process.output().text());
    }
}

#[test]
fn a_client_gets_our_answer_a_second_after_its_end_of_stream() {
    let kit = kit!();
    for (version, words) in VERSIONS {
        let mut server = kit.listens(&[]).start();
        let adapter = kit.client(server.ready(), &[&words[..], &["--ca", &kit.file("ca.pem")]].concat());
        let mut peer = Peer::connects(adapter.address);
        let question = pattern(300_000, 3);
        peer.sends(&question).ends();
        adapter.process.shows("agreed");
        let came =
            server.output().wait(patience(), |bytes, ended| (ended || bytes.len() == question.len()).then_some(()));
        assert!(came.is_some(), "{version}: the question did not come");
        let_pass(LATE);
        let answer = pattern(1 << 20, 4);
        server.types(&answer).ends_input();
        assert_same_bytes(version, &answer, &peer.reads_to_end());
        let outcome = server.exits(0);
        assert_same_bytes(version, &question, &outcome.stdout);
    }
}

/// RFC 5246 has a side close at once when it gets a `close_notify`; TLS 1.3 does not. What still holds is that the end is
/// an orderly one, and that --no-shutdown gets the answer.
#[test]
fn a_peer_that_keeps_to_the_letter_of_1_2_ends_early_and_in_order() {
    let kit = kit!();
    let server = Server::binds();
    let adapter = kit.server(server.address(), "server.pem", &["--max", "1.2", "--tls12-letter"]);
    let client = kit.connects(adapter.address, &["--send", "question"]).start();
    let mut plain = server.accepts();
    plain.expects("question").expects_end();
    client.exits(0).wrote("").quietly();

    let client = kit.connects(adapter.address, &["--send", "question", "--no-shutdown"]).start();
    server.accepts().expects("question").sends("answer").ends();
    client.exits(0).wrote("answer").quietly();
}

#[test]
fn protocols_are_agreed_on_or_refused() {
    let kit = kit!();
    let (plain, _script) = Script::serves(|mut peer: Peer| {
        peer.ends().expects_end();
    });
    let adapter = kit.server(plain, "server.pem", &["--alpn", "http/1.1,h2"]);
    let client = kit.connects(adapter.address, &["--alpn", "h2,echo", "-v"]).start();
    adapter.process.shows("alpn=h2");
    client.exits(0).said("ALPN h2");

    let (server, address) = kit.serves(&["--alpn", "h2,echo", "--echo", "--json"]);
    let adapter = kit.client(address, &["--alpn", "x,echo"]);
    Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
    adapter.process.shows("alpn=echo");
    // None in common: RFC 7301 has the server say so by an alert.
    let adapter = kit.client(address, &["--alpn", "smtp"]);
    Peer::meets_reset(adapter.address);
    adapter.process.shows("failed").shows("alert no application protocol");
    // Who offers none is served, as ever.
    let adapter = kit.client(address, &[]);
    Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
    let ledger = server.drains().ledger();
    let refused = ledger.balances().the("refused");
    assert_eq!(refused["reason"], "tls", "{refused}");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("ALPN")), "{refused}");
    let agreed: Vec<_> = ledger.named("tls").iter().map(|event| event["alpn"].as_str()).collect();
    assert_eq!(agreed, [Some("echo"), None]);
}

#[test]
fn the_name_that_is_asked_for_is_the_typed_one_or_sni() {
    let kit = kit!();
    let server = Server::binds();
    let adapter = kit.server(server.address(), "server.pem", &[]);
    let mut runs = 0;
    for (host, words, asked) in [
        // RFC 6066 has no addresses in it.
        ("127.0.0.1", &[][..], "sni None"),
        ("localhost", &[], "sni localhost"),
        ("127.0.0.1", &["--sni", "localhost"], "sni localhost"),
    ] {
        let ca = kit.file("ca.pem");
        let at = format!("{host}:{}", adapter.address.port());
        let client = crate::cli::callbox(["connect", &at, "--tls", "--ca", &ca]).args(words).start();
        server.accepts().ends().expects_end();
        client.exits(0).quietly();
        runs += 1;
        let said = adapter.process.output().text();
        assert_eq!(said.lines().rfind(|line| line.starts_with("sni")), Some(asked), "{said}");
        assert_eq!(said.matches("agreed").count(), runs, "{said}");
    }
    let (server, address) = kit.serves(&["--echo", "--json"]);
    let adapter = kit.client(address, &["--name", "some.example.org"]);
    Peer::connects(adapter.address).ends().expects_end();
    assert_eq!(server.drains().ledger().the("tls")["server_name"], "some.example.org");
}

#[test]
fn servers_that_ask_get_our_certificate_or_refuse_us() {
    let kit = kit!();
    let (ca, ours, stranger) = (kit.file("ca.pem"), kit.file("client.pem"), kit.file("stranger-client.pem"));
    for (version, words) in VERSIONS {
        let server = Server::binds();
        let asking = [&words[..], &["--ca", &ca, "--ask"]].concat();
        let asking = kit.server(server.address(), "server.pem", &asking);
        let requiring = [&words[..], &["--ca", &ca, "--require"]].concat();
        let requiring = kit.server(server.address(), "server.pem", &requiring);
        for (adapter, words, peer) in [
            (&asking, &["--cert", &ours][..], "peer=tester"),
            (&asking, &[], "peer=None"),
            (&requiring, &["--cert", &ours], "peer=tester"),
        ] {
            let mut client = kit.connects(adapter.address, words).start();
            client.ends_input();
            server.accepts().expects_end().sends("hello").ends();
            client.exits(0).wrote("hello").quietly();
            let agreed = adapter.process.output().text();
            let last = agreed.lines().rfind(|line| line.starts_with("agreed")).unwrap_or_default().to_owned();
            assert!(last.contains(version) && last.contains(peer), "{last}");
        }
        // In TLS 1.3 our handshake is done before the server has looked: it is a refusal of TLS all the same.
        for words in [&[][..], &["--cert", &stranger]] {
            let client = kit.connects(requiring.address, words).start();
            let said = client.exits(4).wrote("").stderr;
            assert!(said.contains("certificate"), "{version}, {words:?}: {said}");
        }
    }
}

#[test]
fn clients_must_show_a_certificate_that_our_ca_has_signed() {
    let kit = kit!();
    let (ca, ours, stranger) = (kit.file("ca.pem"), kit.file("client.pem"), kit.file("stranger-client.pem"));
    let (server, address) = kit.serves(&["--client-ca", &ca, "--echo", "--json"]);
    for (_, version) in VERSIONS {
        let adapter = kit.client(address, &[&version[..], &["--cert", &ours]].concat());
        Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
        for words in [&[][..], &["--cert", &stranger]] {
            let adapter = kit.client(address, &[&version[..], words].concat());
            Peer::meets_reset(adapter.address);
            adapter.process.shows("alert");
            let said = adapter.process.output().text().to_lowercase();
            assert!(said.contains("alert") && (said.contains("certificate") || said.contains("unknown ca")), "{said}");
        }
    }
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().summary()["sessions"], 2);
    let subjects: Vec<_> = ledger.named("tls").iter().map(|event| event["chain"][0]["subject"].to_string()).collect();
    assert!(subjects.len() == 2 && subjects.iter().all(|subject| subject.contains("tester")), "{subjects:?}");
    let refused = ledger.named("refused");
    assert_eq!(refused.len(), 4);
    for event in refused {
        let message = event["message"].as_str().unwrap_or_default();
        assert!(event["reason"] == "tls" && message.contains("the client"), "{event}");
    }
}

#[test]
fn a_truncated_stream_is_an_error_and_what_came_is_kept() {
    let kit = kit!();
    for (version, words) in VERSIONS {
        let bytes = pattern(400_000, 5);
        let sent = bytes.clone();
        let (plain, script) = Script::serves(move |mut peer: Peer| {
            peer.expects("go").sends(sent);
            peer
        });
        let adapter = kit.server(plain, "server.pem", &words);
        let mut client = kit.connects(adapter.address, &[]).start();
        client.types("go");
        let all = bytes.len();
        client.output().wait(patience(), |got, ended| (ended || got.len() == all).then_some(()));
        // A FIN without close_notify.
        script.joins().resets();
        let outcome = client.ends_with_input_open().exited(5);
        assert_same_bytes(version, &bytes, &outcome.stdout);
        assert!(outcome.stderr.contains("close_notify"), "{version}: {}", outcome.stderr);
    }
    let (server, address) = kit.serves(&["--discard", "--json"]);
    let mut number = 0;
    for (_, words) in VERSIONS {
        let adapter = kit.client(address, &words);
        let mut peer = Peer::connects(adapter.address);
        peer.sends("hello");
        number += 1;
        server.events_where("data", number, |_| true);
        peer.resets();
        // Killed before that, it would leave by a reset.
        adapter.process.shows("truncating");
    }
    server.events_where("closed", 2, |event| event["termination"] == "tls_truncated");
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().bytes("to_server"), b"hellohello");
    assert_eq!(ledger.terminations().get("tls_truncated"), Some(&2), "{:?}", ledger.terminations());
}

#[test]
fn sessions_are_taken_up_again() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--json"]);
    for (_, words) in VERSIONS {
        let adapter = kit.client(address, &[&words[..], &["--resume"]].concat());
        for number in 1..=3 {
            Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
            // The next connection takes up what this one has left.
            eventually("the session's end", patience(), || {
                let over = adapter.process.output().text().matches("over").count();
                if over == number { Ok(()) } else { Err(format!("{over} of {number}")) }
            });
        }
        let said = adapter.process.output().text();
        assert!(said.contains("resumed=True"), "{said}");
    }
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().bytes("to_server"), "hello".repeat(6).into_bytes());
}

fn echoes_all(words: &[&str], length: usize) {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "-q"]);
    let adapter = kit.client(address, words);
    let peer = Peer::connects(adapter.address);
    let bytes = pattern(length, 6);
    let (mut writer, sent) = (peer.twin(), bytes.clone());
    let writer = Script::runs(move || {
        writer.sends(sent).ends();
    });
    let mut reader = peer;
    assert_same_bytes("echo", &bytes, &reader.reads_to_end());
    writer.joins();
    server.drains();
}

#[test]
fn a_megabyte_is_the_same_both_ways_in_1_2() {
    echoes_all(&["--max", "1.2"], 1 << 20);
}

#[test]
fn a_megabyte_is_the_same_both_ways_in_1_3() {
    echoes_all(&["--min", "1.3"], 1 << 20);
}

#[test]
fn a_megabyte_in_small_records_is_the_same() {
    echoes_all(&["--record", "77"], 1 << 20);
}

#[test]
fn single_bytes_in_records_of_their_own_are_the_same() {
    echoes_all(&["--record", "1"], 20_000);
}

#[test]
fn records_that_arrive_byte_by_byte_are_the_same() {
    echoes_all(&["--piece", "1"], 20_000);
    echoes_all(&["--piece", "1", "--max", "1.2"], 20_000);
}

#[test]
fn sixty_four_megabytes_are_the_same_both_ways() {
    let length = if quick() { 4 << 20 } else { 64 << 20 };
    echoes_all(&[], length);
    let kit = kit!();
    // The same through connect, from its input to its output.
    let (plain, script) = Script::serves(|mut peer: Peer| {
        let mut back = peer.twin();
        loop {
            match peer.reads_some(1 << 16) {
                Ok(some) if some.is_empty() => break,
                Ok(some) => back.sends(some),
                Err(error) => panic!("{error}"),
            };
        }
        back.ends();
    });
    let adapter = kit.server(plain, "server.pem", &["--max", "1.2"]);
    let mut client = kit.connects(adapter.address, &[]).start();
    let bytes = pattern(length, 7);
    let (mut input, sent) = (client.take_input(), bytes.clone());
    let writer = Script::runs(move || std::io::Write::write_all(&mut input, &sent).expect("takes it"));
    let outcome = client.ends_with_input_open().exited(0);
    writer.joins();
    script.joins();
    assert_same_bytes("echo", &bytes, &outcome.stdout);
}

#[test]
fn a_server_that_sends_byte_by_byte_is_understood() {
    let kit = kit!();
    for words in [&["--piece", "1"][..], &["--record", "1"], &["--piece", "1", "--max", "1.2"]] {
        let bytes = pattern(10_000, 8);
        let sent = bytes.clone();
        let (plain, _script) = Script::serves(move |mut peer: Peer| {
            peer.sends(sent).ends().expects_end();
        });
        let adapter = kit.server(plain, "server.pem", words);
        let outcome = kit.connects(adapter.address, &[]).run().exited(0).quietly();
        assert_same_bytes("from the server", &bytes, &outcome.stdout);
    }
}
