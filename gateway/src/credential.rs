//! Proves the gateway to a far end, on behalf of a plugin that knows only the
//! name of the credential.
//!
//! A credential is bound to one origin, and is attached after the request was
//! checked, right before it is sent. OAuth tokens are fetched when they are
//! first needed, by one request while others wait for it, and kept in memory
//! until shortly before they expire.

use crate::Secret;
use crate::contract::Headers;
use crate::contract::Response;
use crate::origin::Origin;
use crate::settings::PaceSettings;
use base64ct::Base64;
use base64ct::Encoding as _;
use futures_util::lock::Mutex;
use serde_json::Value;
use url::Url;
use url::form_urlencoded;
use zeroize::Zeroizing;

pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) kind: Kind,
    pub(crate) pace: PaceSettings,
}

pub(crate) enum Kind {
    Basic { user: Secret, password: Secret },
    Bearer { token: Secret },
    Header { name: String, value: Secret },
    Query { name: String, value: Secret },
    OAuth2(Box<OAuth2>),
}

pub(crate) struct OAuth2 {
    pub(crate) token_url: Url,
    pub(crate) client_id: Secret,
    pub(crate) client_secret: Secret,
    /// Of the grant `password`; else it is `client_credentials`.
    pub(crate) owner: Option<(Secret, Secret)>,
    pub(crate) scope: Option<String>,
    /// Locked while it is fetched, so that it is fetched once.
    pub(crate) token: Mutex<Option<Token>>,
}

#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) access: Secret,
    /// When to fetch another, in Unix milliseconds.
    pub(crate) stale_ms: u64,
    /// When it was fetched. A clock that is before that was set back, and the
    /// time above means nothing.
    pub(crate) fetched_ms: u64,
    /// Tells tokens apart, so that nobody has to compare the secrets.
    pub(crate) serial: u64,
}

/// A token is not used in its last seconds, which may be over on arrival.
const MARGIN_SECONDS: u64 = 30;
/// What stands where a far end repeated a secret.
const CONCEALED: &str = "[secret]";
const SHORTEST_CONCEALED: usize = 8;
/// Lifetime of a token that does not tell its own.
const UNSTATED_SECONDS: u64 = 300;

impl Credential {
    /// Adds the proof to a request that was checked to go to the credential's
    /// origin. `token` is that of an OAuth credential.
    pub(crate) fn attach(
        &self,
        url: &mut Url,
        headers: &mut Headers,
        token: Option<&Secret>,
    ) -> Result<(), String> {
        let authorization = |text: String| ("authorization".to_owned(), text);
        match &self.kind {
            Kind::Basic { user, password } => {
                let pair = format!("{}:{}", user.reveal(), password.reveal());
                headers.push(authorization(format!(
                    "Basic {}",
                    Base64::encode_string(pair.as_bytes())
                )));
            }
            Kind::Bearer { token } => {
                headers.push(authorization(format!("Bearer {}", token.reveal())));
            }
            Kind::OAuth2(_) => {
                let token = token.map(Secret::reveal).unwrap_or_default();
                headers.push(authorization(format!("Bearer {token}")));
            }
            Kind::Header { name, value } => {
                if headers.iter().any(|(taken, _)| taken == name) {
                    return Err(format!("the header {name} is the credential's"));
                }
                headers.push((name.clone(), value.reveal().to_owned()));
            }
            Kind::Query { name, value } => {
                if url.query_pairs().any(|(taken, _)| taken == *name) {
                    return Err(format!("the query parameter {name} is the credential's"));
                }
                url.query_pairs_mut().append_pair(name, value.reveal());
            }
        }
        Ok(())
    }

    /// Whether a far end could not tell the two apart.
    pub(crate) fn proves_the_same_as(&self, other: &Self) -> bool {
        self.origin == other.origin && self.kind.parts() == other.kind.parts()
    }

