//! `psql` and `pgbench` against a PostgreSQL of the test's own.

use std::path::{Path, PathBuf};

use callbox_testkit::skip::find_tool;
use callbox_testkit::{
    Callbox, Input, Outcome, Scratch, Signal, assert_same_bytes, eventually, free_address, patience, pattern, quick,
    requires, skip,
};

use super::{BY_ALL, Daemon, Target, Upstream, Way, same, tool};

/// Uid and gid of nobody: the server refuses to run as root.
const NOBODY: u32 = 65534;

/// Returns the folder of the server's programs, which Debian keeps off the path.
pub(super) fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort();
    let on_path = || find_tool("initdb")?.canonicalize().ok()?.parent().map(Path::to_owned);
    found.pop().or_else(on_path)
}

fn unprivileged(command: Callbox) -> Callbox {
    if rustix::process::geteuid().is_root() { command.as_nobody() } else { command }
}

/// A cluster in a folder; it listens on a port and at a path.
pub(super) struct Cluster {
    _server: Daemon,
    pub(super) upstream: Upstream,
    at_a_path: Upstream,
}

/// Makes a cluster and starts its server.
pub(super) fn cluster(programs: &Path, scratch: &Scratch) -> Cluster {
    let home = scratch.join("cluster");
    std::fs::create_dir(&home).expect("own folder");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    let data = home.join("data");
    let words = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
    unprivileged(tool(&programs.join("initdb").display().to_string()).args(words).arg(&data)).run().exited(0);
    let address = free_address();
    let settings = [
        format!("listen_addresses={}", address.ip()),
        format!("port={}", address.port()),
        format!("unix_socket_directories={}", home.display()),
        "fsync=off".to_owned(),
        "shared_buffers=16MB".to_owned(),
        "max_connections=30".to_owned(),
        "ssl=off".to_owned(),
    ];
    let words = settings.iter().flat_map(|setting| ["-c", setting.as_str()]);
    let command = tool(&programs.join("postgres").display().to_string()).arg("-D").arg(&data).args(words);
    // The one that does not wait for clients, but removes its shared memory.
    let server = Daemon::starts(unprivileged(command), Signal::QUIT, "ready to accept connections");
    let socket = format!(".s.PGSQL.{}", address.port());
    let mut upstream = Upstream::at(address, "application_name");
    upstream.socket.clone_from(&socket);
    let path = home.join(&socket);
    let at_a_path = Upstream {
        address: format!("unix:{}", path.display()),
        direct: Target::Path(path),
        socket,
        shows: "application_name",
    };
    Cluster { _server: server, upstream, at_a_path }
}

/// Prepares `psql` or `pgbench`.
fn client(program: &str, target: &Target) -> Callbox {
    let (host, port) = match target {
        Target::Port(address) => (address.ip().to_string(), address.port().to_string()),
        Target::Path(path) => {
            let name = path.extension().expect(".s.PGSQL.PORT").to_string_lossy().into_owned();
            (path.parent().expect("in a folder").display().to_string(), name)
        }
    };
    let client = tool(program).env("PGHOST", host).env("PGPORT", port).env("PGUSER", "postgres");
    client.env("PGDATABASE", "postgres").env("PGOPTIONS", "--client-min-messages=warning")
}

fn psql(target: &Target, statement: &str) -> Callbox {
    client("psql", target).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement])
}

pub(super) fn asks(target: &Target, statement: &str) -> String {
    String::from_utf8_lossy(&psql(target, statement).run().exited(0).quietly().stdout).trim().to_owned()
}

/// Lines of digits, as many bytes as `length` or a few more.
fn lines(length: usize) -> Vec<u8> {
    let bytes = pattern(length / 2, 4);
    let hex = |chunk: &[u8]| chunk.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(500).map(hex).collect::<String>().into_bytes()
}

/// Copies a table in and out, and asks for what the server knows of it.
fn copies(target: &Target, path: &Path, text: &[u8]) -> (String, String) {
    asks(target, "DROP TABLE IF EXISTS copied; CREATE TABLE copied (n serial, line text)");
    let file = std::fs::File::open(path).expect("own file");
    psql(target, "\\copy copied (line) from pstdin").input(Input::From(file.into())).run().exited(0);
    let got = psql(target, "\\copy (select line from copied order by n) to pstdout").run().exited(0).stdout;
    assert_same_bytes("table", text, &got);
    let sum = asks(target, "SELECT count(*), sum(length(line)), md5(string_agg(line, '' ORDER BY n)) FROM copied");
    let wrong = psql(target, "SELECT 1/0").run().exited(1);
    (sum, wrong.stderr)
}

