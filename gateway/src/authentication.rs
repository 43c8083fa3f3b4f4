//! Who sent a request, as far as the gateway can tell.
//!
//! On a known route every request costs the same comparisons, whichever proof
//! fails. On an unknown one it costs them too, but once less where an embedder
//! asks about the head first: that a route is unknown is no secret, the answer
//! tells it. A refusal says what would have been accepted, never which part of
//! what came was right. The plugin sees a request only after the proof was
//! taken out of it.

use crate::Incoming;
use crate::contract::Headers;
use crate::contract::Request;
use crate::contract::Response;
use crate::proof::Accepted;
use crate::proof::bearer;
use crate::standard_webhooks::Signature;
use crate::standard_webhooks::Signed;
use crate::standard_webhooks::Verifier;
use subtle::Choice;
use url::form_urlencoded;

/// A path on which requests are received, and what proves a sender.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) path: String,
    pub(crate) bearer: Accepted,
    /// Name in lower case, and the values.
    pub(crate) header: Option<(String, Accepted)>,
    pub(crate) url_token: Accepted,
    pub(crate) signature: Option<Verifier>,
    pub(crate) max_body_bytes: usize,
}

/// A request whose sender proved itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Authentic {
    pub(crate) request: Request,
    /// Set if only a signature proved the sender: the same message must not
    /// be taken twice.
    pub(crate) once: Option<Once>,
}

/// What the head of a request tells of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It holds a proof.
    Proven,
    /// The body may prove it.
    Unproven,
    /// Nothing in the body changes that it is refused.
    Refused,
}

/// What identifies a signed message, and how long its signature stays valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    pub(crate) id: String,
    pub(crate) expires_ms: u64,
}

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownRoute,
    Method(String),
    TooLarge { limit: usize },
    Unproven { accepted: String },
    Expired { tolerance_seconds: u32 },
    Replayed,
    ContentType(String),
}

/// Headers that hold a proof, or that say something about another connection.
const NEVER_PASSED_ON: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "webhook-signature",
];

/// Finds the route of a request and checks its proof.
pub(crate) fn authenticate(
    webhooks: &[Webhook],
    incoming: Incoming,
    now_ms: u64,
) -> Result<Authentic, Refusal> {
    let found = route(webhooks, &incoming.path);
    // For an unknown route, the work is done with what is at hand and the
    // result thrown away.
    let (webhook, path_token) = match (found, webhooks.first()) {
        (Some(found), _) => found,
        (None, Some(decoy)) => (decoy, None),
        (None, None) => return Err(Refusal::UnknownRoute),
    };
    let proof = webhook.prove(&incoming, path_token, now_ms);
    if found.is_none() {
        return Err(Refusal::UnknownRoute);
    }
    if incoming.method != "POST" {
        return Err(Refusal::Method(incoming.method));
    }
    if incoming.body.len() > webhook.max_body_bytes {
        return Err(Refusal::TooLarge {
            limit: webhook.max_body_bytes,
        });
    }
    let once = proof?;
    if let Some(content_type) = header(&incoming.headers, "content-type")
        && !is_json(content_type)
    {
        return Err(Refusal::ContentType(content_type.to_owned()));
    }
    Ok(Authentic {
        request: webhook.without_proof(incoming),
        once,
    })
}

/// Looks at the head of a request, whose body need not be there.
pub(crate) fn sender(webhooks: &[Webhook], head: &Incoming) -> Sender {
    let Some((webhook, path_token)) = route(webhooks, &head.path) else {
        return Sender::Refused;
    };
    let is_proven = bool::from(webhook.proves_itself(head, path_token));
    match (head.method.as_str(), is_proven, &webhook.signature) {
        ("POST", true, _) => Sender::Proven,
        ("POST", false, Some(_)) => Sender::Unproven,
        _ => Sender::Refused,
    }
}

