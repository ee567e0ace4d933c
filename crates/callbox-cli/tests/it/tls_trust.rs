//! TLS: who is believed, certificates read again, the CA of callbox's own (rows 55, 61).

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use callbox_testkit::{Callbox, Certificates, Leaf, Scratch, Signal, assert_harmless};

use crate::cli::callbox;
use crate::tls::{secured, serves, to, word};

/// Prepares `serve 127.0.0.1:0 --tls` with a CA of its own below `state`.
fn made_on_the_fly(state: &Path) -> Callbox {
    callbox(["serve", "127.0.0.1:0", "--tls"]).env("XDG_STATE_HOME", state)
}

#[test]
fn row_55_every_certificate_that_is_no_good_is_refused_by_name() {
    let made = Certificates::of("CA");
    let table = [
        (Leaf::expired(), "the server's certificate has expired on "),
        (Leaf::not_yet_valid(), "the server's certificate is not valid before "),
        (Leaf::of_another_name(), "the server's certificate is not for 127.0.0.1, but for other.test"),
        (Leaf::self_signed(), "the server's certificate is self-signed (CN=server)"),
        (Leaf::of_wrong_usage(), "the server's certificate is not for servers"),
    ];
    for (leaf, said) in table {
        let pair = made.make("server", &leaf);
        let (server, address) = serves(secured("serve", &pair), []);
        let outcome = to(address, &made, ["--send", "x"]).run().exited(4).said(said);
        assert!(outcome.stderr.starts_with(&format!("callbox: TLS handshake {address}: ")), "{}", outcome.stderr);
        server.drains().said("refused a connection: tls from 127.0.0.1:");
    }
}

#[test]
fn row_55_what_is_refused_can_be_believed_by_the_pin_that_the_hint_says() {
    let made = Certificates::of("CA");
    for leaf in [Leaf::expired(), Leaf::of_another_name(), Leaf::self_signed()] {
        let (server, address) = serves(secured("serve", &made.make("server", &leaf)), ["-q"]);
        let refused = to(address, &made, ["--send", "x"]).run().exited(4);
        let hint = refused.stderr.lines().find_map(|line| line.strip_prefix("hint: --pin "));
        let pin = hint.and_then(|hint| hint.split(' ').next()).unwrap_or_else(|| refused.fail("has no pin"));
        let address = format!("tls://{address}");
        let client = callbox(["connect", &address, "--pin", pin, "--send", "x", "-v"]).run();
        client.exited(0).said(", pinned\n").wrote("thank you !");
        let mut wrong = pin.to_owned();
        let last = if wrong.pop() == Some('0') { '1' } else { '0' };
        wrong.push(last);
        let client = callbox(["connect", &address, "--pin", &wrong, "--send", "x"]).run();
        client.exited(4).said("the server's certificate is none of those that are pinned");
        server.drains();
    }
}

#[test]
fn a_self_signed_certificate_that_is_given_as_a_ca_is_believed_as_itself() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::self_signed());
    let (server, address) = serves(secured("serve", &pair), ["-q"]);
    let client = callbox(["connect", &format!("tls://{address}"), "--ca", word(&pair.cert), "--send", "x"]);
    client.run().exited(0).wrote("thank you !");
    server.drains();
}

#[test]
fn anybody_is_believed_where_that_is_asked_for_and_it_is_said_however_quiet() {
    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::expired())), ["-q"]);
    let client = callbox(["connect", &format!("tls://{address}"), "--insecure", "-q", "--send", "x"]).run();
    let outcome = client.exited(0).wrote("thank you !").said("callbox: warning: --insecure: ");
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    server.drains().said("callbox: warning: our own certificate CN=server has expired on ");
}

#[test]
fn the_name_that_is_asked_for_is_the_one_that_is_verified() {
    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::of_another_name())), ["-q"]);
    to(address, &made, ["--sni", "other.test", "--send", "x"]).run().exited(0);
    let refused = to(address, &made, ["--sni", "third.test", "--send", "x"]).run().exited(4);
    refused.said("is not for third.test, but for other.test").said("hint: --sni NAME");
    server.drains();
}

