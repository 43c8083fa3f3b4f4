//! What is new and what has changed in Flashduty.
//!
//! Flashduty lists incidents by the time at which they began, and by their ids;
//! not by when they changed. So there are three passes: over what began within
//! the last hour, at every poll; over the incidents of pairs that are open, or
//! were a day ago, at every fifth; and once a day over all that a list shows.

use super::Look;
use super::Page;
use super::Pause;
use super::Poll;
use super::Row;
use super::progress::Pass;
use super::progress::Progress;
use crate::Level;
use crate::condition;
use crate::configuration::Trigger;
use crate::flashduty::Incident;
use crate::flashduty::IncidentId;
use crate::keys;
use crate::keys::Entity;
use crate::text;
use crate::watch::CLOSE_MS;
use crate::watch::LONG_MS;
use crate::watch::Watch;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// How many ids are asked for at once.
const IDS: usize = 100;

/// So many incidents that are not shown any more are taken for deleted; of more,
/// only if most are shown.
const DELETED: usize = 3;

/// How many entries of the store are read at once.
const ENTRIES: u32 = 500;

impl Poll<'_> {
    /// A page of incidents by when they began.
    pub(super) async fn list_incidents(
        &self,
        pass: Pass,
        after: Option<String>,
    ) -> Result<Page, Pause> {
        let (since_s, known_s) = self.progress.window(pass);
        let window = since_s..Progress::end(since_s, known_s, self.effects.now_ms());
        let channels = &self.integration.flashduty.channels;
        let listed = self
            .flashduty
            .list(window, channels, after.as_deref(), None);
        let listed = listed.await?;
        let mut page = Page {
            rows: Vec::new(),
            next: listed.next,
            newest_s: 0,
        };
        for incident in listed.incidents {
            let changed_s = u64::try_from(incident.number("updated_at")).unwrap_or(0);
            page.newest_s = page.newest_s.max(changed_s);
            page.rows.push(Row {
                version: incident.version(),
                may_be_new: self.may_be_new(&incident),
                is_ours: false,
                about: Entity::Flashduty(incident.incident_id),
            });
        }
        Ok(page)
    }

    /// Whether an incident that belongs to no pair may take part.
    fn may_be_new(&self, incident: &Incident) -> bool {
        let integration = self.integration;
        // Signed: it came from ServiceNow, and its pair is not known any more.
        text::contains(incident.text("description"), "[snow:")
            // Who sends by hand sees whether that went wrong.
            || integration.trigger == Trigger::Auto
                && condition::refusal(&integration.conditions, incident).is_none()
    }

    /// Reads the incidents of pairs that are open or were a day ago, if it is
    /// time for that.
    pub(super) async fn look_at_pairs(&mut self) -> Result<(), Pause> {
        if !self
            .progress
            .begins_pairs(self.effects.now_ms(), self.interval_ms)
        {
            return Ok(());
        }
        loop {
            self.spend()?;
            let (batch, after) = self.open_pairs().await;
            if !batch.is_empty() {
                self.compare(batch).await?;
            }
            let is_last = after.is_none();
            self.progress.pairs_after = after;
            self.save().await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// The next pairs whose incidents are to be read, and behind which key
    /// there are more. What has long been over is forgotten.
    async fn open_pairs(&self) -> (Vec<(Entity, u64, Watch)>, Option<String>) {
        let now_ms = self.far_ms();
        let prefix = keys::watches(&self.integration.id);
        let mut after = self.progress.pairs_after.clone();
        let mut batch = Vec::new();
        let mut forgotten = 0;
        loop {
            let page = self.effects.scan(prefix.clone(), after, ENTRIES).await;
            for found in page.entries {
                let watch = Watch::read(&found.entry.value);
                let pair = found.key.strip_prefix(&prefix).and_then(Entity::parse);
                match pair {
                    _ if watch.is_closed_for(LONG_MS, now_ms) => {
                        self.effects
                            .delete(vec![(found.key.clone(), found.entry.revision)]);
                        forgotten += 1;
                        if forgotten == IDS {
                            return (batch, Some(found.key));
                        }
                    }
                    Some(pair) if !watch.is_closed_for(CLOSE_MS, now_ms) => {
                        batch.push((pair, found.entry.revision, watch));
                        if batch.len() == IDS {
                            return (batch, Some(found.key));
                        }
                    }
                    _ => {}
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
        let ids: Vec<&str> = batch.iter().map(|(_, _, w)| w.flashduty.as_str()).collect();
        let shown = self.flashduty.by_ids(&ids).await?;
        let missing = ids.len().saturating_sub(shown.len());
        // So many are not deleted at once: a right is missing.
        let hides_most = missing > shown.len().max(DELETED);
        if hides_most {
            let fields = [
                ("integration", self.integration.id.as_str()),
                ("missing", &missing.to_string()),
            ];
            let message = "Flashduty does not show most of the incidents that were asked for; may \
                           the owner of the app_key see them?";
            self.effects.log(Level::Warn, message, &fields);
        }
        let mut looks = Vec::new();
        for (pair, revision, watch) in batch {
            let Some(id) = IncidentId::parse(&watch.flashduty) else {
                continue;
            };
            let incident = shown.iter().find(|incident| incident.incident_id == id);
            let version = match incident {
                Some(incident) if !incident.is_deleted() => incident.version(),
                None if hides_most => continue,
                _ => "missing".into(),
            };
            if !watch.knows(self.side, &version) {
                looks.push(Look {
                    pair,
                    about: Entity::Flashduty(id),
                    version,
                    watch: Some((revision, watch)),
                    is_new: false,
                    is_ours: false,
                });
            }
        }
        self.ask(looks).await
    }
}