    /// Takes the proof out of an answer, where a far end repeats it: a redirect
    /// or a link to the next page in the query, an error page in what it shows
    /// of the request. The plugin must not see it, and would write it to logs.
    pub(crate) fn conceal(&self, response: &mut Response, token: Option<&Secret>) {
        for secret in self.forms(token) {
            // What is shorter is no secret, and stands in many a text by chance.
            if secret.len() < SHORTEST_CONCEALED {
                continue;
            }
            for (_, text) in &mut response.headers {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), CONCEALED);
                }
            }
            conceal_in(&mut response.body, secret.as_bytes());
        }
    }

    /// How the proof may stand in a text.
    fn forms(&self, token: Option<&Secret>) -> Vec<Zeroizing<String>> {
        let encoded = |secret: &Secret| {
            let text = form_urlencoded::byte_serialize(secret.reveal().as_bytes());
            Zeroizing::new(text.collect::<String>())
        };
        let plain = |secret: &Secret| Zeroizing::new(secret.reveal().to_owned());
        let mut forms = match &self.kind {
            Kind::Basic { user, password } => {
                let pair = Zeroizing::new(format!("{}:{}", user.reveal(), password.reveal()));
                let pair = Base64::encode_string(pair.as_bytes());
                vec![Zeroizing::new(pair), plain(password), encoded(password)]
            }
            Kind::Bearer { token } => vec![plain(token)],
            Kind::Header { value, .. } => vec![plain(value)],
            Kind::Query { value, .. } => vec![plain(value), encoded(value)],
            Kind::OAuth2(oauth) => vec![plain(&oauth.client_secret)],
        };
        forms.extend(token.map(plain));
        forms
    }
}

/// Puts [`CONCEALED`] in the place of a secret. Every answer is searched, and
/// hardly one holds any.
fn conceal_in(body: &mut Vec<u8>, secret: &[u8]) {
    let (mut clean, mut behind) = (Vec::new(), 0);
    // Nearly always the first byte says no.
    let is_secret = |text: &[u8]| text[0] == secret[0] && text == secret;
    let next = |rest: &[u8]| rest.windows(secret.len()).position(is_secret);
    while let Some(at) = next(&body[behind..]) {
        clean.extend_from_slice(&body[behind..behind + at]);
        clean.extend_from_slice(CONCEALED.as_bytes());
        behind += at + secret.len();
    }
    if behind > 0 {
        clean.extend_from_slice(&body[behind..]);
        *body = clean;
    }
}

impl Kind {
    /// Everything that it proves itself with, and what tells the kinds apart.
    fn parts(&self) -> Vec<&[u8]> {
        fn secret(secret: &Secret) -> &[u8] {
            secret.reveal().as_bytes()
        }
        match self {
            Self::Basic { user, password } => vec![b"basic", secret(user), secret(password)],
            Self::Bearer { token } => vec![b"bearer", secret(token)],
            Self::Header { name, value } => vec![b"header", name.as_bytes(), secret(value)],
            Self::Query { name, value } => vec![b"query", name.as_bytes(), secret(value)],
            Self::OAuth2(oauth) => {
                let mut parts = vec![
                    &b"oauth2"[..],
                    oauth.token_url.as_str().as_bytes(),
                    secret(&oauth.client_id),
                    secret(&oauth.client_secret),
                ];
                if let Some((user, password)) = &oauth.owner {
                    parts.extend([&b"owner"[..], secret(user), secret(password)]);
                }
                if let Some(scope) = &oauth.scope {
                    parts.extend([&b"scope"[..], scope.as_bytes()]);
                }
                parts
            }
        }
    }
}

impl OAuth2 {
    /// The body of a token request.
    pub(crate) fn form(&self) -> Vec<u8> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match &self.owner {
            None => {
                form.append_pair("grant_type", "client_credentials");
            }
            Some((user, password)) => {
                form.append_pair("grant_type", "password");
                form.append_pair("username", user.reveal());
                form.append_pair("password", password.reveal());
            }
        }
        form.append_pair("client_id", self.client_id.reveal());
        form.append_pair("client_secret", self.client_secret.reveal());
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish().into_bytes()
    }
}

