//! `/incident/…`: every call but the list.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use super::super::Flashduty;
use super::super::action::Action;
use super::super::action::Assignment;
use super::super::action::Merge;
use super::super::action::Notify;
use super::super::action::Reset;
use super::super::creation::NewIncident;
use super::super::envelope::ApiError;
use super::super::params::Params;
use super::super::params::required;
use super::super::timeline::Actor;
use super::Call;
use super::Page;
use super::nothing;

/// Lists of ids have no documented maximum; this one is generous.
const LIST_BY_IDS_LIMIT: usize = 1000;

impl Flashduty {
    pub(super) fn incident_create(&mut self, call: &Call) -> Result<Value, ApiError> {
        let params = &call.params;
        let severity = required("incident_severity", params.severity("incident_severity")?)?;
        let title = params.required_text("title")?.to_owned();
        let mut fields = BTreeMap::new();
        if let Some(given) = params.object("fields")? {
            for (name, value) in given.entries().filter(|(_, value)| !value.is_null()) {
                fields.insert(name.clone(), value.clone());
            }
        }
        let new = NewIncident {
            title: title.clone(),
            incident_severity: severity,
            description: text_or_empty(params, "description")?,
            channel_id: params.integer("channel_id")?.unwrap_or(0),
            assigned_to: params
                .object("assigned_to")?
                .map(|assigned_to| assignment(&assigned_to))
                .transpose()?,
            fields,
        };
        let incident_id = self.create(call.member_id, new, call.now_ms)?;
        Ok(json!({ "incident_id": incident_id, "title": title }))
    }

    /// By id, or else the latest with a `num`, which need not be unique.
    pub(super) fn incident_info_call(&mut self, call: &Call) -> Result<Value, ApiError> {
        let incident = match (call.params.text("incident_id")?, call.params.text("num")?) {
            (Some(id), _) if !id.is_empty() => self.find(id)?,
            (_, Some(num)) if !num.is_empty() => self
                .incidents
                .values()
                .rev()
                .find(|incident| incident.num.eq_ignore_ascii_case(num))
                .ok_or_else(|| ApiError::not_found("incident", num))?,
            _ => return Err(ApiError::invalid("incident_id: is required, or num")),
        };
        Ok(self.incident_info(incident))
    }

    /// Ids that do not exist are left out of the answer.
    pub(super) fn incident_list_by_ids(&mut self, call: &Call) -> Result<Value, ApiError> {
        let ids = required("incident_ids", call.params.texts("incident_ids")?)?;
        if ids.is_empty() || ids.len() > LIST_BY_IDS_LIMIT {
            return Err(ApiError::invalid(format!(
                "incident_ids: expected 1 to {LIST_BY_IDS_LIMIT} ids, found {}",
                ids.len()
            )));
        }
        let items: Vec<Value> = ids
            .iter()
            .filter_map(|id| self.incidents.get(id))
            .map(|incident| self.incident_info(incident))
            .collect();
        Ok(json!({ "total": items.len(), "items": items, "has_next_page": false }))
    }

    pub(super) fn incident_ack(&mut self, call: &Call) -> Result<Value, ApiError> {
        self.do_to_each(call, &Action::Acknowledge)
    }

    pub(super) fn incident_unack(&mut self, call: &Call) -> Result<Value, ApiError> {
        self.do_to_each(call, &Action::Unacknowledge)
    }

    pub(super) fn incident_resolve(&mut self, call: &Call) -> Result<Value, ApiError> {
        let action = Action::Resolve {
            root_cause: call.params.text("root_cause")?.map(str::to_owned),
            resolution: call.params.text("resolution")?.map(str::to_owned),
        };
        self.do_to_each(call, &action)
    }

    pub(super) fn incident_reopen(&mut self, call: &Call) -> Result<Value, ApiError> {
        let reason = text_or_empty(&call.params, "reason")?;
        self.do_to_each(call, &Action::Reopen { reason })
    }

    pub(super) fn incident_snooze(&mut self, call: &Call) -> Result<Value, ApiError> {
        let minutes = call.params.required_integer("minutes")?;
        self.do_to_each(call, &Action::Snooze { minutes })
    }

    pub(super) fn incident_wake(&mut self, call: &Call) -> Result<Value, ApiError> {
        self.do_to_each(call, &Action::Wake)
    }

    pub(super) fn incident_comment(&mut self, call: &Call) -> Result<Value, ApiError> {
        let action = Action::Comment {
            comment: call.params.required_text("comment")?.to_owned(),
            mute_reply: call.params.flag("mute_reply")?.unwrap_or(false),
        };
        self.do_to_each(call, &action)
    }

    pub(super) fn incident_reset(&mut self, call: &Call) -> Result<Value, ApiError> {
        let params = &call.params;
        let text = |name| -> Result<_, ApiError> { Ok(params.text(name)?.map(str::to_owned)) };
        let action = Action::Reset(Reset {
            title: text("title")?,
            description: text("description")?,
            impact: text("impact")?,
            root_cause: text("root_cause")?,
            resolution: text("resolution")?,
            incident_severity: match params.text("incident_severity")? {
                Some("") => None,
                _ => params.severity("incident_severity")?,
            },
        });
        self.do_to_one(call, &action)
    }

    pub(super) fn incident_field_reset(&mut self, call: &Call) -> Result<Value, ApiError> {
        let action = Action::ResetField {
            field_name: call.params.required_text("field_name")?.to_owned(),
            field_value: call.params.value("field_value").cloned(),
        };
        self.do_to_one(call, &action)
    }