#[test]
fn clients_must_show_a_certificate_where_a_server_wants_one() {
    let made = Certificates::of("CA");
    let client = made.make("client", &Leaf::client());
    let pair = made.make("server", &Leaf::default());
    let (server, address) = serves(secured("serve", &pair), ["--client-ca", word(made.ca()), "-v"]);
    for version in ["1.2", "1.3"] {
        let words = ["--send", "x", "--tls-min", version, "--tls-max", version];
        let shown = ["--cert", word(&client.cert), "--key", word(&client.key)];
        to(address, &made, words).args(shown).run().exited(0).wrote("thank you !");
        let none = to(address, &made, words).run().exited(4);
        if version == "1.3" {
            none.said("certificate required").said("hint: --cert FILE --key FILE");
        }
    }
    server
        .drains()
        .said("verified\n")
        .said("certificate CN=client, for client.test, signed by CN=CA")
        .said("the client has shown no certificate, though it must");
}

#[test]
fn a_client_whom_others_vouch_for_is_refused_by_name() {
    let made = Certificates::of("CA");
    let others = Certificates::of("another CA");
    let stranger = others.make("stranger", &Leaf::client());
    let pair = made.make("server", &Leaf::default());
    let (server, address) = serves(secured("serve", &pair), ["--client-ca", word(made.ca())]);
    let shown = ["--cert", word(&stranger.cert), "--key", word(&stranger.key), "--send", "x"];
    to(address, &made, shown).run().exited(4).said("alert unknown ca");
    server.drains().said("the client's certificate is signed by somebody who is not trusted (CN=another CA)");
}

#[test]
fn row_61_certificates_are_read_again_and_broken_ones_leave_the_old() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (server, address) = serves(secured("serve", &pair), ["--echo"]);
    let shown = || {
        let ledger = to(address, &made, ["--send", "x", "--json"]).run().exited(0).ledger();
        ledger.the("tls")["chain"][0]["subject"].as_str().map(str::to_owned)
    };
    let mut open = to(address, &made, []).input(callbox_testkit::Input::Piped).start();
    open.types("before").shows("before");
    made.make("server", &Leaf { subject: "new", ..Leaf::default() });
    assert_eq!(shown().as_deref(), Some("CN=server"), "nobody has asked to read it again");
    server.signal(Signal::HUP).says("read again the certificates: CN=new, until ");
    assert_eq!(shown().as_deref(), Some("CN=new"));
    std::fs::write(&pair.cert, "no certificate").expect("a file");
    server.signal(Signal::HUP).says("-----BEGIN CERTIFICATE-----\" in it; what was read before stays");
    assert_eq!(shown().as_deref(), Some("CN=new"));
    made.make("server", &Leaf::default());
    let other = made.make("other", &Leaf::default());
    std::fs::copy(&other.key, &pair.key).expect("copied");
    server.signal(Signal::HUP).says("the key is not that of the certificate; what was read before stays");
    assert_eq!(shown().as_deref(), Some("CN=new"));
    std::fs::remove_file(&pair.key).expect("there");
    server.signal(Signal::HUP).says("no such file or directory; what was read before stays");
    open.types(", after").shows("before, after");
    open.exits(0);
    server.drains();
}

#[test]
fn row_61_relays_and_listeners_read_theirs_again_too() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (listener, address) = serves(secured("listen", &pair), ["-v"]);
    made.make("server", &Leaf { subject: "new", ..Leaf::default() });
    listener.signal(Signal::HUP).says("read again the certificates: CN=new");
    to(address, &made, ["--send", "x", "-v"]).run().exited(0).said("certificate CN=new");
    listener.exits(0).wrote("x");
    let (server, behind) = serves(callbox(["serve", "127.0.0.1:0"]), ["-q"]);
    for more in [&["--mirror", &behind.to_string()][..], &["--control", "127.0.0.1:0"]] {
        let relay = callbox(["relay", "tls://127.0.0.1:0", &behind.to_string(), "--cert", word(&pair.cert), "--key"]);
        let (relay, address) = serves(relay.arg(&pair.key).args(more), []);
        made.make("server", &Leaf { subject: "new", ..Leaf::default() });
        relay.signal(Signal::HUP).says("read again the certificates: CN=new");
        to(address, &made, ["--send", "x", "-v"]).run().exited(0).said("certificate CN=new");
        relay.drains();
    }
    server.drains();
}

