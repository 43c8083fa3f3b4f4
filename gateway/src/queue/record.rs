//! An item of work as it stands in the store.

use super::Outcome;
use crate::backoff::full_jitter;
use crate::contract::Verdict;
use crate::versioned;
use serde::Deserialize;
use serde::Serialize;

/// Where records lie, in the gateway's own part of the key space.
pub(crate) const PREFIX: &str = "g.work.";
/// What is written. It grows when an older gateway could not read it.
const SCHEMA: u64 = 2;
/// What is read. Schema 1 knew no leases, and kept what was scheduled during a
/// session in memory; such a record becomes one of today's at its next write.
const OLDEST_SCHEMA: u64 = 1;
/// So many distinct reasons are kept.
const REASONS: usize = 16;
const LONGEST_REASON: usize = 500;
pub(super) const RETRY_BASE_MS: u64 = 1000;
const RETRY_CAP_MS: u64 = 300_000;

/// All times but those of a lease's term are Unix time in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    schema: u64,
    pub(crate) due: u64,
    /// When `due` and that of `again` were decided, at the latest.
    pub(super) written: u64,
    /// Oldest first.
    pub(crate) reasons: Vec<String>,
    /// Tries in vain.
    pub(crate) attempt: u32,
    /// Tries since the last counted one that only waited for a far end.
    pub(crate) waits: u32,
    /// Changes whenever something was scheduled.
    pub(super) generation: u64,
    /// Why the last try was in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parked: Option<Parked>,
    /// The place that it waits for, if the last try was held back there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<String>,
    /// What was scheduled while a session was running.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<Again>,
    /// The revision at which the last lease was taken. A counter would begin
    /// anew with each item of this key, and two leases could look the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) epoch: u64,
    /// Only in a store that gateways share, and only while one works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Lease>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Why and since when an item is parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) reason: String,
    pub(crate) since: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Again {
    due: u64,
    reasons: Vec<String>,
}

/// Which gateway works on an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Lease {
    pub(super) holder: String,
    /// Counts the renewals. As long as it moves, the holder is alive.
    pub(super) beat: u64,
    /// When it was renewed last, on the holder's clock: for people, and
    /// compared with nothing.
    pub(super) renewed: u64,
    /// How long it must stand still before another gateway may take over.
    pub(super) term_ms: u64,
}

/// What tells one state of a lease from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    holder: String,
    epoch: u64,
    beat: u64,
}

