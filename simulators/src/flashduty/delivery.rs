//! Delivering webhooks: the queue, the only retry, and the history.
//!
//! There is at most one retry, and only if the network failed. An answer of
//! any status is an answer, and a receiver that accepts the connection but
//! does not answer in time is not asked again either.

use std::collections::BTreeMap;

use serde_json::json;

use super::Flashduty;
use super::ids::Ids;
use super::mishap::Fate;
use super::mishap::Mishaps;
use super::options::Options;
use super::timeline::Actor;
use super::timeline::EventType;
use crate::Delivery;
use crate::Push;

/// How long an event that is overtaken waits for another to overtake it.
const OVERTAKING_LIMIT_MS: u64 = 5000;

/// Something to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) integration_id: i64,
    pub(super) kind: EventType,
    pub(super) incident_id: String,
    pub(super) channel_id: i64,
    pub(super) actor: Actor,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timeout_ms: u64,
    pub(super) body: String,
    pub(super) event_ms: u64,
    pub(super) attempt: u32,
    /// Names who waits for the outcome, if anybody does.
    pub(super) waiter: Option<u64>,
}

/// An attempt at delivery, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Of the attempt; not the `event_id` of the payload.
    pub history_id: String,
    /// Of the webhook or custom action.
    pub integration_id: i64,
    /// What was told.
    pub kind: EventType,
    /// Of which incident.
    pub incident_id: String,
    /// In which channel.
    pub channel_id: i64,
    /// Where to.
    pub url: String,
    /// Sent along.
    pub request_headers: Vec<(String, String)>,
    /// The payload.
    pub request_body: String,
    /// 1, or 2 for the retry.
    pub attempt: u32,
    /// Unix milliseconds of the event.
    pub event_ms: u64,
    /// Unix milliseconds of the attempt.
    pub sent_ms: u64,
    /// From sending to the outcome.
    pub duration_ms: u64,
    /// What came of it.
    pub delivery: Delivery,
}

impl Attempt {
    /// Only status 200 is success.
    pub fn succeeded(&self) -> bool {
        matches!(&self.delivery, Delivery::Answered(response) if response.status == 200)
    }
}

/// What is to be sent, what is on its way, and what has been sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    pub(super) mishaps: Mishaps,
    queue: BTreeMap<(u64, u64), Event>,
    overtaken: BTreeMap<i64, (u64, u64)>,
    on_the_way: BTreeMap<u64, (Event, u64)>,
    history: Vec<Attempt>,
    counter: u64,
}

impl Outbox {
    /// Takes an event in, to be sent after the usual delay unless something
    /// happens to it on the way.
    pub(super) fn post(&mut self, event: Event, ids: &mut Ids, options: &Options) {
        let due_ms = event.event_ms + options.webhook_delay_ms;
        match self.mishaps.befall(ids) {
            Fate::Lost => {}
            Fate::Delayed(extra_ms) => self.put(due_ms + extra_ms, event),
            Fate::Doubled => {
                self.put(due_ms, event.clone());
                self.put(due_ms, event);
            }
            Fate::Overtaken => {
                let slot = (due_ms + OVERTAKING_LIMIT_MS, self.next());
                self.overtaken.insert(event.integration_id, slot);
                self.queue.insert(slot, event);
            }
            Fate::None => {
                let overtaken = self
                    .overtaken
                    .remove(&event.integration_id)
                    .and_then(|slot| self.queue.remove(&slot));
                self.put(due_ms, event);
                if let Some(late) = overtaken {
                    self.put(due_ms, late);
                }
            }
        }
    }

    /// Takes in what must not be interfered with.
    pub(super) fn put(&mut self, due_ms: u64, event: Event) {
        let slot = (due_ms, self.next());
        self.queue.insert(slot, event);
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.queue.keys().next().map(|(due_ms, _)| *due_ms)
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn pending(&self) -> usize {
        self.waiting() + self.on_the_way.len()
    }

    pub(super) fn history(&self) -> &[Attempt] {
        &self.history
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<Push> {
        let later = self.queue.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.queue, later);
        due.into_values()
            .map(|event| {
                let id = self.next();
                let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
                headers.extend(event.headers.iter().cloned());
                let push = Push {
                    id,
                    url: event.url.clone(),
                    headers,
                    body: event.body.clone().into_bytes(),
                    timeout_ms: event.timeout_ms,
                };
                self.on_the_way.insert(id, (event, now_ms));
                push
            })
            .collect()
    }
}

impl Flashduty {
    /// The attempts at delivery so far, oldest first.
    pub fn deliveries(&self) -> &[Attempt] {
        self.outbox.history()
    }

    /// Webhooks whose fate is not known yet: those that wait, and those that
    /// are on their way.
    pub fn webhooks_pending(&self) -> usize {
        self.outbox.pending()
    }

    /// Sends again if the network failed the first time, and writes the
    /// timeline entry of a custom action that succeeded.
    pub(super) fn settle(&mut self, push: u64, delivery: &Delivery, now_ms: u64) {
        let Some((event, sent_ms)) = self.outbox.on_the_way.remove(&push) else {
            return;
        };
        let attempt = Attempt {
            history_id: format!("{}{}", date(event.event_ms), self.ids.short()),
            integration_id: event.integration_id,
            kind: event.kind,
            incident_id: event.incident_id.clone(),
            channel_id: event.channel_id,
            url: event.url.clone(),
            request_headers: event.headers.clone(),
            request_body: event.body.clone(),
            attempt: event.attempt,
            event_ms: event.event_ms,
            sent_ms,
            duration_ms: now_ms.saturating_sub(sent_ms),
            delivery: delivery.clone(),
        };
        let succeeded = attempt.succeeded();
        self.outbox.history.push(attempt);
        let action = self.account.custom_actions.get(&event.integration_id);
        if let (true, Some(action)) = (succeeded, action) {
            let detail = json!({
                "integration_id": action.integration_id,
                "integration_name": action.name,
            });
            // The incident may have been removed in the meantime.
            let _ = self.note(
                &event.incident_id,
                event.actor,
                EventType::Custom,
                detail,
                now_ms,
            );
        }
        if matches!(delivery, Delivery::Failed(_)) && event.attempt == 1 {
            let again = Event {
                attempt: 2,
                ..event
            };
            self.outbox
                .put(now_ms + self.options.webhook_retry_ms, again);
        } else if let Some(waiter) = event.waiter {
            self.waiting.settle(waiter, delivery);
        }
    }
}

/// `20260601`.
fn date(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or_default();
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day()),
        Err(_) => "00000000".to_owned(),
    }
}
