//! The client's side of CONNECT: any split says the same, nothing behind the head is taken, and a password goes only to who asked.

use callbox::addr::Host;
use callbox::http_connect::HEAD_BYTES;
use callbox::http_connect::client::{Client, Refused, Step};
use callbox_testkit::assert_harmless;

use crate::input::Input;

/// Holds for any bytes: the first chooses whether there is a user, the second how the rest is cut.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let user = input.choose(&[Some(("anna", "secret")), None]);
    let cut = usize::from(input.byte()) % 40 + 1;
    let answers = input.rest();
    let whole = play(user, answers, usize::MAX);
    assert_eq!(play(user, answers, cut), whole, "cut at {cut}");
    if let Err(refused) = whole {
        assert_harmless(refused.to_string().as_bytes());
    }
}

/// Plays answers to a client that asks again on one connection; returns how much it took and what it said last.
fn play(user: Option<(&str, &str)>, answers: &[u8], most: usize) -> Result<(usize, Step), Refused> {
    let mut client = Client::new((&Host::Name("a.example".into()), 80), user);
    let mut requests = 1;
    check(&client.request(), false);
    let (mut taken, mut head) = (0, 0);
    while taken < answers.len() {
        let seen = &answers[taken..(taken.saturating_add(most)).min(answers.len())];
        let (more, step) = client.push(seen)?;
        assert!(0 < more && more <= seen.len(), "{more} of {}", seen.len());
        taken += more;
        head += more;
        match step {
            Step::Receive => {}
            Step::Done | Step::Anew => {
                let end = answers[..taken].ends_with(b"\n\r\n") || answers[..taken].ends_with(b"\n\n");
                assert!(end, "{}", answers[..taken].escape_ascii());
                return Ok((taken, step));
            }
            Step::Again => {
                requests += 1;
                assert!(requests <= 3, "asks for ever");
                check(&client.request(), true);
                head = 0;
            }
        }
        assert!(head <= HEAD_BYTES + callbox::http_connect::client::BODY_BYTES);
    }
    Ok((taken, Step::Receive))
}

/// Insists on a request that is one head, whatever the proxy had said.
fn check(request: &[u8], signs_in: bool) {
    let lines = request.split(|byte| *byte == b'\n').count();
    assert_eq!(lines, 4 + usize::from(signs_in), "{}", request.escape_ascii());
    assert!(request.ends_with(b"\r\n\r\n"));
    assert!(!request.windows(6).any(|part| part == b"secret"), "{}", request.escape_ascii());
}
