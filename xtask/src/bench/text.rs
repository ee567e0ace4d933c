//! Bytes made readable: `connect --show both` and `connect --escape` beside xxd and hexyl.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::frames;
use super::peer::{Answer, Peer, order};
use super::report::{Section, Target, table};
use super::sample::Sample;
use super::server::Process;
use super::setup::Setup;
use crate::workspace::program;

/// The rate must reach that of each peer.
const TARGET: f64 = 1.0;
/// The slowest peer needs ten seconds.
const RUN_LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(2);

const SHOW: &str = "callbox connect, --show both";
const ESCAPE: &str = "callbox connect, --escape";
const SHOW_COLORED: &str = "callbox connect, --show both in colour";
const XXD: &str = "xxd";
const HEXYL: &str = "hexyl";
const HEXYL_PLAIN: &str = "hexyl --plain";

/// What is shown.
struct Input {
    name: &'static str,
    bytes: Vec<u8>,
    path: PathBuf,
}

/// One run: how long it took and how much text it made.
#[derive(Debug, Clone, Copy)]
struct Run {
    seconds: f64,
    text_bytes: u64,
}

struct Row {
    peer: Peer,
    runs: Vec<Option<Run>>,
    problem: Option<String>,
}

impl Row {
    /// Returns millions of bytes shown a second, by round.
    fn rates(&self, input: &Input) -> Sample {
        let mut sample = Sample::default();
        self.runs.iter().flatten().for_each(|run| sample.push(input.bytes.len() as f64 / 1e6 / run.seconds));
        sample
    }

    /// Returns how many times as fast as `other` it was in the same round.
    fn ratios(&self, other: &Row) -> Sample {
        let mut sample = Sample::default();
        for (own, other) in self.runs.iter().zip(&other.runs) {
            if let (Some(own), Some(other)) = (own, other) {
                sample.push(other.seconds / own.seconds);
            }
        }
        sample
    }

    /// Returns bytes of text for a byte shown.
    fn growth(&self, input: &Input) -> Sample {
        let mut sample = Sample::default();
        self.runs.iter().flatten().for_each(|run| sample.push(run.text_bytes as f64 / input.bytes.len() as f64));
        sample
    }
}

/// Measures all programs in turn, on random bytes and on lines of ASCII.
pub(crate) fn measure(setup: &Setup) -> Section {
    let mut section = Section::new("Bytes made readable");
    let mib = if setup.options.quick { 20 } else { 100 };
    section.say(&format!(
        "{mib} MiB, from before the program is started until the end of its output, which is a pipe; in changing order, nothing \
         pinned. callbox receives the bytes from a server on this machine, the others read them from a file in the page cache. \
         Rates are of the bytes shown, in MB/s (millions of bytes); growth is bytes of text for each of them. hexyl draws \
         borders and colours unless `--plain` is given, so a row of callbox has colours too."
    ));
    for (name, make) in [("random bytes", random as fn(usize) -> Vec<u8>), ("ASCII, lines of 80 bytes", lines)] {
        let input = Input { name, bytes: make(mib << 20), path: setup.folder.join("shown") };
        if let Err(error) = fs::write(&input.path, &input.bytes) {
            section.say(&format!("### {name}\n\nNot measured: {}: {error}", input.path.display()));
            continue;
        }
        let rows = compare(setup, &input);
        rows.iter().for_each(|row| section.command(&row.peer));
        section.say(&format!("### {name}"));
        section.say(&show(&rows, &input));
        judge(&mut section, &rows, &input);
        let _ = fs::remove_file(&input.path);
    }
    frames::measure(setup, &mut section);
    section
}

/// Returns the programs that are here, `{file}` and `{addr}` standing for what they show; the first two stay neighbours.
fn peers(setup: &Setup) -> Vec<Peer> {
    let own = setup.callbox.display().to_string();
    let all: [(&str, &[&str]); 6] = [
        (SHOW, &[&own, "connect", "{addr}", "--show", "both"]),
        (XXD, &["xxd", "{file}"]),
        (ESCAPE, &[&own, "connect", "{addr}", "--escape"]),
        (SHOW_COLORED, &[&own, "connect", "{addr}", "--show", "both", "--color", "always"]),
        (HEXYL, &["hexyl", "{file}"]),
        (HEXYL_PLAIN, &["hexyl", "--plain", "{file}"]),
    ];
    let here = all.into_iter().filter(|(_, words)| words[0] == own || program(words[0]).is_some());
    here.map(|(name, words)| Peer::new(name, words, Answer::Reply)).collect()
}

fn compare(setup: &Setup, input: &Input) -> Vec<Row> {
    let make = |peer| Row { peer, runs: Vec::new(), problem: None };
    let mut rows: Vec<Row> = peers(setup).into_iter().map(make).collect();
    for round in 0..setup.options.rounds() {
        for index in order(rows.len(), round) {
            let row = &mut rows[index];
            let slow = row.peer.name.starts_with(HEXYL);
            if row.problem.is_some() || slow && round >= setup.options.rounds_of_peers() {
                row.runs.push(None);
                continue;
            }
            match run(&row.peer.command, input, &setup.folder.join("errors")) {
                Ok(run) => {
                    let rate = input.bytes.len() as f64 / 1e6 / run.seconds;
                    eprintln!("text, {}, round {}: {}: {rate:.0} MB/s", input.name, round + 1, row.peer.name);
                    row.runs.push(Some(run));
                }
                Err(problem) => {
                    eprintln!("text, {}: {}: {problem}", input.name, row.peer.name);
                    row.problem = Some(problem);
                    row.runs.push(None);
                }
            }
        }
    }
    rows
}

