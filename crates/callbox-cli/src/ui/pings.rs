//! Pings as people see them: a line an attempt with its phases as a bar, and statistics.

use std::time::Duration;

use callbox::probe::ping::{Phase, Pong, Statistics};
use callbox::report::TcpFacts;
use callbox::report::tls::TlsFacts;
use callbox::text::safe;

/// How wide a bar is, in characters: phases of a twentieth are seen, and the line fits on a terminal.
const BAR_CELLS: usize = 20;

/// How pings look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours are shown beside the patterns.
    pub colored: bool,
    /// What the kernel and TLS say is shown too.
    pub verbose: bool,
    /// A question is asked, so that there are answers.
    pub asks: bool,
    /// The connections are TCP's.
    pub tcp: bool,
}

impl Look {
    /// Returns the line of an attempt, and those that belong to it.
    pub fn pong(self, pong: &Pong) -> String {
        let Some(peer) = pong.peer.as_ref().filter(|_| pong.error.is_none()) else {
            let error = pong.error.as_ref().map(ToString::to_string).unwrap_or_default();
            return format!("{}: {}, after {}\n", pong.number, lines(&error), time(pong.lasted));
        };
        let mut line = format!("{}: {peer} in {}  {}", pong.number, time(pong.lasted), self.bar(&pong.phases));
        let parts: Vec<String> = pong
            .phases
            .iter()
            .map(|(phase, time)| format!("{} {} {}", self.cells(*phase, 1), self.label(*phase), millis(*time)))
            .collect();
        line.push_str(&format!("  [{}]\n", parts.join(" | ")));
        if self.verbose {
            pong.tls.iter().for_each(|tls| line.push_str(&agreed(tls)));
            pong.tcp.iter().for_each(|tcp| line.push_str(&kernel(tcp)));
        }
        line
    }

    /// Returns what all attempts came to.
    pub fn statistics(self, address: &str, statistics: &Statistics, duration: Duration) -> String {
        let (sent, lost) = (statistics.sent(), statistics.lost());
        let percent = if sent == 0 { 0.0 } else { lost as f64 * 100.0 / sent as f64 };
        let good = if self.asks { "answered" } else { "connected" };
        let mut text = format!(
            "{address}: {sent} sent, {} {good}, {lost} lost ({} %), in {}\n",
            statistics.answered(),
            format!("{percent:.1}").trim_end_matches(".0"),
            time(duration)
        );
        let lasted = statistics.lasted();
        if !lasted.is_empty() {
            let percent = |percent| millis(lasted.percentile(percent));
            text.push_str(&format!(
                "  min {} | p50 {} | p90 {} | p99 {} | max {} | mean {} ms\n",
                millis(lasted.min()),
                percent(50.0),
                percent(90.0),
                percent(99.0),
                millis(lasted.max()),
                millis(lasted.mean())
            ));
            let all = Phase::ALL.into_iter().map(|phase| (phase, statistics.phase(phase)));
            let medians: Vec<(Phase, Duration)> = all
                .filter(|(_, times)| !times.is_empty())
                .map(|(phase, times)| (phase, times.percentile(50.0)))
                .collect();
            let parts: Vec<String> = medians
                .iter()
                .map(|(phase, median)| format!("{} {} {}", self.cells(*phase, 1), self.label(*phase), millis(*median)))
                .collect();
            text.push_str(&format!("  p50 by phase: {}  [{}] ms\n", self.bar(&medians), parts.join(" | ")));
        }
        for error in statistics.errors() {
            text.push_str(&format!("  {} {}, the first: {}\n", error.count, error.kind, lines(&error.example)));
        }
        text
    }

    /// Draws phases in proportion.
    fn bar(self, phases: &[(Phase, Duration)]) -> String {
        let cells = shares(&phases.iter().map(|(_, time)| time.as_nanos()).collect::<Vec<_>>());
        phases.iter().zip(cells).map(|((phase, _), cells)| self.cells(*phase, cells)).collect()
    }

    /// Draws cells of a phase: each has a pattern, and may have a colour.
    fn cells(self, phase: Phase, count: usize) -> String {
        let (pattern, color) = match phase {
            Phase::Resolve => ("\u{2591}", 35),
            Phase::Proxy => ("\u{2592}", 33),
            Phase::Tls => ("\u{2593}", 34),
            Phase::FirstByte => ("\u{2584}", 32),
            Phase::Rest => ("\u{2582}", 36),
            _ => ("\u{2588}", 36),
        };
        match (self.colored, count) {
            (_, 0) => String::new(),
            (true, _) => format!("\x1b[{color}m{}\x1b[0m", pattern.repeat(count)),
            (false, _) => pattern.repeat(count),
        }
    }

    fn label(self, phase: Phase) -> &'static str {
        match phase {
            Phase::Resolve => "name",
            Phase::Connect if self.tcp => "tcp",
            Phase::Proxy => "proxy",
            Phase::Tls => "tls",
            Phase::FirstByte => "first byte",
            Phase::Rest => "rest",
            _ => "connect",
        }
    }
}

