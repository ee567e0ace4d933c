//! An echo server that counts, and that serves whoever is connected before it ends on Ctrl-C.
//!
//! `cargo run --example drain [ADDR]`

use std::time::Duration;

use callbox::handle::echo::Echo;
use callbox::server::ServerOptions;
use callbox::{Result, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8848".into());
    let options = ServerOptions { max_connections: Some(100), drain: Duration::from_secs(5), ..Default::default() };
    let server = Server::bind_with(addr, options, Default::default()).await?;
    println!("listening on {}; Ctrl-C drains", server.local_addrs()[0]);
    let ctrl_c = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("no Ctrl-C here: {error}");
        }
    };
    let report = server.run(Echo, ctrl_c).await?;
    println!("{} sessions", report.sessions);
    println!("{} bytes to the server, {} to the clients", report.to_server_bytes, report.to_client_bytes);
    for (limit, times) in &report.limits {
        println!("limit {limit} hit {times} times");
    }
    println!("{} sessions cut off at the drain deadline", report.undrained);
    Ok(())
}
