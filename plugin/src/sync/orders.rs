//! What somebody asks for by hand: to send an incident, to join two, to take a
//! pair apart. A refusal stands in the history, where whoever waits for the
//! outcome finds it.

use super::Stop;
use super::birth;
use super::case::Case;
use super::case::HINTS;
use crate::Level;
use crate::hint::Hint;
use crate::keys;
use crate::keys::Entity;
use crate::operator::IN_DOUBT;
use crate::pair::Base;
use crate::pair::Pair;
use crate::pair::SETTLES_MS;
use crate::plan::Side;
use crate::servicenow::SysId;
use alloc::string::String;
use alloc::vec;

impl Case<'_> {
    /// Whether a person asked for the incident to be sent to ServiceNow.
    pub(super) fn is_triggered(&self) -> bool {
        self.hints().any(|hint| *hint == Hint::Trigger)
    }

    /// Joins and takes apart, in the order asked. An order is deleted with the first
    /// effect of what follows it, so that it is never found again without that.
    pub(super) async fn obey(&mut self) -> Result<(), Stop> {
        if self.is_dry {
            return Ok(());
        }
        let mut next = 0;
        while let Some((key, revision, kept)) = self.hints.get(next) {
            next += 1;
            let order = match &kept.hint {
                Hint::Link { servicenow } => Some(servicenow.clone()),
                Hint::Unlink => None,
                _ => continue,
            };
            let obeyed = vec![(key.clone(), *revision)];
            if let Some(sys_id) = order {
                if let Err(why) = self.join(&sys_id).await? {
                    self.tell_who_asked(&why).await?;
                }
            } else if self.pair.may_end(self.effects.now_ms()) {
                self.end("unlinked by an operator").await?;
            } else if self.pair.is_in_doubt(self.effects.now_ms()) {
                // A creation was sent since.
                let why = "the answer to a creation was lost; what comes of it is taken apart";
                return Err(Stop::wait(self.effects.now_ms() + SETTLES_MS, why));
            }
            self.effects.delete(obeyed);
        }
        Ok(())
    }

    /// Says why nothing is synced.
    pub(super) async fn turn_down(&mut self, why: &str) -> Result<(), Stop> {
        let level = match self.is_dry {
            true => Level::Info,
            false => Level::Debug,
        };
        self.log(level, "not synced", &[("reason", why)]);
        match self.is_triggered() || self.is_ordered() {
            true => self.tell_who_asked(why).await,
            false => Ok(()),
        }
    }

    /// Passes an order to look at this record on to the pair that it turned out to
    /// belong to, and says so.
    pub(super) async fn pass_order_on(&mut self, pair: &Entity) -> Result<(), Stop> {
        if self.is_dry || !self.is_ordered() {
            return Ok(());
        }
        let id = &self.integration.id;
        let name = format!("-order-{}", self.name);
        Hint::Sync.leave(self.effects, id, pair, &name).await;
        self.tell_who_asked(&format!("its pair is {pair}, which is looked at now"))
            .await?;
        let hints = self.hints.iter();
        let orders = hints.filter(|(_, _, kept)| kept.hint == Hint::Sync);
        let orders = orders.map(|(key, revision, _)| (key.clone(), *revision));
        self.effects.delete(orders.collect());
        Ok(())
    }

    /// Whoever asked looks for what was said since, by the clock of another gateway.
    async fn tell_who_asked(&mut self, why: &str) -> Result<(), Stop> {
        let mut orders = self.hints.iter().filter(|(_, _, kept)| {
            matches!(kept.hint, Hint::Trigger | Hint::Sync | Hint::Link { .. })
        });
        let asked_ms = orders
            .next_back()
            .map_or(0, |(_, _, kept)| kept.received_ms);
        self.pair.note(self.effects.now_ms().max(asked_ms), why);
        self.save().await
    }

    /// Makes a pair of this Flashduty incident and a record, or says why not.
    async fn join(&mut self, sys_id: &SysId) -> Result<Result<(), String>, Stop> {
        if self.pair.servicenow.as_ref() == Some(sys_id) {
            self.newly_linked = true;
            return Ok(Ok(()));
        }
        let name = &self.name;
        let Entity::Flashduty(id) = name.clone() else {
            return Ok(Err(format!("it belongs to pair {name}")));
        };
        if self.pair.is_linked() {
            let number = self.pair.number.as_deref().unwrap_or("a record");
            return Ok(Err(format!("it belongs to {number}; unlink it first")));
        }
        if let Err(stop) = self.read_incident().await
            && let Some((_, why)) = stop.missing()
        {
            return Ok(Err(why.into()));
        }
        let found = match self.servicenow.record(sys_id).await {
            Ok(record) => record,
            Err(trouble) if trouble.missing().is_some() => {
                return Ok(Err(trouble.reason().into()));
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let number = String::from(found.number());
        let first = birth::correlation(&self.integration.id, &id);
        let generation = birth::generation(&found, &first);
        if self.pair.is_in_doubt(self.clock_of(Side::ServiceNow)) {
            return Ok(Err(IN_DOUBT.into()));
        }
        let record = Entity::ServiceNow(sys_id.clone());
        let Some(buried) = self.bury(&record, "joined to another by hand").await? else {
            return Ok(Err(format!("{number} belongs to another pair")));
        };
        // What was said of it before was not said to this pair: an order above all.
        let hints = keys::hints(&self.integration.id, &record);
        let page = self.effects.scan(hints, None, HINTS).await;
        let hints = page.entries.into_iter();
        self.effects
            .delete(hints.map(|hint| (hint.key, hint.entry.revision)).collect());
        let pair = &mut self.pair;
        *pair = Pair {
            number: Some(number),
            by_hand: true,
            flashduty_shown_s: pair.flashduty_shown_s,
            // The next one that takes its place is none of those before.
            generation: pair.generation.max(generation),
            edition: pair.edition + 1,
            history: core::mem::take(&mut pair.history),
            // A comment may be on its way since they were a pair.
            flashduty_unsettled_ms: pair
                .flashduty_unsettled_ms
                .max(buried.flashduty_unsettled_ms),
            servicenow_unsettled_ms: pair
                .servicenow_unsettled_ms
                .max(buried.servicenow_unsettled_ms),
            ..Pair::default()
        };
        self.note("joined by hand");
        self.link(id, sys_id.clone(), Base::default()).await?;
        Ok(Ok(()))
    }
}
