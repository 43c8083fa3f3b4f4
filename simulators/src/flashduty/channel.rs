//! Channels: where incidents live, who is called, and when they close.

use serde_json::Value;
use serde_json::json;

use super::account::FOUNDED_AT;

/// From when the time limit of [`Channel::auto_resolve_s`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoResolveMode {
    /// From the creation of the incident.
    Trigger,
    /// From the last alert event.
    Update,
}

/// Who is called about a new incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscalationRule {
    /// 24 hex digits.
    pub rule_id: String,
    /// Display name.
    pub name: String,
    /// Who becomes responder.
    pub person_ids: Vec<i64>,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Never 0, which stands for "outside every channel".
    pub channel_id: i64,
    /// Display name.
    pub name: String,
    /// Applied to new incidents.
    pub escalation: Option<EscalationRule>,
    /// Whether an incident closes when all its alerts have recovered.
    pub close_with_alerts: bool,
    /// Closes an incident by time alone, after so many seconds; 0 = never.
    pub auto_resolve_s: u64,
    /// From when that time counts.
    pub auto_resolve_mode: AutoResolveMode,
    /// Labels whose equal values put alerts into one incident. Empty: an
    /// incident for every alert key.
    pub group_by: Vec<String>,
    /// Where its alerts come in.
    pub integration: AlertIntegration,
}

/// The integration through which alerts reach a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertIntegration {
    /// Also called `data_source_id`.
    pub integration_id: i64,
    /// Display name.
    pub name: String,
    /// The `integration_key` of the push URL.
    pub key: String,
}

impl Channel {
    /// The object of `/channel/list` and `/channel/info`.
    pub(super) fn to_json(&self, account_id: i64) -> Value {
        json!({
            "channel_id": self.channel_id,
            "channel_name": self.name,
            "description": "",
            "status": "enabled",
            "account_id": account_id,
            "team_id": 0,
            "managing_team_ids": [],
            "creator_id": 0,
            "created_at": FOUNDED_AT,
            "updated_at": FOUNDED_AT,
            "auto_resolve_timeout": self.auto_resolve_s,
            "auto_resolve_mode": match self.auto_resolve_mode {
                AutoResolveMode::Trigger => "trigger",
                AutoResolveMode::Update => "update",
            },
            "is_private": false,
            "disable_auto_close": !self.close_with_alerts,
            "is_starred": false,
        })
    }

    /// The short form of `/channel/infos` and of brief lists.
    pub(super) fn to_brief(&self) -> Value {
        json!({
            "channel_id": self.channel_id,
            "channel_name": self.name,
            "status": "enabled",
        })
    }

    /// `n`: every alert key for itself; `p`: by rule.
    pub(super) fn group_method(&self) -> &'static str {
        if self.group_by.is_empty() { "n" } else { "p" }
    }
}
