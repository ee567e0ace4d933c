//! What a report says, in words that text and page share. Lines that would say zero are left out.

use std::time::Duration;

use callbox::load::{Distribution, Ending, Limit, Report};
use callbox::text::safe;

use super::figures::{bits_rate, bytes, bytes_rate, count, counted, rate, time};

/// From here on the generator's own lateness is told: response times of this order are then in doubt.
const LATE: Duration = Duration::from_millis(1);
/// With fewer times than this, the 99th percentile is the slowest of them.
const FEW: u64 = 100;

/// Something to know before the figures are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What sort it is, in a word; it is printed before the text.
    pub sort: &'static str,
    /// A sentence without its full stop.
    pub text: String,
}

/// Returns what was found, in one sentence.
pub fn headline(report: &Report) -> String {
    if report.ending == Ending::NeverConnected {
        return format!("no connection to {} could be opened", safe(&report.address));
    }
    let lasted = time(report.duration);
    let (sent, received) = report.throughput();
    let on = format!("on {}", counted(report.connections, "connection"));
    match report.mode {
        "send" => {
            let all = bytes(report.to_server_bytes);
            format!("{all} to the server in {lasted} {on}: {} ({})", bytes_rate(sent), bits_rate(sent))
        }
        "receive" => {
            let all = bytes(report.to_client_bytes);
            format!("{all} from the server in {lasted} {on}: {} ({})", bytes_rate(received), bits_rate(received))
        }
        "both" => format!(
            "{} to the server and {} from it in {lasted} {on}: {} ({}) and {} ({})",
            bytes(report.to_server_bytes),
            bytes(report.to_client_bytes),
            bytes_rate(sent),
            bits_rate(sent),
            bytes_rate(received),
            bits_rate(received)
        ),
        "idle" => held(report, &lasted),
        "connect" => format!("{} in {lasted}: {}", done(report, "connection", "opened"), rates(report, "")),
        _ => format!("{} in {lasted}: {}", done(report, "exchange", "answered"), rates(report, &format!(" {on}"))),
    }
}

/// `12,000 exchanges`, or how many of them where some came to nothing.
fn done(report: &Report, noun: &str, verb: &str) -> String {
    if report.answered == report.requests {
        return counted(report.answered, noun);
    }
    let rightly = if report.wrong > 0 { " as they should be" } else { "" };
    format!("{} of {} {verb}{rightly}", count(report.answered), counted(report.requests, noun))
}

fn rates(report: &Report, closed: &str) -> String {
    let reached = rate(report.rate_reached());
    match report.rate_asked {
        Some(asked) => format!("{} asked, {reached} reached", rate(asked)),
        None => format!("{reached}{closed}"),
    }
}

fn held(report: &Report, lasted: &str) -> String {
    let held = counted(report.most_open, "connection");
    let of = if report.most_open == report.connections {
        String::new()
    } else {
        format!(" of {}", count(report.connections))
    };
    let each = report.resident_bytes.and_then(|memory| memory.checked_div(report.most_open));
    let memory =
        each.map_or(String::new(), |each| format!(", each with at most {} of this generator's memory", bytes(each)));
    format!("{held}{of} held in {lasted}{memory}")
}

/// Returns what to know before the figures are believed, the gravest first.
pub fn notices(report: &Report) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut say = |sort, text: String| notices.push(Notice { sort, text });
    match report.ending {
        Ending::ServerGone => say(
            "server gone",
            "no connection was left and none could be opened any more; this is what was found until then".into(),
        ),
        Ending::Stopped => {
            say("stopped", "the run was stopped before its end; this is what was found until then".into())
        }
        Ending::Running => say("running", "the run is still going on; this is what was found so far".into()),
        _ => {}
    }
    if report.is_unanswered() {
        let text = match (report.mode, report.errors.first().map(|error| error.kind)) {
            ("connect", _) => "not one connection was opened within the measured time",
            (_, Some(kind)) if kind != "timed_out" => "not one exchange was answered; the errors below say why",
            _ => "not one exchange was answered: the server said nothing, or not where --until has an answer end",
        };
        say("no answer", text.into());
    } else if report.is_saturated() {
        let asked = rate(report.rate_asked.unwrap_or(0.0));
        let reached = rate(report.rate_reached());
        say("saturated", format!("{asked} asked, {reached} reached; response times grow as long as such a run lasts"));
    }
    for limit in &report.limits {
        // Where nothing is ever answered, no number of connections would be enough.
        if !(report.is_unanswered() && *limit == Limit::Connections) {
            say("limit", limited(*limit, report));
        }
    }
    let late = report.lateness.percentile(99.0);
    if late > LATE {
        let late = time(late);
        say(
            "caution",
            format!(
                "the generator itself was late: one exchange in 100 began {late} or more after its time, and response times include that"
            ),
        );
    }
    let measured = report.response.count();
    if (1..FEW).contains(&measured) {
        let times = counted(measured, "time");
        let were = if measured == 1 { "was" } else { "were" };
        say("caution", format!("only {times} {were} measured: p99 and p99.9 are no more than the slowest"));
    }
    notices
}