fn show(rows: &[Row], input: &Input) -> String {
    let xxd = rows.iter().find(|row| row.peer.name == XXD);
    let line = |row: &Row| {
        let rates = row.rates(input);
        if let (None, Some(problem)) = (rates.median(), &row.problem) {
            return vec![row.peer.name.to_owned(), format!("not measured: {problem}")];
        }
        let ratio = xxd.map_or("-".into(), |xxd| row.ratios(xxd).show(2));
        vec![row.peer.name.to_owned(), rates.show(0), ratio, row.growth(input).show(2)]
    };
    table(&["program", "MB/s", "to xxd", "growth"], rows.iter().map(line))
}

/// Judges both ways of showing by each peer; hexyl without its borders only where it can do that.
fn judge(section: &mut Section, rows: &[Row], input: &Input) {
    let row = |name: &str| rows.iter().find(|row| row.peer.name == name && row.runs.iter().any(Option::is_some));
    for own in [SHOW, ESCAPE] {
        for other in [XXD, HEXYL, HEXYL_PLAIN] {
            if other == HEXYL_PLAIN && row(other).is_none() {
                continue;
            }
            let ratio = row(own).zip(row(other)).and_then(|(own, other)| own.ratios(other).median());
            let what = format!("{own}, {}: rate to that of {other}", input.name);
            section.judge(Target::at_least(&what, TARGET, ratio));
        }
    }
}

/// Runs one program, with a server that sends it the bytes should it connect.
fn run(command: &[String], input: &Input, errors: &Path) -> Result<Run, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let addr = listener.local_addr().map_err(|error| error.to_string())?;
    let fill =
        |word: &String| word.replace("{addr}", &addr.to_string()).replace("{file}", &input.path.display().to_string());
    let words: Vec<String> = command.iter().map(fill).collect();
    let log = File::create(errors).map_err(|error| error.to_string())?;
    std::thread::scope(|scope| {
        scope.spawn(|| send(&listener, &input.bytes));
        let started = Instant::now();
        let process = Process::start(&words, None, |command| {
            command.stdout(Stdio::piped()).stderr(log);
        });
        let run = process.and_then(|mut process| {
            let stdout = process.child.stdout.take().ok_or("its output is no pipe")?;
            let reader = scope.spawn(move || count(stdout).map(|bytes| (bytes, Instant::now())));
            let status = wait(process)?;
            let (text_bytes, ended) = reader.join().map_err(|_| "the reader panicked")?.map_err(|e| e.to_string())?;
            match status.success() {
                true => Ok(Run { seconds: (ended - started).as_secs_f64(), text_bytes }),
                false => Err(format!("ended with {status}: {}", first_line(errors))),
            }
        });
        // A sender that nobody connected to waits no longer.
        drop(TcpStream::connect(addr));
        run
    })
}

/// Sends `bytes` to the first that connects, then the end of stream, and waits for theirs.
fn send(listener: &TcpListener, bytes: &[u8]) {
    let Ok((mut stream, _)) = listener.accept() else { return };
    // What went wrong shows in the program's own status.
    if stream.write_all(bytes).is_ok() && stream.shutdown(Shutdown::Write).is_ok() {
        let _ = stream.read(&mut [0]);
    }
}

/// Reads to the end, as `cat >/dev/null` does, but counts.
fn count(mut output: ChildStdout) -> std::io::Result<u64> {
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        match output.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => bytes += read as u64,
        }
    }
}

/// Waits for the end within the limit; beyond it, the process is ended.
fn wait(mut process: Process) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + RUN_LIMIT;
    loop {
        match process.child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(status),
            None if Instant::now() > deadline => {
                return Err(format!("did not end within {} s", RUN_LIMIT.as_secs()));
            }
            None => std::thread::sleep(LOOK_EVERY),
        }
    }
}

fn first_line(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// Returns `len` bytes without any pattern (xorshift64), the same in every run.
fn random(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Returns `len` bytes of ASCII in lines of 80 bytes, their ends included.
fn lines(len: usize) -> Vec<u8> {
    let mut bytes = random(len);
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = if index % 80 == 79 { b'\n' } else { b' ' + *byte % 95 };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(script: &str, input: &Input) -> Result<Run, String> {
        let errors = std::env::temp_dir().join(format!("callbox-bench-text-{}", std::process::id()));
        let run = run(&["sh", "-c", script].map(String::from), input, &errors);
        let _ = fs::remove_file(errors);
        run
    }

    #[test]
    fn text_is_counted_and_failure_is_told() {
        let input = Input { name: "x", bytes: random(1000), path: "/dev/null".into() };
        assert_eq!(run_of("cat {file}; printf hello", &input).unwrap().text_bytes, 5);
        let problem = run_of("echo no such option >&2; exit 2", &input).unwrap_err();
        assert!(problem.contains("exit status: 2") && problem.ends_with("no such option"), "{problem}");
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let run = |seconds| Some(Run { seconds, text_bytes: 4 });
        let row = |runs| Row { peer: Peer::new("x", &["x"], Answer::Reply), runs, problem: None };
        let own = row(vec![run(1.0), run(2.0), None]);
        assert_eq!(own.ratios(&row(vec![run(3.0), None, run(1.0)])).values(), [3.0]);
        let input = Input { name: "x", bytes: random(2), path: "/dev/null".into() };
        assert_eq!(own.growth(&input).median(), Some(2.0));
    }

    #[test]
    fn lines_are_ascii_of_one_length() {
        let bytes = lines(800);
        assert!(bytes.split_inclusive(|byte| *byte == b'\n').all(|line| line.len() == 80 && line.is_ascii()));
        assert!(!bytes.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n'));
    }
}
