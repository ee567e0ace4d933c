//! What the edge makes of a connection on which nobody reads.

use std::future::poll_fn;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};

use tokio::time::timeout;

use super::{Duration, Edge, Role, Session, state, sys};
use crate::observers::Observers;
use crate::report::SessionId;

/// Connects; ours is an edge that nobody reads.
fn pair() -> (TcpStream, Edge) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let peer = TcpStream::connect(listener.local_addr().expect("asks")).expect("connects");
    let (ours, addr) = listener.accept().expect("accepts");
    ours.set_nonblocking(true).expect("sets");
    let session = Session::new(SessionId(1), Role::Server, addr.into(), Observers::none());
    (peer, Edge::socket(ours.into(), session).expect("registers"))
}

/// Waits until the kernel is done with the connection.
async fn is_closed(edge: &Edge) {
    let closed = async {
        while sys::tcp_state(edge.descriptor().expect("a socket")) != state::CLOSE {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), closed).await.expect("the kernel closes it");
}

#[tokio::test]
async fn a_connection_that_both_have_ended_was_not_reset_though_its_tail_is_unread() {
    let (mut peer, edge) = pair();
    poll_fn(|cx| edge.poll_shutdown(cx)).await.expect("ends");
    peer.write_all(b"tail").expect("writes");
    peer.shutdown(Shutdown::Write).expect("ends");
    is_closed(&edge).await;
    assert!(!edge.finds_reset());
    let mut tail = [0; 8];
    assert_eq!(poll_fn(|cx| edge.poll_read(cx, &mut tail)).await.expect("reads"), 4);
    assert_eq!(poll_fn(|cx| edge.poll_read(cx, &mut tail)).await.expect("reads"), 0);
}

#[tokio::test]
async fn a_reset_is_found_once_where_nobody_reads() {
    let (peer, edge) = pair();
    assert!(!edge.finds_reset(), "nothing has happened yet");
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("sets");
    drop(peer);
    is_closed(&edge).await;
    assert!(edge.finds_reset() && edge.is_lost());
    assert!(!edge.finds_reset(), "it is no news any more");
}

#[test]
fn two_of_them_fit_into_an_idle_session() {
    assert!(size_of::<Edge>() <= 88, "{} bytes", size_of::<Edge>());
}
