//! What holds for any faults, any chunks and any way in which they are taken.

use super::*;
use proptest::prelude::*;

/// Faults that lose, change and double nothing.
pub(super) const LOSSLESS: [&str; 12] = [
    "latency=7ms",
    "latency=20ms+-30ms",
    "latency=1ms+-3ms:pareto,from=4,to=40",
    "throttle=1kB/s",
    "throttle=300kB/s,to=60ms",
    "slice=1..3",
    "slice=2..9/1ms,from=10ms",
    "coalesce=9ms",
    "coalesce=3ms,frame=2",
    "slow-close=40ms",
    "stall,from=20,to=30ms",
    "stall,match=re:[5-9]{2},to=70ms",
];

/// And others.
const LOSSY: [&str; 16] = [
    "corrupt=20%",
    "corrupt=5%:replace,frame=3",
    "discard=3..9",
    "discard=2..4,frame=2",
    "duplicate,p=30%",
    "duplicate,frame=2",
    "cut@60",
    "cut@90ms:reset",
    "cut@3,match=7",
    "half-close@50",
    "limit=70",
    "timeout=30ms,from=40",
    "stall@33",
    "reset,frame=5",
    r"replace=<$0>,match=re:1\d?",
    "replace=X,match=34",
];

/// One thing that somebody does with a pipe.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Push(u8),
    Sleep(u16),
    /// Writes that much at most of what is next.
    Write(u8),
    /// Takes a fault away, or adds it.
    Flip(u8),
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1u8..40).prop_map(Act::Push),
        3 => (0u16..30).prop_map(Act::Sleep),
        4 => (0u8..50).prop_map(Act::Write),
        1 => any::<u8>().prop_map(Act::Flip),
    ];
    prop::collection::vec(act, 0..60)
}

/// Digits, with a line ending now and then.
pub(super) fn byte(offset: usize) -> u8 {
    if offset % 17 == 16 { b'\n' } else { b'0' + ((offset * 7 + offset / 10) % 10) as u8 }
}

/// What came out, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    bytes: Vec<u8>,
    end: String,
    decisions: Vec<String>,
}

struct Player {
    pipe: Pipe,
    plan: Plan,
    now: Instant,
    pushed: usize,
    bytes: Vec<u8>,
}

impl Player {
    fn new(plan: Plan) -> Player {
        let now = Instant::now();
        let pipe = Pipe::new(&plan, 1, Direction::ToServer, now);
        Player { pipe, plan, now, pushed: 0, bytes: Vec::new() }
    }

    fn act(&mut self, act: &Act, faults: &[&str]) {
        match act {
            Act::Push(len) => {
                let chunk: Vec<u8> = (self.pushed..self.pushed + usize::from(*len)).map(byte).collect();
                self.pushed += chunk.len();
                self.pipe.push(self.now, chunk.into());
            }
            Act::Sleep(ms) => self.now += Duration::from_millis(u64::from(*ms)),
            Act::Write(most) => {
                if let Next::Write(bytes) = self.pipe.next(self.now) {
                    assert!(!bytes.is_empty());
                    let written = bytes.len().min(usize::from(*most));
                    self.bytes.extend_from_slice(&bytes[..written]);
                    self.pipe.advance(written);
                }
            }
            Act::Flip(which) => {
                let id = u64::from(*which) % faults.len() as u64 + 1;
                let at = self.plan.faults.iter().position(|clipped| clipped.id == id);
                match at {
                    Some(at) => drop(self.plan.faults.remove(at)),
                    None => {
                        let new = framed("line", faults).faults.remove(id as usize - 1);
                        let at = self.plan.faults.iter().filter(|clipped| clipped.id < id).count();
                        self.plan.faults.insert(at, new);
                    }
                }
                self.pipe.update(self.now, &self.plan);
            }
        }
        self.check();
    }

    fn check(&self) {
        let ledger = self.pipe.ledger();
        assert_eq!(ledger.pushed + ledger.added, ledger.written + ledger.dropped + ledger.held, "{ledger:?}");
        assert_eq!((ledger.pushed, ledger.written), (self.pushed as u64, self.bytes.len() as u64));
    }

