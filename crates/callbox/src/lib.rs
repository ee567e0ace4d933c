//! The test set for TCP, as a library: real servers and clients for testing what speaks TCP.
//!
//! The idea in one line: **an opener gets a stream; a handler talks on it; observers watch.**
//!
//! - An *opener* is a [`Server`], which accepts many connections, a [`Client`], which makes one, or a [load run](load), which makes
//!   many. It owns retries, limits, timeouts and the orderly end.
//! - A [`Handler`] is async code that talks on one [`Stream`], for example a closure. It never knows whether the stream
//!   was dialled or accepted, so the same one plays either side. [`handle`] has ready ones: echo, reply, discard,
//!   generate, exec, one that answers frames, and one that asks and times the answers.
//! - *Observers* watch without taking part: [events](event::Event) on a [bus](bus::Bus), exact [meters](meter::Meter),
//!   [taps](tap::Tap) that see every byte. No handler knows of them.
//!
//! # A server
//!
//! It answers whoever connects, counts every byte, and drains when `shutdown` is ready, which is any future: tokio's
//! `ctrl_c`, the end of a channel, or `std::future::pending()` for a server that goes on until it is killed.
//!
//! ```
//! use callbox::{Result, Server, Stream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let server = Server::bind("127.0.0.1:0").await?;
//! println!("listening on {}", server.local_addrs()[0]);
//! # let addr = server.local_addrs()[0].clone();
//! # let (done, finished) = tokio::sync::oneshot::channel::<()>();
//! # let shutdown = async { drop(finished.await) };
//! let reply = |_session, mut stream: Stream| async move {
//!     while let Some(data) = stream.chunk().await? {
//!         println!("received {}", data.escape_ascii());
//!         stream.write_all(b"thank you !").await?;
//!     }
//!     Ok(())
//! };
//! # let client = tokio::spawn(async move {
//! #     let mut stream = callbox::Client::new(addr)?.connect().await?;
//! #     stream.write_all(b"hello").await?;
//! #     let answer = stream.chunk().await?;
//! #     drop(done);
//! #     Result::<_, callbox::Error>::Ok(answer)
//! # });
//! let report = server.run(reply, shutdown).await?;
//! println!("{} sessions, {} bytes received", report.sessions, report.to_server_bytes);
//! # assert_eq!(client.await.unwrap()?.as_deref(), Some(&b"thank you !"[..]));
//! # assert_eq!((report.sessions, report.to_server_bytes), (1, 5));
//! # Ok(())
//! # }
//! ```
//!
//! # A client
//!
//! ```
//! use callbox::{Client, Result};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let server = callbox::fixture::Server::reply("thank you !");
//! # let addr = server.addr();
//! let mut stream = Client::new(addr)?.connect().await?;
//! stream.write_all(b"hello").await?;
//! stream.shutdown().await?; // our end of stream; the other direction stays open
//! while let Some(data) = stream.chunk().await? {
//!     println!("received {}", data.escape_ascii());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Frames
//!
//! TCP has no messages, so where one ends is agreed between the two sides. A [`Framing`](frame::Framing) is that rule,
//! written as in the binary's `--frame`: `line`, `length:u16be`, `json` and [others](frame). It makes what is sent; a
//! [`FrameReader`](net::framed::FrameReader) receives frame by frame, however the bytes arrive.
//!
//! ```
//! use callbox::frame::Framing;
//! use callbox::net::framed::FrameReader;
//! # use callbox::{Result, Stream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let framing: Framing = "length:u16be".parse()?;
//! assert_eq!(framing.encode(b"hello")?, b"\0\x05hello");
//!
//! # let (mut client, stream) = Stream::pair();
//! # client.write_all(b"\0\x05hello\0\x02yo").await?;
//! # client.shutdown().await?;
//! let (reader, _writer) = stream.split();
//! let mut frames = FrameReader::new(reader, &framing);
//! while let Some(frame) = frames.next().await? {
//!     println!("received {}", frame.payload.escape_ascii());
//! #   assert!(frame.payload == "hello" || frame.payload == "yo");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Load
//!
//! A [`Plan`](load::Plan) says what is done on many connections, when and for how long; its [`Report`](load::Report) what came of it.
//! Where a rate is given, response times count from when an exchange was to begin, so a server that stands still is not spared those
//! that would have come meanwhile. [`probe`] has what asks a server once in a while: a ping, and a wait until it is ready.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use callbox::frame::Framing;
//! use callbox::handle::exchange::{Dialogue, Request, Requests, Until};
//! use callbox::load::{Condition, Plan, Stop, Work};
//! use callbox::text::Template;
//! use callbox::workers::Workers;
//! # use callbox::Result;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let server = callbox::fixture::Server::echo();
//! let request = Request { template: Template::literal("hello"), weight: 1 };
//! let dialogue = Dialogue::new(Requests::new(vec![request], Framing::none())?, Until::AsSent);
//! let plan = Plan {
//!     schedule: "500/s".parse()?,
//!     stop: Stop::after(Duration::from_millis(100)),
//!     connections: 4,
//!     ..Plan::new(server.addr().into(), Work::Exchange(Arc::new(dialogue)))
//! };
//! let report = plan.start(&Workers::current()).await?.report().await;
//! println!("p99 {:?}", report.response.percentile(99.0));
//! # assert!(report.answered > 0 && report.answered == report.requests);
//! assert!("errors<=0".parse::<Condition>()?.holds(&report));
//! # Ok(())
//! # }
//! ```
//!
//! # Plain tests
//!
//! [`fixture`] has the same for `#[test]`s without a runtime of their own: a server whose drop closes and joins it, and
//! a scripted peer that insists on every step of a conversation.
//!
//! ```
//! use callbox::fixture::{Peer, Server};
//!
//! let server = Server::reply("thank you !");
//! let peer = Peer::connect(server.addr()).sends("hello").expects("thank you !").ends().expects_end().start();
//! peer.join();
//! assert_eq!(server.stop().to_client_bytes, 11);
//! ```
//!
//! # What it insists on
//!
//! - **End of stream is not close.** Each direction of a [`Stream`] ends by itself, and a reset is never reported as an
//!   end of stream.
//! - **Chunks mean nothing.** Two sends may arrive as one and one as two; only the bytes and their order count. Frames
//!   are the same in any chunking.
//! - **Closing destroys nothing.** What was sent before a handler returned arrives, even when the peer goes on sending.
//! - **Numbers are exact.** Totals come from meters at the stream's edge, never from events, which may be lost and are
//!   then counted.
//! - **Everything has a bound**: queues, buffers, retries, drains. Each limit that is hit has a counter in the
//!   [report](server::Report).
//!
//! # What it refuses to do
//!
//! It never prints, exits, reads the environment or arguments, or installs signal handlers; a program decides those.
//! It does not capture packets, speak UDP, or pretend that TCP has messages.
//!
//! # Runtime, platforms, features
//!
//! Servers and clients run on the caller's tokio runtime, of any flavour; a server can be given a runtime per core
//! ([`workers::Workers`]). Timers are tokio's, so tests can pause the clock. Linux is the platform that is measured and
//! tested. Other Unixes are meant to work, without what only Linux has: the facts in
//! [`TcpFacts`](report::TcpFacts) and a listener that closes without a moment in which a late handshake is reset.
//! Windows is not supported yet.
//!
//! The cargo feature `tls`, which is on by default, brings [TLS](net::tls); without it the types of that name have no values.

