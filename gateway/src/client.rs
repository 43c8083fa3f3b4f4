use crate::contract::Headers;
use crate::contract::Response;
use url::Url;

/// Sends HTTP requests on behalf of a gateway.
///
/// It follows no redirect, keeps no cookie, uses no proxy that the operator
/// did not configure, verifies TLS, and connects only to addresses that the
/// operator's policy allows: it resolves the name once, checks every address,
/// and connects to the one it checked.
#[allow(async_fn_in_trait)] // Callers spawn with the concrete type, which tells whether it is `Send`.
pub trait Client {
    /// Sends one request and reads the whole answer.
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure>;
}

/// A request with everything in place, credential included. It has no `Debug`,
/// so that no log can show the credential.
pub struct OutgoingRequest {
    /// Upper case.
    pub method: String,
    /// Absolute URL, of an origin that the egress policy allows.
    pub url: Url,
    /// All headers but `host` and `content-length`.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
    /// Limit for the whole exchange, connection included, in milliseconds.
    pub timeout_ms: u32,
    /// A longer answer is cut off and reported as [`SendFailure::Unknown`].
    pub max_response_bytes: usize,
}

/// Why there is no answer. No text in it contains the URL's query, which may
/// hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// Policy forbids the address that the name resolved to.
    Refused(String),
    /// No connection came about, so nothing was sent.
    Unreachable(String),
    /// The request may have been carried out.
    Unknown(String),
}
