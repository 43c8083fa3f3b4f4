//! What is new and what has changed in Flashduty.
//!
//! Flashduty lists incidents by the time at which they began, and by their ids;
//! not by when they changed. So there are three passes: over what began within
//! the last hour, at every poll; over the incidents of pairs that are open, or
//! were lately, at every fifth; and once a day over all that a list shows.

use super::Look;
use super::OVERLAP_S;
use super::Pause;
use super::Poll;
use super::Row;
use super::memory::Memory;
use super::sortable;
use crate::Level;
use crate::condition;
use crate::configuration::Trigger;
use crate::flashduty::FlashdutyApi;
use crate::flashduty::Incident;
use crate::flashduty::IncidentId;
use crate::flashduty::Listed;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::watch::CLOSE_MS;
use crate::watch::LONG_MS;
use crate::watch::Watch;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;
use serde::Deserialize;
use serde::Serialize;

/// How far back new incidents are listed, by when they began.
const RECENT_S: u64 = 3600;

/// The longest time that a list may span.
const WINDOW_S: u64 = 31 * 24 * 3600;

/// How many polls there are from one pass over the pairs to the next.
const PAIRS_EVERY: u64 = 5;

/// How many polls there are from one pass over everything to the next: a day
/// of minutes.
const ALL_EVERY: u64 = 1440;

/// How many ids are asked for at once.
const IDS: usize = 100;

/// So many incidents that are not shown any more are taken for deleted; of more,
/// only if most are shown.
const DELETED: usize = 3;

/// How many entries of the store are read at once.
const ENTRIES: u32 = 500;

/// How far Flashduty has been asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Until when what is new has been listed, in seconds of its clock.
    listed_s: u64,
    /// Where the list goes on, if a pass is under way.
    list_after: Option<String>,
    /// Seen there, and not part of a pair.
    seen: Memory,
    /// When the last pass over the pairs began, in milliseconds of the
    /// gateway's clock.
    pairs_ms: u64,
    /// Behind which key that goes on, if it is under way.
    pairs_after: Option<String>,
    /// When the last pass over everything began, by the gateway's clock.
    all_ms: u64,
    /// The same in seconds of Flashduty's clock.
    all_s: u64,
    /// What the pass before that began with.
    all_since_s: u64,
    /// Where it goes on, if it is under way.
    all_after: Option<String>,
}

/// Polls Flashduty; or, if that is not wanted, only sees to it that it is known
/// when this store first looked.
pub(super) async fn run(mut poll: Poll<'_>, polls: bool) -> Result<(), Pause> {
    let api = FlashdutyApi::new(poll.effects, &poll.integration.flashduty, false);
    let (has_looked, stored) = poll.known().await;
    let mut clock_ms = None;
    if api.is_available() && (!has_looked || polls && stored.is_none()) {
        poll.spend()?;
        let now_s = poll.effects.now_ms() / 1000;
        let channels = &poll.integration.flashduty.channels;
        let probe = api.list(now_s.saturating_sub(1)..now_s, channels, None, None);
        probe.await?;
        clock_ms = api.clock_ms();
    }
    if !has_looked {
        poll.note_first_look(clock_ms).await;
    }
    if !polls {
        return Ok(());
    }
    let stored = stored.and_then(|entry| json::read::<Progress>(&entry.value).ok());
    let progress = stored.unwrap_or_else(|| {
        let now_s = clock_ms.unwrap_or(poll.effects.now_ms()) / 1000;
        let since_s = now_s.saturating_sub(RECENT_S - OVERLAP_S);
        Progress {
            listed_s: since_s,
            all_s: since_s,
            ..Progress::default()
        }
    });
    let mut passes = Passes {
        poll,
        api,
        progress,
    };
    passes.list_new().await?;
    passes.look_at_pairs().await?;
    passes.list_all().await
}

struct Passes<'a> {
    poll: Poll<'a>,
    api: FlashdutyApi<'a>,
    progress: Progress,
}

