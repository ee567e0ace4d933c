//! Faults that look at the bytes: repeated, half-closed, stalled, behind a match, in a frame; replaced; from a file; and
//! at the listener of `serve`.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Scratch, eventually, patience, scaled};

use crate::bent::{reads_to_either, told};
use crate::cli::{callbox, connected, served};
use crate::relay_line::knocks;

#[test]
fn duplicate_repeats_whole_frames() {
    let (server, address) = served(["--echo", "-q", "--frame", "line", "--fault", "duplicate,direction=to_client"]);
    let mut client = Peer::connects(address);
    client.sends("one\ntwo\n").ends();
    assert_eq!(client.reads_to_end().escape_ascii().to_string(), "one\\none\\ntwo\\ntwo\\n");
    server.drains();
    let sent = "a\n".repeat(2000);
    let words = ["--echo", "-q", "--frame", "line", "--fault", "duplicate,p=25%,direction=to_client", "--seed", "1"];
    let (server, address) = served(words);
    let mut client = Peer::connects(address);
    client.sends(&sent).ends();
    let more = client.reads_to_end().len() - sent.len();
    assert!((800..1200).contains(&more), "a quarter of 4,000 bytes: {more}");
    server.drains();
}

#[test]
fn a_half_close_ends_one_direction_exactly_and_leaves_the_other() {
    let words = ["--echo", "-q", "--json", "--fault", "half-close@5,direction=to_client"];
    let (server, address) = served(words);
    let mut client = Peer::connects(address);
    client.sends("hello world").expects("hello").expects_end();
    // Nobody resets who goes on sending.
    for _ in 0..20 {
        client.sends("more");
    }
    client.ends();
    let ledger = server.drains().ledger();
    let summary = ledger.balances().summary();
    assert_eq!((&summary["to_server_bytes"], &summary["to_client_bytes"]), (&91.into(), &5.into()));
    assert_eq!(told(&ledger.named("fault")).last().expect("some"), "to_client half-close at 5: direction ended");
}

#[test]
fn a_stall_holds_what_comes_and_lets_go_of_it_without_loss() {
    let words = ["--echo", "-q", "--fault", "stall@5,to=700ms,direction=to_client"];
    let (server, address) = served(words);
    let start = Instant::now();
    let mut client = Peer::connects(address);
    client.sends("hello world").expects("hello").hears_nothing_for(Duration::from_millis(300));
    client.sends(", and more").expects(" world, and more");
    assert!(start.elapsed() >= Duration::from_millis(650), "{:?}", start.elapsed());
    let start = Instant::now();
    client.sends("at once").expects("at once").ends().expects_end();
    assert!(start.elapsed() < scaled(Duration::from_millis(300)), "{:?}", start.elapsed());
    server.drains();
    // Without an end nothing comes any more, and the bytes are not lost but held.
    let (server, address) = served(["--echo", "-q", "--fault", "stall,direction=to_client"]);
    let mut client = Peer::connects(address);
    client.sends("x").hears_nothing_for(Duration::from_millis(200));
    client.resets();
    server.drains();
}

#[test]
fn a_fault_behind_a_match_finds_it_over_the_edges_of_chunks() {
    let words = ["--echo", "-q", "--fault", "cut@10,direction=to_client,match=re:E[N]D,?"];
    let (server, address) = served(words);
    let mut client = Peer::connects(address);
    // Each is answered before the next is sent, so each is a chunk.
    for piece in ["nothing yet E", "N"] {
        client.sends(piece).expects(piece);
    }
    client.sends("D0123456789 beyond");
    assert_eq!(reads_to_either(&mut client), (b"D0123456789".to_vec(), false));
    drop(client);
    server.drains();
}

#[test]
fn a_fault_in_a_frame_leaves_the_others_alone() {
    let words = ["--echo", "-q", "--frame", "line", "--fault"];
    let (server, address) = served(words.into_iter().chain(["discard=0..2,frame=3,direction=to_client"]));
    let mut client = Peer::connects(address);
    client.sends("11aa\n22bb\n33").sends("cc\n44dd\n").ends();
    assert_eq!(client.reads_to_end().escape_ascii().to_string(), "11aa\\n22bb\\ncc\\n44dd\\n");
    server.drains();
    let (server, address) = served(words.into_iter().chain(["cut@0:reset,frame=3,direction=to_client"]));
    let mut client = Peer::connects(address);
    client.sends("11aa\n22bb\n33cc\n");
    assert_eq!(reads_to_either(&mut client), (b"11aa\n22bb\n".to_vec(), true));
    server.drains();
}

#[test]
fn replace_finds_what_chunks_cut_and_keeps_lengths_of_frames_right() {
    let words = ["--echo", "-q", "--replace", "w(o)rld", "<$1>"];
    let (server, address) = served(words);
    let mut client = Peer::connects(address);
    client.sends("hello wo");
    // What may yet match is held, but not for long.
    client.expects("hello ");
    client.sends("rld wor").expects("<o> wor").ends().expects_end();
    server.drains();
    let words = ["--echo", "-q", "--frame", "length:u16be", "--replace", "secret", "-"];
    let (server, address) = served(words);
    let mut client = Peer::connects(address);
    client.sends(b"\0\x0bmy secret s").expects(b"\0\x06my - s").ends().expects_end();
    server.drains();
    let (process, script) = connected(["--send", "a b", "--replace", "b", r"\n$0$$"], |mut peer: Peer| {
        let got = peer.reads_to_end();
        peer.sends("bb").ends();
        got
    });
    process.exits(0).wrote("\nb$\nb$");
    assert_eq!(script.joins(), b"a \nb$");
}

