use super::PaceSettings;
use super::SecretRef;
use super::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use std::fmt;

/// How requests to one origin are authenticated; the plugin only ever knows the
/// name of it. `kind` decides which other keys there are.
///
/// ```toml
/// [credential.servicenow]
/// kind = "basic"
/// origin = "https://example.service-now.com"
/// user = "flashduty"
/// password = { file = "secrets/servicenow-password" }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum CredentialSettings {
    /// `Authorization: Basic …`
    Basic {
        /// The only place that it is sent to, `scheme://host[:port]`.
        origin: String,
        /// Name of the user, without a colon.
        user: Text,
        /// The user's password.
        password: SecretRef,
        /// How fast requests go there.
        #[schemars(default)]
        pace: PaceSettings,
    },
    /// `Authorization: Bearer …`
    Bearer {
        /// The only place that it is sent to, `scheme://host[:port]`.
        origin: String,
        /// The token itself.
        token: SecretRef,
        /// How fast requests go there.
        #[schemars(default)]
        pace: PaceSettings,
    },
    /// A header of the far end's own.
    Header {
        /// The only place that it is sent to, `scheme://host[:port]`.
        origin: String,
        /// Name of the header, for example `x-sn-apikey`.
        name: String,
        /// Its value.
        value: SecretRef,
        /// How fast requests go there.
        #[schemars(default)]
        pace: PaceSettings,
    },
    /// A query parameter.
    Query {
        /// The only place that it is sent to, `scheme://host[:port]`.
        origin: String,
        /// Name of the parameter, for example Flashduty's `app_key`.
        name: String,
        /// Its value.
        value: SecretRef,
        /// How fast requests go there.
        #[schemars(default)]
        pace: PaceSettings,
    },
    /// A token that the gateway fetches, as bearer: OAuth 2.0, grant
    /// `client_credentials`. It is kept in memory, and fetched anew shortly
    /// before it ends and once after a 401.
    Oauth2ClientCredentials {
        /// The only place that it is sent to, `scheme://host[:port]`.
        origin: String,
        /// Where tokens are fetched: at the same origin, or at one in
        /// `egress.allow`.
        token_url: String,
        /// Id of the client.
        client_id: Text,
        /// Secret of the client.
        client_secret: SecretRef,
        /// What the token is to open, if the far end wants to be told.
        scope: Option<String>,
        /// How fast requests go there.
        #[schemars(default)]
        pace: PaceSettings,
    },
    /// The same with the grant `password`.
    Oauth2Password {
        /// The only place that it is sent to, `scheme://host[:port]`.
        origin: String,
        /// Where tokens are fetched: at the same origin, or at one in
        /// `egress.allow`.
        token_url: String,
        /// Id of the client.
        client_id: Text,
        /// Secret of the client.
        client_secret: SecretRef,
        /// Name of the user.
        user: Text,
        /// The user's password.
        password: SecretRef,
        /// What the token is to open, if the far end wants to be told.
        scope: Option<String>,
        /// How fast requests go there.
        #[schemars(default)]
        pace: PaceSettings,
    },
}

impl CredentialSettings {
    /// The origin that the credential is bound to, as it was written.
    pub fn origin(&self) -> &str {
        match self {
            Self::Basic { origin, .. }
            | Self::Bearer { origin, .. }
            | Self::Header { origin, .. }
            | Self::Query { origin, .. }
            | Self::Oauth2ClientCredentials { origin, .. }
            | Self::Oauth2Password { origin, .. } => origin,
        }
    }

    /// How fast requests with it go.
    pub fn pace(&self) -> &PaceSettings {
        match self {
            Self::Basic { pace, .. }
            | Self::Bearer { pace, .. }
            | Self::Header { pace, .. }
            | Self::Query { pace, .. }
            | Self::Oauth2ClientCredentials { pace, .. }
            | Self::Oauth2Password { pace, .. } => pace,
        }
    }
}

/// By hand, because the code that serde derives for an enum with a tag keeps the
/// whole table in another form first, and reads each variant out of that: a
/// fortieth of a gateway that is a component.
impl<'de> Deserialize<'de> for CredentialSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Basic,
    Bearer,
    Header,
    Query,
    Oauth2ClientCredentials,
    Oauth2Password,
}

