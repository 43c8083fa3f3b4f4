//! A new record takes the place of one that cannot be reopened.
//!
//! It is created as the first one was, with a `sys_id` and a correlation of its
//! own generation: once, whatever is lost or crashes in between. Until the pair
//! names the new record, the open intention leads back here.

use super::Stop;
use super::birth;
use super::case::Case;
use crate::keys::Entity;
use crate::plan::Note;
use crate::plan::Side;
use crate::servicenow::SysId;
use alloc::borrow::ToOwned;

impl Case<'_> {
    /// Creates the new record, tells the old one, and goes on with the new one.
    /// False if nothing shows the incident at the moment.
    pub(super) async fn replace_record(&mut self) -> Result<bool, Stop> {
        let (Some(id), Some(old)) = (self.incident_id(), self.sys_id()) else {
            return Ok(false);
        };
        let Some(incident) = self.read_incident().await?.cloned() else {
            return Ok(false);
        };
        // Once there is a new record, a store that is lost leads back to that alone.
        self.carry_to_flashduty().await?;
        let first = birth::correlation(&self.integration.id, &id);
        let correlation = format!("{first}:{}", self.pair.generation + 2);
        let derived = SysId::derived_from(&correlation);
        let found = self.servicenow.find(&derived, &correlation).await?;
        let record = match found.into_iter().next() {
            Some(record) => record,
            None => self.create_record(&incident, derived, &correlation).await?,
        };
        let number = record.number().to_owned();
        let link = record.sys_id.link(&self.integration.servicenow.url);
        let note = Note {
            to: Side::ServiceNow,
            text: format!("Reopened in Flashduty; goes on in {number}: {link}"),
        };
        self.record = None;
        self.leave_note(note).await?;
        // Nobody looks at the old one any more. What it was told without that the
        // answer was heard has come by now: before that note it was waited for.
        self.carry_to_servicenow(false).await?;
        self.merges().await?;
        // What came meanwhile.
        self.carry_to_flashduty().await?;
        let old = Entity::ServiceNow(old);
        if old != self.name {
            self.bury(&old, &format!("replaced by {number}")).await?;
        }
        let base = self.base_with(&record);
        self.pair.number = Some(number);
        self.pair.generation += 1;
        self.pair.introduced = false;
        self.pair.by_hand = false;
        self.pair.journal_seen = None;
        self.pair.servicenow_changes = 0;
        // The new one may have a comment that equals one of the old one.
        self.pair.carried.to_flashduty.clear();
        self.link(id, record.sys_id.clone(), base).await?;
        self.take_new_record(record);
        Ok(true)
    }
}
