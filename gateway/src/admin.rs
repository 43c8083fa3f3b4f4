//! The operator's surface, for a listener of its own.
//!
//! | | |
//! | --- | --- |
//! | `GET /healthz` | 200 as long as the process answers |
//! | `GET /readyz` | 200 when the store answers and work can be read |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /status` | numbers of work, closed gates |
//! | `GET /work?after=KEY` | the work list, a page at a time |
//! | `POST /work/KEY/release` | makes parked work due |
//! | `POST /work/KEY/drop` | drops parked work |
//! | any method, `/plugin/…` | the plugin's own, which sees the path behind `/plugin` |
//!
//! The first two are open, since a supervisor has no token. All others, known
//! or not, want one. Nothing here shows a secret, so a leak of this surface
//! tells keys and reasons, and no more.

use crate::Client;
use crate::Environment;
use crate::Gateway;
use crate::Incoming;
use crate::Metrics;
use crate::ParkedError;
use crate::RecoverError;
use crate::Runtime;
use crate::Store;
use crate::StoreError;
use crate::authentication::error_response;
use crate::authentication::header;
use crate::authentication::json_response;
use crate::contract::Request;
use crate::contract::Response;
use crate::proof::Accepted;
use crate::proof::bearer;
use serde_json::json;
use url::form_urlencoded;

/// One thing that the operator's surface serves.
#[derive(Clone, Copy, Debug)]
pub struct OperatorRoute {
    /// `*` for any.
    pub method: &'static str,
    /// `KEY` stands for one segment, and `…` for all that follow.
    pub path: &'static str,
    /// Whether it is answered without the token.
    pub is_open: bool,
    page: Page,
}

#[derive(Clone, Copy, Debug)]
enum Page {
    Health,
    Readiness,
    Metrics,
    Status,
    Work,
    Release,
    Drop,
    Plugin,
}

/// All that the operator's surface serves.
pub const OPERATOR_ROUTES: [OperatorRoute; 8] = [
    OperatorRoute::open("/healthz", Page::Health),
    OperatorRoute::open("/readyz", Page::Readiness),
    OperatorRoute::closed("GET", "/metrics", Page::Metrics),
    OperatorRoute::closed("GET", "/status", Page::Status),
    OperatorRoute::closed("GET", "/work", Page::Work),
    OperatorRoute::closed("POST", "/work/KEY/release", Page::Release),
    OperatorRoute::closed("POST", "/work/KEY/drop", Page::Drop),
    OperatorRoute::closed("*", "/plugin/…", Page::Plugin),
];

impl OperatorRoute {
    const fn open(path: &'static str, page: Page) -> Self {
        Self {
            method: "GET",
            path,
            is_open: true,
            page,
        }
    }

    const fn closed(method: &'static str, path: &'static str, page: Page) -> Self {
        Self {
            method,
            path,
            is_open: false,
            page,
        }
    }

    /// Whether its answer is about the whole queue, which has to be loaded.
    pub fn is_about_the_queue(&self) -> bool {
        matches!(self.page, Page::Metrics | Page::Status)
    }

