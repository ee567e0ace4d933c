//! `serve --exec`: what a child is given, what it may not do, and that none is left behind (rows 72, 92 to 100).

use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Process, Scratch, Script, eventually, kernel, patience, quick, requires, scaled};

use crate::cli::{echoes, serve, served};
use crate::limits::{baseline, descriptors_return};

/// A word to find a child by in the process table.
fn marker(name: &str) -> String {
    format!("callbox-child-{name}-{}", std::process::id())
}

/// Serves `script` by `sh`, with a marker to find the processes by.
fn served_script(script: &str, marker: &str) -> (Process, std::net::SocketAddr) {
    served(["--exec", "sh", "-c", script, marker])
}

#[track_caller]
fn all_gone(marker: &str, within: Duration) {
    eventually(&format!("no process of {marker}"), scaled(within), || match kernel::running(marker) {
        // The server's own command line carries the marker too.
        pids if pids.len() <= 1 => Ok(()),
        pids => Err(format!("{pids:?}")),
    });
}

#[track_caller]
fn no_children(server: &Process, within: Duration) {
    eventually("no children left", scaled(within), || match server.reading().children() {
        rows if rows.is_empty() => Ok(()),
        rows => Err(format!("{rows:?}")),
    });
}

#[test]
fn a_child_talks_with_its_client() {
    let (server, address) = served(["--exec", "sh", "-c", "read line; echo \"you said $line\""]);
    Peer::connects(address).sends("hello\n").expects("you said hello\n").expects_end();
    server.drains();
}

#[test]
fn arguments_reach_the_child_as_they_are_without_a_shell() {
    let (server, address) = served(["--exec", "printf", "%s|", "$HOME", "a b", "*", "; echo no", "--once", "-v"]);
    Peer::connects(address).expects("$HOME|a b|*|; echo no|--once|-v|").expects_end();
    server.drains();
}

#[test]
fn the_environment_has_the_names_of_ucspi_and_ncat_and_nothing_private() {
    let server = serve(["--exec", "env"]).env("CALLBOX_TEST_SECRET", "do not tell").start();
    let address = server.ready();
    let mut client = Peer::connects(address);
    let text = String::from_utf8(client.reads_to_end()).expect("text");
    let (ip, port) = (client.local().ip().to_string(), client.local().port().to_string());
    let own = address.port().to_string();
    for (name, value) in [
        ("PROTO", "TCP"),
        ("TCPREMOTEIP", &*ip),
        ("TCPREMOTEPORT", &*port),
        ("TCPLOCALIP", "127.0.0.1"),
        ("TCPLOCALPORT", &*own),
        ("NCAT_REMOTE_ADDR", &*ip),
        ("NCAT_REMOTE_PORT", &*port),
        ("NCAT_LOCAL_ADDR", "127.0.0.1"),
        ("NCAT_LOCAL_PORT", &*own),
        ("NCAT_PROTO", "TCP"),
    ] {
        assert!(text.lines().any(|line| line == format!("{name}={value}")), "{name}={value} in\n{text}");
    }
    assert!(text.lines().any(|line| line.starts_with("PATH=")), "a child finds its programs:\n{text}");
    assert!(!text.contains("CALLBOX_TEST_SECRET"), "the environment is a list, not an inheritance:\n{text}");
    client.closes();
    server.drains();
}

#[test]
fn row_72_a_child_whose_client_leaves_dies_of_sigpipe() {
    let marker = marker("yes");
    let (server, address) = served(["--exec", "yes", &marker]);
    let mut client = Peer::connects(address);
    client.expects(&marker);
    client.resets();
    no_children(&server, Duration::from_secs(3));
    all_gone(&marker, Duration::from_secs(1));
    server.drains();
}

#[test]
fn row_72_a_child_has_the_default_dispositions() {
    // Bits of SigIgn: 13 is SIGPIPE, 25 SIGXFSZ, 2 SIGINT. An ignored signal would be inherited through exec.
    let (server, address) = served(["--exec", "grep", "SigIgn", "/proc/self/status"]);
    let text = String::from_utf8(Peer::connects(address).reads_to_end()).expect("text");
    let mask = u64::from_str_radix(text.split_whitespace().last().expect("a mask"), 16).expect("hex");
    for (signal, name) in [(2, "SIGINT"), (13, "SIGPIPE"), (15, "SIGTERM"), (25, "SIGXFSZ")] {
        assert_eq!(mask >> (signal - 1) & 1, 0, "{name} is ignored in the child: {text}");
    }
    server.drains();
}