fn limited(limit: Limit, report: &Report) -> String {
    match limit {
        Limit::Processor => {
            let busy = report.processor_time.as_secs_f64() / report.duration.as_secs_f64().max(f64::MIN_POSITIVE);
            format!(
                "this generator was the limit: all its threads were busy nearly all the time ({busy:.2} processors in use); use --threads or another machine"
            )
        }
        Limit::Ports => "no local ports were left: give more --source addresses, or renew connections less often".into(),
        Limit::Descriptors => "no descriptors were left: raise `ulimit -n`, or lower -c".into(),
        Limit::Connections if report.mode == "connect" => {
            "every connection was still being opened or closed when the next one was due: raise -c, or the server is at its limit"
                .into()
        }
        Limit::Connections => {
            "every connection waited for an answer when the next exchange was due: raise -c, or the server is at its limit"
                .into()
        }
        other => format!("the generator was limited by {}", other.name()),
    }
}

/// Returns the times that the run is judged by, with their names. Without a rate both are the same, and told once.
pub fn times(report: &Report) -> Vec<(&'static str, &Distribution)> {
    let response = ("response", &report.response);
    let service = (if report.mode == "connect" { "connect" } else { "service" }, &report.service);
    let told = match (report.rate_asked, report.mode) {
        (Some(_), _) => vec![response, service],
        (None, "connect") => vec![service],
        (None, _) => vec![response],
    };
    told.into_iter().filter(|(_, times)| !times.is_empty()).collect()
}

/// Returns from when times count, in a sentence.
pub fn counted_from(report: &Report) -> &'static str {
    match (report.mode, report.rate_asked) {
        ("connect", None) => "connect time is from the first SYN to the connection",
        (_, Some(_)) => "response time counts from when an exchange was to begin, service time from when it was sent",
        _ => {
            "without a rate, response time counts from the send: while the server stands still, nothing is asked of it"
        }
    }
}

/// Returns the phases of opening connections that were gone through.
pub fn phases(report: &Report) -> Vec<(&'static str, &Distribution)> {
    let phases = &report.phases;
    let all = [
        ("connect", &phases.connect),
        ("proxy", &phases.proxy),
        ("TLS", &phases.tls),
        ("first byte", &phases.first_byte),
    ];
    all.into_iter().filter(|(_, times)| !times.is_empty()).collect()
}

/// Returns what came to nothing: its name, how often, and what that means.
pub fn shortfalls(report: &Report) -> Vec<(&'static str, u64, &'static str)> {
    let all = [
        ("wrong", report.wrong, "answers that were not what was to be verified"),
        ("mixed up", report.mixed_up, "of these: the answer belonged to another exchange"),
        ("lost", report.lost, "exchanges that no answer came to"),
        ("missed", report.missed, "exchanges that were due and never begun: no connection was free"),
        ("unasked", report.unasked_bytes, "bytes that came where no answer was due"),
    ];
    all.into_iter().filter(|(_, count, _)| *count > 0).collect()
}

/// Returns bytes and bytes a second, by direction.
pub fn moved(report: &Report) -> Vec<(&'static str, String)> {
    let (sent, received) = report.throughput();
    let all = [("to server", report.to_server_bytes, sent), ("to client", report.to_client_bytes, received)];
    let moved = all.into_iter().filter(|(_, all, _)| *all > 0);
    moved.map(|(name, all, rate)| (name, format!("{} ({})", bytes(all), bytes_rate(rate)))).collect()
}