/// The webhook that a path belongs to, and the token at the end of the path.
pub(crate) fn route<'a, 'p>(
    webhooks: &'a [Webhook],
    path: &'p str,
) -> Option<(&'a Webhook, Option<&'p str>)> {
    if let Some(webhook) = webhooks.iter().find(|w| w.path == path) {
        return Some((webhook, None));
    }
    let (parent, token) = path.rsplit_once('/')?;
    let webhook = webhooks
        .iter()
        .find(|w| w.path == parent && !w.url_token.is_empty())?;
    Some((webhook, Some(token)))
}

impl Webhook {
    /// Tries every proof, so that which of them failed takes no different
    /// time, and tells which message must be remembered.
    fn prove(
        &self,
        incoming: &Incoming,
        path_token: Option<&str>,
        now_ms: u64,
    ) -> Result<Option<Once>, Refusal> {
        let value = |name: &str| header(&incoming.headers, name);
        let by_head = self.proves_itself(incoming, path_token);
        let by_signature = self.signature.as_ref().map(|verifier| {
            let signed = Signed {
                id: value("webhook-id"),
                timestamp: value("webhook-timestamp"),
                signature: value("webhook-signature"),
            };
            let found = verifier.verify(signed, &incoming.body, now_ms);
            (found, verifier.tolerance_seconds())
        });
        if bool::from(by_head) {
            return Ok(None);
        }
        match by_signature {
            Some((Signature::Valid { id, expires_ms }, _)) => Ok(Some(Once { id, expires_ms })),
            Some((Signature::Expired, tolerance_seconds)) => {
                Err(Refusal::Expired { tolerance_seconds })
            }
            Some((Signature::Invalid, _)) | None => Err(Refusal::Unproven {
                accepted: self.accepted(),
            }),
        }
    }

    /// Whether the head alone proves the sender.
    fn proves_itself(&self, head: &Incoming, path_token: Option<&str>) -> Choice {
        let value = |name: &str| header(&head.headers, name);
        let query_token = query_token(&head.query);
        let by_bearer = self.bearer.matches(value("authorization").and_then(bearer));
        let by_header = self
            .header
            .as_ref()
            .map(|(name, accepted)| accepted.matches(value(name)));
        let by_token = self
            .url_token
            .matches(path_token.or(query_token.as_deref()));
        by_bearer | by_token | by_header.unwrap_or_else(|| Choice::from(0))
    }

    /// The proofs that are configured, in words.
    fn accepted(&self) -> String {
        let mut proofs = Vec::new();
        if !self.bearer.is_empty() {
            proofs.push("the header authorization: Bearer <token>".to_owned());
        }
        if let Some((name, _)) = &self.header {
            proofs.push(format!("a secret in the header {name}"));
        }
        if !self.url_token.is_empty() {
            proofs.push("?token=<token> in the URL".to_owned());
        }
        if self.signature.is_some() {
            proofs.push("a webhook-signature of the Standard Webhooks scheme".to_owned());
        }
        proofs.join(", or ")
    }

    fn without_proof(&self, incoming: Incoming) -> Request {
        let headers = incoming
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, _)| {
                !NEVER_PASSED_ON.contains(&name.as_str())
                    && self
                        .header
                        .as_ref()
                        .is_none_or(|(secret, _)| secret != name)
            })
            .collect();
        let query = if self.url_token.is_empty() {
            incoming.query
        } else {
            let kept: Vec<&str> = incoming
                .query
                .split('&')
                .filter(|pair| query_token(pair).is_none())
                .collect();
            kept.join("&")
        };
        Request {
            method: incoming.method,
            path: self.path.clone(),
            query,
            headers,
            body: incoming.body,
        }
    }
}

/// The first value of a header. A proof that is sent twice is a proof once.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn query_token(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, value)| value.into_owned())
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// The answer on a path on which nothing is received.
pub fn unserved() -> Response {
    error_response(404, "nothing is received on this path")
}

