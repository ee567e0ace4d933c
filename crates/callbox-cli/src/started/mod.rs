//! How callbox was started, and by whom it is looked after: sockets that were passed, the service manager that wants to
//! hear, what a signal has read again, the user it becomes.
//!
//! The environment is read once, before any thread is there.

mod notify;
mod passed;
mod reload;
mod user;

pub use notify::Notify;
pub use passed::{FIRST_PASSED, Passed};
pub use reload::Reloads;
pub use user::Identity;

use callbox::Addr;
use callbox::error::{Error, Kind};
use callbox::workers::Workers;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::args::AccessArgs;
use crate::exit::Failure;
use crate::signal::Signals;

/// What looks after a server.
pub struct Service {
    /// The sockets that were passed.
    pub passed: Passed,
    /// What SIGHUP has read again.
    pub reloads: Reloads,
    notify: Notify,
    user: Option<Identity>,
    watchdog: Option<JoinHandle<()>>,
}

impl Service {
    /// Reads the environment and finds the user.
    ///
    /// # Errors
    ///
    /// There is no such user, or only root could become it.
    pub fn new(user: Option<&str>) -> Result<Service, Failure> {
        let user = user.map(Identity::find).transpose()?;
        let (passed, notify) = (Passed::from_environment(), Notify::from_environment());
        Ok(Service { passed, reloads: Reloads::default(), notify, user, watchdog: None })
    }

    /// Says what of the environment was left alone, and has a hangup reload where there is something to reload: all that
    /// there is must have been added before.
    ///
    /// # Errors
    ///
    /// The system gives no handler for the signal.
    pub fn begin(&self, app: &App, signals: &mut Signals, addrs: &[Addr]) -> Result<(), Failure> {
        for notice in self.passed.notices(addrs).into_iter().chain(self.notify.notice()) {
            app.say(notice);
        }
        if !self.reloads.is_empty() {
            signals.reload_on_hangup().map_err(|error| Failure::local("listen to signals", &error))?;
        }
        Ok(())
    }

    /// Has the lists of who may connect read again on SIGHUP, where they come from files; returns the handle on them.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn access(&mut self, args: &AccessArgs) -> Result<callbox::access::Access, Failure> {
        let access = callbox::access::Access::new(args.read()?);
        if args.has_files() {
            let (args, shared) = (args.clone(), access.clone());
            self.reloads.add(move || {
                shared.replace(args.read()?);
                Ok("read again who may connect".to_owned())
            });
        }
        Ok(access)
    }

    /// Becomes the user that was asked for: everything is bound.
    ///
    /// # Errors
    ///
    /// The system did not do all of it; nothing may go on then.
    pub fn become_user(&self) -> Result<(), Failure> {
        self.user.as_ref().map_or(Ok(()), Identity::assume)
    }

    /// Tells the service manager that clients are served, and from here on that all workers still run.
    pub fn ready(&mut self, addrs: &[Addr], workers: Workers) {
        let list: Vec<String> = addrs.iter().map(Addr::to_string).collect();
        self.notify.ready(&format!("listening on {}", list.join(", ")));
        if let Some(interval) = self.notify.watchdog() {
            let notify = self.notify.clone();
            self.watchdog = Some(tokio::spawn(async move {
                loop {
                    // This task runs where connections are accepted, and the others answer too: a hang of any is seen.
                    workers.answer().await;
                    notify.alive();
                    tokio::time::sleep(interval).await;
                }
            }));
        }
    }

    /// Has everything read again, beside the running server.
    pub fn reload(&mut self) {
        self.notify.reloading();
        self.reloads.start();
    }

    /// Waits until what was read again is there, and says how that went; for ever where nothing is being read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn reloaded(&mut self, app: &App) {
        for outcome in self.reloads.done().await {
            match outcome {
                Ok(message) => app.tell(message),
                Err(failure) => {
                    let kind = if failure.code == crate::exit::USAGE { Kind::Invalid } else { Kind::Io };
                    app.failed(Error::new("reload", kind, format!("{}; what was read before stays", failure.message)));
                }
            }
        }
        // Asked for once more meanwhile, it is still at it.
        if !self.reloads.is_reading() {
            self.notify.again_ready();
        }
    }

    /// Tells the service manager in a line what is going on.
    pub fn status(&self, status: &str) {
        self.notify.status(status);
    }

    /// Tells the service manager that no more is accepted.
    pub fn stopping(&self) {
        self.notify.stopping();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
    }
}
