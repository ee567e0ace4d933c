//! The chain: what all faults together do, in virtual time.

use std::time::Duration;

use super::plan::{Clipped, Plan};
use super::*;
use crate::frame::Framing;

mod changes;
mod laws;

pub(super) const SEED: u64 = 7;

pub(super) fn plan(faults: &[&str]) -> Plan {
    framed("none", faults)
}

pub(super) fn framed(framing: &str, faults: &[&str]) -> Plan {
    let clip = |(index, spec): (usize, &&str)| Clipped {
        id: index as u64 + 1,
        name: spec.split(['=', '@', ',']).next().expect("a name").to_string(),
        fault: spec.parse().unwrap_or_else(|invalid| panic!("{invalid}")),
    };
    let framing: Framing = framing.parse().expect("a framing");
    Plan { seed: SEED, framing, faults: faults.iter().enumerate().map(clip).collect(), rate: None }
}

/// A pipe, and all that came out of it: at which millisecond what.
pub(super) struct Run {
    pub(super) pipe: Pipe,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) came: Vec<(u64, String)>,
    over: bool,
}

impl Run {
    pub(super) fn new(plan: &Plan) -> Run {
        let start = Instant::now();
        let pipe = Pipe::new(plan, 1, Direction::ToServer, start);
        let mut run = Run { pipe, start, now: start, came: Vec::new(), over: false };
        run.drain();
        run
    }

    fn ms(&self) -> u64 {
        self.now.duration_since(self.start).as_millis() as u64
    }

    /// Does all that is to be done now.
    fn drain(&mut self) -> Option<Instant> {
        while !self.over {
            let (item, len) = match self.pipe.next(self.now) {
                Next::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    (bytes.escape_ascii().to_string(), bytes.len())
                }
                Next::End => ("<end>".into(), 0),
                Next::Close => ("<close>".into(), 0),
                Next::Reset => ("<reset>".into(), 0),
                Next::Wait(due) => return due,
                Next::Done => return self.pipe.due(),
            };
            self.pipe.advance(len);
            if item == "<end>" {
                self.pipe.ended();
            }
            self.over = item == "<close>" || item == "<reset>";
            self.came.push((self.ms(), item));
        }
        None
    }

    /// Goes on to this millisecond, and does on the way what is due.
    pub(super) fn until(&mut self, ms: u64) {
        let end = self.start + Duration::from_millis(ms);
        while let Some(due) = self.drain().filter(|due| *due <= end) {
            assert!(due > self.now, "it asks for the time that is now");
            self.now = due;
        }
        self.now = end;
        self.drain();
    }

    pub(super) fn push(&mut self, ms: u64, bytes: &[u8]) {
        self.until(ms);
        self.pipe.push(self.now, Bytes::copy_from_slice(bytes));
        self.drain();
    }

    pub(super) fn end(&mut self, ms: u64) {
        self.until(ms);
        self.pipe.end(self.now);
        self.drain();
    }
}

/// Pushes at milliseconds; `<end>` is the end of stream. Returns what came when, up to an hour later.
pub(super) fn play(plan: &Plan, input: &[(u64, &str)]) -> Vec<(u64, String)> {
    let mut run = Run::new(plan);
    for (ms, item) in input {
        if *item == "<end>" { run.end(*ms) } else { run.push(*ms, item.as_bytes()) }
    }
    run.until(3_600_000);
    let ledger = run.pipe.ledger();
    assert_eq!(ledger.pushed + ledger.added, ledger.written + ledger.dropped + ledger.held, "{ledger:?}");
    run.came
}

/// Insists on what comes when.
#[track_caller]
pub(super) fn check(plan: &Plan, input: &[(u64, &str)], due: &[(u64, &str)]) {
    let came = play(plan, input);
    let came: Vec<(u64, &str)> = came.iter().map(|(ms, item)| (*ms, &item[..])).collect();
    let faults: Vec<String> = plan.faults.iter().map(|clipped| clipped.fault.to_string()).collect();
    assert_eq!(came, due, "{faults:?}");
}

