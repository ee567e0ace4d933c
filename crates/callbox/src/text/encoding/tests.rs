//! Any chunking, any bytes, twelve encodings.

use super::*;
use proptest::prelude::*;

/// Those that the properties hold for; private use all over is another matter.
fn labels() -> Vec<&'static str> {
    callbox_testkit::ENCODINGS.into_iter().filter(|label| *label != "x-user-defined").collect()
}

pub(in crate::text) fn twelve() -> impl Iterator<Item = Encoding> {
    labels().into_iter().map(encoding)
}

pub(in crate::text) fn encoding(label: &str) -> Encoding {
    label.parse().expect("a label")
}

/// A piece that owns what it holds; neighbours of one sort are one, as their edges mean nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Bad(Vec<u8>),
}

fn decoded<'a>(encoding: Encoding, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
    let mut pieces: Vec<Owned> = Vec::new();
    let mut take = |piece: Piece<'_>| match (piece, pieces.last_mut()) {
        (Piece::Text(""), _) | (Piece::Bad(&[]), _) => panic!("an empty piece"),
        (Piece::Text(text), Some(Owned::Text(before))) => before.push_str(text),
        (Piece::Bad(bytes), Some(Owned::Bad(before))) => before.extend_from_slice(bytes),
        (Piece::Text(text), _) => pieces.push(Owned::Text(text.to_string())),
        (Piece::Bad(bytes), _) => pieces.push(Owned::Bad(bytes.to_vec())),
    };
    let mut decoder = encoding.decoder();
    for chunk in chunks {
        decoder.push(chunk, &mut take);
    }
    decoder.finish(&mut take);
    pieces
}

fn whole(encoding: Encoding, bytes: &[u8]) -> Vec<Owned> {
    decoded(encoding, [bytes])
}

fn text(text: &str) -> Owned {
    Owned::Text(text.to_string())
}

fn bad(bytes: &[u8]) -> Owned {
    Owned::Bad(bytes.to_vec())
}

#[test]
fn labels_are_read_in_any_case() {
    let table = [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        (" GBK\n", "gbk"),
        ("gb2312", "gbk"),
        ("GB18030", "gb18030"),
        ("big5", "big5"),
        ("sjis", "shift_jis"),
        ("latin1", "windows-1252"),
        ("ascii", "windows-1252"),
        ("utf-16", "utf-16le"),
        ("utf-16be", "utf-16be"),
    ];
    for (label, name) in table {
        assert_eq!(encoding(label).to_string(), name);
    }
    for name in NAMES {
        assert_eq!(encoding(name).name(), name);
    }
    assert!(Encoding::default().is_utf8() && !encoding("gbk").is_utf8());
}

#[test]
fn bad_labels_are_answered_with_a_right_one() {
    let table = [
        ("utf_8", "did you mean utf-8?"),
        ("utf16", "did you mean utf-16le?"),
        ("cp936", "did you mean gbk?"),
        ("gb-18030", "did you mean gb18030?"),
        ("shiftjs", "did you mean shift_jis?"),
        ("koi-7r", "did you mean koi8-r?"),
        ("windows-1259", "did you mean windows-125"),
        ("", "utf-16le"),
        ("utf-7", "utf-8"),
        ("klingon", "utf-16le"),
        ("\u{202e}", "utf-16le"),
        ("iso-2022-kr", "euc-kr"),
        ("replacement", "utf-8"),
    ];
    for (label, advice) in table {
        let invalid = label.parse::<Encoding>().expect_err(label);
        assert!(invalid.instead.as_deref().unwrap_or_default().contains(advice), "{invalid}");
        assert!(!invalid.problem.contains(char::is_control));
    }
}

#[test]
fn the_first_character_that_is_missing_is_named() {
    let table = [
        ("gbk", "aé漢😀b", 6, '😀'),
        ("latin1", "ä€漢字", 5, '漢'),
        ("koi8-r", "привет…", 12, '…'),
        ("iso-2022-jp", "日本\u{1b}", 6, '\u{1b}'),
        ("shift_jis", "ア\u{fffd}", 3, '\u{fffd}'),
    ];
    for (label, input, at, character) in table {
        let encoding = encoding(label);
        assert_eq!(encoding.encode(input), Err(Unmappable { at, character, encoding }), "{label}");
    }
    let lacking = encoding("gbk").encode("a😀").expect_err("not in GBK");
    assert_eq!(lacking.to_string(), "gbk has no '😀' (U+1F600) at byte 1");
    let lacking = encoding("gbk").encode("\u{202e}").expect_err("not in GBK");
    assert!(!lacking.to_string().contains('\u{202e}'));
}

