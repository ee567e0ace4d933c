//! `/metrics`: what the relays have carried, in the text format of Prometheus.
//!
//! A line for each relay, of which there are a bounded number; peers and sessions have none.

use std::fmt::Write;

use crate::control::fleet::{Carried, Fleet};
use crate::control::reply::Reply;

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn show(fleet: &Fleet) -> Reply {
    let mut relays: Vec<([String; 3], Carried)> = Vec::new();
    fleet
        .each(|member| {
            let view = member.view();
            relays.push(([view.listen, view.name, view.upstream].map(|text| escape(&text)), member.carried()));
        })
        .await;
    let mut text = String::new();
    let mut family = |name: &str, help: &str, direction: &str, count: fn(&Carried) -> u64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for ([listen, proxy, upstream], carried) in &relays {
            let labels = format!("{direction}listener=\"{listen}\",proxy=\"{proxy}\",upstream=\"{upstream}\"");
            let _ = writeln!(text, "{name}{{{labels}}} {}", count(carried));
        }
    };
    let (received, sent) = ("toxiproxy_proxy_received_bytes_total", "toxiproxy_proxy_sent_bytes_total");
    family(received, "Bytes received from clients.", "direction=\"upstream\",", |carried| carried.to_server_bytes);
    family(sent, "Bytes sent to clients.", "direction=\"downstream\",", |carried| carried.to_client_bytes);
    family("callbox_relay_sessions_total", "Sessions accepted.", "", |carried| carried.sessions);
    Reply::typed(200, TYPE, text)
}

/// What a label's value may not have as it is.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
