//! Unix sockets by path: making room, binding with a mode, removing what was bound, and names without a file.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};

/// The longest path of a socket, in bytes: `sun_path` with the zero at its end.
#[cfg(target_os = "linux")]
pub const PATH_BYTES: usize = 107;
/// The longest path of a socket, in bytes: what the BSDs have, and macOS.
#[cfg(not(target_os = "linux"))]
pub const PATH_BYTES: usize = 103;

/// How long others that bind in the same folder are waited for: all they do is make a socket.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Returns a path as the system takes it: on Linux `@name` is a name without a file, of which the first byte is zero.
///
/// # Errors
///
/// A path that is too long for a socket.
pub(crate) fn system_path(path: &Path) -> io::Result<Cow<'_, Path>> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > PATH_BYTES {
        let message = format!("the path of a socket has {PATH_BYTES} bytes at most, and this one {}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(match bytes.strip_prefix(b"@") {
        Some(name) if is_abstract(path) => Cow::Owned(PathBuf::from(zero_first(name))),
        _ => Cow::Borrowed(path),
    })
}

fn zero_first(name: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec([b"\0", name].concat())
}

/// Tells whether a name has no file behind it: `@name`, on Linux. A file of that name is `./@name`.
pub fn is_abstract(path: &Path) -> bool {
    cfg!(target_os = "linux") && path.as_os_str().as_bytes().starts_with(b"@")
}

/// Returns the address of a Unix socket that is bound, as it is written: by its path, or `@name`.
pub(crate) fn bound_path(name: &socket2::SockAddr) -> Option<PathBuf> {
    if let Some(path) = name.as_pathname() {
        return Some(path.to_owned());
    }
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_abstract_namespace() {
        return Some(PathBuf::from(std::ffi::OsStr::from_bytes(&[b"@", name].concat())));
    }
    None
}

/// Binds and listens. What is at the path already is removed if it is our own socket and nobody listens there.
///
/// Nobody can connect before the mode is set: that happens between bind and listen.
///
/// # Errors
///
/// A path that is too long, another file there, another user's socket, a socket that somebody listens at, and whatever
/// the system reports.
pub(crate) async fn bind(path: &Path, backlog: u32, mode: u32) -> io::Result<(OwnedFd, Option<SocketPath>)> {
    let name = socket2::SockAddr::unix(system_path(path)?)?;
    let kind = socket2::Type::STREAM.nonblocking().cloexec();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, kind, None)?;
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    if is_abstract(path) {
        socket.bind(&name)?;
        socket.listen(backlog)?;
        return Ok((socket.into(), None));
    }
    // Until it listens a socket looks dead, so two that start at once would each remove the other's.
    let _lock = lock_folder(path).await?;
    remove_dead_socket(path)?;
    // On Linux the path inherits the mode of the socket, less what the umask takes.
    #[cfg(target_os = "linux")]
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
    socket.bind(&name)?;
    let guard = SocketPath::of(path)?;
    set_mode(path, mode)?;
    socket.listen(backlog)?;
    Ok((socket.into(), Some(guard)))
}

/// Sets the mode of a socket that was just bound, where the umask has taken from it. A link that somebody has put in its
/// place meanwhile is not followed.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.mode() & 0o777 == mode {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let found = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) != rustix::fs::FileType::Socket {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody has put something else in its place"));
        }
        let by_number = format!("/proc/self/fd/{}", found.as_raw_fd());
        Ok(rustix::fs::chmod(by_number, Mode::from_raw_mode(mode))?)
    }
    #[cfg(not(target_os = "linux"))]
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode as _))?)
}

/// Keeps others that lock it out of a socket's folder, until the file is dropped; none where the folder cannot be opened.
async fn lock_folder(path: &Path) -> io::Result<Option<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = match rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(folder) => File::from(folder),
        Err(rustix::io::Errno::NOENT) => return Err(io::Error::new(io::ErrorKind::NotFound, "no such folder")),
        Err(_) => return Ok(None),
    };
    let until = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(folder)),
            Err(rustix::io::Errno::WOULDBLOCK) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            // In a folder of all, anybody can hold it. Where nothing is to be removed, it is not needed.
            Err(rustix::io::Errno::WOULDBLOCK) if path.symlink_metadata().is_err() => return Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process holds the lock of its folder"));
            }
            // Some file systems have no locks.
            Err(_) => return Ok(None),
        }
    }
}

