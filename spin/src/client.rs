//! Sends requests with `wasi:http`.
//!
//! Spin looks at its own list first, `allowed_outbound_hosts`. It follows no
//! redirect, keeps no cookie and checks certificates. It resolves names itself,
//! so the gateway's address policy reaches only addresses that are written out;
//! for names it is Spin that can be told to refuse private networks.

use crate::bindings::http::ErrorCode;
use crate::bindings::http::Fields;
use crate::bindings::http::FutureIncomingResponse;
use crate::bindings::http::Method;
use crate::bindings::http::OutgoingRequest as Outgoing;
use crate::bindings::http::RequestOptions;
use crate::bindings::http::Scheme;
use crate::bindings::outgoing_handler;
use crate::body;
use crate::environment::SpinEnvironment;
use crate::incoming::pairs;
use crate::reactor::ready;
use futures_util::future::Either;
use futures_util::future::select;
use integration_gateway::AddressPolicy;
use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;
use std::net::IpAddr;
use std::pin::pin;

/// A connection that takes longer is known not to have carried the request, so
/// the limit is worth having.
const CONNECT_NS: u64 = 10_000_000_000;

/// A [`Client`] over `wasi:http`.
pub(crate) struct SpinClient {
    pub(crate) addresses: AddressPolicy,
    pub(crate) environment: SpinEnvironment,
}

impl Client for SpinClient {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        let host = request.url.host_str().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            self.addresses
                .check(address)
                .map_err(SendFailure::Refused)?;
        }
        let limit = self.environment.sleep(request.timeout_ms.into());
        match select(pin!(exchange(request)), pin!(limit)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(SendFailure::Unknown("no complete answer in time".into())),
        }
    }
}

async fn exchange(request: OutgoingRequest) -> Result<Response, SendFailure> {
    let OutgoingRequest {
        method,
        url,
        headers,
        body,
        timeout_ms,
        max_response_bytes,
    } = request;
    let outgoing = Outgoing::new(fields(headers, &method, body.len())?);
    let taken = outgoing
        .set_method(&named(&method))
        .and_then(|()| {
            let scheme = match url.scheme() {
                "http" => Scheme::Http,
                _ => Scheme::Https,
            };
            outgoing.set_scheme(Some(&scheme))
        })
        .and_then(|()| outgoing.set_authority(Some(url.authority())))
        .and_then(|()| outgoing.set_path_with_query(Some(&target(&url))))
        .and_then(|()| outgoing.body());
    let outgoing_body =
        taken.map_err(|()| SendFailure::Refused(format!("no HTTP request: {method}")))?;
    let options = RequestOptions::new();
    let whole_ns = u64::from(timeout_ms) * 1_000_000;
    // Where a runtime cannot limit one of these, the limit of the whole holds.
    let _ = options.set_connect_timeout(Some(CONNECT_NS.min(whole_ns)));
    let _ = options.set_first_byte_timeout(Some(whole_ns));
    let _ = options.set_between_bytes_timeout(Some(whole_ns));
    let answer =
        outgoing_handler::handle(outgoing, Some(options)).map_err(|error| failure(&error))?;
    body::write(outgoing_body, &body).await;
    receive(answer, max_response_bytes).await
}

async fn receive(answer: FutureIncomingResponse, most: usize) -> Result<Response, SendFailure> {
    ready(answer.subscribe()).await;
    let cut = |why: &str| SendFailure::Unknown(format!("the answer was cut: {why}"));
    let answer = match answer.get() {
        Some(Ok(answer)) => answer.map_err(|error| failure(&error))?,
        Some(Err(())) | None => return Err(cut("it is not there")),
    };
    let (status, headers) = (answer.status(), pairs(&answer.headers()));
    let body = answer.consume().map_err(|()| cut("it has no body"))?;
    let body = body::read(&body, most).await.map_err(|why| cut(&why))?;
    if body.len() > most {
        let why = format!("the answer is longer than {most} bytes");
        return Err(SendFailure::Unknown(why));
    }
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn fields(
    headers: Vec<(String, String)>,
    method: &str,
    length: usize,
) -> Result<Fields, SendFailure> {
    let mut all: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    if length > 0 || !matches!(method, "GET" | "HEAD") {
        all.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    // A value may be a credential: only the names are told.
    Fields::from_list(&all).map_err(|_| {
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        SendFailure::Refused(format!(
            "one of these headers is not valid in HTTP: {names}"
        ))
    })
}

fn target(url: &url::Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn named(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// Sorts errors by the one question that matters: may the far end have carried
/// the request out? When in doubt, yes.
fn failure(error: &ErrorCode) -> SendFailure {
    let why = match error {
        ErrorCode::HttpRequestDenied => {
            return SendFailure::Refused(
                "Spin does not allow this place; add it to allowed_outbound_hosts in spin.toml"
                    .to_owned(),
            );
        }
        ErrorCode::DestinationIpProhibited => {
            return SendFailure::Refused(
                "Spin does not allow the address that the name resolved to".to_owned(),
            );
        }
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => {
            "the name cannot be resolved"
        }
        ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionLimitReached => "nobody takes it",
        ErrorCode::ConnectionTimeout => "it took too long",
        ErrorCode::TlsProtocolError => "no TLS",
        ErrorCode::TlsCertificateError => "the certificate is not valid",
        _ => return SendFailure::Unknown(format!("the answer was cut: {}", word(error))),
    };
    SendFailure::Unreachable(format!("no connection: {why}"))
}

/// What a runtime says about an answer that did not come.
fn word(error: &ErrorCode) -> &str {
    match error {
        ErrorCode::ConnectionTerminated => "the connection was closed",
        ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => "no answer in time",
        ErrorCode::HttpResponseIncomplete => "it is incomplete",
        ErrorCode::HttpProtocolError => "it is no HTTP",
        ErrorCode::InternalError(Some(why)) => why,
        _ => "the runtime does not say why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_whether_the_request_may_have_been_carried_out() {
        for (error, expected) in [
            (
                ErrorCode::ConnectionRefused,
                "no connection: nobody takes it",
            ),
            (
                ErrorCode::ConnectionTimeout,
                "no connection: it took too long",
            ),
            (
                ErrorCode::DestinationNotFound,
                "no connection: the name cannot be resolved",
            ),
            (
                ErrorCode::TlsCertificateError,
                "no connection: the certificate is not valid",
            ),
        ] {
            assert_eq!(
                failure(&error),
                SendFailure::Unreachable(expected.to_owned())
            );
        }
        for (error, why) in [
            (ErrorCode::ConnectionReadTimeout, "no answer in time"),
            (ErrorCode::ConnectionTerminated, "the connection was closed"),
            (ErrorCode::HttpResponseIncomplete, "it is incomplete"),
            (
                ErrorCode::InternalError(Some("broken pipe".to_owned())),
                "broken pipe",
            ),
            (ErrorCode::LoopDetected, "the runtime does not say why"),
        ] {
            let expected = format!("the answer was cut: {why}");
            assert_eq!(failure(&error), SendFailure::Unknown(expected));
        }
        assert_eq!(
            failure(&ErrorCode::HttpRequestDenied),
            SendFailure::Refused(
                "Spin does not allow this place; add it to allowed_outbound_hosts in spin.toml"
                    .to_owned()
            )
        );
    }
}