impl Record {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            schema: SCHEMA,
            due: u64::MAX,
            written: now_ms,
            reasons: Vec::new(),
            attempt: 0,
            waits: 0,
            generation: 0,
            failure: None,
            parked: None,
            held: None,
            again: None,
            epoch: 0,
            lease: None,
        }
    }

    pub(crate) fn read(value: &[u8]) -> Result<Self, String> {
        let remedy = ", which must be used to finish it";
        let record: Self = versioned::read(value, OLDEST_SCHEMA..=SCHEMA, remedy)?;
        Ok(Self {
            schema: SCHEMA,
            ..record
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        // Nothing in a record can fail to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn is_leased(&self) -> bool {
        self.lease.is_some()
    }

    pub(super) fn sign(&self) -> Option<Sign> {
        self.lease.as_ref().map(|lease| Sign {
            holder: lease.holder.clone(),
            epoch: self.epoch,
            beat: lease.beat,
        })
    }

    /// Whether the lease is the one that was taken with `claimed`, however
    /// often it was renewed since.
    pub(super) fn is_held_as(&self, claimed: &Self) -> bool {
        let holder = |record: &Self| record.lease.as_ref().map(|lease| lease.holder.clone());
        self.epoch == claimed.epoch && holder(self) == holder(claimed)
    }

    /// Merges what was scheduled into an item that is not running.
    pub(super) fn merge(&mut self, asked: u64, reason: &str, now_ms: u64) {
        if self.parked.take().is_some() {
            self.start_afresh(asked, now_ms);
        }
        let due = clamped(self.due, self.written, now_ms);
        // What is held back waits for its place, whatever becomes known.
        if self.held.is_none() && (asked < due || due != self.due) {
            if asked < due {
                // It does not wait as long as its last try asked for, so it gets all of
                // them again: a few events in a row would use up all there are.
                self.attempt = 0;
            }
            self.due = due.min(asked);
            if let Some(again) = &mut self.again {
                again.due = clamped(again.due, self.written, now_ms);
            }
            self.written = now_ms;
        }
        add_reason(&mut self.reasons, reason);
    }

    /// Notes what was scheduled during a session: the item is to run once more
    /// afterwards.
    pub(super) fn run_again(&mut self, asked: u64, reason: &str, now_ms: u64) {
        self.due = clamped(self.due, self.written, now_ms);
        add_reason(&mut self.reasons, reason);
        let again = self.again.get_or_insert_with(|| Again {
            due: u64::MAX,
            reasons: Vec::new(),
        });
        let due = clamped(again.due, self.written, now_ms);
        again.due = due.min(asked);
        self.written = now_ms;
        add_reason(&mut again.reasons, reason);
    }

    /// At the begin of a session: what an earlier one, which came to no end,
    /// was to be followed by is what this one is, unless it is for later.
    pub(super) fn begin(&mut self, now_ms: u64) {
        let is_later = |again: &Again| clamped(again.due, self.written, now_ms) > now_ms;
        if !self.again.as_ref().is_some_and(is_later) {
            self.again = None;
        }
    }

    pub(super) fn start_afresh(&mut self, due_ms: u64, now_ms: u64) {
        self.attempt = 0;
        self.waits = 0;
        self.failure = None;
        self.parked = None;
        self.held = None;
        self.due = due_ms;
        self.written = now_ms;
    }

    /// What becomes of the item after a session; none if nothing is left.
    pub(super) fn after(
        mut self,
        claimed: &Self,
        outcome: &Outcome,
        most_failures: u32,
        now_ms: u64,
        random: u64,
    ) -> Option<Self> {
        let scheduled = self.again.take();
        let mut again = if self.generation == claimed.generation {
            claimed.again.clone()
        } else {
            scheduled
        };
        if let Some(again) = &mut again {
            again.due = clamped(again.due, self.written, now_ms);
        }
        let parked = |reason: &str| Parked {
            reason: reason.to_owned(),
            since: now_ms,
        };
        self.lease = None;
        self.held = None;
        self.written = now_ms;
        match outcome {
            Outcome::Verdict(Verdict::Done) => {
                let again = again?;
                self.start_afresh(again.due, now_ms);
                self.reasons = again.reasons;
                return Some(self);
            }
            Outcome::Held(held, reason) => {
                self.due = after_delay(1, now_ms, random).max(held.until_ms);
                self.held = Some(held.place.clone());
                self.failure = Some(reason.clone());
            }
            Outcome::Verdict(Verdict::Retry(retry)) => {
                let tries = if retry.counts {
                    self.attempt = self.attempt.saturating_add(1);
                    self.waits = 0;
                    self.attempt
                } else {
                    self.waits = self.waits.saturating_add(1);
                    self.waits
                };
                self.due = after_delay(tries, now_ms, random).max(retry.not_before_ms.unwrap_or(0));
                self.failure = Some(retry.reason.clone());
            }
            Outcome::Verdict(Verdict::Park(reason)) => {
                self.failure = Some(reason.clone());
                self.parked = Some(parked(reason));
            }
            Outcome::Failed(reason) => {
                self.attempt = self.attempt.saturating_add(1);
                self.waits = 0;
                self.due = after_delay(self.attempt, now_ms, random);
                self.failure = Some(reason.clone());
                if self.attempt >= most_failures {
                    let reason = format!("tried {} times in vain; {reason}", self.attempt);
                    self.parked = Some(parked(&reason));
                }
            }
            Outcome::Interrupted(reason) => {
                self.waits = self.waits.saturating_add(1);
                self.due = after_delay(self.waits, now_ms, random);
                self.failure = Some(reason.clone());
            }
        }
        if let Some(failure) = &mut self.failure {
            cut(failure);
        }
        if let Some(parked) = &mut self.parked {
            cut(&mut parked.reason);
        }
        match (again, outcome) {
            (None, _) => {}
            // It runs once more, as it must, but not at once: a session that
            // schedules its own key and then traps would never come to rest.
            (Some(_), Outcome::Failed(_)) => self.parked = None,
            (Some(again), _) if self.parked.is_some() => {
                self.start_afresh(again.due, now_ms);
            }
            (Some(_), Outcome::Held(..)) => {}
            // The try that counts waits as long as it asked for: what was scheduled
            // during it would else use up one after the other.
            (Some(_), Outcome::Verdict(Verdict::Retry(retry))) if retry.counts => {}
            (Some(again), _) => self.due = self.due.min(again.due),
        }
        Some(self)
    }
}

fn after_delay(tries: u32, now_ms: u64, random: u64) -> u64 {
    now_ms + full_jitter(tries, RETRY_BASE_MS, RETRY_CAP_MS, random)
}

/// When to do again what an outage undid that has lasted so long: about as long
/// from now.
pub(super) fn after_outage(lasted_ms: u64, now_ms: u64, random: u64) -> u64 {
    now_ms + full_jitter(1, lasted_ms.max(RETRY_BASE_MS), RETRY_CAP_MS, random)
}

/// A due time decided at `written`, on a clock that may have been set back
/// since: never further away than it was then.
pub(super) fn clamped(due: u64, written: u64, now_ms: u64) -> u64 {
    if now_ms >= written {
        due
    } else {
        due.min(now_ms.saturating_add(due.saturating_sub(written)))
    }
}

fn add_reason(reasons: &mut Vec<String>, reason: &str) {
    let mut reason = reason.to_owned();
    cut(&mut reason);
    if reasons.len() < REASONS && !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

fn cut(reason: &mut String) {
    if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
        reason.truncate(end);
    }
}
