//! Sees a child off: it is told to end, then made to, and reaped, whatever happens to the session.

use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Groups;

/// The session's view of its child. Dropping it means the same as [`Reaper::session_over`], without waiting.
pub(super) struct Reaper {
    over: Option<oneshot::Sender<()>>,
    exited: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Reaper {
    /// Waits until the child has exited; its group may live on.
    pub(super) async fn exited(&mut self) {
        // An error means that the task is gone, and with it the child.
        let _ = self.exited.wait_for(|exited| *exited).await;
    }

    /// Says that the session needs the child no more, and waits until its whole group is gone.
    pub(super) async fn session_over(mut self) {
        self.over.take();
        let _ = (&mut self.task).await;
    }
}

/// Takes charge of a child that leads its process group; `place` is held until it is gone.
pub(super) fn watch(
    mut child: Child,
    grace: Duration,
    groups: Groups,
    place: OwnedSemaphorePermit,
) -> io::Result<Reaper> {
    let group = Pid::from_child(&child);
    let exit = match Exit::of(group) {
        Ok(exit) => exit,
        Err(error) => {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.wait();
            return Err(error);
        }
    };
    groups.change(|groups| groups.insert(group));
    let (over, is_over) = oneshot::channel();
    let (announce, exited) = watch::channel(false);
    let task = tokio::spawn(async move {
        see_off(&exit, group, grace, is_over, announce).await;
        // The leader is not reaped yet, so the number still means this group: whoever is left in it goes now.
        let _ = kill_process_group(group, Signal::KILL);
        groups.change(|groups| groups.remove(&group));
        let _ = child.wait();
        drop(place);
    });
    Ok(Reaper { over: Some(over), exited, task })
}

/// Returns when the child has exited and the session needs it no more.
async fn see_off(
    exit: &Exit,
    group: Pid,
    grace: Duration,
    mut is_over: oneshot::Receiver<()>,
    announce: watch::Sender<bool>,
) {
    tokio::select! {
        biased;
        () = exit.wait() => {
            announce.send_replace(true);
            // Its output may still be on the way, through a grandchild too.
            let _ = is_over.await;
            return;
        }
        _ = &mut is_over => {}
    }
    // Its input and output are closed: most programs end by themselves now.
    for signal in [Signal::TERM, Signal::KILL] {
        if timeout(grace, exit.wait()).await.is_ok() {
            return;
        }
        let _ = kill_process_group(group, signal);
    }
    exit.wait().await;
}

/// The exit of a process, to be waited for without reaping it.
struct Exit {
    #[cfg(target_os = "linux")]
    process: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
    #[cfg(not(target_os = "linux"))]
    process: Pid,
}

impl Exit {
    #[cfg(target_os = "linux")]
    fn of(process: Pid) -> io::Result<Exit> {
        let process = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty())?;
        let process = crate::net::sys::register(process, tokio::io::Interest::READABLE)?;
        Ok(Exit { process })
    }

    #[cfg(target_os = "linux")]
    async fn wait(&self) {
        // Readable from the moment the process is a zombie; that never passes.
        let _ = self.process.readable().await;
    }

    #[cfg(not(target_os = "linux"))]
    fn of(process: Pid) -> io::Result<Exit> {
        Ok(Exit { process })
    }

    #[cfg(not(target_os = "linux"))]
    async fn wait(&self) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while let Ok(None) = waitid(WaitId::Pid(self.process), options) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
