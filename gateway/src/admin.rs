//! The operator's surface, for a listener of its own.
//!
//! | | |
//! | --- | --- |
//! | `GET /healthz` | 200 as long as the process answers |
//! | `GET /readyz` | 200 when the work queue is loaded and the store answers |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /status` | numbers of work, closed gates |
//! | `GET /work?after=KEY` | the work list, a page at a time |
//! | `POST /work/KEY/release` | makes parked work due |
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
use crate::ReleaseError;
use crate::Runtime;
use crate::Store;
use crate::StoreError;
use crate::authentication::error_response;
use crate::authentication::header;
use crate::authentication::json_response;
use crate::contract::Request;
use crate::contract::Response;
use crate::proof::bearer;
use serde_json::json;
use url::form_urlencoded;

/// A key that no gateway writes: reading it shows whether the store answers.
const PROBE: &str = "g.ready";

impl<R: Runtime, S: Store, C: Client, E: Environment> Gateway<R, S, C, E> {
    /// Answers a request on the operator's surface.
    pub async fn operate(&self, request: Incoming) -> Response {
        let path = request.path.as_str();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let is_open = matches!(segments[..], ["healthz"] | ["readyz"]);
        if !is_open && let Some(refusal) = self.without_token(&request) {
            return refusal;
        }
        if let Some(path) = path.strip_prefix("/plugin").filter(|p| p.starts_with('/')) {
            let path = path.to_owned();
            return self.receive_operator(for_plugin(path, request)).await;
        }
        let expected = match segments[..] {
            ["work", _, "release"] => "POST",
            ["healthz" | "readyz" | "metrics" | "status" | "work"] => "GET",
            _ => {
                return error_response(
                    404,
                    "expected /healthz, /readyz, /metrics, /status, /work, /work/KEY/release or \
                     /plugin/…",
                );
            }
        };
        if request.method != expected {
            let mut response = error_response(405, &format!("expected {expected}"));
            let allow = ("allow".to_owned(), expected.to_owned());
            response.headers.push(allow);
            return response;
        }
        match segments[..] {
            ["healthz"] => json_response(200, &json!({ "alive": true })),
            ["readyz"] => self.readiness().await,
            ["metrics"] => Response {
                status: 200,
                headers: vec![("content-type".to_owned(), Metrics::CONTENT_TYPE.to_owned())],
                body: self.metrics().encode().into_bytes(),
            },
            ["status"] => json_response(200, &self.status()),
            ["work", key, _] => match self.release(key).await {
                Ok(()) => json_response(200, &json!({ "released": key })),
                Err(error @ ReleaseError::NotParked(_)) => error_response(404, &error.to_string()),
                Err(ReleaseError::Store(error)) => unavailable(&error),
            },
            _ => {
                let after = form_urlencoded::parse(request.query.as_bytes())
                    .find(|(name, _)| name == "after")
                    .map(|(_, key)| key.into_owned());
                match self.work(after.as_deref()).await {
                    Ok(page) => json_response(200, &page),
                    Err(error) => unavailable(&error),
                }
            }
        }
    }

    fn without_token(&self, request: &Incoming) -> Option<Response> {
        let token = header(&request.headers, "authorization").and_then(bearer);
        let setup = self.setup();
        if bool::from(setup.policy.admin.matches(token)) {
            return None;
        }
        let remedy = if setup.policy.admin.is_empty() {
            "no token opens this; set admin.token in the gateway's settings"
        } else {
            "expected the header authorization: Bearer <token>, with the token of admin.token in \
             the gateway's settings"
        };
        let mut response = error_response(401, remedy);
        let challenge = ("www-authenticate".to_owned(), "Bearer".to_owned());
        response.headers.push(challenge);
        Some(response)
    }

    async fn readiness(&self) -> Response {
        if !self.status().recovered {
            return error_response(503, "the work queue is not loaded yet");
        }
        match self.store.get(&[PROBE.to_owned()]).await {
            Ok(_) => json_response(200, &json!({ "ready": true })),
            Err(error) => unavailable(&error),
        }
    }
}

/// An operator's request as the plugin sees it: nothing that proves who sent it.
fn for_plugin(path: String, request: Incoming) -> Request {
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
