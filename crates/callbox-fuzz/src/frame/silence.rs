//! Frames by silence, with a clock that the input moves.

use std::time::Duration;

use callbox::frame::{FrameKind, Framer, Framing, Rule};
use tokio::time::Instant;

const SILENCE: Duration = Duration::from_millis(50);
/// Steps of the clock between two chunks, in milliseconds.
const STEPS: [u64; 5] = [0, 1, 49, 50, 1000];

/// Takes pairs of a step and a byte: what comes within the silence is one frame, and nothing else is.
pub(super) fn check(data: &[u8]) {
    let mut framer = Framer::new(&Framing::new(Rule::Idle(SILENCE)));
    let (mut at, mut found, mut due) = (Instant::now(), Vec::new(), Vec::<Vec<u8>>::new());
    for (index, pair) in data.chunks_exact(2).enumerate() {
        let step = Duration::from_millis(STEPS[usize::from(pair[0]) % STEPS.len()]);
        at += step;
        // By the timer as often as by the next chunk.
        if pair[0] >= 0x80 {
            found.extend(framer.expire(at).map(|frame| frame.whole.to_vec()));
        }
        match due.last_mut().filter(|_| step < SILENCE && index > 0) {
            Some(frame) => frame.push(pair[1]),
            None => due.push(vec![pair[1]]),
        }
        let mut chunk = &pair[1..];
        while let Some(frame) = framer.next(at, &mut chunk).expect("it is far from the maximum") {
            assert_eq!(frame.kind, FrameKind::Whole);
            found.push(frame.whole.to_vec());
        }
        assert_eq!(framer.due(), Some(at + SILENCE));
        assert_eq!(framer.expire(at), None);
    }
    found.extend(framer.finish().map(|frame| frame.whole.to_vec()));
    assert_eq!(found, due, "silence ends a frame");
}
