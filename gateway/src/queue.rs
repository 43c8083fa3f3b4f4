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
//! collected in the record and makes the item run once more.
//!
//! A gateway that has the store to itself keeps the running mark in memory, and
//! a session costs no write but that of its outcome. In a store that gateways
//! share, whoever works on an item holds a [`lease`] on it, and every gateway
//! looks around for work that others put there.
//!
//! # Time
//!
//! Due times are wall clock. A record also keeps when it was written, so that
//! a clock which was set back cannot put off work for longer than was meant at
//! the time. Leases are measured on the steady clock of whoever measures.

mod index;
mod lease;
mod record;

use crate::Environment;
use crate::Store;
use crate::StoreError;
use crate::contract::KeyedEntry;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::contract::Schedule;
use crate::contract::Standing;
use crate::contract::Verdict;
use crate::contract::Write;
use crate::gates::Gates;
use futures_util::lock::Mutex as AsyncMutex;
use futures_util::lock::MutexGuard as AsyncGuard;
use index::Index;
use index::Item;
pub(crate) use index::Now;
use lease::LookAround;
pub(crate) use record::PREFIX;
use record::RETRY_BASE_MS;
pub(crate) use record::Record;
use record::after_outage;
use record::clamped;
use serde::Serialize;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

const STRIPES: usize = 256;
/// How often a refused write is tried again. Only another gateway on the same
/// store can refuse one, and each time one of them gets on. Where each request
/// has a gateway of its own, a burst of webhooks is as many gateways.
const ROUNDS: u32 = 64;
/// Gateways that meet at one item go on so many items apart, at most.
const APART: usize = 32;
/// Why a session failed of which nobody has heard again.
const SILENCE: &str = "the instance that ran it came to no end; it trapped, or was stopped";

/// How a session of an item ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// As the plugin said.
    Verdict(Verdict),
    /// It wants to be tried again, for this reason, when a place takes requests.
    Held(Held, String),
    /// Ended from outside, through the plugin's fault.
    Failed(String),
    /// Ended because the store failed, which is nobody's attempt.
    Interrupted(String),
}

/// What held a session back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The id of the place.
    pub(crate) place: String,
    pub(crate) until_ms: u64,
}

pub(crate) struct Queue {
    /// Names this gateway in leases.
    holder: String,
    index: Mutex<Index>,
    stripes: Vec<AsyncMutex<()>>,
    /// Nothing until the queue was loaded.
    look_around: Mutex<Option<LookAround>>,
    /// Since when no outcome could be recorded, on the steady clock; the end of
    /// time if the last one could.
    unrecorded_ms: AtomicU64,
}

/// What there is to do.
pub(crate) enum Next<'a> {
    Work(Box<Claim<'a>>),
    Idle { until_ms: Option<u64> },
}

/// An item that is running. Dropped without a word, it becomes due again.
pub(crate) struct Claim<'a> {
    queue: &'a Queue,
    pub(crate) key: String,
    pub(crate) record: Record,
    open: bool,
}

/// What came of recording how a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It is recorded; the item is due then, if there is anything left to do.
    Recorded { due_ms: Option<u64> },
    /// Another gateway had taken over, and what it does is what counts.
    Lost,
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
    /// Kept until something is scheduled, or an operator releases or drops it.
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

impl Queue {
    /// `holder` is a number that no other gateway on the same store has.
    pub(crate) fn new(holder: u64) -> Self {
        Self {
            holder: format!("{holder:016x}"),
            index: Mutex::default(),
            stripes: (0..STRIPES).map(|_| AsyncMutex::new(())).collect(),
            look_around: Mutex::default(),
            unrecorded_ms: AtomicU64::new(u64::MAX),
        }
    }

