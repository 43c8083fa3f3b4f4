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
            .and_then(|session| match self.client(instance, request) {
                Some(client) if !client.broadly_scoped => Err(Refusal::unscoped()),
                _ => Ok(session),
            })
    }

    /// The client whose token a request carries.
    fn client<'a>(&self, instance: &'a Instance, request: &Request) -> Option<&'a OAuthClient> {
        let grant = self.access.get(bearer(request)?)?;
        let mut clients = instance.options.oauth_clients.iter();
        clients.find(|client| client.client_id == grant.client_id)
    }

    fn user_name(&self, instance: &Instance, request: &Request, now_ms: u64) -> Option<String> {
        if let Some(key) = answer::header(request, "x-sn-apikey") {
            return instance.options.api_keys.get(key).cloned();
        }
        if let Some(token) = bearer(request) {
            let grant = self.access.get(token)?;
            return (now_ms < grant.expires_ms).then(|| grant.user_name.clone());
        }
        let (user_name, account) = basic(instance, request)?;
        may_use_basic(instance, account).then_some(user_name)
    }

    /// Whether a refused request lacked nothing but a second factor. It is the
    /// only cause that an instance tells, by a header.
    pub(super) fn lacks_second_factor(&self, instance: &Instance, request: &Request) -> bool {
        basic(instance, request)
            .is_some_and(|(_, account)| is_set(instance, account, "enable_multifactor_authn"))
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

/// The credentials after a scheme in the header `Authorization`.
fn credentials<'a>(request: &'a Request, wanted: &str) -> Option<&'a str> {
    let (scheme, credentials) = answer::header(request, "authorization")?.split_once(' ')?;
    let is_wanted = scheme.eq_ignore_ascii_case(wanted);
    is_wanted.then(|| credentials.trim())
}

fn bearer(request: &Request) -> Option<&str> {
    credentials(request, "bearer")
}

/// User name and account of a request with a right password.
fn basic<'a>(instance: &'a Instance, request: &Request) -> Option<(String, &'a Account)> {
    let decoded = STANDARD.decode(credentials(request, "basic")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user_name, password) = decoded.split_once(':')?;
    let account = instance.accounts.get(user_name)?;
    (account.password == password).then(|| (user_name.to_owned(), account))
}

fn is_set(instance: &Instance, account: &Account, column: &str) -> bool {
    instance
        .record("sys_user", &account.sys_id)
        .is_some_and(|user| value(user, column) == "true")
}

fn is_machine(instance: &Instance, account: &Account) -> bool {
    is_set(instance, account, "web_service_access_only")
}

fn may_use_basic(instance: &Instance, account: &Account) -> bool {
    let options = &instance.options;
    let spared = options.restriction_spares_machines && is_machine(instance, account)
        || account.roles.contains(BASIC_AUTH_ROLE);
    (spared || !options.basic_auth_restriction)
        && !is_set(instance, account, "password_needs_reset")
        && !is_set(instance, account, "enable_multifactor_authn")
}
