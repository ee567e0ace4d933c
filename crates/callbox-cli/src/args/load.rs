//! How much load, and of what kind.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use callbox::load::{Condition, Schedule};
use callbox::units::Size;

use super::values::{duration, size};

/// What is done on the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Requests and their answers
    Exchange,
    /// Bytes to the server, as fast as it takes them
    Send,
    /// Bytes from the server, as fast as they come
    Receive,
    /// Both at once
    Both,
    /// Connections, opened and closed
    Connect,
    /// Connections, opened and held
    Idle,
}

/// What is done in each exchange.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkArgs {
    /// What is done on the connections [default: exchange with --send, --until or --verify, else connect]
    #[arg(long, value_name = "MODE", value_enum, help_heading = "What to do")]
    pub mode: Option<Mode>,
    /// How often each request is chosen beside the others, a number each in the order given, such as 3,1 [default: all alike]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), help_heading = "What to do")]
    pub weights: Vec<u32>,
    /// Where an answer ends: text with escapes, re:REGEX, bytes:N, as-sent (as long as its request), frame, end (of stream) or any (the first bytes) [default: frame with --frame, as-sent with --verify echo, end with --finish, else any]
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, help_heading = "What to do")]
    pub until: Option<String>,
    // Without the escape sequence, which is printed nowhere but in colour, {n} would be a line break.
    #[arg(
        long,
        value_name = "WHAT",
        allow_hyphen_values = true,
        help = "What an answer must be, or it is wrong: echo (the request), sequence (the first number in it is that of the exchange, {\x1b[0mn} in templates), checksum (that of its frame is right) or re:REGEX (it is in it) [default: anything]",
        help_heading = "What to do"
    )]
    pub verify: Option<String>,
    /// Send our end of stream behind each request; so each exchange has a connection of its own
    #[arg(long, help_heading = "What to do")]
    pub finish: bool,
    /// The size of a write or read in the modes send, receive and both, at most 16Mi [default: 512Ki]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "What to do")]
    pub size: Option<Size>,
    /// How long an answer is awaited; then its exchange is lost and its connection closed. 0 is as long as the run goes on
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "What to do")]
    pub answer_timeout: Duration,
}

/// How much, and until when.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// How many connections at once
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "How much")]
    pub connections: u32,
    /// How many exchanges begin a second, however long answers take: 10k/s, a ramp 1k/s..10k/s, or steps 1k/s:5s,5k/s:10s [default: the next as soon as the last is answered]
    #[arg(long, value_name = "RATE", help_heading = "How much")]
    pub rate: Option<Schedule>,
    /// Let the exchanges of a constant --rate begin at random, independent of each other
    #[arg(long, requires = "rate", help_heading = "How much")]
    pub poisson: bool,
    /// How long it is measured, --warm-up apart; 0 is until Ctrl-C [default: 10s, or no end with -n]
    #[arg(short, long, value_name = "DURATION", value_parser = duration, help_heading = "How much")]
    pub duration: Option<Duration>,
    /// End after this many exchanges, such as 20, 10k or 1M [default: no such end]
    #[arg(short = 'n', long, value_name = "N", value_parser = count, help_heading = "How much")]
    pub requests: Option<u64>,
    /// Go on for this long before anything counts
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "How much")]
    pub warm_up: Duration,
    /// The pause between an answer and the next request on its connection, without --rate
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", conflicts_with_all = ["rate", "find_rate"], help_heading = "How much")]
    pub think: Duration,
    /// Take a new connection after N exchanges, without N after each; opening it belongs to its first exchange [default: as long as the server keeps it]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", value_parser = count, help_heading = "How much")]
    pub renew: Option<u64>,
    /// End the run, with exit code 5, once no connection was there for this long; 0 never gives up
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s", help_heading = "How much")]
    pub give_up: Duration,
    /// Connect from this address of ours; repeatable, used in turn: each has ports of its own [default: the kernel's choice]
    #[arg(long, value_name = "IP", help_heading = "How much")]
    pub source: Vec<IpAddr>,
    /// How many threads make the load [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "How much")]
    pub threads: Option<u16>,
    /// Look for the highest rate at which this holds, such as 'p99<5ms'; each rate is tried for --duration, here 3s by default
    #[arg(long, value_name = "CONDITION", conflicts_with_all = ["rate", "requests", "poisson"], help_heading = "How much")]
    pub find_rate: Option<Condition>,
}

/// What becomes of what was found.
#[derive(Debug, Clone, clap::Args)]
pub struct ResultArgs {
    /// Exit with 1 if this holds in the end: a figure, < <= > or >=, and a value, such as 'p99>10ms', 'errors>0', 'missed>1%' or 'rate<9k/s'; repeatable
    #[arg(long, value_name = "CONDITION", help_heading = "Result")]
    pub fail_if: Vec<Condition>,
    /// Print CSV in place of the text: a line for each slice of time and one for the whole
    #[arg(long, conflicts_with = "json", help_heading = "Result")]
    pub csv: bool,
    /// Write a page with plots to this file too
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub html: Option<PathBuf>,
    /// Keep the run in this file too, for --compare
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub save: Option<PathBuf>,
    /// Compare two runs that --save has kept, in place of a run; no ADDR
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with_all = ["csv", "html", "save", "fail_if", "find_rate"], help_heading = "Result")]
    pub compare: Vec<PathBuf>,
    /// Show a line on a terminal while it goes on, in place of the screen
    #[arg(long, help_heading = "Result")]
    pub no_screen: bool,
}

/// A number such as 1000, 10k or 1M.
fn count(text: &str) -> Result<u64, String> {
    let advice = "write 1000, 10k or 1M";
    match text.parse::<Size>() {
        Ok(Size(0)) => Err("none at all is too few; write 1 or more".into()),
        // A count is of no bytes: whoever writes them means something else.
        Ok(Size(count)) if !text.ends_with('B') => Ok(count),
        _ => Err(format!("{text:?} is no number; {advice}")),
    }
}
