//! Carries out a plugin's HTTP request: policy, gate, credential, sending, and
//! what the answer teaches.

use crate::Client;
use crate::Environment;
use crate::Gateway;
use crate::OutgoingRequest;
use crate::Runtime;
use crate::Secret;
use crate::SendFailure;
use crate::Store;
use crate::authentication::header;
use crate::contract::Headers;
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
use crate::gate::Why;
use crate::gates::Pass;
use crate::gates::Patience;
use crate::gates::Place;
use crate::line;
use crate::origin::Origin;
use crate::redaction::without_queries;
use crate::retry_after::retry_after;
use crate::retry_after::retry_at;
use crate::session::LAPSED;
use crate::session::Run;
use crate::settings::PaceSettings;
use crate::suggestion::did_you_mean;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use url::Url;

const LONGEST_TOKEN_ANSWER: usize = 64 << 10;
/// So much is told of where a redirect leads, in characters.
const LONGEST_PLACE: usize = 200;
const TOKEN_TIMEOUT_MS: u32 = 30_000;
/// How long a session waits for its turn at a place. It holds up a worker
/// meanwhile, so that one slow account may not do it for long...
const PATIENCE_MS: u64 = 2000;
/// ...but what has begun there should come to its end: to begin anew would cost
/// the far end more.
const LONGEST_PATIENCE_MS: u64 = 60_000;