/// Runs the same transactions from one client and returns what they leave behind.
fn benches(target: &Target) -> String {
    let transactions = if quick() { "50" } else { "300" };
    client("pgbench", target).args(["-i", "-q", "-s", "1"]).run().exited(0);
    let words = ["-n", "-c", "1", "-t", transactions, "--random-seed=7"];
    processed(&client("pgbench", target).args(words).run().exited(0), transactions);
    asks(
        target,
        "SELECT (SELECT md5(string_agg(aid || ':' || abalance, ',' ORDER BY aid)) FROM pgbench_accounts), \
         (SELECT count(*) FROM pgbench_history)",
    )
}

/// Runs transactions from many clients, prepared and pipelined; every balance must add up.
fn crowds(target: &Target) -> String {
    let transactions = if quick() { "10" } else { "50" };
    asks(target, "TRUNCATE pgbench_history; UPDATE pgbench_accounts SET abalance = 0 WHERE abalance <> 0");
    asks(target, "UPDATE pgbench_branches SET bbalance = 0; UPDATE pgbench_tellers SET tbalance = 0");
    let words = ["-n", "-c", "16", "-j", "2", "-t", transactions, "-M", "prepared"];
    let all = (16 * transactions.parse::<u32>().expect("a number")).to_string();
    processed(&client("pgbench", target).args(words).run().exited(0), &all);
    let words = ["-n", "-C", "-S", "-c", "8", "-t", transactions];
    let all = (8 * transactions.parse::<u32>().expect("a number")).to_string();
    processed(&client("pgbench", target).args(words).run().exited(0), &all);
    let sum = "(SELECT sum(delta) FROM pgbench_history)";
    asks(
        target,
        &format!(
            "SELECT (SELECT count(*) FROM pgbench_history), {sum} = (SELECT sum(abalance) FROM pgbench_accounts), \
             {sum} = (SELECT sum(bbalance) FROM pgbench_branches), {sum} = (SELECT sum(tbalance) FROM pgbench_tellers)"
        ),
    )
}

#[track_caller]
fn processed(outcome: &Outcome, transactions: &str) {
    let text = String::from_utf8_lossy(&outcome.stdout);
    assert!(text.contains(&format!("actually processed: {transactions}/{transactions}")), "{text}");
    assert!(text.contains("failed transactions: 0 "), "{text}");
}

/// Interrupts a statement: `psql` asks for that on a connection of its own.
fn cancels(target: &Target, direct: &Target) -> (Option<i32>, String) {
    let sleeper = psql(target, "SELECT 'a long one' FROM pg_sleep(600)").start();
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT ''a long%' AND state = 'active'";
    eventually("a statement that runs", patience(), || {
        let count = asks(direct, active);
        if count == "1" { Ok(()) } else { Err(count) }
    });
    sleeper.signal(Signal::INT);
    let outcome = sleeper.ends();
    (outcome.status.code(), outcome.stderr)
}

#[test]
fn psql_and_pgbench_leave_the_same_data_behind() {
    requires!(tool("psql"), tool("pgbench"), tool("setpriv"));
    let Some(programs) = programs() else { skip!("needs initdb and postgres") };
    let scratch = Scratch::new();
    let cluster = cluster(&programs, &scratch);
    let upstream = &cluster.upstream;
    let text = lines(if quick() { 1 << 20 } else { 4 << 20 });
    let path = scratch.file("lines", &text);
    let (_, wrong) = same(upstream, &BY_ALL, |target| copies(target, &path, &text));
    assert!(wrong.contains("division by zero"), "{wrong}");
    same(&cluster.at_a_path, &[Way::Plain, Way::Unix], |target| copies(target, &path, &text));
    let left = same(upstream, &BY_ALL, benches);
    assert_eq!(left.split('|').next().map(str::len), Some(32), "{left}");
    let adds_up = same(upstream, &[Way::Plain, Way::Shown, Way::Unix], crowds);
    assert!(adds_up.ends_with("|t|t|t"), "{adds_up}");
    let (code, said) = same(upstream, &[Way::Plain], |target| cancels(target, &upstream.direct));
    assert_eq!(code, Some(1));
    assert!(said.contains("canceling statement due to user request"), "{said}");
}