impl Kind {
    /// The keys of such a credential beside `kind`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Basic => &["origin", "user", "password", "pace"],
            Self::Bearer => &["origin", "token", "pace"],
            Self::Header | Self::Query => &["origin", "name", "value", "pace"],
            Self::Oauth2ClientCredentials => &[
                "origin",
                "token-url",
                "client-id",
                "client-secret",
                "scope",
                "pace",
            ],
            Self::Oauth2Password => &[
                "origin",
                "token-url",
                "client-id",
                "client-secret",
                "user",
                "password",
                "scope",
                "pace",
            ],
        }
    }
}

/// What may stand in a table, whatever its kind.
#[derive(Default)]
struct Written {
    kind: Option<Kind>,
    origin: Option<String>,
    user: Option<Text>,
    password: Option<SecretRef>,
    token: Option<SecretRef>,
    name: Option<String>,
    value: Option<SecretRef>,
    token_url: Option<String>,
    client_id: Option<Text>,
    client_secret: Option<SecretRef>,
    scope: Option<String>,
    pace: Option<PaceSettings>,
}

impl<'de> Visitor<'de> for Table {
    type Value = CredentialSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CredentialSettings, A::Error> {
        let (mut written, mut keys) = (Written::default(), Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => written.kind = Some(map.next_value()?),
                "origin" => written.origin = Some(map.next_value()?),
                "user" => written.user = Some(map.next_value()?),
                "password" => written.password = Some(map.next_value()?),
                "token" => written.token = Some(map.next_value()?),
                "name" => written.name = Some(map.next_value()?),
                "value" => written.value = Some(map.next_value()?),
                "token-url" => written.token_url = Some(map.next_value()?),
                "client-id" => written.client_id = Some(map.next_value()?),
                "client-secret" => written.client_secret = Some(map.next_value()?),
                "scope" => written.scope = Some(map.next_value()?),
                "pace" => written.pace = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            keys.push(key);
        }
        written.settings(&keys)
    }
}

impl Written {
    /// Sorts what was written by its kind; `keys` are those that were.
    fn settings<E: Error>(self, keys: &[String]) -> Result<CredentialSettings, E> {
        let kind = needed("kind", self.kind)?;
        for key in keys {
            if key != "kind" && !kind.keys().contains(&key.as_str()) {
                return Err(E::unknown_field(key, kind.keys()));
            }
        }
        let origin = needed("origin", self.origin)?;
        let pace = self.pace.unwrap_or_default();
        Ok(match kind {
            Kind::Basic => CredentialSettings::Basic {
                origin,
                user: needed("user", self.user)?,
                password: needed("password", self.password)?,
                pace,
            },
            Kind::Bearer => CredentialSettings::Bearer {
                origin,
                token: needed("token", self.token)?,
                pace,
            },
            Kind::Header => CredentialSettings::Header {
                origin,
                name: needed("name", self.name)?,
                value: needed("value", self.value)?,
                pace,
            },
            Kind::Query => CredentialSettings::Query {
                origin,
                name: needed("name", self.name)?,
                value: needed("value", self.value)?,
                pace,
            },
            Kind::Oauth2ClientCredentials => CredentialSettings::Oauth2ClientCredentials {
                origin,
                token_url: needed("token-url", self.token_url)?,
                client_id: needed("client-id", self.client_id)?,
                client_secret: needed("client-secret", self.client_secret)?,
                scope: self.scope,
                pace,
            },
            Kind::Oauth2Password => CredentialSettings::Oauth2Password {
                origin,
                token_url: needed("token-url", self.token_url)?,
                client_id: needed("client-id", self.client_id)?,
                client_secret: needed("client-secret", self.client_secret)?,
                user: needed("user", self.user)?,
                password: needed("password", self.password)?,
                scope: self.scope,
                pace,
            },
        })
    }
}

fn needed<T, E: Error>(key: &'static str, value: Option<T>) -> Result<T, E> {
    value.ok_or_else(|| E::missing_field(key))
}
