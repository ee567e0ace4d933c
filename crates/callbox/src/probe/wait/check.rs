//! One look at one target.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::net::connect::{ConnectOptions, Target};
use crate::net::open::{Opened, open};
use crate::net::stream::Stream;
use crate::probe::question::{Heard, Question};
use crate::probe::{part, stream_of, until, whole_millis};
use crate::units::show_duration;

/// A target, and when it is ready.
#[derive(Debug, Clone)]
pub struct Check {
    /// Where.
    pub addr: Addr,
    /// How to connect. TLS and its like belong to a connection: without them there is none.
    pub options: ConnectOptions,
    /// When it is ready.
    pub ready: Ready,
}

/// When a target is ready; closed by nature.
#[derive(Debug, Clone)]
pub enum Ready {
    /// It can be connected to, and then these hold too.
    Reachable {
        /// This is answered.
        question: Option<Question>,
        /// The connection stays open for this long, from then on.
        stays_open: Option<Duration>,
    },
    /// Nobody accepts there any more: refused, reset, unreachable, not answered in time, or the name is gone. TLS and what else
    /// would be said on a connection is left out.
    Gone,
}

impl Ready {
    /// It can be connected to.
    pub fn connects() -> Ready {
        Ready::Reachable { question: None, stays_open: None }
    }

    /// It answers this.
    pub fn answers(question: Question) -> Ready {
        Ready::Reachable { question: Some(question), stays_open: None }
    }

    /// Connections to it stay open for this long.
    pub fn stays_open(time: Duration) -> Ready {
        Ready::Reachable { question: None, stays_open: Some(time) }
    }
}

impl Check {
    /// Makes one that is ready when it can be connected to.
    pub fn new(addr: Addr) -> Check {
        Check { addr, options: ConnectOptions::default(), ready: Ready::connects() }
    }

    /// Looks once, until `limit`. That a connection stays open may take longer than that, but not beyond `deadline`.
    pub(super) async fn look(&self, limit: Option<Instant>, deadline: Option<Instant>) -> Result<()> {
        let (question, stays_open) = match &self.ready {
            Ready::Reachable { question, stays_open } => (question, *stays_open),
            Ready::Gone => return self.look_for_nobody(limit).await,
        };
        let begun = Instant::now();
        let stream = stream_of(self.open(&self.options, limit).await?);
        if let Some(question) = question {
            let mut heard = Heard::default();
            let within = limit.map(|limit| whole_millis(limit - begun));
            let too_late = |heard: &Heard| question.too_late(heard, within.unwrap_or_default()).at(&self.addr);
            let asked = by(limit, question.ask(&stream, &mut heard)).await;
            asked.unwrap_or_else(|| Err(too_late(&heard)))?;
        }
        match stays_open {
            Some(time) => self.hold(stream, time, deadline).await,
            None => {
                part(stream).await;
                Ok(())
            }
        }
    }

    async fn open(&self, options: &ConnectOptions, limit: Option<Instant>) -> Result<Opened> {
        let options = until(options, limit);
        let within = options.timeout;
        let opened = by(limit, open(Target::Named(&self.addr), &options, &[])).await;
        opened.unwrap_or_else(|| {
            let within = show_duration(within.unwrap_or_default());
            Err(Error::new("connect", Kind::TimedOut, format!("timed out: no answer within {within}")).at(&self.addr))
        })
    }

    /// Sees whether the connection stays open. What still comes is nobody's.
    async fn hold(&self, mut stream: Stream, time: Duration, deadline: Option<Instant>) -> Result<()> {
        let begun = Instant::now();
        let enough = begun.checked_add(time);
        let ended = by(enough.into_iter().chain(deadline).min(), async {
            while stream.chunk().await?.is_some() {}
            Ok(())
        });
        let due = show_duration(time);
        let failed = |kind, message: String| Err(Error::new("hold", kind, message).at(&self.addr));
        match ended.await {
            None if enough.is_some_and(|enough| Instant::now() >= enough) => {
                part(stream).await;
                Ok(())
            }
            None => failed(Kind::TimedOut, format!("the time was over before it had stayed open for {due}")),
            Some(Ok(())) => {
                let after = show_duration(begun.elapsed());
                failed(Kind::Ended, format!("accepted, and closed after {after} instead of staying open for {due}"))
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// Sees that nobody accepts.
    async fn look_for_nobody(&self, limit: Option<Instant>) -> Result<()> {
        let options = ConnectOptions { tls: None, starttls: None, ..self.options.clone() };
        match self.open(&options, limit).await {
            Ok(opened) => {
                part(stream_of(opened)).await;
                Err(Error::new("connect", Kind::Io, "somebody still accepts there").at(&self.addr))
            }
            Err(error) if nobody_accepts(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Tells whether an error of connecting says that nobody accepts there, which a proxy on the way may say too.
pub(super) fn nobody_accepts(error: &Error) -> bool {
    let of_target = error.operation() != "connect to proxy" && error.kind() != Kind::Exhausted;
    match error.attempts() {
        [] => of_target && error.may_pass(),
        attempts => attempts.iter().all(nobody_accepts),
    }
}

async fn by<T>(limit: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => timeout_at(limit, future).await.ok(),
        None => Some(future.await),
    }
}