#[test]
fn a_rate_slows_down_counts_and_is_told_by_no_word() {
    let rate = rate::SessionRate::new(1000);
    let mut plan = Plan { rate: Some(rate.clone()), ..plan(&[]) };
    let begun = Instant::now();
    let mut pipe = Pipe::new(&plan, 1, Direction::ToServer, begun);
    assert!(!pipe.is_idle() && !plan.is_idle_for(1, Direction::ToServer));
    pipe.push(begun, Bytes::from_static(&[7; 3000]));
    pipe.end(begun);
    let (mut written, mut last) = (0, begun);
    let at = loop {
        match pipe.next(last) {
            Next::Write(bytes) => {
                let len = bytes.len();
                written += len;
                pipe.advance(len);
                // The faults change meanwhile, and the debt stays.
                plan.seed += 1;
                pipe.update(last, &plan);
            }
            Next::Wait(due) => last = due.expect("time alone lets it through"),
            Next::End => break last - begun,
            _ => panic!("neither written nor ended"),
        }
    };
    assert_eq!(written, 3000);
    assert!((Duration::from_millis(2990)..Duration::from_millis(3010)).contains(&at), "{at:?}");
    assert_eq!(pipe.decisions(), []);
    assert_eq!(rate.slowed(), 1);
}

#[test]
fn without_faults_all_passes_at_once() {
    check(&plan(&[]), &[(0, "a"), (5, "bc"), (9, "<end>")], &[(0, "a"), (5, "bc"), (9, "<end>")]);
}

#[test]
fn each_fault_gets_what_the_one_before_lets_through() {
    let input = &[(0, "0123456789"), (1, "<end>")];
    check(&plan(&["discard=0..3", "discard=0..3"]), input, &[(0, "6789"), (1, "<end>")]);
    check(&plan(&["latency=10ms", "slice=5/2ms"]), input, &[(10, "01234"), (12, "56789"), (12, "<end>")]);
    check(&plan(&["slice=5/2ms", "latency=10ms"]), input, &[(10, "01234"), (12, "56789"), (12, "<end>")]);
    check(&plan(&["slice=2", "coalesce=3ms"]), input, &[(1, "0123456789"), (1, "<end>")]);
    check(&plan(&["cut@4", "latency=10ms"]), input, &[(10, "0123"), (10, "<close>")]);
    check(&plan(&["latency=10ms", "cut@4"]), input, &[(10, "0123"), (10, "<close>")]);
}

#[test]
fn a_session_that_ends_by_time_ends_whatever_is_held() {
    for (spec, end) in [("cut@20ms", "<close>"), ("cut@20ms:reset", "<reset>"), ("reset=20ms", "<reset>")] {
        check(&plan(&[spec, "latency=1s"]), &[(0, "a")], &[(20, end)]);
        check(&plan(&["stall", spec]), &[(0, "a"), (1, "<end>")], &[(20, end)]);
        check(&plan(&[spec]), &[(0, "a"), (1, "<end>")], &[(0, "a"), (1, "<end>"), (20, end)]);
    }
}

#[test]
fn what_nobody_takes_does_not_delay_the_end_by_time() {
    let start = Instant::now();
    let mut pipe = Pipe::new(&plan(&["reset=20ms"]), 1, Direction::ToServer, start);
    pipe.push(start, Bytes::from_static(b"hello"));
    assert_eq!(pipe.next(start), Next::Write(b"hello"));
    let due = pipe.due().expect("something is due");
    assert_eq!(due, start + Duration::from_millis(20));
    assert_eq!(pipe.next(due), Next::Reset);
    assert_eq!(pipe.ledger(), Ledger { pushed: 5, dropped: 5, ..Ledger::default() });

    // What is due at the same moment, and is taken, goes first.
    let mut pipe = Pipe::new(&plan(&["latency=20ms", "reset=20ms"]), 1, Direction::ToServer, start);
    pipe.push(start, Bytes::from_static(b"hello"));
    assert_eq!(pipe.next(start), Next::Wait(Some(due)));
    assert_eq!(pipe.next(due), Next::Reset, "at one moment the end of the chain comes first");
    let mut pipe = Pipe::new(&plan(&["latency=19ms", "reset=20ms"]), 1, Direction::ToServer, start);
    pipe.push(start, Bytes::from_static(b"hello"));
    assert_eq!(pipe.next(due), Next::Write(b"hello"));
    pipe.advance(3);
    assert_eq!(pipe.next(due), Next::Write(b"lo"));
    assert_eq!(pipe.next(due), Next::Reset);
}

