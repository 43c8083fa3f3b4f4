//! An incident that was merged into another one tells its record so.
//!
//! Which of the incidents a merge event is about is not documented, so the
//! timeline is asked, and a target passes the news on to its sources.

use super::Stop;
use super::case::Case;
use crate::configuration::Ending;
use crate::flashduty::IncidentId;
use crate::hint::Hint;
use crate::intake::pair_of;
use crate::intake::schedule;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Carried;
use crate::pair::Pair;
use crate::plan::Note;
use crate::plan::Side;
use crate::reconcile::POLL;
use crate::state::Progress;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Value;

/// The event of a merge.
const MERGE: &str = "i_merge";

/// What a target passes on to its sources; nobody sends such an event.
const MERGED: &str = "merged";

/// The event of an end without a merge.
const RESOLVED: &str = "i_rslv";

impl Case<'_> {
    /// Notes for the record of an incident that was merged into others, if
    /// anybody tells of a merge or nobody of anything.
    pub(super) async fn follow_merges(&mut self) -> Result<Vec<Note>, Stop> {
        match self.hears_of_merges() {
            true => self.merges().await,
            false => Ok(Vec::new()),
        }
    }

    /// The same notes, if the incident is seen to be closed and not as it was looked at
    /// before: the event of a merge may be late, or lost, and after this look no poll
    /// finds anything new. Only one that has just been closed is not asked why.
    pub(super) async fn merges_of_an_end(&mut self) -> Result<Vec<Note>, Stop> {
        let Some(incident) = &self.incident else {
            return Ok(Vec::new());
        };
        let closed = Some(Progress::Closed);
        let was_closed = self.pair.base.state.flashduty == closed;
        let is_as_closed = incident.number("updated_at") <= incident.number("close_time");
        if incident.progress(self.clock_of(Side::Flashduty)) != closed
            || was_closed && self.is_as_looked_at() == Some(true)
            || is_as_closed && self.flashduty_events().any(|event| event == RESOLVED)
            || self.hears_of_merges()
        {
            return Ok(Vec::new());
        }
        self.merges().await
    }

    fn hears_of_merges(&self) -> bool {
        self.is_unprompted() && self.pair.ended.is_none() || self.hears(&[MERGE, POLL, MERGED])
    }

    /// Whether this incident was sent by one that it was merged into, or may be.
    fn was_sent(&self) -> bool {
        (self.is_unprompted() || self.hears(&[MERGED])) && !self.hears(&[MERGE, POLL])
    }

    /// Whether the incident is another version than was looked at last.
    async fn has_changed(&mut self) -> Result<bool, Stop> {
        match self.read_incident().await.map(drop) {
            Err(stop) if stop.missing().is_none() => Err(stop),
            _ => Ok(self.is_as_looked_at() == Some(false)),
        }
    }

    fn hears(&self, events: &[&str]) -> bool {
        self.flashduty_events().any(|event| events.contains(&event))
    }

    /// Notes for the record, of merges that it has not been told of.
    pub(super) async fn merges(&mut self) -> Result<Vec<Note>, Stop> {
        let mut notes = Vec::new();
        let Some(id) = self.incident_id().filter(|_| self.flashduty.is_available()) else {
            return Ok(notes);
        };
        let merges = match self.flashduty.timeline(&id, MERGE).await {
            // Whoever reads the incident itself will find that out; and where there
            // is no pair, nobody waits for it.
            Err(trouble)
                if trouble.missing().is_some() || !self.pair.is_linked() && trouble.is_final() =>
            {
                return Ok(notes);
            }
            merges => merges?,
        };
        let id_of = |incident: &Value| incident["incident_id"].as_str().and_then(IncidentId::parse);
        // Whoever was sent here passes nothing on: incidents that were merged into
        // each other would for ever. But what has changed since the last look may be a
        // merge that nobody tells of, and after this look no poll finds it.
        let passes_on = !self.is_dry && (!self.was_sent() || self.has_changed().await?);
        for merge in merges.iter().map(|entry| &entry["detail"]) {
            let into = &merge["target_incident"];
            match id_of(into) {
                Some(target) if target == id => {
                    let sources = json::list(&merge["source_incidents"]).iter();
                    for source in sources.filter_map(id_of).filter(|_| passes_on) {
                        self.pass_on(&Entity::Flashduty(source), &target).await;
                    }
                }
                Some(target) => notes.extend(self.note_of_merge(target, into).await?),
                None => {}
            }
        }
        Ok(notes)
    }

    /// Sends a source to look, which may be at work on something else.
    async fn pass_on(&self, source: &Entity, target: &IncidentId) {
        let integration = &self.integration.id;
        let name = format!("{MERGED}-{target}");
        Hint::of(MERGED)
            .leave(self.effects, integration, source, &name)
            .await;
        schedule(self.effects, integration, source, 0, "it was merged");
    }

    /// Remembers that the record has been told of merges. Its journal would tell,
    /// but not at once: a write is seen by readers a while later.
    pub(super) async fn told_of_merges(&mut self, notes: &[Note]) -> Result<(), Stop> {
        if notes.is_empty() {
            return Ok(());
        }
        for note in notes {
            Carried::remember(&mut self.pair.carried.to_servicenow, &note.text);
        }
        self.save().await
    }

    async fn note_of_merge(
        &mut self,
        target: IncidentId,
        into: &Value,
    ) -> Result<Option<Note>, Stop> {
        if !self.integration.direction.to_servicenow()
            || self.integration.closing.to_servicenow == Ending::Ignore
            || self.sys_id().is_none()
        {
            return Ok(None);
        }
        let integration = &self.integration.id;
        let pair = pair_of(self.effects, integration, &Entity::Flashduty(target)).await;
        let [entry] = self.effects.get([keys::pair(integration, &pair)]).await;
        let pair = entry.and_then(|entry| json::read::<Pair>(&entry.value).ok());
        let number = pair.and_then(|pair| pair.number);
        let number = number.map_or(String::new(), |number| format!(" ({number})"));
        let title = text::single_line(into["title"].as_str().unwrap_or_default());
        let told = format!("Merged into Flashduty incident \"{title}\"");
        let told = text::without_markup(&told);
        let text = format!("{told}{number}.");
        // The number may not have been known then, or is not known any more.
        let mut carried = self.pair.carried.to_servicenow.iter();
        if carried.any(|text| text.starts_with(&told)) {
            return Ok(None);
        }
        let record = self.read_record().await?;
        if record.is_some_and(|record| record.journals_contain(&told)) {
            // Another record may take the place of the one that was told.
            Carried::remember(&mut self.pair.carried.to_servicenow, &text);
            return Ok(None);
        }
        let to = Side::ServiceNow;
        Ok(Some(Note { to, text }))
    }
}
