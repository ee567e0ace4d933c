//! Each direction ends by itself.

use callbox::Stream;

use crate::ends::{Ends, pattern, read_to_end, within};

/// Enough for many turns.
const MUCH: usize = 3 << 20;

/// More than any kind of stream holds on its way: the kernel's buffers grow to a dozen MiB by default.
const FULL: usize = 32 << 20;

macro_rules! each_kind {
    ($($kind:ident),*) => { $(
        mod $kind {
            use super::*;

            #[tokio::test]
            async fn the_client_ends_first_and_still_receives() {
                let ends = Ends::$kind().await;
                end_first_and_still_receive(ends.client, ends.server).await;
            }

            #[tokio::test]
            async fn the_server_ends_first_and_still_receives() {
                let ends = Ends::$kind().await;
                end_first_and_still_receive(ends.server, ends.client).await;
            }

            #[tokio::test]
            async fn the_clients_end_gets_through_while_the_other_direction_is_full() {
                let ends = Ends::$kind().await;
                end_while_the_other_direction_is_full(ends.client, ends.server).await;
            }

            #[tokio::test]
            async fn the_servers_end_gets_through_while_the_other_direction_is_full() {
                let ends = Ends::$kind().await;
                end_while_the_other_direction_is_full(ends.server, ends.client).await;
            }
        }
    )* };
}

each_kind!(tcp, unix, memory);

async fn end_first_and_still_receive(mut first: Stream, mut second: Stream) {
    let (early, late) = (pattern(1000), pattern(MUCH));
    first.write_all(&early).await.expect("writes");
    first.shutdown().await.expect("ends");
    assert!(read_to_end(&mut second).await.expect("the end of stream") == early);
    assert_eq!(second.chunk().await.expect("still the end of stream"), None);
    assert!(first.write_all(b"x").await.is_err(), "our end of stream has been sent");
    let writing = async {
        second.write_all(&late).await.expect("the other direction is open");
        second.shutdown().await.expect("ends");
    };
    let (received, ()) = within("both sides are done", async { tokio::join!(read_to_end(&mut first), writing) }).await;
    assert!(received.expect("the end of stream") == late, "{MUCH} bytes arrive as they were sent");
    counted(&first, late.len(), early.len());
    counted(&second, early.len(), late.len());
}

fn counted(stream: &Stream, received: usize, sent: usize) {
    let (meter, role) = (stream.session().meter(), stream.session().role());
    let counts = (meter.bytes(role.inbound()), meter.bytes(role.outbound()));
    assert_eq!(counts, (received as u64, sent as u64), "{role:?}");
}

async fn end_while_the_other_direction_is_full(mut first: Stream, second: Stream) {
    let much = pattern(1 << 20).repeat(FULL >> 20);
    let (mut reader, mut writer) = second.split();
    let mut flooding = Box::pin(async {
        writer.write_all(&much).await.expect("read in the end");
        writer.shutdown().await.expect("ends");
    });
    // Nobody reads that yet.
    let full = poll_through(flooding.as_mut()).await;
    assert!(!full, "more than the way holds");
    first.write_all(b"the last").await.expect("this direction is free");
    first.shutdown().await.expect("ends");
    assert_eq!(within("the last chunk", reader.chunk()).await.expect("reads").as_deref(), Some(&b"the last"[..]));
    assert_eq!(within("the end of stream", reader.chunk()).await.expect("reads"), None);
    let (received, ()) = within("the flood is over", async { tokio::join!(read_to_end(&mut first), flooding) }).await;
    assert!(received.expect("the end of stream") == much, "{FULL} bytes arrive as they were sent");
}

/// Polls until nothing more happens at once; tells whether that was the end.
async fn poll_through(mut future: std::pin::Pin<&mut (impl Future<Output = ()> + ?Sized)>) -> bool {
    for _ in 0..100 {
        let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await;
        if poll.is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}
