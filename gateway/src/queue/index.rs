//! In which order to look at the records: what is in memory of the queue.

use super::record::PREFIX;
use super::record::Record;
use super::record::Sign;
use super::record::clamped;
use crate::contract::KeyedEntry;
use crate::gates::Turn;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Bound;

/// A clock that stepped back by less is not worth a look at every item.
const STEP_MS: u64 = 1000;

#[derive(Default)]
pub(super) struct Index {
    items: BTreeMap<String, Slot>,
    /// Waiting items by due time.
    waiting: Ranks,
    /// Items that wait for a place to take requests, by its id. There are few
    /// places.
    held: Vec<(String, Ranks)>,
    /// Items that other gateways hold, by the time when they may be taken over.
    watched: Ranks,
    pub(super) running: usize,
    pub(super) parked: usize,
    pub(super) clock: u64,
    /// Counts the changes.
    changes: u64,
}

/// Times and keys.
type Ranks = BTreeSet<(u64, String)>;

struct Slot {
    item: Item,
    /// The number of its last change.
    change: u64,
}

impl Slot {
    /// Whether this is waiting, and this revision of its record has said when. To
    /// look again would put off what is due on a clock that is ahead.
    fn has_read(&self, revision: u64) -> bool {
        matches!(self.item, Item::Waiting { revision: Some(read), .. } if read == revision)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Waiting {
        due: u64,
        written: u64,
        /// Of the record that the due time was computed from, if it was read.
        revision: Option<u64>,
        /// The place that it waits for; the due time is only its rank then.
        held: Option<String>,
    },
    /// About to run: the record is being read. What is scheduled now still
    /// goes into the record, and the reader sees it or waits its turn.
    Taken,
    /// In a session of this gateway, whose lease is believed in until then, on
    /// the steady clock.
    Running {
        until: u64,
    },
    /// In a session of another gateway. If its lease still stands as it does,
    /// this gateway takes over then, on its own steady clock.
    Elsewhere {
        sign: Sign,
        until: u64,
    },
    Parked,
}

/// What the two clocks show.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// Unix time, which may be set.
    pub(crate) ms: u64,
    /// Of a clock that nobody sets.
    pub(crate) steady_ms: u64,
}

impl Item {
    /// Where a record belongs that is in no session of this gateway.
    pub(super) fn of(record: &Record, revision: u64, watches: bool, now: Now) -> Self {
        if let (true, Some(sign), Some(lease)) = (watches, record.sign(), &record.lease) {
            let until = now.steady_ms.saturating_add(lease.term_ms);
            return Self::Elsewhere { sign, until };
        }
        if record.parked.is_some() {
            return Self::Parked;
        }
        Self::Waiting {
            due: clamped(record.due, record.written, now.ms),
            written: record.written.min(now.ms),
            revision: Some(revision),
            held: record.held.clone(),
        }
    }

    pub(super) fn due_at(due: u64, now_ms: u64) -> Self {
        Self::Waiting {
            due,
            written: now_ms,
            revision: None,
            held: None,
        }
    }
}

impl Index {
    pub(super) fn set(&mut self, key: &str, item: Option<Item>) {
        self.changes += 1;
        let before = self.items.remove(key).map(|slot| slot.item);
        match &before {
            Some(Item::Waiting { due, held, .. }) => {
                let rank = (*due, key.to_owned());
                match held {
                    None => drop(self.waiting.remove(&rank)),
                    Some(place) => {
                        self.held_at(place).remove(&rank);
                        self.held.retain(|(_, ranks)| !ranks.is_empty());
                    }
                }
            }
            Some(Item::Elsewhere { until, .. }) => {
                self.watched.remove(&(*until, key.to_owned()));
                self.running -= 1;
            }
            Some(Item::Taken | Item::Running { .. }) => self.running -= 1,
            Some(Item::Parked) => self.parked -= 1,
            None => {}
        }
        let Some(mut item) = item else { return };
        match (&mut item, before) {
            (Item::Waiting { due, held, .. }, _) => {
                let rank = (*due, key.to_owned());
                match held {
                    None => self.waiting.insert(rank),
                    Some(place) => self.held_at(place).insert(rank),
                };
            }
            (Item::Elsewhere { sign, until }, before) => {
                // A lease that did not move has been watched for a while.
                if let Some(Item::Elsewhere {
                    sign: old,
                    until: begun,
                }) = before
                    && old == *sign
                {
                    *until = begun;
                }
                self.watched.insert((*until, key.to_owned()));
                self.running += 1;
            }
            (Item::Taken | Item::Running { .. }, _) => self.running += 1,
            (Item::Parked, _) => self.parked += 1,
        }
        let change = self.changes;
        self.items.insert(key.to_owned(), Slot { item, change });
    }