#[test]
fn row_92_short_children_are_all_reaped() {
    let (server, address) = served(["-q", "--json", "--exec", "printf", "hi"]);
    Peer::connects(address).expects("hi").expects_end();
    let baseline = callbox_testkit::deadline::settled("descriptors", Duration::from_millis(100), || {
        server.reading().descriptors()
    });
    let (workers, each) = if quick() { (10, 10) } else { (50, 200) };
    let clients: Vec<Script> = (0..workers)
        .map(|_| {
            Script::runs(move || {
                for _ in 0..each {
                    Peer::connects(address).expects("hi").expects_end();
                }
            })
        })
        .collect();
    clients.into_iter().for_each(Script::joins);
    no_children(&server, Duration::from_secs(3));
    descriptors_return(&server, baseline);
    let ledger = server.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.summary()["sessions"], workers * each + 1);
}

#[test]
fn row_93_a_child_that_ignores_everything_is_killed_as_a_group() {
    let marker = marker("stubborn");
    let script = "trap '' TERM HUP INT; echo ready; while :; do sleep 999; done";
    let (server, address) = served_script(script, &marker);
    let mut client = Peer::connects(address);
    client.expects("ready\n");
    let start = Instant::now();
    client.resets();
    no_children(&server, Duration::from_secs(15));
    let took = start.elapsed();
    assert!(took > Duration::from_secs(8), "given time to end by itself: {took:?}");
    assert!(took < scaled(Duration::from_millis(11_500)), "gone within 11 s: {took:?}");
    all_gone(&marker, Duration::from_secs(1));
    server.drains();
}

#[test]
fn row_93_a_client_s_half_close_ends_no_child() {
    let script = "cat >/dev/null; sleep 0.5; echo still here";
    let (server, address) = served_script(script, &marker("half"));
    Peer::connects(address).ends().expects("still here\n").expects_end();
    server.drains();
}

#[test]
fn row_94_a_grandchild_that_keeps_the_pipe_does_not_keep_the_client() {
    let marker = marker("grand");
    let (server, address) = served_script("sh -c 'sleep 999; :' \"$0\" & echo hi", &marker);
    let start = Instant::now();
    let mut client = Peer::connects(address);
    client.expects("hi\n").expects_end();
    assert!(start.elapsed() < scaled(Duration::from_secs(2)), "{:?}", start.elapsed());
    client.closes();
    all_gone(&marker, Duration::from_secs(3));
    no_children(&server, Duration::from_secs(3));
    server.drains();
}

#[test]
fn row_95_a_child_that_floods_meets_back_pressure() {
    let (server, address) = served(["-q", "--exec", "yes"]);
    Peer::connects(address).expects("y\ny\n");
    let before = server.reading().peak_kib();
    let deaf = Peer::connects(address);
    eventually("a child", patience(), || (!server.reading().children().is_empty()).then_some(()).ok_or("none".into()));
    let used = || server.reading().cpu();
    callbox_testkit::deadline::settled("a blocked child", Duration::from_millis(200), used);
    let grown = server.reading().peak_kib() - before;
    // The promise is 256 KiB a connection; a page table or two come with it.
    assert!(grown <= 512, "memory grew by {grown} KiB");
    deaf.resets();
    no_children(&server, Duration::from_secs(15));
    server.drains();
}

