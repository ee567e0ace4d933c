//! `ssh` and `rsync` against an `sshd` of the test's own.

use std::path::{Path, PathBuf};

use callbox_testkit::skip::find_tool;
use callbox_testkit::{
    Callbox, Input, Scratch, Signal, assert_same_bytes, free_address, pattern, quick, requires, skip,
};

use super::{BY_ALL, BY_PORT, Daemon, Target, Upstream, same, tool};
use crate::cli::{binary, callbox, served};

/// Where `sshd` wants an empty folder when it runs as root: one that no other process sees.
const PRIVATE_RUN: &str = "mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec \"$@\"";

fn private_run() -> [&'static str; 5] {
    ["unshare", "--mount", "sh", "-c", PRIVATE_RUN]
}

/// An `sshd`, and how to get in.
struct Door {
    _server: Daemon,
    upstream: Upstream,
    user: String,
    key: PathBuf,
}

/// Starts a server that lets in who runs the test, by a key made just now; or says what is missing.
fn door(scratch: &Scratch) -> Result<Door, String> {
    let root = rustix::process::geteuid().is_root();
    if root {
        let tried = Callbox::new("true").through(private_run().into_iter().chain(["sh"])).run();
        if !tried.status.success() {
            return Err(format!("needs a mount namespace: {}", tried.stderr.trim()));
        }
    }
    let keygen = |name: &str| {
        let path = scratch.join(name);
        tool("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).run().exited(0);
        path
    };
    let (host_key, key) = (keygen("host"), keygen("user"));
    let address = free_address();
    let settings = [
        format!("ListenAddress {}", address.ip()),
        format!("Port {}", address.port()),
        format!("HostKey {}", host_key.display()),
        format!("AuthorizedKeysFile {}.pub", key.display()),
        "PermitRootLogin prohibit-password".to_owned(),
        "StrictModes no".to_owned(),
        "UsePAM no".to_owned(),
        "PasswordAuthentication no".to_owned(),
        "KbdInteractiveAuthentication no".to_owned(),
        "PidFile none".to_owned(),
        "MaxStartups 100".to_owned(),
    ];
    let settings = scratch.file("sshd_config", settings.join("\n") + "\n");
    let sshd = find_tool("sshd").ok_or("needs sshd")?;
    let mut command = Callbox::new(sshd).args(["-D", "-e", "-f"]).arg(settings);
    if root {
        command = command.through(private_run().into_iter().chain(["sh"]));
    }
    let server = Daemon::starts(command, Signal::TERM, "Server listening on ");
    let user = String::from_utf8(tool("id").arg("-un").run().exited(0).stdout).expect("a name").trim().to_owned();
    Ok(Door { _server: server, upstream: Upstream::at(address, "SSH-2.0-"), user, key })
}

/// Returns the words of `ssh` up to and with the host.
fn ssh_words(door: &Door, target: &Target) -> Vec<String> {
    let mut options = vec![
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=no".to_owned(),
        "UserKnownHostsFile=/dev/null".to_owned(),
        "LogLevel=ERROR".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "IdentityAgent=none".to_owned(),
    ];
    let mut words: Vec<String> = ["-F", "none", "-T", "-i"].map(str::to_owned).to_vec();
    words.push(door.key.display().to_string());
    let host = match target {
        Target::Port(address) => {
            words.extend(["-p".to_owned(), address.port().to_string()]);
            address.ip().to_string()
        }
        Target::Path(path) => {
            let connect = format!("{} connect -q unix:{}", binary().display(), path.display());
            options.push(format!("ProxyCommand={connect}"));
            "by-path".to_owned()
        }
    };
    words.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    words.extend(["-l".to_owned(), door.user.clone(), host]);
    words
}

fn ssh(door: &Door, target: &Target, command: &str) -> Callbox {
    tool("ssh").args(ssh_words(door, target)).arg(command)
}

#[test]
fn ssh_runs_the_same_commands() {
    requires!(tool("ssh"), tool("sshd"), tool("ssh-keygen"));
    let scratch = Scratch::new();
    let door = match door(&scratch) {
        Ok(door) => door,
        Err(reason) => skip!("{reason}"),
    };
    let bytes = pattern(if quick() { 1 << 20 } else { 10 << 20 }, 5);
    let path = scratch.file("bytes", &bytes);
    same(&door.upstream, &BY_ALL, |target| {
        let file = std::fs::File::open(&path).expect("own file");
        let got = ssh(&door, target, "cat").input(Input::From(file.into())).run().exited(0).quietly();
        assert_same_bytes("what cat gave back", &bytes, &got.stdout);
        // The end of input arrives, and what comes after it does too.
        let counted = ssh(&door, target, "wc -c; echo and more; echo trouble >&2; exit 7").run().exited(7);
        (String::from_utf8_lossy(&counted.stdout).into_owned(), counted.stderr)
    });
}

#[test]
fn connect_goes_through_the_socks_proxy_that_ssh_is() {
    requires!(tool("ssh"), tool("sshd"), tool("ssh-keygen"));
    let scratch = Scratch::new();
    let door = match door(&scratch) {
        Ok(door) => door,
        Err(reason) => skip!("{reason}"),
    };
    let proxy = free_address();
    let mut words = ssh_words(&door, &door.upstream.direct);
    let host = words.pop().expect("a host");
    let command = tool("ssh").args(words).args(["-v", "-N", "-D", &proxy.to_string(), &host]);
    // With -v it says so when it listens.
    let _ssh = Daemon::starts(command, Signal::TERM, "Entering interactive session");
    let (server, echo) = served(["--echo"]);
    let bytes = pattern(if quick() { 1 << 16 } else { 1 << 20 }, 11);
    let file = scratch.file("sent", &bytes);
    for scheme in ["socks5", "socks5h", "socks4", "socks4a"] {
        let url = format!("{scheme}://{proxy}");
        let command = callbox(["connect", &echo.to_string(), "--proxy", &url, "--send-file"]).arg(&file);
        assert_same_bytes(scheme, &bytes, &command.run().exited(0).quietly().stdout);
    }
    server.drains().said("served 4 sessions");
}

/// Makes a folder with some files of all sizes, one of them large.
fn tree(at: &Path) {
    std::fs::create_dir_all(at.join("deep/er")).expect("own folder");
    for number in 0..60_usize {
        let folder = ["", "deep", "deep/er"][number % 3];
        std::fs::write(at.join(folder).join(format!("{number}.bin")), pattern(number * number * 7, number as u64))
            .expect("own file");
    }
    std::fs::write(at.join("large"), pattern(if quick() { 1 << 20 } else { 8 << 20 }, 99)).expect("own file");
}

#[test]
fn rsync_copies_the_same_both_ways() {
    requires!(tool("rsync"), tool("ssh"), tool("sshd"), tool("ssh-keygen"), tool("diff"));
    let scratch = Scratch::new();
    let door = match door(&scratch) {
        Ok(door) => door,
        Err(reason) => skip!("{reason}"),
    };
    let source = scratch.join("source");
    tree(&source);
    same(&door.upstream, &BY_PORT, |target| {
        let copies = Scratch::new();
        let (there, back) = (copies.join("there"), copies.join("back"));
        let mut words = ssh_words(&door, target);
        let host = words.pop().expect("a host");
        let rsync = || tool("rsync").args(["-a", "--stats", "-e"]).arg(format!("ssh {}", words.join(" ")));
        let sent = rsync().arg(format!("{}/", source.display())).arg(format!("{host}:{}/", there.display()));
        let sent = String::from_utf8_lossy(&sent.run().exited(0).stdout).into_owned();
        rsync().arg(format!("{host}:{}/", there.display())).arg(format!("{}/", back.display())).run().exited(0);
        tool("diff").arg("-r").arg(&source).arg(&back).run().exited(0).wrote("");
        // A second time nothing is left to send.
        let again = rsync().arg(format!("{}/", source.display())).arg(format!("{host}:{}/", there.display()));
        let again = String::from_utf8_lossy(&again.run().exited(0).stdout).into_owned();
        let of = |text: &str| {
            let line = text.lines().find(|line| line.contains("regular files transferred")).map(str::to_owned);
            line.unwrap_or_else(|| panic!("{text}"))
        };
        (of(&sent), of(&again))
    });
}