    fn held_at(&mut self, place: &str) -> &mut Ranks {
        let known = self.held.iter().position(|(known, _)| known == place);
        let at = known.unwrap_or(self.held.len());
        if known.is_none() {
            self.held.push((place.to_owned(), Ranks::new()));
        }
        &mut self.held[at].1
    }

    /// Takes note of what was written, unless this gateway works on it.
    pub(super) fn settle(&mut self, key: &str, item: Option<Item>) {
        if !matches!(self.item(key), Some(Item::Taken | Item::Running { .. })) {
            self.set(key, item);
        }
    }

    /// Prepares for a write that will, perhaps, make an item due.
    pub(super) fn announce(&mut self, key: &str, due: u64, now_ms: u64) {
        let due = match self.item(key) {
            Some(Item::Taken | Item::Running { .. } | Item::Elsewhere { .. }) => return,
            Some(Item::Waiting { held: Some(_), .. }) => return,
            Some(Item::Waiting { due: before, .. }) if *before <= due => return,
            _ => due,
        };
        self.set(key, Some(Item::due_at(due, now_ms)));
    }

    /// Takes the item that has been due for longest, and tells how it stood;
    /// or tells when one falls due. `turn` says whether a place takes another. To
    /// `skip` some leaves them to gateways that are ahead, if there are more.
    pub(super) fn take(
        &mut self,
        now: Now,
        skip: usize,
        turn: impl Fn(&str) -> Turn,
    ) -> Result<(String, Item), Option<u64>> {
        if now.ms + STEP_MS < self.clock {
            self.follow_the_clock_back(now.ms);
        }
        self.clock = now.ms;
        let first = self.first(now, turn)?;
        let key = self.behind(first, now, skip);
        let before = self.item(&key).cloned().unwrap_or(Item::Taken);
        self.set(&key, Some(Item::Taken));
        Ok((key, before))
    }

    fn first(&self, now: Now, turn: impl Fn(&str) -> Turn) -> Result<String, Option<u64>> {
        let watched = self.watched.first();
        if let Some((until, key)) = watched
            && *until <= now.steady_ms
        {
            return Ok(key.clone());
        }
        let watched = watched.map(|(until, _)| now.ms + (until - now.steady_ms));
        let waiting = self.waiting.first();
        let due = waiting.filter(|(due, _)| *due <= now.ms);
        let later = waiting.map(|(due, _)| *due);
        let mut until_ms = [watched, later].into_iter().flatten().min();
        let firsts = self.held.iter();
        let firsts = firsts.filter_map(|(place, ranks)| Some((ranks.first()?, place)));
        let mut firsts: Vec<_> = firsts.collect();
        while let Some(at) = (0..firsts.len()).min_by_key(|at| firsts[*at]) {
            let (rank, place) = firsts.swap_remove(at);
            if due.is_some_and(|due| due <= rank) {
                break;
            }
            match turn(place) {
                Turn::Now => return Ok(rank.1.clone()),
                Turn::Later(later_ms) => {
                    until_ms = Some(until_ms.map_or(later_ms, |until_ms| until_ms.min(later_ms)));
                }
            }
        }
        due.map(|(_, key)| key.clone()).ok_or(until_ms)
    }

