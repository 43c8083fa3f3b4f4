use crate::AddressPolicy;
use crate::Network;
use crate::Secret;
use crate::authentication::Webhook;
use crate::contract::Problem;
use crate::contract::Requirements;
use crate::credential::Credential;
use crate::credential::Kind;
use crate::credential::OAuth2;
use crate::egress::Egress;
use crate::egress::is_header_name;
use crate::egress::is_header_value;
use crate::egress::is_reserved;
use crate::gates::Place;
use crate::origin::Origin;
use crate::origin::as_written;
use crate::origin::parse_url;
use crate::proof::Accepted;
use crate::settings::CredentialSettings;
use crate::settings::LimitSettings;
use crate::settings::SecretRef;
use crate::settings::Settings;
use crate::settings::Text;
use crate::settings::WebhookSettings;
use crate::standard_webhooks::Verifier;
use crate::suggestion::did_you_mean;
use futures_util::lock::Mutex;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use url::Host;
use url::Url;

/// The longest body that a gateway hands to a plugin, in bytes. What a plugin
/// makes of it must fit into the memory of its session, which is usually 64 MiB:
/// a list of small JSON objects grows to sixty times its length when it is read.
pub const MOST_BODY_BYTES: usize = 512 << 10;

/// Settings that were checked against what the plugin needs, with every
/// secret in place.
pub struct Policy {
    pub(crate) plugin: String,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) egress: Egress,
    pub(crate) limits: LimitSettings,
    pub(crate) admin: Accepted,
    /// Keys of work that the plugin wants never to be forgotten.
    pub(crate) standing: Vec<String>,
    addresses: AddressPolicy,
}

impl Policy {
    /// Checks settings, or tells every problem that was found in them, each
    /// with a JSON Pointer into the document of [`Settings`].
    ///
    /// `plugin` is the name in the plugin's manifest, `requirements` what its
    /// `configure` returned for the configuration in use, and `resolve` looks
    /// up a secret or says why it cannot.
    pub fn build(
        settings: &Settings,
        plugin: &str,
        requirements: &Requirements,
        resolve: &dyn Fn(&SecretRef) -> Result<Secret, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut check = Check {
            settings,
            requirements,
            resolve,
            problems: Vec::new(),
        };
        let addresses = check.addresses();
        let insecure = check.insecure();
        let listed = check.listed(&insecure, &addresses);
        let credentials = check.credentials(&insecure, &addresses, &listed);
        let bound = credentials.iter().flat_map(Credential::origins);
        let egress = Egress::new(listed.into_iter().chain(bound));
        check.destinations(&egress, &credentials);
        let webhooks = check.webhooks();
        check.limits();
        let admin = check.secrets("/admin/token", &settings.admin.token);
        if !check.problems.is_empty() {
            return Err(check.problems);
        }
        Ok(Self {
            plugin: plugin.to_owned(),
            webhooks,
            credentials,
            egress,
            limits: settings.limits.clone(),
            admin: Accepted::new(&admin),
            standing: requirements.standing.clone(),
            addresses,
        })
    }

    /// The credential of this name.
    pub(crate) fn credential(&self, name: &str) -> Option<&Credential> {
        named(&self.credentials, name)
    }

    /// Whether anything may be sent to a place with what is configured.
    pub(crate) fn leads_to(&self, place: &Place) -> bool {
        let Some(name) = &place.credential else {
            return self.egress.names(&place.origin);
        };
        let origin = self.credential(name).and_then(|credential| {
            match (&credential.kind, place.token_endpoint) {
                (Kind::OAuth2(oauth), true) => Some(Origin::of(&oauth.token_url)),
                (_, true) => None,
                (_, false) => Some(credential.origin.clone()),
            }
        });
        origin.is_some_and(|origin| origin.as_str() == place.origin)
    }

    /// The addresses that a [`Client`](crate::Client) may connect to.
    pub fn addresses(&self) -> &AddressPolicy {
        &self.addresses
    }
}