    /// Whether a request for this path is for this route.
    pub fn leads_to(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        for expected in self.path.split('/') {
            match (expected, segments.next()) {
                ("…", Some(_)) => return true,
                ("KEY", Some(_)) => {}
                (expected, found) if found == Some(expected) => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

/// The answer to `GET /healthz`, which an embedder can give before it has a
/// gateway; none to any other request.
pub fn alive(request: &Incoming) -> Option<Response> {
    let is_health = request.method == "GET" && request.path == "/healthz";
    is_health.then(health)
}

fn health() -> Response {
    json_response(200, &json!({ "alive": true }))
}

/// The answer to a request that holds none of the accepted tokens in its header
/// `authorization`: 401, and the remedy. For routes of an embedder that has no
/// gateway.
pub fn unauthorized(request: &Incoming, accepted: &Accepted, remedy: &str) -> Option<Response> {
    let token = header(&request.headers, "authorization").and_then(bearer);
    if bool::from(accepted.matches(token)) {
        return None;
    }
    let mut response = error_response(401, remedy);
    let challenge = ("www-authenticate".to_owned(), "Bearer".to_owned());
    response.headers.push(challenge);
    Some(response)
}

/// The answer to a request on a path that takes another method: 405, and which.
pub fn expected_method(method: &str) -> Response {
    let mut response = error_response(405, &format!("expected {method}"));
    let allow = ("allow".to_owned(), method.to_owned());
    response.headers.push(allow);
    response
}

impl<R: Runtime, S: Store, C: Client, E: Environment> Gateway<R, S, C, E> {
    /// The route of a request on the operator's surface, or the answer if there
    /// is none for whoever sent it. Nothing is looked up for that.
    pub fn operator_route(&self, request: &Incoming) -> Result<OperatorRoute, Response> {
        let found = OPERATOR_ROUTES
            .into_iter()
            .find(|r| r.leads_to(&request.path));
        let is_open = found.is_some_and(|route| route.is_open);
        if !is_open && let Some(refusal) = self.without_token(request) {
            return Err(refusal);
        }
        let Some(route) = found else {
            let paths = OPERATOR_ROUTES.map(|route| route.path);
            let expected = format!("expected one of {}", paths.join(", "));
            return Err(error_response(404, &expected));
        };
        let expected = route.method;
        if expected != "*" && request.method != expected {
            return Err(expected_method(expected));
        }
        Ok(route)
    }

    /// Answers a request on the operator's surface: what [`OPERATOR_ROUTES`]
    /// lists, and nothing else.
    pub async fn operate(&self, request: Incoming) -> Response {
        let route = match self.operator_route(&request) {
            Ok(route) => route,
            Err(refusal) => return refusal,
        };
        match route.page {
            Page::Health => health(),
            Page::Readiness => self.readiness().await,
            Page::Metrics => Response {
                status: 200,
                headers: vec![("content-type".to_owned(), Metrics::CONTENT_TYPE.to_owned())],
                body: self.metrics().encode().into_bytes(),
            },
            Page::Status => json_response(200, &self.status()),
            Page::Work => {
                let after = form_urlencoded::parse(request.query.as_bytes())
                    .find(|(name, _)| name == "after")
                    .map(|(_, key)| key.into_owned());
                match self.work(after.as_deref()).await {
                    Ok(page) => json_response(200, &page),
                    Err(error) => unavailable(&error),
                }
            }
            Page::Release | Page::Drop => {
                let key = request.path.split('/').nth(2).unwrap_or_default();
                let (done, word) = match route.page {
                    Page::Drop => (self.drop_work(key).await, "dropped"),
                    _ => (self.release(key).await, "released"),
                };
                match done {
                    Ok(()) => json_response(200, &json!({ word: key })),
                    Err(error @ ParkedError::NotParked(_)) => {
                        error_response(404, &error.to_string())
                    }
                    Err(ParkedError::Store(error)) => unavailable(&error),
                }
            }
            Page::Plugin => self.receive_operator(for_plugin(request)).await,
        }
    }

    /// The answer to a request that does not hold the operator's token, which
    /// is for a route of the embedder's own.
    pub fn without_token(&self, request: &Incoming) -> Option<Response> {
        let setup = self.setup();
        let accepted = &setup.policy.admin;
        let remedy = if accepted.is_empty() {
            "no token opens this; set admin.token in the gateway's settings"
        } else {
            "expected the header authorization: Bearer <token>, with the token of admin.token in \
             the gateway's settings"
        };
        unauthorized(request, accepted, remedy)
    }

    /// Costs the same however much work there is, since whoever asks may be
    /// anybody. Who has loaded the queue could read it, and leaves alone what a
    /// newer version writes there since.
    async fn readiness(&self) -> Response {
        match self.queue.peek(&self.store).await {
            Err(RecoverError::Record { .. }) if self.status().recovered => {}
            Ok(()) => {}
            // The reason names files and hosts.
            Err(error) => {
                tracing::warn!(%error, "not ready: the store does not answer");
                let why = "the store does not answer; the gateway's log says why";
                return error_response(503, why);
            }
        }
        json_response(200, &json!({ "ready": true }))
    }
}

/// An operator's request as the plugin sees it: nothing that proves who sent it.
fn for_plugin(request: Incoming) -> Request {
    let path = request.path.strip_prefix("/plugin").unwrap_or_default();
    let path = path.to_owned();
    let headers = request
        .headers
        .into_iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    Request {
        method: request.method,
        path,
        query: request.query,
        headers,
        body: request.body,
    }
}

fn unavailable(error: &StoreError) -> Response {
    error_response(503, &error.to_string())
}