#[test]
fn faults_come_from_a_file_with_their_names_behind_those_of_the_flags() {
    let scratch = Scratch::new();
    let text = "[[fault]]\nname = \"swap\"\nkind = \"replace\"\nvalue = \"three\"\nmatch = \"two\"\n\n\
                [[fault]]\nname = \"rude\"\nkind = \"cut\"\nat = \"5\"\ndirection = \"to_client\"\n";
    let file = scratch.file("faults.toml", text).display().to_string();
    // One changes to two, which the file then changes to three.
    let words = ["--echo", "-q", "--json", "--faults", &file, "--fault", "replace=two,match=one"];
    let (server, address) = served(words);
    let mut client = Peer::connects(address);
    client.sends("one and more");
    assert_eq!(reads_to_either(&mut client), (b"three".to_vec(), false));
    drop(client);
    let ledger = server.drains().ledger();
    let lines = told(&ledger.named("fault"));
    assert!(lines.contains(&"to_server replace at 0: replaced 3 bytes by 3".to_owned()), "{lines:?}");
    assert!(lines.contains(&"to_server swap at 0: replaced 3 bytes by 5".to_owned()), "{lines:?}");
    assert!(lines.contains(&"to_client rude at 5: session ended".to_owned()), "{lines:?}");
}

#[test]
fn a_wrong_fault_is_pointed_at_by_every_command() {
    let commands: [&[&str]; 4] = [
        &["connect", "127.0.0.1:9"],
        &["listen", "127.0.0.1:0"],
        &["serve", "127.0.0.1:0"],
        &["relay", "127.0.0.1:0", "127.0.0.1:9"],
    ];
    let scratch = Scratch::new();
    let file = scratch.file("faults.toml", "[[fault]]\nkind = \"stall\"\n\n[[fault]]\nspec = \"latency=1x\"\n");
    for command in commands {
        for (fault, said) in [
            ("latency=10parsecs", "unknown unit parsecs at byte 10; write latency=100ms"),
            ("latency=10ms,p=200%", "at byte 15; write p=50%"),
            ("cut@x", "no number at byte 4; write cut@1460"),
            ("stall,from=", "at byte 11; write from=2s"),
            ("refuse,direction=to_client", "at byte 7;"),
            ("laggy=1s", "unknown fault laggy at byte 0"),
            ("cut@5,frame=2", "--frame length:u16be"),
        ] {
            let outcome = callbox(command.iter().copied()).args(["--fault", fault]).run().exited(2);
            outcome.said(&format!("callbox: --fault: invalid fault \"{fault}\": ")).said(said).wrote("");
        }
        let read = |path: &std::path::Path| callbox(command.iter().copied()).arg("--faults").arg(path).run();
        // The place in the file, and the place in the fault.
        read(&file).exited(2).said("faults.toml:5:8: ").said("at byte 9").wrote("");
        read(&scratch.join("nowhere.toml")).exited(6).said("nowhere.toml");
        callbox(command.iter().copied()).args(["--replace", "(", "x"]).run().exited(2).said("unclosed group");
        callbox(command.iter().copied()).args(["--replace", "x", "a\\q"]).run().exited(2).said("\\q at byte 1");
    }
}

#[test]
fn a_server_refuses_delays_closes_and_hides_as_it_is_asked_to() {
    let (server, address) = served(["--echo", "-q", "--fault", "refuse"]);
    eventually("refused", patience(), || match TcpStream::connect(address) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
    server.drains();

    let (server, address) = served(["--echo", "-q", "--json", "--fault", "refuse,every=2"]);
    for number in 1..=4 {
        if number % 2 == 1 {
            Peer::connects(address).sends("x").expects("x").ends().expects_end();
        } else if let Some(mut client) = knocks(address) {
            client.expects_reset();
        }
    }
    let ledger = server.drains().ledger();
    let refused = ledger.balances().named("refused");
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|event| event["reason"] == "fault"), "{refused:?}");
    assert_eq!(ledger.summary()["limits"]["fault"], 2);

    let (server, address) = served(["--echo", "-q", "--fault", "accept-then-close,session=1"]);
    Peer::connects(address).expects_end();
    Peer::connects(address).sends("x").expects("x").ends().expects_end();
    server.drains();

    let (server, address) = served(["--echo", "-q", "--fault", "accept-delay=400ms,session=1"]);
    let start = Instant::now();
    let mut delayed = Peer::connects(address);
    delayed.sends("x");
    Peer::connects(address).sends("y").expects("y").ends().expects_end();
    let other = start.elapsed();
    delayed.expects("x").ends().expects_end();
    assert!(
        start.elapsed() >= Duration::from_millis(400) && other < start.elapsed(),
        "{other:?} {:?}",
        start.elapsed()
    );
    server.drains();
}

#[test]
fn a_full_backlog_gives_no_answer_until_it_is_over() {
    let (server, address) = served(["--echo", "--fault", "backlog-full,to=800ms"]);
    server.says("a fault serves nobody at");
    let within = Duration::from_millis(300);
    let met = TcpStream::connect_timeout(&address, within).expect_err("no answer to the handshake");
    assert_eq!(met.kind(), std::io::ErrorKind::TimedOut, "{met}");
    // The kernel of this client asks again after one second, and after three.
    Peer::connects(address).sends("x").expects("x").ends().expects_end();
    server.drains();
}
