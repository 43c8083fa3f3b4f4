//! Work: what is to be done, when, and what came of the tries so far.
//!
//! # What is kept
//!
//! An item is one record in the store, under the gateway's own part of the key
//! space, and it stays there until a session finished it. So work survives any
//! crash; what a crash costs is that a session that ran may run again.
//!
//! The store is the truth. The index in memory only says in which order to
//! look: [`Queue::claim`] reads the record before it hands out the work, so an
//! entry too many or a time too early in the index does no harm. Changes of
//! one record are read-modify-write under a lock (striped by key, so that
//! different keys rarely wait for each other), and the index is told before the
//! write of what may come to be, so that a caller who gives up halfway, or a
//! write whose outcome nobody knows, leaves nothing in the store that the
//! index has never heard of.
//!
//! # One at a time
//!
//! Work of a key runs in one session at a time. What is scheduled meanwhile is
//! collected beside the running session and makes the item run once more.
//!
//! The running mark is in memory only, which is right as long as one process
//! has the store to itself. For a store that gateways share, a record would
//! name its holder and an epoch beside `generation`; that is a new value of
//! `schema`, and this version refuses to touch a record whose schema it does
//! not know.
//!
//! # Time
//!
//! Due times are wall clock. A record also keeps when it was written, so that
//! a clock which was set back cannot put off work for longer than was meant at
//! the time.

use crate::Store;
use crate::StoreError;
use crate::backoff::full_jitter;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::contract::Schedule;
use crate::contract::Standing;
use crate::contract::Verdict;
use crate::contract::Write;
use futures_util::lock::Mutex as AsyncMutex;
use futures_util::lock::MutexGuard as AsyncGuard;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

const PREFIX: &str = "g.work.";
const SCHEMA: u32 = 1;
const STRIPES: usize = 256;
/// So many distinct reasons are kept.
const REASONS: usize = 16;
const LONGEST_REASON: usize = 500;
const RETRY_BASE_MS: u64 = 1000;
const RETRY_CAP_MS: u64 = 300_000;
/// A clock that stepped back by less is not worth a look at every item.
const STEP_MS: u64 = 1000;
/// How often a refused write is tried again. Only another gateway on the same
/// store, which must not be, can refuse one at all.
const ROUNDS: u32 = 8;

/// An item as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    schema: u32,
    /// Unix time in milliseconds.
    pub(crate) due: u64,
    /// When `due` was decided.
    written: u64,
    /// Oldest first.
    pub(crate) reasons: Vec<String>,
    /// Tries in vain.
    pub(crate) attempt: u32,
    /// Tries since the last counted one that only waited for a far end.
    pub(crate) waits: u32,
    /// Changes whenever something was scheduled.
    generation: u64,
    /// Why the last try was in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parked: Option<Parked>,
}

/// Why and since when an item is parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) reason: String,
    pub(crate) since: u64,
}

/// How a session of an item ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// As the plugin said.
    Verdict(Verdict),
    /// Ended from outside, through the plugin's fault.
    Failed(String),
    /// Ended because the store failed, which is nobody's attempt.
    Interrupted(String),
}

#[derive(Default)]
pub(crate) struct Queue {
    index: Mutex<Index>,
    stripes: Stripes,
}

struct Stripes(Vec<AsyncMutex<()>>);

impl Default for Stripes {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| AsyncMutex::new(())).collect())
    }
}

#[derive(Default)]
struct Index {
    items: BTreeMap<String, Item>,
    /// Waiting items by due time.
    waiting: BTreeSet<(u64, String)>,
    running: usize,
    parked: usize,
    clock: u64,
}

#[derive(Clone, Debug)]
enum Item {
    Waiting {
        due: u64,
        written: u64,
    },
    /// About to run: the record is being read. What is scheduled now still
    /// goes into the record, and the reader sees it or waits its turn.
    Taken,
    Running(Option<Again>),
    Parked,
}

/// What was scheduled while a session of the item was running.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Again {
    due: u64,
    reasons: Vec<String>,
}

/// What there is to do.
pub(crate) enum Next<'a> {
    Work(Claim<'a>),
    Idle { until_ms: Option<u64> },
}

/// An item that is running. Dropped without a word, it becomes due again.
pub(crate) struct Claim<'a> {
    queue: &'a Queue,
    pub(crate) key: String,
    pub(crate) record: Record,
    open: bool,
}

