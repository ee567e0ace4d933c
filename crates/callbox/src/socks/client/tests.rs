//! Dialogues as the RFCs have them, and any split of them.

use proptest::prelude::*;

use super::*;

fn host(text: &str) -> Host {
    text.parse().map_or_else(|_| Host::Name(text.into()), Host::Ip)
}

/// Plays `answers` to a client, cut as `sizes` say; returns everything that it said, and the end.
fn play(mut client: Client, first: Vec<u8>, answers: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<usize, Refused>) {
    let (mut said, mut at, mut sizes) = (first, 0, sizes.iter().cycle());
    loop {
        let most = client.needed().min(answers.len() - at);
        let size = most.min(*sizes.next().expect("endless"));
        if size == 0 {
            return (said, Ok(at));
        }
        match client.push(&answers[at..at + size]) {
            Ok(Step::Receive) => {}
            Ok(Step::Send(bytes)) => said.extend(bytes),
            Ok(Step::Done) => return (said, Ok(at + size)),
            Err(refused) => return (said, Err(refused)),
        }
        at += size;
    }
}

fn run(version: Version, to: &str, user: Option<(&str, &str)>, answers: &[u8]) -> (Vec<u8>, Result<usize, Refused>) {
    let (client, first) = Client::new(version, (&host(to), 443), user).expect("fits");
    play(client, first, answers, &[usize::MAX])
}

const BOUND: [u8; 10] = [5, 0, 0, 1, 127, 0, 0, 1, 0x1f, 0x90];

#[test]
fn version_5_without_a_user() {
    let answers = [&[5, 0][..], &BOUND, b"220 early"].concat();
    let (said, end) = run(Version::V5, "192.0.2.1", None, &answers);
    assert_eq!(said, [&[5, 1, 0][..], &[5, 1, 0, 1, 192, 0, 2, 1, 1, 0xbb]].concat());
    assert_eq!(end, Ok(12), "what comes early is not taken");
}

#[test]
fn version_5_with_a_user_where_the_proxy_wants_one() {
    let answers = [&[5, 2, 1, 0][..], &[5, 0, 0, 3, 3], b"abc", &[0, 80]].concat();
    let (said, end) = run(Version::V5, "example.com", Some(("anna", "pw")), &answers);
    let request = [&[5, 1, 0, 3, 11][..], b"example.com", &[1, 0xbb]].concat();
    assert_eq!(said, [&[5, 2, 0, 2][..], b"\x01\x04anna\x02pw", &request].concat());
    assert_eq!(end, Ok(answers.len()));
}

#[test]
fn version_5_with_a_user_whom_nobody_asks_for() {
    let answers = [&[5, 0][..], &[5, 0, 0, 4], &[0; 16], &[0, 0]].concat();
    let (said, end) = run(Version::V5, "2001:db8::1", Some(("anna", "pw")), &answers);
    assert!(!said.windows(2).any(|two| two == b"pw"), "the password is not shown to who does not want it");
    assert_eq!(end, Ok(24));
}

/// Who asks, what is answered, what is said of it.
type Refusal = (Option<(&'static str, &'static str)>, &'static [u8], &'static str);

#[test]
fn version_5_refuses_in_its_own_words() {
    let table: [Refusal; 9] = [
        (None, &[5, 0xff], "wants a user and password"),
        (None, &[5, 2], "wants a user and password"),
        (Some(("a", "b")), &[5, 0xff], "takes no user with a password, and nobody without"),
        (Some(("a", "b")), &[5, 1], "wants to be signed in to in the way 1, which was not offered"),
        (Some(("a", "b")), &[5, 2, 1, 1], "refused the user and password"),
        (None, &[5, 0, 5, 5], "connection refused"),
        (None, &[5, 0, 5, 2, 0, 1], "not allowed by its rules"),
        (None, b"HTTP/1.1 400 Bad Request", "answers in HTTP, not in SOCKS"),
        (None, &[5, 0, 5, 0, 0, 9, 0], "its answer has an address of the unknown type 9"),
    ];
    for (user, answers, due) in table {
        let (_, end) = run(Version::V5, "example.com", user, answers);
        assert_eq!(end.map_err(|refused| refused.to_string()), Err(due.to_owned()));
    }
    for code in 1..=u8::MAX {
        let (_, end) = run(Version::V5, "example.com", None, &[5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(end, Err(Refused::Reply(Reply::from_code(code))));
    }
}

#[test]
fn version_4_and_4a() {
    let (said, end) = run(Version::V4, "192.0.2.1", Some(("anna", "")), &[0, 90, 0, 0, 0, 0, 0, 0, b'2']);
    assert_eq!(said, [&[4, 1, 1, 0xbb, 192, 0, 2, 1][..], b"anna\0"].concat());
    assert_eq!(end, Ok(8));
    let (said, end) = run(Version::V4a, "example.com", None, &[0, 91, 0, 0, 0, 0, 0, 0]);
    assert_eq!(said, [&[4, 1, 1, 0xbb, 0, 0, 0, 1, 0][..], b"example.com\0"].concat());
    assert_eq!(end.map_err(|refused| refused.to_string()), Err("rejected or failed".to_owned()));
    let (_, end) = run(Version::V4a, "192.0.2.1", None, &[5, 0]);
    assert_eq!(end, Err(Refused::NotSocks(5)));
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_sent() {
    let long = "x".repeat(FIELD_BYTES + 1);
    let refused =
        |version, to: &str, user| Client::new(version, (&host(to), 1), user).expect_err("too much").to_string();
    assert!(refused(Version::V4, "::1", None).contains("SOCKS 4 knows no IPv6"));
    assert!(refused(Version::V4, "example.com", None).contains("SOCKS 4 knows no names"));
    assert!(refused(Version::V5, &long, None).contains("256 bytes, 255 is the most"));
    assert!(refused(Version::V5, "a", Some((&long, ""))).contains("invalid user"));
    let password = format!("secret{long}");
    let said = refused(Version::V5, "a", Some(("anna", &password)));
    assert!(said.contains("invalid password") && !said.contains("secret"), "{said}");
    assert!(refused(Version::V4a, "a", Some(("an\0na", ""))).contains("NUL"));
    let most = "y".repeat(FIELD_BYTES);
    assert!(Client::new(Version::V5, (&host(&most), 1), Some((&most, &most))).is_ok());
}

#[test]
fn a_password_is_not_in_what_is_printed_of_a_dialogue() {
    let (mut client, _) = Client::new(Version::V5, (&host("a"), 1), Some(("anna", "secret"))).expect("fits");
    let step = client.push(&[5, 2]).expect("is offered");
    let shown = format!("{client:?} {step:?}");
    assert!(!shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
}

proptest! {
    #[test]
    fn any_split_says_the_same(
        answers in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|rest| [&[5, 0, 5, 0, 0][..], &rest].concat()),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|rest| [&[5, 2, 1, 0, 5, 0, 0, 3][..], &rest].concat()),
        ],
        sizes in prop::collection::vec(1usize..9, 1..9),
        version in prop::sample::select(vec![Version::V4a, Version::V5]),
        signs_in: bool,
    ) {
        let user = signs_in.then_some(("anna", "pw"));
        let made = || Client::new(version, (&host("example.com"), 80), user).expect("fits");
        let ((one, first), (other, same)) = (made(), made());
        prop_assert_eq!(play(one, first, &answers, &[usize::MAX]), play(other, same, &answers, &sizes));
    }
}
