//! The HTTP/1.1 server for webhooks and for the admin listener.
//!
//! Everything a stranger can take is bounded: the time for a header and for a
//! body, the size of both, the number of connections. When all connections are
//! taken, the oldest one that has not got as far as a complete request makes
//! room, so a crowd of trickling sockets cannot keep a webhook out. So does the
//! one whose body has been on its way for longest, when strangers' bodies together
//! take too much memory; and of a body that changes nothing, nothing is kept.

use bytes::Bytes;
use bytes::BytesMut;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use integration_gateway::Sender;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Request line and headers together. hyper looks at it between two reads, so a
/// header of up to twice as much may pass.
const HEADER_BYTES: usize = 64 << 10;

/// Of a body that changes nothing so much is read, and thrown away: whoever is
/// answered while it still sends may see a broken connection and no answer.
const IGNORED_BYTES: usize = 64 << 10;

/// So much is kept of the bodies of strangers that are still on their way.
const STRANGERS_BYTES: usize = 64 << 20;

/// What one client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// For the whole header, and for the wait between two requests.
    pub header_timeout: Duration,
    /// For the whole body, from the end of the header.
    pub body_timeout: Duration,
    /// Connections at a time.
    pub connections: usize,
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// A longer body on this path is answered 413 before it has been read.
    fn body_limit(&self, path: &str) -> usize;

    /// Told of each body that was longer than that.
    fn refused_a_long_body(&self, _path: &str) {}

    /// Told of each body that did not arrive in time.
    fn refused_a_slow_body(&self, _path: &str) {}

    /// What the head tells of the sender. One that is refused is handled without
    /// its body.
    fn sender(&self, _head: &Parts) -> Sender {
        Sender::Proven
    }

    /// Answers one request, whose body is within the limits; or closes the
    /// connection without an answer, which makes some senders try again where
    /// an error would not.
    fn handle(
        &self,
        request: Request<Bytes>,
        peer: SocketAddr,
    ) -> impl Future<Output = Option<Response<Bytes>>> + Send;
}

/// A listening server. It runs until it is shut down or dropped.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
    connections: Arc<Connections>,
}

impl Server {
    /// Listens, and answers every request with the handler.
    pub async fn start(
        address: SocketAddr,
        limits: ServerLimits,
        handler: impl Handler,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let connections = Arc::new(Connections::default());
        let service = Arc::new(Service { limits, handler });
        let accepting = tokio::spawn(accept(listener, service, Arc::clone(&connections), stopped));
        Ok(Self {
            address,
            stop,
            accepting,
            connections,
        })
    }

    /// Where it listens: the port that was found, if it was asked for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and no more requests, and waits until the
    /// requests that are in have been answered, but no longer than `patience`.
    pub async fn shutdown(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let _ = (&mut self.accepting).await;
        let all_closed = async {
            while !self.connections.lock().open.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(patience, all_closed).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.connections.lock().open.values() {
            connection.task.abort();
        }
    }
}

async fn accept<H: Handler>(
    listener: TcpListener,
    service: Arc<Service<H>>,
    connections: Arc<Connections>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                if !connections.make_room(service.limits.connections) {
                    tracing::warn!(%peer, "connection refused: all are taken by requests");
                    continue;
                }
                let _ = stream.set_nodelay(true);
                connections.open(stream, peer, Arc::clone(&service), stopped.clone());
            }
            // No file descriptors left, or the peer is gone already.
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

#[derive(Default)]
struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    /// By number, which is by age.
    open: BTreeMap<u64, Connection>,
    next: u64,
    /// How many bodies of strangers have begun.
    bodies: u64,
}

struct Connection {
    progress: Arc<Progress>,
    task: AbortHandle,
}

#[derive(Default)]
struct Progress {
    /// Between a complete request and its answer.
    busy: AtomicBool,
    /// What is kept of a stranger's body that is on its way.
    bytes: AtomicUsize,
    /// The number of that body, which is by age: a connection may be far older.
    body: AtomicU64,
}

impl Connections {
    /// Sees to it that fewer than `most` are open, if need be by closing the
    /// oldest that is not busy.
    fn make_room(&self, most: usize) -> bool {
        let mut this = self.lock();
        if this.open.len() < most {
            return true;
        }
        let idle = this
            .open
            .iter()
            .find(|(_, c)| !c.progress.busy.load(Ordering::Relaxed));
        let Some((number, task)) = idle.map(|(number, c)| (*number, c.task.clone())) else {
            return false;
        };
        task.abort();
        this.open.remove(&number);
        true
    }

