//! A session that runs on its worker, with what it holds of the server.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::shared::Shared;
use crate::conduct::Conduct;
use crate::error::Result;
use crate::net::admit::Slot;
use crate::workers::Place;

pin_project! {
    /// A session with what it holds of the server; given back when it is over or its runtime goes away, the socket first.
    pub(super) struct Seated<F> {
        #[pin]
        pub(super) session: Conduct<F>,
        pub(super) shared: Arc<Shared>,
        pub(super) place: Place,
        pub(super) slot: Slot,
    }
}

impl<F: Future<Output = Result<()>>> Future for Seated<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let report = ready!(this.session.poll_until_over(cx, this.shared.options.closing));
        this.shared.leave(&report);
        Poll::Ready(())
    }
}
