//! A store in memory, for tests and for embedders that need no durability.
//!
//! It is also the shortest description of what a [`Store`] must do.

use crate::Refused;
use crate::Store;
use crate::StoreError;
use crate::contract::Entry;
use crate::contract::KeyedEntry;
use crate::contract::Page;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::contract::Write;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::PoisonError;

/// An ordered map with revisions.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Entry>,
    /// Counts all writes, so that no key sees a revision twice, even after it
    /// was deleted.
    writes: u64,
}

/// The most entries of a page, whatever limit is asked for.
const PAGE_ENTRIES: usize = 1000;
/// A page ends behind this many bytes of values.
const PAGE_BYTES: usize = 4 << 20;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for MemoryStore {
    /// Whoever shares it between gateways, for a test, wraps it.
    fn is_shared(&self) -> bool {
        false
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        Ok(self.with(|state| keys.iter().map(|k| state.entries.get(k).cloned()).collect()))
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        let limit = (scan.limit as usize).clamp(1, PAGE_ENTRIES);
        Ok(self.with(|state| {
            let from = match &scan.after {
                Some(after) if *after >= scan.prefix => Bound::Excluded(after.clone()),
                _ => Bound::Included(scan.prefix.clone()),
            };
            let found = state
                .entries
                .range((from, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(&scan.prefix));
            let (mut entries, mut bytes) = (Vec::<KeyedEntry>::new(), 0);
            for (key, entry) in found {
                if entries.len() == limit || bytes > PAGE_BYTES {
                    let next = entries.last().map(|last| last.key.clone());
                    return Page { entries, next };
                }
                bytes += entry.value.len();
                entries.push(KeyedEntry {
                    key: key.clone(),
                    entry: entry.clone(),
                });
            }
            Page {
                entries,
                next: None,
            }
        }))
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        Ok(self.with(|state| {
            let stands = state.entries.get(&write.key).map(|e| e.revision);
            let holds = match write.precondition {
                Precondition::Absent => stands.is_none(),
                Precondition::Revision(revision) => stands == Some(revision),
            };
            if !holds {
                return Err(Refused);
            }
            let Some(value) = write.value else {
                state.entries.remove(&write.key);
                return Ok(0);
            };
            state.writes += 1;
            let revision = state.writes;
            state.entries.insert(write.key, Entry { value, revision });
            Ok(revision)
        }))
    }
}