    /// What has been due for less long than an item, by so many places.
    fn behind(&self, first: String, now: Now, skip: usize) -> String {
        if skip == 0 {
            return first;
        }
        let due = self.waiting.iter().take_while(|(due, _)| *due <= now.ms);
        let behind = due.skip_while(|(_, key)| *key != first).take(skip + 1);
        behind.last().map_or(first, |(_, key)| key.clone())
    }

    fn follow_the_clock_back(&mut self, now_ms: u64) {
        let waiting = std::mem::take(&mut self.waiting);
        for (_, key) in waiting {
            let slot = self.items.get_mut(&key);
            if let Some(Item::Waiting { due, written, .. }) = slot.map(|slot| &mut slot.item) {
                *due = clamped(*due, *written, now_ms);
                *written = (*written).min(now_ms);
                self.waiting.insert((*due, key));
            }
        }
    }

    /// Learns from a page of the store, which holds everything behind `after`
    /// up to `next`, as it stood when there had been so many `changes`.
    pub(super) fn learn(
        &mut self,
        page: Page<'_>,
        changes: u64,
        mut item: impl FnMut(&str, &KeyedEntry) -> Option<Item>,
    ) {
        let bound = |key: &String| Bound::Excluded(key[PREFIX.len()..].to_owned());
        let from = page.after.map_or(Bound::Unbounded, bound);
        let to = match page.next {
            Some(key) => Bound::Included(key[PREFIX.len()..].to_owned()),
            None => Bound::Unbounded,
        };
        let is_settled = |slot: &Slot| {
            let ours = matches!(slot.item, Item::Taken | Item::Running { .. });
            !ours && slot.change <= changes
        };
        // The page and what is known are both in the order of keys.
        let mut found = page.entries.iter().map(seen).peekable();
        let mut is_gone = |key: &str| {
            while found.next_if(|found| *found < key).is_some() {}
            found.peek() != Some(&key)
        };
        let known = self.items.range((from, to));
        let gone: Vec<String> = known
            .filter(|(key, slot)| is_settled(slot) && is_gone(key))
            .map(|(key, _)| key.clone())
            .collect();
        for entry in page.entries {
            let key = seen(entry);
            let revision = entry.entry.revision;
            let known = self.items.get(key);
            if known.is_some_and(|slot| !is_settled(slot) || slot.has_read(revision)) {
                continue;
            }
            if let Some(item) = item(key, entry) {
                self.set(key, Some(item));
            }
        }
        for key in gone {
            self.set(&key, None);
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// How many items are due, and how many are due later.
    pub(super) fn waiting(&self, now_ms: u64) -> (usize, usize) {
        let due = self
            .waiting
            .iter()
            .take_while(|(due, _)| *due <= now_ms)
            .count();
        let held: usize = self.held.iter().map(|(_, ranks)| ranks.len()).sum();
        (due, self.waiting.len() - due + held)
    }

    /// Whether an item falls due in this time, both ends included.
    pub(super) fn falls_due(&self, from_ms: u64, to_ms: u64) -> bool {
        let held = self.held.iter().map(|(_, ranks)| ranks);
        held.chain([&self.waiting]).any(|ranks| {
            let next = ranks.range((from_ms, String::new())..).next();
            next.is_some_and(|(due, _)| *due <= to_ms)
        })
    }

    pub(super) fn is_running(&self, key: &str) -> bool {
        matches!(self.item(key), Some(Item::Running { .. }))
    }

    pub(super) fn is_held(&self, key: &str, steady_ms: u64) -> bool {
        matches!(self.item(key), Some(Item::Running { until }) if *until > steady_ms)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    fn item(&self, key: &str) -> Option<&Item> {
        self.items.get(key).map(|slot| &slot.item)
    }
}

/// A page of records.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) after: Option<&'a String>,
    pub(super) entries: &'a [KeyedEntry],
    pub(super) next: Option<&'a String>,
}

/// The key of the work that an entry is about.
fn seen(entry: &KeyedEntry) -> &str {
    &entry.key[PREFIX.len()..]
}