    /// Loads all items. Nothing is changed in the store, and a record that
    /// this version cannot read is the end of it: better no work than wrong.
    pub(crate) async fn recover<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
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
            let now = Now::of(environment);
            for found in page.entries {
                let (key, record) = readable(&found)?;
                let item = self.item(store, &record, found.entry.revision, now);
                let mut index = self.index();
                // What is there already is newer than the page.
                if !index.contains(&key) {
                    index.set(&key, Some(item));
                }
            }
            after = page.next;
            if after.is_none() {
                self.look().get_or_insert_default();
                return Ok(());
            }
            // A store may answer at once, each time; who limits this has a clock.
            environment.sleep(0).await;
        }
    }

    /// Sees whether the store answers, and with work that this version can read.
    /// It looks at the first record, and costs the same however many there are.
    pub(crate) async fn peek<S: Store>(&self, store: &S) -> Result<(), crate::RecoverError> {
        let first = Scan {
            prefix: PREFIX.to_owned(),
            after: None,
            limit: 1,
        };
        for found in store.scan(&first).await?.entries {
            readable(&found)?;
        }
        Ok(())
    }

    /// Makes sure that the work will be done, and returns when that is
    /// durable.
    pub(crate) async fn schedule<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        schedule: &Schedule,
    ) -> Result<(), StoreError> {
        let key = schedule.key.as_str();
        let now_ms = environment.now_ms();
        // Due at once is due from now on, and not before all that waits already.
        let due_ms = schedule.due_ms.max(now_ms);
        let _turn = self.turn(key).await;
        self.index().announce(key, due_ms, now_ms);
        for _ in 0..ROUNDS {
            let found = self.read(store, key).await?;
            let running = found
                .as_ref()
                .is_some_and(|(record, _)| self.is_running(store, key, record));
            let (mut record, revision) = match found {
                Some((record, revision)) => (record, Some(revision)),
                None => (Record::new(now_ms), None),
            };
            let before = record.clone();
            if running {
                record.run_again(due_ms, &schedule.reason, now_ms);
            } else {
                record.merge(due_ms, &schedule.reason, now_ms);
            }
            // An item that waits for its turn anyway needs no write: a flood
            // of hints for one key costs one.
            let written = match revision {
                Some(revision) if record == before && !running => Ok(revision),
                _ => {
                    record.generation += 1;
                    let precondition =
                        revision.map_or(Precondition::Absent, Precondition::Revision);
                    self.put(store, key, precondition, Some(&record)).await?
                }
            };
            if let Ok(revision) = written {
                let item = self.item(store, &record, revision, Now::of(environment));
                self.index().settle(key, Some(item));
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Takes the item that has been due for longest. In a shared store it takes
    /// a lease on it, for `term_ms`. With `most_failures` a session whose gateway
    /// fell silent has failed.
    pub(crate) async fn claim<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        gates: &Gates,
        term_ms: u64,
        most_failures: Option<u32>,
    ) -> Result<Next<'_>, StoreError> {
        let next_look_ms = self.look_around(store, environment, gates).await?;
        let mut skip = 0;
        loop {
            let now = Now::of(environment);
            let turn = |place: &str| gates.turn(place, now);
            let taken = self.index().take(now, skip, turn);
            let (key, known) = match taken {
                Ok(taken) => taken,
                Err(until_ms) => {
                    let until_ms = [until_ms, next_look_ms].into_iter().flatten().min();
                    return Ok(Next::Idle { until_ms });
                }
            };
            let mut claim = Claim {
                queue: self,
                key,
                record: Record::new(environment.now_ms()),
                open: true,
            };
            let _turn = self.turn(&claim.key).await;
            let found = match self.read(store, &claim.key).await {
                Ok(found) => found,
                Err(error) => return Err(claim.give_back(environment, error)),
            };
            // Only now: a lease is watched from when it was read.
            let now = Now::of(environment);
            // The index was told of more than came to be.
            let Some((mut record, revision)) = found else {
                claim.close(None);
                continue;
            };
            if !self.may_run(store, &record, revision, &known, now) {
                claim.close(Some(self.item(store, &record, revision, now)));
                continue;
            }
            if let Some(most_failures) = most_failures
                && record
                    .lease
                    .as_ref()
                    .is_some_and(|l| l.holder != self.holder)
            {
                let outcome = Outcome::Failed(SILENCE.to_owned());
                let random = environment.random();
                let claimed = record.clone();
                let after = record.after(&claimed, &outcome, most_failures, now.ms, random);
                let precondition = Precondition::Revision(revision);
                let write = self.put(store, &claim.key, precondition, after.as_ref());
                let item = match (write.await, after) {
                    (Ok(Ok(revision)), Some(record)) => self.item(store, &record, revision, now),
                    // It changed in between. Another look will tell.
                    (Ok(_), _) => Item::due_at(now.ms, now.ms),
                    (Err(error), _) => return Err(claim.give_back(environment, error)),
                };
                claim.close(Some(item));
                continue;
            }
            record.begin(now.ms);
            let until = if store.is_shared() {
                match self
                    .take_lease(
                        store,
                        environment,
                        &claim.key,
                        &mut record,
                        revision,
                        term_ms,
                    )
                    .await
                {
                    Ok(Some(until)) => until,
                    // It changed in between. Another look will tell; and whoever was
                    // faster is about to take what comes next.
                    Ok(None) => {
                        skip = number(&[&*self.holder, &*claim.key].concat(), APART);
                        claim.close(Some(Item::due_at(now.ms, now.ms)));
                        continue;
                    }
                    Err(error) => return Err(claim.give_back(environment, error)),
                }
            } else {
                u64::MAX
            };
            self.index().set(&claim.key, Some(Item::Running { until }));
            claim.record = record;
            return Ok(Next::Work(Box::new(claim)));
        }
    }

    /// Whether an item may be run that the index took for due. `known` is what
    /// it went by.
    fn may_run<S: Store>(
        &self,
        store: &S,
        record: &Record,
        revision: u64,
        known: &Item,
        now: Now,
    ) -> bool {
        if let (true, Some(sign), Some(lease)) = (store.is_shared(), record.sign(), &record.lease) {
            // A lease of ours is left of a session that came to no end.
            return lease.holder == self.holder
                || matches!(known, Item::Elsewhere { sign: seen, until }
                    if *seen == sign && *until <= now.steady_ms);
        }
        // After the clock was set back, the due time in the record means
        // nothing, and the index has made another of it.
        let by_index = matches!(known, Item::Waiting { revision: Some(known), .. }
            if *known == revision);
        record.parked.is_none() && (record.due <= now.ms || by_index)
    }

    /// Makes a parked item due at once, or deletes it unless it `is_kept`; false if
    /// there is none of this key.
    pub(crate) async fn unpark<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        key: &str,
        is_kept: bool,
    ) -> Result<bool, StoreError> {
        let now_ms = environment.now_ms();
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
            let next = is_kept.then_some(record);
            // Also what is to be deleted: if nobody confirms that, a worker looks.
            self.index().announce(key, now_ms, now_ms);
            let precondition = Precondition::Revision(revision);
            let write = self.put(store, key, precondition, next.as_ref()).await?;
            if let Ok(revision) = write {
                let now = Now::of(environment);
                let item = next.map(|record| self.item(store, &record, revision, now));
                self.index().settle(key, item);
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
            } else if self.is_running(store, &key, &record) {
                "running"
            } else if record.due <= now_ms && record.held.is_none() {
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
        gates: &Gates,
        key: &str,
        now_ms: u64,
    ) -> Result<Standing, StoreError> {
        let Some((record, _)) = self.read(store, key).await? else {
            return Ok(Standing::None);
        };
        if let Some(parked) = record.parked {
            return Ok(Standing::Parked(parked.reason));
        }
        let due = match &record.held {
            Some(place) => !gates.is_closed(place),
            None => clamped(record.due, record.written, now_ms) <= now_ms,
        };
        if due || self.is_running(store, key, &record) {
            return Ok(Standing::UnderWay);
        }
        Ok(record.failure.map_or(Standing::None, Standing::Waiting))
    }

    /// Whether there is work of the key, as far as this gateway has heard.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.index().contains(key)
    }

    /// Whether anything falls due in this time, as far as this gateway has heard.
    pub(crate) fn falls_due(&self, from_ms: u64, to_ms: u64) -> bool {
        self.index().falls_due(from_ms, to_ms)
    }

    pub(crate) fn counts(&self, now_ms: u64) -> WorkCounts {
        let index = self.index();
        let (due, waiting) = index.waiting(now_ms);
        WorkCounts {
            due,
            waiting,
            running: index.running,
            parked: index.parked,
        }
    }

    /// Whether a session of the item is running, wherever that may be.
    fn is_running<S: Store>(&self, store: &S, key: &str, record: &Record) -> bool {
        if store.is_shared() {
            record.lease.is_some()
        } else {
            self.index().is_running(key)
        }
    }

    /// Where a record belongs in the index.
    fn item<S: Store>(&self, store: &S, record: &Record, revision: u64, now: Now) -> Item {
        let holder = record.lease.as_ref().map(|lease| &lease.holder);
        let watches = store.is_shared() && holder.is_some_and(|holder| *holder != self.holder);
        Item::of(record, revision, watches, now)
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
        self.stripes[number(key, STRIPES)].lock().await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Records what came of the session. If the store fails, the session will
    /// be run again.
    pub(crate) async fn finish<S: Store>(
        mut self,
        store: &S,
        environment: &impl Environment,
        outcome: &Outcome,
        most_failures: u32,
    ) -> Result<Finished, StoreError> {
        let queue = self.queue;
        let _turn = queue.turn(&self.key).await;
        let random = environment.random();
        let recorded = self
            .record_outcome(store, environment.now_ms(), outcome, most_failures, random)
            .await;
        let now = Now::of(environment);
        match recorded {
            Ok((finished, left)) => {
                queue.unrecorded_ms.store(u64::MAX, Ordering::Relaxed);
                let item = left.map(|(record, revision)| queue.item(store, &record, revision, now));
                self.close(item);
                Ok(finished)
            }
            Err(error) => {
                // The record cannot tell how often that was, and a store that can be read
                // but not written would have each session run again every second.
                let since_ms = queue
                    .unrecorded_ms
                    .fetch_min(now.steady_ms, Ordering::Relaxed);
                let lasted_ms = now.steady_ms.saturating_sub(since_ms);
                self.put_off(now.ms, after_outage(lasted_ms, now.ms, random));
                Err(error)
            }
        }
    }

    /// Also returns the record as it is now, with its revision.
    async fn record_outcome<S: Store>(
        &self,
        store: &S,
        now_ms: u64,
        outcome: &Outcome,
        most_failures: u32,
        random: u64,
    ) -> Result<(Finished, Option<(Record, u64)>), StoreError> {
        for _ in 0..ROUNDS {
            let found = self.queue.read(store, &self.key).await?;
            let Some((record, revision)) = found else {
                return Ok((Finished::Lost, None));
            };
            if store.is_shared() && !record.is_held_as(&self.record) {
                return Ok((Finished::Lost, Some((record, revision))));
            }
            let next = record.after(&self.record, outcome, most_failures, now_ms, random);
            let precondition = Precondition::Revision(revision);
            let write = self
                .queue
                .put(store, &self.key, precondition, next.as_ref())
                .await?;
            if let Ok(revision) = write {
                let due_ms = next.as_ref().filter(|r| r.parked.is_none()).map(|r| r.due);
                return Ok((
                    Finished::Recorded { due_ms },
                    next.map(|record| (record, revision)),
                ));
            }
        }
        Err(contended(&self.key))
    }

    /// Lets go of an item that the store did not let us have.
    fn give_back(&mut self, environment: &impl Environment, error: StoreError) -> StoreError {
        let now_ms = environment.now_ms();
        self.put_off(now_ms, now_ms + RETRY_BASE_MS);
        error
    }

    /// Lets go of the item, which stays in the store as it is.
    fn put_off(&mut self, now_ms: u64, due_ms: u64) {
        self.close(Some(Item::due_at(due_ms, now_ms)));
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
            index.set(&self.key, Some(Item::due_at(clock, clock)));
        }
    }
}

impl Now {
    pub(crate) fn of(environment: &impl Environment) -> Self {
        Self {
            ms: environment.now_ms(),
            steady_ms: environment.steady_ms(),
        }
    }
}

/// The key of the work that an entry is about, and its record.
fn readable(found: &KeyedEntry) -> Result<(String, Record), crate::RecoverError> {
    let key = found.key[PREFIX.len()..].to_owned();
    match Record::read(&found.entry.value) {
        Ok(record) => Ok((key, record)),
        Err(problem) => Err(crate::RecoverError::Record { key, problem }),
    }
}

/// A number below `end` that is always the same for the same text.
fn number(text: &str, end: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish() as usize % end
}

fn contended(key: &str) -> StoreError {
    StoreError(format!(
        "work {key:?} was changed by another gateway {ROUNDS} times in a row"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn texts_that_differ_in_little_have_numbers_of_their_own() {
        let texts = (0..1000).map(|n| format!("demo.f-{n:03}"));
        let numbers: BTreeSet<usize> = texts.map(|text| number(&text, STRIPES)).collect();
        assert!(numbers.len() > STRIPES * 9 / 10, "{}", numbers.len());
    }
}
