//! Signals: what is finished first, who is served, which code is left (rows 69 to 71).

use std::fs::File;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Input, Output, Peer, Process, Scratch, Signal, Terminal, deadline, eventually, patience, scaled,
};
use std::net::SocketAddr;

use crate::cli::{connected, echoes, listen, serve, served};

#[test]
fn row_69_what_had_come_is_written_before_an_interrupt_ends_the_client() {
    let (server, address) = served(["--generate", "-q"]);
    let scratch = Scratch::new();
    let path = scratch.join("received");
    let file = File::create(&path).expect("own file");
    let client = crate::cli::connect(address, ["-v"]).input(Input::Piped).output(Output::To(file.into())).start();
    eventually("ten megabytes", patience(), || match std::fs::metadata(&path).map(|facts| facts.len()) {
        Ok(10_000_000..) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    client.signal(Signal::INT);
    let outcome = client.ends_with_input_open().exited(130);
    let size = std::fs::metadata(&path).expect("own file").len();
    outcome.said("signal").said(&size.to_string());
    server.drains();
}

#[test]
fn row_69_a_second_interrupt_ends_a_client_that_cannot_write() {
    let (server, address) = served(["--generate", "-q"]);
    let mut client = crate::cli::connect(address, []).input(Input::Piped).output(Output::Held).start();
    let output = client.take_output();
    // Nobody reads: the output is full.
    let used = || client.reading().cpu();
    deadline::settled("a blocked client", Duration::from_millis(150), used);
    client.signal(Signal::INT);
    deadline::let_pass(Duration::from_millis(50));
    let start = Instant::now();
    // The first one may have been enough; the second must be.
    let _ =
        rustix::process::kill_process(rustix::process::Pid::from_raw(client.pid() as i32).expect("a pid"), Signal::INT);
    client.ends_with_input_open().exited(130);
    assert!(start.elapsed() < scaled(Duration::from_millis(100)), "{:?}", start.elapsed());
    drop(output);
    server.drains();
}

#[test]
fn a_client_ends_by_each_signal_with_its_own_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (client, _peer) = connected([], |mut peer| {
            peer.sends("so far");
            let _ = peer.reads_to_end();
        });
        client.shows("so far").signal(signal);
        client.ends_with_input_open().exited(code).wrote("so far");
    }
}

#[test]
fn a_listener_without_a_client_ends_by_a_signal() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let listener = listen([]).input(Input::Piped).start();
        listener.ready();
        listener.signal(signal);
        listener.ends_with_input_open().exited(code);
    }
}

#[test]
fn an_idle_server_ends_by_the_first_signal_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let (server, address) = served(["--echo"]);
        echoes(address);
        server.signal(signal);
        server.exits(0);
    }
    // Nobody is left to serve: drained, whatever the signal was.
    let (server, _) = served(["--echo"]);
    server.signal(Signal::HUP);
    server.exits(0);
}

/// Clients that have connected and sent while the server could not accept.
fn queued(server: &Process, address: SocketAddr, count: usize) -> Vec<Peer> {
    server.stops();
    (0..count)
        .map(|number| {
            let mut client = Peer::connects(address);
            client.sends(format!("queued {number}"));
            client
        })
        .collect()
}

#[test]
fn row_70_sigterm_serves_queued_clients_and_resets_none() {
    for signal in [Signal::TERM, Signal::INT] {
        let (server, address) = served(["--echo", "-q", "--json"]);
        echoes(address);
        let mut clients = queued(&server, address, 100);
        server.signal(signal).goes_on();
        for (number, client) in clients.iter_mut().enumerate() {
            client.expects(format!("queued {number}")).ends().expects_end();
        }
        let outcome = server.exits(0);
        assert_eq!(outcome.ledger().summary()["sessions"], 101);
    }
}

#[test]
fn row_70_sigterm_serves_those_beyond_the_connection_limit_too() {
    let (server, address) = served(["--echo", "--max-connections", "1"]);
    let mut first = Peer::connects(address);
    first.sends("x").expects("x");
    let mut waiting: Vec<Peer> = (0..20).map(|_| Peer::connects(address)).collect();
    for client in &mut waiting {
        client.sends("me too");
    }
    server.signal(Signal::TERM);
    // Asked to stop, it still serves the one it has.
    first.sends("still").expects("still").ends().expects_end();
    for client in &mut waiting {
        client.expects("me too").ends().expects_end();
    }
    server.exits(0);
}

#[test]
fn row_70_who_connects_while_a_server_drains_is_never_reset_after_being_accepted() {
    let (server, address) = served(["--echo", "-q"]);
    let mut staying = Peer::connects(address);
    staying.sends("x").expects("x");
    server.signal(Signal::TERM);
    let mut answered = 0;
    for _ in 0..200 {
        // Refused, or unanswered because the listener no longer takes handshakes; but once in, served.
        let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(20)) else { continue };
        Peer::new(stream).sends("in").expects("in").ends().expects_end();
        answered += 1;
    }
    assert!(answered < 200, "a draining server stops accepting");
    staying.sends("x").expects("x").ends().expects_end();
    server.exits(0);
}

