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

mod credential;
mod reference;

pub use credential::CredentialSettings;
pub use reference::SecretRef;
pub use reference::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The sections that are a gateway's; all others are the plugin's. Some are of
/// one kind of gateway only, and every other kind knows not to hand them on.
pub const SECTIONS: [&str; 9] = [
    "server",
    "admin",
    "store",
    "log",
    "plugin",
    "webhook",
    "credential",
    "egress",
    "limits",
];

/// The part of a gateway's document that is the same for every gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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

/// One path on which the gateway receives, and how a sender proves itself: one
/// for each path that the plugin serves. Any **one** of the configured proofs
/// suffices, and one at least must be configured.
///
/// ```toml
/// [[webhook]]
/// path = "/flashduty/prod"
/// header = { name = "X-Sync-Token", values = [{ env = "FLASHDUTY_WEBHOOK_TOKEN" }] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WebhookSettings {
    /// A path that the plugin serves, for example `"/flashduty/prod"`.
    pub path: String,
    /// Tokens that are accepted as `Authorization: Bearer …`; the usual proof.
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub bearer: Vec<SecretRef>,
    /// A header of the sender's own.
    pub header: Option<HeaderSettings>,
    /// Tokens that are accepted as `?token=…`, or as one more segment of the
    /// path. Letters, digits and `-._~`. They end up in the logs of whatever
    /// stands between: the last resort.
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub url_token: Vec<SecretRef>,
    /// A signature as [Standard Webhooks](https://www.standardwebhooks.com/)
    /// defines it.
    pub signature: Option<SignatureSettings>,
    /// A longer body is answered 413. At most 512 KiB, since what is read of it
    /// takes many times as much memory.
    #[serde(default = "defaults::max_body_bytes")]
    #[schemars(range(min = 1, max = 524_288))]
    pub max_body_bytes: usize,
}

/// A header that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeaderSettings {
    /// Name of the header, in any case.
    pub name: String,
    /// The values that are accepted.
    #[schemars(length(min = 1, max = 2))]
    pub values: Vec<SecretRef>,
}

/// HMAC-SHA256 over id, timestamp and body, by
/// [Standard Webhooks](https://www.standardwebhooks.com/). Each message is taken
/// once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignatureSettings {
    /// Keys: `whsec_` and base64, or plain text.
    #[schemars(length(min = 1, max = 2))]
    pub secrets: Vec<SecretRef>,
    /// How far the sender's timestamp may be from the gateway's clock.
    #[serde(default = "defaults::tolerance_seconds")]
    pub tolerance_seconds: u32,
}

/// How fast requests go to one account, over everything that is done there.
/// Nothing waits as long as there is a burst in hand. A request that would wait
/// for more than two seconds is put off instead, without counting as a try. After
/// a rate limit (429) the rate is halved, down to a sixteenth, and doubled again
/// for each minute without another. Each gateway keeps a pace of its own: several
/// of them share what the account may do.
///
/// ```toml
/// [credential.servicenow.pace]
/// per-minute = 300
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(rename = "Pace")]
pub struct PaceSettings {
    /// Requests a minute.
    #[schemars(range(min = 1))]
    pub per_minute: u32,
    /// So many go at once after a quiet time.
    #[schemars(range(min = 1))]
    pub burst: u32,
    /// So many are under way at a time.
    #[schemars(range(min = 1))]
    pub at_once: u32,
}

impl Default for PaceSettings {
    fn default() -> Self {
        Self {
            per_minute: 900,
            burst: 30,
            at_once: 4,
        }
    }
}

/// Where requests may go. The origins of all credentials are allowed by
/// themselves; most files need no `[egress]`. Redirects are never followed, and
/// a proxy in the environment is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EgressSettings {
    /// Further origins, `scheme://host[:port]`.
    pub allow: Vec<String>,
    /// Origins that may be `http` although their host is not this machine:
    /// whoever is on the way reads the credential and can change the answer.
    pub insecure: Vec<String>,
    /// Networks that are not public and may be connected to all the same, for
    /// example `"10.20.0.0/16"`; needed for this machine too, `"127.0.0.0/8"`.
    pub private: Vec<String>,
}

/// What a session may use up. Going over ends that session and nothing else.
/// Nobody has needed to change these yet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Effects in one session. Since a session ends when it asks for nothing,
    /// this bounds the number of its steps too.
    #[schemars(range(min = 1))]
    pub effects: u32,
    /// Bytes of the effects and replies of one step.
    #[schemars(range(min = 1))]
    pub step_bytes: usize,
    /// Bytes of one answer of a system.
    #[schemars(range(min = 1))]
    pub response_bytes: usize,
    /// Wall time of a session.
    #[schemars(range(min = 1))]
    pub session_seconds: u32,
    /// Time for one request, whatever the plugin asks. Keep it above 65:
    /// ServiceNow may take a minute, and giving up earlier leaves creations in
    /// the air that still happen.
    #[schemars(range(min = 1))]
    pub request_seconds: u32,
    /// Effects of one session that are carried out at a time.
    #[schemars(range(min = 1))]
    pub concurrency: usize,
    /// Work whose session failed this often is parked. Only sessions that were
    /// ended from outside count: a plugin that asks for another try decides
    /// itself when to give up.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// In a store that gateways share: how long a gateway must be silent before
    /// another one takes over its work.
    #[schemars(range(min = 1))]
    pub lease_seconds: u32,
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
            lease_seconds: 20,
        }
    }
}

/// The operator's surface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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