#[test]
fn without_a_certificate_one_is_made_and_how_to_believe_it_is_said() {
    let state = Scratch::new();
    let (server, address) = serves(made_on_the_fly(state.path()), ["--tls-name", "db.test", "--tls-name", "192.0.2.7"]);
    server.says(&format!("to talk to it, type in a second terminal: {}", word(&crate::cli::binary())));
    let told = server.errors().text();
    let ca = state.join("callbox/ca/cert.pem");
    let flags = format!("connect {address} --tls --ca {} --send hello\n", word(&ca));
    assert!(told.contains(&flags), "{told}");
    assert!(told.contains("made a CA of callbox's own: "), "{told}");
    let pin = told.split("or by --pin ").nth(1).and_then(|rest| rest.lines().next()).expect("a pin");
    let target = format!("tls://{address}");
    for words in [&["--ca", word(&ca)][..], &["--ca", word(&ca), "--sni", "db.test"], &["--pin", pin]] {
        let client = callbox(["connect", &target, "--send", "hello"]).args(words).run();
        client.exited(0).wrote("thank you !");
    }
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&state.join("callbox/ca")), 0o700);
    assert_eq!(mode(&state.join("callbox/ca/key.pem")), 0o600);
    server.drains();
    let (again, address) = serves(made_on_the_fly(state.path()), []);
    let client = callbox(["connect", &format!("tls://{address}"), "--ca", word(&ca), "--send", "hello"]).run();
    client.exited(0);
    again.drains().never_said("made a CA");
}

#[test]
fn servers_that_begin_at_once_agree_on_one_ca() {
    const SERVERS: usize = 8;
    let state = Scratch::new();
    let servers: Vec<_> = (0..SERVERS).map(|_| made_on_the_fly(state.path()).start()).collect();
    let ca = state.join("callbox/ca/cert.pem");
    for server in &servers {
        let target = format!("tls://{}", server.ready());
        callbox(["connect", &target, "--ca", word(&ca), "--send", "x"]).run().exited(0).wrote("thank you !");
    }
    servers.into_iter().for_each(|server| drop(server.drains()));
    let left = std::fs::read_dir(state.join("callbox")).expect("there").flatten();
    let left: BTreeSet<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["ca".into()].into(), "nothing is left behind");
}

#[test]
fn a_broken_ca_is_one_clear_line() {
    let state = Scratch::new();
    let (server, _) = serves(made_on_the_fly(state.path()), ["-q"]);
    server.drains();
    let folder = state.join("callbox/ca");
    let pem = std::fs::read_to_string(folder.join("cert.pem")).expect("there");
    let made = Certificates::of("another CA");
    let other = std::fs::read_to_string(made.make("other", &Leaf::default()).key).expect("there");
    let key = std::fs::read_to_string(folder.join("key.pem")).expect("there");
    let table = [
        (Some("rubbish"), Some(&key), 2, "there is no \"-----BEGIN CERTIFICATE-----\" in it"),
        (None, Some(&key), 6, "no such file or directory"),
        (Some(&*pem), None, 6, "no such file or directory"),
        (Some(&*pem), Some(&other), 2, "not that of the certificate"),
    ];
    for (pem, key, code, said) in table {
        for (file, text) in [("cert.pem", pem), ("key.pem", key.map(String::as_str))] {
            let _ = std::fs::remove_file(folder.join(file));
            if let Some(text) = text {
                std::fs::write(folder.join(file), text).expect("written");
            }
        }
        let outcome = made_on_the_fly(state.path()).run().exited(code).said(said);
        assert!(outcome.stderr.starts_with("callbox: "), "{}", outcome.stderr);
        assert!(outcome.stderr.lines().nth(1).is_some_and(|line| line.starts_with("hint: ")), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    }
}

#[test]
fn what_does_not_go_together_is_told_before_anything_is_opened() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let other = made.make("other", &Leaf::default());
    let (cert, key, ca) = (word(&pair.cert), word(&pair.key), word(made.ca()));
    let absent = made.join("absent");
    let table: &[(i32, &[&str], &str)] = &[
        (2, &["connect", ":1", "--pin", "x"], "--pin: invalid pin"),
        (2, &["connect", ":1", "--insecure"], "--insecure is given, and TLS is not asked for"),
        (2, &["connect", ":1", "--tls", "--insecure", "--ca", ca], "--insecure"),
        (2, &["connect", ":1", "--tls", "--key", key], "--cert"),
        (2, &["connect", ":1", "--tls", "--tls-min", "1.1"], "write 1.2 or 1.3"),
        (2, &["connect", ":1", "--tls", "--tls-min", "1.3", "--tls-max", "1.2"], "is newer than --tls-max 1.2"),
        (2, &["connect", ":1", "--tls", "--alpn", "h2,"], "1 to 255 bytes"),
        (
            2,
            &["connect", ":1", "--tls", "--sni", "a b", "--ca", ca],
            "--sni: \"a b\" is neither a DNS name nor an address",
        ),
        (6, &["connect", ":1", "--tls", "--ca", word(&absent)], "no such file or directory"),
        (2, &["connect", ":1", "--tls", "--ca", key], "BEGIN CERTIFICATE"),
        (2, &["serve", ":0", "--cert", cert], "--cert is given, and TLS is not asked for"),
        (2, &["serve", ":0", "--tls-keylog", cert], "--tls-keylog is given, and TLS is not asked for"),
        (2, &["serve", ":0", "--tls", "--key", key], "--cert"),
        (2, &["serve", ":0", "--tls", "--cert", cert], "there is no \"-----BEGIN PRIVATE KEY-----\" in it"),
        (6, &["serve", ":0", "--tls", "--cert", cert, "--key", word(&absent)], "no such file or directory"),
        (
            2,
            &["serve", ":0", "--tls", "--cert", cert, "--key", word(&other.key)],
            "the key is not that of the certificate",
        ),
        (2, &["serve", ":0", "--tls", "--cert", cert, "--tls-name", "x"], "--tls-name"),
        (2, &["serve", ":0", "--tls", "--tls-name", "a b"], "--tls-name: \"a b\" is neither"),
        (2, &["relay", ":0", "tls://a:1", "b:1", "--ca", ca], "all upstreams are alike"),
        (2, &["relay", ":0", "a:1", "--ca", ca], "--ca is given, and TLS is not asked for"),
        (2, &["relay", ":0", "a:1", "--upstream-cert", cert], "--upstream-cert is given"),
        (2, &["relay", ":0", "a:1", "--tls-min", "1.3"], "--tls-min is given"),
    ];
    for (code, words, said) in table {
        callbox(words.iter().copied()).run().exited(*code).said(said);
    }
}

