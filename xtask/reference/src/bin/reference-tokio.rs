//! Plain tokio servers, as a tutorial would write them: a task a connection and nothing else.
//!
//! `reference-tokio ADDR [--reply TEXT] [--runtime current|multi] [--buffer lazy|BYTES] [--upstream ADDR]`: `lazy` waits
//! for readiness and takes a buffer from the stack; BYTES is a buffer each for as long as the connection lasts. With an
//! upstream it is a relay by `copy_bidirectional` as it comes, or with buffers of BYTES.

use std::io;
use std::net::SocketAddrV4;

use bench_reference::args::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const LAZY_BUFFER_BYTES: usize = 4096;

#[derive(Clone, Copy)]
struct Answer {
    reply: Option<&'static [u8]>,
    buffer_bytes: Option<usize>,
    upstream: Option<SocketAddrV4>,
}

fn main() -> io::Result<()> {
    let args = Args::of_process();
    let reply = args.has("reply").then(|| &*args.value("reply", String::new()).into_bytes().leak());
    let buffer_bytes = args.value("buffer", String::from("lazy")).parse().ok();
    let upstream = args.has("upstream").then(|| args.value("upstream", args.addr()));
    let answer = Answer { reply, buffer_bytes, upstream };
    let mut builder = if args.value("runtime", String::from("current")) == "multi" {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    let runtime = builder.enable_io().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(args.addr()).await?;
        // Accepting is a task like any other: the thread in block_on is not a worker of the multi-thread runtime.
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(answer.run(stream));
            }
        })
        .await?
    })
}

impl Answer {
    async fn run(self, stream: TcpStream) -> io::Result<()> {
        if let Some(upstream) = self.upstream {
            return self.relay(stream, upstream).await;
        }
        match self.buffer_bytes {
            None => self.lazily(stream).await,
            Some(bytes) => self.buffered(stream, bytes).await,
        }
    }

    async fn relay(self, mut client: TcpStream, upstream: SocketAddrV4) -> io::Result<()> {
        let mut server = TcpStream::connect(upstream).await?;
        server.set_nodelay(true)?;
        match self.buffer_bytes {
            None => copy_bidirectional(&mut client, &mut server).await?,
            Some(bytes) => copy_bidirectional_with_sizes(&mut client, &mut server, bytes, bytes).await?,
        };
        Ok(())
    }

    async fn lazily(self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            stream.readable().await?;
            let Some(rest) = self.answer_now(&stream)? else { return Ok(()) };
            if !rest.is_empty() {
                stream.write_all(&rest).await?;
            }
        }
    }

    /// Reads and answers once; returns what a full socket did not take, `None` at the end of the stream.
    fn answer_now(self, stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; LAZY_BUFFER_BYTES];
        let received = match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Some(Vec::new())),
            Err(error) => return Err(error),
        };
        let answer = self.reply.unwrap_or(&buffer[..received]);
        let sent = match stream.try_write(answer) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Ok(Some(answer[sent..].to_vec()))
    }

    async fn buffered(self, mut stream: TcpStream, bytes: usize) -> io::Result<()> {
        let mut buffer = vec![0; bytes];
        loop {
            let received = stream.read(&mut buffer).await?;
            if received == 0 {
                return Ok(());
            }
            stream.write_all(self.reply.unwrap_or(&buffer[..received])).await?;
        }
    }
}
