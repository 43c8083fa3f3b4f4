//! What waits to be sent, and the log of what was.
//!
//! Each message goes out once: a receiver that is down or slow has lost it.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::faults::Faults;
use super::faults::WebhookFault;
use crate::Delivery;
use crate::Push;

/// How the instance calls itself to others.
pub(super) const USER_AGENT: &str = "ServiceNow/1.0";

/// Entries that the log of outbound requests keeps.
const LOG_KEPT: usize = 1000;

/// One request in the instance's log of outbound requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The push it was sent as.
    pub push: u64,
    /// The incident that it tells of.
    pub sys_id: String,
    /// When it was handed over for sending, in Unix milliseconds.
    pub at_ms: u64,
    /// Status of the answer, or why there was none; none while under way.
    pub outcome: Option<Result<u16, String>>,
}

/// A run of the business rule that is due later.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) sys_id: String,
    /// Whose write queued it.
    pub(super) user_name: String,
    /// `insert` or `update`.
    pub(super) operation: &'static str,
}

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout_ms: u64,
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By the time they run, then in the order they were queued.
    jobs: BTreeMap<(u64, u64), Job>,
    /// Finished messages by the time they leave, with their incident.
    outbox: BTreeMap<(u64, u64), (String, Push)>,
    log: VecDeque<Outbound>,
    counter: u64,
}

impl Queue {
    pub(super) fn add_job(&mut self, at_ms: u64, job: Job) {
        let counter = self.count();
        self.jobs.insert((at_ms, counter), job);
    }

    /// Takes the next job that is due, with the time it was due at.
    pub(super) fn take_job(&mut self, now_ms: u64) -> Option<(u64, Job)> {
        let ((at_ms, counter), job) = self.jobs.pop_first()?;
        if at_ms > now_ms {
            self.jobs.insert((at_ms, counter), job);
            return None;
        }
        Some((at_ms, job))
    }

    /// Sends a message that nobody waits for: it may be lost, doubled or late.
    pub(super) fn post(
        &mut self,
        sys_id: &str,
        message: &Message,
        at_ms: u64,
        faults: &mut Faults,
        now_ms: u64,
    ) {
        let (copies, late_ms) = match faults.of_webhook(now_ms) {
            None => (1, 0),
            Some(WebhookFault::Lost) => return,
            Some(WebhookFault::Doubled) => (2, 0),
            Some(WebhookFault::Late(late_ms)) => (1, late_ms),
        };
        for _ in 0..copies {
            self.put(sys_id, message.clone(), at_ms + late_ms);
        }
    }

    /// Sends a message without fail; gives the id of its push.
    pub(super) fn put(&mut self, sys_id: &str, message: Message, at_ms: u64) -> u64 {
        let id = self.count();
        let push = Push {
            id,
            url: message.url,
            headers: message.headers,
            body: message.body,
            timeout_ms: message.timeout_ms,
        };
        self.outbox.insert((at_ms, id), (sys_id.to_owned(), push));
        id
    }

    /// Takes what leaves now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<Push> {
        let later = self.outbox.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.outbox, later);
        let mut pushes = Vec::new();
        for (sys_id, push) in due.into_values() {
            if self.log.len() == LOG_KEPT {
                self.log.pop_front();
            }
            self.log.push_back(Outbound {
                push: push.id,
                sys_id,
                at_ms: now_ms,
                outcome: None,
            });
            pushes.push(push);
        }
        pushes
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        let job = self.jobs.first_key_value().map(|((at_ms, _), _)| *at_ms);
        let push = self.outbox.first_key_value().map(|((at_ms, _), _)| *at_ms);
        job.into_iter().chain(push).min()
    }

    /// Notes the outcome; there is never a second attempt.
    pub(super) fn delivered(&mut self, push: u64, delivery: &Delivery) {
        if let Some(entry) = self.log.iter_mut().find(|entry| entry.push == push) {
            entry.outcome = Some(match delivery {
                Delivery::Answered(response) => Ok(response.status),
                Delivery::Failed(reason) => Err(reason.clone()),
                Delivery::TimedOut => Err("no answer in time".to_owned()),
            });
        }
    }

    pub(super) fn log(&self) -> impl Iterator<Item = &Outbound> {
        self.log.iter()
    }

    pub(super) fn waiting(&self) -> usize {
        self.jobs.len() + self.outbox.len()
    }

    pub(super) fn pending(&self) -> usize {
        let on_the_way = self.log.iter().filter(|entry| entry.outcome.is_none());
        self.waiting() + on_the_way.count()
    }

    /// A number that was not given before.
    pub(super) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}
