//! A thin HTTP server that runs a [`Simulator`] in real time.
//!
//! Requests lock the simulator one after another, so that it needs no locks
//! of its own; what it answers is sent when the lock is free again. A second
//! task, the pump, sleeps until [`Simulator::next_due`] and sends the pushes
//! that are due. Every change of the simulator wakes the pump, whether it came
//! by a request, by the outcome of a push or by [`Server::poke`].

use std::future::Future;
use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Poll;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;

use crate::AWAIT;
use crate::CLOSE;
use crate::DELAY_MS;
use crate::Delivery;
use crate::Push;
use crate::Request;
use crate::Response;
use crate::Simulator;

/// The largest request body that is read; a longer one is answered with 413.
const MAX_REQUEST_BODY: usize = 16 << 20;

/// How long a client may take to send its request head.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long [`Server::stop`] waits for connections that are still busy.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Exchanges kept for a receiver that lags behind; the oldest are lost first.
const EXCHANGES_KEPT: usize = 1024;

/// How a [`Server`] listens and answers.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen. Port 0, the default, takes any free port of loopback.
    pub listen: SocketAddr,
    /// How long every answer is held back, as if the network were slow.
    pub latency: Duration,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: Duration::ZERO,
        }
    }
}

/// One exchange of a simulator with the world, told after it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A client asked, and the simulator answered.
    Handled {
        /// When the request was handled, in Unix milliseconds.
        at_ms: u64,
        /// What came in.
        request: Request,
        /// What went out; of status [`CLOSE`] if nothing did.
        response: Response,
    },
    /// The simulator sent something by itself.
    Pushed {
        /// When the outcome was known, in Unix milliseconds.
        at_ms: u64,
        /// What was sent.
        push: Push,
        /// What came of it.
        delivery: Delivery,
    },
}

/// A running simulator. Dropping it stops it at once; [`Server::stop`] lets
/// answers under way finish.
pub struct Server<S: Simulator> {
    shared: Arc<Shared<S>>,
    addr: SocketAddr,
    stop: watch::Sender<()>,
    accept: JoinHandle<()>,
    pump: JoinHandle<()>,
}

struct Shared<S> {
    simulator: Mutex<S>,
    clock: Clock,
    latency: Duration,
    wake: Notify,
    /// Told whenever the outcome of a push is known.
    delivered: Notify,
    exchanges: broadcast::Sender<Exchange>,
    client: reqwest::Client,
}

/// Unix time that never goes back, even if the system's clock does.
struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    fn start() -> Clock {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            started: Instant::now(),
            started_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_ms.saturating_add(elapsed)
    }
}

impl<S: Simulator> Server<S> {
    /// Starts to serve `simulator`.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or the HTTP client for pushes cannot
    /// be made.
    pub async fn start(simulator: S, options: ServerOptions) -> anyhow::Result<Server<S>> {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            simulator: Mutex::new(simulator),
            clock: Clock::start(),
            latency: options.latency,
            wake: Notify::new(),
            delivered: Notify::new(),
            exchanges: broadcast::Sender::new(EXCHANGES_KEPT),
            client: push_client()?,
        });
        let (stop, stopping) = watch::channel(());
        let accept = tokio::spawn(accept(shared.clone(), listener, stopping));
        let pump = tokio::spawn(pump(shared.clone()));
        Ok(Server {
            shared,
            addr,
            stop,
            accept,
            pump,
        })
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address that is really bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The server's time, as the simulator sees it.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Locks the simulator to look at it. No request is handled meanwhile, so
    /// do not keep the guard across an `await`. To change something that
    /// causes pushes, use [`Server::poke`], which wakes the pump.
    pub fn simulator(&self) -> MutexGuard<'_, S> {
        self.shared.lock()
    }

    /// Changes the simulator at the server's present time, and has the pump
    /// look for new pushes afterwards.
    pub fn poke<R>(&self, change: impl FnOnce(&mut S, u64) -> R) -> R {
        self.shared.with(change)
    }

    /// Follows every exchange from now on. A receiver that lags loses the
    /// oldest ones; the server never waits for it.
    pub fn exchanges(&self) -> broadcast::Receiver<Exchange> {
        self.shared.exchanges.subscribe()
    }

    /// Stops to listen and to push, lets the answers under way finish for at
    /// most two seconds, and closes all connections.
    pub async fn stop(mut self) {
        self.stop.send_replace(());
        self.pump.abort();
        // The only error is that the task was aborted or panicked: stopped.
        let _ = (&mut self.accept).await;
    }
}

