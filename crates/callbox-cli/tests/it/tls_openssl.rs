//! TLS against `openssl s_client` and `openssl s_server`.

use std::net::SocketAddr;

use callbox_testkit::{Callbox, Input, Peer, Process, Signal, assert_same_bytes, patience, pattern, requires};

use crate::tls_kit::{Kit, kit, openssl};

const VERSIONS: [(&str, &str, &str); 2] = [("-tls1_2", "TLSv1.2", "1.2"), ("-tls1_3", "TLSv1.3", "1.3")];

/// Prepares `openssl s_client` that verifies; what is typed goes to the server, or is a command of a letter.
fn s_client(kit: &Kit, to: SocketAddr, words: &[&str]) -> Callbox {
    let trust = ["-CAfile", &kit.file("ca.pem"), "-verify_return_error", "-servername", "localhost"];
    openssl().args(["s_client", "-connect", &to.to_string()]).args(trust).args(words).input(Input::Piped)
}

/// Starts `openssl s_server`; what is typed goes to the client.
fn s_server(kit: &Kit, words: &[&str]) -> (Process, SocketAddr) {
    let own = ["-cert", &kit.file("server.pem"), "-CAfile", &kit.file("ca.pem")];
    let server = openssl().args(["s_server", "-accept", "127.0.0.1:0"]).args(own).args(words).input(Input::Piped);
    // Some of what it says would be held back until its end.
    let server = server.through(["stdbuf", "-oL"]).start();
    let address = server.output().wait(patience(), |bytes, _| {
        let text = String::from_utf8_lossy(bytes);
        let (line, _) = text.split_once("ACCEPT ")?.1.split_once('\n')?;
        line.trim().parse().ok()
    });
    let address = address.unwrap_or_else(|| server.fail("no line with ACCEPT"));
    (server, address)
}

#[test]
fn s_client_verifies_us_and_is_answered() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--alpn", "h2,echo", "--json"]);
    for (flag, name, version) in VERSIONS {
        let mut client = s_client(&kit, address, &[flag, "-alpn", "echo"]).start();
        client.shows("Verify return code: 0 (ok)").shows("ALPN protocol: echo").shows(name);
        client.types("hello over there\n").shows("hello over there");
        // An end of its input is its close_notify.
        client.exits(0);
        server.event("tls", |event| event["version"] == version && event["alpn"] == "echo");
    }
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().terminations().get("client_closed"), Some(&2), "{:?}", ledger.terminations());
}

#[test]
fn s_client_changes_its_keys_and_asks_for_ours() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--json"]);
    let mut client = s_client(&kit, address, &["-tls1_3"]).start();
    client.shows("Verify return code");
    let mut number = 0;
    for command in ["K\n", "k\n", "K\n"] {
        client.types(command);
        let line = format!("after {}", command.trim());
        number += 1;
        said_times(&client, "KEYUPDATE", number);
        client.types(format!("{line}\n")).shows(&line);
    }
    client.exits(0);
    assert_eq!(server.drains().ledger().balances().bytes("to_server"), b"after K\nafter k\nafter K\n");
}

#[test]
fn row_62_s_client_may_not_renegotiate_and_others_do_not_notice() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--json"]);
    let mut client = s_client(&kit, address, &["-tls1_2"]).start();
    client.shows("Verify return code");
    client.types("hello\n").shows("hello");
    client.types("R\n").says("RENEGOTIATING");
    // It ends what it may not renew, once it is told; nothing of ours waits for that.
    let said = client.ends_with_input_open().stderr;
    assert!(said.contains("no renegotiation"), "{said}");
    server.event("closed", |event| event["session"] == 1);
    let mut other = s_client(&kit, address, &["-tls1_2"]).start();
    other.types("still there\n").shows("still there");
    other.exits(0);
    server.drains();
}

#[test]
fn s_client_takes_its_session_up_again() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--json"]);
    for (flag, _, version) in VERSIONS {
        let kept = kit.file(&format!("session{version}"));
        let mut client = s_client(&kit, address, &[flag, "-sess_out", &kept]).start();
        // The tickets of 1.3 come before the answer.
        client.shows("Verify return code");
        client.types("one\n").shows("one");
        client.exits(0);
        let mut client = s_client(&kit, address, &[flag, "-sess_in", &kept]).start();
        client.shows("Reused, TLSv1");
        client.types("two\n").shows("two");
        client.exits(0);
        server.event("tls", |event| event["version"] == version && event["resumed"] == true);
    }
    server.drains();
}

#[test]
fn s_client_shows_a_certificate_or_is_refused() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--client-ca", &kit.file("ca.pem"), "--echo", "--json"]);
    let (ours, stranger) = (kit.file("client.pem"), kit.file("stranger-client.pem"));
    for (flag, ..) in VERSIONS {
        let mut client = s_client(&kit, address, &[flag, "-cert", &ours]).start();
        client.types("hello\n").shows("hello");
        client.exits(0);
        for words in [&[flag][..], &[flag, "-cert", &stranger]] {
            let outcome = s_client(&kit, address, words).start().ends_with_input_open();
            assert!(outcome.stderr.contains("alert"), "{words:?}: {}", outcome.stderr);
        }
    }
    assert_eq!(server.drains().ledger().balances().summary()["limits"]["tls"], 4);
}

