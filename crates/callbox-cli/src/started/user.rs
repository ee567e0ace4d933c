//! Becoming another user, for good.

use std::io;

use nix::unistd::{Gid, Group, Uid, User, geteuid};
#[cfg(not(target_vendor = "apple"))]
use nix::unistd::{getegid, getgid, getgroups, getuid, setgid, setgroups, setuid};

use crate::exit::Failure;

/// Whom callbox becomes once everything is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    uid: Uid,
    gid: Gid,
}

impl Identity {
    /// Finds `NAME[:GROUP]`, names or numbers.
    ///
    /// # Errors
    ///
    /// We are not root, there is no such user or group, or it is root itself.
    pub fn find(text: &str) -> Result<Identity, Failure> {
        let usage = |problem: String| Failure::usage(format!("--user {text}: {problem}"));
        if !geteuid().is_root() {
            let failure = usage("only root can become another user".into());
            return Err(failure.hint("start it as that user, or leave --user out"));
        }
        let failed = |error: nix::Error| Failure::local(&format!("look up --user {text}"), &io::Error::from(error));
        let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
        let user = User::from_name(name).map_err(failed)?;
        let number = || name.parse::<u32>().ok().map(Uid::from_raw);
        let (uid, own_group) = match (user, number()) {
            (Some(user), _) => (user.uid, Some(user.gid)),
            (None, Some(uid)) => (uid, User::from_uid(uid).map_err(failed)?.map(|user| user.gid)),
            (None, None) => return Err(usage("there is no such user".into())),
        };
        let gid = match group {
            None => own_group.ok_or_else(|| usage("of a user without a name the group is to be said too".into()))?,
            Some(group) => match (Group::from_name(group).map_err(failed)?, group.parse::<u32>()) {
                (Some(group), _) => group.gid,
                (None, Ok(gid)) => Gid::from_raw(gid),
                (None, Err(_)) => return Err(usage(format!("there is no group {group}"))),
            },
        };
        if uid.is_root() || uid.as_raw() == u32::MAX || gid.as_raw() == u32::MAX {
            return Err(usage("that gives nothing up; name another user".into()));
        }
        Ok(Identity { uid, gid })
    }

    /// Becomes it: groups first, then the group, then the user, in all threads. The other order would lose the right to
    /// the rest.
    ///
    /// # Errors
    ///
    /// A step failed, or did less than it says.
    #[cfg(not(target_vendor = "apple"))]
    pub fn assume(&self) -> Result<(), Failure> {
        let failed = |step: &'static str| {
            move |error: nix::Error| Failure::local(&format!("become another user ({step})"), &io::Error::from(error))
        };
        setgroups(&[self.gid]).map_err(failed("setgroups"))?;
        setgid(self.gid).map_err(failed("setgid"))?;
        setuid(self.uid).map_err(failed("setuid"))?;
        self.verify().map_err(|problem| Failure::new(crate::exit::LOCAL, format!("become another user: {problem}")))
    }

    /// Becomes it: there groups cannot be given up in this way.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(target_vendor = "apple")]
    pub fn assume(&self) -> Result<(), Failure> {
        let message = format!("--user {}:{} is not available on this system", self.uid, self.gid);
        Err(Failure::new(crate::exit::LOCAL, message))
    }

    /// Looks whether that is whom we are now, and that there is no way back.
    #[cfg(not(target_vendor = "apple"))]
    fn verify(&self) -> Result<(), String> {
        let groups = getgroups().map_err(|error| error.to_string())?;
        let users = [getuid(), geteuid()];
        let own_groups = [getgid(), getegid()];
        if users != [self.uid; 2] || own_groups != [self.gid; 2] || groups != [self.gid] {
            return Err("the system left something of who we were".into());
        }
        if setuid(Uid::from_raw(0)).is_ok() || setgid(Gid::from_raw(0)).is_ok() {
            return Err("there is a way back to root".into());
        }
        // Threads have each their own on Linux, and the C library changes all of them.
        #[cfg(target_os = "linux")]
        self.verify_threads()?;
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn verify_threads(&self) -> Result<(), String> {
        let (uid, gid) = (self.uid.as_raw().to_string(), self.gid.as_raw().to_string());
        let threads = std::fs::read_dir("/proc/self/task").map_err(|error| format!("/proc/self/task: {error}"))?;
        for thread in threads.flatten() {
            // One that is gone meanwhile has nothing left.
            let Ok(status) = std::fs::read_to_string(thread.path().join("status")) else { continue };
            let says = |name: &str, wanted: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                line.split_whitespace().all(|word| word == wanted)
            };
            let without_rights = says("CapEff:", "0000000000000000") && says("CapPrm:", "0000000000000000");
            if !(says("Uid:", &uid) && says("Gid:", &gid) && without_rights) {
                return Err(format!("thread {} is still who it was", thread.file_name().display()));
            }
        }
        Ok(())
    }
}