#[test]
fn there_is_room_up_to_the_bound() {
    let start = Instant::now();
    let mut pipe = Pipe::new(&plan(&["stall"]), 1, Direction::ToServer, start);
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let mut pushed = 0;
    while pipe.has_room() {
        pipe.push(start, chunk.clone());
        pushed += chunk.len() as u64;
    }
    assert_eq!(pushed, HELD_BYTES);
    assert_eq!(pipe.next(start), Next::Wait(None));
    let mut pipe = Pipe::new(&plan(&["slice=1"]), 1, Direction::ToServer, start);
    pipe.push(start, chunk.slice(..HELD_CHUNKS));
    assert!(!pipe.has_room());
    assert_eq!(pipe.next(start), Next::Write(b"\0"));
    pipe.advance(1);
    assert!(pipe.has_room());
    // Each byte for itself.
    for spec in ["stall", "latency=1s", "throttle=1B/s", "slice=1/1s", "coalesce=1s"] {
        let mut pipe = Pipe::new(&plan(&[spec]), 1, Direction::ToServer, start);
        let mut pushed = 0;
        while pipe.has_room() {
            pipe.push(start, chunk.slice(..1));
            pushed += 1;
        }
        assert!((HELD_CHUNKS..HELD_CHUNKS + 3).contains(&pushed), "{spec}: {pushed}");
    }
}

#[test]
fn faults_that_cannot_act_cost_nothing() {
    let far = plan(&["cut@8,session=2", "corrupt=1,p=0", "latency=1s,direction=to_client", "stall,every=2", "refuse"]);
    assert!(far.is_idle_for(1, Direction::ToServer));
    assert!(!far.is_idle_for(1, Direction::ToClient));
    assert!(!far.is_idle_for(2, Direction::ToServer));
    assert!(Pipe::new(&far, 1, Direction::ToServer, Instant::now()).is_idle());
    // Bytes that pass are those that came, not copies.
    let late =
        plan(&["corrupt=1,from=1G", "discard=1G..2G", "stall@1h", "replace=b,from=1G,match=a", "duplicate,to=1"]);
    let start = Instant::now();
    let mut pipe = Pipe::new(&late, 1, Direction::ToServer, start);
    pipe.push(start, Bytes::from_static(b"x"));
    assert_eq!(pipe.next(start), Next::Write(b"x"));
    pipe.advance(1);
    assert_eq!(pipe.next(start), Next::Write(b"x"));
    pipe.advance(1);
    let chunk = Bytes::from(vec![b'a'; 10_000]);
    pipe.push(start, chunk.clone());
    match pipe.next(start) {
        Next::Write(bytes) => assert_eq!((bytes.as_ptr(), bytes.len()), (chunk.as_ptr(), chunk.len())),
        next => panic!("{next:?}"),
    }
}

#[test]
fn decisions_read_as_lines_and_are_bounded() {
    let mut run = Run::new(&plan(&["latency=10ms", "corrupt=1:zero,from=3", "cut@5:reset"]));
    run.push(1, b"abcdef");
    run.until(100);
    let lines: Vec<String> = run.pipe.decisions().iter().map(Decision::to_string).collect();
    assert_eq!(
        lines,
        [
            "#1 to_server cut at 0: at work",
            "#1 to_server latency at 0: at work",
            "#1 to_server latency at 0: delayed by 10 ms",
            "#1 to_server corrupt at 3: at work",
            "#1 to_server corrupt at 3: 0x64 became 0x00",
            "#1 to_server corrupt at 4: 0x65 became 0x00",
            "#1 to_server corrupt at 5: 0x66 became 0x00",
            "#1 to_server cut at 5: session ended by a reset",
        ]
    );
    assert_eq!(run.came, [(11, "abc".into()), (11, r"\x00\x00".into()), (11, "<reset>".into())]);
    let mut run = Run::new(&plan(&["slice=1"]));
    run.push(0, &[0; KEPT_DECISIONS + 10]);
    assert_eq!(run.pipe.decisions().len(), KEPT_DECISIONS);
    assert_eq!(run.pipe.decisions_left_out(), 11);
    assert!(run.pipe.decisions().is_empty());
}