impl Passes<'_> {
    /// Lists what began lately.
    async fn list_new(&mut self) -> Result<(), Pause> {
        let since_s = self.progress.listed_s.saturating_sub(RECENT_S);
        let window = self.window(since_s, self.progress.listed_s);
        let horizon = sortable(self.progress.listed_s.saturating_sub(OVERLAP_S));
        let mut newest_s = self.progress.listed_s;
        loop {
            let after = self.progress.list_after.take();
            let page = self.list(&window, after.as_deref()).await?;
            for incident in &page.incidents {
                newest_s = newest_s.max(u64::try_from(incident.number("updated_at")).unwrap_or(0));
            }
            self.take(page.incidents, &horizon).await?;
            self.progress.list_after = page.next;
            if self.progress.list_after.is_none() {
                break;
            }
            self.poll.save(&self.progress).await?;
        }
        let clock_s = self.api.clock_ms().map_or(newest_s, |ms| ms / 1000);
        // A list that ended before the present has not shown the present.
        let shown_s = window.end.saturating_sub(OVERLAP_S);
        self.progress.listed_s = clock_s.min(shown_s).max(self.progress.listed_s);
        let horizon = sortable(self.progress.listed_s.saturating_sub(OVERLAP_S));
        self.progress.seen.forget_before(&horizon);
        self.poll.save(&self.progress).await
    }

    /// Reads the incidents of pairs that are open or were a day ago.
    async fn look_at_pairs(&mut self) -> Result<(), Pause> {
        let is_under_way = self.progress.pairs_after.is_some();
        if !is_under_way && !self.is_due(self.progress.pairs_ms, PAIRS_EVERY) {
            return Ok(());
        }
        if !is_under_way {
            self.progress.pairs_ms = self.poll.effects.now_ms();
        }
        loop {
            let (batch, after) = self.open_pairs().await;
            if !batch.is_empty() {
                self.compare(batch).await?;
            }
            self.progress.pairs_after = after;
            self.poll.save(&self.progress).await?;
            if self.progress.pairs_after.is_none() {
                return Ok(());
            }
        }
    }

    /// Lists everything, once a day.
    async fn list_all(&mut self) -> Result<(), Pause> {
        let is_under_way = self.progress.all_after.is_some();
        if !is_under_way && !self.is_due(self.progress.all_ms, ALL_EVERY) {
            return Ok(());
        }
        if !is_under_way {
            self.progress.all_ms = self.poll.effects.now_ms();
            self.progress.all_since_s = self.progress.all_s;
            self.progress.all_s = self.progress.listed_s;
        }
        let since_s = (self.progress.all_s + OVERLAP_S).saturating_sub(WINDOW_S);
        let window = since_s..since_s + WINDOW_S;
        let horizon = sortable(self.progress.all_since_s.saturating_sub(OVERLAP_S));
        loop {
            let after = self.progress.all_after.take();
            let page = self.list(&window, after.as_deref()).await?;
            self.take(page.incidents, &horizon).await?;
            self.progress.all_after = page.next;
            self.poll.save(&self.progress).await?;
            if self.progress.all_after.is_none() {
                return Ok(());
            }
        }
    }

    /// The time that a list spans which begins then and is to reach the
    /// present. The gateway's clock may be wrong; Flashduty's has shown
    /// `known_s`.
    fn window(&self, since_s: u64, known_s: u64) -> Range<u64> {
        let now_s = self.poll.effects.now_ms() / 1000;
        let until_s = now_s.max(known_s) + OVERLAP_S;
        since_s..until_s.min(since_s + WINDOW_S)
    }

    /// Whether so many polls have passed. A clock that was set back has told
    /// nothing.
    fn is_due(&self, last_ms: u64, polls: u64) -> bool {
        let now_ms = self.poll.effects.now_ms();
        // Half a poll early, or it would be one poll late each time.
        let period_ms = polls * self.poll.interval_ms - self.poll.interval_ms / 2;
        last_ms > now_ms || now_ms - last_ms >= period_ms
    }

    async fn list(&mut self, window: &Range<u64>, after: Option<&str>) -> Result<Listed, Pause> {
        self.poll.spend()?;
        let channels = &self.poll.integration.flashduty.channels;
        let page = self.api.list(window.clone(), channels, after, None);
        Ok(page.await?)
    }

    /// Leaves what has changed to the pairs.
    async fn take(&mut self, incidents: Vec<Incident>, horizon: &str) -> Result<(), Pause> {
        let rows = incidents.iter().map(|incident| Row {
            about: Entity::Flashduty(incident.incident_id.clone()),
            version: incident.version(),
            may_be_new: self.may_be_new(incident),
        });
        let (rows, seen) = (rows.collect(), &self.progress.seen);
        let looks = self.poll.changed(rows, horizon, seen).await;
        self.poll.ask(looks, &mut self.progress.seen).await
    }

    /// Whether an incident that belongs to no pair may take part.
    fn may_be_new(&self, incident: &Incident) -> bool {
        let integration = self.poll.integration;
        // Signed: it came from ServiceNow, and its pair is not known any more.
        if incident.text("description").contains("[snow:") {
            return true;
        }
        // Who sends by hand sees whether that went wrong.
        integration.trigger == Trigger::Auto
            && condition::refusal(&integration.conditions, incident).is_none()
    }

    /// The next pairs whose incidents are to be read, and behind which key
    /// there are more. What has long been over is forgotten.
    async fn open_pairs(&self) -> (Vec<(Entity, u64, Watch)>, Option<String>) {
        let id = &self.poll.integration.id;
        let effects = self.poll.effects;
        let prefix = keys::watches(id);
        let mut after = self.progress.pairs_after.clone();
        let mut batch = Vec::new();
        loop {
            let page = effects.scan(prefix.clone(), after, ENTRIES).await;
            for found in page.entries {
                let watch = Watch::read(&found.entry.value);
                let pair = found.key.strip_prefix(&prefix).and_then(Entity::parse);
                let now_ms = effects.now_ms();
                if watch.is_closed_for(LONG_MS, now_ms) {
                    effects.delete(Vec::from([(found.key, found.entry.revision)]));
                    continue;
                }
                let Some(pair) = pair.filter(|_| !watch.is_closed_for(CLOSE_MS, now_ms)) else {
                    continue;
                };
                batch.push((pair, found.entry.revision, watch));
                if batch.len() == IDS {
                    return (batch, Some(found.key));
                }
            }
            after = page.next;
            if after.is_none() {
                return (batch, None);
            }
        }
    }

    /// Reads the incidents of some pairs, and leaves what has changed, or is
    /// not there any more, to the pairs.
    async fn compare(&mut self, batch: Vec<(Entity, u64, Watch)>) -> Result<(), Pause> {
        self.poll.spend()?;
        let ids: Vec<String> = batch.iter().map(|(_, _, w)| w.flashduty.clone()).collect();
        let shown = self.api.by_ids(&ids).await?;
        let missing = ids.len().saturating_sub(shown.len());
        let hides_most = missing > shown.len().max(DELETED);
        let mut looks = Vec::new();
        for (pair, revision, watch) in batch {
            let Some(id) = IncidentId::parse(&watch.flashduty) else {
                continue;
            };
            let incident = shown.iter().find(|incident| incident.incident_id == id);
            // So many cannot have been deleted: a right is missing.
            if incident.is_none() && hides_most {
                continue;
            }
            let version = incident.map_or_else(|| "missing".to_string(), Incident::version);
            if !watch.knows(self.poll.side, &version) {
                looks.push(Look {
                    pair,
                    about: Entity::Flashduty(id),
                    version,
                    watch: Some((revision, watch)),
                    is_new: false,
                });
            }
        }
        if hides_most {
            let fields = [
                ("integration", self.poll.integration.id.as_str()),
                ("missing", &missing.to_string()),
            ];
            let message = "Flashduty does not show most of the incidents that were asked for; may \
                           the owner of the app_key see them?";
            self.poll.effects.log(Level::Warn, message, &fields);
        }
        self.poll.ask(looks, &mut self.progress.seen).await
    }
}
