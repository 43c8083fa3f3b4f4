//! Merging incidents, and removing them.

use serde_json::json;

use super::Flashduty;
use super::action::Merge;
use super::envelope::ApiError;
use super::options::MergeEvent;
use super::params::check_length;
use super::severity::Progress;
use super::timeline::Actor;
use super::timeline::EventType;

const TITLE_LIMIT: usize = 512;
const COMMENT_LIMIT: usize = 1024;

impl Flashduty {
    /// Moves the alerts of the sources to the target and closes the sources,
    /// or removes them. No `i_rslv` tells of the sources; `i_merge` does, for
    /// whichever incident [`MergeEvent`] says.
    pub(super) fn merge(
        &mut self,
        actor: Actor,
        target_id: &str,
        merge: &Merge,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let title = merge.title.as_deref().unwrap_or_default();
        check_length("title", title, 0..=TITLE_LIMIT)?;
        let comment = merge.comment.as_deref().unwrap_or_default();
        check_length("comment", comment, 0..=COMMENT_LIMIT)?;
        let mut sources: Vec<&str> = Vec::new();
        for id in &merge.source_incident_ids {
            self.find(id)?;
            if id != target_id && !sources.contains(&id.as_str()) {
                sources.push(id);
            }
        }
        if sources.is_empty() {
            return Err(ApiError::invalid(
                "source_incident_ids: expected an incident other than the target",
            ));
        }
        let mut shorts = Vec::new();
        let mut source_responders: Vec<i64> = Vec::new();
        for source_id in &sources {
            let source = self.find(source_id)?;
            shorts.push(source.to_short());
            for responder in &source.responders {
                if !source_responders.contains(&responder.person_id) {
                    source_responders.push(responder.person_id);
                }
            }
            let moved = std::mem::take(&mut self.change(source_id, now_ms)?.alerts);
            for alert_id in &moved {
                if let Some(alert) = self.alerts.get_mut(alert_id) {
                    target_id.clone_into(&mut alert.incident_id);
                }
            }
            self.change(target_id, now_ms)?.alerts.extend(moved);
        }
        let target = self.change(target_id, now_ms)?;
        if !title.is_empty() {
            title.clone_into(&mut target.title);
            target.manual_overrides.insert("title");
        }
        self.follow_alerts(target_id, now_ms)?;
        let detail = json!({
            "source_incidents": shorts,
            "target_incident": self.find(target_id)?.to_short(),
            "comment": comment,
            "title": title,
            "owner_id": 0,
            "remove_source_incidents": merge.remove_source_incidents,
            "source_responders": source_responders,
        });
        for source_id in &sources {
            let source = self.change(source_id, now_ms)?;
            if source.progress != Progress::Closed {
                source.progress = Progress::Closed;
                source.close_time = now_ms / 1000;
                source.closer = actor.member_id();
            }
            source.end_snooze();
            self.note(source_id, actor, EventType::Merge, detail.clone(), now_ms)?;
            if self.options.merge_event != MergeEvent::Target {
                self.announce(source_id, actor, EventType::Merge, now_ms)?;
            }
            if merge.remove_source_incidents {
                self.remove(source_id)?;
            }
        }
        self.note(target_id, actor, EventType::Merge, detail, now_ms)?;
        if self.options.merge_event != MergeEvent::Sources {
            self.announce(target_id, actor, EventType::Merge, now_ms)?;
        }
        Ok(())
    }

    /// For good, with its alerts; nothing tells that it is gone.
    pub(super) fn remove(&mut self, incident_id: &str) -> Result<(), ApiError> {
        let Some(incident) = self.incidents.remove(incident_id) else {
            return Err(ApiError::not_found("incident", incident_id));
        };
        self.next_deadline.take();
        for alert_id in incident.alerts {
            if let Some(alert) = self.alerts.remove(&alert_id) {
                let key = (alert.integration_id, alert.key);
                if self.open_alerts.get(&key) == Some(&alert_id) {
                    self.open_alerts.remove(&key);
                }
            }
        }
        Ok(())
    }
}