impl<S: Simulator> Drop for Server<S> {
    fn drop(&mut self) {
        self.pump.abort();
        self.accept.abort();
    }
}

impl<S: Simulator> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, S> {
        // A panic in one request must not hide the state from the test that
        // wants to explain it.
        self.simulator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, change: impl FnOnce(&mut S, u64) -> R) -> R {
        let mut simulator = self.lock();
        // Read under the lock, so that the simulator's time never goes back.
        let now_ms = self.clock.now_ms();
        let outcome = change(&mut simulator, now_ms);
        drop(simulator);
        self.wake.notify_one();
        outcome
    }

    async fn late_answer(&self, token: u64) -> Response {
        loop {
            let mut delivered = std::pin::pin!(self.delivered.notified());
            // From now on, so that no outcome falls between look and wait.
            delivered.as_mut().enable();
            let answer = self.lock().late_answer(token);
            match answer {
                Some(response) => return response,
                None => delivered.await,
            }
        }
    }

    fn tell(&self, exchange: impl FnOnce() -> Exchange) {
        if self.exchanges.receiver_count() > 0 {
            // Fails only if the last receiver has just gone.
            let _ = self.exchanges.send(exchange());
        }
    }
}

async fn accept<S: Simulator>(
    shared: Arc<Shared<S>>,
    listener: TcpListener,
    stopping: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    let mut stop = stopping.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(shared.clone(), stream, stopping.clone()));
                }
                // Out of file descriptors, most likely: let some be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    // Whatever is left is aborted with the set.
    let _ = tokio::time::timeout(STOP_GRACE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn serve<S: Simulator>(
    shared: Arc<Shared<S>>,
    stream: TcpStream,
    mut stopping: watch::Receiver<()>,
) {
    // Without it small answers wait for an acknowledgement; a failure only
    // makes them slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(shared.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let stopped = tokio::select! {
        // An error is the client's trouble, or an answer of status `CLOSE`.
        _ = connection.as_mut() => false,
        _ = stopping.changed() => true,
    };
    if stopped {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// The error that makes hyper close the connection without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the simulator closed the connection without an answer")
    }
}

impl std::error::Error for Closed {}

async fn answer<S: Simulator>(
    shared: Arc<Shared<S>>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST_BODY).collect().await else {
        let text = format!("a request body may have at most {MAX_REQUEST_BODY} bytes\n");
        let mut response = http::Response::new(Full::from(text));
        *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(header_text).collect(),
        body: body.to_bytes().into(),
    };
    let (mut response, at_ms) =
        shared.with(|simulator, now_ms| (simulator.handle(&request, now_ms), now_ms));
    if let Some(token) = take_number(&mut response, AWAIT) {
        response = shared.late_answer(token).await;
    }
    let delay = Duration::from_millis(take_number(&mut response, DELAY_MS).unwrap_or_default());
    shared.tell(|| Exchange::Handled {
        at_ms,
        request,
        response: response.clone(),
    });
    let wait = shared.latency + delay;
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if response.status == CLOSE {
        return Err(Closed);
    }
    Ok(to_http(response))
}

fn header_text((name, value): (&http::HeaderName, &http::HeaderValue)) -> (String, String) {
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    (name.as_str().to_owned(), value)
}

/// Takes a header that is meant for the server.
fn take_number(response: &mut Response, name: &str) -> Option<u64> {
    let mut headers = response.headers.iter();
    let at = headers.position(|(other, _)| other == name)?;
    let (_, value) = response.headers.remove(at);
    value.parse().ok()
}