#[test]
fn known_bytes_are_known_text() {
    let table: &[(&str, &[u8], &str)] = &[
        ("gbk", b"\xd5\xb3\xb0\xfc", "粘包"),
        ("gb18030", b"\x94\x39\xfc\x36a", "😀a"),
        ("big5", b"\xa4\xa4\xa4\xe5", "中文"),
        ("shift_jis", b"\x93\xfa\x96{\xb1\\", "日本ｱ\\"),
        ("euc-jp", b"\xc6\xfc\xcb\xdc\x8f\xb0\xa1", "日本丂"),
        ("euc-kr", b"\xc7\xd1\xb1\xdb", "한글"),
        ("iso-2022-jp", b"\x1b$BF|K\\\x1b(B!", "日本!"),
        ("utf-16le", b"\xff\xfea\0=\xd8\0\xde", "\u{feff}a😀"),
        ("utf-16be", b"\xfe\xff\0a\xd8=\xde\0", "\u{feff}a😀"),
        ("windows-1252", b"\x80\xe9", "€é"),
        ("koi8-r", b"\xd0\xd2", "пр"),
        ("utf-8", b"\xef\xbb\xbfa\xef\xbf\xbd", "\u{feff}a\u{fffd}"),
    ];
    for (label, bytes, due) in table {
        let encoding = encoding(label);
        assert_eq!(encoding.decode(bytes).as_deref(), Some(*due), "{label}");
        assert_eq!(whole(encoding, bytes), [text(due)], "{label}");
        assert_eq!(decoded(encoding, bytes.chunks(1)), [text(due)], "{label}");
        if *label != "euc-jp" {
            assert_eq!(encoding.encode(due).as_deref(), Ok(*bytes), "{label}");
        }
    }
    assert!(matches!(Encoding::UTF_8.decode("é".as_bytes()), Some(Cow::Borrowed("é"))));
}

#[test]
fn what_does_not_fit_comes_out_as_it_is() {
    let table: &[(&str, &[u8], &[Owned])] = &[
        ("utf-8", b"a\xe2\x82b", &[text("a"), bad(b"\xe2\x82"), text("b")]),
        ("gbk", b"\xc4\xff\xc4\x20", &[bad(b"\xc4\xff\xc4"), text(" ")]),
        ("gb18030", b"\x810\x81!", &[bad(b"\x81"), text("0"), bad(b"\x81"), text("!")]),
        ("utf-16le", b"\x3d\xd8a\0", &[bad(b"\x3d\xd8"), text("a")]),
        ("utf-16le", b"\0\xdca\0b", &[bad(b"\0\xdc"), text("a"), bad(b"b")]),
        ("utf-16be", b"\xd8\x3d\xd8\x3d\xde\0\xd8", &[bad(b"\xd8\x3d"), text("😀"), bad(b"\xd8")]),
        ("iso-2022-jp", b"\x1b(B\x1b(Ba", &[bad(b"\x1b(B"), text("a")]),
        ("iso-2022-jp", b"a\x1b$b", &[text("a"), bad(b"\x1b"), text("$b")]),
        ("iso-2022-jp", b"\x1b$BF\x1b(Ba", &[bad(b"F"), text("a")]),
        ("windows-1252", b"a\x81", &[text("a\u{81}")]),
        ("koi8-r", b"\xff", &[text("Ъ")]),
    ];
    for (label, bytes, due) in table {
        let encoding = encoding(label);
        for size in 1..=bytes.len() {
            assert_eq!(decoded(encoding, bytes.chunks(size)), *due, "{label} {size}");
        }
    }
}

#[test]
fn an_incomplete_tail_waits_for_the_end() {
    let table: &[(&str, &[u8])] = &[
        ("utf-8", b"\xf0\x9f\x98"),
        ("gbk", b"\xc4"),
        ("gb18030", b"\x94\x39\xfc"),
        ("big5", b"\xa4"),
        ("shift_jis", b"\x93"),
        ("euc-jp", b"\x8f\xb0"),
        ("euc-kr", b"\xc7"),
        ("utf-16le", b"\x3d\xd8\0"),
        ("utf-16be", b"\xd8\x3d\xde"),
        ("iso-2022-jp", b"\x1b"),
    ];
    for (label, bytes) in table {
        let mut decoder = encoding(label).decoder();
        decoder.push(bytes, &mut |piece| panic!("{label} hands out {piece:?}"));
        let mut tail = Vec::new();
        decoder.finish(&mut |piece| match piece {
            Piece::Bad(bytes) => tail.extend_from_slice(bytes),
            Piece::Text(text) => panic!("{label} hands out {text}"),
        });
        assert_eq!(tail, *bytes, "{label}");
        assert_eq!(encoding(label).decode(bytes), None);
        // A new stream begins.
        decoder.push(b"a\0", &mut |_| {});
        decoder.finish(&mut |_| {});
    }
}

/// Characters whose bytes mean another one, or that have none but are written as another: the standard's own doing.
fn changes(c: char) -> bool {
    // The private ones are those that GB18030-2005 gave to characters which Unicode has by now.
    matches!(c, '¥' | '‾' | '−' | '\u{ff61}'..='\u{ff9f}' | '\u{e78d}'..='\u{e796}')
        || matches!(u32::from(c), 0xe81e | 0xe826 | 0xe82b | 0xe82c | 0xe832 | 0xe843 | 0xe854 | 0xe864)
}

