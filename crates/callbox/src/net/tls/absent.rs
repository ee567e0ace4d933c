//! What stands for TLS where it is not built in: types that have no values.

use std::convert::Infallible;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::TlsFacts;
use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::event::Refusal;

/// How a client speaks TLS: not at all, without the feature `tls`.
#[derive(Debug, Clone)]
pub struct ClientTls(Infallible);

/// How a server speaks TLS: not at all, without the feature `tls`.
#[derive(Debug, Clone)]
pub struct ServerTls(Infallible);

pub(crate) struct Tls(Infallible);

#[derive(Debug)]
pub(crate) struct Unmet {
    never: Infallible,
    pub(crate) reason: Refusal,
    pub(crate) message: String,
}

impl ClientTls {
    /// Cannot make one.
    pub(crate) fn by_default() -> Result<ClientTls> {
        Err(Error::new("prepare TLS", Kind::Invalid, "TLS is not built in (the feature \"tls\" is off)"))
    }

    pub(crate) async fn connect(&self, _: AsyncFd<OwnedFd>, _: &Addr, _: Option<Instant>) -> Result<Tls> {
        match self.0 {}
    }
}

impl ServerTls {
    pub(crate) async fn accept(&self, _: AsyncFd<OwnedFd>) -> std::result::Result<Tls, Unmet> {
        match self.0 {}
    }
}

impl Unmet {
    pub(crate) async fn part(self) {
        match self.never {}
    }
}

impl Tls {
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(crate) fn facts(&self) -> &Arc<TlsFacts> {
        match self.0 {}
    }

    pub(crate) fn poll_read(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    pub(crate) fn poll_write(&self, _: &mut Context<'_>, _: &[u8], _: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    pub(crate) fn unclaimed(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn poll_close(&self, _: &mut Context<'_>, _: impl FnMut(&[u8])) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn reset_on_close(&self) {
        match self.0 {}
    }

    pub(crate) fn farewell(&self, _: impl FnMut(&[u8])) {
        match self.0 {}
    }
}
