//! The account: members, channels, custom fields, webhooks, custom actions,
//! and what a new simulator starts with.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use super::channel::AlertIntegration;
use super::channel::AutoResolveMode;
use super::channel::Channel;
use super::channel::EscalationRule;
use super::custom_action::CustomAction;
use super::envelope::ApiError;
use super::field::Field;
use super::field::FieldKind;
use super::ids::Ids;
use super::member::Member;
use super::webhook::Webhook;

/// When everything that a new account has was created, in Unix seconds.
pub(super) const FOUNDED_AT: u64 = 1_767_225_600;

/// The account. Ids of one account share their last three digits.
pub const ACCOUNT: i64 = 2_300_000_000_777;
/// The member that an integration acts as; owns an app key.
pub const INTEGRATION_MEMBER: i64 = 2_310_000_000_777;
/// Ana, on call for Payments.
pub const ANA: i64 = 2_310_000_001_777;
/// Bo, on call for Search.
pub const BO: i64 = 2_310_000_002_777;
/// The channel Payments.
pub const PAYMENTS: i64 = 2_320_000_001_777;
/// The channel Search.
pub const SEARCH: i64 = 2_320_000_002_777;

const PAYMENTS_ALERTS: i64 = 2_330_000_001_777;
const SEARCH_ALERTS: i64 = 2_330_000_002_777;
const FIRST_INTEGRATION: i64 = 2_340_000_000_777;

/// What an administrator has set up.
#[derive(Clone, Debug)]
pub struct Account {
    /// By `member_id`.
    pub members: BTreeMap<i64, Member>,
    /// By `channel_id`.
    pub channels: BTreeMap<i64, Channel>,
    /// By name.
    pub fields: BTreeMap<String, Field>,
    /// By `integration_id`.
    pub webhooks: BTreeMap<i64, Webhook>,
    /// By `integration_id`.
    pub custom_actions: BTreeMap<i64, CustomAction>,
}

impl Account {
    /// Two channels, two people, a member for the integration, and a custom
    /// field of each type.
    pub(super) fn seeded(ids: &mut Ids) -> Account {
        let mut key = || format!("{}777", ids.event());
        let members = [
            (INTEGRATION_MEMBER, "Integration", "integration@example.com"),
            (ANA, "Ana", "ana@example.com"),
            (BO, "Bo", "bo@example.com"),
        ]
        .map(|(member_id, name, email)| {
            let member = Member {
                member_id,
                name: name.to_owned(),
                email: email.to_owned(),
                app_key: Some(key()),
            };
            (member_id, member)
        });
        let integration_keys = [key(), key()];
        let founded_ms = FOUNDED_AT * 1000;
        let channels = [
            (PAYMENTS, "Payments", PAYMENTS_ALERTS, ANA),
            (SEARCH, "Search", SEARCH_ALERTS, BO),
        ];
        let channels = channels
            .into_iter()
            .zip(integration_keys)
            .map(|((channel_id, name, integration_id, on_call), key)| {
                let channel = Channel {
                    channel_id,
                    name: name.to_owned(),
                    escalation: Some(EscalationRule {
                        rule_id: ids.object(founded_ms),
                        name: format!("{name} on call"),
                        person_ids: vec![on_call],
                    }),
                    close_with_alerts: true,
                    auto_resolve_s: 0,
                    auto_resolve_mode: AutoResolveMode::Trigger,
                    group_by: Vec::new(),
                    integration: AlertIntegration {
                        integration_id,
                        name: format!("{name} alerts"),
                        key,
                    },
                };
                (channel_id, channel)
            })
            .collect();
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let fields = [
            ("service_owner", "Service owner", FieldKind::Text, None),
            (
                "customer_impact",
                "Customer impact",
                FieldKind::SingleSelect(owned(&["none", "low", "high"])),
                Some(json!("none")),
            ),
            (
                "regions",
                "Regions",
                FieldKind::MultiSelect(owned(&["eu", "us", "ap"])),
                None,
            ),
            (
                "security_relevant",
                "Security relevant",
                FieldKind::Checkbox,
                Some(json!(false)),
            ),
            ("ticket_number", "Ticket number", FieldKind::Text, None),
        ]
        .into_iter()
        .map(|(name, display_name, kind, default)| {
            let field = Field {
                field_id: ids.object(founded_ms),
                name: name.to_owned(),
                display_name: display_name.to_owned(),
                kind,
                default,
            };
            (name.to_owned(), field)
        })
        .collect();
        Account {
            members: members.into_iter().collect(),
            channels,
            fields,
            webhooks: BTreeMap::new(),
            custom_actions: BTreeMap::new(),
        }
    }

    pub(super) fn member(&self, member_id: i64) -> Result<&Member, ApiError> {
        self.members
            .get(&member_id)
            .ok_or_else(|| ApiError::not_found("member", member_id))
    }

    pub(super) fn channel(&self, channel_id: i64) -> Result<&Channel, ApiError> {
        self.channels
            .get(&channel_id)
            .ok_or_else(|| ApiError::not_found("channel", channel_id))
    }

    /// The member behind an app key.
    pub(super) fn member_by_key(&self, app_key: &str) -> Option<&Member> {
        self.members
            .values()
            .find(|member| member.app_key.as_deref() == Some(app_key))
    }

    /// The channel behind an integration key.
    pub(super) fn channel_by_key(&self, integration_key: &str) -> Option<&Channel> {
        self.channels
            .values()
            .find(|channel| channel.integration.key == integration_key)
    }

    /// The short form of a person, if the id is known.
    pub(super) fn person(&self, person_id: i64) -> Option<Value> {
        self.members.get(&person_id).map(Member::to_person)
    }

    /// An id that no webhook and no custom action has yet.
    pub(super) fn next_integration_id(&self) -> i64 {
        let taken = self.webhooks.keys().chain(self.custom_actions.keys());
        taken.max().copied().unwrap_or(FIRST_INTEGRATION) + 1000
    }

    pub(super) fn default_fields(&self) -> BTreeMap<String, Value> {
        self.fields
            .values()
            .filter_map(|field| Some((field.name.clone(), field.default.clone()?)))
            .collect()
    }

    /// Checks a value for a custom field by name.
    pub(super) fn check_field(&self, name: &str, value: Option<&Value>) -> Result<(), ApiError> {
        let Some(field) = self.fields.get(name) else {
            let known: Vec<_> = self.fields.keys().map(String::as_str).collect();
            return Err(ApiError::invalid(format!(
                "field_name: there is no custom field {name:?}; there are {}",
                known.join(", ")
            )));
        };
        match value {
            Some(value) => field.check(value).map_err(ApiError::invalid),
            None => Ok(()),
        }
    }
}
