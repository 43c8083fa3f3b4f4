//! Sends requests with `wasi:http`.
//!
//! Spin looks at its own list first, `allowed_outbound_hosts`. It follows no
//! redirect, keeps no cookie and checks certificates. It resolves names itself,
//! so the gateway's address policy reaches only addresses that are written out;
//! for names it is Spin that can be told to refuse private networks.

use crate::environment::SpinEnvironment;
use crate::message;
use crate::wasi;
use crate::wasi::Outgoing;
use crate::wasi::http::ErrorCode;
use crate::wasi::http::RequestOptions;
use crate::wasi::http::Scheme;
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
use url::Url;

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
        let most = request.max_response_bytes;
        let limit = self.environment.sleep(request.timeout_ms.into());
        match select(pin!(wasi::exchange(request)), pin!(limit)).await {
            Either::Left((Ok(answer), _)) if answer.body.len() > most => {
                let why = format!("the answer is longer than {most} bytes");
                Err(SendFailure::Unknown(why))
            }
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(SendFailure::Unknown("no complete answer in time".into())),
        }
    }
}

/// Says what a request is for.
pub(crate) fn address(outgoing: &Outgoing, method: &str, url: &Url) -> Result<(), SendFailure> {
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        _ => Scheme::Https,
    };
    let taken = outgoing
        .set_method(&message::method(method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(url.authority())))
        .and_then(|()| outgoing.set_path_with_query(Some(&target(url))));
    taken.map_err(|()| no_request(method))
}

pub(crate) fn no_request(method: &str) -> SendFailure {
    SendFailure::Refused(format!("no HTTP request: {method}"))
}

fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// The limits of an exchange that may take so long. Where a runtime cannot limit
/// one of these, the limit of the whole holds.
pub(crate) fn limits(timeout_ms: u32) -> RequestOptions {
    let options = RequestOptions::new();
    let whole_ns = u64::from(timeout_ms) * 1_000_000;
    let _ = options.set_connect_timeout(Some(CONNECT_NS.min(whole_ns)));
    let _ = options.set_first_byte_timeout(Some(whole_ns));
    let _ = options.set_between_bytes_timeout(Some(whole_ns));
    options
}

/// The failure of an answer of which a part is missing.
pub(crate) fn cut(why: &str) -> SendFailure {
    SendFailure::Unknown(format!("the answer was cut: {why}"))
}

/// Sorts errors by the one question that matters: may the far end have carried
/// the request out? When in doubt, yes.
pub(crate) fn failure(error: &ErrorCode) -> SendFailure {
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
        _ => return cut(word(error)),
    };
    SendFailure::Unreachable(format!("no connection: {why}"))
}

/// What a runtime says about a message that did not come.
pub(crate) fn word(error: &ErrorCode) -> &str {
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
