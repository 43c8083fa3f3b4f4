//! The end of a pair: what is left is a tombstone for each of the two incidents,
//! so that neither is created again.

use super::Stop;
use super::Why;
use super::case::Case;
use crate::Level;
use crate::Precondition;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Base;
use crate::pair::Pair;
use crate::plan::Note;
use crate::plan::Side;
use crate::servicenow::Columns;
use alloc::borrow::ToOwned;
use alloc::string::ToString;

/// What has not been found for so long is gone.
const GONE_MS: u64 = 600_000;

/// How often it is looked for meanwhile.
const LOOK_AGAIN_MS: u64 = 60_000;

/// The oldest incidents are asked for: what the user created itself it may see
/// without a role, and that is newer.
const EVER: &str = "1970-01-01 00:00:00";

/// Why a pair does not end.
const BLIND: &str = "the user in ServiceNow sees hardly any incident; give it back its role";

impl Case<'_> {
    /// Takes the pair apart. Both incidents stay as they are.
    pub(super) async fn end(&mut self, why: &str) -> Result<(), Stop> {
        for entity in self.others() {
            self.bury(&entity, why).await?;
        }
        self.pair.flashduty = None;
        self.pair.servicenow = None;
        // What came of a creation whose answer was lost is known by it.
        self.pair.creating.take_if(|creating| creating.sent == 0);
        self.pair.ended = Some(why.to_owned());
        self.note(why);
        self.log(Level::Info, "pair ended", &[("reason", why)]);
        self.save().await
    }

    /// Leaves an incident to itself: what is left is a tombstone under its own
    /// name. None if it belongs to another pair.
    pub(super) async fn bury(&self, entity: &Entity, why: &str) -> Result<Option<Pair>, Stop> {
        let id = &self.integration.id;
        let (key, member_key) = (keys::pair(id, entity), keys::member(id, entity));
        let [entry, member] = self.effects.get([key.clone(), member_key.clone()]).await;
        let pair = entry
            .as_ref()
            .and_then(|e| json::read::<Pair>(&e.value).ok())
            .unwrap_or_default();
        let name = self.name.to_string();
        if member.as_ref().is_some_and(|m| m.value != name.as_bytes())
            || pair.is_linked()
            || pair.is_in_doubt(self.effects.now_ms())
        {
            return Ok(None);
        }
        let tombstone = Pair {
            ended: Some(why.to_owned()),
            creating: pair.creating.filter(|creating| creating.sent > 0),
            // Whoever joins it again must know.
            flashduty_unsettled_ms: pair.flashduty_unsettled_ms,
            servicenow_unsettled_ms: pair.servicenow_unsettled_ms,
            ..Pair::default()
        };
        let value = json::write(&tombstone);
        let precondition =
            entry.map_or(Precondition::Absent, |e| Precondition::Revision(e.revision));
        let written = self.effects.write(key, precondition, Some(value)).await;
        written.ok_or(Why::Overtaken)?;
        if let Some(member) = member {
            // Done before it may be written anew: the effects of one step have no order.
            let precondition = Precondition::Revision(member.revision);
            let deleted = self.effects.write(member_key, precondition, None).await;
            deleted.ok_or(Why::Overtaken)?;
        }
        Ok(Some(tombstone))
    }

    /// Writes a note if that side takes it, whatever else becomes of the pair.
    pub(super) async fn leave_note(&mut self, note: Note) -> Result<(), Stop> {
        let notes = [note];
        let told = match notes[0].to {
            Side::ServiceNow => {
                let columns = Columns::new();
                self.write_record(columns, &notes, &mut Base::default())
                    .await
            }
            Side::Flashduty => self.tell_flashduty(&notes).await,
        };
        told.or_else(|Stop(why)| match *why {
            Why::Trouble(trouble) if trouble.is_final() => Ok(()),
            why => Err(why.into()),
        })
    }

    /// Takes down that both incidents are there, if one was missing.
    pub(super) async fn is_found(&mut self) -> Result<(), Stop> {
        let pair = &mut self.pair;
        let incident = pair.flashduty_missing_ms.take();
        let record = pair.servicenow_missing_ms.take();
        match incident.or(record) {
            Some(_) => self.save().await,
            None => Ok(()),
        }
    }

    /// Ends the pair if one of the two incidents has been gone for long, and
    /// tells the other. False if both are there: then it was something else that
    /// was missing, as `why` says.
    ///
    /// How often they were looked for tells nothing: webhooks make that often,
    /// and a new record may be seen a while after it was created. So the clock of
    /// the side that misses one counts; the gateways' may be days apart.
    pub(super) async fn ends_with_one(&mut self, side: Side, why: &str) -> Result<bool, Stop> {
        if self.is_dry {
            return Ok(false);
        }
        let now_ms = self.clock_of(side);
        let missing_ms = match side {
            Side::Flashduty => &mut self.pair.flashduty_missing_ms,
            Side::ServiceNow => &mut self.pair.servicenow_missing_ms,
        };
        let since_ms = missing_ms.filter(|since_ms| *since_ms <= now_ms);
        let left_ms = (since_ms.unwrap_or(now_ms) + GONE_MS).saturating_sub(now_ms);
        if left_ms > 0 {
            if since_ms.is_none() {
                *missing_ms = Some(now_ms);
                self.save().await?;
            }
            let until_ms = self.effects.now_ms() + left_ms.min(LOOK_AGAIN_MS);
            return Err(Stop::wait(until_ms, why));
        }
        (self.incident, self.record) = (None, None);
        let is_gone = |read: Result<(), Stop>| match read {
            Ok(()) => Ok(false),
            Err(stop) if stop.missing().is_some() => Ok(true),
            Err(stop) => Err(stop),
        };
        let incident_is_gone = is_gone(self.read_incident().await.map(drop))?;
        let record_is_gone = is_gone(self.read_record().await.map(drop))?;
        if record_is_gone && !incident_is_gone {
            // Else all pairs would end with a role of the user.
            self.sees().await?;
        }
        let number = self.pair.number.as_deref().unwrap_or("the incident");
        let (what, to) = match (incident_is_gone, record_is_gone) {
            (false, false) => return Ok(false),
            (true, _) => ("the incident in Flashduty".to_owned(), Side::ServiceNow),
            (false, true) => (format!("{number} in ServiceNow"), Side::Flashduty),
        };
        let why = format!("{what} was deleted, or is no longer visible");
        let text = format!("Not synced any more: {why}.");
        self.leave_note(Note { to, text }).await?;
        self.end(&why).await?;
        Ok(true)
    }

    /// Lets go of a record that is in no pair and is not shown at the last try either: it
    /// was deleted at once, or the user may not see it. False if that is not so.
    pub(super) async fn lets_go(&mut self, why: &str) -> Result<bool, Stop> {
        let is_unseen = matches!(self.name, Entity::ServiceNow(_)) && self.record.is_none();
        if !is_unseen || self.is_dry || self.pair.may_be_created() {
            return Ok(false);
        }
        self.sees().await?;
        let message = "a record is let go: it was deleted, or the user may not see it";
        self.log(Level::Warn, message, &[("reason", why)]);
        self.turn_down(why).await?;
        Ok(true)
    }

    /// Waits while the user sees hardly any incident at all.
    async fn sees(&self) -> Result<(), Stop> {
        match self.servicenow.changed(EVER, None, 0).await?.hides_most {
            true => Err(Stop::wait(self.effects.now_ms() + LOOK_AGAIN_MS, BLIND)),
            false => Ok(()),
        }
    }
}
