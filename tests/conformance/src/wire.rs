//! A small HTTP client: plain HTTP/1.1, one connection for each request.

use anyhow::Context as _;
use anyhow::ensure;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Sends a request with a bearer token, unless that is empty.
pub async fn send(
    method: &str,
    url: &str,
    token: &str,
    body: Vec<u8>,
    patience: Duration,
) -> anyhow::Result<Answer> {
    let exchange = async {
        let rest = url.strip_prefix("http://");
        let rest = rest.with_context(|| format!("expected a URL with http://, found {url:?}"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        ensure!(!authority.is_empty(), "{url:?} names no host");
        let stream = TcpStream::connect(authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(if path.is_empty() { "/" } else { path })
            .header("host", authority)
            .header("connection", "close")
            .header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        connection.abort();
        anyhow::Ok(Answer {
            status,
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    };
    let answer = timeout(patience, exchange).await;
    answer
        .map_err(|_| anyhow::anyhow!("no answer within {patience:?}"))
        .and_then(|answer| answer)
        .with_context(|| format!("{method} {url}"))
}
