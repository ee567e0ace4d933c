//! The tutorial's client: says `hello` and prints the whole answer, however many chunks it comes in.
//!
//! `cargo run --example client [ADDR]`

use callbox::{Client, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8848".into());
    let mut stream = Client::new(addr)?.connect().await?;
    stream.write_all(b"hello").await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    while let Some(data) = stream.chunk().await? {
        answer.extend_from_slice(&data);
    }
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}
