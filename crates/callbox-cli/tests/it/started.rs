//! How callbox is started: sockets passed by a service manager, what it is told, users, Unix sockets (rows 118 to 120).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callbox_testkit::{Callbox, Input, Output, Peer, Scratch, Signal, eventually, patience, quick, requires, scaled};

use crate::cli::{callbox, echoes, serve};

/// Passes a socket as descriptor 3; `before` is what the shell does first, such as setting LISTEN_FDS.
pub(crate) fn passing(program: Callbox, socket: OwnedFd, before: &str) -> Callbox {
    let script = format!("{before} exec \"$@\" 3<&0 </dev/null");
    program.input(Input::From(socket)).through(["sh", "-c", &script, "sh"])
}

/// What a service manager sets, for one socket by this name.
fn activated(name: &str) -> String {
    format!("export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name};")
}

/// A listener of our own, as a service manager holds one, and where it is.
fn held() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    rustix::net::listen(&listener, 4096).expect("a longer queue");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn twin(listener: &TcpListener) -> OwnedFd {
    listener.try_clone().expect("a second descriptor").into()
}

#[test]
fn row_118_a_passed_socket_is_served_by_number_by_name_and_as_all() {
    for (word, before) in [("fd:3", ""), ("fd:3", "x"), ("fd:web", "x"), ("fd:", "x")] {
        let (listener, address) = held();
        let before = if before.is_empty() { String::new() } else { activated("web") };
        let server = passing(callbox(["serve", word, "--echo"]), twin(&listener), &before).start();
        assert_eq!(server.ready(), address);
        echoes(address);
        server.drains().never_said("LISTEN").never_said("not listened at");
        drop(listener);
    }
}

#[test]
fn row_118_two_sockets_by_one_name_are_one_server() {
    let ((one, first), (other, second)) = (held(), held());
    let before = "export LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=web:web:admin;";
    let script = format!("{before} exec \"$@\" 3<&0 4<&1 5<&1 </dev/null >/dev/null");
    let program = callbox(["serve", "fd:web", "--echo", "--sessions", "2"]);
    let program = program.input(Input::From(twin(&one))).output(Output::To(twin(&other)));
    let server = program.through(["sh", "-c", &script, "sh"]).start();
    assert_eq!(server.ready_at(2), [first, second]);
    echoes(first);
    echoes(second);
    server.exits(0).said("passed, and not listened at: fd:5 (admin)");
}

#[test]
fn row_118_what_was_not_passed_is_said() {
    let table: [(&str, &str, i32, &str); 6] = [
        ("fd:", "", 3, "no socket was passed: LISTEN_FDS is not set"),
        ("fd:web", "export LISTEN_PID=1 LISTEN_FDS=1;", 3, "no socket was passed: LISTEN_PID is 1 and not"),
        (
            "fd:ftp",
            "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web;",
            3,
            "no socket named ftp was passed, but web",
        ),
        ("fd:9", "", 3, "inherit fd:9: no such descriptor was passed"),
        ("fd:a:b", "", 2, "no name of a passed socket"),
        ("fd:3", "export LISTEN_PID=1 LISTEN_FDS=1;", 0, "LISTEN_PID is 1 and not"),
    ];
    for (word, before, code, said) in table {
        let (listener, _) = held();
        let server = passing(callbox(["serve", word]), twin(&listener), before).start();
        if code == 0 {
            server.says(said).says("listening on");
            server.drains();
        } else {
            server.exits(code).said(said);
        }
    }
}

#[test]
fn row_118_what_is_no_listening_socket_is_refused_by_name() {
    let scratch = Scratch::new();
    let file: OwnedFd = std::fs::File::open(scratch.file("file", "x")).expect("own file").into();
    let datagrams: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds").into();
    let (listener, address) = held();
    let connected: OwnedFd = TcpStream::connect(address).expect("connects").into();
    let table = [(file, "not a socket"), (datagrams, "not a listening socket"), (connected, "not a listening socket")];
    for (descriptor, said) in table {
        let server = passing(callbox(["serve", "fd:3"]), descriptor, "").start();
        server.exits(3).said(&format!("inherit fd:3: {said}"));
    }
    drop(listener);
}

#[test]
fn row_118_systemd_s_own_tool_starts_it() {
    requires!(tool("systemd-socket-activate"));
    let address = callbox_testkit::peer::free_address();
    let binary = crate::cli::binary();
    let starter = Callbox::new("systemd-socket-activate").args(["-l", &address.to_string(), "--fdname=web"]);
    let starter = starter.arg(&binary).args(["serve", "fd:web", "--echo", "--once"]).start();
    starter.says("Listening on");
    // The first connection is what starts it.
    echoes(address);
    starter.exits(0).said(&format!("listening on {address}"));
}

