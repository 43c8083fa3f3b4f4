//! Who works on an incident.

use serde_json::json;

use super::Flashduty;
use super::action::Assignment;
use super::channel::EscalationRule;
use super::envelope::ApiError;
use super::incident::Assigned;
use super::incident::Responder;
use super::severity::Progress;
use super::timeline::Actor;
use super::timeline::EventType;

const NO_RULE: &str = "000000000000000000000000";

impl Flashduty {
    /// Gives an incident to others. Reassigning one that is being processed
    /// takes it back to Triggered, unless somebody who acknowledges it stays.
    pub(super) fn assign(
        &mut self,
        actor: Actor,
        incident_id: &str,
        assignment: &Assignment,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let channel_id = self.find(incident_id)?.channel_id;
        let (people, rule) = self.assignees(channel_id, assignment)?;
        let id = self.ids.short();
        let now = now_ms / 1000;
        let incident = self.change(incident_id, now_ms)?;
        let derived = match (&rule, &incident.assigned) {
            (Some(_), _) => "escalate",
            (None, Some(_)) => "reassign",
            (None, None) => "assign",
        };
        incident.responders = people
            .iter()
            .map(|&person_id| Responder {
                person_id,
                assigned_at: now,
                acknowledged_at: incident
                    .responders
                    .iter()
                    .find(|it| it.person_id == person_id)
                    .map_or(0, |it| it.acknowledged_at),
            })
            .collect();
        if incident.progress == Progress::Processing && !incident.is_acknowledged() {
            incident.progress = Progress::Triggered;
            incident.ack_time = 0;
        }
        incident.assigned = Some(Assigned {
            id,
            person_ids: people,
            kind: assignment.kind.as_deref().unwrap_or(derived).to_owned(),
            escalate_rule_id: rule
                .as_ref()
                .map_or_else(|| NO_RULE.to_owned(), |rule| rule.rule_id.clone()),
            escalate_rule_name: rule.map(|rule| rule.name).unwrap_or_default(),
            layer_idx: assignment.layer_idx,
            assigned_at: now,
            notify: assignment.notify.clone(),
        });
        self.tell_assigned(incident_id, actor, now_ms)
    }

    /// Applies the escalation rule of the channel, if there is one.
    pub(super) fn escalate(&mut self, incident_id: &str, now_ms: u64) -> Result<(), ApiError> {
        let channel_id = self.find(incident_id)?.channel_id;
        let rule = self
            .account
            .channels
            .get(&channel_id)
            .and_then(|channel| channel.escalation.as_ref());
        let Some(rule) = rule else { return Ok(()) };
        let assignment = Assignment {
            escalate_rule_id: Some(rule.rule_id.clone()),
            ..Assignment::default()
        };
        self.assign(Actor::System, incident_id, &assignment, now_ms)
    }

    /// Calls those who have it already once more, without an event.
    pub(super) fn assign_again(
        &mut self,
        incident_id: &str,
        kind: &str,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let now = now_ms / 1000;
        let incident = self.change(incident_id, now_ms)?;
        for responder in &mut incident.responders {
            responder.assigned_at = now;
        }
        if let Some(assigned) = &mut incident.assigned {
            kind.clone_into(&mut assigned.kind);
            assigned.assigned_at = now;
        }
        Ok(())
    }

    /// Calls others in addition.
    pub(super) fn add_responders(
        &mut self,
        actor: Actor,
        incident_id: &str,
        person_ids: &[i64],
        now_ms: u64,
    ) -> Result<(), ApiError> {
        if person_ids.is_empty() {
            return Err(ApiError::invalid(
                "person_ids: expected at least one member",
            ));
        }
        for &person_id in person_ids {
            self.account.member(person_id)?;
        }
        let incident = self.change(incident_id, now_ms)?;
        for &person_id in person_ids {
            if incident
                .responders
                .iter()
                .all(|it| it.person_id != person_id)
            {
                incident.responders.push(Responder {
                    person_id,
                    assigned_at: now_ms / 1000,
                    acknowledged_at: 0,
                });
            }
        }
        let detail = json!({ "to": person_ids });
        self.tell(incident_id, actor, EventType::AddResponders, detail, now_ms)
    }

    pub(super) fn tell_assigned(
        &mut self,
        incident_id: &str,
        actor: Actor,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self.find(incident_id)?;
        let mut detail = incident.assigned_json();
        let to: Vec<i64> = incident.responders.iter().map(|it| it.person_id).collect();
        detail["to"] = json!(to);
        self.tell(incident_id, actor, EventType::Assign, detail, now_ms)
    }

    /// Checks an assignment without applying it.
    pub(super) fn assignees(
        &self,
        channel_id: i64,
        assignment: &Assignment,
    ) -> Result<(Vec<i64>, Option<EscalationRule>), ApiError> {
        if let Some(kind) = &assignment.kind
            && !["assign", "reassign", "escalate", "reopen"].contains(&kind.as_str())
        {
            return Err(ApiError::invalid(format!(
                "assigned_to.type: expected assign, reassign, escalate or reopen, found {kind:?}"
            )));
        }
        let mut people: Vec<i64> = Vec::new();
        let mut add = |person_id: i64| {
            if !people.contains(&person_id) {
                people.push(person_id);
            }
        };
        for &person_id in &assignment.person_ids {
            self.account.member(person_id)?;
            add(person_id);
        }
        for email in &assignment.emails {
            self.account
                .members
                .values()
                .filter(|member| member.email.eq_ignore_ascii_case(email))
                .for_each(|member| add(member.member_id));
        }
        let rule = match assignment.escalate_rule_id.as_deref() {
            None | Some("" | NO_RULE) => None,
            Some(rule_id) => {
                let rule = self
                    .account
                    .channels
                    .get(&channel_id)
                    .and_then(|channel| channel.escalation.clone())
                    .filter(|rule| rule.rule_id == rule_id)
                    .ok_or_else(|| ApiError::not_found("escalation rule", rule_id))?;
                rule.person_ids.iter().copied().for_each(&mut add);
                Some(rule)
            }
        };
        if assignment.person_ids.is_empty() && assignment.emails.is_empty() && rule.is_none() {
            return Err(ApiError::invalid(
                "assigned_to: expected person_ids, emails or escalate_rule_id",
            ));
        }
        Ok((people, rule))
    }
}
