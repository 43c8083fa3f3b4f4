//! What is at the other end of the gateway.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /work/KEY` | what the work session shall do, when the suite says so |
//! | `/mirror` | 200 with the body that came |
//! | `/echo` | 200 with all the headers that came, as text |
//! | `/status/CODE` | that status |
//! | `/redirect/TARGET` | 302 to `http://TARGET/` |
//! | `/cut` | half an answer |
//! | `/silent` | none |

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout;

type Body = BoxBody<Bytes, io::Error>;

/// A server on loopback that remembers what it was asked.
pub struct FarEnd {
    address: SocketAddr,
    state: Arc<State>,
    serving: Mutex<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    /// Keys of work that begin with this are asked for by the suite.
    run: Mutex<String>,
    asked: Mutex<Vec<Asked>>,
    news: Notify,
    seen: Mutex<Vec<Seen>>,
    /// For each key the sessions that are under way, and the most there were.
    sessions: Mutex<BTreeMap<String, (usize, usize)>>,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// With the query.
    pub path: String,
    /// Method, path and headers, as text.
    pub head: String,
}

/// A work session that waits to be told what to do. Dropped without a word, it
/// is told that it is done.
#[derive(Debug)]
pub struct Asked {
    /// The key of its work.
    pub key: String,
    /// Its findings.
    pub findings: Value,
    /// When it asked.
    pub at: Instant,
    tell: oneshot::Sender<Value>,
}

impl Asked {
    /// Tells it what to do: a list of steps. Whoever does not finish asks again.
    pub fn tell(self, steps: Value) {
        // A session that was ended meanwhile hears nothing.
        let _ = self.tell.send(steps);
    }

    /// Tells it that it is done.
    pub fn done(self) {
        self.tell(json!([[{ "finish": "done" }]]));
    }

    /// How often the work was tried in vain.
    pub fn attempt(&self) -> u64 {
        self.findings["input"]["attempt"]
            .as_u64()
            .unwrap_or(u64::MAX)
    }

    /// Why the work was scheduled.
    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.findings["input"]["reasons"].as_array();
        let reasons = reasons.into_iter().flatten().filter_map(Value::as_str);
        reasons.map(str::to_owned).collect()
    }
}

impl FarEnd {
    /// Listens there; work whose key begins with `run` is the suite's.
    pub async fn start(address: SocketAddr, run: &str) -> anyhow::Result<Self> {
        let state = Arc::<State>::default();
        run.clone_into(&mut lock(&state.run));
        let (address, serving) = serve(address, Arc::clone(&state)).await?;
        Ok(Self {
            address,
            state,
            serving: Mutex::new(serving),
        })
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nobody connect from here on.
    pub async fn close(&self) {
        let serving = {
            let mut serving = lock(&self.serving);
            serving.abort();
            std::mem::replace(&mut *serving, tokio::spawn(async {}))
        };
        // It ends with an error, since it was told to; then the port is free.
        let _ = serving.await;
    }

    /// Listens again.
    pub async fn open(&self) -> anyhow::Result<()> {
        let (_, serving) = serve(self.address, Arc::clone(&self.state)).await?;
        *lock(&self.serving) = serving;
        Ok(())
    }

    /// The next session of this work, as soon as it asks.
    pub async fn asked(&self, key: &str, patience: Duration) -> anyhow::Result<Asked> {
        let next = async {
            loop {
                let news = self.state.news.notified();
                {
                    let mut asked = lock(&self.state.asked);
                    if let Some(at) = asked.iter().position(|asked| asked.key == key) {
                        return asked.remove(at);
                    }
                }
                // Another one may have come between the look and now.
                let _ = timeout(Duration::from_millis(20), news).await;
            }
        };
        timeout(patience, next)
            .await
            .with_context(|| format!("no session of work {key:?} began within {patience:?}"))
    }

    /// Whether no session of this work asks within a time.
    pub async fn is_quiet(&self, key: &str, time: Duration) -> bool {
        self.asked(key, time).await.is_err()
    }

    /// The most sessions of this work that were under way at a time.
    pub fn most_at_once(&self, key: &str) -> usize {
        lock(&self.state.sessions)
            .get(key)
            .map_or(0, |(_, most)| *most)
    }

    /// What arrived on a path, without work.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = lock(&self.state.seen);
        seen.iter()
            .filter(|seen| seen.path == path)
            .cloned()
            .collect()
    }

    /// How many requests arrived, without work.
    pub fn requests(&self) -> usize {
        lock(&self.state.seen).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    address: SocketAddr,
    state: Arc<State>,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("the far end cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move {
        // They end with the listener.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let service = service_fn(move |request| answer(request, Arc::clone(&state)));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connections.spawn(connection);
            while connections.try_join_next().is_some() {}
        }
    });
    Ok((address, serving))
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let path = head.uri.to_string();
    let mut text = format!("{} {path}\n", head.method);
    for (name, value) in &head.headers {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if let Some(key) = path.strip_prefix("/work/") {
        let findings = serde_json::from_slice(&body).unwrap_or_default();
        let steps = state.work(key, findings).await;
        return Ok(full(200, steps.to_string()));
    }
    lock(&state.seen).push(Seen {
        path: path.clone(),
        head: text.clone(),
    });
    if path == "/mirror" {
        return Ok(full(200, body));
    }
    if path == "/echo" {
        return Ok(full(200, text));
    }
    if let Some(status) = path.strip_prefix("/status/") {
        return Ok(full(status.parse().unwrap_or(500), "{}"));
    }
    if let Some(target) = path.strip_prefix("/redirect/") {
        let mut response = full(302, "");
        let location = format!("http://{target}/").parse();
        response
            .headers_mut()
            .extend(location.map(|location| (http::header::LOCATION, location)));
        return Ok(response);
    }
    if path == "/cut" {
        let half = [
            Ok(Frame::data(Bytes::from_static(b"{\"half\":"))),
            Err(io::Error::other("cut")),
        ];
        return Ok(Response::new(StreamBody::new(stream::iter(half)).boxed()));
    }
    if path == "/silent" {
        std::future::pending::<()>().await;
    }
    Ok(full(404, "{}"))
}

impl State {
    async fn work(&self, key: &str, findings: Value) -> Value {
        let done = json!([[{ "finish": "done" }]]);
        let run = lock(&self.run).clone();
        if !key.starts_with(&run) {
            return done;
        }
        let (tell, told) = oneshot::channel();
        lock(&self.asked).push(Asked {
            key: key.to_owned(),
            findings,
            at: Instant::now(),
            tell,
        });
        let _under_way = UnderWay::begin(self, key);
        self.news.notify_waiters();
        told.await.unwrap_or(done)
    }
}

/// A session that is held up. It ends when it is told to, or hangs up.
struct UnderWay<'a> {
    state: &'a State,
    key: String,
}

impl<'a> UnderWay<'a> {
    fn begin(state: &'a State, key: &str) -> Self {
        let mut sessions = lock(&state.sessions);
        let (now, most) = sessions.entry(key.to_owned()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        let key = key.to_owned();
        Self { state, key }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some((now, _)) = lock(&self.state.sessions).get_mut(&self.key) {
            *now -= 1;
        }
    }
}

fn full(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
