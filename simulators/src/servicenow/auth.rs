//! Who a request comes from: basic authentication, access tokens, API keys.
//!
//! An instance tells a client nothing of the reason for a refusal. In
//! particular the restriction of basic authentication, in force on new
//! instances, answers a right password like a wrong one.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

use super::answer;
use super::instance::Instance;
use super::instance::hex;
use super::instance::value;
use super::options::OAuthClient;
use super::refusal::Refusal;
use super::session::Account;
use super::session::Session;
use super::session::is_usable;
use crate::Request;
use crate::Response;

/// How long a refresh token lives: 100 days.
const REFRESH_LIFE_MS: u64 = 8_640_000_000;

/// Accounts with this role may use basic authentication in spite of the
/// restriction; `admin` alone does not lift it.
const BASIC_AUTH_ROLE: &str = "snc_basic_auth_api_access";

/// The tokens that an instance has given out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    access: BTreeMap<String, Grant>,
    refresh: BTreeMap<String, Grant>,
    issued: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    client_id: String,
    user_name: String,
    /// Whether a refresh token came with it.
    refreshable: bool,
    expires_ms: u64,
}

impl Tokens {
    /// The user of a request, or the refusal.
    pub(super) fn authenticate(
        &self,
        instance: &Instance,
        request: &Request,
        now_ms: u64,
    ) -> Result<Session, Refusal> {
        self.user_name(instance, request, now_ms)
            .filter(|user_name| {
                let account = instance.accounts.get(user_name);
                account.is_some_and(|account| is_usable(instance, account))
            })
            .and_then(|user_name| Session::of(instance, &user_name))
            .ok_or_else(Refusal::unauthenticated)
    }

    fn user_name(&self, instance: &Instance, request: &Request, now_ms: u64) -> Option<String> {
        if let Some(key) = answer::header(request, "x-sn-apikey") {
            return instance.options.api_keys.get(key).cloned();
        }
        let (scheme, credentials) = answer::header(request, "authorization")?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            let grant = self.access.get(credentials.trim())?;
            return (now_ms < grant.expires_ms).then(|| grant.user_name.clone());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (user_name, password) = decoded.split_once(':')?;
        let account = instance.accounts.get(user_name)?;
        let allowed = account.password == password && may_use_basic(instance, account);
        allowed.then(|| user_name.to_owned())
    }

    /// Answers `POST /oauth_token.do`.
    pub(super) fn token_request(
        &mut self,
        instance: &Instance,
        request: &Request,
        now_ms: u64,
    ) -> Response {
        self.issue(instance, request, now_ms).unwrap_or_else(|| {
            // Nearly every cause looks like this.
            let body = json!({"error_description": "access_denied", "error": "server_error"});
            answer::json(401, &body)
        })
    }

    fn issue(&mut self, instance: &Instance, request: &Request, now_ms: u64) -> Option<Response> {
        let is_form = answer::header(request, "content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        // A cookie of an API session makes a token request fail.
        let has_session =
            answer::header(request, "cookie").is_some_and(|cookies| cookies.contains("JSESSIONID"));
        if request.method != "POST" || !is_form || has_session {
            return None;
        }
        // Parameters in the URL do not count.
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body)
            .into_owned()
            .collect();
        let client = instance.options.oauth_clients.iter().find(|client| {
            Some(&client.client_id) == form.get("client_id")
                && Some(&client.client_secret) == form.get("client_secret")
        })?;
        match form.get("grant_type")?.as_str() {
            "client_credentials" => {
                let user_name = client.user.as_ref()?;
                is_usable(instance, instance.accounts.get(user_name)?).then_some(())?;
                Some(self.answer(instance, client, user_name, false, now_ms))
            }
            "password" => {
                let user_name = form.get("username")?;
                let account = instance.accounts.get(user_name)?;
                // This grant stands for a person at a form, which an account
                // with web service access only can never be.
                let allowed = form.get("password") == Some(&account.password)
                    && is_usable(instance, account)
                    && !is_machine(instance, account);
                allowed.then(|| self.answer(instance, client, user_name, true, now_ms))
            }
            "refresh_token" => {
                let grant = self.refresh.get(form.get("refresh_token")?)?.clone();
                let valid = grant.client_id == client.client_id && now_ms < grant.expires_ms;
                valid.then_some(())?;
                is_usable(instance, instance.accounts.get(&grant.user_name)?).then_some(())?;
                // A refresh always makes a new token.
                self.access.retain(|_, old| {
                    (&old.client_id, &old.user_name) != (&grant.client_id, &grant.user_name)
                });
                Some(self.answer(instance, client, &grant.user_name, true, now_ms))
            }
            _ => None,
        }
    }

    /// The live token of this client and user, or else a new one.
    fn answer(
        &mut self,
        instance: &Instance,
        client: &OAuthClient,
        user_name: &str,
        refreshable: bool,
        now_ms: u64,
    ) -> Response {
        let matches = |grant: &Grant| {
            grant.client_id == client.client_id
                && grant.user_name == user_name
                && grant.refreshable == refreshable
                && now_ms < grant.expires_ms
        };
        let new = |life_ms: u64| Grant {
            client_id: client.client_id.clone(),
            user_name: user_name.to_owned(),
            refreshable,
            expires_ms: now_ms + life_ms,
        };
        let seed = instance.options.seed;
        let life_ms = instance.options.access_token_life_s * 1000;
        let (token, expires_ms) = live(&self.access, matches).unwrap_or_else(|| {
            let token = self.new_token(seed);
            self.access.insert(token.clone(), new(life_ms));
            (token, now_ms + life_ms)
        });
        let mut body = json!({
            "access_token": token,
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": expires_ms.saturating_sub(now_ms + 1) / 1000,
        });
        if refreshable {
            let (token, _) = live(&self.refresh, matches).unwrap_or_else(|| {
                let token = self.new_token(seed);
                self.refresh.insert(token.clone(), new(REFRESH_LIFE_MS));
                (token, now_ms + REFRESH_LIFE_MS)
            });
            body["refresh_token"] = token.into();
        }
        answer::json(200, &body)
    }

    fn new_token(&mut self, seed: u64) -> String {
        self.issued += 1;
        hex(&Sha256::digest(format!("token {seed} {}", self.issued)))
    }

    /// Forgets all tokens, as after a restart or an administrator's revocation.
    pub(super) fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

fn live(
    tokens: &BTreeMap<String, Grant>,
    matches: impl Fn(&Grant) -> bool,
) -> Option<(String, u64)> {
    tokens
        .iter()
        .find(|(_, grant)| matches(grant))
        .map(|(token, grant)| (token.clone(), grant.expires_ms))
}

fn is_machine(instance: &Instance, account: &Account) -> bool {
    instance
        .record("sys_user", &account.sys_id)
        .is_some_and(|user| value(user, "web_service_access_only") == "true")
}

fn may_use_basic(instance: &Instance, account: &Account) -> bool {
    !instance.options.basic_auth_restriction
        || is_machine(instance, account)
        || account.roles.contains(BASIC_AUTH_ROLE)
}
