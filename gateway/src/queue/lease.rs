//! Leases, which keep gateways on one store from working on the same item.
//!
//! The record of an item that is worked on names its holder, the number of the
//! lease (its *epoch*: the revision that it was taken at, which never returns)
//! and a *beat*, which the holder raises while it works.
//! Whoever else wants the item watches: if holder, epoch and beat stand still
//! for the whole term, on the watcher's own clock, the holder is taken for dead
//! and the watcher takes a lease of its own. No two clocks are ever compared.
//!
//! A holder may only have been paused. So it believes in its own lease for
//! three quarters of the term, counted from *before* the write that took or
//! renewed it, while a watcher counts the whole term from *after* its read: as
//! long as clocks run about equally fast, the holder stops first. It looks at
//! its clock before every effect, and what it then still writes to the queue is
//! refused, because the epoch has moved on.
//!
//! What is left is a holder that is paused between that look and the sending of
//! a request, for longer than the term. A far end cannot be told about epochs,
//! so against that the plugin is built: what it sends are absolute values, and
//! what it creates it looks for first.

use super::Claim;
use super::Item;
use super::Now;
use super::Queue;
use super::ROUNDS;
use super::contended;
use super::index;
use super::record::Lease;
use super::record::PREFIX;
use super::record::Record;
use crate::Environment;
use crate::Store;
use crate::StoreError;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::gates::Gates;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// How often, about, a gateway looks for work that others put into the store.
const LOOK_MS: u64 = 1000;
/// How many pages of a thousand records it reads then. The next look goes on
/// behind them, so a long queue costs no more than a short one.
const LOOK_PAGES: u32 = 4;

/// How far a gateway has looked around that knows the whole queue.
#[derive(Default)]
pub(super) struct LookAround {
    /// Where the next look goes on.
    after: Option<String>,
    /// When the next look is due, on the steady clock.
    next_ms: u64,
}

impl Queue {
    /// Looks for work of other gateways if it is time to, and returns when it
    /// will be again; not in a store that nobody else uses, and not before the
    /// queue was loaded: who has not asked for all of it leaves it to others.
    pub(super) async fn look_around<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        gates: &Gates,
    ) -> Result<Option<u64>, StoreError> {
        if !store.is_shared() {
            return Ok(None);
        }
        let now = Now::of(environment);
        let (mut after, next_ms) = {
            let mut look = self.look();
            let Some(look) = look.as_mut() else {
                return Ok(None);
            };
            if look.next_ms > now.steady_ms {
                return Ok(Some(now.ms + (look.next_ms - now.steady_ms)));
            }
            // Different for each gateway, so that they do not keep in step.
            let pause_ms = LOOK_MS + environment.random() % LOOK_MS;
            look.next_ms = now.steady_ms + pause_ms;
            (look.after.take(), now.ms + pause_ms)
        };
        for _ in 0..LOOK_PAGES {
            let changes = self.index().changes();
            let page = store
                .scan(&Scan {
                    prefix: PREFIX.to_owned(),
                    after: after.clone(),
                    limit: 1000,
                })
                .await?;
            self.learn(store, after.as_ref(), &page, changes, Now::of(environment));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if let Some(look) = self.look().as_mut() {
            look.after = after;
        }
        // Behind the work: what waits for a gate is known no sooner than that.
        gates.look(store, environment, false).await?;
        Ok(Some(next_ms))
    }

    fn learn<S: Store>(
        &self,
        store: &S,
        after: Option<&String>,
        page: &crate::contract::Page,
        changes: u64,
        now: Now,
    ) {
        let mut unreadable = None;
        let mut index = self.index();
        let known = index::Page {
            after,
            entries: &page.entries,
            next: page.next.as_ref(),
        };
        index.learn(known, changes, |key, found| {
            match Record::read(&found.entry.value) {
                Ok(record) => Some(self.item(store, &record, found.entry.revision, now)),
                // Of a newer version, perhaps, which is about to replace us.
                Err(problem) => {
                    unreadable.get_or_insert((key.to_owned(), problem));
                    None
                }
            }
        });
        drop(index);
        if let Some((key, problem)) = unreadable {
            tracing::warn!(key, problem, "left work alone");
        }
    }

    /// Writes a lease of ours into the record. Returns until when to believe in
    /// it, on the steady clock, or nothing if the record was changed meanwhile.
    pub(super) async fn take_lease<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        key: &str,
        record: &mut Record,
        revision: u64,
        term_ms: u64,
    ) -> Result<Option<u64>, StoreError> {
        let from = record.lease.take();
        let now = Now::of(environment);
        record.epoch = revision;
        record.lease = Some(Lease {
            holder: self.holder.clone(),
            beat: 0,
            renewed: now.ms,
            term_ms,
        });
        let precondition = Precondition::Revision(revision);
        let write = self.put(store, key, precondition, Some(record)).await?;
        if write.is_err() {
            return Ok(None);
        }
        if let Some(from) = from.filter(|from| from.holder != self.holder) {
            let (from, to) = (from.holder, &self.holder);
            tracing::warn!(
                key,
                from,
                to,
                "took over work from a gateway that is silent"
            );
        }
        Ok(Some(believed_until(now, term_ms)))
    }

    /// Whether this gateway may go on with work of this key.
    pub(crate) fn holds(&self, key: &str, environment: &impl Environment) -> bool {
        self.index().is_held(key, environment.steady_ms())
    }

    pub(super) fn look(&self) -> MutexGuard<'_, Option<LookAround>> {
        self.look_around
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Renews the lease again and again, until it is lost.
    pub(crate) async fn keep_lease<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        term_ms: u64,
    ) {
        loop {
            environment.sleep((term_ms / 4).max(1)).await;
            match self.renew(store, environment, term_ms).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(key = self.key, %error, "cannot renew a lease"),
            }
        }
    }

    /// Raises the beat; false if another gateway has taken over.
    async fn renew<S: Store>(
        &self,
        store: &S,
        environment: &impl Environment,
        term_ms: u64,
    ) -> Result<bool, StoreError> {
        let queue = self.queue;
        let _turn = queue.turn(&self.key).await;
        for _ in 0..ROUNDS {
            let found = queue.read(store, &self.key).await?;
            let held = found.filter(|(record, _)| record.is_held_as(&self.record));
            let Some((mut record, revision)) = held else {
                queue
                    .index()
                    .set(&self.key, Some(Item::Running { until: 0 }));
                return Ok(false);
            };
            let now = Now::of(environment);
            if let Some(lease) = &mut record.lease {
                lease.beat += 1;
                lease.renewed = now.ms;
                lease.term_ms = term_ms;
            }
            let precondition = Precondition::Revision(revision);
            let write = queue
                .put(store, &self.key, precondition, Some(&record))
                .await?;
            if write.is_ok() {
                let until = believed_until(now, term_ms);
                queue.index().set(&self.key, Some(Item::Running { until }));
                return Ok(true);
            }
        }
        Err(contended(&self.key))
    }
}

fn believed_until(written: Now, term_ms: u64) -> u64 {
    written.steady_ms.saturating_add(term_ms - term_ms / 4)
}