#[test]
fn a_key_in_the_same_file_needs_no_flag() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let read = |path: &Path| std::fs::read_to_string(path).expect("there");
    std::fs::write(&pair.cert, read(&pair.cert) + &read(&pair.key)).expect("written");
    let (server, address) = serves(callbox(["serve", "tls://127.0.0.1:0", "--cert", word(&pair.cert)]), ["-q"]);
    to(address, &made, ["--send", "x"]).run().exited(0).wrote("thank you !");
    server.drains();
}

#[test]
fn a_unix_socket_has_no_name_so_one_is_to_be_said() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let path = made.join("socket");
    let address = format!("tls://unix:{}", word(&path));
    let server = ["serve", &address, "--cert", word(&pair.cert), "--key", word(&pair.key)];
    let server = callbox(server).start();
    server.says(&format!("connect unix:{} --tls --pin sha256:", word(&path)));
    let client = |words: &[&str]| callbox(["connect", &address, "--send", "x"]).args(words).run();
    client(&["--ca", word(made.ca()), "--sni", "localhost"]).exited(0).wrote("thank you !");
    client(&["--ca", word(made.ca())]).exited(4).said("no name to verify in this address").said("hint: --sni NAME");
    server.drains();
}

#[test]
fn what_a_certificate_says_moves_no_cursor() {
    let made = Certificates::of("CA\u{1b}]0;title\u{7}\u{1b}[2J");
    let hostile = "a\u{1b}[31m\r\nb\u{9b}2J\u{202e}";
    let pair = made.make("server", &Leaf { subject: hostile, until_days: 2, ..Leaf::default() });
    let client = made.make("client", &Leaf { subject: hostile, ..Leaf::client() });
    let (server, address) = serves(secured("serve", &pair), ["--client-ca", word(made.ca()), "-v"]);
    let shown = ["--cert", word(&client.cert), "--key", word(&client.key), "--send", "x"];
    let words = ["-v", "--tls-expiry-warn", "14d", "--sni", "localhost"];
    let believed = to(address, &made, shown).args(words).run().exited(0).said("warning: the server's certificate CN=a");
    let others = Certificates::of("another CA");
    let refused = to(address, &others, shown).run().exited(4).said("signed by somebody who is not trusted (CN=CA");
    let untrusted = callbox(["connect", &format!("tls://{address}"), "--pin", &format!("sha256:{:064}", 0)]);
    let pinned = untrusted.run().exited(4);
    let server = server.drains().said("certificate CN=a");
    for outcome in [believed, refused, pinned, server] {
        assert_harmless(outcome.stderr.as_bytes());
        assert_eq!(outcome.stderr.matches('\r').count(), 0, "{}", outcome.stderr);
    }
}