impl Refusal {
    /// A word for the metric.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::UnknownRoute => "unknown_route",
            Self::Method(_) => "method",
            Self::TooLarge { .. } => "too_large",
            Self::Unproven { .. } => "unproven",
            Self::Expired { .. } => "expired",
            Self::Replayed => "replayed",
            Self::ContentType(_) => "content_type",
        }
    }

    /// What the sender is told: one line of JSON.
    pub(crate) fn response(&self) -> Response {
        let (status, extra, error) = match self {
            Self::UnknownRoute => return unserved(),
            Self::Method(method) => (
                405,
                Some(("allow", "POST")),
                format!("expected POST, found {}", shortened(method)),
            ),
            Self::TooLarge { limit } => (
                413,
                None,
                format!("the body is longer than the {limit} bytes that are accepted"),
            ),
            Self::Unproven { accepted } => (
                401,
                Some(("www-authenticate", "Bearer")),
                format!("no valid proof of the sender; expected {accepted}"),
            ),
            Self::Expired { tolerance_seconds } => (
                401,
                None,
                format!(
                    "webhook-timestamp is more than {tolerance_seconds} s away from this clock; \
                     send again, with a new signature, and check the sender's clock"
                ),
            ),
            Self::Replayed => (
                409,
                None,
                "a message with this webhook-id was already accepted; expected a new id for \
                 every event"
                    .to_owned(),
            ),
            Self::ContentType(found) => (
                415,
                None,
                format!(
                    "expected content-type application/json, found {}",
                    shortened(found)
                ),
            ),
        };
        let mut response = error_response(status, &error);
        if let Some((name, value)) = extra {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
        response
    }
}

/// An answer of the gateway's own: `{"error":"…"}` in one line.
pub fn error_response(status: u16, error: &str) -> Response {
    json_response(status, &serde_json::json!({ "error": error }))
}

/// An answer of the gateway's own.
pub(crate) fn json_response(status: u16, value: &impl serde::Serialize) -> Response {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    Response {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body,
    }
}

