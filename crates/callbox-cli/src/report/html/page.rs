//! The page itself: what stands where.

use std::time::SystemTime;

use callbox::load::{Distribution, Report};

use super::css::CSS;
use super::{curve, escaped, heat, rate};
use crate::report::{facts, figures, json};

/// Returns the page.
pub fn page(report: &Report, title: &str, time: SystemTime) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let (shown, when) = (escaped(title), json::time(time));
    // To the second is enough for eyes; the attribute has it all.
    let short = when.get(..19).unwrap_or(&when).replace('T', " ");
    out.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"callbox {}\">\n<title>{shown}</title>\n<style>{CSS}</style>\n</head>\n<body>\n\
         <main>\n<header>\n<h1>{shown}</h1>\n<p class=\"when\">measured with callbox bench, \
         <time datetime=\"{when}\">{short} UTC</time></p>\n<p class=\"found\">{}.</p>\n",
        env!("CARGO_PKG_VERSION"),
        capital(&escaped(&facts::headline(report)))
    ));
    notices(&mut out, report);
    key(&mut out, report);
    out.push_str("</header>\n");
    plots(&mut out, report);
    tables(&mut out, report);
    setting(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn notices(out: &mut String, report: &Report) {
    let notices = facts::notices(report);
    if notices.is_empty() {
        return;
    }
    out.push_str("<ul class=\"notices\">\n");
    for notice in notices {
        let (sort, text) = (capital(&escaped(notice.sort)), escaped(&notice.text));
        out.push_str(&format!("<li><b>{sort}:</b> {text}.</li>\n"));
    }
    out.push_str("</ul>\n");
}

/// The key figures: a name, a value, and what belongs to it.
fn key(out: &mut String, report: &Report) {
    let mut key: Vec<(&str, String, String)> = Vec::new();
    let (sent, received) = report.throughput();
    match report.mode {
        "send" | "receive" | "both" => {
            for (name, rate) in [("to server", sent), ("to client", received)] {
                if rate > 0.0 {
                    key.push((name, figures::bytes_rate(rate), figures::bits_rate(rate)));
                }
            }
        }
        "idle" => {
            key.push(("held", figures::count(report.most_open), "connections at once".into()));
            let connect = &report.phases.connect;
            if let Some(each) = report.resident_bytes.and_then(|memory| memory.checked_div(report.most_open)) {
                key.push(("memory each", figures::bytes(each), "at most, of the generator".into()));
            }
            if !connect.is_empty() {
                key.push(("p99", figures::time(connect.percentile(99.0)), "connect time".into()));
            }
        }
        _ => {
            let asked =
                report.rate_asked.map_or("no rate asked".into(), |asked| format!("{} asked", figures::rate(asked)));
            key.push(("reached", figures::rate(report.rate_reached()), asked));
        }
    }
    if let Some((name, times)) = facts::times(report).first() {
        for (percentile, percent) in figures::PERCENTILES.into_iter().filter(|(name, _)| *name != "p90") {
            key.push((percentile, figures::time(times.percentile(percent)), format!("{name} time")));
        }
        key.push(("max", figures::time(times.max()), format!("{name} time")));
    }
    let failed = report.wrong.saturating_add(report.lost);
    if report.requests > 0 {
        let note = if failed == 0 { "all were answered".into() } else { figures::percent(failed, report.requests) };
        key.push(("failed", figures::count(failed), note));
    }
    if key.is_empty() || report.opened == 0 {
        return;
    }
    out.push_str("<dl class=\"key\">\n");
    for (name, value, note) in key {
        let [name, value, note] = [name, &value, &note].map(escaped);
        out.push_str(&format!("<div><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>\n"));
    }
    out.push_str("</dl>\n");
}

fn plots(out: &mut String, report: &Report) {
    let times = facts::times(report);
    if !times.is_empty() {
        let title = if times[0].0 == "connect" { "Connect times by percentile" } else { "Times by percentile" };
        let how =
            format!("{}. Each 9 more on the lower axis is ten times as rare.", capital(facts::counted_from(report)));
        figure(out, title, &how, &curve::curve(&times));
    }
    if let Some(map) = heat::heat(report) {
        let how = "Each column is a slice of time, each row a range of response times; the more a field stands out, the more \
                   exchanges. A stall is a column that reaches up.";
        figure(out, "Response times over the run", how, &map);
    }
    if let Some(plot) = rate::rate(report) {
        let how = match report.mode {
            "idle" => "Each step is what was open at the end of a slice of time.",
            _ => "Each step is the mean of a slice of time.",
        };
        figure(out, rate::title(report.mode), how, &plot);
    }
}

fn figure(out: &mut String, title: &str, how: &str, svg: &str) {
    out.push_str(&format!(
        "<section>\n<h2>{title}</h2>\n<figure>\n<figcaption>{}</figcaption>\n<div>\n{svg}</div>\n</figure>\n</section>\n",
        escaped(how)
    ));
}

fn tables(out: &mut String, report: &Report) {
    let times = facts::times(report);
    if !times.is_empty() {
        times_table(out, "Times", "", &times);
    }
    let phases = facts::phases(report);
    if !phases.is_empty() {
        times_table(out, "Opening connections", "first byte: from the first send to what first came back", &phases);
    }
    let shortfalls = facts::shortfalls(report);
    if !shortfalls.is_empty() {
        let rows: Vec<_> = shortfalls.iter().map(|(name, count, what)| (*name, *count, *what)).collect();
        counts_table(out, "What came to nothing", ["", "count", "what it is"], &rows);
    }
    if !report.errors.is_empty() {
        let rows: Vec<_> =
            report.errors.iter().map(|error| (error.kind, error.count, error.example.as_str())).collect();
        counts_table(out, "Errors", ["kind", "count", "the first of them"], &rows);
    }
}

fn times_table(out: &mut String, title: &str, how: &str, times: &[(&str, &Distribution)]) {
    out.push_str(&format!("<section>\n<h2>{title}</h2>\n"));
    if times.iter().any(|(name, _)| how.starts_with(name)) {
        out.push_str(&format!("<p class=\"how\">{how}</p>\n"));
    }
    out.push_str("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\"></th>");
    let extra = ["min", "count"].map(str::to_owned);
    for head in figures::times_heads().iter().chain(&extra) {
        out.push_str(&format!("<th scope=\"col\">{head}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (name, times) in times {
        out.push_str(&format!("<tr><th scope=\"row\">{name}</th>"));
        let extra = [figures::time(times.min()), figures::count(times.count())];
        for cell in figures::times(times).iter().chain(&extra) {
            out.push_str(&format!("<td>{cell}</td>"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn counts_table(out: &mut String, title: &str, heads: [&str; 3], rows: &[(&str, u64, &str)]) {
    out.push_str(&format!("<section>\n<h2>{title}</h2>\n<div class=\"wide\"><table>\n<thead><tr>"));
    for (head, class) in heads.into_iter().zip(["", "", " class=\"text\""]) {
        out.push_str(&format!("<th scope=\"col\"{class}>{head}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (name, count, what) in rows {
        let (name, count, what) = (escaped(name), figures::count(*count), escaped(what));
        out.push_str(&format!(
            "<tr><th scope=\"row\">{name}</th><td>{count}</td><td class=\"text\">{what}</td></tr>\n"
        ));
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn setting(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>How it was measured</h2>\n<dl class=\"setting\">\n");
    for (name, value) in facts::setting(report).iter().chain(&facts::moved(report)) {
        out.push_str(&format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value)));
    }
    out.push_str("</dl>\n</section>\n");
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