/// Connects a thousand times a second, says something, wants it back and the end of stream; counts what went wrong.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn starts(address: SocketAddr) -> Load {
        const THREADS: u32 = 16;
        const A_SECOND: u32 = 1000;
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (stop, done) = (stop.clone(), done.clone());
            std::thread::spawn(move || {
                let (mut failed, mut next) = (Vec::new(), Instant::now());
                while !stop.load(Relaxed) {
                    next += Duration::from_secs(1) * THREADS / A_SECOND;
                    callbox_testkit::deadline::let_pass(next.saturating_duration_since(Instant::now()));
                    if let Err(error) = once(address) {
                        failed.push(error.to_string());
                    }
                    done.fetch_add(1, Relaxed);
                }
                failed
            })
        };
        let threads = (0..THREADS).map(client).collect();
        Load { stop, done, threads }
    }

    /// Waits until so many more are done.
    fn goes_on(&self, count: u64) {
        let wanted = self.done.load(Relaxed) + count;
        eventually("connections", scaled(Duration::from_secs(30)), || {
            let done = self.done.load(Relaxed);
            if done >= wanted { Ok(()) } else { Err(format!("{done} of {wanted}")) }
        });
    }

    /// Stops, and returns how many there were and what went wrong.
    fn ends(self) -> (u64, Vec<String>) {
        self.stop.store(true, Relaxed);
        let failed = self.threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        (self.done.load(Relaxed), failed)
    }
}

fn once(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(scaled(Duration::from_secs(20))))?;
    stream.write_all(b"hello")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer == b"hello" { Ok(()) } else { Err(std::io::Error::other(format!("{} bytes", answer.len()))) }
}

#[test]
fn row_118_five_restarts_under_load_refuse_nobody() {
    let (listener, address) = held();
    let start = || passing(callbox(["serve", "fd:web", "--echo", "-q"]), twin(&listener), &activated("web")).start();
    let mut server = start();
    let load = Load::starts(address);
    let restarts = if quick() { 3 } else { 5 };
    for restart in 0..restarts {
        load.goes_on(200);
        server.signal(Signal::TERM);
        // As a service manager does it, one after the other; and as a supervisor may, the next one beside the last.
        if restart % 2 == 0 {
            server.exits(0);
            server = start();
        } else {
            let next = start();
            server.exits(0);
            server = next;
        }
    }
    load.goes_on(200);
    let (done, failed) = load.ends();
    assert_eq!(failed, Vec::<String>::new(), "of {done} connections");
    server.drains();
}

#[test]
fn row_118_whoever_is_queued_behind_the_last_session_is_the_next_one_s() {
    for words in [vec!["serve", "fd:3", "--echo", "--once"], vec!["listen", "fd:3"]] {
        let (listener, address) = held();
        let mut clients: Vec<Peer> = (0..5).map(|_| Peer::connects(address)).collect();
        let first = passing(callbox(words), twin(&listener), "").start();
        clients[0].sends("x").ends();
        let _ = clients[0].reads_to_end();
        first.exits(0).never_said("max_sessions");
        let next = passing(callbox(["serve", "fd:3", "--echo", "--sessions", "4"]), twin(&listener), "").start();
        for client in &mut clients[1..] {
            client.sends("queued").expects("queued").ends().expects_end();
        }
        next.exits(0);
    }
}

#[test]
fn row_119_two_listeners_on_one_port_restart_without_a_refusal() {
    let first = serve(["--echo", "-q", "--reuse-port", "--ready-file"]);
    let scratch = Scratch::new();
    let (mut one, address) = crate::cli::started(first.arg(scratch.join("ready")), &scratch.join("ready"));
    let start = |number: u32| {
        let path = scratch.join(&format!("ready-{number}"));
        let words = ["serve", &address.to_string(), "--echo", "-q", "--reuse-port", "--ready-file"];
        crate::cli::started(callbox(words).arg(&path), &path).0
    };
    let mut other = start(0);
    let load = Load::starts(address);
    for restart in 1..=if quick() { 3 } else { 20 } {
        load.goes_on(50);
        one.signal(Signal::TERM);
        one.exits(0);
        one = std::mem::replace(&mut other, start(restart));
    }
    let (done, failed) = load.ends();
    assert_eq!(failed, Vec::<String>::new(), "of {done} connections");
    one.drains();
    other.drains();
}

/// A service manager's socket, and what it hears.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn binds(scratch: &Scratch) -> Manager {
        let path = scratch.join("notify");
        let socket = UnixDatagram::bind(&path).expect("binds");
        socket.set_read_timeout(Some(patience())).expect("sets");
        Manager { socket, path }
    }

    /// Returns the next message that is not the watchdog's.
    fn hears(&self) -> String {
        loop {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer).expect("hears something in time");
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }
}

