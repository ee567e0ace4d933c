//! Split and merged frames.

use super::*;

fn arrivals(spec: &str, chunks: &[&[u8]]) -> (String, Vec<bool>) {
    let mut framer = Framer::new(&framing(spec));
    let mut split = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        while let Some(frame) = framer.next(Instant::now(), &mut input).unwrap() {
            split.push(frame.split);
        }
    }
    split.extend(framer.finish().map(|frame| frame.split));
    (framer.arrivals().to_string(), split)
}

#[test]
fn sticky_and_split_frames_are_counted() {
    let table: [(&str, &[&[u8]], &str); 14] = [
        ("line", &[b"a\n", b"b\n"], "2 frames in 2 chunks"),
        ("line", &[b"a\nb\n"], "2 frames in 1 chunk: 0 split, 2 merged"),
        ("line", &[b"a", b"b\n"], "1 frame in 2 chunks: 1 split, 0 merged"),
        ("line", &[b"a", b"b", b"\n"], "1 frame in 3 chunks: 1 split, 0 merged"),
        ("line", &[b"a\nb", b"\nc\n"], "3 frames in 2 chunks: 1 split, 2 merged"),
        ("line", &[b"a\nb"], "2 frames in 1 chunk: 0 split, 2 merged"),
        ("line", &[b"", b"a\n", b""], "1 frame in 1 chunk"),
        ("length:u8", &[b"\x02", b"ab\x01c\x01", b"d"], "3 frames in 3 chunks: 2 split, 1 merged"),
        // White space between values is no frame's.
        ("json", &[b"[1]\n", b"[2]\n", b"[3]\n"], "3 frames in 3 chunks"),
        ("json", &[b"12", b" 3", b" "], "2 frames in 3 chunks"),
        ("json", &[b"[1] 12", b" "], "2 frames in 2 chunks: 0 split, 2 merged"),
        ("json", &[b"1", b"2", b" "], "1 frame in 3 chunks: 1 split, 0 merged"),
        ("slip", &[b"\xc0a\xc0", b"\xc0", b"b\xc0"], "2 frames in 3 chunks"),
        ("slip", &[b"\xc0a\xc0\xc0", b"b\xc0"], "2 frames in 2 chunks"),
    ];
    for (spec, chunks, text) in table {
        assert_eq!(arrivals(spec, chunks).0, text, "{spec} {chunks:?}");
    }
    assert_eq!(arrivals("line", &[b"a\nb", b"\nc\nd"]).1, [false, true, false, false]);
    assert_eq!(arrivals("json", &[b"1", b"2 3", b" "]).1, [true, false, false]);
}

/// Counts from where frames and chunks lie in the stream, knowing nothing of how a framer works.
fn counted(frames: &[Found], framing: &Framing, edges: &[usize]) -> (Arrivals, Vec<bool>) {
    let chunk_of = |byte: usize| edges.iter().filter(|edge| **edge <= byte).count();
    let mut at = 0;
    let mut places = Vec::new();
    for frame in frames {
        let between = |byte: &&u8| match framing.rule {
            Rule::Json => b" \t\r\n".contains(byte),
            Rule::Slip => **byte == 0xc0,
            Rule::Cobs => **byte == 0,
            _ => false,
        };
        let lead = frame.whole.iter().take_while(between).count();
        let (first, last) = (at + lead, at + frame.whole.len() - 1);
        at += frame.whole.len();
        if frame.kind.is_frame() {
            places.push((chunk_of(first), chunk_of(last)));
        }
    }
    let chunks = if at == 0 { 0 } else { edges.len() as u64 + 1 };
    let split = places.iter().filter(|(first, last)| first < last).count() as u64;
    let is_merged = |index: usize| {
        let (first, last) = places[index];
        let others = places.iter().enumerate().filter(|(other, _)| *other != index);
        first == last && others.map(|(_, place)| place).any(|(from, to)| (*from..=*to).contains(&first))
    };
    let merged = (0..places.len()).filter(|index| is_merged(*index)).count() as u64;
    let flags = places.iter().map(|(first, last)| first < last).collect();
    (Arrivals { frames: places.len() as u64, chunks, split, merged }, flags)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_the_places(framing in any_framing(), bytes in bytes(40), sizes in sizes()) {
        let framing = framing.with_max_bytes(MAX_FRAME_BYTES);
        let outcome = outcome(&framing, &bytes, &sizes);
        if framing.is_none() || outcome.error.is_some() {
            return Ok(());
        }
        let mut edges: Vec<usize> = Vec::new();
        let mut at = 0;
        for size in sizes.iter().cycle() {
            at += size;
            if at >= bytes.len() {
                break;
            }
            edges.push(at);
        }
        let (arrivals, flags) = counted(&outcome.frames, &framing, &edges);
        prop_assert_eq!(outcome.arrivals, arrivals);
        let split: Vec<_> = outcome.frames.iter().filter(|f| f.kind.is_frame()).map(|frame| frame.split).collect();
        prop_assert_eq!(split, flags);
    }
}
