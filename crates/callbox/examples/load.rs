//! A rate of exchanges against a server in the same program: how long answers take, from when they were wanted.
//!
//! `cargo run --release --example load [RATE]`, such as `500/s` or `100/s..2k/s`

use std::sync::Arc;
use std::time::Duration;

use callbox::frame::Framing;
use callbox::handle::exchange::{Dialogue, Request, Requests, Until, Verify};
use callbox::load::{Plan, Stop, Work};
use callbox::text::Template;
use callbox::workers::Workers;
use callbox::{Result, fixture};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let rate = std::env::args().nth(1).unwrap_or_else(|| "500/s".into());
    let server = fixture::Server::echo();
    let request = Request { template: Template::literal(b"hello"), weight: 1 };
    let requests = Requests::new(vec![request], Framing::none())?;
    let dialogue = Dialogue { verify: Some(Verify::Echo), ..Dialogue::new(requests, Until::AsSent) };
    let plan = Plan {
        schedule: rate.parse()?,
        stop: Stop::after(Duration::from_secs(1)),
        connections: 8,
        ..Plan::new(server.addr().into(), Work::Exchange(Arc::new(dialogue)))
    };
    let report = plan.start(&Workers::current()).await?.report().await;
    println!("{} of {} answered, {} wrong", report.answered, report.requests, report.wrong);
    for percent in [50.0, 90.0, 99.0, 99.9] {
        println!("p{percent}: {:?}", report.response.percentile(percent));
    }
    println!("at most {:?} late ourselves", report.lateness.max());
    Ok(())
}