fn to_http(response: Response) -> http::Response<Full<Bytes>> {
    let mut builder = http::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Full::from(response.body))
        .unwrap_or_else(|error| {
            // A bug of the simulator: say so where its author will look.
            let text = format!("the simulator's answer is not valid HTTP: {error}\n");
            let mut response = http::Response::new(Full::from(text));
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
}

async fn pump<S: Simulator>(shared: Arc<Shared<S>>) {
    // Aborted together with the pump.
    let mut under_way = JoinSet::new();
    loop {
        let (due, next_due) = {
            let mut simulator = shared.lock();
            let due = simulator.take_due(shared.clock.now_ms());
            (due, simulator.next_due())
        };
        for push in due {
            let mut sending = Box::pin(send(shared.clone(), push));
            // The first step is taken here, so that pushes start in the order
            // in which they were taken; the rest runs side by side.
            let first = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
            if first.is_pending() {
                under_way.spawn(sending);
            }
        }
        // At least a millisecond, so that a simulator which names a time but
        // has nothing due then cannot keep a core busy.
        let sleep = next_due.map_or(Duration::MAX, |at_ms| {
            Duration::from_millis(at_ms.saturating_sub(shared.clock.now_ms()).max(1))
        });
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
            Some(_) = under_way.join_next() => {}
        }
    }
}

async fn send<S: Simulator>(shared: Arc<Shared<S>>, push: Push) {
    let delivery = deliver(&shared.client, &push).await;
    let at_ms = shared.with(|simulator, now_ms| {
        simulator.delivered(push.id, &delivery, now_ms);
        now_ms
    });
    shared.delivered.notify_waiters();
    shared.tell(|| Exchange::Pushed {
        at_ms,
        push,
        delivery,
    });
}

async fn deliver(client: &reqwest::Client, push: &Push) -> Delivery {
    let mut request = client
        .post(&push.url)
        .timeout(Duration::from_millis(push.timeout_ms))
        .body(push.body.clone());
    for (name, value) in &push.headers {
        request = request.header(name, value);
    }
    match receive(request).await {
        Ok(response) => Delivery::Answered(response),
        Err(error) if error.is_timeout() => Delivery::TimedOut,
        Err(error) => Delivery::Failed(format!("{:#}", anyhow::Error::new(error))),
    }
}

