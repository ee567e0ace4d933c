//! Heads for HTTP's CONNECT: any split says the same, no byte of what follows is taken, and what is said of it moves no cursor.

use callbox::addr::Addr;
use callbox::asking::Step;
use callbox::http_connect::HEAD_BYTES;
use callbox::http_connect::server::Server;
use callbox_testkit::assert_harmless;

use crate::input::{Input, chunks};

/// Where to, with the bytes that were taken, or what was answered.
type Outcome = Option<Result<(Addr, usize), Vec<u8>>>;

/// Holds for any bytes: one says whether a login is asked for, one how they are cut.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let (login, cut) = (input.choose(&[None, Some("a:b")]), input.byte());
    let bytes = input.rest();
    let whole = talk(login, bytes, &[bytes], false);
    assert_eq!(talk(login, bytes, &chunks(bytes, cut), false), whole);
    assert_eq!(talk(login, bytes, &[bytes], true), whole, "as much as is needed each time");
}

fn talk(login: Option<&str>, bytes: &[u8], chunks: &[&[u8]], exact: bool) -> Outcome {
    let mut server = Server::new(login.map(|login| login.parse().expect("good")));
    let (mut taken, mut there, mut chunks) = (0, 0, chunks.iter());
    loop {
        match server.step() {
            Step::Needs(needed) => {
                assert!(needed > 0 && taken <= HEAD_BYTES);
                if taken == there {
                    there += chunks.next().filter(|chunk| !chunk.is_empty())?.len();
                }
                let claimed = server.claims(&bytes[taken..there]);
                assert!(claimed > 0 && claimed <= there - taken);
                let more = if exact { claimed.min(needed) } else { claimed };
                server.push(&bytes[taken..taken + more]);
                taken += more;
            }
            Step::Send(answer) => panic!("{} before the end of the head", answer.escape_ascii()),
            Step::Asked(addr) => {
                let text = addr.to_string();
                assert_harmless(text.as_bytes());
                assert_eq!(text.parse(), Ok(addr.clone()), "{text}");
                return Some(Ok((addr, taken)));
            }
            Step::Refused { answer, problem } => {
                assert_harmless(problem.as_bytes());
                assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", answer.escape_ascii());
                return Some(Err(answer));
            }
        }
    }
}
