//! What people are told beside the fields: a value that lost, an end or a
//! reopening that the other side does not follow. Each note is written once.

use super::Stop;
use super::case::Case;
use crate::comment;
use crate::comment::Origin;
use crate::flashduty;
use crate::flashduty::short_hash;
use crate::plan::Note;
use crate::plan::Side;
use crate::servicenow;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

impl Case<'_> {
    /// Comments in Flashduty what is to be told there.
    pub(super) async fn tell_flashduty(&mut self, notes: &[Note]) -> Result<(), Stop> {
        let marked = self.marked(notes, Side::Flashduty);
        let Some(id) = self.incident_id().filter(|_| self.flashduty.is_available()) else {
            return Ok(());
        };
        if marked.is_empty() {
            return Ok(());
        }
        let there = self.flashduty.comments(&id).await?;
        for (mark, text) in marked {
            self.write_comment(&id, &there, &text, &mark).await?;
        }
        Ok(())
    }

    /// The work note that tells ServiceNow what is to be told there, unless it
    /// is there already, and a mark that it contains.
    pub(super) async fn notes_for_servicenow(
        &mut self,
        notes: &[Note],
    ) -> Result<Option<(String, String)>, Stop> {
        let marked = self.marked(notes, Side::ServiceNow);
        if marked.is_empty() {
            return Ok(None);
        }
        let Some(record) = self.read_record().await? else {
            return Ok(None);
        };
        let mut there = Vec::new();
        let mut told: Option<(String, String)> = None;
        for (mark, text) in marked {
            if record.journals_contain(&mark) {
                there.push(mark);
            } else if let Some((_, all)) = &mut told {
                all.push('\n');
                all.push_str(&text);
            } else {
                told = Some((mark, text));
            }
        }
        for mark in there {
            self.has_arrived(Side::ServiceNow, &mark);
        }
        Ok(told)
    }

    /// The notes for one side, each with the mark that it ends in.
    fn marked(&self, notes: &[Note], side: Side) -> Vec<(String, String)> {
        let (origin, longest) = match side {
            Side::Flashduty => (Origin::ServiceNow, flashduty::NOTE),
            Side::ServiceNow => (Origin::Flashduty, servicenow::JOURNAL),
        };
        let edition = self.pair.edition;
        let notes = notes.iter().filter(|note| note.to == side);
        notes
            .map(|note| {
                let identity = format!("{edition} {}", note.text);
                let mark = comment::mark(origin, &short_hash(identity.as_bytes()));
                let text = text::without_markup(&text::normal(&note.text));
                let text = text::cut(&text, longest.saturating_sub(mark.len() + 1));
                (mark.clone(), format!("{text}\n{mark}"))
            })
            .collect()
    }
}
