//! HTTP/1.1 on the loopback sockets of the control API, with a limit on everything that a client can make long.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, LOCATION, SERVER, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::fleet::Fleet;
use super::guard::Guard;
use super::reply::Reply;
use super::route::{Asked, answer};

/// Longest body.
const BODY_BYTES: usize = 1 << 20;
/// Longest head.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a head may take, and how long a connection may be silent between two.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may last; then it ends after the request that it is at.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// And how long that last one may take, for a client that does not read its answer.
const LAST_ANSWER: Duration = Duration::from_secs(60);
/// Connections at once, on each address; others wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// After accepting has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection needs.
pub(super) struct Desk {
    pub(super) fleet: Fleet,
    pub(super) guard: Guard,
    requests: AtomicU64,
}

impl Desk {
    pub(super) fn new(fleet: Fleet, guard: Guard) -> Arc<Desk> {
        Arc::new(Desk { fleet, guard, requests: AtomicU64::new(1) })
    }
}

/// Serves until the future is dropped, which closes every connection.
pub(super) async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let slot = slots.clone().acquire_owned().await.expect("never closed");
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small, and somebody waits for each.
        let _ = socket.set_nodelay(true);
        let desk = desk.clone();
        connections.spawn(async move {
            let service = service_fn(|request| respond(&desk, request));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(HEAD_BYTES);
            let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
            // A client that breaks off has its reasons.
            if timeout(CONNECTION_LIFE, connection.as_mut()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(LAST_ANSWER, connection).await;
            }
            drop(slot);
        });
    }
}

async fn respond(desk: &Desk, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let refused = desk.guard.refuse(head.version, &head.uri, &head.headers);
    let has_body = !body.is_end_stream();
    let (reply, close) = match refused {
        // What it sends behind its head is not read.
        Some(reply) => (reply, has_body),
        None => match read(body).await {
            Ok(body) => {
                let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let asked = Asked {
                    method: head.method.as_str(),
                    path: head.uri.path(),
                    query: head.uri.query().unwrap_or_default(),
                    content_type: content_type.unwrap_or_default(),
                    body: &body,
                };
                (answer(&desk.fleet, &asked).await, false)
            }
            Err(status) => (Reply::empty(status), true),
        },
    };
    let number = desk.requests.fetch_add(1, Relaxed);
    Ok(respond_with(reply, number, close))
}

/// Reads a body; the error is a status.
async fn read(body: Incoming) -> Result<Bytes, u16> {
    match timeout(BODY_PATIENCE, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(413),
        Ok(Err(_)) => Err(400),
        Err(_) => Err(408),
    }
}

fn respond_with(reply: Reply, number: u64, close: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(content_type) = reply.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(LOCATION, location);
    }
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(SERVER, HeaderValue::from_static(concat!("callbox/", env!("CARGO_PKG_VERSION"))));
    let id = HeaderValue::try_from(format!("{number:020}")).expect("digits");
    headers.insert("x-toxiproxy-request-id", id);
    response
}
