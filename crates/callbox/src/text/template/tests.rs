//! What templates become, and which are refused.

use super::*;
use crate::rng::Rng;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

fn facts(peer: &str) -> Facts<'_> {
    let time = UNIX_EPOCH + Duration::from_micros(1_767_323_045_678_901);
    Facts { n: 7, time, session: 42, peer }
}

fn rendered(text: &str, encoding: &str) -> Vec<u8> {
    let encoding = encoding.parse().expect("a label");
    let template = Template::parse(text, encoding).expect("a valid template");
    template.render(&facts("[::1]:8848"), &mut Rng::new(0)).expect("only ASCII")
}

#[test]
fn variables_become_what_they_say() {
    let table: &[(&str, &[u8])] = &[
        ("", b""),
        ("hello", b"hello"),
        ("{n}", b"7"),
        (r"{n} {session} {peer}\r\n", b"7 42 [::1]:8848\r\n"),
        ("{time}", b"2026-01-02T03:04:05.678901Z"),
        ("{{n}}", b"{n}"),
        ("{{{n}}}", b"{7}"),
        (r#"{{"a":{{"n":{n}}}}}"#, br#"{"a":{"n":7}}"#),
        ("{hex:01 02 ff}{hex:0xAB}", b"\x01\x02\xff\xab"),
        (r"\x00\xff\u{e9}\\n", b"\x00\xff\xc3\xa9\\n"),
        (r"\u{7b}n\u{7d}\x7bn}}", b"{n}{n}"),
        ("{n}é{n}", "7é7".as_bytes()),
    ];
    for (text, due) in table {
        assert_eq!(rendered(text, "utf-8"), *due, "{text}");
    }
}

#[test]
fn text_is_encoded_and_bytes_are_not() {
    assert_eq!(rendered(r"你{n}\xff{hex:00 80}好", "gbk"), b"\xc4\xe37\xff\x00\x80\xba\xc3");
    assert_eq!(rendered(r"a{n}\n\x0a{hex:0a}", "utf-16be"), b"\0a\x007\0\n\n\n");
    // Back to ASCII before a digit and before bytes, and no two escape sequences that follow each other.
    assert_eq!(rendered(r"日{n}本\xff語", "iso-2022-jp"), b"\x1b$BF|\x1b(B7\x1b$BK\\\x1b(B\xff\x1b$B8l\x1b(B");
    assert_eq!(rendered(r"日\u{672c}", "iso-2022-jp"), b"\x1b$BF|K\\\x1b(B");
}

#[test]
fn random_text_has_its_length_and_comes_from_the_seed() {
    let template = Template::parse("{random:1}{random:65536} {uuid}", Encoding::UTF_8).expect("a valid template");
    let render = |seed| template.render(&facts(""), &mut Rng::new(seed)).expect("only ASCII");
    let text = String::from_utf8(render(1)).expect("only ASCII");
    let (letters, uuid) = text.split_once(' ').expect("a space");
    assert_eq!(letters.len(), 65_537);
    assert!(letters.bytes().all(|b| b.is_ascii_alphanumeric()));
    let seen: std::collections::HashSet<u8> = letters.bytes().collect();
    assert_eq!(seen.len(), 62);
    let form =
        regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").expect("valid");
    assert!(form.is_match(uuid), "{uuid}");
    assert_eq!(render(1), render(1));
    assert_ne!(render(1), render(2));
    let mut rng = Rng::new(1);
    let twice = [(); 2].map(|()| template.render(&facts(""), &mut rng));
    assert_ne!(twice[0], twice[1]);
}

#[test]
fn uuids_use_all_their_bits() {
    let mut rng = Rng::new(3);
    let (mut ones, mut zeros) = (0u128, 0u128);
    for _ in 0..100 {
        let bits = u128::from_str_radix(&uuid(&mut rng).replace('-', ""), 16).expect("hex");
        ones |= bits;
        zeros |= !bits;
    }
    // Only the six bits of version and variant never change.
    assert_eq!((ones & zeros).count_zeros(), 6);
}

#[test]
fn what_changes_is_known_beforehand() {
    let table = [
        ("a\\n{{}}{hex:01}", true, false),
        ("{n}", false, false),
        ("{time}{session}{peer}", false, false),
        ("{uuid}", false, true),
        ("a{random:2}", false, true),
    ];
    for (text, constant, random) in table {
        let template = Template::parse(text, Encoding::UTF_8).expect("a valid template");
        assert_eq!((template.is_constant(), template.draws_randomness()), (constant, random), "{text}");
    }
}

#[test]
fn bad_templates_are_pointed_at_with_advice() {
    let table = [
        ("ab}", 2, "}}"),
        ("a{n", 1, "{{"),
        ("{", 0, "{{"),
        ("{n}}", 3, "}}"),
        ("a{}", 1, "{n}"),
        ("{ n}", 0, "{n}"),
        ("{N}", 0, "{n}"),
        ("{é}", 0, "{n}"),
        (r#"{"a":1}"#, 0, "{{"),
        ("{n:3}", 2, "{n}"),
        ("é{random}", 2, "{random:16}"),
        ("{random:}", 8, "{random:16}"),
        ("{random:0}", 8, "{random:16}"),
        ("{random:65537}", 8, "{random:16}"),
        ("{random:+5}", 8, "{random:16}"),
        ("{random:99999999999999999999}", 8, "{random:16}"),
        ("{hex}", 0, "{hex:01 02 ff}"),
        ("{hex:}", 5, "{hex:01 02 ff}"),
        ("{hex:01 g}", 8, "48 65 6c"),
        ("é{hex:1}", 7, "01"),
        (r"ab\q", 2, r"\\"),
        (r"\{n}", 0, "twice"),
        (r"{n}\", 3, r"\\"),
    ];
    for (text, at, advice) in table {
        let invalid = Template::parse(text, Encoding::UTF_8).expect_err(text);
        assert_eq!((invalid.what, invalid.at, &*invalid.input), ("template", Some(at), text), "{invalid}");
        assert!(invalid.instead.as_deref().unwrap_or_default().contains(advice), "{invalid}");
    }
    let invalid = Template::parse("{\u{202e}}", Encoding::UTF_8).expect_err("no variable");
    assert!(!invalid.problem.contains('\u{202e}'));
}

#[test]
fn what_the_encoding_lacks_is_found_as_early_as_can_be() {
    let latin: Encoding = "latin1".parse().expect("a label");
    let invalid = Template::parse("é{n}漢", latin).expect_err("no kanji in latin1");
    assert_eq!((invalid.what, invalid.at), ("template", Some(5)));
    let invalid = Template::parse(r"é{n}\u{6f22}", latin).expect_err("no kanji in latin1");
    assert_eq!(invalid.at, Some(5));
    let template = Template::parse("{n}: {peer}", latin).expect("ASCII");
    let lacking = template.render(&facts("unix:/tmp/漢"), &mut Rng::new(0)).expect_err("no kanji in latin1");
    assert_eq!(lacking, Unmappable { at: 10, character: '漢', encoding: latin });
}

#[test]
fn what_a_variable_becomes_is_not_read_again() {
    let template = Template::parse("{peer}", Encoding::UTF_8).expect("a valid template");
    let bytes = template.render(&facts(r"{n}\n}"), &mut Rng::new(0));
    assert_eq!(bytes.as_deref(), Ok(&br"{n}\n}"[..]));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place(text in prop_oneof![any::<String>(), r"[{}\\nhex:0-9a]{0,12}"]) {
        if let Err(invalid) = Template::parse(&text, Encoding::UTF_8) {
            prop_assert!(text.is_char_boundary(invalid.at.expect("a place")));
            prop_assert!(invalid.instead.is_some());
        }
    }

    #[test]
    fn doubled_braces_and_backslashes_are_the_text_itself(text: String) {
        let written = text.replace('\\', r"\\").replace('{', "{{").replace('}', "}}");
        let template = Template::parse(&written, Encoding::UTF_8).expect("nothing special is left");
        prop_assert!(template.is_constant());
        prop_assert_eq!(template.render(&facts(""), &mut Rng::new(0)), Ok(text.into_bytes()));
    }
}
