//! Standard input and output that are closed, full, slow, missing or a folder (rows 63 to 68).

use std::fs::File;
use std::time::Duration;

use callbox_testkit::{
    Callbox, Input, Outlet, Output, Peer, Scratch, Script, assert_same_bytes, deadline, patience, pattern, quick,
    requires,
};

use crate::cli::{binary, callbox, connect, connected, listen, served};
use crate::handlers::rfc_864;

#[test]
fn row_63_a_closed_output_is_a_quiet_exit_0() {
    let (server, address) = served(["--generate", "-q"]);
    let mut client = connect(address, []).input(Input::Piped).output(Output::Held).start();
    let output = Outlet::from(client.take_output());
    assert_same_bytes("the first", &rfc_864(10), &output.reads_exactly(10, patience()).expect("something came"));
    drop(output);
    client.ends_with_input_open().exited(0).quietly();
    server.drains();
}

#[test]
fn row_63_a_server_whose_output_is_closed_serves_who_is_there_and_ends() {
    let mut server = crate::cli::serve(["--echo"]).output(Output::Held).start();
    let mut client = Peer::connects(server.ready());
    drop(server.take_output());
    for _ in 0..3 {
        client.sends("x").expects("x");
    }
    client.ends().expects_end();
    server.exits(0);
}

#[test]
fn row_63_help_into_a_closed_output_is_quiet() {
    let mut help = callbox(["--help"]).output(Output::Held).start();
    drop(help.take_output());
    help.ends().quietly();
}

#[test]
fn row_64_a_full_output_is_exit_6() {
    let full = || Output::To(File::options().write(true).open("/dev/full").expect("Linux has it").into());
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("does not fit");
        let _ = peer.reads_some(1);
    });
    let outcome = connect(address, []).input(Input::Piped).output(full()).start().ends_with_input_open();
    outcome.exited(6).said("callbox: ").said("no space left");
    callbox(["--help"]).output(full()).run().exited(6);
}

#[test]
fn row_65_a_slow_output_gets_every_byte() {
    let length = 8 << 20;
    let (server, address) = served(["--generate", "8Mi", "-q"]);
    let mut client = connect(address, []).input(Input::Piped).output(Output::Held).start();
    let output = Outlet::from(client.take_output());
    let mut bytes = Vec::new();
    for _ in 0..8 {
        // A slow reader is the fault.
        deadline::let_pass(Duration::from_millis(50));
        bytes.extend(output.reads_exactly(64 * 1024, patience()).expect("more comes"));
    }
    bytes.extend(output.reads_to_end(patience()).expect("the rest"));
    assert_same_bytes("through a slow pipe", &rfc_864(length), &bytes);
    client.exits(0);
    server.drains();
}

#[test]
fn row_66_a_closed_input_is_an_end_of_stream_and_never_becomes_a_connection() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects_end();
        peer
    });
    let client = connect(address, []).input(Input::Closed).start();
    let mut peer = peer.joins();
    let zero = std::fs::read_link(format!("/proc/{}/fd/0", client.pid())).unwrap_or_default();
    assert!(!zero.display().to_string().contains("socket"), "descriptor 0 is {}", zero.display());
    peer.sends("answer").ends();
    client.exits(0).wrote("answer");
}

#[test]
fn row_66_all_of_the_three_closed_is_survived() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("hello").expects_end().sends("lost on nobody").ends();
    });
    let script = "exec \"$@\" <&- >&- 2>&-";
    let client = Callbox::new("sh").args(["-c", script, "sh"]).arg(binary());
    let client = client.args(["connect", &address.to_string(), "--send", "hello"]);
    let code = client.run().status.code();
    assert!(matches!(code, Some(0 | 6)), "{code:?}");
    peer.joins();
}

#[test]
fn row_66_no_input_ends_the_sending_direction_only() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects_end().sends("answer").ends();
    });
    connect(address, []).input(Input::Null).run().exited(0).wrote("answer");
    peer.joins();
}

#[test]
fn row_66_a_folder_as_input_is_exit_6() {
    let (address, _peer) = Script::serves(|mut peer| {
        let _ = peer.reads_some(1);
    });
    let folder = File::open("/").expect("a folder");
    let outcome = connect(address, []).input(Input::From(folder.into())).run().exited(6);
    outcome.said("callbox: ").said("is a directory");
}

