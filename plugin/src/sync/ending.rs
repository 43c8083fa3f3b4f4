//! The end of a pair: what is left is a tombstone for each of the two incidents,
//! so that neither is created again.

use super::Stop;
use super::case::Case;
use crate::Level;
use crate::Precondition;
use crate::far_end::Trouble;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Base;
use crate::pair::Pair;
use crate::plan::Note;
use crate::plan::Side;
use crate::servicenow::Columns;
use alloc::borrow::ToOwned;

impl Case<'_> {
    /// Takes the pair apart. Both incidents stay as they are.
    pub(super) async fn end(&mut self, why: &str) -> Result<(), Stop> {
        for entity in self.others() {
            self.let_go(&entity, why).await?;
        }
        self.pair.flashduty = None;
        self.pair.servicenow = None;
        self.pair.creating = None;
        self.pair.ended = Some(why.to_owned());
        self.pair.note(self.effects.now_ms(), why);
        self.log(Level::Info, "pair ended", &[("reason", why)])
            .await;
        self.save().await
    }

    /// Leaves an incident of the pair to itself, for good.
    pub(super) async fn let_go(&self, entity: &Entity, why: &str) -> Result<(), Stop> {
        self.bury(entity, why).await?;
        let key = keys::member(&self.integration.id, entity);
        if let [Some(entry)] = self.effects.get([key.clone()]).await {
            self.effects.delete([(key, entry.revision)].into()).await;
        }
        Ok(())
    }

    /// Stores a tombstone under an incident's own name; not if a pair of that
    /// name lives.
    pub(super) async fn bury(&self, entity: &Entity, why: &str) -> Result<bool, Stop> {
        let key = keys::pair(&self.integration.id, entity);
        let [entry] = self.effects.get([key.clone()]).await;
        let pair = entry
            .as_ref()
            .and_then(|e| json::read::<Pair>(&e.value).ok());
        if pair.is_some_and(|pair| pair.is_linked() || pair.creating.is_some()) {
            return Ok(false);
        }
        let mut tombstone = Pair {
            ended: Some(why.to_owned()),
            ..Pair::default()
        };
        tombstone.note(self.effects.now_ms(), why);
        let value = json::write(&tombstone).map_err(|e| Stop::Park(format!("{e}")))?;
        let precondition =
            entry.map_or(Precondition::Absent, |e| Precondition::Revision(e.revision));
        match self.effects.write(key, precondition, Some(value)).await {
            Some(_) => Ok(true),
            None => Err(Stop::Overtaken),
        }
    }

    /// Ends the pair if one of the two incidents is gone, and tells the other.
    /// False if both are there: then it was something else that was missing.
    pub(super) async fn ends_with_one(&mut self) -> Result<bool, Stop> {
        if self.is_dry || !self.pair.is_linked() {
            return Ok(false);
        }
        (self.incident, self.record) = (None, None);
        let is_gone = |read: Result<(), Stop>| match read {
            Ok(()) => Ok(false),
            Err(Stop::Trouble(Trouble::Missing(_))) => Ok(true),
            Err(stop) => Err(stop),
        };
        let incident_is_gone = is_gone(self.read_incident().await.map(drop))?;
        let record_is_gone = is_gone(self.read_record().await.map(drop))?;
        let number = self.pair.number.as_deref().unwrap_or("the incident");
        let (what, to) = match (incident_is_gone, record_is_gone) {
            (false, false) => return Ok(false),
            (true, _) => ("the incident in Flashduty".to_owned(), Side::ServiceNow),
            (false, true) => (format!("{number} in ServiceNow"), Side::Flashduty),
        };
        let why = format!("{what} was deleted, or is no longer visible");
        let text = format!("Not synced any more: {why}.");
        let notes = [Note { to, text }];
        let told = match to {
            Side::ServiceNow if record_is_gone => Ok(()),
            Side::ServiceNow => {
                let columns = Columns::new();
                self.write_record(columns, &notes, &mut Base::default())
                    .await
            }
            Side::Flashduty => self.tell_flashduty(&notes).await,
        };
        match told {
            // It ends all the same.
            Ok(()) | Err(Stop::Trouble(Trouble::Refused(_) | Trouble::Missing(_))) => {}
            Err(stop) => return Err(stop),
        }
        self.end(&why).await?;
        Ok(true)
    }
}