#[test]
fn row_96_a_child_that_closes_its_output_half_closes_the_connection() {
    let scratch = Scratch::new();
    let path = scratch.join("heard");
    let script = format!("exec >&-; cat > '{}'", path.display());
    let (server, address) = served_script(&script, &marker("deaf"));
    let mut client = Peer::connects(address);
    client.expects_end().sends("heard after all").ends();
    eventually("the child has heard", patience(), || match std::fs::read_to_string(&path) {
        Ok(text) if text == "heard after all" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    server.drains();
}

#[test]
fn row_96_a_child_that_closes_its_input_still_answers() {
    let (server, address) = served_script("exec <&-; sleep 0.3; echo answer", &marker("mute"));
    let mut client = Peer::connects(address);
    client.sends("nobody listens").expects("answer\n").expects_end();
    client.closes();
    server.drains();
}

#[test]
fn row_97_a_program_that_cannot_be_started_is_said_and_closes_the_client() {
    let scratch = Scratch::new();
    let plain = scratch.file("plain", "just text");
    let binary = scratch.program("garbage", [0x7f, b'E', b'L', b'F', 0, 0, 0, 0]);
    for (program, reason) in [
        ("/nowhere/at/all".to_owned(), "no such file"),
        (plain.display().to_string(), "permission denied"),
        (binary.display().to_string(), "exec format error"),
    ] {
        let (mut server, address) = served(["--exec", &program]);
        let mut client = Peer::connects(address);
        // Ended or reset: nothing to read, and soon.
        assert!(client.reads_some(10).map_or(true, |bytes| bytes.is_empty()), "no half-dead child talks");
        client.closes();
        server.says(reason);
        no_children(&server, Duration::from_secs(2));
        server.still_runs();
        server.drains();
    }
}

#[test]
fn row_98_a_child_has_descriptors_0_1_and_2_only() {
    let (server, address) = served(["--exec", "ls", "/proc/self/fd"]);
    let mut others: Vec<Peer> = (0..5).map(|_| Peer::connects(address)).collect();
    let text = String::from_utf8(Peer::connects(address).reads_to_end()).expect("text");
    // The fourth is the folder being listed.
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"], "{text}");
    others.iter_mut().for_each(|client| drop(client.reads_to_end()));
    drop(others);
    server.drains();
}

#[test]
fn row_99_a_child_that_signals_its_group_hits_only_itself() {
    let (mut server, address) = served(["--exec", "sh", "-c", "echo shot; kill -TERM 0; sleep 999"]);
    let mut client = Peer::connects(address);
    client.expects("shot\n").expects_end();
    client.closes();
    server.still_runs();
    Peer::connects(address).expects("shot\n");
    no_children(&server, Duration::from_secs(3));
    server.drains();
}

#[test]
fn row_99_a_child_has_a_process_group_of_its_own_and_no_terminal() {
    let (server, address) = served(["--exec", "cat"]);
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    let children = server.reading().children();
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].group, children[0].pid, "leader of its own group");
    client.ends().expects_end();
    server.drains();
}

#[test]
fn row_100_a_child_has_the_soft_limit_callbox_was_started_with() {
    requires!(tool("prlimit"));
    let server = serve(["--exec", "sh", "-c", "ulimit -n; ulimit -Hn"]).descriptors(300, 400).start();
    let address = server.ready();
    assert_eq!(server.reading().descriptor_limits().0, 400, "callbox itself takes what it may");
    Peer::connects(address).expects("300\n400\n").expects_end();
    server.drains();
}

#[test]
fn no_more_than_64_children_run_at_once() {
    let (server, address) = served(["-q", "--exec", "cat"]);
    let mut clients: Vec<Peer> = (0..80).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("x");
    }
    for client in &mut clients[..64] {
        client.expects("x");
    }
    clients[70].hears_nothing_for(Duration::from_millis(200));
    assert_eq!(server.reading().children().len(), 64);
    for (number, mut client) in clients.into_iter().enumerate() {
        if number >= 64 {
            client.expects("x");
        }
        client.ends().expects_end();
    }
    no_children(&server, Duration::from_secs(3));
    server.drains();
}

#[test]
fn a_server_that_ends_leaves_no_children() {
    let marker = marker("left");
    let (server, address) = served_script("echo up; exec cat", &marker);
    let mut client = Peer::connects(address);
    client.expects("up\n");
    server.signal(callbox_testkit::Signal::TERM);
    client.ends().expects_end();
    server.exits(0);
    eventually("nobody left", patience(), || match kernel::running(&marker) {
        pids if pids.is_empty() => Ok(()),
        pids => Err(format!("{pids:?}")),
    });
}

#[test]
fn what_a_child_says_on_standard_error_is_shown_escaped() {
    let (server, address) = served(["--exec", "sh", "-c", "printf 'oops \\033[31m\\n' >&2"]);
    Peer::connects(address).expects_end();
    server.says("oops");
    let outcome = server.drains();
    assert!(!outcome.stderr.contains('\x1b'), "{:?}", outcome.stderr);
}

#[test]
fn descriptors_return_after_children() {
    let (server, address) = served(["-q", "--exec", "cat"]);
    let baseline = baseline(&server, address);
    for _ in 0..30 {
        echoes(address);
    }
    descriptors_return(&server, baseline);
    server.drains();
}
