//! Beside OpenSSL, on either side.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use callbox::net::connect::ConnectOptions;
use callbox::net::tls::{ClientTls, ClientTlsOptions, Identity, ServerTls, ServerTlsOptions};
use callbox::server::ServerOptions;
use callbox::{Addr, Client, Kind, Stream};
use callbox_testkit::requires;

use crate::certificates::{AUTHORITY, local, trusting};
use crate::ends::{beside, read_to_end, serve, within};

/// Files that are gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("callbox-tls-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("creates");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn its_client_talks_with_our_server() {
    requires!(tool("openssl"));
    let folder = Folder::new();
    let ca = folder.file("ca.pem", AUTHORITY.pem());
    let (chain, key) = AUTHORITY.issue_pem(&["client"]);
    let (chain, key) = (folder.file("chain.pem", &chain), folder.file("key.pem", &key));
    let server = ServerTlsOptions { client_ca: Some(vec![AUTHORITY.certificate()]), alpn: vec!["x".into()], ..local() };
    let options = ServerOptions { tls: Some(ServerTls::new(&server).expect("good")), ..ServerOptions::default() };
    let (_running, addr) = serve(options, |_, mut stream: Stream| async move {
        let mut received = Vec::new();
        while !received.ends_with(b"\n") {
            received.extend_from_slice(&stream.chunk().await?.expect("a line"));
        }
        stream.write_all(b"thank you for ").await?;
        stream.write_all(&received).await
    })
    .await;
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", version]);
        command.args(["-alpn", "x", "-connect", &addr.to_string(), "-CAfile"]).arg(&ca);
        command.arg("-cert").arg(&chain).arg("-key").arg(&key);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = Running(child.expect("openssl starts"));
        let mut input = child.0.stdin.take().expect("a pipe");
        let mut output = child.0.stdout.take().expect("a pipe");
        let (said, status) = beside("openssl is done", move || {
            input.write_all(b"hello\n").expect("writes");
            let mut said = String::new();
            output.read_to_string(&mut said).expect("reads");
            (said, child.0.wait().expect("ends"))
        })
        .await;
        assert_eq!(said, "thank you for hello\n", "{version}");
        assert!(status.success(), "{version}: {status}");
    }
}

/// Starts its server on a port of its own.
fn s_server(words: &[&str], folder: &Folder) -> (Running, SocketAddr) {
    let (chain, key) = AUTHORITY.issue_pem(&["localhost"]);
    let (chain, key) = (folder.file("chain.pem", &chain), folder.file("key.pem", &key));
    let ca = folder.file("ca.pem", AUTHORITY.pem());
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert"]).arg(chain).arg("-key").arg(key);
    command.arg("-CAfile").arg(ca).args(words);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Running(child.expect("openssl starts"));
    let mut lines = BufReader::new(child.0.stdout.take().expect("a pipe"));
    let mut line = String::new();
    loop {
        line.clear();
        assert!(lines.read_line(&mut line).expect("reads") > 0, "it ended before it was ready");
        if let Some(addr) = line.trim().strip_prefix("ACCEPT ") {
            let addr = addr.parse().expect("numbers");
            // Nobody else reads what it says; it must not wait for that.
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return (child, addr);
        }
    }
}

fn client(addr: SocketAddr, options: &ClientTlsOptions) -> Client {
    let options = ConnectOptions { tls: Some(ClientTls::new(options).expect("good")), ..ConnectOptions::default() };
    let addr = Addr::from_words("localhost", &addr.port().to_string()).expect("good");
    Client::new(addr).expect("good").with_options(options)
}

#[tokio::test]
async fn our_client_talks_with_its_server() {
    requires!(tool("openssl"));
    let (chain, key) = AUTHORITY.issue_pem(&["client"]);
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect("good");
    let options = ClientTlsOptions { identity: Some(identity), alpn: vec!["x".into()], ..trusting() };
    for version in ["-tls1_2", "-tls1_3"] {
        let folder = Folder::new();
        let words = ["-rev", "-Verify", "1", "-verify_return_error", "-alpn", "x", version];
        let (_server, addr) = s_server(&words, &folder);
        let mut stream = within("a handshake", client(addr, &options).connect()).await.expect(version);
        stream.write_all(b"hello\n").await.expect("writes");
        let mut received = Vec::new();
        while !received.ends_with(b"\n") {
            let chunk = within("the answer", stream.chunk()).await.expect("reads");
            received.extend_from_slice(&chunk.expect("an answer"));
        }
        assert_eq!(received, b"olleh\n", "{version}");
        stream.shutdown().await.expect("ends");
    }
}

#[tokio::test]
async fn its_server_that_is_killed_leaves_a_truncated_stream() {
    requires!(tool("openssl"));
    let folder = Folder::new();
    let (mut server, addr) = s_server(&[], &folder);
    let mut stream = client(addr, &trusting()).connect().await.expect("connects");
    server.0.stdin.as_mut().expect("a pipe").write_all(b"so far\n").expect("writes");
    assert_eq!(within("the bytes", stream.chunk()).await.expect("reads").as_deref(), Some(&b"so far\n"[..]));
    server.0.kill().expect("runs");
    let error = within("the end", async { read_to_end(&mut stream).await }).await.expect_err("no close_notify");
    assert_eq!(error.kind(), Kind::Ended, "{error}");
}