#[test]
fn at_the_drain_deadline_the_rest_gets_a_fin_and_two_seconds_later_a_reset() {
    let (server, address) = served(["--echo", "--drain", "400ms"]);
    let (mut polite, mut stubborn) = (Peer::connects(address), Peer::connects(address));
    polite.sends("x").expects("x");
    stubborn.sends("x").expects("x");
    server.signal(Signal::TERM);
    let start = Instant::now();
    polite.expects_end();
    let fin = start.elapsed();
    assert!(fin >= Duration::from_millis(350) && fin < scaled(Duration::from_millis(1500)), "FIN after {fin:?}");
    polite.ends();
    stubborn.expects_end();
    // It never ends its own direction: two seconds after the FIN it is reset.
    eventually("the reset", patience(), || match stubborn.stream().take_error() {
        // What a reset is called once the other side's end of stream has come.
        Ok(Some(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let reset = start.elapsed();
    assert!(reset >= Duration::from_millis(2200) && reset < scaled(Duration::from_secs(4)), "reset after {reset:?}");
    server.exits(143);
}

#[test]
fn drain_0_ends_the_rest_at_once() {
    let (server, address) = served(["--echo", "--drain", "0"]);
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    server.signal(Signal::INT);
    client.expects_end().ends();
    server.exits(130);
}

#[test]
fn a_second_signal_ends_a_server_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (mut server, address) = served(["--echo"]);
        let mut client = Peer::connects(address);
        client.sends("x").expects("x");
        server.signal(signal);
        eventually("the first signal heard", patience(), || {
            match TcpStream::connect_timeout(&address, Duration::from_millis(20)) {
                Err(_) => Ok(()),
                Ok(_) => Err("still accepts".to_owned()),
            }
        });
        server.still_runs();
        let start = Instant::now();
        server.signal(signal);
        server.exits(code);
        assert!(start.elapsed() < scaled(Duration::from_millis(500)), "{:?}", start.elapsed());
    }
}

#[test]
fn sigusr1_suspends_accepting_and_sigusr2_resumes_on_the_same_address() {
    let (server, address) = served(["--echo"]);
    let mut staying = Peer::connects(address);
    staying.sends("x").expects("x");
    for _ in 0..3 {
        let mut queued = queued(&server, address, 10);
        server.signal(Signal::USR1).goes_on();
        for (number, client) in queued.iter_mut().enumerate() {
            client.expects(format!("queued {number}")).ends().expects_end();
        }
        eventually("refused while suspended", patience(), || {
            match TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        staying.sends("on").expects("on");
        server.signal(Signal::USR2);
        eventually("accepted when resumed", patience(), || TcpStream::connect(address).map_err(|e| e.to_string()));
        echoes(address);
        staying.sends("on").expects("on");
    }
    staying.ends().expects_end();
    server.drains();
}

#[test]
fn a_suspended_server_still_ends_by_a_signal() {
    let (server, address) = served(["--echo"]);
    server.signal(Signal::USR1);
    eventually("suspended", patience(), || match TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        Err(_) => Ok(()),
        Ok(_) => Err("still accepts".to_owned()),
    });
    server.drains();
}

#[test]
fn row_71_a_closed_terminal_ends_a_client_with_129() {
    let mut terminal = Terminal::opens();
    let (address, peer) = callbox_testkit::Script::serves(|mut peer| {
        peer.sends("there");
        let _ = peer.reads_to_end();
    });
    let client = crate::cli::connect(address, []).on_terminal(&terminal).start();
    terminal.shows("there");
    terminal.hangs_up();
    client.ends_with_input_open().exited(129);
    peer.joins();
}

#[test]
fn row_71_a_client_told_to_ignore_hangups_goes_on_without_spinning() {
    let mut terminal = Terminal::opens();
    let (address, peer) = callbox_testkit::Script::serves(|mut peer| {
        peer.sends("there");
        peer
    });
    // As `nohup` does: an ignored signal stays ignored.
    let ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let client = crate::cli::connect(address, []).through(ignoring).controlled_by(&terminal).start();
    client.shows("there");
    terminal.hangs_up();
    let mut peer = peer.joins();
    // A terminal that is gone has no more input.
    peer.expects_end();
    let cpu = client.reading().cpu_percent_over(Duration::from_millis(500));
    assert!(cpu < 5.0, "{cpu:.1} % of a core on a dead terminal");
    peer.sends(" still").ends();
    client.exits(0).wrote("there still");
}

#[test]
fn a_server_under_nohup_outlives_a_hangup() {
    let (mut server, address) = crate::cli::served_through(["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"], ["--echo"]);
    server.signal(Signal::HUP);
    deadline::let_pass(Duration::from_millis(200));
    server.still_runs();
    echoes(address);
    server.drains();
}

#[test]
fn row_71_a_server_whose_terminal_is_gone_serves_who_is_there_and_ends() {
    let mut terminal = Terminal::opens();
    let server = serve(["--echo"]).output(Output::To(terminal.side())).start();
    let address = server.ready();
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    terminal.hangs_up();
    client.sends("still").expects("still");
    let cpu = server.reading().cpu_percent_over(Duration::from_millis(500));
    assert!(cpu < 5.0, "{cpu:.1} % of a core with a dead terminal");
    client.ends().expects_end();
    server.ends().exited(6).said("callbox: ");
}