/// Returns how it was measured, by name and value. What was drawn at random follows from the seed.
pub fn setting(report: &Report) -> Vec<(&'static str, String)> {
    let schedule = match (report.rate_asked, report.mode) {
        (Some(asked), _) => format!("{}, {}", report.schedule, rate(asked)),
        (None, "connect") => "closed: the next connection begins when the last is over".to_owned(),
        (None, "exchange") => "closed: the next exchange begins when the last is over".to_owned(),
        (None, _) => String::new(),
    };
    let connections = format!(
        "{} asked, {} opened, {} at most at once",
        count(report.connections),
        count(report.opened),
        count(report.most_open)
    );
    let mut setting = vec![
        ("address", safe(&report.address).into_owned()),
        ("mode", report.mode.to_owned()),
        ("schedule", schedule),
        ("connections", connections),
        ("measured", time(report.duration)),
    ];
    // Bulk and held connections have no schedule, a report that is not there yet has no address.
    setting.retain(|(_, value)| !value.is_empty());
    if !report.warm_up.is_zero() {
        setting.push(("warm-up", format!("{} before that, not counted", time(report.warm_up))));
    }
    if !report.lateness.is_empty() {
        let [late, latest] = [report.lateness.percentile(99.0), report.lateness.max()].map(time);
        setting.push(("lateness", format!("p99 {late}, max {latest}: how late the generator itself was")));
    }
    if !report.processor_time.is_zero() {
        setting.push(("processor", format!("{} used by the generator", time(report.processor_time))));
    }
    if let Some(memory) = report.resident_bytes {
        setting.push(("memory", format!("{} at most", bytes(memory))));
    }
    setting.push(("ended", ended(report.ending).to_owned()));
    setting.push(("seed", report.seed.to_string()));
    setting
}

fn ended(ending: Ending) -> &'static str {
    match ending {
        Ending::Running => "not yet",
        Ending::Duration => "its time was over",
        Ending::Count => "its number of exchanges was reached",
        Ending::Stopped => "it was stopped",
        Ending::ServerGone => "the server was gone",
        Ending::NeverConnected => "no connection could ever be opened",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_headline_says_what_the_mode_is_about() {
        let table = [
            (samples::stalls(), "12,000 exchanges in 10 s: 1,200/s asked, 1,200/s reached"),
            (samples::closed(), "120,000 exchanges in 10 s: 12,000/s on 64 connections"),
            (
                samples::saturated(),
                "31,140 of 31,280 exchanges answered as they should be in 10 s: 5,000/s asked, 3,114/s reached",
            ),
            (
                samples::bulk(),
                "46.6 GiB to the server and 23.3 GiB from it in 10 s on 4 connections: \
                 4.66 GiB/s (40 Gbit/s) and 2.33 GiB/s (20 Gbit/s)",
            ),
            (samples::never_connected(), "no connection to 127.0.0.1:9 could be opened"),
            (samples::idle(), "50,000 connections held in 30 s, each with at most 1.41 KiB of this generator's memory"),
        ];
        for (report, text) in table {
            assert_eq!(headline(&report), text);
        }
    }

    #[test]
    fn a_saturated_run_says_so_and_what_limited_it() {
        let said: Vec<_> = notices(&samples::saturated()).into_iter().map(|notice| notice.sort).collect();
        assert_eq!(said, ["saturated", "limit", "limit", "caution"]);
        assert!(notices(&samples::stalls()).is_empty());
        let few = Report { response: [LATE; 3].into_iter().collect(), ending: Ending::Count, ..Report::default() };
        assert!(notices(&few)[0].text.starts_with("only 3 times were measured"));
    }

    #[test]
    fn where_nothing_was_answered_no_more_connections_are_asked_for() {
        let silent = Report { answered: 0, wrong: 0, ..samples::saturated() };
        let said: Vec<_> = notices(&silent).into_iter().map(|notice| notice.sort).collect();
        assert_eq!(said, ["no answer", "limit", "caution"]);
        let wrong = Report { answered: 0, wrong: 3, lost: 0, requests: 3, ..Report::default() };
        assert!(!notices(&wrong).iter().any(|notice| notice.sort == "no answer"));
        assert!(headline(&wrong).contains("0 of 3 exchanges answered as they should be"), "{}", headline(&wrong));
    }

    #[test]
    fn what_did_not_happen_is_not_told() {
        let good = samples::closed();
        assert!(shortfalls(&good).is_empty());
        assert_eq!(times(&good).len(), 1, "response and service time are the same without a rate");
        assert_eq!(times(&samples::stalls()).len(), 2);
        assert!(moved(&samples::idle()).is_empty());
    }
}
