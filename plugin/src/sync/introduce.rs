//! Each side is told, once, where to find the other.

use super::Stop;
use super::birth;
use super::case::Case;
use crate::comment;
use crate::comment::Origin;
use crate::flashduty::short_hash;
use crate::json;
use crate::plan::Side;
use crate::servicenow::Columns;
use crate::servicenow::SysId;
use alloc::string::String;

impl Case<'_> {
    /// Leaves a link on the side on which the pair was not born at creation,
    /// and here on the other one.
    pub(super) async fn introduce(&mut self) -> Result<(), Stop> {
        if self.pair.introduced {
            return Ok(());
        }
        let born_in = self.born_in();
        let is_first = self.pair.generation == 0;
        if self.pair.by_hand || born_in == Side::ServiceNow && is_first {
            self.introduce_to_servicenow().await?;
        }
        if born_in == Side::Flashduty || !is_first {
            self.introduce_to_flashduty().await?;
        }
        self.pair.introduced = true;
        self.save().await
    }

    async fn introduce_to_flashduty(&mut self) -> Result<(), Stop> {
        let (Some(id), Some(sys_id)) = (self.incident_id(), self.sys_id()) else {
            return Ok(());
        };
        if !self.flashduty.is_available() {
            return Ok(());
        }
        // Under the description of an incident that was made of the record it stands.
        self.read_incident().await?;
        if self.pair.generation == 0 && self.signature().is_some() {
            return Ok(());
        }
        let mark = introduction_mark(&sys_id);
        let number = self.pair.number.as_deref().unwrap_or("incident");
        let text = format!(
            "ServiceNow {number}: {}\n{mark}",
            sys_id.link(&self.integration.servicenow.url)
        );
        let there = self.flashduty.comments(&id).await?;
        self.write_comment(&id, &there, &text, &mark).await?;
        Ok(())
    }

    async fn introduce_to_servicenow(&mut self) -> Result<(), Stop> {
        let (Some(id), Some(sys_id)) = (self.incident_id(), self.sys_id()) else {
            return Ok(());
        };
        if !self.servicenow.is_available() {
            return Ok(());
        }
        let Some(incident) = self.read_incident().await?.cloned() else {
            return Ok(());
        };
        let Some(record) = self.read_record().await?.cloned() else {
            return Ok(());
        };
        let mut columns = Columns::new();
        // Another integration may own the correlation; it is theirs then.
        if record.raw("correlation_id").is_empty() {
            let correlation = birth::correlation(&self.integration.id, &id);
            json::set(&mut columns, "correlation_id", correlation);
            json::set(&mut columns, "correlation_display", "Flashduty");
        }
        let text = birth::introduction(&incident);
        let record = if !record.journals_contain(&text) {
            json::set(&mut columns, "work_notes", text.as_str());
            self.write_journal(&sys_id, &columns, &text).await?.0
        } else {
            self.has_arrived(Side::ServiceNow, &text);
            if columns.is_empty() {
                return Ok(());
            }
            // That says nothing about a comment that was sent before.
            self.servicenow.update(&sys_id, &columns).await?
        };
        self.take_record(record, true);
        Ok(())
    }
}

/// The mark of the comment that tells Flashduty of a record.
pub(super) fn introduction_mark(id: &SysId) -> String {
    comment::mark(Origin::ServiceNow, &short_hash(id.as_str().as_bytes()))
}