/// Numbers of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkCounts {
    /// Due now.
    pub due: usize,
    /// Due later.
    pub waiting: usize,
    /// In a session.
    pub running: usize,
    /// Kept until something is scheduled or an operator releases it.
    pub parked: usize,
}

/// An item of work, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkItem {
    /// Key that the plugin scheduled it under.
    pub key: String,
    /// `due`, `waiting`, `running` or `parked`.
    pub state: &'static str,
    /// Due time in Unix milliseconds.
    pub due_ms: u64,
    /// Tries in vain.
    pub attempt: u32,
    /// Why it was scheduled, oldest first.
    pub reasons: Vec<String>,
    /// Why the last try was in vain, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Why it is parked, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_reason: Option<String>,
    /// Since when it is parked, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_since_ms: Option<u64>,
}

/// A part of the list of work, in the order of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkPage {
    /// The items.
    pub work: Vec<WorkItem>,
    /// Ask for what comes behind this key; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Record {
    fn new(now_ms: u64) -> Self {
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
        }
    }

    fn read(value: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            schema: u32,
        }
        let unreadable = |error: serde_json::Error| format!("the record is damaged: {error}");
        let Versioned { schema } = serde_json::from_slice(value).map_err(unreadable)?;
        if schema != SCHEMA {
            return Err(format!(
                "expected a record of schema {SCHEMA}, found {schema}; it was written by another \
                 version of the gateway, which must be used to finish it"
            ));
        }
        serde_json::from_slice(value).map_err(unreadable)
    }

    fn write(&self) -> Vec<u8> {
        // Nothing in a record can fail to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Merges what was scheduled into an item that is not running.
    fn merge(&mut self, schedule: &Schedule, now_ms: u64) {
        if self.parked.take().is_some() {
            self.start_afresh(schedule.due_ms, now_ms);
        }
        let due = clamped(self.due, self.written, now_ms);
        if schedule.due_ms < due || due != self.due {
            self.due = due.min(schedule.due_ms);
            self.written = now_ms;
        }
        add_reason(&mut self.reasons, &schedule.reason);
    }

    fn start_afresh(&mut self, due_ms: u64, now_ms: u64) {
        self.attempt = 0;
        self.waits = 0;
        self.failure = None;
        self.parked = None;
        self.due = due_ms;
        self.written = now_ms;
    }

    /// What becomes of the item after a session; none if nothing is left.
    fn after(
        mut self,
        claimed: &Record,
        again: Option<Again>,
        outcome: &Outcome,
        most_failures: u32,
        now_ms: u64,
        random: u64,
    ) -> Option<Self> {
        // The record may have grown without a word: when the write that a
        // schedule made was durable, and the store then failed to say so.
        let again = again.or_else(|| {
            (self.generation != claimed.generation).then(|| Again {
                due: now_ms,
                reasons: self.reasons.clone(),
            })
        });
        let parked = |reason: &str| Parked {
            reason: reason.to_owned(),
            since: now_ms,
        };
        self.written = now_ms;
        match outcome {
            Outcome::Verdict(Verdict::Done) => {
                let again = again?;
                self.start_afresh(again.due, now_ms);
                self.reasons = again.reasons;
                return Some(self);
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
        match (again, outcome) {
            (None, _) => {}
            // It runs once more, as it must, but not at once: a session that
            // schedules its own key and then traps would never come to rest.
            (Some(_), Outcome::Failed(_)) => self.parked = None,
            (Some(again), _) if self.parked.is_some() => self.start_afresh(again.due, now_ms),
            (Some(again), _) => self.due = self.due.min(again.due),
        }
        Some(self)
    }
}

fn after_delay(tries: u32, now_ms: u64, random: u64) -> u64 {
    now_ms + full_jitter(tries, RETRY_BASE_MS, RETRY_CAP_MS, random)
}

/// A due time decided at `written`, on a clock that may have been set back
/// since: never further away than it was then.
fn clamped(due: u64, written: u64, now_ms: u64) -> u64 {
    if now_ms >= written {
        due
    } else {
        due.min(now_ms.saturating_add(due.saturating_sub(written)))
    }
}

fn add_reason(reasons: &mut Vec<String>, reason: &str) {
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    if reasons.len() < REASONS && !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

impl Queue {
    /// Loads all items. Nothing is changed in the store, and a record that
    /// this version cannot read is the end of it: better no work than wrong.
    pub(crate) async fn recover<S: Store>(
        &self,
        store: &S,
        now_ms: u64,
    ) -> Result<(), crate::RecoverError> {
        let mut after = None;
        loop {
            let page = store
                .scan(&Scan {
                    prefix: PREFIX.to_owned(),
                    after: after.take(),
                    limit: 1000,
                })
                .await?;
            for found in page.entries {
                let key = found.key[PREFIX.len()..].to_owned();
                let record = Record::read(&found.entry.value).map_err(|problem| {
                    crate::RecoverError::Record {
                        key: key.clone(),
                        problem,
                    }
                })?;
                let mut index = self.index();
                // What is there already is newer than the page.
                if !index.items.contains_key(&key) {
                    index.set(&key, Some(item(&record, now_ms)));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Makes sure that the work will be done, and returns when that is
    /// durable.
    pub(crate) async fn schedule<S: Store>(
        &self,
        store: &S,
        schedule: &Schedule,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let key = schedule.key.as_str();
        let _turn = self.turn(key).await;
        self.index().announce(key, schedule.due_ms, now_ms);
        for _ in 0..ROUNDS {
            let found = self.read(store, key).await?;
            let running = found.is_some() && self.index().is_running(key);
            let (mut record, precondition) = match found {
                Some((record, revision)) => (record, Precondition::Revision(revision)),
                None => (Record::new(now_ms), Precondition::Absent),
            };
            let before = record.clone();
            if running {
                add_reason(&mut record.reasons, &schedule.reason);
            } else {
                record.merge(schedule, now_ms);
            }
            // An item that waits for its turn anyway needs no write: a flood
            // of hints for one key costs one.
            if record == before && !running {
                self.index().settle(key, item(&record, now_ms));
                return Ok(());
            }
            record.generation += 1;
            let write = self.put(store, key, precondition, Some(&record)).await?;
            if write.is_err() {
                continue;
            }
            let mut index = self.index();
            match index.items.get_mut(key) {
                Some(Item::Running(again)) => {
                    let again = again.get_or_insert_with(|| Again {
                        due: u64::MAX,
                        reasons: Vec::new(),
                    });
                    again.due = again.due.min(schedule.due_ms);
                    add_reason(&mut again.reasons, &schedule.reason);
                }
                _ => index.settle(key, item(&record, now_ms)),
            }
            return Ok(());
        }
        Err(contended(key))
    }

    /// Takes the item that has been due for longest.
    pub(crate) async fn claim<S: Store>(
        &self,
        store: &S,
        now_ms: u64,
    ) -> Result<Next<'_>, StoreError> {
        loop {
            let key = match self.index().take(now_ms) {
                Ok(key) => key,
                Err(until_ms) => return Ok(Next::Idle { until_ms }),
            };
            let mut claim = Claim {
                queue: self,
                key,
                record: Record::new(now_ms),
                open: true,
            };
            let _turn = self.turn(&claim.key).await;
            let record = match self.read(store, &claim.key).await {
                Ok(record) => record.map(|(record, _)| record),
                Err(error) => {
                    claim.put_off(now_ms, now_ms + RETRY_BASE_MS);
                    return Err(error);
                }
            };
            // After the clock was set back, the due time in the record means
            // nothing, and the index has made another of it.
            match record {
                Some(record)
                    if record.parked.is_none()
                        && (record.due <= now_ms || record.written > now_ms) =>
                {
                    self.index().set(&claim.key, Some(Item::Running(None)));
                    claim.record = record;
                    return Ok(Next::Work(claim));
                }
                // The index was told of more than came to be.
                other => claim.close(other.map(|record| item(&record, now_ms))),
            }
        }
    }

    /// Makes a parked item due at once; false if there is none of this key.
    pub(crate) async fn release<S: Store>(
        &self,
        store: &S,
        key: &str,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let _turn = self.turn(key).await;
        for _ in 0..ROUNDS {
            let Some((mut record, revision)) = self.read(store, key).await? else {
                return Ok(false);
            };
            if record.parked.is_none() {
                return Ok(false);
            }
            record.start_afresh(now_ms, now_ms);
            record.generation += 1;
            self.index().announce(key, now_ms, now_ms);
            let precondition = Precondition::Revision(revision);
            let write = self.put(store, key, precondition, Some(&record)).await?;
            if write.is_ok() {
                self.index().settle(key, item(&record, now_ms));
                return Ok(true);
            }
        }
        Err(contended(key))
    }

    /// Lists items in the order of keys, behind the key `after`.
    pub(crate) async fn list<S: Store>(
        &self,
        store: &S,
        after: Option<&str>,
        now_ms: u64,
    ) -> Result<WorkPage, StoreError> {
        let page = store
            .scan(&Scan {
                prefix: PREFIX.to_owned(),
                after: after.map(|key| format!("{PREFIX}{key}")),
                limit: 500,
            })
            .await?;
        let mut work = Vec::new();
        for found in page.entries {
            let key = found.key[PREFIX.len()..].to_owned();
            let record = Record::read(&found.entry.value)
                .map_err(|problem| StoreError(format!("work {key:?}: {problem}")))?;
            let state = if record.parked.is_some() {
                "parked"
            } else if self.index().is_running(&key) {
                "running"
            } else if record.due <= now_ms {
                "due"
            } else {
                "waiting"
            };
            let (parked_reason, parked_since_ms) =
                record.parked.map(|p| (p.reason, p.since)).unzip();
            work.push(WorkItem {
                key,
                state,
                due_ms: record.due,
                attempt: record.attempt,
                reasons: record.reasons,
                last_failure: record.failure,
                parked_reason,
                parked_since_ms,
            });
        }
        Ok(WorkPage {
            work,
            next: page.next.map(|key| key[PREFIX.len()..].to_owned()),
        })
    }

    /// How work of a key stands. What is due later, and was not put off by a
    /// failure, has nothing left to do now.
    pub(crate) async fn standing<S: Store>(
        &self,
        store: &S,
        key: &str,
        now_ms: u64,
    ) -> Result<Standing, StoreError> {
        let Some((record, _)) = self.read(store, key).await? else {
            return Ok(Standing::None);
        };
        if let Some(parked) = record.parked {
            return Ok(Standing::Parked(parked.reason));
        }
        if clamped(record.due, record.written, now_ms) <= now_ms || self.index().is_running(key) {
            return Ok(Standing::UnderWay);
        }
        Ok(record.failure.map_or(Standing::None, Standing::Waiting))
    }

    pub(crate) fn counts(&self, now_ms: u64) -> WorkCounts {
        let index = self.index();
        let due = index
            .waiting
            .iter()
            .take_while(|(due, _)| *due <= now_ms)
            .count();
        WorkCounts {
            due,
            waiting: index.waiting.len() - due,
            running: index.running,
            parked: index.parked,
        }
    }

    async fn read<S: Store>(
        &self,
        store: &S,
        key: &str,
    ) -> Result<Option<(Record, u64)>, StoreError> {
        let found = store.get(&[format!("{PREFIX}{key}")]).await?;
        let Some(entry) = found.into_iter().next().flatten() else {
            return Ok(None);
        };
        match Record::read(&entry.value) {
            Ok(record) => Ok(Some((record, entry.revision))),
            Err(problem) => Err(StoreError(format!("work {key:?}: {problem}"))),
        }
    }

    async fn put<S: Store>(
        &self,
        store: &S,
        key: &str,
        precondition: Precondition,
        record: Option<&Record>,
    ) -> Result<Result<u64, crate::Refused>, StoreError> {
        store
            .write(Write {
                key: format!("{PREFIX}{key}"),
                precondition,
                value: record.map(Record::write),
            })
            .await
    }

    async fn turn(&self, key: &str) -> AsyncGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        self.stripes.0[(hash % STRIPES as u64) as usize]
            .lock()
            .await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Records what came of the session, and tells when the item is due next.
    /// If the store fails, the session will be run again.
    pub(crate) async fn finish<S: Store>(
        mut self,
        store: &S,
        outcome: &Outcome,
        most_failures: u32,
        now_ms: u64,
        random: u64,
    ) -> Result<Option<u64>, StoreError> {
        let queue = self.queue;
        let _turn = queue.turn(&self.key).await;
        let recorded = self
            .record_outcome(store, outcome, most_failures, now_ms, random)
            .await;
        match recorded {
            Ok(record) => {
                let due = record
                    .as_ref()
                    .filter(|r| r.parked.is_none())
                    .map(|r| r.due);
                self.close(record.map(|record| item(&record, now_ms)));
                Ok(due)
            }
            Err(error) => {
                let tries = self.record.waits.saturating_add(1);
                self.put_off(now_ms, after_delay(tries, now_ms, random));
                Err(error)
            }
        }
    }

    async fn record_outcome<S: Store>(
        &self,
        store: &S,
        outcome: &Outcome,
        most_failures: u32,
        now_ms: u64,
        random: u64,
    ) -> Result<Option<Record>, StoreError> {
        for _ in 0..ROUNDS {
            let Some((record, revision)) = self.queue.read(store, &self.key).await? else {
                return Ok(None);
            };
            let again = self.queue.index().again(&self.key);
            let next = record.after(&self.record, again, outcome, most_failures, now_ms, random);
            let precondition = Precondition::Revision(revision);
            let write = self
                .queue
                .put(store, &self.key, precondition, next.as_ref())
                .await?;
            if write.is_ok() {
                return Ok(next);
            }
        }
        Err(contended(&self.key))
    }

    /// Lets go of the item, which stays in the store as it is.
    fn put_off(&mut self, now_ms: u64, due_ms: u64) {
        self.close(Some(Item::Waiting {
            due: due_ms,
            written: now_ms,
        }));
    }

    fn close(&mut self, item: Option<Item>) {
        self.open = false;
        self.queue.index().set(&self.key, item);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.open {
            let mut index = self.queue.index();
            let clock = index.clock;
            let due = Item::Waiting {
                due: clock,
                written: clock,
            };
            index.set(&self.key, Some(due));
        }
    }
}

impl Index {
    fn set(&mut self, key: &str, item: Option<Item>) {
        match self.items.remove(key) {
            Some(Item::Waiting { due, .. }) => {
                self.waiting.remove(&(due, key.to_owned()));
            }
            Some(Item::Taken | Item::Running(_)) => self.running -= 1,
            Some(Item::Parked) => self.parked -= 1,
            None => {}
        }
        let Some(item) = item else { return };
        match &item {
            Item::Waiting { due, .. } => {
                self.waiting.insert((*due, key.to_owned()));
            }
            Item::Taken | Item::Running(_) => self.running += 1,
            Item::Parked => self.parked += 1,
        }
        self.items.insert(key.to_owned(), item);
    }

    /// Takes note of what was written, unless somebody is about to read it.
    fn settle(&mut self, key: &str, item: Item) {
        if !matches!(self.items.get(key), Some(Item::Taken)) {
            self.set(key, Some(item));
        }
    }

    /// Prepares for a write that will, perhaps, make an item due.
    fn announce(&mut self, key: &str, due: u64, now_ms: u64) {
        let due = match self.items.get(key) {
            Some(Item::Taken | Item::Running(_)) => return,
            Some(Item::Waiting { due: before, .. }) if *before <= due => return,
            _ => due,
        };
        let written = now_ms;
        self.set(key, Some(Item::Waiting { due, written }));
    }

    /// Takes the item that has been due for longest, or tells when one falls
    /// due.
    fn take(&mut self, now_ms: u64) -> Result<String, Option<u64>> {
        if now_ms + STEP_MS < self.clock {
            self.follow_the_clock_back(now_ms);
        }
        self.clock = now_ms;
        let (due, key) = self.waiting.first().cloned().ok_or(None)?;
        if due > now_ms {
            return Err(Some(due));
        }
        self.set(&key, Some(Item::Taken));
        Ok(key)
    }

    fn follow_the_clock_back(&mut self, now_ms: u64) {
        let waiting = std::mem::take(&mut self.waiting);
        for (_, key) in waiting {
            if let Some(Item::Waiting { due, written }) = self.items.get_mut(&key) {
                *due = clamped(*due, *written, now_ms);
                *written = (*written).min(now_ms);
                self.waiting.insert((*due, key));
            }
        }
    }

    fn is_running(&self, key: &str) -> bool {
        matches!(self.items.get(key), Some(Item::Running(_)))
    }

    fn again(&self, key: &str) -> Option<Again> {
        match self.items.get(key) {
            Some(Item::Running(again)) => again.clone(),
            _ => None,
        }
    }
}

fn item(record: &Record, now_ms: u64) -> Item {
    if record.parked.is_some() {
        return Item::Parked;
    }
    Item::Waiting {
        due: clamped(record.due, record.written, now_ms),
        written: record.written.min(now_ms),
    }
}

fn contended(key: &str) -> StoreError {
    StoreError(format!(
        "work {key:?} was changed by another gateway; this store is for one gateway at a time"
    ))
}
