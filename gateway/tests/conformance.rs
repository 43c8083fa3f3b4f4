//! The suite for stores passes a store that is right, and finds out one that is
//! not.
#![allow(clippy::unwrap_used)]

use integration_gateway::MemoryStore;
use integration_gateway::Refused;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::conformance::is_linearizable;
use integration_gateway::conformance::keeps_its_promises;
use integration_gateway::contract::*;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Mutex;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_store_in_memory_keeps_its_promises() {
    block_on(keeps_its_promises(&MemoryStore::new()));
}

#[test]
fn the_store_in_memory_is_linearizable() {
    for seed in 0..10 {
        is_linearizable(&MemoryStore::new(), seed, |client| block_on(client));
    }
}

/// What a store in memory may do wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    /// It takes every precondition for met.
    Unconditional,
    /// It says that it wrote, but refuses.
    Unwritten,
    /// It counts revisions from the beginning for each key.
    SameRevision,
    /// It pages by the number of keys before.
    ForgetsNext,
    /// It goes on with the key that it was to go on behind.
    Overlapping,
    /// It compares keys as a person would.
    IgnoresCase,
    /// It reads what it read before.
    Stale,
    /// It looks first and writes then.
    NotAtomic,
}

struct WrongStore {
    memory: MemoryStore,
    wrong: Wrong,
    cache: Mutex<BTreeMap<String, Option<Entry>>>,
    reads: std::sync::atomic::AtomicU64,
}

impl WrongStore {
    fn new(wrong: Wrong) -> Self {
        Self {
            memory: MemoryStore::new(),
            wrong,
            cache: Mutex::default(),
            reads: Default::default(),
        }
    }

    async fn stands(&self, key: &str) -> Option<Entry> {
        self.memory.get(&[key.to_owned()]).await.unwrap().remove(0)
    }
}

impl Store for WrongStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        let mut found = self.memory.get(keys).await?;
        if self.wrong == Wrong::SameRevision {
            for entry in found.iter_mut().flatten() {
                entry.revision = 1;
            }
        }
        let reads = self.reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if self.wrong == Wrong::Stale {
            let mut cache = self.cache.lock().unwrap();
            for (key, entry) in keys.iter().zip(&mut found) {
                // Now and then, as a replica that lags.
                if reads % 7 == 3
                    && let Some(old) = cache.get(key)
                {
                    entry.clone_from(old);
                }
                cache.insert(key.clone(), entry.clone());
            }
        }
        Ok(found)
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        let mut page = self.memory.scan(scan).await?;
        match self.wrong {
            Wrong::ForgetsNext => page.next = None,
            Wrong::Overlapping => {
                if let Some(after) = &scan.after
                    && after.starts_with(&scan.prefix)
                    && let Some(entry) = self.stands(after).await
                {
                    let key = after.clone();
                    page.entries.insert(0, KeyedEntry { key, entry });
                }
            }
            Wrong::IgnoresCase => page.entries.sort_by_key(|e| e.key.to_lowercase()),
            _ => {}
        }
        Ok(page)
    }

    async fn write(&self, mut write: Write) -> Result<Result<u64, Refused>, StoreError> {
        let stands = self.stands(&write.key).await.map(|entry| entry.revision);
        let as_it_stands = stands.map_or(Precondition::Absent, Precondition::Revision);
        match self.wrong {
            Wrong::Unconditional => write.precondition = as_it_stands,
            Wrong::Unwritten if write.value.is_none() => return Ok(Ok(0)),
            Wrong::SameRevision => {
                if write.precondition == Precondition::Revision(1) {
                    write.precondition = as_it_stands;
                }
                return Ok(self
                    .memory
                    .write(write)
                    .await?
                    .map(|revision| revision.min(1)));
            }
            Wrong::NotAtomic => {
                if write.precondition != as_it_stands {
                    return Ok(Err(Refused));
                }
                std::thread::sleep(std::time::Duration::from_micros(20));
                let stands = self.stands(&write.key).await.map(|entry| entry.revision);
                write.precondition = stands.map_or(Precondition::Absent, Precondition::Revision);
            }
            _ => {}
        }
        self.memory.write(write).await
    }
}

fn is_found_out(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

#[test]
fn a_store_that_breaks_a_promise_is_found_out() {
    for wrong in [
        Wrong::Unconditional,
        Wrong::Unwritten,
        Wrong::SameRevision,
        Wrong::ForgetsNext,
        Wrong::Overlapping,
        Wrong::IgnoresCase,
    ] {
        let store = WrongStore::new(wrong);
        let found_out = is_found_out(|| block_on(keeps_its_promises(&store)));
        assert!(found_out, "{wrong:?}");
    }
}

#[test]
fn a_store_that_reads_or_writes_out_of_order_is_found_out() {
    for wrong in [Wrong::Unconditional, Wrong::Stale, Wrong::NotAtomic] {
        let found_out = (0..20).any(|seed| {
            let store = WrongStore::new(wrong);
            is_found_out(|| is_linearizable(&store, seed, |client| block_on(client)))
        });
        assert!(found_out, "{wrong:?}");
    }
}