#[test]
fn a_service_manager_hears_ready_reloading_ready_and_stopping() {
    let scratch = Scratch::new();
    let manager = Manager::binds(&scratch);
    let list = scratch.file("deny", "192.0.2.1\n");
    let server = serve(["--echo", "--deny"]).arg(&list).env("NOTIFY_SOCKET", &manager.path).start();
    let address = server.ready();
    assert_eq!(manager.hears(), format!("READY=1\nSTATUS=listening on {address}"));
    server.signal(Signal::HUP);
    let reloading = manager.hears();
    let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(micros.parse::<u64>().is_ok_and(|micros| micros > 0), "{micros}");
    assert_eq!(manager.hears(), "READY=1");
    server.signal(Signal::USR1);
    assert_eq!(manager.hears(), "STATUS=suspended");
    server.signal(Signal::TERM);
    assert_eq!(manager.hears(), "STOPPING=1\nSTATUS=waiting for open sessions");
    server.exits(0);
}

#[test]
fn a_watchdog_hears_while_it_runs_and_nothing_while_it_hangs() {
    let scratch = Scratch::new();
    let manager = Manager::binds(&scratch);
    let server = serve(["--echo"]).env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "200000").start();
    server.ready();
    let mut buffer = [0; 64];
    let mut alive = 0;
    while alive < 5 {
        let length = manager.socket.recv(&mut buffer).expect("in time");
        alive += usize::from(&buffer[..length] == b"WATCHDOG=1");
    }
    server.stops();
    manager.socket.set_nonblocking(true).expect("sets");
    while manager.socket.recv(&mut buffer).is_ok() {}
    callbox_testkit::deadline::let_pass(Duration::from_millis(400));
    assert!(manager.socket.recv(&mut buffer).is_err(), "a stopped process says nothing");
    server.goes_on();
    server.drains();
}

#[test]
fn a_service_manager_that_is_not_there_is_said_and_no_hindrance() {
    let server = serve(["--echo"]).env("NOTIFY_SOCKET", "/nowhere/at/all").start();
    let address = server.ready();
    echoes(address);
    server
        .drains()
        .said("NOTIFY_SOCKET /nowhere/at/all: no such file or directory; the service manager is told nothing");
}

