//! Acknowledging, snoozing, closing and reopening.

use serde_json::json;

use super::Flashduty;
use super::channel::AutoResolveMode;
use super::envelope::ApiError;
use super::incident::Responder;
use super::options::SnoozeExpiryEvent;
use super::params::check_length;
use super::severity::Progress;
use super::timeline::Actor;
use super::timeline::EventType;

/// The longest snooze: 24 hours, in minutes.
const SNOOZE_LIMIT: i64 = 1440;
const NOTE_LIMIT: usize = 1024;

impl Flashduty {
    /// Anyone may acknowledge, not only who is assigned, and one is enough.
    pub(super) fn acknowledge(
        &mut self,
        actor: Actor,
        incident_id: &str,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let Actor::Member(person_id) = actor else {
            return Ok(());
        };
        let incident = self.find(incident_id)?;
        let already = incident
            .responders
            .iter()
            .any(|it| it.person_id == person_id && it.acknowledged_at > 0);
        if !incident.is_open() || already {
            return Ok(());
        }
        let ack_ends_snooze = self.options.ack_ends_snooze;
        let now = now_ms / 1000;
        let incident = self.change(incident_id, now_ms)?;
        match incident
            .responders
            .iter_mut()
            .find(|it| it.person_id == person_id)
        {
            Some(responder) => responder.acknowledged_at = now,
            None => incident.responders.push(Responder {
                person_id,
                assigned_at: 0,
                acknowledged_at: now,
            }),
        }
        if incident.ack_time == 0 {
            incident.ack_time = now;
        }
        incident.progress = Progress::Processing;
        if ack_ends_snooze {
            incident.end_snooze();
        }
        self.tell(incident_id, actor, EventType::Ack, json!({}), now_ms)
    }

    /// Processing lasts until the last acknowledgement is withdrawn.
    pub(super) fn unacknowledge(
        &mut self,
        actor: Actor,
        incident_id: &str,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self.find(incident_id)?;
        let own = |it: &Responder| actor == Actor::Member(it.person_id) && it.acknowledged_at > 0;
        if !incident.is_open() || !incident.responders.iter().any(own) {
            return Ok(());
        }
        let incident = self.change(incident_id, now_ms)?;
        for responder in &mut incident.responders {
            if own(responder) {
                responder.acknowledged_at = 0;
            }
        }
        if !incident.is_acknowledged() {
            incident.ack_time = 0;
            incident.progress = Progress::Triggered;
        }
        self.tell(incident_id, actor, EventType::Unack, json!({}), now_ms)
    }

    /// Closes by hand: the alerts close too, but the status stays what the
    /// alerts said last.
    pub(super) fn resolve(
        &mut self,
        actor: Actor,
        incident_id: &str,
        root_cause: Option<&str>,
        resolution: Option<&str>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        for (name, text) in [("root_cause", root_cause), ("resolution", resolution)] {
            check_length(name, text.unwrap_or_default(), 0..=NOTE_LIMIT)?;
        }
        if !self.find(incident_id)?.is_open() {
            return Ok(());
        }
        let incident = self.change(incident_id, now_ms)?;
        if let Some(text) = root_cause.filter(|text| !text.is_empty()) {
            text.clone_into(&mut incident.root_cause);
        }
        if let Some(text) = resolution.filter(|text| !text.is_empty()) {
            text.clone_into(&mut incident.resolution);
        }
        self.close(actor, incident_id, "console", now_ms)
    }

    /// Closes and announces it; `from` is what the timeline names as cause.
    pub(super) fn close(
        &mut self,
        actor: Actor,
        incident_id: &str,
        from: &str,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self.change(incident_id, now_ms)?;
        incident.progress = Progress::Closed;
        incident.close_time = now_ms / 1000;
        incident.closer = actor.member_id();
        incident.end_snooze();
        self.close_alerts(incident_id, now_ms);
        let detail = json!({ "from": from });
        self.tell(incident_id, actor, EventType::Resolve, detail, now_ms)
    }

    /// Begins anew: nobody acknowledges it, and its people are called again.
    pub(super) fn reopen(
        &mut self,
        actor: Actor,
        incident_id: &str,
        reason: &str,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        check_length("reason", reason, 0..=NOTE_LIMIT)?;
        if self.find(incident_id)?.is_open() {
            return Ok(());
        }
        let incident = self.change(incident_id, now_ms)?;
        incident.progress = Progress::Triggered;
        incident.close_time = 0;
        incident.closer = None;
        incident.withdraw_all_acknowledgements();
        let detail = json!({ "reason": reason });
        self.tell(incident_id, actor, EventType::Reopen, detail, now_ms)?;
        self.assign_again(incident_id, "reopen", now_ms)?;
        let has_responders = !self.find(incident_id)?.responders.is_empty();
        if has_responders {
            self.tell_assigned(incident_id, Actor::System, now_ms)?;
        }
        Ok(())
    }