// ---- layer 0: words ----
pub mod addr;
pub mod direction;
pub mod error;
pub mod login;
pub mod rng;
pub mod targets;
pub mod text;
pub mod units;

// ---- layer 1: bytes ----
pub mod access;
pub mod asking;
pub mod checksum;
pub mod frame;
pub mod http_connect;
pub mod pattern;
pub mod pipe;
pub mod proxy_header;
pub mod socks;
pub mod view;

// ---- layer 2: facts ----
pub mod bus;
pub mod event;
pub mod frames;
pub mod meter;
pub mod observers;
pub mod report;
pub mod session;
pub mod tap;
pub mod termination;

// ---- layer 3: net ----
pub mod net;

// ---- layer 4: the bridge ----
pub mod bridge;

// ---- layer 5: handlers ----
pub mod handle;

// ---- layer 6: openers ----
pub mod client;
mod conduct;
pub mod load;
pub mod probe;
pub mod server;
pub mod workers;
// The last: it stands on all the others.
pub mod fixture;

// The paved path: what nearly every user names.
pub use addr::Addr;
pub use client::Client;
pub use error::{Error, Invalid, Kind, Result};
pub use handle::Handler;
pub use net::stream::Stream;
pub use server::Server;
pub use session::Session;

/// The Rust code of the README is compiled and run with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