impl<R: Runtime, S: Store, C: Client, E: Environment> Run<'_, R, S, C, E> {
    /// Carries out one request.
    pub(crate) async fn exchange(&self, request: HttpRequest) -> Result<Response, HttpFailure> {
        let (url, origin) = match self.setup.policy.egress.check(&request) {
            Ok(checked) => checked,
            Err(why) => {
                // The origin is whatever the plugin wrote, and no label.
                self.gateway.metrics.count_request("not allowed", "refused");
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
        let metrics = &self.gateway.metrics;
        metrics.count_request(origin.as_str(), outcome);
        result
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
        let default = PaceSettings::default();
        let pace = credential.map_or(&default, |credential| &credential.pace);
        let gate = self.enter(&place, pace).await?;
        let oauth = credential.and_then(|credential| match &credential.kind {
            Kind::OAuth2(oauth) => Some((request.credential.as_deref().unwrap_or(""), oauth)),
            _ => None,
        });
        // Of a token that was rejected before, a probe need not hear it again.
        let anew = gate.probe == Some(Why::Rejected);
        let mut token = match oauth {
            Some((name, oauth)) => Some(self.token(name, oauth, None, anew).await?),
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
            && !anew
        {
            token = Some(self.token(name, oauth, token.as_ref(), false).await?);
            result = self.send(outgoing(token.as_ref())?).await;
        }
        // First: what it teaches may name what is in it.
        if let (Some(credential), Ok(response)) = (credential, &mut result) {
            credential.conceal(response, token.as_ref().map(|token| &token.access));
        }
        let now_ms = self.gateway.environment.now_ms();
        let name = request.credential.as_deref().unwrap_or_default();
        if let Some(lesson) = lesson(&request, &result, now_ms)
            && !(lesson == Lesson::Rejects && self.is_outdated(name))
        {
            self.learn(gate, &place, &lesson).await;
        }
        result
    }

    async fn enter(&self, place: &Place, pace: &PaceSettings) -> Result<Pass<'_>, HttpFailure> {
        let Gateway {
            gates,
            store,
            environment,
            ..
        } = self.gateway;
        let id = place.id();
        let has_begun = self.reached().contains(&id);
        let most_ms = if has_begun {
            LONGEST_PATIENCE_MS
        } else {
            PATIENCE_MS
        };
        let left_ms = self.deadline_ms.saturating_sub(environment.steady_ms());
        let patience = Patience {
            settings: pace,
            most_ms: most_ms.min(left_ms),
        };
        match gates.enter(place, &patience, store, environment).await {
            Ok(pass) => {
                self.reached().push(id);
                Ok(pass)
            }
            Err(hold) => {
                self.is_held(id, hold.until_ms);
                Err(HttpFailure::Held(hold))
            }
        }
    }

    async fn learn(&self, gate: Pass<'_>, place: &Place, lesson: &Lesson) -> Option<Hold> {
        let Gateway {
            store, environment, ..
        } = self.gateway;
        let work = self.work.as_deref().unwrap_or_default();
        let hold = gate.learn(lesson, work, store, environment).await;
        if let Some(hold) = &hold {
            self.is_held(place.id(), hold.until_ms);
        }
        hold
    }

    /// Whether the credential that was used has been replaced meanwhile.
    fn is_outdated(&self, name: &str) -> bool {
        let now = self.gateway.setup();
        let used = self.setup.policy.credential(name);
        let current = now.policy.credential(name);
        !matches!((used, current), (Some(used), Some(current)) if used.proves_the_same_as(current))
    }

    fn reached(&self) -> MutexGuard<'_, Vec<String>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credential(&self, name: &str, origin: &Origin) -> Result<&Credential, HttpFailure> {
        let policy = &self.setup.policy;
        let Some(credential) = policy.credential(name) else {
            let known = policy.credentials.iter().map(|c| c.name.as_str());
            return Err(HttpFailure::Refused(format!(
                "there is no credential {name:?}; add it to the gateway's settings{}",
                did_you_mean(name, known)
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
            .saturating_sub(self.gateway.environment.steady_ms());
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
    /// one that the far end has just turned down; `anew` asks for another one
    /// in any case.
    ///
    /// The lock is held while a token is fetched, so that all who need one
    /// wait for the same request.
    async fn token(
        &self,
        name: &str,
        oauth: &OAuth2,
        rejected: Option<&Token>,
        anew: bool,
    ) -> Result<Token, HttpFailure> {
        let mut cached = oauth.token.lock().await;
        let now_ms = self.gateway.environment.now_ms();
        if let Some(token) = cached.as_ref()
            && !anew
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
        let gate = self.enter(&place, &PaceSettings::default()).await?;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let result = self
            .send(OutgoingRequest {
                method: "POST".to_owned(),
                url: oauth.token_url.clone(),
                headers: vec![
                    pair("content-type", "application/x-www-form-urlencoded"),
                    pair("accept", "application/json"),
                ],
                body: oauth.form(),
                timeout_ms: TOKEN_TIMEOUT_MS,
                max_response_bytes: LONGEST_TOKEN_ANSWER,
            })
            .await;
        let now_ms = self.gateway.environment.now_ms();
        let (lesson, why) = match result {
            Ok(response) if response.status == 200 => {
                let serial = self.gateway.environment.random();
                match Token::read(&response.body, now_ms, serial) {
                    Ok(token) => {
                        self.learn(gate, &place, &Lesson::Works).await;
                        *cached = Some(token.clone());
                        return Ok(token);
                    }
                    Err(why) => (Lesson::Fails(why.clone()), why),
                }
            }
            Ok(response) if response.status == 429 => {
                let until_ms = retry_at(&response.headers, now_ms);
                (Lesson::Limits { until_ms }, "answered 429".to_owned())
            }
            Ok(response) if (400..500).contains(&response.status) => {
                (Lesson::Rejects, format!("answered {}", response.status))
            }
            Ok(response) => {
                let why = format!("answered {}", response.status);
                (Lesson::Fails(why.clone()), why)
            }
            Err(HttpFailure::Refused(why)) => return Err(HttpFailure::Refused(why)),
            Err(HttpFailure::Unreachable(why) | HttpFailure::Unknown(why)) => {
                (Lesson::Fails(why.clone()), why)
            }
            Err(HttpFailure::Held(hold)) => return Err(HttpFailure::Held(hold)),
        };
        // Nothing was sent to the place that the plugin wanted to reach, so
        // whatever went wrong here, the request is only held back.
        let reason = format!("no token for the credential {name:?}: the token endpoint {why}");
        tracing::warn!(credential = name, reason, "no OAuth token");
        let closed = match lesson {
            Lesson::Rejects if self.is_outdated(name) => None,
            lesson => self.learn(gate, &place, &lesson).await,
        };
        Err(HttpFailure::Held(Hold {
            until_ms: closed.map_or(now_ms + 1000, |hold| hold.until_ms),
            reason,
        }))
    }
}

/// What an answer teaches about the place it came from.
fn lesson(
    request: &HttpRequest,
    result: &Result<Response, HttpFailure>,
    now_ms: u64,
) -> Option<Lesson> {
    let response = match result {
        Ok(response) => response,
        Err(HttpFailure::Unreachable(why) | HttpFailure::Unknown(why)) => {
            return Some(Lesson::Fails(why.clone()));
        }
        Err(HttpFailure::Refused(_) | HttpFailure::Held(_)) => return None,
    };
    let until_ms = match response.status {
        // When the quota is full again, which some tell always, says nothing of that.
        503 => retry_after(&response.headers, now_ms),
        _ => retry_at(&response.headers, now_ms),
    };
    let with_credential = request.credential.is_some();
    Some(match (response.status, until_ms) {
        (429, until_ms) => Lesson::Limits { until_ms },
        (503, Some(until_ms)) => Lesson::AsksToWait { until_ms },
        (401, _) if with_credential => Lesson::Rejects,
        (403, _) if with_credential => Lesson::Forbids,
        (status @ 300..=399, _) => {
            let to = header(&response.headers, "location").unwrap_or("nowhere");
            // Some far ends take their key in the query.
            let to = to.split(['?', '#']).next().unwrap_or_default();
            let to = line::cut(to, LONGEST_PLACE);
            Lesson::Fails(format!(
                "it answered {status}, a redirect to {to}, and none is followed"
            ))
        }
        (status @ 500..=599, _) => Lesson::Fails(format!("it answered {status}")),
        (status @ 200..=299, _) if is_unasked_page(request, response) => Lesson::Fails(format!(
            "it answered {status} with a page (text/html), as log-in pages, sleeping instances \
             and proxies do"
        )),
        _ => Lesson::Works,
    })
}

/// Whether the answer is a page for people, and nobody asked for one.
fn is_unasked_page(request: &HttpRequest, response: &Response) -> bool {
    let is_page = |headers: &Headers, name| {
        header(headers, name).is_some_and(|value| value.to_ascii_lowercase().contains("text/html"))
    };
    is_page(&response.headers, "content-type") && !is_page(&request.headers, "accept")
}