    /// Minutes, while every other time of an incident is in seconds.
    pub(super) fn snooze(
        &mut self,
        actor: Actor,
        incident_id: &str,
        minutes: i64,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let length = match u64::try_from(minutes) {
            Ok(length) if (1..=SNOOZE_LIMIT).contains(&minutes) => length,
            _ => {
                return Err(ApiError::invalid(format!(
                    "minutes: expected 1 to {SNOOZE_LIMIT}, found {minutes}"
                )));
            }
        };
        if !self.find(incident_id)?.is_open() {
            return Ok(());
        }
        let incident = self.change(incident_id, now_ms)?;
        incident.snoozed_before = now_ms / 1000 + length * 60;
        incident.snooze_running = true;
        let detail = json!({ "minutes": minutes });
        self.tell(incident_id, actor, EventType::Snooze, detail, now_ms)
    }

    /// Ends the snooze; the progress stays.
    pub(super) fn wake(
        &mut self,
        actor: Actor,
        incident_id: &str,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self.find(incident_id)?;
        if !incident.snooze_running {
            return Ok(());
        }
        let detail = json!({ "snoozedBefore": incident.snoozed_before });
        self.change(incident_id, now_ms)?.end_snooze();
        self.tell(incident_id, actor, EventType::Wake, detail, now_ms)
    }

    /// Time passes: what has run out by `now_ms` happens, each at its time.
    pub(super) fn advance(&mut self, now_ms: u64) {
        while let Some((due_ms, incident_id, deadline)) = self.next_deadline() {
            if due_ms > now_ms {
                return;
            }
            let happened = match deadline {
                Deadline::Snooze => self.snooze_expires(&incident_id, due_ms),
                Deadline::AutoResolve => {
                    self.close(Actor::System, &incident_id, "autorslv", due_ms)
                }
            };
            if happened.is_err() {
                return;
            }
        }
    }

    /// The earliest change that time alone will make.
    pub(super) fn next_deadline(&self) -> Option<(u64, String, Deadline)> {
        let earliest = self.next_deadline.get_or_init(|| self.find_next_deadline());
        earliest.clone()
    }

    fn find_next_deadline(&self) -> Option<(u64, String, Deadline)> {
        let mut earliest: Option<(u64, &str, Deadline)> = None;
        for incident in self.incidents.values().filter(|it| it.is_open()) {
            let snooze = incident
                .snooze_running
                .then_some((incident.snoozed_before, Deadline::Snooze));
            let auto_resolve = self
                .account
                .channels
                .get(&incident.channel_id)
                .filter(|channel| channel.auto_resolve_s > 0)
                .map(|channel| {
                    let begin = match channel.auto_resolve_mode {
                        AutoResolveMode::Trigger => incident.created_ms / 1000,
                        AutoResolveMode::Update => {
                            incident.last_time.max(incident.created_ms / 1000)
                        }
                    };
                    (begin + channel.auto_resolve_s, Deadline::AutoResolve)
                });
            for (seconds, deadline) in [snooze, auto_resolve].into_iter().flatten() {
                let due_ms = seconds * 1000;
                if earliest.is_none_or(|(first, ..)| due_ms < first) {
                    earliest = Some((due_ms, &incident.incident_id, deadline));
                }
            }
        }
        earliest.map(|(due_ms, id, deadline)| (due_ms, id.to_owned(), deadline))
    }

    /// Back to Triggered, and its people are called again.
    fn snooze_expires(&mut self, incident_id: &str, now_ms: u64) -> Result<(), ApiError> {
        let incident = self.change(incident_id, now_ms)?;
        incident.snooze_running = false;
        incident.progress = Progress::Triggered;
        incident.withdraw_all_acknowledgements();
        let snoozed_before = incident.snoozed_before;
        self.assign_again(incident_id, "reassign", now_ms)?;
        match self.options.snooze_expiry {
            SnoozeExpiryEvent::Silent => Ok(()),
            SnoozeExpiryEvent::Assign => self.tell_assigned(incident_id, Actor::System, now_ms),
            SnoozeExpiryEvent::Wake => self.tell(
                incident_id,
                Actor::System,
                EventType::Wake,
                json!({ "snoozedBefore": snoozed_before }),
                now_ms,
            ),
        }
    }
}

/// What time alone brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    Snooze,
    AutoResolve,
}
