//! A server that can be measured: how it is started and what it answers.

use std::net::SocketAddrV4;
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
    /// `{file}` and `{addr}` for bytes to show and where to receive them; `{upstream}` for where a relay connects to, `{upstream_port}` for
    /// its port; `{config}` for a file with the text below.
    pub(crate) command: Vec<String>,
    /// More of the environment.
    pub(crate) environment: Vec<(String, String)>,
    /// What its configuration file says, with the same words in braces.
    pub(crate) config: Option<String>,
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
        Peer { name, command, environment: Vec::new(), config: None, answer, forks: false, slow_terminal: false }
    }

    /// Gives it a configuration.
    pub(crate) fn with_config(mut self, text: &str) -> Peer {
        self.config = Some(text.to_owned());
        self
    }

    /// Returns the same peer, relaying to `upstream`.
    pub(crate) fn towards(&self, upstream: SocketAddrV4) -> Peer {
        let port = upstream.port().to_string();
        let fill = |text: &String| text.replace("{upstream}", &upstream.to_string()).replace("{upstream_port}", &port);
        let mut peer = self.clone();
        peer.command = self.command.iter().map(fill).collect();
        peer.config = self.config.as_ref().map(fill);
        peer
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

    /// Returns the command as one would type it, programs without their folders, and what is in its configuration.
    pub(crate) fn shown(&self) -> String {
        let Some(config) = &self.config else { return format!("`{}`", self.typed()) };
        let lines: Vec<&str> = config.lines().map(str::trim).collect();
        format!("`{}` with `{}`", self.typed(), in_capitals(&lines.join(" / ")))
    }

    fn typed(&self) -> String {
        let folders = [workspace::root(), &workspace::target()];
        let is_ours = |word: &str| folders.iter().any(|folder| Path::new(word).starts_with(folder));
        let short = |(index, word): (usize, &String)| match word.rsplit_once('/') {
            Some((_, name)) if index == 0 || is_ours(word) => name.to_owned(),
            _ if word.contains([' ', '\\']) => format!("'{word}'"),
            _ => word.clone(),
        };
        in_capitals(&self.command.iter().enumerate().map(short).collect::<Vec<_>>().join(" "))
    }
}

/// Writes what stands in braces as a person would, and files of the run without their folder.
fn in_capitals(text: &str) -> String {
    let text = &text.replace(&format!("{}/bench/", workspace::target().display()), "");
    let names = [
        ("{port}", "PORT"),
        ("{ready}", "FILE"),
        ("{file}", "FILE"),
        ("{addr}", "ADDR"),
        ("{config}", "FILE"),
        ("{upstream}", "UPSTREAM"),
        ("{upstream_port}", "UPSTREAM-PORT"),
    ];
    names.iter().fold(text.to_owned(), |text, (name, shown)| text.replace(name, shown))
}

/// Returns the order of `count` peers in a round: another one first each time, forwards and backwards in turn.
///
/// The first two, callbox and the yardstick, stay next to each other, for some machines are not equally fast for long.
pub(crate) fn order(count: usize, round: usize) -> Vec<usize> {
    order_keeping(2, count, round)
}

/// Returns such an order with the first `kept` next to each other.
pub(crate) fn order_keeping(kept: usize, count: usize, round: usize) -> Vec<usize> {
    let kept = kept.clamp(1, count.max(1));
    // The last of those that stay together stands for all of them.
    let mut order: Vec<usize> = (kept - 1..count).collect();
    let turn = round % order.len().max(1);
    order.rotate_left(turn);
    let at = order.iter().position(|index| *index == kept - 1).unwrap_or(0);
    order.splice(at..at, 0..kept - 1);
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
        assert_eq!(order_keeping(3, 5, 0), [0, 1, 2, 3, 4]);
        assert_eq!(order_keeping(3, 5, 1), [2, 1, 0, 4, 3]);
        assert_eq!(order_keeping(3, 5, 2), [4, 0, 1, 2, 3]);
        assert_eq!(order_keeping(3, 2, 0), [0, 1]);
    }

    #[test]
    fn a_relay_gets_its_upstream_in_words_and_config() {
        let peer = Peer::new("x", &["relay", "-c", "{config}", "TCP:{upstream},nodelay"], Answer::Echo);
        let peer = peer.with_config("listen {port} to {upstream}");
        let shown = "`relay -c FILE TCP:UPSTREAM,nodelay` with `listen PORT to UPSTREAM`";
        assert_eq!(peer.shown(), shown);
        let peer = peer.towards("127.0.0.1:9".parse().unwrap());
        assert_eq!(peer.command[3], "TCP:127.0.0.1:9,nodelay");
        assert_eq!(peer.config.unwrap(), "listen {port} to 127.0.0.1:9");
    }

    #[test]
    fn commands_are_shown_without_folders() {
        let peer =
            Peer::new("x", &["/usr/bin/env", "serve", "127.0.0.1:{port}", "--reply", REPLY, "/bin/cat"], Answer::Reply);
        assert_eq!(peer.typed(), "env serve 127.0.0.1:PORT --reply 'thank you !' /bin/cat");
        assert_eq!(Peer::new("x", &["x", r"PING\r\n"], Answer::Reply).typed(), r"x 'PING\r\n'");
    }
}
