//! Requests that go out: where `allowed_outbound_hosts` lets them.

use crate::manifest::Application;
use anyhow::Context as _;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::WasiHttpHooks;

const LONG: Duration = Duration::from_secs(600);

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

pub(crate) struct Outbound(Arc<Application>);

impl Outbound {
    pub(crate) fn new(application: &Arc<Application>) -> Self {
        Self(Arc::clone(application))
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send> {
        let application = Arc::clone(&self.0);
        Box::new(async move {
            let (host, port) = target(&request).map_err(|_| Error::HttpRequestUriInvalid)?;
            let scheme = request.uri().scheme_str().unwrap_or_default().to_owned();
            if !application.lets(&scheme, &host, port) {
                return Err(Error::HttpRequestDenied);
            }
            if scheme != "http" {
                return Err(Error::TlsProtocolError);
            }
            let response = send(request, options, &host, port).await?;
            let nothing: Io = Box::new(async { Ok(()) });
            Ok((response, nothing))
        })
    }
}

fn target(request: &Request<WasiBody>) -> anyhow::Result<(String, u16)> {
    let uri = request.uri();
    let scheme = uri.scheme_str().context("no scheme")?;
    let usual = crate::allowed::usual_port(scheme);
    let port = uri.port_u16().or(usual).context("no port")?;
    Ok((uri.host().context("no host")?.to_owned(), port))
}

async fn send(
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
    host: &str,
    port: u16,
) -> Result<Response<WasiBody>, Error> {
    let limit = |pick: fn(&RequestOptions) -> Option<Duration>| {
        options.as_ref().and_then(pick).unwrap_or(LONG)
    };
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let connecting = TcpStream::connect((plain, port));
    let stream = timeout(limit(|o| o.connect_timeout), connecting).await;
    let stream = stream
        .map_err(|_| Error::ConnectionTimeout)?
        .map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when both halves of the exchange are dropped.
    tokio::spawn(connection);
    // A server is asked for a path. The authority is in the header `host`.
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let answer = timeout(
        limit(|o| o.first_byte_timeout),
        sender.send_request(request),
    )
    .await;
    let response = answer.map_err(|_| Error::ConnectionReadTimeout)??;
    Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
}
