//! `--starttls`, up to where TLS begins; each protocol's dialogue is in the library's tests.

use callbox_testkit::{Peer, Script};

use crate::cli::{callbox, connect};

#[test]
fn a_server_that_says_no_is_exit_4_in_one_line() {
    let (address, server) = Script::serves(|mut peer: Peer| {
        peer.sends("220 x\r\n").expects("EHLO localhost\r\n").sends("250-x\r\n250 SIZE\r\n");
        let _ = peer.reads_some(1);
    });
    let outcome = connect(address, ["--starttls", "smtp", "--send", "x"]).run().exited(4).wrote("");
    outcome.said(&format!("callbox: starttls {address}: smtp: the server does not offer STARTTLS\n"));
    server.joins();
}

#[test]
fn what_is_injected_behind_the_go_ahead_is_exit_4_and_shown_to_nobody() {
    let (address, server) = Script::serves(|mut peer: Peer| {
        peer.sends("+OK x\r\n").expects("STLS\r\n").sends("+OK go\r\n-ERR injected\r\n");
        let _ = peer.reads_some(1);
    });
    let outcome = connect(address, ["--starttls", "pop3", "--send", "x"]).run().exited(4).wrote("");
    outcome.said("pop3: the server went on in the clear behind its go-ahead").never_said("injected\n");
    server.joins();
}

#[test]
fn a_server_that_waits_for_tls_at_once_is_late_with_a_hint() {
    let (address, server) = Script::serves(|mut peer: Peer| {
        let _ = peer.reads_some(1);
    });
    let words = ["--starttls", "imap", "--connect-timeout", "200ms", "--send", "x"];
    connect(address, words).run().exited(124).said("imap: timed out: ").said("hint: where TLS begins at once");
    server.joins();
    callbox(["connect", ":1", "--starttls", "imaps"]).run().exited(2).said("--starttls: invalid protocol").said("imap");
}
