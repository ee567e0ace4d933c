//! Arguments of the reference programs: `ADDR --name value ...`, without help or defaults of its own.

use std::net::SocketAddrV4;
use std::str::FromStr;

/// The words of a command line, looked up by name.
#[derive(Debug)]
pub struct Args {
    words: Vec<String>,
}

impl Args {
    /// Takes the words of this process.
    pub fn of_process() -> Args {
        Args { words: std::env::args().skip(1).collect() }
    }

    /// Returns the value after `--name`, or `default`.
    ///
    /// # Panics
    /// When the value cannot be read: these programs are only started by `cargo xtask bench`.
    pub fn value<T: FromStr>(&self, name: &str, default: T) -> T {
        let flag = format!("--{name}");
        let Some(at) = self.words.iter().position(|word| *word == flag) else { return default };
        let value = self.words.get(at + 1).and_then(|word| word.parse().ok());
        value.unwrap_or_else(|| panic!("{flag} needs a value of its kind"))
    }

    /// Says whether the word `--name` was given.
    pub fn has(&self, name: &str) -> bool {
        let flag = format!("--{name}");
        self.words.contains(&flag)
    }

    /// Returns the first word that reads as an address.
    ///
    /// # Panics
    /// When there is none.
    pub fn addr(&self) -> SocketAddrV4 {
        self.words.iter().find_map(|word| word.parse().ok()).expect("an address such as 127.0.0.1:8848")
    }

    /// Returns word number `at`, empty when there is none.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_names() {
        let args = Args { words: "echo 127.0.0.1:9 --size 64 --edge".split(' ').map(str::to_owned).collect() };
        assert_eq!(args.word(0), "echo");
        assert_eq!(args.addr(), "127.0.0.1:9".parse().unwrap());
        assert_eq!(args.value("size", 1), 64);
        assert_eq!(args.value("count", 7), 7);
        assert!(args.has("edge") && !args.has("quiet"));
    }
}
