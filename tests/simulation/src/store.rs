//! The store that both gateways share, and what can happen to a call of it.

use crate::coverage::Moment;
use crate::coverage::store_point;
use crate::decisions::Stream;
use crate::profile::Profile;
use crate::stage::Stage;
use integration_gateway::Refused;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::UNBROKEN;
use integration_gateway::contract::Entry;
use integration_gateway::contract::KeyedEntry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ops::Bound;
use std::rc::Rc;

/// How far the store can be rolled back.
const UNDO_MS: u64 = 60_000;

/// What is stored.
#[derive(Default)]
pub struct Keys {
    entries: BTreeMap<String, Entry>,
    /// Counts all writes, so that no key sees a revision twice.
    revision: u64,
    /// What the newest writes replaced, and when.
    undo: VecDeque<(u64, String, Option<Entry>)>,
}

/// The store of one run.
pub struct SharedStore {
    stage: Rc<Stage>,
    profile: Rc<Profile>,
    /// What is stored.
    pub keys: RefCell<Keys>,
}

/// The store as one process reaches it.
#[derive(Clone)]
pub struct Connection {
    store: Rc<SharedStore>,
    process: usize,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreFault {
    CrashBefore,
    CrashAfter,
    PauseBefore(u64),
    PauseAfter(u64),
    FailsBefore,
    FailsAfter,
}

impl SharedStore {
    /// An empty store.
    pub fn new(stage: Rc<Stage>, profile: Rc<Profile>) -> Rc<Self> {
        Rc::new(Self {
            stage,
            profile,
            keys: RefCell::default(),
        })
    }

    /// The store as a process reaches it.
    pub fn connect(self: &Rc<Self>, process: usize) -> Connection {
        Connection {
            store: Rc::clone(self),
            process,
        }
    }

    /// Takes back all writes of the last so many milliseconds.
    pub fn roll_back(&self, ms: u64) {
        let since_ms = self.stage.now_ms().saturating_sub(ms);
        self.keys.borrow_mut().roll_back(since_ms);
    }

    /// The store notices that it was rolled back.
    pub fn notice(&self) {
        let mut keys = self.keys.borrow_mut();
        keys.entries.retain(|key, _| !key.starts_with(UNBROKEN));
    }

    /// Loses everything.
    pub fn wipe(&self) {
        let mut keys = self.keys.borrow_mut();
        keys.entries.clear();
        keys.undo.clear();
    }

    /// Reads a key, outside of the simulation.
    pub fn peek(&self, key: &str) -> Option<Vec<u8>> {
        let keys = self.keys.borrow();
        keys.entries.get(key).map(|entry| entry.value.clone())
    }

    /// The keys that begin so, with their values.
    pub fn all(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let keys = self.keys.borrow();
        let range = keys.entries.range(prefix.to_owned()..);
        range
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect()
    }

    fn fault(&self, what: impl Fn() -> String) -> Option<StoreFault> {
        let Profile {
            store_crash,
            store_pause,
            store_error,
            ..
        } = *self.profile;
        let call = || format!("store: {}", what());
        let (at_crash_point, moment) = self.profile.crashes_most(call);
        let weights = [store_crash, store_pause, store_error, at_crash_point];
        let mut decisions = self.stage.decisions.borrow_mut();
        let mut chance = decisions.strike(Stream::Store, weights.iter().sum())?;
        let before = chance.below(2) == 0;
        Some(match (chance.weighted(&weights), before) {
            (3, _) if moment == Some(Moment::Before) => StoreFault::CrashBefore,
            (3, _) => StoreFault::CrashAfter,
            (0, true) => StoreFault::CrashBefore,
            (0, false) => StoreFault::CrashAfter,
            (1, true) => StoreFault::PauseBefore(pause_ms(&mut chance)),
            (1, false) => StoreFault::PauseAfter(pause_ms(&mut chance)),
            (_, true) => StoreFault::FailsBefore,
            (_, false) => StoreFault::FailsAfter,
        })
    }
}

/// Shorter than a lease lasts, or just as long, or longer.
pub(crate) fn pause_ms(chance: &mut crate::chance::Chance) -> u64 {
    match chance.below(3) {
        0 => chance.within(1000, 14_000),
        1 => chance.within(14_000, 26_000),
        _ => chance.within(26_000, 120_000),
    }
}

impl Keys {
    fn put(&mut self, now_ms: u64, write: Write) -> Result<u64, Refused> {
        let stands = self.entries.get(&write.key).map(|e| e.revision);
        let holds = match write.precondition {
            Precondition::Absent => stands.is_none(),
            Precondition::Revision(revision) => stands == Some(revision),
        };
        if !holds {
            return Err(Refused);
        }
        let (written, before) = match write.value {
            Some(value) => {
                self.revision += 1;
                let revision = self.revision;
                let entry = Entry { value, revision };
                (revision, self.entries.insert(write.key.clone(), entry))
            }
            None => (0, self.entries.remove(&write.key)),
        };
        self.undo.push_back((now_ms, write.key, before));
        while self
            .undo
            .front()
            .is_some_and(|(at, ..)| at + UNDO_MS < now_ms)
        {
            self.undo.pop_front();
        }
        Ok(written)
    }

