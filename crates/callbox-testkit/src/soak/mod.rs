//! Many messages through something that should change nothing: both ways at once, over many connections, in random
//! chunks, with random ends. Whatever is lost, doubled, reordered or changed on the way is counted.

mod account;
mod end;
mod message;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

pub use account::Counts;
pub use message::MESSAGE_BYTES;

use end::{Fate, Part};
use message::mix;

/// Messages each way until all connections end and new ones are made: so that there are many ends.
const MESSAGES_A_ROUND: u64 = 1_000_000;
/// Nothing moves for so long: it never will.
const STUCK: Duration = Duration::from_secs(60);

/// How much to send.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// Messages each way, in all.
    pub messages: u64,
    /// Connections at once.
    pub connections: u64,
    /// All that is random follows from it.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// From clients to servers.
    pub to_server: Counts,
    /// From servers to clients.
    pub to_client: Counts,
    /// Connections in all.
    pub connections: u64,
    /// What failed, a connection each.
    pub failures: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Soak {
    /// Sends it all: clients connect to `entrance`, and what connects to `exit` is served.
    pub fn through(&self, entrance: SocketAddr, exit: &TcpListener) -> Verdict {
        let begun = Instant::now();
        let rounds = self.messages.div_ceil(MESSAGES_A_ROUND).max(1);
        let mut verdict = Verdict::default();
        for round in 0..rounds {
            let messages = share(self.messages, rounds, round);
            self.round(round, messages, entrance, exit, &mut verdict);
        }
        verdict.took = begun.elapsed();
        verdict
    }

    fn round(&self, round: u64, messages: u64, entrance: SocketAddr, exit: &TcpListener, verdict: &mut Verdict) {
        let seed = mix(self.seed ^ mix(round));
        let mut seen = BTreeSet::new();
        thread::scope(|scope| {
            let ends: Vec<_> = (0..self.connections)
                .map(|number| {
                    let stream = 2 * (round * self.connections + number);
                    let messages = share(messages, self.connections, number);
                    let parts = parts(stream, messages, seed);
                    // One after the other, so that it is known who is whose.
                    let client = TcpStream::connect(entrance).expect("connects");
                    let (server, _) = exit.accept().expect("accepts");
                    let [client, server] = [(parts[0], client), (parts[1], server)].map(|(part, socket)| {
                        socket.set_nodelay(true).expect("sets");
                        socket.set_read_timeout(Some(STUCK)).expect("sets");
                        socket.set_write_timeout(Some(STUCK)).expect("sets");
                        end::start(scope, part, socket)
                    });
                    (stream, client, server)
                })
                .collect();
            for (stream, client, server) in ends {
                let (at_client, at_server) = (client(), server());
                verdict.connections += 1;
                verdict.to_client.add(at_client.counts);
                verdict.to_server.add(at_server.counts);
                for (fate, due) in [(at_server, stream), (at_client, stream + 1)] {
                    let Fate { stream, failure, .. } = fate;
                    verdict.failures.extend(failure);
                    if stream.is_some_and(|stream| stream != due || !seen.insert(stream)) {
                        verdict.failures.push(format!("stream {stream:?} came where {due} was due"));
                    }
                }
            }
        });
    }
}