/// Makes room for a socket: removes what is there only if it is a socket of ours at which nobody listens.
fn remove_dead_socket(path: &Path) -> io::Result<()> {
    let in_use = |message| Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return in_use("something that is not a socket is there");
    }
    // Without waiting: whoever listens there may have a full queue.
    let kind = socket2::Type::STREAM.nonblocking().cloexec();
    let probe = socket2::Socket::new(socket2::Domain::UNIX, kind, None)?;
    match probe.connect(&socket2::SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return in_use("another user's socket is there");
        }
        _ => return in_use("somebody listens there"),
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return in_use("another user's socket is there");
    }
    std::fs::remove_file(path)
}

/// A path that we bound: removed when this is dropped, if it is still the one.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    file: (u64, u64),
}

impl SocketPath {
    fn of(path: &Path) -> io::Result<SocketPath> {
        Ok(SocketPath { path: path.to_owned(), file: file(path)? })
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // Whoever has taken the place of ours meanwhile keeps it.
        if file(&self.path).is_ok_and(|now| now == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn file(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("callbox-unix-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("creates");
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn fails(path: &Path) -> String {
        bind(path, 1, 0o600).await.expect_err("is refused").to_string()
    }

    #[tokio::test]
    async fn the_mode_is_what_was_asked_for_whatever_the_umask() {
        let folder = Folder::new("mode");
        for mode in [0o600, 0o660, 0o666, 0o777, 0o200] {
            let path = folder.0.join(format!("{mode:o}"));
            let _bound = bind(&path, 1, mode).await.expect("binds");
            assert_eq!(std::fs::metadata(&path).expect("is there").mode() & 0o777, mode, "{mode:o}");
        }
    }

    #[tokio::test]
    async fn row_120_a_path_that_cannot_be_is_told() {
        let folder = Folder::new("row-120");
        assert!(fails(&folder.0.join("x".repeat(200))).await.contains("107 bytes at most"));
        assert_eq!(fails(&folder.0.join("gone/s")).await, "no such folder");
        let path = folder.0.join("file");
        std::fs::write(&path, "kept").expect("writes");
        assert!(fails(&path).await.contains("not a socket"));
        assert_eq!(std::fs::read(&path).expect("is there"), b"kept");
        let (link, target) = (folder.0.join("link"), folder.0.join("target"));
        drop(std::os::unix::net::UnixListener::bind(&target).expect("binds"));
        std::os::unix::fs::symlink(&target, &link).expect("links");
        assert!(fails(&link).await.contains("not a socket"), "a link is not followed");
        let exact = folder.0.join("y".repeat(PATH_BYTES - folder.0.as_os_str().len() - 1));
        bind(&exact, 1, 0o600).await.expect("just fits");
    }

    #[tokio::test]
    async fn row_120_two_that_start_at_once_never_remove_each_other() {
        let folder = Folder::new("race");
        let path = folder.0.join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
        let (one, other) = tokio::join!(bind(&path, 1, 0o600), bind(&path, 1, 0o600));
        assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
        std::os::unix::net::UnixStream::connect(&path).expect("the one is there");
    }

    #[tokio::test]
    async fn who_listens_with_a_full_queue_is_not_waited_for() {
        let folder = Folder::new("full");
        let path = folder.0.join("s");
        let _bound = bind(&path, 0, 0o600).await.expect("binds");
        let _queued = std::os::unix::net::UnixStream::connect(&path).expect("one fits");
        assert_eq!(fails(&path).await, "somebody listens there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_not_given_up_hinders_only_a_removal() {
        let folder = Folder::new("lock");
        let held = File::open(&folder.0).expect("opens");
        rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).expect("locks");
        let (new, dead) = (folder.0.join("new"), folder.0.join("dead"));
        let _bound = bind(&new, 1, 0o600).await.expect("binds");
        drop(std::os::unix::net::UnixListener::bind(&dead).expect("binds"));
        assert_eq!(fails(&dead).await, "another process holds the lock of its folder");
        assert!(dead.exists());
    }

    #[tokio::test]
    async fn what_took_our_place_is_not_removed() {
        let folder = Folder::new("place");
        let path = folder.0.join("s");
        let bound = bind(&path, 1, 0o600).await.expect("binds");
        std::fs::remove_file(&path).expect("removes");
        std::fs::write(&path, "other").expect("writes");
        drop(bound);
        assert!(path.exists());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_name_without_a_file_is_bound_and_leaves_nothing() {
        let name = PathBuf::from(format!("@callbox-test-{}", std::process::id()));
        let (bound, guard) = bind(&name, 1, 0o600).await.expect("binds");
        assert!(guard.is_none() && !name.exists());
        let found = socket2::SockRef::from(&bound).local_addr().expect("is bound");
        assert_eq!(bound_path(&found), Some(name.clone()));
        assert!(fails(&name).await.contains("in use"));
        tokio::net::UnixStream::connect(system_path(&name).expect("fits")).await.expect("connects");
    }
}
