//! What an operator writes down for a gateway, as it is read from a document.
//!
//! Every gateway shares these shapes, whatever its document is written in.
//! Nothing here is checked beyond its shape: [`Policy::build`] turns settings
//! into values that hold, and reports everything that is wrong at once.
//!
//! A secret never stands in the document. It is named by a [`SecretRef`], and
//! the gateway brings the function that looks one up. What need not be hidden
//! is a [`Text`], and may stand there. Proofs of webhooks are
//! lists, so that the old and the new secret are both alive while a sender is
//! being changed over.
//!
//! [`Policy::build`]: crate::Policy::build

mod reference;

pub use reference::SecretRef;
pub use reference::Text;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The part of a gateway's document that is the same for every gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Paths on which the gateway receives: `[[webhook]]`.
    pub webhook: Vec<WebhookSettings>,
    /// Credentials by name: `[credential.NAME]`.
    pub credential: BTreeMap<String, CredentialSettings>,
    /// Where requests may go: `[egress]`.
    pub egress: EgressSettings,
    /// What a session may use up: `[limits]`.
    pub limits: LimitSettings,
    /// The operator's surface: `[admin]`.
    pub admin: AdminSettings,
}

/// One path on which the gateway receives, and how a sender proves itself.
/// Any one of the configured proofs suffices; one at least must be configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WebhookSettings {
    /// A route of the plugin, for example `/flashduty/prod`.
    pub path: String,
    /// `Authorization: Bearer …`.
    #[serde(default)]
    pub bearer: Vec<SecretRef>,
    /// A header of the sender's own.
    pub header: Option<HeaderSettings>,
    /// A token in the URL, as `?token=…` or as one more path segment. It ends
    /// up in logs of whatever stands between, so this is the last resort.
    #[serde(default)]
    pub url_token: Vec<SecretRef>,
    /// A signature as Standard Webhooks defines it.
    pub signature: Option<SignatureSettings>,
    /// A longer body is answered 413; 256 KiB unless given.
    #[serde(default = "defaults::max_body_bytes")]
    pub max_body_bytes: usize,
}

/// A header that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeaderSettings {
    /// Name of the header, in any case.
    pub name: String,
    /// The values that are accepted.
    pub values: Vec<SecretRef>,
}

/// HMAC-SHA256 over id, timestamp and body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignatureSettings {
    /// Keys: `whsec_` and base64, or plain text.
    pub secrets: Vec<SecretRef>,
    /// How far the sender's timestamp may be from the gateway's clock; 300
    /// unless given.
    #[serde(default = "defaults::tolerance_seconds")]
    pub tolerance_seconds: u32,
}

/// How requests to one origin are authenticated. The plugin only ever knows
/// the name of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
#[allow(missing_docs)] // The fields are what their names say.
pub enum CredentialSettings {
    /// HTTP basic authentication.
    Basic {
        origin: String,
        user: Text,
        password: SecretRef,
    },
    /// `Authorization: Bearer …`.
    Bearer { origin: String, token: SecretRef },
    /// A header of the far end's own.
    Header {
        origin: String,
        name: String,
        value: SecretRef,
    },
    /// A query parameter.
    Query {
        origin: String,
        name: String,
        value: SecretRef,
    },
    /// OAuth 2.0, grant `client_credentials`.
    Oauth2ClientCredentials {
        origin: String,
        /// At the same origin, or at one listed in `egress.allow`.
        token_url: String,
        client_id: Text,
        client_secret: SecretRef,
        scope: Option<String>,
    },
    /// OAuth 2.0, grant `password`.
    Oauth2Password {
        origin: String,
        /// At the same origin, or at one listed in `egress.allow`.
        token_url: String,
        client_id: Text,
        client_secret: SecretRef,
        user: Text,
        password: SecretRef,
        scope: Option<String>,
    },
}

/// Where requests may go. The origins of credentials are allowed as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EgressSettings {
    /// Origins, `scheme://host[:port]`.
    pub allow: Vec<String>,
    /// Origins that may be `http` although their host is not this machine.
    /// Whoever is on the way reads the credential and can change the answer.
    pub insecure: Vec<String>,
    /// Networks that are not public and may be connected to all the same, for
    /// example `10.20.0.0/16`.
    pub private: Vec<String>,
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
}

/// What a session may use up before the gateway ends it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Effects in one session; 2000 unless given. Since a session ends when it
    /// asks for nothing, this bounds the number of resumes too.
    pub effects: u32,
    /// Bytes of the effects and replies of one resume; 32 MiB unless given.
    pub step_bytes: usize,
    /// Bytes of one answer of a far end; 10 MiB unless given.
    pub response_bytes: usize,
    /// Seconds of wall time; 300 unless given.
    pub session_seconds: u32,
    /// Seconds for one request, whatever the plugin asks; 90 unless given.
    pub request_seconds: u32,
    /// Effects of one session that are carried out at the same time; 8 unless
    /// given.
    pub concurrency: usize,
    /// Work whose session failed this often is parked; 8 unless given. Only
    /// sessions that were ended from outside count here: a plugin that asks
    /// for another try decides itself when to give up.
    pub failures: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            effects: 2000,
            step_bytes: 32 << 20,
            response_bytes: 10 << 20,
            session_seconds: 300,
            request_seconds: 90,
            concurrency: 8,
            failures: 8,
        }
    }
}

/// The operator's surface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Bearer tokens that open metrics and the work list. Without any, only
    /// the health checks answer.
    pub token: Vec<SecretRef>,
}

mod defaults {
    pub(super) fn max_body_bytes() -> usize {
        256 << 10
    }

    pub(super) fn tolerance_seconds() -> u32 {
        300
    }
}