impl Verdict {
    /// Tells whether everything came whole, once and in order.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.to_server.is_clean() && self.to_client.is_clean()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (there, back) = (self.to_server, self.to_client);
        write!(
            f,
            "{} messages to servers, {} to clients, over {} connections in {:.1} s: lost {}, duplicated {}, \
             reordered {}, wrong {}, failures {}",
            there.arrived,
            back.arrived,
            self.connections,
            self.took.as_secs_f64(),
            there.lost + back.lost,
            there.duplicated + back.duplicated,
            there.reordered + back.reordered,
            there.wrong + back.wrong,
            self.failures.len(),
        )?;
        self.failures.iter().take(5).try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

/// Returns the part of `all` that the one at `at` of `count` gets.
fn share(all: u64, count: u64, at: u64) -> u64 {
    all / count + u64::from(at < all % count)
}

/// What both ends of a connection do: either may end first, at any moment of the other; or the other waits for it with
/// a part of its answer, or with all of it.
fn parts(stream: u64, messages: u64, seed: u64) -> [Part; 2] {
    let drawn = mix(seed ^ stream);
    let late = [None, Some(0), Some(mix(drawn) % (messages + 1)), Some(messages)][(drawn % 4) as usize];
    let waits = (drawn >> 32) % 2;
    [0, 1].map(|side| Part {
        stream: stream + side,
        messages,
        due: messages,
        late_from: late.filter(|_| side == waits),
        seed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    const SOAK: Soak = Soak { messages: 3000, connections: 10, seed: 1 };

    #[test]
    fn without_anything_in_between_all_of_it_comes() {
        let exit = TcpListener::bind("127.0.0.1:0").expect("binds");
        let verdict = SOAK.through(exit.local_addr().expect("bound"), &exit);
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!((verdict.to_server.arrived, verdict.to_client.arrived, verdict.connections), (3000, 3000, 10));
    }

    #[test]
    fn every_way_to_end_is_drawn() {
        let all: Vec<_> = (0..100).map(|number| parts(2 * number, 1000, 9)).collect();
        let late = |side: usize| all.iter().filter_map(move |parts| parts[side].late_from);
        for side in 0..2 {
            assert!(late(side).any(|from| from == 0) && late(side).any(|from| from == 1000), "{side}");
            assert!(late(side).any(|from| 0 < from && from < 1000), "{side}");
        }
        assert!(all.iter().any(|parts| parts[0].late_from.or(parts[1].late_from).is_none()));
    }

    /// A relay of one connection that changes what comes to the server by `harm`.
    fn harmful(harm: impl Fn(&mut Vec<u8>) + Send + 'static) -> Verdict {
        let (exit, entrance) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
        let (exit, entrance) = (exit.expect("binds"), entrance.expect("binds"));
        let (from, to) = (entrance.local_addr().expect("bound"), exit.local_addr().expect("bound"));
        let relaying = thread::spawn(move || {
            let (mut client, _) = entrance.accept().expect("accepts");
            let mut server = TcpStream::connect(to).expect("connects");
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).expect("reads");
            harm(&mut bytes);
            server.write_all(&bytes).expect("writes");
            server.shutdown(std::net::Shutdown::Write).expect("ends");
            bytes.clear();
            server.read_to_end(&mut bytes).expect("reads");
            client.write_all(&bytes).expect("writes");
        });
        // Of one that a client's end of stream is never late for.
        let seed = (0..).find(|seed| parts(0, 50, mix(*seed ^ mix(0)))[0].late_from.is_none()).expect("half of them");
        let verdict = Soak { messages: 50, connections: 1, seed }.through(from, &exit);
        relaying.join().expect("no panic");
        verdict
    }

    #[test]
    fn a_relay_that_does_harm_is_found_out() {
        let clean = harmful(|_| ());
        assert!(clean.is_clean(), "{clean}");
        let lossy = harmful(|bytes| drop(bytes.drain(640..704)));
        assert_eq!(lossy.to_server, Counts { arrived: 49, lost: 1, ..Counts::default() });
        let doubling = harmful(|bytes| bytes.splice(640..640, bytes[0..64].to_vec()).for_each(drop));
        assert_eq!(doubling.to_server, Counts { arrived: 50, duplicated: 1, ..Counts::default() });
        let swapping = harmful(|bytes| bytes[640..768].rotate_left(64));
        assert_eq!(swapping.to_server, Counts { arrived: 50, reordered: 1, ..Counts::default() });
        let changing = harmful(|bytes| bytes[700] ^= 4);
        assert_eq!(changing.to_server, Counts { arrived: 49, lost: 1, wrong: 1, ..Counts::default() });
        for verdict in [lossy, doubling, swapping, changing] {
            assert!(!verdict.is_clean(), "{verdict}");
        }
    }
}