#[test]
fn nothing_older_than_1_2_and_nothing_outside_of_the_flags_is_spoken() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--tls-max", "1.2"]);
    let (newer, other) = kit.serves(&["--echo", "--tls-min", "1.3"]);
    let old = ["-cipher", "ALL:@SECLEVEL=0"];
    for (at, words) in [
        (address, &["-tls1", old[0], old[1]][..]),
        (address, &["-tls1_1", old[0], old[1]]),
        (address, &["-tls1_3"]),
        (other, &["-tls1_2"]),
    ] {
        let outcome = s_client(&kit, at, words).run().exited(1);
        assert!(outcome.stderr.contains("alert"), "{words:?}: {}", outcome.stderr);
    }
    for server in [server, newer] {
        server.drains().said("tls hit");
    }
}

#[test]
fn s_server_hears_us_and_we_hear_it() {
    requires!(tool("openssl"));
    let kit = kit!();
    for (flag, _, version) in VERSIONS {
        let (mut server, address) = s_server(&kit, &[flag, "-alpn", "h2,echo"]);
        let mut client = kit.connects(address, &["--alpn", "echo", "-v"]).start();
        client.types("hello over there\n");
        server.shows("hello over there").shows("ALPN protocols selected: echo");
        server.types("thank you !\n");
        client.shows("thank you !");
        client.ends_input();
        // It answers our close_notify by its own.
        server.shows("DONE");
        client.exits(0).wrote("thank you !\n").said(&format!("TLS {version}")).said("ALPN echo");
    }
}

#[test]
fn s_server_that_leaves_without_a_word_has_truncated() {
    requires!(tool("openssl"));
    let kit = kit!();
    for (flag, ..) in VERSIONS {
        let (mut server, address) = s_server(&kit, &[flag]);
        let client = kit.connects(address, &[]).start();
        server.shows("CIPHER is");
        server.types("part of it\n");
        client.shows("part of it\n");
        // `Q` closes the socket before TLS has its say.
        server.types("Q\n");
        client.ends_with_input_open().exited(5).wrote("part of it\n").said("close_notify");
    }
}

#[test]
fn s_server_changes_keys_under_us() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (mut server, address) = s_server(&kit, &["-tls1_3"]);
    let mut client = kit.connects(address, &[]).start();
    client.types("one\n");
    server.shows("one\n");
    for (number, command) in ["K\n", "k\n", "K\n"].into_iter().enumerate() {
        server.types(command);
        shown_times(&server, "SSL_do_handshake -> 1", number + 1);
        let (there, back) = (format!("there {number}\n"), format!("back {number}\n"));
        server.types(&there);
        client.shows(&there);
        client.types(&back);
        server.shows(&back);
    }
    client.exits(0).wrote("there 0\nthere 1\nthere 2\n").quietly();
}

/// Waits until standard output has it this many times.
fn shown_times(process: &Process, text: &str, times: usize) {
    let shown = process
        .output()
        .wait(patience(), |bytes, _| (String::from_utf8_lossy(bytes).matches(text).count() >= times).then_some(()));
    shown.unwrap_or_else(|| process.fail(&format!("never showed {text} {times} times")));
}

/// Waits until standard error has it this many times.
fn said_times(process: &Process, text: &str, times: usize) {
    let said = process
        .errors()
        .wait(patience(), |bytes, _| (String::from_utf8_lossy(bytes).matches(text).count() >= times).then_some(()));
    said.unwrap_or_else(|| process.fail(&format!("never said {text} {times} times")));
}

#[test]
fn row_62_s_server_may_not_renegotiate_with_us() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (mut server, address) = s_server(&kit, &["-tls1_2"]);
    let mut client = kit.connects(address, &[]).start();
    client.types("one\n");
    server.shows("one\n");
    server.types("r\n").shows("SSL_do_handshake");
    // It ends what it may not renew, once it is told; nothing of ours waits for that.
    let outcome = client.ends_with_input_open();
    assert!(matches!(outcome.status.code(), Some(4 | 5)) && outcome.stdout.is_empty(), "{outcome:?}");
}

#[test]
fn s_server_asks_for_our_certificate() {
    requires!(tool("openssl"));
    let kit = kit!();
    for (flag, ..) in VERSIONS {
        let (server, address) = s_server(&kit, &[flag, "-Verify", "1", "-verify_return_error"]);
        let mut client = kit.connects(address, &["--cert", &kit.file("client.pem")]).start();
        client.types("hello\n");
        server.shows("hello\n").shows("CN = tester");
        client.exits(0).quietly();
        let (_server, address) = s_server(&kit, &[flag, "-Verify", "1", "-verify_return_error"]);
        let said = kit.connects(address, &[]).start().ends_with_input_open().exited(4).stderr;
        assert!(said.contains("certificate"), "{flag}: {said}");
    }
}