async fn receive(request: reqwest::RequestBuilder) -> reqwest::Result<Response> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(header_text).collect();
    let body = answer.bytes().await?.into();
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn push_client() -> anyhow::Result<reqwest::Client> {
    // reqwest is built without a choice of cryptography; whoever embeds the
    // simulator may have made one already.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread was quicker, with the same result.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // Receivers are mostly on loopback, where a proxy would be wrong.
        .no_proxy()
        .build()
        .context("cannot make the HTTP client for pushes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;

    /// Counts requests, and pushes its count whenever asked to.
    #[derive(Default)]
    struct Counter {
        count: u64,
        due: Vec<(u64, Push)>,
        deliveries: Vec<(u64, Delivery)>,
    }

    impl Counter {
        fn push_at(&mut self, at_ms: u64, id: u64, url: String) {
            let push = Push {
                id,
                url,
                headers: vec![("x-push".to_owned(), id.to_string())],
                body: format!("push {id}").into_bytes(),
                timeout_ms: 300,
            };
            self.due.push((at_ms, push));
        }
    }

    impl Simulator for Counter {
        fn handle(&mut self, request: &Request, _now_ms: u64) -> Response {
            self.count += 1;
            let status = if request.path == "/close" { CLOSE } else { 200 };
            let mut headers = vec![("x-count".to_owned(), self.count.to_string())];
            if request.path == "/slow" {
                headers.push((DELAY_MS.to_owned(), "60000".to_owned()));
            }
            let body = format!(
                "{} {} {} {}",
                request.method,
                request.path,
                request.query,
                String::from_utf8_lossy(&request.body)
            );
            Response {
                status,
                headers,
                body: body.into_bytes(),
            }
        }

        fn take_due(&mut self, now_ms: u64) -> Vec<Push> {
            let due = self.due.extract_if(.., |(at_ms, _)| *at_ms <= now_ms);
            due.map(|(_, push)| push).collect()
        }

        fn next_due(&self) -> Option<u64> {
            self.due.iter().map(|(at_ms, _)| *at_ms).min()
        }

        fn delivered(&mut self, push: u64, delivery: &Delivery, _now_ms: u64) {
            self.deliveries.push((push, delivery.clone()));
        }
    }

    async fn start() -> Server<Counter> {
        Server::start(Counter::default(), ServerOptions::default())
            .await
            .unwrap()
    }

    async fn next_push(exchanges: &mut broadcast::Receiver<Exchange>) -> (Push, Delivery) {
        loop {
            if let Exchange::Pushed { push, delivery, .. } = exchanges.recv().await.unwrap() {
                return (push, delivery);
            }
        }
    }

    #[tokio::test]
    async fn a_request_reaches_the_simulator_undecoded_and_whole() {
        let server = start().await;
        let mut exchanges = server.exchanges();
        let url = format!("{}/a%20b?c=%5E", server.url());
        let request = push_client().unwrap().put(url).body("body");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["x-count"], "1");
        assert_eq!(answer.text().await.unwrap(), "PUT /a%20b c=%5E body");
        assert_eq!(server.simulator().count, 1);
        let Exchange::Handled { request, .. } = exchanges.recv().await.unwrap() else {
            panic!("the server told of something else than the request");
        };
        assert_eq!(request.body, b"body");
        server.stop().await;
    }

    #[tokio::test]
    async fn a_close_answer_drops_the_connection_without_a_byte() {
        let server = start().await;
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let request = b"GET /close HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"");
        assert_eq!(server.simulator().count, 1);
    }

    #[tokio::test]
    async fn a_delayed_answer_is_held_back_after_its_work_is_done() {
        let server = start().await;
        let request = push_client().unwrap().get(format!("{}/slow", server.url()));
        let outcome = request.timeout(Duration::from_millis(200)).send().await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(server.simulator().count, 1);
    }

    #[tokio::test]
    async fn poking_the_simulator_wakes_the_pump() {
        let receiver = start().await;
        let server = start().await;
        let mut exchanges = server.exchanges();
        let url = format!("{}/hook", receiver.url());
        server.poke(|counter, now_ms| counter.push_at(now_ms + 20, 7, url));
        let (push, delivery) = next_push(&mut exchanges).await;
        assert_eq!(push.id, 7);
        let Delivery::Answered(answer) = delivery else {
            panic!("the push was not answered: {delivery:?}");
        };
        assert_eq!(answer.body, b"POST /hook  push 7");
        assert_eq!(server.simulator().deliveries.len(), 1);
    }

    #[tokio::test]
    async fn a_push_that_meets_no_answer_is_reported_as_such() {
        let receiver = start().await;
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let server = start().await;
        let mut exchanges = server.exchanges();
        let slow = format!("{}/slow", receiver.url());
        server.poke(|counter, now_ms| counter.push_at(now_ms, 1, slow));
        assert_eq!(next_push(&mut exchanges).await.1, Delivery::TimedOut);
        server.poke(|counter, now_ms| counter.push_at(now_ms, 2, format!("http://{gone}")));
        let (_, delivery) = next_push(&mut exchanges).await;
        let Delivery::Failed(reason) = delivery else {
            panic!("nobody listens, yet: {delivery:?}");
        };
        assert!(reason.contains("refused"), "{reason}");
    }

    #[tokio::test]
    async fn a_stopped_server_no_longer_listens() {
        let server = start().await;
        let addr = server.addr();
        // Idle, kept alive: it must not hold up the stop.
        let idle = push_client().unwrap();
        idle.get(server.url()).send().await.unwrap();
        server.stop().await;
        assert!(TcpStream::connect(addr).await.is_err());
    }
}