#[test]
fn row_66_sends_in_the_background_never_touch_the_terminal() {
    requires!(tool("setsid"));
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("hello").expects_end().sends("thank you !").ends();
    });
    let terminal = callbox_testkit::Terminal::opens();
    let script = "\"$@\" & wait $!; echo \"code $?\"";
    let shell = Callbox::new("sh").args(["-mc", script, "sh"]).arg(binary());
    let shell = shell.args(["connect", &address.to_string(), "--send", "hello"]).on_terminal(&terminal).start();
    terminal.shows("thank you !").shows("code 0");
    shell.exits(0);
    peer.joins();
}

#[test]
fn row_67_the_end_of_input_waits_for_the_answer() {
    let (mut client, peer) = connected([], |mut peer| {
        peer.expects("request").expects_end();
        deadline::let_pass(Duration::from_millis(1000));
        peer.sends("the whole answer").ends();
    });
    client.types("request").ends_input();
    client.exits(0).wrote("the whole answer");
    peer.joins();
}

#[test]
fn row_68_all_bytes_of_a_producer_that_ends_at_once_arrive() {
    let times = if quick() { 20 } else { 1_000 };
    let script = "head -c 4097 /dev/zero | \"$@\"";
    for time in 0..times {
        let (address, peer) = Script::serves(|mut peer| {
            peer.ends();
            peer.reads_to_end().len()
        });
        let pipeline = Callbox::new("sh").args(["-c", script, "sh"]).arg(binary());
        pipeline.args(["connect", &address.to_string()]).run().exited(0);
        assert_eq!(peer.joins(), 4097, "time {time} of {times}");
    }
}

#[test]
fn the_peer_s_end_closes_the_output_while_the_input_goes_on() {
    let (mut client, peer) = connected([], |mut peer| {
        peer.sends("all I say").ends();
        peer.expects("more").expects_end();
    });
    let seen = client.output().wait(patience(), |bytes, ended| ended.then(|| bytes.to_vec()));
    assert_eq!(seen.as_deref(), Some(&b"all I say"[..]), "the pipe to the next program ends with the stream");
    client.types("more").ends_input();
    peer.joins();
    client.exits(0);
}

#[test]
fn output_that_is_no_terminal_is_exact() {
    let every: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    let sent = every.clone();
    let (address, _peer) = Script::serves(move |mut peer| {
        peer.sends(&sent).ends();
    });
    let outcome = connect(address, []).run().exited(0);
    assert_same_bytes("every byte", &every, &outcome.stdout);
}

#[test]
fn escape_and_raw_choose_by_hand() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends(b"\x1b[31m\\ \xff\n").ends();
    });
    connect(address, ["--escape"]).run().exited(0).wrote("\\x1b[31m\\\\ \\xff\n");
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends(b"\x1b[31m\\ \xff\n").ends();
    });
    let terminal = callbox_testkit::Terminal::opens().without_processing();
    connect(address, ["--raw"]).output(Output::To(terminal.side())).start().exits(0);
    terminal.shows(b"\x1b[31m\\ \xff\n");
}

#[test]
fn two_pipes_make_a_conversation() {
    let scratch = Scratch::new();
    let bytes = pattern(2 << 20, 9);
    let path = scratch.file("file", &bytes);
    let received = scratch.join("received");
    let listener = listen([]).output(Output::To(File::create(&received).expect("own file").into())).start();
    let address = listener.ready();
    let file = File::open(&path).expect("own file");
    connect(address, []).input(Input::From(file.into())).run().exited(0).wrote("");
    listener.exits(0);
    assert_same_bytes("the file", &bytes, &std::fs::read(received).expect("own file"));
}

#[test]
fn a_client_may_leave_while_input_is_idle() {
    let listener = listen(["--count", "1"]).input(Input::Piped).start();
    let mut client = Peer::connects(listener.ready());
    client.sends("enough").expects_end();
    // Standard input is open and silent: the exit must not wait for it.
    listener.ends_with_input_open().exited(0).wrote("enough");
}
