//! A server that can be measured: how it is started and what it answers.

use std::path::Path;

use crate::workspace;

/// What a server does with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The same bytes.
    Echo,
    /// `thank you !`, once a chunk.
    Reply,
}

/// The reply of the tutorial's server, callbox's default.
pub(crate) const REPLY: &str = "thank you !";

/// The row every other row is compared with.
pub(crate) const YARDSTICK: &str = "raw epoll, edge-triggered";

/// The row that is judged.
pub(crate) const CALLBOX: &str = "callbox";

/// One row of the tables.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The name in the tables.
    pub(crate) name: &'static str,
    /// The command; `{port}` stands for a free port, `{ready}` for the file that will hold the address;
    /// `{file}` and `{addr}` for bytes to show and where to receive them.
    pub(crate) command: Vec<String>,
    /// More of the environment.
    pub(crate) environment: Vec<(String, String)>,
    /// What it answers.
    pub(crate) answer: Answer,
    /// Starts a process a connection: fewer rounds, and never many connections.
    pub(crate) forks: bool,
    /// Its standard output is a terminal that takes far less than is written.
    pub(crate) slow_terminal: bool,
}

impl Peer {
    /// Makes a peer of a command, a string a word.
    pub(crate) fn new(name: &'static str, command: &[&str], answer: Answer) -> Peer {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Peer { name, command, environment: Vec::new(), answer, forks: false, slow_terminal: false }
    }

    /// Gives it a terminal that does not keep up.
    pub(crate) fn on_slow_terminal(mut self) -> Peer {
        self.slow_terminal = true;
        self
    }

    /// Marks it as starting a process a connection.
    pub(crate) fn forking(mut self) -> Peer {
        self.forks = true;
        self
    }

    /// Returns what comes back for `hello`.
    pub(crate) fn reply(&self) -> &'static str {
        match self.answer {
            Answer::Echo => "hello",
            Answer::Reply => REPLY,
        }
    }

    /// Returns the command as one would type it, programs without their folders.
    pub(crate) fn typed(&self) -> String {
        let folders = [workspace::root(), &workspace::target()];
        let is_ours = |word: &str| folders.iter().any(|folder| Path::new(word).starts_with(folder));
        let short = |(index, word): (usize, &String)| match word.rsplit_once('/') {
            Some((_, name)) if index == 0 || is_ours(word) => name.to_owned(),
            _ if word.contains(' ') => format!("'{word}'"),
            _ => word.clone(),
        };
        self.command
            .iter()
            .enumerate()
            .map(short)
            .collect::<Vec<_>>()
            .join(" ")
            .replace("{port}", "PORT")
            .replace("{ready}", "FILE")
            .replace("{file}", "FILE")
            .replace("{addr}", "ADDR")
    }
}

/// Returns the order of `count` peers in a round: another one first each time, forwards and backwards in turn.
///
/// The first two, callbox and the yardstick, stay next to each other, for some machines are not equally fast for long.
pub(crate) fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (1..count).collect();
    let turn = round % order.len().max(1);
    order.rotate_left(turn);
    let at = order.iter().position(|index| *index == 1).unwrap_or(0);
    order.insert(at, 0);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_peer_in_another_order() {
        assert_eq!(order(4, 0), [0, 1, 2, 3]);
        assert_eq!(order(4, 1), [1, 0, 3, 2]);
        assert_eq!(order(4, 2), [3, 0, 1, 2]);
        for (count, round) in [(1, 0), (2, 3), (5, 7), (9, 100)] {
            let order = order(count, round);
            let pair = order.windows(2).any(|pair| pair == [0, 1] || pair == [1, 0]);
            assert!(pair || count == 1, "{order:?}");
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn commands_are_shown_without_folders() {
        let peer =
            Peer::new("x", &["/usr/bin/env", "serve", "127.0.0.1:{port}", "--reply", REPLY, "/bin/cat"], Answer::Reply);
        assert_eq!(peer.typed(), "env serve 127.0.0.1:PORT --reply 'thank you !' /bin/cat");
    }
}