impl Token {
    /// Reads the answer of a token endpoint. No error shows any of it.
    pub(crate) fn read(body: &[u8], now_ms: u64, serial: u64) -> Result<Self, String> {
        let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let Value::String(access) = &answer["access_token"] else {
            return Err("expected JSON with access_token, found something else".to_owned());
        };
        if access.is_empty() || !crate::egress::is_header_value(access) {
            return Err("expected an access_token that fits into a header".to_owned());
        }
        // Some far ends write the number as a text.
        let seconds = match &answer["expires_in"] {
            Value::Number(number) => number.as_f64().map(|s| s as u64),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let seconds = seconds.unwrap_or(UNSTATED_SECONDS);
        let usable_ms = seconds.saturating_sub(MARGIN_SECONDS).saturating_mul(1000);
        Ok(Self {
            access: Secret::new(access.as_str()),
            stale_ms: now_ms.saturating_add(usable_ms),
            fetched_ms: now_ms,
            serial,
        })
    }

    pub(crate) fn is_fresh(&self, now_ms: u64) -> bool {
        (self.fetched_ms..self.stale_ms).contains(&now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(kind: Kind) -> (String, Headers) {
        let credential = Credential {
            name: "far".to_owned(),
            origin: Origin::parse("https://a").unwrap(),
            kind,
            pace: PaceSettings::default(),
        };
        let mut url = Url::parse("https://a/x?b=c").unwrap();
        let mut headers = Vec::new();
        credential
            .attach(&mut url, &mut headers, Some(&Secret::new("fetched")))
            .unwrap();
        (url.to_string(), headers)
    }

    fn one(name: &str, value: &str) -> Headers {
        vec![(name.to_owned(), value.to_owned())]
    }

    fn oauth(owner: Option<(Secret, Secret)>) -> OAuth2 {
        OAuth2 {
            token_url: Url::parse("https://a/token").unwrap(),
            client_id: Secret::new("id"),
            client_secret: Secret::new("a&b=c"),
            owner,
            scope: Some("x y".to_owned()),
            token: Mutex::new(None),
        }
    }

    #[test]
    fn each_kind_has_its_place() {
        let plain = "https://a/x?b=c".to_owned();
        assert_eq!(
            attached(Kind::Basic {
                user: Secret::new("Aladdin"),
                password: Secret::new("open sesame")
            }),
            (
                plain.clone(),
                one("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
            )
        );
        assert_eq!(
            attached(Kind::Bearer {
                token: Secret::new("t")
            }),
            (plain.clone(), one("authorization", "Bearer t"))
        );
        assert_eq!(
            attached(Kind::Header {
                name: "x-key".to_owned(),
                value: Secret::new("t")
            }),
            (plain.clone(), one("x-key", "t"))
        );
        assert_eq!(
            attached(Kind::Query {
                name: "app_key".to_owned(),
                value: Secret::new("a&b")
            }),
            ("https://a/x?b=c&app_key=a%26b".to_owned(), vec![])
        );
        assert_eq!(
            attached(Kind::OAuth2(Box::new(oauth(None)))),
            (plain, one("authorization", "Bearer fetched"))
        );
    }

    #[test]
    fn what_a_far_end_repeats_of_the_proof_is_concealed() {
        let secret = || Secret::new("can/ary-1");
        let user = Secret::new("ana");
        for (kind, proof) in [
            (
                Kind::Query {
                    name: "app_key".to_owned(),
                    value: secret(),
                },
                "can%2Fary-1",
            ),
            (
                Kind::Basic {
                    user: user.clone(),
                    password: secret(),
                },
                "YW5hOmNhbi9hcnktMQ==",
            ),
            (Kind::Bearer { token: secret() }, "can/ary-1"),
            (
                Kind::Header {
                    name: "x-key".to_owned(),
                    value: secret(),
                },
                "can/ary-1",
            ),
            (Kind::OAuth2(Box::new(oauth(None))), "fetched-token"),
        ] {
            let credential = Credential {
                name: "far".to_owned(),
                origin: Origin::parse("https://a").unwrap(),
                kind,
                pace: PaceSettings::default(),
            };
            let echo = format!("by ana: {proof}{proof}, {proof} \u{fffd}");
            let mut response = Response {
                status: 500,
                headers: one("location", &echo),
                body: [echo.as_bytes(), b"\xff"].concat(),
            };
            credential.conceal(&mut response, Some(&Secret::new("fetched-token")));
            let concealed = "by ana: [secret][secret], [secret] \u{fffd}";
            assert_eq!(response.headers, one("location", concealed));
            assert_eq!(response.body, [concealed.as_bytes(), b"\xff"].concat());
        }
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_is_no_reason_to_change_an_answer() {
        let credential = Credential {
            name: "far".to_owned(),
            pace: PaceSettings::default(),
            origin: Origin::parse("https://a").unwrap(),
            kind: Kind::Bearer {
                token: Secret::new("result"),
            },
        };
        let mut response = Response {
            status: 200,
            headers: vec![],
            body: b"{\"result\":[]}".to_vec(),
        };
        let before = response.clone();
        credential.conceal(&mut response, None);
        assert_eq!(response, before);
    }

    #[test]
    fn a_plugin_cannot_take_the_place_of_a_credential() {
        let mut url = Url::parse("https://a/?app%5Fkey=x").unwrap();
        let mut headers = one("x-key", "x");
        let origin = Origin::parse("https://a").unwrap();
        for (kind, error) in [
            (
                Kind::Query {
                    name: "app_key".to_owned(),
                    value: Secret::new("canary"),
                },
                "the query parameter app_key is the credential's",
            ),
            (
                Kind::Header {
                    name: "x-key".to_owned(),
                    value: Secret::new("canary"),
                },
                "the header x-key is the credential's",
            ),
        ] {
            let credential = Credential {
                name: "far".to_owned(),
                origin: origin.clone(),
                kind,
                pace: PaceSettings::default(),
            };
            assert_eq!(
                credential.attach(&mut url, &mut headers, None).unwrap_err(),
                error
            );
        }
    }

    #[test]
    fn a_token_request_names_the_grant() {
        assert_eq!(
            oauth(None).form(),
            b"grant_type=client_credentials&client_id=id&client_secret=a%26b%3Dc&scope=x+y"
        );
        assert_eq!(
            oauth(Some((Secret::new("u"), Secret::new("p")))).form(),
            b"grant_type=password&username=u&password=p&client_id=id&client_secret=a%26b%3Dc&scope=x+y"
        );
    }

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        for (expires_in, usable_ms) in [
            ("1800", 1_770_000),
            ("\"1800\"", 1_770_000),
            ("1800.0", 1_770_000),
            ("null", 270_000),
            ("10", 0),
        ] {
            let body = format!("{{\"access_token\":\"t\",\"expires_in\":{expires_in}}}");
            let token = Token::read(body.as_bytes(), 1000, 1).unwrap();
            assert_eq!(token.stale_ms, 1000 + usable_ms, "{expires_in}");
            assert_eq!(token.is_fresh(999 + usable_ms), usable_ms > 0);
            assert!(!token.is_fresh(1000 + usable_ms));
            assert!(!token.is_fresh(999), "a clock that was set back");
        }
    }

    #[test]
    fn an_answer_without_a_token_is_not_shown() {
        for body in [
            "<html>canary",
            "{}",
            "{\"access_token\":\"\"}",
            "{\"access_token\":\"a\\r\\nb\"}",
        ] {
            let error = Token::read(body.as_bytes(), 0, 1).err().unwrap();
            assert!(error.starts_with("expected"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
