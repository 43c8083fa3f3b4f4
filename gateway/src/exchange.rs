//! Carries out a plugin's HTTP request: policy, gate, credential, sending, and
//! what the answer teaches.

use crate::Client;
use crate::Environment;
use crate::OutgoingRequest;
use crate::Runtime;
use crate::Secret;
use crate::SendFailure;
use crate::Store;
use crate::contract::Hold;
use crate::contract::HttpFailure;
use crate::contract::HttpRequest;
use crate::contract::Response;
use crate::credential::Credential;
use crate::credential::Kind;
use crate::credential::OAuth2;
use crate::credential::Token;
use crate::egress::end_to_end;
use crate::gate::Lesson;
use crate::gate::Place;
use crate::gate::retry_at;
use crate::metrics;
use crate::origin::Origin;
use crate::redaction::without_queries;
use crate::session::LAPSED;
use crate::session::Run;
use crate::suggestion::did_you_mean;
use url::Url;

const LONGEST_TOKEN_ANSWER: usize = 64 << 10;
const TOKEN_TIMEOUT_MS: u32 = 30_000;

impl<R: Runtime, S: Store, C: Client, E: Environment> Run<'_, R, S, C, E> {
    /// Carries out one request.
    pub(crate) async fn exchange(&self, request: HttpRequest) -> Result<Response, HttpFailure> {
        let (url, origin) = match self.setup.policy.egress.check(&request) {
            Ok(checked) => checked,
            Err(why) => {
                // The origin is whatever the plugin wrote, and no label.
                self.count_request("not allowed", "refused");
                return Err(HttpFailure::Refused(why));
            }
        };
        let result = self.exchange_checked(request, url, &origin).await;
        let outcome = match &result {
            Ok(response) => match response.status {
                401 => "401",
                429 => "429",
                200..300 => "2xx",
                300..400 => "3xx",
                400..500 => "4xx",
                _ => "5xx",
            },
            Err(HttpFailure::Refused(_)) => "refused",
            Err(HttpFailure::Held(_)) => "held",
            Err(HttpFailure::Unreachable(_)) => "unreachable",
            Err(HttpFailure::Unknown(_)) => "unknown",
        };
        self.count_request(origin.as_str(), outcome);
        result
    }

    fn count_request(&self, origin: &str, outcome: &'static str) {
        let origin = origin.to_owned();
        self.gateway
            .metrics
            .requests
            .get_or_create(&metrics::Request { origin, outcome })
            .inc();
    }

    async fn exchange_checked(
        &self,
        request: HttpRequest,
        url: Url,
        origin: &Origin,
    ) -> Result<Response, HttpFailure> {
        let credential = match &request.credential {
            Some(name) => Some(self.credential(name, origin)?),
            None => None,
        };
        let place = Place {
            origin: origin.to_string(),
            credential: request.credential.clone(),
            token_endpoint: false,
        };
        let gate = self
            .gateway
            .gates
            .enter(place, self.gateway.environment.now_ms())
            .map_err(HttpFailure::Held)?;
        let oauth = credential.and_then(|credential| match &credential.kind {
            Kind::OAuth2(oauth) => Some((request.credential.as_deref().unwrap_or(""), oauth)),
            _ => None,
        });
        let mut token = match oauth {
            Some((name, oauth)) => Some(self.token(name, oauth, None).await?),
            None => None,
        };
        let outgoing = |token: Option<&Token>| {
            let token = token.map(|token| &token.access);
            self.outgoing(&request, &url, credential, token)
        };
        let mut result = self.send(outgoing(token.as_ref())?).await;
        // The far end has not carried out what it answers 401, so it may be
        // sent again with a new token: it is often the token alone that ended.
        if let (Some((name, oauth)), Ok(response)) = (oauth, &result)
            && response.status == 401
        {
            token = Some(self.token(name, oauth, token.as_ref()).await?);
            result = self.send(outgoing(token.as_ref())?).await;
        }
        let now_ms = self.gateway.environment.now_ms();
        if let Some(lesson) = lesson(&result, credential.is_some(), now_ms) {
            gate.learn(&lesson, now_ms, self.gateway.environment.random());
        }
        if let (Some(credential), Ok(response)) = (credential, &mut result) {
            credential.conceal(&mut response.headers);
        }
        result
    }

    fn credential(&self, name: &str, origin: &Origin) -> Result<&Credential, HttpFailure> {
        let credentials = &self.setup.policy.credentials;
        let Some(credential) = credentials.get(name) else {
            return Err(HttpFailure::Refused(format!(
                "there is no credential {name:?}; add it to the gateway's settings{}",
                did_you_mean(name, credentials.keys().map(String::as_str))
            )));
        };
        if credential.origin != *origin {
            return Err(HttpFailure::Refused(format!(
                "the credential {name:?} is bound to {}, not to {origin}",
                credential.origin
            )));
        }
        Ok(credential)
    }

    /// The request as it is sent, with the credential in it.
    fn outgoing(
        &self,
        request: &HttpRequest,
        url: &Url,
        credential: Option<&Credential>,
        token: Option<&Secret>,
    ) -> Result<OutgoingRequest, HttpFailure> {
        // The last look before it is sent: fetching a token may have taken long.
        if !self.may_go_on() {
            return Err(HttpFailure::Held(Hold {
                until_ms: self.gateway.environment.now_ms(),
                reason: LAPSED.to_owned(),
            }));
        }
        let limits = &self.setup.policy.limits;
        let left_ms = self
            .deadline_ms
            .saturating_sub(self.gateway.environment.now_ms());
        let timeout_ms = u64::from(request.timeout_ms)
            .min(u64::from(limits.request_seconds) * 1000)
            .min(left_ms)
            .max(1);
        let mut url = url.clone();
        let mut headers = request.headers.clone();
        if let Some(credential) = credential {
            credential
                .attach(&mut url, &mut headers, token)
                .map_err(HttpFailure::Refused)?;
        }
        Ok(OutgoingRequest {
            method: request.method.clone(),
            url,
            headers,
            body: request.body.clone(),
            timeout_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
            max_response_bytes: limits.response_bytes,
        })
    }

    async fn send(&self, request: OutgoingRequest) -> Result<Response, HttpFailure> {
        let most = request.max_response_bytes;
        match self.setup.client.send(request).await {
            Ok(response) if response.body.len() > most => Err(HttpFailure::Unknown(format!(
                "the answer is longer than {most} bytes"
            ))),
            Ok(response) => Ok(Response {
                status: response.status,
                headers: end_to_end(response.headers),
                body: response.body,
            }),
            Err(SendFailure::Refused(why)) => Err(HttpFailure::Refused(without_queries(&why))),
            Err(SendFailure::Unreachable(why)) => {
                Err(HttpFailure::Unreachable(without_queries(&why)))
            }
            Err(SendFailure::Unknown(why)) => Err(HttpFailure::Unknown(without_queries(&why))),
        }
    }

    /// An OAuth token, fetched if there is none that is fresh. `rejected` is
    /// one that the far end has just turned down.
    ///
    /// The lock is held while a token is fetched, so that all who need one
    /// wait for the same request.
    async fn token(
        &self,
        name: &str,
        oauth: &OAuth2,
        rejected: Option<&Token>,
    ) -> Result<Token, HttpFailure> {
        let mut cached = oauth.token.lock().await;
        let now_ms = self.gateway.environment.now_ms();
        if let Some(token) = cached.as_ref()
            && token.is_fresh(now_ms)
            && rejected.is_none_or(|rejected| rejected.serial != token.serial)
        {
            return Ok(token.clone());
        }
        *cached = None;
        let place = Place {
            origin: Origin::of(&oauth.token_url).to_string(),
            credential: Some(name.to_owned()),
            token_endpoint: true,
        };
        let gate = self
            .gateway
            .gates
            .enter(place, now_ms)
            .map_err(HttpFailure::Held)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let result = self
            .send(OutgoingRequest {
                method: "POST".to_owned(),
                url: oauth.token_url.clone(),
                headers: vec![
                    header("content-type", "application/x-www-form-urlencoded"),
                    header("accept", "application/json"),
                ],
                body: oauth.form(),
                timeout_ms: TOKEN_TIMEOUT_MS,
                max_response_bytes: LONGEST_TOKEN_ANSWER,
            })
            .await;
        let now_ms = self.gateway.environment.now_ms();
        let random = self.gateway.environment.random();
        let (lesson, why) = match result {
            Ok(response) if response.status == 200 => {
                match Token::read(&response.body, now_ms, random) {
                    Ok(token) => {
                        gate.learn(&Lesson::Works, now_ms, random);
                        *cached = Some(token.clone());
                        return Ok(token);
                    }
                    Err(why) => (Lesson::Fails, why),
                }
            }
            Ok(response) if response.status == 429 => {
                let until_ms = retry_at(&response.headers, now_ms);
                (Lesson::Limits { until_ms }, "answered 429".to_owned())
            }
            Ok(response) if (400..500).contains(&response.status) => {
                (Lesson::Rejects, format!("answered {}", response.status))
            }
            Ok(response) => (Lesson::Fails, format!("answered {}", response.status)),
            Err(HttpFailure::Refused(why)) => return Err(HttpFailure::Refused(why)),
            Err(HttpFailure::Unreachable(why) | HttpFailure::Unknown(why)) => (Lesson::Fails, why),
            Err(HttpFailure::Held(hold)) => return Err(HttpFailure::Held(hold)),
        };
        // Nothing was sent to the place that the plugin wanted to reach, so
        // whatever went wrong here, the request is only held back.
        let reason = format!("no token for the credential {name:?}: the token endpoint {why}");
        tracing::warn!(credential = name, reason, "no OAuth token");
        let closed = gate.learn(&lesson, now_ms, random);
        Err(HttpFailure::Held(Hold {
            until_ms: closed.map_or(now_ms + 1000, |hold| hold.until_ms),
            reason,
        }))
    }
}

/// What an answer teaches about the place it came from.
fn lesson(
    result: &Result<Response, HttpFailure>,
    with_credential: bool,
    now_ms: u64,
) -> Option<Lesson> {
    match result {
        Ok(response) => Some(match response.status {
            429 => Lesson::Limits {
                until_ms: retry_at(&response.headers, now_ms),
            },
            401 if with_credential => Lesson::Rejects,
            500..=599 => Lesson::Fails,
            _ => Lesson::Works,
        }),
        Err(HttpFailure::Unreachable(_) | HttpFailure::Unknown(_)) => Some(Lesson::Fails),
        Err(HttpFailure::Refused(_) | HttpFailure::Held(_)) => None,
    }
}