struct Check<'a> {
    settings: &'a Settings,
    requirements: &'a Requirements,
    resolve: &'a dyn Fn(&SecretRef) -> Result<Secret, String>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            pointer: pointer.into(),
            message: message.into(),
        });
    }

    /// Keeps what is good, and reports what is not.
    fn keep<T>(&mut self, pointer: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.report(pointer, message)).ok()
    }

    fn addresses(&mut self) -> AddressPolicy {
        let mut networks = Vec::new();
        for (i, text) in self.settings.egress.private.iter().enumerate() {
            let pointer = format!("/egress/private/{i}");
            networks.extend(self.keep(&pointer, Network::parse(text)));
        }
        AddressPolicy::new(networks)
    }

    fn insecure(&mut self) -> Vec<Origin> {
        let mut origins = Vec::new();
        for (i, text) in self.settings.egress.insecure.iter().enumerate() {
            let pointer = format!("/egress/insecure/{i}");
            origins.extend(self.keep(&pointer, Origin::parse(text)));
        }
        origins
    }

    fn listed(&mut self, insecure: &[Origin], addresses: &AddressPolicy) -> Vec<Origin> {
        let mut origins = Vec::new();
        for (i, text) in self.settings.egress.allow.iter().enumerate() {
            let pointer = format!("/egress/allow/{i}");
            let Some(origin) = self.origin(&pointer, text, insecure, addresses) else {
                continue;
            };
            if origins.contains(&origin) {
                self.report(pointer, format!("{text:?} is listed twice; remove one"));
            } else {
                origins.push(origin);
            }
        }
        origins
    }

    /// Reads an origin that requests are to be sent to.
    fn origin(
        &mut self,
        pointer: &str,
        text: &str,
        insecure: &[Origin],
        addresses: &AddressPolicy,
    ) -> Option<Origin> {
        let origin = self.keep(pointer, Origin::parse(text))?;
        if origin.is_readable_on_the_way() && !insecure.contains(&origin) {
            self.report(
                pointer,
                format!(
                    "expected https, found {text:?}; if requests may be read and changed on \
                     the way, add it to egress.insecure"
                ),
            );
            return None;
        }
        let literal = match origin.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) if name == "localhost" => {
                let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
                Some(if addresses.check(v6).is_ok() {
                    v6
                } else {
                    IpAddr::V4(Ipv4Addr::LOCALHOST)
                })
            }
            _ => None,
        };
        if let Some(address) = literal {
            self.keep(pointer, addresses.check(address));
        }
        Some(origin)
    }

    fn credentials(
        &mut self,
        insecure: &[Origin],
        addresses: &AddressPolicy,
        listed: &[Origin],
    ) -> Vec<Credential> {
        let mut credentials = Vec::new();
        let settings = self.settings;
        for (name, credential) in &settings.credential {
            let pointer = format!("/credential/{}", escaped(name));
            let at = format!("{pointer}/origin");
            let origin = self.origin(&at, credential.origin(), insecure, addresses);
            let kind = self.kind(&pointer, credential, origin.as_ref(), listed);
            let pace = credential.pace().clone();
            for (key, value) in [
                ("per-minute", pace.per_minute),
                ("burst", pace.burst),
                ("at-once", pace.at_once),
            ] {
                if value == 0 {
                    let at = format!("{pointer}/pace/{key}");
                    self.report(at, "expected at least 1, found 0");
                }
            }
            if let (Some(origin), Some(kind)) = (origin, kind) {
                credentials.push(Credential {
                    name: name.clone(),
                    origin,
                    kind,
                    pace,
                });
            }
        }
        credentials
    }

    fn kind(
        &mut self,
        pointer: &str,
        credential: &CredentialSettings,
        origin: Option<&Origin>,
        listed: &[Origin],
    ) -> Option<Kind> {
        use CredentialSettings as C;
        let at = |field: &str| format!("{pointer}/{field}");
        match credential {
            C::Basic { user, password, .. } => {
                let user = self.text(&at("user"), user);
                let password = self.secret(&at("password"), password);
                if user.as_ref().is_some_and(|u| u.reveal().contains(':')) {
                    self.report(at("user"), "a user name with a colon cannot be sent");
                    return None;
                }
                Some(Kind::Basic {
                    user: user?,
                    password: password?,
                })
            }
            C::Bearer { token, .. } => Some(Kind::Bearer {
                token: self.secret(&at("token"), token)?,
            }),
            C::Header { name, value, .. } => {
                let name = self.header_name(&at("name"), name);
                let value = self.secret(&at("value"), value);
                Some(Kind::Header {
                    name: name?,
                    value: value?,
                })
            }
            C::Query { name, value, .. } => {
                if name.is_empty() {
                    self.report(
                        at("name"),
                        "expected the name of a query parameter, found \"\"",
                    );
                }
                Some(Kind::Query {
                    name: name.clone(),
                    value: self.secret(&at("value"), value)?,
                })
            }
            C::Oauth2ClientCredentials {
                token_url,
                client_id,
                client_secret,
                scope,
                ..
            } => {
                let token_url = self.token_url(&at("token-url"), token_url, origin, listed);
                let client_id = self.text(&at("client-id"), client_id);
                let client_secret = self.secret(&at("client-secret"), client_secret);
                Some(Kind::OAuth2(Box::new(OAuth2 {
                    token_url: token_url?,
                    client_id: client_id?,
                    client_secret: client_secret?,
                    owner: None,
                    scope: scope.clone(),
                    token: Mutex::new(None),
                })))
            }
            C::Oauth2Password {
                token_url,
                client_id,
                client_secret,
                user,
                password,
                scope,
                ..
            } => {
                let token_url = self.token_url(&at("token-url"), token_url, origin, listed);
                let client_id = self.text(&at("client-id"), client_id);
                let client_secret = self.secret(&at("client-secret"), client_secret);
                let user = self.text(&at("user"), user);
                let password = self.secret(&at("password"), password);
                Some(Kind::OAuth2(Box::new(OAuth2 {
                    token_url: token_url?,
                    client_id: client_id?,
                    client_secret: client_secret?,
                    owner: Some((user?, password?)),
                    scope: scope.clone(),
                    token: Mutex::new(None),
                })))
            }
        }
    }

    fn token_url(
        &mut self,
        pointer: &str,
        text: &str,
        origin: Option<&Origin>,
        listed: &[Origin],
    ) -> Option<Url> {
        let url = parse_url(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http") && url.fragment().is_none())
            .filter(|url| url.username().is_empty() && url.password().is_none());
        let Some(url) = url else {
            self.report(
                pointer,
                format!(
                    "expected a URL such as https://example.com/oauth_token.do, found {}",
                    as_written(text)
                ),
            );
            return None;
        };
        let found = Origin::of(&url);
        if origin.is_some_and(|origin| *origin != found) && !listed.contains(&found) {
            self.report(
                pointer,
                format!(
                    "{found} is not the credential's origin; add it to egress.allow if tokens \
                     are fetched there"
                ),
            );
            return None;
        }
        Some(url)
    }

    fn header_name(&mut self, pointer: &str, name: &str) -> Option<String> {
        let lower = name.to_ascii_lowercase();
        if !is_header_name(&lower) {
            self.report(
                pointer,
                format!("expected the name of a header, found {name:?}"),
            );
            return None;
        }
        if is_reserved(&lower) {
            self.report(
                pointer,
                format!("the header {lower} cannot be used; choose the kind that sets it, or another header"),
            );
            return None;
        }
        Some(lower)
    }

    /// Looks up a secret. Whatever is wrong with one, it is not shown.
    fn secret(&mut self, pointer: &str, reference: &SecretRef) -> Option<Secret> {
        let found = (self.resolve)(reference).and_then(|secret| {
            let secret = Secret::new(secret.reveal().trim_end());
            if secret.reveal().is_empty() {
                return Err(format!("the secret in {reference} is empty"));
            }
            if !is_header_value(secret.reveal()) {
                return Err(format!(
                    "the secret in {reference} holds a line break or another control character"
                ));
            }
            Ok(secret)
        });
        self.keep(pointer, found)
    }

    /// Takes a text that may stand in the settings.
    fn text(&mut self, pointer: &str, text: &Text) -> Option<Secret> {
        let plain = match text {
            Text::Kept(reference) => return self.secret(pointer, reference),
            Text::Plain(plain) => plain,
        };
        if plain.trim().is_empty() {
            self.report(pointer, format!("expected a text, found {plain:?}"));
            return None;
        }
        if !is_header_value(plain) {
            let expected = "expected a text without line breaks and other control characters";
            self.report(pointer, format!("{expected}, found {plain:?}"));
            return None;
        }
        Some(Secret::new(plain.as_str()))
    }

    /// Looks up the secrets that are accepted in one place.
    fn secrets(&mut self, pointer: &str, references: &[SecretRef]) -> Vec<Secret> {
        if references.len() > 2 {
            self.report(
                pointer,
                format!(
                    "expected one secret, or two during a rotation, found {}",
                    references.len()
                ),
            );
        }
        let mut secrets: Vec<Secret> = Vec::new();
        for (i, reference) in references.iter().enumerate() {
            secrets.extend(self.secret(&format!("{pointer}/{i}"), reference));
        }
        secrets
    }

    fn webhooks(&mut self) -> Vec<Webhook> {
        let settings = self.settings;
        let requirements = self.requirements;
        let mut webhooks: Vec<Webhook> = Vec::new();
        for (i, webhook) in settings.webhook.iter().enumerate() {
            let pointer = format!("/webhook/{i}");
            let at = format!("{pointer}/path");
            let routes = || requirements.routes.iter().map(|route| route.path.as_str());
            if webhooks.iter().any(|other| other.path == webhook.path) {
                self.report(
                    at,
                    format!("{:?} is listed twice; remove one", webhook.path),
                );
            } else if !routes().any(|path| path == webhook.path) {
                let asked: Vec<String> = routes().map(|path| format!("{path:?}")).collect();
                self.report(
                    at,
                    format!(
                        "the plugin serves no route {:?}, only {}{}",
                        webhook.path,
                        if asked.is_empty() {
                            "none".to_owned()
                        } else {
                            asked.join(", ")
                        },
                        did_you_mean(&webhook.path, routes())
                    ),
                );
            }
            webhooks.extend(self.webhook(&pointer, webhook));
        }
        for route in &requirements.routes {
            if !settings.webhook.iter().any(|w| w.path == route.path) {
                self.report(
                    "/webhook",
                    format!(
                        "the plugin serves {:?} ({}), and no webhook says who may call it; add \
                         a [[webhook]] with this path",
                        route.path, route.summary
                    ),
                );
            }
        }
        webhooks
    }

    fn webhook(&mut self, pointer: &str, settings: &WebhookSettings) -> Option<Webhook> {
        let before = self.problems.len();
        let bearer = self.secrets(&format!("{pointer}/bearer"), &settings.bearer);
        let url_token = self.secrets(&format!("{pointer}/url-token"), &settings.url_token);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        for (i, token) in url_token.iter().enumerate() {
            if !token.reveal().chars().all(plain) {
                self.report(
                    format!("{pointer}/url-token/{i}"),
                    "expected letters, digits and -._~ only, since it is part of a URL; choose \
                     another token",
                );
            }
        }
        let mut header = None;
        if let Some(settings) = &settings.header {
            let name = self.header_name(&format!("{pointer}/header/name"), &settings.name);
            let values = self.secrets(&format!("{pointer}/header/values"), &settings.values);
            if settings.values.is_empty() {
                self.report(
                    format!("{pointer}/header/values"),
                    "expected at least one secret, found none",
                );
            }
            header = name.map(|name| (name, Accepted::new(&values)));
        }
        let mut signature = None;
        if let Some(settings) = &settings.signature {
            let at = format!("{pointer}/signature/secrets");
            let secrets = self.secrets(&at, &settings.secrets);
            if settings.secrets.is_empty() {
                self.report(at.clone(), "expected at least one secret, found none");
            }
            let verifier = Verifier::new(&secrets, settings.tolerance_seconds);
            signature = self.keep(&at, verifier);
        }
        let webhook = Webhook {
            path: settings.path.clone(),
            bearer: Accepted::new(&bearer),
            header,
            url_token: Accepted::new(&url_token),
            signature,
            max_body_bytes: settings.max_body_bytes,
        };
        if !(1..=MOST_BODY_BYTES).contains(&settings.max_body_bytes) {
            self.report(
                format!("{pointer}/max-body-bytes"),
                format!(
                    "expected 1 to {MOST_BODY_BYTES}, found {}",
                    settings.max_body_bytes
                ),
            );
        }
        if settings.bearer.is_empty()
            && settings.header.is_none()
            && settings.url_token.is_empty()
            && settings.signature.is_none()
        {
            self.report(
                pointer,
                format!(
                    "expected a proof of who calls {:?}, found none; add bearer, header, \
                     url-token or signature",
                    settings.path
                ),
            );
        }
        (self.problems.len() == before).then_some(webhook)
    }

    fn destinations(&mut self, egress: &Egress, credentials: &[Credential]) {
        let requirements = self.requirements;
        for destination in &requirements.destinations {
            let wanted = format!("{} ({})", destination.origin, destination.purpose);
            let origin = match Origin::parse(&destination.origin) {
                Ok(origin) => origin,
                Err(problem) => {
                    self.report("", format!("the plugin wants to reach {wanted}: {problem}"));
                    continue;
                }
            };
            if let Some(name) = &destination.credential {
                match (named(credentials, name), self.settings.credential.get(name)) {
                    (Some(credential), _) if credential.origin != origin => {
                        self.report(
                            format!("/credential/{}/origin", escaped(name)),
                            format!(
                                "the plugin uses this credential at {wanted}, found {:?}; name \
                                 the same origin here and in the plugin's configuration",
                                credential.origin.as_str()
                            ),
                        );
                        continue;
                    }
                    (None, None) => {
                        let known = self.settings.credential.keys().map(String::as_str);
                        let message = format!(
                            "the plugin wants the credential {name:?} for {wanted}, and there is \
                             none; add [credential.{name}]{}",
                            did_you_mean(name, known)
                        );
                        self.report("/credential", message);
                        continue;
                    }
                    // It stands there, and what is wrong with it is reported.
                    (None, Some(_)) => continue,
                    (Some(_), _) => {}
                }
            }
            if !egress.allows(&origin) {
                self.report(
                    "/egress/allow",
                    format!(
                        "the plugin wants to reach {wanted}, which is not allowed; add {:?}{}",
                        origin.as_str(),
                        did_you_mean(origin.as_str(), egress.origins())
                    ),
                );
            }
        }
    }

    fn limits(&mut self) {
        let limits = &self.settings.limits;
        let zeros = [
            ("effects", limits.effects == 0),
            ("step-bytes", limits.step_bytes == 0),
            ("response-bytes", limits.response_bytes == 0),
            ("session-seconds", limits.session_seconds == 0),
            ("request-seconds", limits.request_seconds == 0),
            ("concurrency", limits.concurrency == 0),
            ("failures", limits.failures == 0),
            ("lease-seconds", limits.lease_seconds == 0),
        ];
        for (name, is_zero) in zeros {
            if is_zero {
                self.report(format!("/limits/{name}"), "expected at least 1, found 0");
            }
        }
    }
}

impl Credential {
    /// The origin it is bound to, and that of its token endpoint.
    fn origins(&self) -> Vec<Origin> {
        match &self.kind {
            Kind::OAuth2(oauth) => vec![self.origin.clone(), Origin::of(&oauth.token_url)],
            _ => vec![self.origin.clone()],
        }
    }
}

fn named<'a>(credentials: &'a [Credential], name: &str) -> Option<&'a Credential> {
    credentials
        .iter()
        .find(|credential| credential.name == name)
}

/// A member name as a part of a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