#[test]
fn the_unit_files_are_right() {
    requires!(tool("systemd-analyze"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/systemd");
    let scratch = Scratch::new();
    // What they start must be there: the binary under test, under the path that they name.
    for name in ["callbox.socket", "callbox.service"] {
        let text = std::fs::read_to_string(folder.join(name)).expect("a unit file");
        let binary = crate::cli::binary().display().to_string();
        scratch.file(name, text.replace("/usr/local/bin/callbox", &binary));
    }
    let units = ["callbox.socket", "callbox.service"].map(|name| scratch.join(name));
    let verify = Callbox::new("systemd-analyze").args(["verify", "--man=no", "--recursive-errors=no"]).args(units);
    let outcome = verify.run();
    let about_ours: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("callbox")).collect();
    assert_eq!(about_ours, Vec::<&str>::new());
}

#[test]
fn another_user_is_become_for_good_in_all_threads_and_children() {
    requires!(root());
    let server = serve(["--user", "nobody:65534", "--exec", "sh", "-c", "id -u; id -g; id -G"]).start();
    let address = server.ready();
    let status = |thread: &Path| std::fs::read_to_string(thread.join("status")).expect("is there");
    Peer::connects(address).expects("65534\n65534\n65534\n").ends();
    for thread in std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("is there").flatten() {
        let status = status(&thread.path());
        for line in
            ["Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000"]
        {
            assert!(status.contains(line), "{status}");
        }
    }
    server.signal(Signal::TERM);
    server.exits(0);
}

#[test]
fn a_user_that_cannot_be_become_is_a_usage_error() {
    requires!(root(), tool("setpriv"));
    let table = [
        ("nobody-of-that-name", "there is no such user"),
        ("nobody:no-such-group", "there is no group no-such-group"),
        ("root", "that gives nothing up"),
        ("4242424", "the group is to be said too"),
    ];
    for (user, said) in table {
        serve(["--user", user]).run().exited(2).said(said);
    }
    serve(["--user", "nobody"]).as_nobody().run().exited(2).said("only root can become another user");
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[test]
fn row_120_the_path_of_a_unix_socket_is_made_kept_and_removed_as_it_should() {
    let scratch = Scratch::new();
    let path = scratch.join("s");
    // A dead one makes room.
    drop(UnixListener::bind(&path).expect("binds"));
    let server = callbox(["serve", &unix(&path), "--echo"]).start();
    server.says("listening on unix:");
    assert_eq!(std::fs::metadata(&path).expect("is there").mode() & 0o777, 0o600);
    // A live one does not, and stays.
    callbox(["serve", &unix(&path)]).run().exited(3).said("somebody listens there");
    Peer::connects_to_path(&path).sends("x").expects("x").ends().expects_end();
    server.drains();
    assert!(!path.exists(), "removed at the end");
    let long = scratch.join(&"x".repeat(120));
    callbox(["serve", &unix(&long)]).run().exited(3).said("107 bytes at most");
    callbox(["connect", &unix(&long)]).run().exited(3).said("107 bytes at most");
    callbox(["serve", &unix(&scratch.join("gone/s"))]).run().exited(3).said("no such folder");
    let file = scratch.file("file", "kept");
    callbox(["serve", &unix(&file)]).run().exited(3).said("not a socket");
    assert_eq!(std::fs::read(&file).expect("is there"), b"kept");
}

#[test]
fn row_120_another_user_s_socket_is_left_alone() {
    requires!(root(), tool("setpriv"));
    let scratch = Scratch::new();
    let path = scratch.join("s");
    drop(UnixListener::bind(&path).expect("binds"));
    std::os::unix::fs::chown(&path, Some(65534), Some(65534)).expect("as root");
    callbox(["serve", &unix(&path)]).run().exited(3).said("another user's socket is there");
    assert!(path.exists());
}

#[test]
fn a_unix_socket_has_the_mode_that_was_asked_for_whatever_the_umask() {
    let scratch = Scratch::new();
    for (mode, bits) in [("0660", 0o660), ("666", 0o666)] {
        let path = scratch.join(mode);
        let program = callbox(["serve", &unix(&path), "--unix-mode", mode]);
        let server = program.through(["sh", "-c", "umask 077; exec \"$@\"", "sh"]).start();
        server.says("listening on unix:");
        assert_eq!(std::fs::metadata(&path).expect("is there").mode() & 0o777, bits);
        server.drains();
    }
    serve(["--unix-mode", "0888"]).run().exited(2).said("is no mode");
}

#[test]
fn who_connects_by_a_unix_socket_is_told() {
    let scratch = Scratch::new();
    let path = scratch.join("s");
    let server = callbox(["serve", &unix(&path), "--echo", "--json", "-v"]).start();
    server.event("listening", |_| true);
    Peer::connects_to_path(&path).sends("x").expects("x").ends().expects_end();
    let ledger = server.drains().ledger();
    let connected = ledger.the("connected");
    assert_eq!(connected["pid"], std::process::id());
    assert_eq!(connected["uid"], rustix::process::geteuid().as_raw());
    let server = callbox(["serve", &unix(&path), "--echo", "-v"]).start();
    server.says("listening on unix:");
    Peer::connects_to_path(&path).sends("x").expects("x").ends().expects_end();
    server.drains().said(&format!("(pid {}, uid ", std::process::id()));
}

#[test]
fn a_name_without_a_file_is_listened_at_and_connected_to() {
    let address = format!("unix:@callbox-started-{}", std::process::id());
    let server = callbox(["serve", &address, "--echo"]).start();
    server.says(&format!("listening on {address}"));
    callbox(["connect", &address, "--send", "hello", "--expect", "hello"]).run().exited(0);
    callbox(["listen", &address]).run().exited(3).said("in use");
    server.drains();
}

#[test]
fn listen_takes_a_passed_socket_too() {
    let (listener, address) = held();
    let program = passing(callbox(["listen", "fd:web"]), twin(&listener), &activated("web")).start();
    assert_eq!(program.ready(), address);
    Peer::connects(address).sends("hello").ends();
    program.exits(0).wrote("hello");
}

#[test]
fn a_passed_loopback_socket_has_no_limit_for_strangers() {
    let (listener, address) = held();
    let server = passing(callbox(["serve", "fd:3", "--echo", "-q", "--drain", "0"]), twin(&listener), "").start();
    let mut clients: Vec<Peer> = (0..300).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("x").expects("x");
    }
    server.signal(Signal::TERM);
    server.ends();
}

#[test]
fn a_relay_has_passed_sockets_and_the_word_that_it_is_ready() {
    let scratch = Scratch::new();
    let (manager, upstream) = (Manager::binds(&scratch), callbox_testkit::Server::binds());
    for more in [&[][..], &["--control", "127.0.0.1:0"][..]] {
        let (listener, address) = held();
        let to = upstream.address().to_string();
        let program = callbox(["relay", "fd:web", &to]).args(more.iter().copied());
        let relay = passing(program.env("NOTIFY_SOCKET", &manager.path), twin(&listener), &activated("web")).start();
        assert_eq!(manager.hears(), format!("READY=1\nSTATUS=listening on {address}"));
        let mut client = Peer::connects(address);
        client.sends("x").ends();
        upstream.accepts().expects("x").expects_end().sends("y").ends();
        client.expects("y").expects_end();
        relay.signal(Signal::TERM);
        assert_eq!(manager.hears(), "STOPPING=1\nSTATUS=waiting for open sessions");
        relay.exits(0);
    }
}