    /// Counts bytes of a stranger's body, and closes the connections with the
    /// oldest such bodies if they all together are too many: perhaps this one.
    fn keep(&self, progress: &Progress, bytes: usize) {
        let mut this = self.lock();
        if progress.bytes.fetch_add(bytes, Ordering::Relaxed) == 0 {
            progress.body.store(this.bodies, Ordering::Relaxed);
            this.bodies += 1;
        }
        let kept = |c: &Connection| c.progress.bytes.load(Ordering::Relaxed);
        while this.open.values().map(kept).sum::<usize>() > STRANGERS_BYTES {
            let bodies = this.open.iter().filter(|(_, c)| kept(c) > 0);
            let oldest = bodies.min_by_key(|(_, c)| c.progress.body.load(Ordering::Relaxed));
            let oldest = oldest.map(|(number, _)| *number);
            let Some(oldest) = oldest.and_then(|number| this.open.remove(&number)) else {
                return;
            };
            oldest.task.abort();
        }
    }

    fn open<H: Handler>(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        service: Arc<Service<H>>,
        stopped: watch::Receiver<bool>,
    ) {
        let connections = Arc::clone(self);
        let progress = Arc::new(Progress::default());
        let mut this = self.lock();
        let number = this.next;
        this.next += 1;
        let line = Line {
            peer,
            connections: Arc::clone(self),
            progress: Arc::clone(&progress),
        };
        let serving = serve(stream, line, service, stopped);
        let task = tokio::spawn(async move {
            serving.await;
            connections.lock().open.remove(&number);
        });
        this.open.insert(
            number,
            Connection {
                progress,
                task: task.abort_handle(),
            },
        );
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection as its own task knows it.
#[derive(Clone)]
struct Line {
    peer: SocketAddr,
    connections: Arc<Connections>,
    progress: Arc<Progress>,
}

async fn serve<H: Handler>(
    stream: TcpStream,
    line: Line,
    service: Arc<Service<H>>,
    mut stopped: watch::Receiver<bool>,
) {
    let limits = service.limits.clone();
    let peer = line.peer;
    let answer = service_fn(move |request| {
        let (service, line) = (Arc::clone(&service), line.clone());
        async move { service.answer(request, &line).await }
    });
    let connection = http1::Builder::new()
        // Without a timer hyper ignores the time-out and says nothing.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEADER_BYTES)
        // Who has sent a request and closes is served all the same.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

struct Service<H> {
    limits: ServerLimits,
    handler: H,
}

impl<H: Handler> Service<H> {
    async fn answer(
        &self,
        request: Request<Incoming>,
        line: &Line,
    ) -> Result<Response<Full<Bytes>>, Closed> {
        let (head, body) = request.into_parts();
        let sender = self.handler.sender(&head);
        let limit = match sender {
            Sender::Refused => IGNORED_BYTES,
            Sender::Proven | Sender::Unproven => self.handler.body_limit(head.uri.path()),
        };
        let mut whole = BytesMut::new();
        let reading = read(body, limit, |data| match sender {
            Sender::Refused => {}
            Sender::Proven => whole.extend_from_slice(data),
            Sender::Unproven => {
                let before = whole.capacity();
                whole.extend_from_slice(data);
                let taken = whole.capacity() - before;
                // It looks at all connections, which each of many small parts must not cost.
                if taken > 0 {
                    line.connections.keep(&line.progress, taken);
                }
            }
        });
        let read = tokio::time::timeout(self.limits.body_timeout, reading).await;
        line.progress.bytes.store(0, Ordering::Relaxed);
        match read {
            Ok(Ok(())) => {}
            Ok(Err(ReadError::TooLong)) if sender == Sender::Refused => {}
            Ok(Err(ReadError::TooLong)) => {
                self.handler.refused_a_long_body(head.uri.path());
                return Ok(refusal(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &format!("the body is longer than {limit} bytes"),
                ));
            }
            Ok(Err(ReadError::Cut)) => return Err(Closed),
            Err(_) => {
                self.handler.refused_a_slow_body(head.uri.path());
                return Ok(refusal(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not arrive in time",
                ));
            }
        }
        let busy = &line.progress.busy;
        busy.store(true, Ordering::Relaxed);
        let request = Request::from_parts(head, whole.freeze());
        let answer = self.handler.handle(request, line.peer).await;
        busy.store(false, Ordering::Relaxed);
        answer.map(|answer| answer.map(Full::new)).ok_or(Closed)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct Closed;

enum ReadError {
    TooLong,
    Cut,
}

/// Reads a body and stops as soon as it is known to be too long.
async fn read(
    mut body: Incoming,
    limit: usize,
    mut keep: impl FnMut(&[u8]),
) -> Result<(), ReadError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(ReadError::TooLong);
    }
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| ReadError::Cut)?.into_data() {
            length += data.len();
            if length > limit {
                return Err(ReadError::TooLong);
            }
            keep(&data);
        }
    }
    Ok(())
}

/// One line of JSON; and the connection is closed, since the rest of the body
/// is still on its way.
fn refusal(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": message }).to_string() + "\n";
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("close"),
    );
    response
}