    fn roll_back(&mut self, since_ms: u64) {
        while let Some((at_ms, key, before)) = self.undo.pop_back() {
            if at_ms < since_ms {
                self.undo.push_back((at_ms, key, before));
                return;
            }
            match before {
                Some(entry) => self.entries.insert(key, entry),
                None => self.entries.remove(&key),
            };
        }
    }

    fn page(&self, scan: &Scan) -> Page {
        let limit = (scan.limit as usize).clamp(1, 1000);
        let from = match &scan.after {
            Some(after) if *after >= scan.prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(scan.prefix.clone()),
        };
        let mut found = self
            .entries
            .range((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&scan.prefix));
        let entries: Vec<KeyedEntry> = found
            .by_ref()
            .take(limit)
            .map(|(key, entry)| KeyedEntry {
                key: key.clone(),
                entry: entry.clone(),
            })
            .collect();
        let more = found.next().and(entries.last());
        Page {
            next: more.map(|last| last.key.clone()),
            entries,
        }
    }
}

impl Connection {
    async fn call<T>(
        &self,
        what: impl Fn() -> String,
        act: impl FnOnce(&mut Keys, u64) -> T,
    ) -> Result<T, StoreError> {
        let stage = &self.store.stage;
        let fault = self.store.fault(&what);
        if let Some(fault) = fault {
            let what = what();
            stage.note(format_args!("gateway {}: {what}: {fault:?}", self.process));
            stage.report.borrow_mut().hit_store(&what, fault);
        }
        let (before_ms, after_ms) = {
            let mut chance = stage.chance();
            // A store is quick, and now and then is not.
            match chance.below(200) {
                0 => (chance.below(1500), chance.below(1500)),
                _ => (chance.below(3), chance.below(2)),
            }
        };
        stage.sleep(before_ms).await;
        match fault {
            Some(StoreFault::CrashBefore) => stage.crash(self.process).await,
            Some(StoreFault::PauseBefore(ms)) => {
                stage.pause(self.process, ms);
                stage.step_back().await;
            }
            Some(StoreFault::FailsBefore) => return Err(failure()),
            _ => {}
        }
        let done = act(&mut self.store.keys.borrow_mut(), stage.now_ms());
        match fault {
            Some(StoreFault::CrashAfter) => stage.crash(self.process).await,
            Some(StoreFault::PauseAfter(ms)) => {
                stage.pause(self.process, ms);
                stage.step_back().await;
            }
            Some(StoreFault::FailsAfter) => return Err(failure()),
            _ => {}
        }
        stage.sleep(after_ms).await;
        Ok(done)
    }
}

fn failure() -> StoreError {
    StoreError("the connection was lost".to_owned())
}

impl Store for Connection {
    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        let what = || store_point("get", keys.first().map_or("", String::as_str), None);
        self.call(what, |all, _| {
            keys.iter().map(|k| all.entries.get(k).cloned()).collect()
        })
        .await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        let what = || store_point("scan", &scan.prefix, None);
        self.call(what, |all, _| all.page(scan)).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        let what = || {
            let verb = match write.value {
                Some(_) => "write",
                None => "delete",
            };
            store_point(verb, &write.key, write.value.as_deref())
        };
        let copy = write.clone();
        self.call(what, |all, now_ms| all.put(now_ms, copy)).await
    }
}
