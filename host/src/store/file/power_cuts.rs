//! Power cuts at any moment: while the file is created, opened, mended, written
//! and closed. What was acknowledged is there afterwards, and the file opens.
//!
//! `cargo xtask endure power-cuts` runs more of them.
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

use super::FileStore;
use super::forgetful_disk::ForgetfulDisk;
use fastrand::Rng;
use futures_util::future::join_all;
use integration_gateway::Store;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const CUTS: u64 = 10_000;
/// On each of several disks at a time.
const DISKS: u64 = 2;
const FILE: &str = "/var/lib/sync/sync.redb";
const KEYS: usize = 40;
/// Writes in one life of the store, at most.
const ROUNDS: usize = 40;

/// What a key may hold: what was acknowledged last, and then what was not.
type Possible = Vec<Option<Value>>;

#[derive(Clone, Debug, PartialEq)]
struct Value {
    /// Not known of a write that was not acknowledged.
    revision: Option<u64>,
    value: Vec<u8>,
}

impl Value {
    fn may_be(&self, found: &Self) -> bool {
        self.value == found.value && (self.revision.is_none() || self.revision == found.revision)
    }
}

#[derive(Default)]
struct Figures {
    creating: u64,
    opening: u64,
    writing: u64,
    closing: u64,
    acknowledged: u64,
}

impl Figures {
    fn cuts(&self) -> u64 {
        self.creating + self.opening + self.writing + self.closing
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} power cuts ({} while the file was created, {} while it was opened, {} while it was \
             written, {} while it was closed), {} acknowledged writes",
            self.cuts(),
            self.creating,
            self.opening,
            self.writing,
            self.closing,
            self.acknowledged,
        )
    }
}

/// One disk, and what must be on it.
struct Trial {
    random: Rng,
    disk: ForgetfulDisk,
    keys: BTreeMap<String, Possible>,
    highest: u64,
    figures: Figures,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        Self {
            disk: ForgetfulDisk::new("/var", random.u64(..)),
            random,
            keys: BTreeMap::new(),
            highest: 0,
            figures: Figures::default(),
        }
    }

    /// From one start of the process to the cut.
    async fn live(&mut self) {
        if self.random.u8(..16) == 0 {
            self.disk = ForgetfulDisk::new("/var", self.random.u64(..));
            self.keys.clear();
            self.highest = 0;
        }
        let reach = 1 << self.random.u32(..10);
        self.disk.cut_after(self.random.u64(1..=reach));
        let is_there = super::Disk::exists(&self.disk, Path::new(FILE));
        let opened = FileStore::open_on(Arc::new(self.disk.clone()), Path::new(FILE));
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                assert!(self.disk.is_off(), "it does not open: {error}");
                match is_there {
                    true => self.figures.opening += 1,
                    false => self.figures.creating += 1,
                }
                return self.disk.restart();
            }
        };
        self.read(&store).await;
        for _ in 0..self.random.usize(..ROUNDS) {
            if self.disk.is_off() {
                break;
            }
            self.write(&store).await;
        }
        let was_off = self.disk.is_off();
        drop(store);
        match (was_off, self.disk.is_off()) {
            (true, _) => self.figures.writing += 1,
            (false, true) => self.figures.closing += 1,
            (false, false) => {}
        }
        self.disk.restart();
    }

    /// Reads everything and compares it with what may be there.
    async fn read(&mut self, store: &FileStore) {
        let everything = Scan {
            prefix: String::new(),
            after: None,
            limit: 1000,
        };
        let page = match store.scan(&everything).await {
            Ok(page) => page,
            Err(error) => return assert!(self.disk.is_off(), "it cannot be read: {error}"),
        };
        let mut found: BTreeMap<_, _> = page
            .entries
            .into_iter()
            .map(|keyed| {
                let value = Value {
                    revision: Some(keyed.entry.revision),
                    value: keyed.entry.value,
                };
                (keyed.key, value)
            })
            .collect();
        for (key, possible) in &mut self.keys {
            let found = found.remove(key);
            let fits = possible.iter().any(|one| match (one, &found) {
                (Some(one), Some(found)) => one.may_be(found),
                (one, found) => one.is_none() && found.is_none(),
            });
            assert!(fits, "{key} holds {found:?}, and not one of {possible:?}");
            *possible = vec![found];
        }
        assert!(found.is_empty(), "nobody wrote {found:?}");
    }

    /// Writes a few keys at once.
    async fn write(&mut self, store: &FileStore) {
        let mut chosen = BTreeMap::new();
        for _ in 0..self.random.usize(1..=4) {
            let key = format!("k{}", self.random.usize(..KEYS));
            let stands_at = self
                .keys
                .get(&key)
                .and_then(|possible| possible[0].as_ref());
            let precondition = match stands_at.and_then(|value| value.revision) {
                Some(revision) => Precondition::Revision(revision),
                None => Precondition::Absent,
            };
            let deletes = stands_at.is_some() && self.random.u8(..4) == 0;
            let reach = 1 << self.random.u32(4..14);
            let length = self.random.usize(..reach);
            let value = (!deletes).then(|| {
                let mut value = vec![0; length];
                self.random.fill(&mut value);
                value
            });
            chosen.insert(key, (precondition, value));
        }
        let writes = chosen.iter().map(|(key, (precondition, value))| {
            store.write(Write {
                key: key.clone(),
                precondition: *precondition,
                value: value.clone(),
            })
        });
        let outcomes = join_all(writes).await;
        for ((key, (_, value)), outcome) in chosen.into_iter().zip(outcomes) {
            let possible = self.keys.entry(key).or_insert_with(|| vec![None]);
            match outcome {
                Ok(outcome) => {
                    let revision = outcome.expect("the precondition holds");
                    if value.is_some() {
                        assert!(revision > self.highest, "revision {revision} comes again");
                        self.highest = revision;
                    }
                    let revision = Some(revision);
                    *possible = vec![value.map(|value| Value { revision, value })];
                    self.figures.acknowledged += 1;
                }
                Err(error) => {
                    assert!(self.disk.is_off(), "it cannot be written: {error}");
                    let revision = None;
                    possible.push(value.map(|value| Value { revision, value }));
                }
            }
        }
    }
}

fn endure(seed: u64, cuts: u64) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut trial = Trial::new(seed);
    while trial.figures.cuts() < cuts {
        runtime.block_on(trial.live());
    }
    trial.figures
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    let cuts = number("ENDURE_TIMES").unwrap_or(CUTS);
    let seed = number("ENDURE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let begin = Instant::now();
    println!("power cuts, seed {seed}");
    let trials: Vec<_> = (0..DISKS)
        .map(|disk| std::thread::spawn(move || endure(seed.wrapping_add(disk), cuts / DISKS)))
        .collect();
    let mut all = Figures::default();
    for trial in trials {
        let figures = trial.join().unwrap_or_else(|_| panic!("seed {seed}"));
        all.creating += figures.creating;
        all.opening += figures.opening;
        all.writing += figures.writing;
        all.closing += figures.closing;
        all.acknowledged += figures.acknowledged;
    }
    let took = begin.elapsed();
    println!("{all} in {took:.1?}: none lost, every file opened; seed {seed}");
    assert!(all.creating > 0 && all.opening > 0 && all.writing > 0 && all.closing > 0);
}