#[test]
fn the_characters_of_an_encoding_come_back() {
    for (index, encoding) in twelve().enumerate() {
        let has = |c: &char| encoding.encode(c.encode_utf8(&mut [0; 4])).is_ok();
        // A third of them, which takes a second for all encodings together.
        let some = ('\0'..='\u{ffff}').chain('\u{1f600}'..='\u{1f64f}').skip(index % 3).step_by(3);
        let text: String = some.filter(|c| !changes(*c)).filter(has).collect();
        assert!(text.chars().count() >= 70, "{encoding}");
        let back = encoding.decode(&encoding.encode(&text).expect("each was tried")).expect("valid").into_owned();
        let differs = back.chars().zip(text.chars()).find(|(a, b)| a != b);
        assert_eq!((differs, back.len()), (None, text.len()), "{encoding}");
    }
}

const REAL: [&str; 6] = [
    "天地玄黄，宇宙洪荒。\r\n粘包 12\t",
    "いろはにほへと ちりぬるを ABC ｱｲｳ",
    "다람쥐 헌 쳇바퀴에 타고파.",
    "Съешь ещё этих мягких французских булок",
    "Zwölf Boxkämpfer jagen Viktor – 100 €",
    "a😀\u{feff}\u{202e}\0\u{1b}[31m",
];

/// Real text in the encoding, with or without garbage between.
pub(in crate::text) fn streams(encoding: Encoding) -> impl Strategy<Value = Vec<u8>> {
    let real: Vec<_> = REAL
        .into_iter()
        .map(|text| text.chars().filter_map(|c| encoding.encode(c.encode_utf8(&mut [0; 4])).ok()).flatten().collect())
        .collect();
    let piece = prop_oneof![
        3 => prop::sample::select::<Vec<u8>>(real),
        2 => any::<Vec<u8>>(),
        2 => any::<String>().prop_map(move |text| encoding.encode(&text).unwrap_or_default()),
        1 => prop::collection::vec(prop::sample::select(b"\x1b$(BJI@\x81\x30\xd8\xdc\x00\x8f\xa1\xff\x84".to_vec()), 0..12),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn each() -> impl Strategy<Value = (Encoding, Vec<u8>)> {
    prop::sample::select(labels())
        .prop_map(encoding)
        .prop_flat_map(|encoding| streams(encoding).prop_map(move |bytes| (encoding, bytes)))
}

/// Cuts bytes into chunks of the sizes in turn; some are empty.
fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut chunks, mut rest) = (Vec::new(), bytes);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0usize..7, 0..12).prop_map(|mut sizes| {
        sizes.push(1);
        sizes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_chunking_gives_the_same_text((encoding, bytes) in each(), sizes in sizes()) {
        let due = whole(encoding, &bytes);
        prop_assert_eq!(&decoded(encoding, cut(&bytes, &sizes)), &due, "{}", encoding);
        prop_assert_eq!(&decoded(encoding, bytes.chunks(1)), &due, "{}", encoding);
        // And the whole at once is text where nothing of it is bad.
        let text = match &due[..] {
            [] => Some(String::new()),
            [Owned::Text(text)] => Some(text.clone()),
            _ => None,
        };
        prop_assert_eq!(encoding.decode(&bytes).map(Cow::into_owned), text, "{}", encoding);
    }

    #[test]
    fn encoded_text_decodes_to_itself(label in prop::sample::select(labels()), text: String) {
        let encoding = encoding(label);
        if let Ok(bytes) = encoding.encode(&text) && !text.contains(changes) {
            let back = encoding.decode(&bytes).map(Cow::into_owned);
            prop_assert_eq!(back, Some(text), "{}", encoding);
        }
    }

    #[test]
    fn bad_bytes_are_among_the_bytes_in_their_order((encoding, bytes) in each()) {
        let mut from = 0;
        for piece in whole(encoding, &bytes) {
            if let Owned::Bad(bad) = piece {
                for byte in bad {
                    let found = bytes[from..].iter().position(|b| *b == byte);
                    prop_assert!(found.is_some(), "{}", encoding);
                    from += found.unwrap_or_default() + 1;
                }
            }
        }
    }

    #[test]
    fn nothing_is_lost(
        (label, bytes) in prop::sample::select(vec!["utf-8", "utf-16le", "utf-16be", "gb18030"])
            .prop_flat_map(|label| streams(encoding(label)).prop_map(move |bytes| (label, bytes))),
    ) {
        let encoding = encoding(label);
        // Some characters have a second form for reading, which is not written; the first is the euro sign's.
        let bytes: Vec<u8> = bytes.into_iter().filter(|b| label != "gb18030" || *b != 0x80).collect();
        let two_forms = |c| matches!(c, '\u{3000}' | '\u{9fb4}'..='\u{9fbb}' | '\u{fe10}'..='\u{fe19}');
        let pieces = whole(encoding, &bytes);
        prop_assume!(!pieces.iter().any(|piece| matches!(piece, Owned::Text(text) if text.contains(two_forms))));
        let again: Vec<u8> = pieces
            .into_iter()
            .flat_map(|piece| match piece {
                Owned::Text(text) => encoding.encode(&text).expect("it was decoded from this encoding"),
                Owned::Bad(bytes) => bytes,
            })
            .collect();
        prop_assert_eq!(again, bytes, "{}", encoding);
    }
}