/// Divides the cells in proportion: the largest remainders get those that rounding leaves.
fn shares(times: &[u128]) -> Vec<usize> {
    let sum: u128 = times.iter().sum();
    if sum == 0 {
        return vec![0; times.len()];
    }
    let scaled: Vec<u128> = times.iter().map(|time| time * BAR_CELLS as u128).collect();
    let mut cells: Vec<usize> = scaled.iter().map(|scaled| (scaled / sum) as usize).collect();
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(scaled[*at] % sum));
    let left = BAR_CELLS - cells.iter().sum::<usize>();
    order.into_iter().take(left).for_each(|at| cells[at] += 1);
    cells
}

fn agreed(tls: &TlsFacts) -> String {
    format!("   TLS {}, {}\n", tls.version, safe(&tls.suite))
}

fn kernel(tcp: &TcpFacts) -> String {
    format!(
        "   rtt {} +- {} ms, congestion window {} segments, {} sent again\n",
        millis(tcp.round_trip),
        millis(tcp.round_trip_variation),
        tcp.congestion_window,
        tcp.retransmissions
    )
}

/// A time with its unit.
fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        _ => format!("{} ms", millis(time)),
    }
}

/// Milliseconds, to two places where they are few.
fn millis(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        millis if millis < 10.0 => format!("{millis:.2}"),
        millis if millis < 100.0 => format!("{millis:.1}"),
        millis => format!("{millis:.0}"),
    }
}

/// Names and what peers have said cannot move the cursor, and backslashes stay as they are.
fn lines(text: &str) -> String {
    text.split('\\').map(safe).collect::<Vec<_>>().join("\\")
}

#[cfg(test)]
mod tests {
    use callbox::error::{Error, Kind};

    use super::*;

    const PLAIN: Look = Look { colored: false, verbose: false, asks: true, tcp: true };

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn pong(phases: Vec<(Phase, Duration)>) -> Pong {
        let lasted = phases.iter().map(|(_, time)| *time).sum();
        let peer = Some("127.0.0.1:8848".parse().expect("good"));
        Pong { number: 1, peer, lasted, phases, tcp: None, tls: None, error: None }
    }

    #[test]
    fn phases_are_drawn_in_proportion_each_with_its_own_pattern() {
        let line = PLAIN.pong(&pong(vec![(Phase::Connect, micros(100)), (Phase::FirstByte, micros(300))]));
        let (tcp, first) = ("\u{2588}", "\u{2584}");
        let bar = format!("{}{}", tcp.repeat(5), first.repeat(15));
        assert_eq!(line, format!("1: 127.0.0.1:8848 in 0.40 ms  {bar}  [{tcp} tcp 0.10 | {first} first byte 0.30]\n"));
        let colored = Look { colored: true, ..PLAIN }.pong(&pong(vec![(Phase::Connect, micros(100))]));
        assert!(colored.contains(&format!("\x1b[36m{}\x1b[0m", tcp.repeat(20))), "{colored}");
    }

    #[test]
    fn patterns_differ_without_colour() {
        let patterns: std::collections::BTreeSet<String> =
            Phase::ALL.into_iter().map(|phase| PLAIN.cells(phase, 1)).collect();
        assert_eq!(patterns.len(), Phase::ALL.len());
    }

    #[test]
    fn a_bar_is_always_full() {
        for times in [&[1, 1, 1][..], &[1, 1_000_000], &[7, 7, 7, 7, 7, 7], &[3]] {
            assert_eq!(shares(times).iter().sum::<usize>(), BAR_CELLS, "{times:?}");
        }
        assert_eq!(shares(&[0, 0]), [0, 0]);
    }

    #[test]
    fn a_failed_attempt_says_why_and_moves_no_cursor() {
        let error = Error::new("ask", Kind::Ended, "said \"\\x1b\" \u{1b}[2J").at("127.0.0.1:8848");
        let line = PLAIN.pong(&Pong { error: Some(error), ..pong(vec![(Phase::Connect, micros(90))]) });
        assert_eq!(line, "1: ask 127.0.0.1:8848: said \"\\x1b\" \\x1b[2J, after 0.09 ms\n");
    }

    #[test]
    fn statistics_count_and_say_what_was_wrong() {
        let mut statistics = Statistics::default();
        statistics.add(&pong(vec![(Phase::Connect, micros(500))]));
        let error = Some(Error::new("connect", Kind::Refused, "connection refused").at("127.0.0.1:8848"));
        [(); 2].iter().for_each(|()| statistics.add(&Pong { error: error.clone(), ..pong(vec![]) }));
        let text = PLAIN.statistics("db:1", &statistics, Duration::from_secs(2));
        assert!(text.starts_with("db:1: 3 sent, 1 answered, 2 lost (66.7 %), in 2.00 s\n"), "{text}");
        assert!(text.contains("p50 0.50 | p90 0.50"), "{text}");
        assert!(text.contains("2 refused, the first: connect 127.0.0.1:8848: connection refused\n"), "{text}");
    }
}
