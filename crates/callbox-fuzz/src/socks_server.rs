//! What SOCKS clients send: any split says the same, no byte of what follows is taken, and what is said of it moves no cursor.

use callbox::addr::Addr;
use callbox::asking::Step;
use callbox::socks::server::Server;
use callbox_testkit::assert_harmless;

use crate::input::{Input, chunks};

/// All that was sent, where to or why not, and how many bytes were taken.
type Outcome = (Vec<u8>, Option<Result<Addr, Vec<u8>>>, usize);

/// Holds for any bytes: one says whether a login is asked for, one how they are cut.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let (login, cut) = (input.choose(&[None, Some("a:b")]), input.byte());
    let bytes = input.rest();
    let whole = talk(login, bytes, &[bytes]);
    assert_eq!(talk(login, bytes, &chunks(bytes, cut)), whole);
    assert_eq!(talk(login, bytes, &chunks(bytes, 0)), whole);
}

fn talk(login: Option<&str>, bytes: &[u8], chunks: &[&[u8]]) -> Outcome {
    let mut server = Server::new(login.map(|login| login.parse().expect("good")));
    let (mut sent, mut taken, mut there, mut chunks) = (Vec::new(), 0, 0, chunks.iter());
    let end = loop {
        match server.step() {
            Step::Needs(needed) => {
                assert!(needed > 0);
                if taken == there {
                    let Some(chunk) = chunks.next().filter(|chunk| !chunk.is_empty()) else { break None };
                    there += chunk.len();
                }
                let claimed = server.claims(&bytes[taken..there]);
                assert!(claimed > 0 && claimed <= there - taken);
                server.push(&bytes[taken..taken + claimed]);
                taken += claimed;
            }
            Step::Send(answer) => sent.extend(answer),
            Step::Asked(addr) => {
                let text = addr.to_string();
                assert_harmless(text.as_bytes());
                assert_eq!(text.parse(), Ok(addr.clone()), "{text}");
                break Some(Ok(addr));
            }
            Step::Refused { answer, problem } => {
                assert_harmless(problem.as_bytes());
                // Where it was noticed does not matter: nothing follows.
                taken = bytes.len();
                break Some(Err(answer));
            }
        }
    };
    assert!(sent.len() <= 4, "a choice and a login are all there is to say");
    (sent, end, taken)
}