/// What a stranger sent, cut to a length at which it explains and does not
/// flood.
fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    const TOKEN: &str = "correct-horse";

    fn accepted(secret: &str) -> Accepted {
        Accepted::new(&[Secret::new(secret)])
    }

    fn webhook(path: &str) -> Webhook {
        Webhook {
            path: path.to_owned(),
            bearer: Accepted::default(),
            header: None,
            url_token: Accepted::default(),
            signature: None,
            max_body_bytes: 100,
        }
    }

    fn with_every_proof() -> Vec<Webhook> {
        let secrets = [Secret::new("signing")];
        vec![
            Webhook {
                bearer: accepted(TOKEN),
                header: Some(("x-secret".to_owned(), accepted("value"))),
                url_token: accepted("in-url"),
                signature: Some(Verifier::new(&secrets, 300).unwrap()),
                ..webhook("/flashduty/prod")
            },
            Webhook {
                bearer: accepted("other"),
                ..webhook("/servicenow/prod")
            },
        ]
    }

    fn post(path: &str, headers: &[(&str, &str)]) -> Incoming {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Incoming {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: b"{}".to_vec(),
        }
    }

    fn outcome(incoming: Incoming) -> Result<Request, Refusal> {
        authenticate(&with_every_proof(), incoming, 0).map(|a| a.request)
    }

    #[test]
    fn any_one_proof_suffices_and_none_reaches_the_plugin() {
        let proofs = [
            post(
                "/flashduty/prod?a=1&b=%20",
                &[("Authorization", "Bearer correct-horse")],
            ),
            post("/flashduty/prod?a=1&b=%20", &[("X-Secret", "value")]),
            post("/flashduty/prod?a=1&token=in-url&b=%20", &[]),
            post("/flashduty/prod/in-url?a=1&b=%20", &[]),
        ];
        for incoming in proofs {
            let request = outcome(incoming).unwrap();
            assert_eq!(request.path, "/flashduty/prod");
            assert_eq!(request.query, "a=1&b=%20");
            assert_eq!(request.headers, []);
            assert_eq!(request.body, b"{}");
        }
    }

    #[test]
    fn headers_that_are_no_proof_stay_in_order_and_in_lower_case() {
        let request = outcome(post(
            "/flashduty/prod",
            &[
                ("Content-Type", "application/json; charset=utf-8"),
                ("AUTHORIZATION", "Bearer correct-horse"),
                ("Cookie", "a=b"),
                ("X-Trace", "1"),
                ("x-trace", "2"),
            ],
        ))
        .unwrap();
        let expected = [
            ("content-type", "application/json; charset=utf-8"),
            ("x-trace", "1"),
            ("x-trace", "2"),
        ];
        assert_eq!(
            request.headers,
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn a_wrong_proof_is_told_what_is_expected_and_nothing_else() {
        let expected = "{\"error\":\"no valid proof of the sender; expected the header \
            authorization: Bearer <token>, or a secret in the header x-secret, or \
            ?token=<token> in the URL, or a webhook-signature of the Standard Webhooks \
            scheme\"}\n";
        for incoming in [
            post("/flashduty/prod", &[]),
            post("/flashduty/prod", &[("authorization", "Bearer wrong")]),
            post(
                "/flashduty/prod",
                &[("authorization", "Basic correct-horse")],
            ),
            post("/flashduty/prod", &[("x-secret", "correct-horse")]),
            post("/flashduty/prod?token=correct-horse", &[]),
            post("/flashduty/prod?xtoken=in-url", &[]),
            post("/flashduty/prod/", &[]),
            post("/flashduty/prod/in-urll", &[]),
            post("/flashduty/prod", &[("webhook-signature", "v1,AAAA")]),
        ] {
            let response = outcome(incoming).unwrap_err().response();
            assert_eq!(response.status, 401);
            assert_eq!(String::from_utf8(response.body).unwrap(), expected);
        }
    }

    #[test]
    fn the_secret_of_one_route_does_not_open_another() {
        let refused = outcome(post(
            "/servicenow/prod",
            &[("authorization", "Bearer correct-horse")],
        ));
        assert_eq!(refused.unwrap_err().response().status, 401);
    }

    #[test]
    fn a_route_without_a_url_token_has_no_paths_below_it() {
        for path in [
            "/servicenow/prod/other",
            "/servicenow",
            "/",
            "",
            "/flashduty/prod/a/b",
        ] {
            let refused = outcome(post(path, &[("authorization", "Bearer other")]));
            assert_eq!(refused.unwrap_err(), Refusal::UnknownRoute, "{path}");
        }
    }

    #[test]
    fn only_a_short_post_of_json_is_received() {
        let proven = [("authorization", "Bearer correct-horse")];
        let mut get = post("/flashduty/prod", &proven);
        get.method = "GET".to_owned();
        let mut long = post("/flashduty/prod", &proven);
        long.body = vec![b' '; 101];
        let mut longest = post("/flashduty/prod", &proven);
        longest.body = vec![b' '; 100];
        let form = post(
            "/flashduty/prod",
            &[
                proven[0],
                ("content-type", "application/x-www-form-urlencoded"),
            ],
        );
        for (incoming, status, error) in [
            (get, 405, "expected POST, found GET"),
            (
                long,
                413,
                "the body is longer than the 100 bytes that are accepted",
            ),
            (
                form,
                415,
                "expected content-type application/json, found application/x-www-form-urlencoded",
            ),
        ] {
            let response = outcome(incoming).unwrap_err().response();
            assert_eq!(response.status, status);
            assert_eq!(
                String::from_utf8(response.body).unwrap(),
                format!("{{\"error\":\"{error}\"}}\n")
            );
        }
        assert!(outcome(longest).is_ok());
        for json in [
            "application/json",
            "Application/JSON;charset=x",
            "application/cloudevents+json",
        ] {
            assert!(
                outcome(post(
                    "/flashduty/prod",
                    &[proven[0], ("content-type", json)]
                ))
                .is_ok()
            );
        }
    }

    #[test]
    fn without_any_webhook_no_path_is_known() {
        let refused = authenticate(&[], post("/flashduty/prod", &[]), 0);
        assert_eq!(refused.unwrap_err(), Refusal::UnknownRoute);
    }
}
