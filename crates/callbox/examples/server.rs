//! The tutorial's server: prints what it receives and answers `thank you !`.
//!
//! `cargo run --example server [ADDR]`, then `cargo run --example client` in a second terminal.

use callbox::{Result, Server, Session, Stream};

async fn reply(_session: Session, mut stream: Stream) -> Result<()> {
    while let Some(data) = stream.chunk().await? {
        // A chunk may end inside a character; `callbox::text::Printer` shows also those whole.
        println!("received {}", String::from_utf8_lossy(&data));
        stream.write_all(b"thank you !").await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8848".into());
    let server = Server::bind(addr).await?;
    println!("listening on {}", server.local_addrs()[0]);
    server.run(reply, std::future::pending()).await?;
    Ok(())
}