#[test]
fn both_directions_of_a_session_agree_on_what_is_drawn_for_it() {
    let half = plan(&["stall,p=50%"]);
    let idle = |session, direction| half.is_idle_for(session, direction);
    let count = (1..=1000).filter(|session| idle(*session, Direction::ToServer)).count();
    assert!((450..550).contains(&count), "{count}");
    assert!((1..=1000).all(|session| idle(session, Direction::ToServer) == idle(session, Direction::ToClient)));
}

#[test]
fn a_listener_asks_by_the_same_conditions() {
    use super::plan::{AtAccept, AtListener};
    let second = Duration::from_secs(1);
    let delays = plan(&["accept-delay=1s", "accept-delay=2s,every=2", "accept-then-close,session=3", "cut@1"]);
    assert_eq!(delays.at_accept(1, second), Some(AtAccept::Delay(second)));
    assert_eq!(delays.at_accept(2, second), Some(AtAccept::Delay(3 * second)));
    assert_eq!(delays.at_accept(3, second), Some(AtAccept::Close));
    assert_eq!((plan(&["cut@1"]).at_accept(1, second), delays.listener(second)), (None, None));
    let window = plan(&["refuse,from=1s,to=2s"]);
    for (at, due) in [(0, None), (1, Some(AtListener::Refuse)), (2, None)] {
        assert_eq!(window.listener(at * second), due);
        assert_eq!(window.at_accept(1, at * second), None, "the listener does it");
    }
    assert_eq!(window.listener_turns(Duration::ZERO), Some(second));
    assert_eq!((window.listener_turns(second), window.listener_turns(2 * second)), (Some(2 * second), None));
    assert_eq!(plan(&["refuse,p=50%"]).listener(second), None);
    assert_eq!(plan(&["backlog-full"]).listener(second), Some(AtListener::BacklogFull));
    assert!(plan(&["cut@1,frame=2"]).check().is_err());
    assert_eq!(framed("line", &["cut@1,frame=2"]).check(), Ok(()));
}

#[test]
fn bytes_that_no_fault_concerns_may_go_by_and_nothing_comes_out_otherwise() {
    let faults = [
        "cut@17",
        "limit=13",
        "discard=5..8",
        "throttle=1kB/s,from=11",
        "corrupt=50%,from=3,to=6",
        "stall@9",
        "cut@12:reset,from=2",
    ];
    for list in faults.iter().map(|fault| vec![*fault]).chain([faults.to_vec(), vec!["discard=0..2", "limit=9"]]) {
        let outcome = |goes_by: bool| {
            let plan = plan(&list);
            let start = Instant::now();
            let mut pipe = Pipe::new(&plan, 1, Direction::ToServer, start);
            let (mut out, mut log) = (Vec::new(), Vec::new());
            for (index, chunk) in (0..24u8).collect::<Vec<_>>().chunks(5).enumerate() {
                let now = start + Duration::from_millis(10 * index as u64);
                let mut chunk = chunk;
                while let Next::Write(bytes) = pipe.next(now) {
                    let len = bytes.len();
                    out.extend_from_slice(bytes);
                    pipe.advance(len);
                }
                if goes_by {
                    let clear = usize::try_from(pipe.clear_for()).unwrap_or(usize::MAX).min(chunk.len());
                    out.extend_from_slice(&chunk[..clear]);
                    pipe.skip(clear as u64);
                    chunk = &chunk[clear..];
                }
                pipe.push(now, Bytes::copy_from_slice(chunk));
            }
            let later = start + Duration::from_secs(9);
            let end = loop {
                match pipe.next(later) {
                    Next::Write(bytes) => {
                        let len = bytes.len();
                        out.extend_from_slice(bytes);
                        pipe.advance(len);
                    }
                    next => break format!("{next:?}"),
                }
            };
            log.extend(pipe.decisions().iter().map(ToString::to_string));
            (out, end, log)
        };
        assert_eq!(outcome(true), outcome(false), "{list:?}");
    }
}
