//! Fields, channels, members, persons: what rarely changes.

use serde_json::Value;
use serde_json::json;

use super::super::Flashduty;
use super::super::account::ACCOUNT;
use super::super::account::INTEGRATION_MEMBER;
use super::super::channel::Channel;
use super::super::envelope::ApiError;
use super::super::params::required;
use super::Call;
use super::Page;

impl Flashduty {
    /// The `query` is a part of a name here, where the real one takes a
    /// regular expression.
    pub(super) fn field_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let query = call.params.text("query")?.unwrap_or_default();
        let items: Vec<Value> = self
            .account
            .fields
            .values()
            .filter(|field| field.name.contains(query) || field.display_name.contains(query))
            .map(|field| field.to_json(ACCOUNT, INTEGRATION_MEMBER))
            .collect();
        Ok(json!({ "items": items }))
    }

    pub(super) fn field_info(&mut self, call: &Call) -> Result<Value, ApiError> {
        let field_id = call.params.required_text("field_id")?;
        self.account
            .fields
            .values()
            .find(|field| field.field_id == field_id)
            .map(|field| field.to_json(ACCOUNT, INTEGRATION_MEMBER))
            .ok_or_else(|| ApiError::not_found("field", field_id))
    }

    pub(super) fn channel_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let params = &call.params;
        let page = Page::read(params, 100, 100)?;
        let ids = params.integers("channel_ids")?.unwrap_or_default();
        let exact = params.text("channel_name")?.filter(|name| !name.is_empty());
        let query = params.text("query")?.unwrap_or_default().to_lowercase();
        let brief = params.flag("is_brief")?.unwrap_or(false);
        let found: Vec<&Channel> = self
            .account
            .channels
            .values()
            .filter(|channel| ids.is_empty() || ids.contains(&channel.channel_id))
            .filter(|channel| match exact {
                Some(name) => channel.name == name,
                None => channel.name.to_lowercase().contains(&query),
            })
            .collect();
        let total = found.len();
        let (found, has_next_page) = page.cut(found);
        let items: Vec<Value> = found
            .into_iter()
            .map(|channel| {
                if brief {
                    channel.to_brief()
                } else {
                    channel.to_json(ACCOUNT)
                }
            })
            .collect();
        Ok(json!({ "total": total, "has_next_page": has_next_page, "items": items }))
    }

    pub(super) fn channel_info(&mut self, call: &Call) -> Result<Value, ApiError> {
        let channel_id = call.params.required_integer("channel_id")?;
        Ok(self.account.channel(channel_id)?.to_json(ACCOUNT))
    }

    pub(super) fn channel_infos(&mut self, call: &Call) -> Result<Value, ApiError> {
        let ids = required("channel_ids", call.params.integers("channel_ids")?)?;
        let items: Vec<Value> = ids
            .iter()
            .filter_map(|id| self.account.channels.get(id))
            .map(Channel::to_brief)
            .collect();
        Ok(json!({ "items": items }))
    }

    pub(super) fn escalate_rule_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let channel_id = call.params.required_integer("channel_id")?;
        let channel = self.account.channel(channel_id)?;
        let items: Vec<Value> = channel
            .escalation
            .iter()
            .map(|rule| {
                json!({
                    "rule_id": rule.rule_id,
                    "rule_name": rule.name,
                    "channel_id": channel_id,
                    "account_id": ACCOUNT,
                    "status": "enabled",
                    "layers": [{ "target": { "person_ids": rule.person_ids } }],
                })
            })
            .collect();
        Ok(json!({ "items": items }))
    }

    pub(super) fn member_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let page = Page::read(&call.params, 20, 100)?;
        let query = call
            .params
            .text("query")?
            .unwrap_or_default()
            .to_lowercase();
        let found: Vec<_> = self
            .account
            .members
            .values()
            .filter(|member| {
                member.name.to_lowercase().contains(&query)
                    || member.email.to_lowercase().contains(&query)
            })
            .collect();
        let total = found.len();
        let (number, limit) = (page.number, page.limit);
        let (found, _) = page.cut(found);
        let items: Vec<Value> = found
            .into_iter()
            .map(|member| member.to_item(ACCOUNT))
            .collect();
        Ok(json!({ "p": number, "limit": limit, "total": total, "items": items }))
    }

    /// The member behind the key: how a client learns who it is.
    pub(super) fn member_info(&mut self, call: &Call) -> Result<Value, ApiError> {
        let member = self.account.member(call.member_id)?;
        Ok(member.to_profile(ACCOUNT, &self.options.account_name))
    }

    /// Unknown ids are left out.
    pub(super) fn person_infos(&mut self, call: &Call) -> Result<Value, ApiError> {
        let ids = required("person_ids", call.params.integers("person_ids")?)?;
        let items: Vec<Value> = ids
            .iter()
            .filter_map(|id| self.account.members.get(id))
            .map(|member| member.to_person_item(ACCOUNT))
            .collect();
        Ok(json!({ "items": items }))
    }
}
