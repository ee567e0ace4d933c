//! TLS by others: certificates by trustme, and OpenSSL through Python's ssl as the other side.

use std::net::SocketAddr;
use std::path::PathBuf;

use callbox_testkit::{Callbox, Input, Process, Scratch, skip};

use crate::cli::{connect, listen, started};

/// Why a test is skipped.
pub(crate) const NO_TRUSTME: &str =
    "needs trustme: CALLBOX_TRUSTME is to name a Python that has it (`cargo xtask test` makes one where it can)";

/// Certificates of every kind, and the Python that made them.
pub(crate) struct Kit {
    python: PathBuf,
    folder: Scratch,
}

/// A process that has TLS on one side and plain TCP on the other.
pub(crate) struct Adapter {
    /// What it shows of each connection: `agreed`, `failed`, `end`, `truncated`, `reset`, `broken`.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Kit {
    /// Makes the certificates; `None` where there is no trustme.
    pub(crate) fn made() -> Option<Self> {
        let python = std::env::var_os("CALLBOX_TRUSTME").filter(|path| !path.is_empty()).map(PathBuf::from)?;
        let kit = Self { python, folder: Scratch::new() };
        kit.python("certificates.py").arg(kit.folder.path()).run().exited(0).quietly();
        Some(kit)
    }

    /// Returns the path of a file, `server.pem` for example.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Removes the files, of a kit that is never dropped.
    pub(crate) fn clear(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path());
    }

    /// Returns the SHA-256 of a certificate in hex, as Python has it.
    pub(crate) fn sha256(&self, name: &str) -> String {
        let path = self.file(name).replace(".pem", ".sha256");
        std::fs::read_to_string(path).expect("written with the certificate")
    }

    /// Prepares a program of the folder `tests/tls`.
    pub(crate) fn python(&self, program: &str) -> Callbox {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(program);
        let python = Callbox::new(&self.python).env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        python.arg(path)
    }

    /// Starts the side that accepts TLS by `certificate`, in front of a plain server.
    pub(crate) fn server(&self, to: SocketAddr, certificate: &str, words: &[&str]) -> Adapter {
        let cert = ["--cert", &self.file(certificate)].map(str::to_owned);
        self.adapter("server", to, cert.iter().map(String::as_str).chain(words.iter().copied()))
    }

    /// Starts the side that connects by TLS, in front of a plain client.
    pub(crate) fn client(&self, to: SocketAddr, words: &[&str]) -> Adapter {
        self.adapter("client", to, words.iter().copied())
    }

    fn adapter<'a>(&self, role: &str, to: SocketAddr, words: impl Iterator<Item = &'a str>) -> Adapter {
        let process = self.python("adapter.py").args([role, &to.to_string()]).args(words).start();
        process.shows("\n");
        let text = process.output().text();
        let port = text.lines().next().and_then(|line| line.strip_prefix("ready ")?.parse().ok());
        let port: u16 = port.unwrap_or_else(|| process.fail(&format!("no port in {text:?}")));
        Adapter { process, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Returns a ClientHello of OpenSSL's.
    pub(crate) fn client_hello(&self) -> Vec<u8> {
        let text = self.python("adapter.py").arg("hello").run().exited(0).stdout;
        let text = String::from_utf8(text).expect("hex");
        let pairs = text.trim().as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hex")).collect()
    }

    /// Starts `callbox serve --tls` by `server.pem`.
    pub(crate) fn serves(&self, words: &[&str]) -> (Process, SocketAddr) {
        let ready = Scratch::new();
        let path = ready.join("ready");
        let server = crate::cli::serve(["--tls", "--cert", &self.file("server.pem"), "--ready-file"]);
        started(server.arg(&path).args(words), &path)
    }

    /// Prepares `callbox connect --tls` that believes the tests' CA; standard input is a pipe.
    pub(crate) fn connects(&self, to: SocketAddr, words: &[&str]) -> Callbox {
        connect(to, ["--tls", "--ca", &self.file("ca.pem")]).args(words).input(Input::Piped)
    }

    /// Prepares `callbox listen --tls` by `server.pem`; standard input is a pipe.
    pub(crate) fn listens(&self, words: &[&str]) -> Callbox {
        listen(["--tls", "--cert", &self.file("server.pem")]).args(words).input(Input::Piped)
    }
}

/// Skips the test unless there is a kit, which it returns.
macro_rules! kit {
    () => {
        match $crate::tls_kit::Kit::made() {
            Some(kit) => kit,
            None => callbox_testkit::skip!("{}", $crate::tls_kit::NO_TRUSTME),
        }
    };
}
pub(crate) use kit;

/// Returns the first line that begins so, of what an adapter shows.
pub(crate) fn line_of(process: &Process, begin: &str) -> String {
    process.shows(begin);
    let found = process.output().wait(callbox_testkit::patience(), |bytes, _| {
        let text = String::from_utf8_lossy(bytes);
        // The last piece may be half a line.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().find(|line| line.starts_with(begin)).map(str::to_owned)
    });
    found.unwrap_or_else(|| process.fail(&format!("no line that begins with {begin:?}")))
}

/// Returns the path of a program that must be there.
pub(crate) fn openssl() -> Callbox {
    Callbox::new(skip::find_tool("openssl").expect("required"))
}
