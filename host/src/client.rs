//! Sends requests with reqwest.
//!
//! What it does not do is what makes it fit for a gateway: no redirects, no
//! cookies, no proxy from the environment, no decompression, no way to turn
//! certificate checks off. It resolves a name once and connects only to the
//! addresses that passed the [`AddressPolicy`], so a name that answers
//! differently the second time gains nothing.

use integration_gateway::AddressPolicy;
use integration_gateway::Client;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;
use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for a far continent on a bad day. A connection that takes longer
/// is known not to have carried the request, so the limit is worth having.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A [`Client`] over HTTP/1.1 and HTTP/2, with the operating system's trusted
/// certificates (or those in the file that `SSL_CERT_FILE` names).
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    policy: Arc<AddressPolicy>,
}

impl HttpClient {
    /// A client that connects to what the policy allows. It fails if the system
    /// has no trusted certificates.
    pub fn new(policy: AddressPolicy) -> Result<Self, io::Error> {
        Self::resolving(policy, |name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        })
    }

    fn resolving(
        policy: AddressPolicy,
        lookup: impl Fn(String) -> Lookup + Send + Sync + 'static,
    ) -> Result<Self, io::Error> {
        // Another part of the program may have chosen before; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(policy);
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Guard { policy: Arc::clone(&policy), lookup: Arc::new(lookup) })
            .build()
            .map_err(|e| io::Error::other(innermost(&e)))?;
        Ok(Self { client, policy })
    }
}

impl Client for HttpClient {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        // The resolver never sees an address that is written out.
        let host = request.url.host_str().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && let Err(why) = self.policy.check(address)
        {
            return Err(SendFailure::Refused(why));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            // The value may be a credential: only the name is told.
            let (name, value) = header.ok_or_else(|| {
                SendFailure::Refused(format!("header {name:?} is not valid in HTTP"))
            })?;
            headers.append(name, value);
        }
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| SendFailure::Refused(format!("no HTTP method: {:?}", request.method)))?;
        let response = self
            .client
            .request(method, request.url)
            .headers(headers)
            .body(request.body)
            .timeout(Duration::from_millis(request.timeout_ms.into()))
            .send()
            .await
            .map_err(failure)?;
        read(response, request.max_response_bytes).await
    }
}

async fn read(
    mut response: reqwest::Response,
    max_bytes: usize,
) -> Result<Response, SendFailure> {
    let too_large = || SendFailure::Unknown(format!("the answer is longer than {max_bytes} bytes"));
    if response.content_length().is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let headers = response.headers().iter();
    Ok(Response {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body,
    })
}

/// Sorts reqwest's errors by the one question that matters: may the far end
/// have carried the request out? When in doubt, yes.
fn failure(error: reqwest::Error) -> SendFailure {
    // The URL may hold a credential in its query.
    let error = error.without_url();
    if let Some(forbidden) = find::<Forbidden>(&error) {
        return SendFailure::Refused(forbidden.to_string());
    }
    if error.is_builder() {
        return SendFailure::Refused(innermost(&error));
    }
    if error.is_connect() {
        return SendFailure::Unreachable(format!("no connection: {}", innermost(&error)));
    }
    if error.is_timeout() {
        return SendFailure::Unknown("no complete answer in time".into());
    }
    SendFailure::Unknown(format!("the answer was cut: {}", innermost(&error)))
}

/// Looks for an error of ours among the causes.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The cause of the cause: the outer ones say "error sending request".
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn Error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves names, and hands on only the addresses that are allowed.
struct Guard {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn Fn(String) -> Lookup + Send + Sync>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let lookup = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let (mut allowed, mut refusal) = (Vec::new(), None);
            for address in lookup.await? {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refusal = Some(why),
                }
            }
            match refusal {
                Some(why) if allowed.is_empty() => {
                    Err(Forbidden(format!("{}: {why}", name.as_str())).into())
                }
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// Kept apart from other failures of a connection: waiting does not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Forbidden(String);
