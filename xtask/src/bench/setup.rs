//! What a run needs before it measures: programs built, peers installed, limits raised, cores chosen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::options::Options;
use super::{machine, peers};
use crate::packages::{self, Package};
use crate::workspace::{self, cargo};

const PACKAGES: [Package; 14] = [
    Package { name: "ncat", program: "ncat", reason: "comparison with ncat" },
    Package { name: "socat", program: "socat", reason: "comparison with socat" },
    Package { name: "netcat-openbsd", program: "nc.openbsd", reason: "comparison with nc" },
    Package { name: "python3", program: "python3", reason: "comparison with asyncio" },
    Package { name: "xxd", program: "xxd", reason: "comparison with xxd" },
    Package { name: "hexyl", program: "hexyl", reason: "comparison with hexyl" },
    Package { name: "redir", program: "redir", reason: "comparison with redir" },
    Package { name: "openssl", program: "openssl", reason: "comparison over TLS" },
    Package { name: "iperf3", program: "iperf3", reason: "comparison with iperf3" },
    Package { name: "wrk", program: "wrk", reason: "comparison with wrk" },
    // Kept last: left out where installing them would start a service.
    Package { name: "nginx", program: "nginx", reason: "comparison with nginx" },
    Package { name: "libnginx-mod-stream", program: peers::NGINX_STREAM, reason: "comparison with nginx" },
    Package { name: "haproxy", program: "haproxy", reason: "comparison with HAProxy" },
    Package { name: "redis-server", program: "redis-server", reason: "comparison with redis-benchmark" },
];

/// Those of the packages that bring a service.
const SERVICES: usize = 4;

/// Descriptors beside the connections.
const OTHER_DESCRIPTORS: u64 = 100;

/// What every figure gets.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The wishes.
    pub(crate) options: Options,
    /// The release binary.
    pub(crate) callbox: PathBuf,
    /// For files of this run, under the target folder.
    pub(crate) folder: PathBuf,
    /// Where uvloop is, if it is.
    pub(crate) uvloop: Option<PathBuf>,
    /// The core of the server; `None` when there is only one.
    pub(crate) server_core: Option<usize>,
    /// The core of the load client.
    pub(crate) client_core: Option<usize>,
    /// The most connections the limits here allow.
    pub(crate) most_connections: usize,
    /// What the reader of the report has to know.
    pub(crate) remarks: Vec<String>,
    release: PathBuf,
}

impl Setup {
    /// Prepares a run.
    pub(crate) fn prepare(options: Options) -> Result<Setup, String> {
        let mut remarks = Vec::new();
        // Apart, or cargo would build callbox with the features that only the plain servers ask for.
        build("callbox-cli")?;
        build("bench-reference")?;
        let with_systemd = Path::new("/run/systemd/system").exists();
        let wanted = if with_systemd { &PACKAGES[..PACKAGES.len() - SERVICES] } else { &PACKAGES[..] };
        for package in packages::provide(wanted) {
            remarks.push(format!("no {}: {} is not installed", package.reason, package.name));
        }
        let folder = workspace::target().join("bench");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let with_python = options.wants("echo") || options.wants("memory");
        let uvloop = if with_python { uvloop(&folder) } else { None };
        if with_python && uvloop.is_none() {
            remarks.push("no comparison with uvloop: it could not be installed".into());
        }
        let several = machine::cores() >= 2;
        if !several {
            remarks.push("one core only: client and server share it".into());
        }
        let most_connections = raise_descriptors();
        if most_connections < 10_000 {
            remarks.push(format!("the descriptor limit here allows {most_connections} connections, not 10,000"));
        }
        let release = workspace::target().join("release");
        Ok(Setup {
            callbox: release.join("callbox"),
            server_core: several.then_some(1),
            client_core: several.then_some(0),
            options,
            folder,
            uvloop,
            most_connections,
            remarks,
            release,
        })
    }

    /// Returns the path of a program of the reference package.
    pub(crate) fn reference(&self, name: &str) -> String {
        self.release.join(name).display().to_string()
    }
}

fn build(package: &str) -> Result<(), String> {
    let status = cargo(&["build", "--release", "--locked", "--package", package]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("{package} does not build")),
    }
}

/// Raises the soft limit to the hard one, which children inherit; returns the connections that fit.
fn raise_descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    descriptors.saturating_sub(OTHER_DESCRIPTORS) as usize
}

/// Installs uvloop into a folder of its own.
fn uvloop(folder: &Path) -> Option<PathBuf> {
    let place = folder.join("python");
    let python = peers::python()?;
    let import = || {
        let mut command = Command::new(&python);
        command.args(["-c", "import uvloop"]).env("PYTHONPATH", &place).stdin(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !import() {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--target"];
        let mut command = Command::new(&python);
        command.args(install).arg(&place).arg("uvloop").stdin(Stdio::null()).stderr(Stdio::null());
        let _ = command.status();
    }
    import().then_some(place)
}
