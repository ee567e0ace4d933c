//! The client's side of SOCKS: any split says the same, no more is asked for than the answer has, and what is said of a refusal
//! is harmless.

use callbox::addr::Host;
use callbox::socks::client::{Client, Refused, Step, Version};
use callbox_testkit::assert_harmless;

use crate::input::Input;

/// What a dialogue came to: everything that was said, and how much of the answers it took.
type End = (Vec<u8>, Result<(usize, bool), Refused>);

/// Holds for any bytes: the first two choose the version and whether there is a user, the third how the rest is cut.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.choose(&[Version::V5, Version::V4, Version::V4a]);
    let user = input.choose(&[None, Some(("anna", "secret"))]);
    let cut = usize::from(input.byte()) % 7 + 1;
    let answers = input.rest();
    let whole = play(version, user, answers, usize::MAX);
    assert_eq!(play(version, user, answers, cut), whole, "cut at {cut}");
    match whole.1 {
        Ok((taken, _)) => assert!(taken <= answers.len()),
        Err(refused) => assert_harmless(refused.to_string().as_bytes()),
    }
}

fn play(version: Version, user: Option<(&str, &str)>, answers: &[u8], most: usize) -> End {
    let host = Host::Ip([192, 0, 2, 1].into());
    let (mut client, mut said) = Client::new(version, (&host, 80), user).expect("fits");
    let mut taken = 0;
    loop {
        assert!(client.needed() > 0 && client.needed() <= 4 + 1 + 255 + 2, "{}", client.needed());
        let size = client.needed().min(most).min(answers.len() - taken);
        if size == 0 {
            return (said, Ok((taken, false)));
        }
        let step = client.push(&answers[taken..taken + size]);
        taken += size;
        match step {
            Ok(Step::Receive) => {}
            Ok(Step::Send(bytes)) => said.extend(bytes),
            Ok(Step::Done) => {
                assert_eq!(client.needed(), 0);
                return (said, Ok((taken, true)));
            }
            Err(refused) => return (said, Err(refused)),
        }
    }
}