#[test]
fn row_58_a_server_that_is_killed_in_mid_stream_is_tls_truncated() {
    requires!(tool("openssl"));
    let kit = kit!();
    for (flag, ..) in VERSIONS {
        for json in [false, true] {
            let (mut server, address) = s_server(&kit, &[flag]);
            let words = if json { &["--json"][..] } else { &[] };
            let client = kit.connects(address, words).start();
            // Digits: some letters would be commands.
            let bytes: Vec<u8> = pattern(3 << 20, 58).iter().map(|byte| b'0' + byte % 10).collect();
            server.types(&bytes);
            // Some of it is here, and the server goes before it has said that this is all.
            client.output().wait(patience(), |got, ended| (ended || got.len() > 1 << 20).then_some(()));
            server.signal(Signal::KILL);
            let outcome = client.ends_with_input_open().exited(5);
            if json {
                let ledger = outcome.ledger();
                assert!(bytes.starts_with(&ledger.bytes("to_client")), "{flag}: other bytes than were sent");
                assert_eq!(ledger.balances().the("closed")["termination"], "tls_truncated");
                assert_eq!(ledger.the("error")["exit"], 5);
            } else {
                assert_same_bytes(flag, &bytes[..outcome.stdout.len()], &outcome.stdout);
                assert!(outcome.stderr.contains("close_notify"), "{}", outcome.stderr);
            }
        }
    }
}

#[test]
fn row_61_certificates_are_read_again_at_sighup_and_a_broken_file_changes_nothing() {
    requires!(tool("openssl"));
    let kit = kit!();
    let (live, ca) = (kit.file("live.pem"), kit.file("live-ca.pem"));
    let put = |from: &str, to: &str| std::fs::copy(kit.file(from), to).map(drop).expect("own files");
    put("server.pem", &live);
    put("ca.pem", &ca);
    let server = crate::cli::serve(["--tls", "--cert", &live, "--client-ca", &ca, "--echo"]).start();
    let address = server.ready();
    let serial = |certificate: &str| {
        let mut client = s_client(&kit, address, &["-cert", &kit.file("client.pem"), "-showcerts"]).start();
        client.types("hello\n").shows("hello\n");
        let shown = client.exits(0).stdout;
        let wanted = std::fs::read_to_string(kit.file(certificate)).expect("own file");
        let wanted = wanted.split_once("-----BEGIN CERTIFICATE-----").expect("PEM").1.trim();
        assert!(String::from_utf8_lossy(&shown).contains(wanted), "{certificate} is not what is shown");
    };
    serial("server.pem");
    // Who is there stays.
    let session = kit.client(address, &["--cert", &kit.file("client.pem")]);
    let mut session = (Peer::connects(session.address), session);
    session.0.sends("before").expects("before");

    put("second.pem", &live);
    server.signal(Signal::HUP).says("read again");
    serial("second.pem");
    session.0.sends("still").expects("still");

    for (broken, told) in [("not a certificate", "BEGIN CERTIFICATE"), ("", "BEGIN CERTIFICATE")] {
        let before = server.errors().text().matches("stays").count();
        std::fs::write(&live, broken).expect("own file");
        server.signal(Signal::HUP);
        let said = server.errors().wait(patience(), |bytes, _| {
            let text = String::from_utf8_lossy(bytes);
            (text.matches("stays").count() > before).then(|| text.into_owned())
        });
        assert!(said.as_deref().is_some_and(|said| said.contains(told)), "{broken:?}: {said:?}");
        serial("second.pem");
    }
    // A key that is another certificate's, and a file that is gone.
    let key = std::fs::read_to_string(kit.file("server.pem")).expect("own file");
    let other = std::fs::read_to_string(kit.file("client.pem")).expect("own file");
    let (key, other) = (key.split("-----BEGIN CERTIFICATE").next(), other.split_once("-----BEGIN CERTIFICATE"));
    let mixed = format!("{}-----BEGIN CERTIFICATE{}", key.expect("a key"), other.expect("a certificate").1);
    std::fs::write(&live, mixed).expect("own file");
    server.signal(Signal::HUP).says("not that of the certificate");
    serial("second.pem");
    std::fs::remove_file(&live).expect("own file");
    server.signal(Signal::HUP).says("no such file");
    serial("second.pem");
    // Another CA for clients, with the certificate that is good again.
    put("server.pem", &live);
    put("stranger-ca.pem", &ca);
    let before = server.errors().text().matches("read again").count();
    server.signal(Signal::HUP);
    server.errors().wait(patience(), |bytes, _| {
        (String::from_utf8_lossy(bytes).matches("read again").count() > before).then_some(())
    });
    s_client(&kit, address, &["-cert", &kit.file("client.pem")]).start().ends_with_input_open().said("alert");
    session.0.sends("to the end").expects("to the end").ends().expects_end();
    server.drains();
}
