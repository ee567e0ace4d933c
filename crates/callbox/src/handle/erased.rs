//! A handler whose type nobody needs to know any more.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::Result;
use crate::handle::Handler;
use crate::net::stream::Stream;
use crate::session::Session;

/// Any handler, behind one type; clones share it.
///
/// A server is compiled anew for each type of handler, which makes sessions small and fast, and programs large. Where a
/// session may cost one allocation more, this keeps several handlers of a program from being several servers.
#[derive(Clone)]
pub struct Erased(Arc<dyn Erase>);

type Talking<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

trait Erase: Send + Sync {
    fn talk(&self, session: Session, stream: Stream) -> Talking<'_>;
    fn counters(&self, count: &mut dyn FnMut(&'static str, u64));
    fn is_short(&self) -> bool;
}

impl<H: Handler> Erase for H {
    fn talk(&self, session: Session, stream: Stream) -> Talking<'_> {
        Box::pin(Handler::handle(self, session, stream))
    }

    fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        Handler::counters(self, count);
    }

    fn is_short(&self) -> bool {
        Handler::is_short(self)
    }
}

impl Erased {
    /// Forgets the type of a handler.
    pub fn new(handler: impl Handler) -> Erased {
        Erased(Arc::new(handler))
    }
}

impl Handler for Erased {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        self.0.talk(session, stream).await
    }

    fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        self.0.counters(count);
    }

    fn is_short(&self) -> bool {
        self.0.is_short()
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Erased")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::echo::Echo;

    #[tokio::test]
    async fn it_talks_as_the_handler_inside() {
        let (mut client, server) = Stream::pair();
        let session = server.session().clone();
        let serving = tokio::spawn(async move { Erased::new(Echo).handle(session, server).await });
        client.write_all(b"hello").await.expect("writes");
        client.shutdown().await.expect("ends");
        assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"hello"[..]));
        assert_eq!(client.chunk().await.expect("reads"), None);
        serving.await.expect("no panic").expect("echoes");
    }
}
