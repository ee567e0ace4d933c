//! What a service manager is told, over the socket that it names: sd_notify(3).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use callbox::text::safe;

/// How long the service manager may take to make room for a message.
const NOTIFY_PATIENCE: Duration = Duration::from_secs(1);

/// A wire to the service manager; without one nothing is told. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
    unusable: Option<String>,
}

impl Notify {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_environment() -> Notify {
        let read = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let Some(path) = read("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Notify::default();
        };
        match connect(&path) {
            Ok(socket) => {
                let pid = read("WATCHDOG_PID");
                let watchdog = watchdog(std::process::id(), read("WATCHDOG_USEC").as_deref(), pid.as_deref());
                Notify { socket: Some(Arc::new(socket)), watchdog, unusable: None }
            }
            Err(error) => {
                let why = callbox::error::plain(&error);
                let unusable =
                    Some(format!("NOTIFY_SOCKET {}: {why}; the service manager is told nothing", safe(&path)));
                Notify { unusable, ..Notify::default() }
            }
        }
    }

    /// Says that nothing can be told though it is wanted.
    pub fn notice(&self) -> Option<String> {
        self.unusable.clone()
    }

    /// Returns how often it wants to hear: half of what it waits.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Clients are served.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", safe(status)));
    }

    /// What was to be reloaded is.
    pub fn again_ready(&self) {
        self.send("READY=1");
    }

    /// Something is being reloaded; the time is that of the monotonic clock.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// No more is accepted.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=waiting for open sessions");
    }

    /// What is going on, in a line.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", safe(status)));
    }

    /// All workers run.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// A message that does not get through is lost: the service manager has its own deadlines.
    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match path.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
        }
        None if path.starts_with('/') => socket.connect(path)?,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path nor a name after @")),
    }
    socket.set_write_timeout(Some(NOTIFY_PATIENCE))?;
    Ok(socket)
}

/// Returns how often the watchdog is to be told, if it watches us.
fn watchdog(own: u32, micros: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let micros = micros?.parse::<u64>().ok().filter(|micros| *micros > 0 && ours)?;
    Some(Duration::from_micros(micros) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_told_twice_in_its_time_if_it_watches_us() {
        let half = |micros| Some(Duration::from_micros(micros));
        assert_eq!(watchdog(7, Some("2000000"), None), half(1_000_000));
        assert_eq!(watchdog(7, Some("2000000"), Some("7")), half(1_000_000));
        for (micros, pid) in [(Some("2000000"), Some("8")), (Some("0"), None), (Some("x"), None), (None, None)] {
            assert_eq!(watchdog(7, micros, pid), None);
        }
    }

    #[test]
    fn what_is_no_socket_is_said() {
        assert!(connect("vsock:2:1234").is_err() && connect("/nowhere/at/all").is_err());
    }
}
