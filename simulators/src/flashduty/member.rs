//! Members of the account: people, and whoever an app key belongs to.

use serde_json::Value;
use serde_json::json;

use super::account::FOUNDED_AT;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Also called `person_id`.
    pub member_id: i64,
    /// Display name.
    pub name: String,
    /// Unique in the account.
    pub email: String,
    /// Authorises calls of the Open API in the member's name.
    pub app_key: Option<String>,
}

impl Member {
    /// The short form that stands in webhooks and incidents.
    pub(super) fn to_person(&self) -> Value {
        json!({
            "person_id": self.member_id,
            "person_name": self.name,
            "email": self.email,
        })
    }

    /// An item of `/member/list`.
    pub(super) fn to_item(&self, account_id: i64) -> Value {
        json!({
            "account_id": account_id,
            "member_id": self.member_id,
            "member_name": self.name,
            "country_code": "",
            "phone": "",
            "email": self.email,
            "phone_verified": false,
            "email_verified": true,
            "avatar": "",
            "status": "enabled",
            "account_role_ids": [6],
            "created_at": FOUNDED_AT,
            "updated_at": FOUNDED_AT,
            "ref_id": "",
            "is_external": false,
        })
    }

    /// The answer of `/member/info`.
    pub(super) fn to_profile(&self, account_id: i64, account_name: &str) -> Value {
        json!({
            "account_avatar": "",
            "account_email": "admin@example.com",
            "account_id": account_id,
            "account_locale": "en-US",
            "account_name": account_name,
            "account_role_ids": [6],
            "account_time_zone": "Etc/UTC",
            "avatar": "",
            "country_code": "",
            "created_at": FOUNDED_AT,
            "domain": "example",
            "email": self.email,
            "email_verified": true,
            "is_external": false,
            "locale": "en-US",
            "member_id": self.member_id,
            "member_name": self.name,
            "phone": "",
            "phone_verified": false,
            "status": "enabled",
            "time_zone": "Etc/UTC",
        })
    }

    /// An item of `/person/infos`.
    pub(super) fn to_person_item(&self, account_id: i64) -> Value {
        json!({
            "account_id": account_id,
            "person_id": self.member_id,
            "person_name": self.name,
            "avatar": "",
            "locale": "en-US",
            "time_zone": "Etc/UTC",
            "email": self.email,
            "phone_verified": false,
            "email_verified": true,
            "as": "member",
            "status": "enabled",
        })
    }
}