    pub(super) fn incident_merge(&mut self, call: &Call) -> Result<Value, ApiError> {
        let params = &call.params;
        let target = params.required_text("target_incident_id")?;
        let action = Action::Merge(Merge {
            source_incident_ids: params.ids("source_incident_ids")?,
            title: params.text("title")?.map(str::to_owned),
            comment: params.text("comment")?.map(str::to_owned),
            remove_source_incidents: params.flag("remove_source_incidents")?.unwrap_or(false),
        });
        self.perform(Actor::Member(call.member_id), target, &action, call.now_ms)?;
        Ok(nothing())
    }

    pub(super) fn incident_disable_merge(&mut self, call: &Call) -> Result<Value, ApiError> {
        self.do_to_each(call, &Action::DisableMerge)
    }

    pub(super) fn incident_remove(&mut self, call: &Call) -> Result<Value, ApiError> {
        self.do_to_each(call, &Action::Remove)
    }

    /// One id or several; with both, several count.
    /// The vendor's sources differ on whether addresses alone will do here, as they do
    /// where an incident is created. The stricter ones are taken at their word.
    pub(super) fn incident_assign(&mut self, call: &Call) -> Result<Value, ApiError> {
        let assigned_to = required("assigned_to", call.params.object("assigned_to")?)?;
        let assignment = assignment(&assigned_to)?;
        if assignment.person_ids.is_empty() && assignment.escalate_rule_id.is_none() {
            return Err(ApiError::invalid(
                "assigned_to: at least one of person_ids and escalate_rule_id must be set",
            ));
        }
        let action = Action::Assign(assignment);
        if call.params.value("incident_ids").is_some() {
            self.do_to_each(call, &action)
        } else {
            self.do_to_one(call, &action)
        }
    }

    pub(super) fn incident_responder_add(&mut self, call: &Call) -> Result<Value, ApiError> {
        let person_ids = required("person_ids", call.params.integers("person_ids")?)?;
        self.do_to_one(call, &Action::AddResponders { person_ids })
    }

    /// Newest first unless `asc`; the documentation names no order.
    pub(super) fn incident_feed(&mut self, call: &Call) -> Result<Value, ApiError> {
        let incident = self.find(call.params.required_text("incident_id")?)?;
        let page = Page::read(&call.params, 20, 100)?;
        let types = call.params.texts("types")?.unwrap_or_default();
        let mut entries: Vec<_> = incident
            .timeline
            .iter()
            .filter(|entry| {
                types.is_empty() || types.iter().any(|kind| kind == entry.kind.as_str())
            })
            .collect();
        if !call.params.flag("asc")?.unwrap_or(false) {
            entries.reverse();
        }
        let (entries, has_next_page) = page.cut(entries);
        let items: Vec<Value> = entries
            .into_iter()
            .map(|entry| entry.to_json(&incident.incident_id))
            .collect();
        Ok(json!({ "has_next_page": has_next_page, "items": items }))
    }

    pub(super) fn incident_alert_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let incident = self.find(call.params.required_text("incident_id")?)?;
        let page = Page::read(&call.params, 1000, 1000)?;
        let is_active = call.params.flag("is_active")?;
        let include_events = call.params.flag("include_events")?.unwrap_or(false);
        let alerts: Vec<_> = incident
            .alerts
            .iter()
            .filter_map(|id| self.alerts.get(id))
            .filter(|alert| is_active.is_none_or(|active| alert.is_active() == active))
            .collect();
        let total = alerts.len();
        let (alerts, _) = page.cut(alerts);
        let items: Vec<Value> = alerts
            .into_iter()
            .map(|alert| self.alert_info(alert, include_events))
            .collect();
        Ok(json!({ "total": total, "items": items }))
    }

    /// The `message` is not known before the endpoint has answered; see the
    /// module on custom actions.
    pub(super) fn incident_custom_action_do(&mut self, call: &Call) -> Result<Value, ApiError> {
        let integration_id = call.params.required_integer("integration_id")?;
        self.do_to_one(call, &Action::CustomAction { integration_id })?;
        Ok(json!({ "message": "" }))
    }

    fn do_to_one(&mut self, call: &Call, action: &Action) -> Result<Value, ApiError> {
        let id = call.params.required_text("incident_id")?;
        self.perform(Actor::Member(call.member_id), id, action, call.now_ms)?;
        Ok(nothing())
    }

    /// All or none, as far as unknown ids are concerned.
    fn do_to_each(&mut self, call: &Call, action: &Action) -> Result<Value, ApiError> {
        let ids = call.params.ids("incident_ids")?;
        for id in &ids {
            self.find(id)?;
        }
        for id in &ids {
            self.perform(Actor::Member(call.member_id), id, action, call.now_ms)?;
        }
        Ok(nothing())
    }
}

fn text_or_empty(params: &Params, name: &str) -> Result<String, ApiError> {
    Ok(params.text(name)?.unwrap_or_default().to_owned())
}

fn assignment(params: &Params) -> Result<Assignment, ApiError> {
    Ok(Assignment {
        person_ids: params.integers("person_ids")?.unwrap_or_default(),
        emails: params.texts("emails")?.unwrap_or_default(),
        escalate_rule_id: params.text("escalate_rule_id")?.map(str::to_owned),
        layer_idx: params.amount("layer_idx")?.unwrap_or(0),
        kind: params
            .text("type")?
            .filter(|kind| !kind.is_empty())
            .map(str::to_owned),
        notify: params.object("notify")?.map(|it| notify(&it)).transpose()?,
    })
}

fn notify(params: &Params) -> Result<Notify, ApiError> {
    Ok(Notify {
        follow_preference: params.flag("follow_preference")?.unwrap_or(false),
        personal_channels: params.texts("personal_channels")?.unwrap_or_default(),
        template_id: text_or_empty(params, "template_id")?,
    })
}
