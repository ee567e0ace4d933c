//! A reset is reported as a reset in both directions, after the bytes that came before it, by TCP and by in-memory
//! pairs; Unix sockets have none.

use callbox::net::sys::unacknowledged_bytes;
use callbox::termination::Termination;
use callbox::{Kind, Stream};

use crate::ends::{Ends, pattern, until, within};

macro_rules! each_kind {
    ($($kind:ident),*) => { $(
        mod $kind {
            use super::*;

            #[tokio::test]
            async fn a_reset_by_the_client_comes_after_its_bytes() {
                let Ends { client, server, running: _running } = Ends::$kind().await;
                let session = server.session().clone();
                reads_first(client, server).await;
                assert_eq!(session.termination(), Some(Termination::ClientReset));
            }

            #[tokio::test]
            async fn a_reset_by_the_server_comes_after_its_bytes() {
                let Ends { client, server, running: _running } = Ends::$kind().await;
                let session = client.session().clone();
                reads_first(server, client).await;
                assert_eq!(session.termination(), Some(Termination::ServerReset));
            }

            #[tokio::test]
            async fn a_reset_by_the_client_that_a_write_sees_first_is_no_end_of_stream() {
                let Ends { client, server, running: _running } = Ends::$kind().await;
                writes_first(client, server).await;
            }

            #[tokio::test]
            async fn a_reset_by_the_server_that_a_write_sees_first_is_no_end_of_stream() {
                let Ends { client, server, running: _running } = Ends::$kind().await;
                writes_first(server, client).await;
            }

            #[tokio::test]
            async fn a_reset_after_the_end_of_stream_is_a_reset() {
                let Ends { mut client, mut server, running: _running } = Ends::$kind().await;
                client.shutdown().await.expect("ends");
                assert_eq!(within("the end of stream", server.chunk()).await.expect("reads"), None);
                let session = server.session().clone();
                client.reset();
                let error = within("the reset", write_until_it_fails(&mut server)).await;
                assert_eq!(error, Kind::Reset);
                assert_eq!(session.termination(), Some(Termination::ClientReset), "bytes may be lost: this says more");
            }
        }
    )* };
}

each_kind!(tcp, memory);

/// Sends bytes, waits until the other's kernel has them, and aborts.
async fn send_and_reset(mut from: Stream, bytes: &[u8]) {
    from.write_all(bytes).await.expect("fits into the buffers");
    until("all is acknowledged", || {
        from.descriptor().is_none_or(|socket| unacknowledged_bytes(socket).expect("tells") == 0)
    })
    .await;
    from.reset();
}

async fn reads_first(from: Stream, mut to: Stream) {
    let sent = pattern(50_000);
    send_and_reset(from, &sent).await;
    assert_eq!(receive(&mut to, &sent).await, Kind::Reset);
    let again = within("the reset again", to.chunk()).await.expect_err("still a reset");
    assert_eq!(again.kind(), Kind::Reset);
    assert_eq!(to.write_all(b"x").await.expect_err("the other direction too").kind(), Kind::Reset);
    assert_eq!(to.shutdown().await.expect_err("nothing is left to end").kind(), Kind::Reset);
}

async fn writes_first(from: Stream, mut to: Stream) {
    let sent = pattern(50_000);
    send_and_reset(from, &sent).await;
    assert_eq!(within("the reset", write_until_it_fails(&mut to)).await, Kind::Reset);
    assert_eq!(receive(&mut to, &sent).await, Kind::Reset);
}

/// Receives what was sent, and then the error, whose kind it returns.
async fn receive(to: &mut Stream, sent: &[u8]) -> Kind {
    let mut received = Vec::new();
    loop {
        match within("a chunk or the reset", to.chunk()).await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => panic!("an end of stream after {} bytes, where a reset was", received.len()),
            Err(error) => {
                assert!(received == sent, "{} of {} bytes came before the reset", received.len(), sent.len());
                return error.kind();
            }
        }
    }
}

async fn write_until_it_fails(to: &mut Stream) -> Kind {
    loop {
        if let Err(error) = to.write_all(b"x").await {
            return error.kind();
        }
        tokio::task::yield_now().await;
    }
}