    /// Ends the stream, and takes all that comes in an hour.
    fn finish(mut self) -> Outcome {
        self.pipe.end(self.now);
        let mut ended = false;
        let end = loop {
            match self.pipe.next(self.now) {
                Next::Write(bytes) => {
                    self.bytes.extend_from_slice(bytes);
                    let len = bytes.len();
                    self.pipe.advance(len);
                }
                Next::End => {
                    ended = true;
                    self.pipe.ended();
                }
                Next::Wait(Some(due)) => {
                    assert!(due > self.now);
                    self.now = due;
                }
                Next::Done => match self.pipe.due() {
                    Some(due) => self.now = due,
                    None => break "done".to_string(),
                },
                next => break format!("{next:?}, {ended}"),
            }
            self.check();
        };
        let decisions = self.pipe.decisions().iter().map(Decision::to_string).collect();
        Outcome { bytes: self.bytes, end, decisions }
    }
}

fn chain(among: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(among), 1..5)
}

fn play(faults: &[&'static str], acts: &[Act]) -> (Outcome, usize) {
    let mut player = Player::new(framed("line", faults));
    acts.iter().for_each(|act| player.act(act, faults));
    let pushed = player.pushed;
    (player.finish(), pushed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn lossless_faults_lose_reorder_and_double_nothing(faults in chain(&LOSSLESS), acts in acts()) {
        let (outcome, pushed) = play(&faults, &acts);
        let due: Vec<u8> = (0..pushed).map(byte).collect();
        prop_assert_eq!((outcome.bytes, &outcome.end[..]), (due, "done"));
    }

    #[test]
    fn every_byte_is_accounted_for(
        some in chain(&LOSSY), others in chain(&LOSSLESS), acts in acts(), swapped: bool,
    ) {
        let faults = if swapped { [some, others].concat() } else { [others, some].concat() };
        // The books are looked at after each step.
        play(&faults, &acts);
    }

    #[test]
    fn the_same_seed_and_pushes_decide_the_same_however_it_is_written(
        some in chain(&LOSSY), others in chain(&LOSSLESS), acts in acts(), writes in prop::collection::vec(0u8..50, 1..60),
    ) {
        let faults = [others, some].concat();
        let quiet: Vec<Act> = acts.iter().filter(|act| !matches!(act, Act::Write(_))).cloned().collect();
        let (first, second) = (play(&faults, &quiet), play(&faults, &quiet));
        prop_assert_eq!(&first, &second);
        // Where nothing ends by time, it does not matter either what is written when.
        let mut busy = Vec::new();
        for (act, most) in quiet.iter().zip(writes.iter().cycle()) {
            busy.extend([act.clone(), Act::Write(*most), Act::Sleep(0)]);
        }
        let third = play(&faults, &busy);
        prop_assert_eq!(&first.0.decisions, &third.0.decisions);
        if first.0.end == "done" && third.0.end == "done" {
            prop_assert_eq!(&first.0, &third.0);
        }
    }

    #[test]
    fn chunks_mean_nothing_to_faults_by_offset(
        faults in prop::collection::vec(prop::sample::select(vec![
            "corrupt=10%", "corrupt=20%:replace,from=7,to=90", "discard=3..9", "discard=2..4,frame=2", "duplicate,frame=2",
            "cut@60", "cut@3,match=7", "half-close@50", "limit=70", r"replace=<$0>,match=re:1\d*", "replace=X,match=34",
            "reset,frame=5", "corrupt=1,frame=3",
        ]), 1..4),
        sizes in prop::collection::vec(1u8..30, 1..8),
    ) {
        let chunks = |sizes: &[u8]| {
            let mut player = Player::new(framed("line", &faults));
            let mut left = 200;
            for size in sizes.iter().cycle() {
                let size = (*size).min(left);
                if size == 0 { break; }
                left -= size;
                player.act(&Act::Push(size), &faults);
            }
            let Outcome { bytes, end, .. } = player.finish();
            (bytes, end)
        };
        prop_assert_eq!(chunks(&sizes), chunks(&[200]));
    }
}
