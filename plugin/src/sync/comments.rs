//! Comments travel both ways, each of them once.
//!
//! A comment is written only if its mark is neither among those the pair
//! remembers nor on the other side; and after a comment whose answer was lost,
//! not before the lost one has had time to appear. If the store was lost instead,
//! it may be any that was written before.

use super::Stop;
use super::case::Case;
use super::introduce::introduction_mark;
use crate::Level;
use crate::comment;
use crate::comment::Origin;
use crate::configuration::Journal;
use crate::configuration::Journals;
use crate::far_end::Kind;
use crate::far_end::Trouble;
use crate::flashduty;
use crate::flashduty::IncidentId;
use crate::flashduty::short_hash;
use crate::json;
use crate::pair::Carried;
use crate::pair::SETTLES_MS;
use crate::plan::Side;
use crate::servicenow;
use crate::servicenow::At;
use crate::servicenow::COMMENTS;
use crate::servicenow::Columns;
use crate::servicenow::Entry;
use crate::servicenow::Record;
use crate::servicenow::SysId;
use crate::servicenow::WORK_NOTES;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

impl Case<'_> {
    /// Carries what is new, in both directions that are configured. What one side
    /// declines does not hold up the other.
    pub(super) async fn carry_comments(&mut self) -> Result<(), Stop> {
        let both = self.looks_at_both();
        let carried = match both || self.hears_flashduty() {
            true => self.carry_to_servicenow(true).await,
            false => Ok(()),
        };
        if carried.as_ref().is_err_and(|stop| !stop.is_refusal()) {
            return carried;
        }
        if both || self.hears_servicenow() {
            self.carry_to_flashduty().await?;
        }
        carried
    }

    /// Carries what is new, or merely takes note of what is there, where nobody is to
    /// look any more.
    pub(super) async fn carry_to_servicenow(&mut self, writes: bool) -> Result<(), Stop> {
        let (Some(id), Some(sys_id)) = (self.incident_id(), self.sys_id()) else {
            return Ok(());
        };
        if !self.integration.direction.to_servicenow() || !self.flashduty.is_available() {
            return Ok(());
        }
        let column = match self.integration.comments.to_servicenow {
            Journal::WorkNotes => WORK_NOTES,
            Journal::AdditionalComments => COMMENTS,
            Journal::None => return Ok(()),
        };
        let mut comments = self.flashduty.comments(&id).await?;
        comments.retain(|comment| {
            !comment.is_deleted
                && !comment::is_carried(&comment.text)
                && !self.pair.carried.to_servicenow.contains(&comment.mark)
                && !self.is_before_link(comment.created_at)
        });
        if comments.is_empty() {
            return Ok(());
        }
        // What came since it was read would be missed.
        self.record = None;
        let names = self.names(&comments).await;
        for comment in comments {
            let mark = comment::mark(Origin::Flashduty, &comment.mark);
            let there = self
                .read_record()
                .await?
                .is_some_and(|r| r.journals_contain(&mark));
            if there {
                self.has_arrived(Side::ServiceNow, &mark);
            } else if !writes {
                continue;
            } else {
                let at_ms = u64::try_from(comment.created_at).ok();
                self.wait_for_an_earlier_store(Side::Flashduty, at_ms)
                    .await?;
                let author = names
                    .iter()
                    .find(|(id, _)| *id == comment.creator_id)
                    .map_or("Somebody", |(_, name)| name.as_str());
                let text = comment::for_servicenow(&comment, author);
                let mut columns = Columns::new();
                json::set(&mut columns, column, text);
                let (record, is_taken) = self.write_journal(&sys_id, &columns, &mark).await?;
                self.take_record(record, true);
                if is_taken {
                    self.tell_of_comment(&mark, "ServiceNow");
                }
            }
            Carried::remember(&mut self.pair.carried.to_servicenow, &comment.mark);
            self.save().await?;
        }
        Ok(())
    }

    pub(super) async fn carry_to_flashduty(&mut self) -> Result<(), Stop> {
        let (Some(id), Some(sys_id)) = (self.incident_id(), self.sys_id()) else {
            return Ok(());
        };
        let Some((mut entries, seen)) = self.new_entries(&sys_id).await? else {
            return Ok(());
        };
        self.leave_out_before_link(&mut entries);
        let carried = &self.pair.carried.to_flashduty;
        entries.retain(|e| !comment::is_carried(&e.text) && !carried.contains(&e.mark));
        let mut there = match entries.is_empty() {
            true => Vec::new(),
            false => self.flashduty.comments(&id).await?,
        };
        // What is older than the link to this record came from one before, which may
        // have had an equal comment.
        let link = introduction_mark(&sys_id);
        if let Some(at) = there.iter().position(|c| text::contains(&c.text, &link)) {
            there.drain(..at);
        }
        for entry in entries {
            // Several webhooks of one session may repeat one.
            if self.pair.carried.to_flashduty.contains(&entry.mark) {
                continue;
            }
            let mark = comment::mark(Origin::ServiceNow, &entry.mark);
            if !is_among(&there, &mark) {
                let at_ms = match &entry.at {
                    At::Known(at) => u64::try_from(*at).ok(),
                    At::Heard(_) | At::Shown(_) => None,
                };
                self.wait_for_an_earlier_store(Side::ServiceNow, at_ms)
                    .await?;
            }
            let text = comment::for_flashduty(&entry);
            if self.write_comment(&id, &there, &text, &mark).await? {
                self.tell_of_comment(&mark, "Flashduty");
            }
            Carried::remember(&mut self.pair.carried.to_flashduty, &entry.mark);
            self.save().await?;
        }
        if seen != self.pair.journal_seen {
            // Only now: what has been seen is not looked at again.
            self.pair.journal_seen = seen;
            self.save().await?;
        }
        Ok(())
    }

    fn tell_of_comment(&mut self, mark: &str, to: &str) {
        self.note(&format!("comment {mark} to {to}"));
        let message = format!("comment carried to {to}");
        self.log(Level::Info, &message, &[("mark", mark)]);
    }

    /// The entries of the journals, if there may be one that is not known, and
    /// the hash to remember once they are carried. The record shows the whole
    /// journal to people, so it tells whether the rows need reading at all.
    async fn new_entries(
        &mut self,
        sys_id: &SysId,
    ) -> Result<Option<(Vec<Entry>, Option<String>)>, Stop> {
        let journals = self.journals();
        if journals.is_empty() {
            return Ok(None);
        }
        let looked_at = Some(self.pair.journal_seen.clone().unwrap_or_default());
        let Some(record) = self.read_record().await? else {
            return Ok(Some((self.comments_of_webhooks(), looked_at)));
        };
        let shown: Vec<String> = journals
            .iter()
            .map(|journal| record.display(journal).into())
            .collect();
        // One that the user may not read tells nothing; its rows may.
        let is_shown = journals
            .iter()
            .all(|journal| record.shown(journal).is_some());
        let whole = text::joined(&shown, "");
        let seen = Some(short_hash(whole.trim().as_bytes()));
        let is_empty = is_shown && whole.trim().is_empty();
        // An empty one is worth remembering where the first look counts.
        let is_known = is_shown && self.pair.journal_seen == seen;
        if is_known || is_empty && self.integration.comments.before_link {
            return Ok(None);
        }
        if is_empty {
            return Ok(Some((Vec::new(), seen)));
        }
        let mut listed = Vec::new();
        for (journal, shown) in journals.iter().zip(&shown) {
            listed.append(&mut Entry::from_display(shown, *journal == WORK_NOTES));
        }
        let mut entries = match self.servicenow.entries(sys_id, journals).await {
            Err(trouble) if trouble.is_final() => Vec::new(),
            entries => entries?,
        };
        // An answer to a write shows what readers of the rows see a while later. Once
        // another record has taken its place, nobody looks at this one.
        let is_behind = entries.len() < listed.len();
        if is_behind && !entries.is_empty() && self.pair.may_be_created() {
            self.await_readers()?;
        }
        let seen = match is_behind {
            true => looked_at.clone(),
            false => seen,
        };
        if entries.is_empty() {
            let means = match listed.is_empty() {
                true => "only the newest comment of each webhook is carried",
                false => "comments are taken from what the record shows",
            };
            let to = match is_shown {
                true => "sys_journal_field",
                false => "the columns comments and work_notes",
            };
            let message = format!(
                "the journal is not readable, so {means}; give the integration user read access to \
                 {to}"
            );
            self.log(Level::Warn, &message, &[]);
            entries.append(&mut listed);
        }
        if entries.is_empty() {
            // Not to be remembered as seen: the webhook that tells of what the
            // record shows already may still be on its way.
            return Ok(Some((self.comments_of_webhooks(), looked_at)));
        }
        servicenow::name(&mut entries);
        Ok(Some((entries, seen)))
    }

    /// The journals that are carried to Flashduty.
    fn journals(&self) -> &'static [&'static str] {
        match self.integration.comments.from_servicenow {
            _ if !self.integration.direction.from_servicenow() => &[],
            Journals::AdditionalComments => &[COMMENTS],
            Journals::All => &[COMMENTS, WORK_NOTES],
            Journals::None => &[],
        }
    }

    /// Whether a comment of that time is one that stays where it is, because it
    /// is older than the pair. ServiceNow's seconds are whole ones: what may
    /// have been written after the link counts as that.
    fn is_before_link(&self, created_at: i64) -> bool {
        let linked = i64::try_from(self.pair.linked_ms).unwrap_or(i64::MAX);
        !self.integration.comments.before_link && created_at.saturating_add(999) < linked
    }

    /// Remembers entries that are older than the pair as if they had been
    /// carried: the next look may be one that cannot tell their time. One whose
    /// time is not known is older if it is there at the first look.
    fn leave_out_before_link(&mut self, entries: &mut Vec<Entry>) {
        if self.integration.comments.before_link {
            return;
        }
        let is_first_look = self.pair.journal_seen.is_none();
        let is_older = |entry: &Entry| match &entry.at {
            At::Known(at) => self.is_before_link(*at),
            At::Shown(_) | At::Heard(_) => is_first_look,
        };
        let (older, newer) = core::mem::take(entries).into_iter().partition(is_older);
        let older: Vec<Entry> = older;
        for entry in older {
            Carried::remember(&mut self.pair.carried.to_flashduty, &entry.mark);
        }
        *entries = newer;
    }

    pub(super) fn comments_of_webhooks(&self) -> Vec<Entry> {
        if self.journals().is_empty() {
            return Vec::new();
        }
        let now_ms = self.effects.now_ms();
        self.servicenow_bodies()
            .filter_map(|body| Entry::from_webhook(body.get("comments")?, now_ms))
            .collect()
    }

    /// Names of the authors, as far as they can be found out.
    async fn names(&self, comments: &[flashduty::Comment]) -> Vec<(i64, String)> {
        let mut names: Vec<(i64, String)> = Vec::new();
        for person in self.people() {
            if !person.person_name.is_empty() {
                names.push((person.person_id, person.person_name));
            }
        }
        let mut unknown: Vec<i64> = Vec::new();
        for id in comments.iter().map(|comment| comment.creator_id) {
            let is_known = names.iter().any(|(known, _)| *known == id);
            if id > 0 && !is_known && !unknown.contains(&id) {
                unknown.push(id);
            }
        }
        if !unknown.is_empty() {
            // A comment without its author's name is better than none.
            let people = self.flashduty.people(&unknown).await.unwrap_or_default();
            for person in people {
                names.push((person.person_id, person.person_name));
            }
        }
        names
    }

    /// Writes a comment in Flashduty, unless its mark is in one of those that
    /// are there already; tells whether it did.
    pub(super) async fn write_comment(
        &mut self,
        id: &IncidentId,
        there: &[flashduty::Comment],
        text: &str,
        mark: &str,
    ) -> Result<bool, Stop> {
        if is_among(there, mark) {
            self.has_arrived(Side::Flashduty, mark);
            return Ok(false);
        }
        self.wait_for_comment(Side::Flashduty).await?;
        self.about_to_comment(Side::Flashduty, mark).await?;
        let sent = self.flashduty.comment(id, text).await;
        self.settled(Side::Flashduty, sent).await?;
        Ok(true)
    }

    /// Writes columns with a journal among them. Returns the record as it then is,
    /// and whether the journal was taken: one that shows no mark was not. Whoever
    /// calls has looked for the mark and not found it.
    pub(super) async fn write_journal(
        &mut self,
        id: &SysId,
        columns: &Columns,
        mark: &str,
    ) -> Result<(Record, bool), Stop> {
        self.wait_for_comment(Side::ServiceNow).await?;
        self.about_to_comment(Side::ServiceNow, mark).await?;
        let sent = self.servicenow.update(id, columns).await;
        let record = self.settled(Side::ServiceNow, sent).await?;
        let mut journals = [COMMENTS, WORK_NOTES].into_iter();
        if let Some(column) = journals.find(|column| columns.contains_key(*column)) {
            match record.shown(column) {
                Some(shown) if text::contains(shown, mark) => {}
                Some(_) => {
                    self.did_not_take(column);
                    return Ok((record, false));
                }
                None => {
                    let message = "ServiceNow does not show the journal that was written, so nobody \
                                   can tell whether it was taken; may the user read it?";
                    self.log(Level::Warn, message, &[("column", column)]);
                }
            }
        }
        Ok((record, true))
    }

    /// Waits for a comment whose answer was lost; whoever calls has looked for
    /// it on this side and not found it.
    pub(super) async fn wait_for_comment(&mut self, side: Side) -> Result<(), Stop> {
        let now_ms = self.clock_of(side);
        let asked_ms = now_ms.saturating_sub(self.elapsed_ms());
        let unsettled = self.unsettled(side);
        let Some(until_ms) = unsettled.filter(|until| asked_ms < *until) else {
            return Ok(());
        };
        let latest_ms = now_ms + SETTLES_MS;
        if until_ms > latest_ms {
            // Further away than it can be: by this clock nobody knows.
            *unsettled = Some(latest_ms);
            self.save().await?;
        }
        let left_ms = until_ms.min(latest_ms).saturating_sub(now_ms);
        let until_ms = self.effects.now_ms() + left_ms;
        let reason = "a comment whose answer was lost may still appear";
        Err(Stop::wait(until_ms, reason))
    }

    /// Stores that a comment with this mark is about to be sent.
    pub(super) async fn about_to_comment(&mut self, side: Side, mark: &str) -> Result<(), Stop> {
        *self.unsettled(side) = Some(self.clock_of(side) + SETTLES_MS);
        self.pair.unsettled_mark = Some(mark.into());
        self.save().await
    }

    /// Takes note of a comment that was found where it belongs. If its answer
    /// was lost, there is nothing to wait for any more.
    pub(super) fn has_arrived(&mut self, side: Side, mark: &str) {
        if self.pair.unsettled_mark.as_deref() == Some(mark) {
            *self.unsettled(side) = None;
        }
    }

    /// Until when a comment to a side may still appear.
    fn unsettled(&mut self, side: Side) -> &mut Option<u64> {
        match side {
            Side::Flashduty => &mut self.pair.flashduty_unsettled_ms,
            Side::ServiceNow => &mut self.pair.servicenow_unsettled_ms,
        }
    }

    /// Takes the outcome of a comment. Unless its answer was lost there is
    /// nothing to wait for, and that is stored with whatever is stored next.
    pub(super) async fn settled<T>(
        &mut self,
        side: Side,
        sent: Result<T, Trouble>,
    ) -> Result<T, Stop> {
        let kind = sent.as_ref().err().map(Trouble::kind);
        if kind != Some(Kind::Unknown) {
            *self.unsettled(side) = None;
        }
        match sent {
            Ok(value) => Ok(value),
            Err(trouble) => {
                self.save().await?;
                Err(trouble.into())
            }
        }
    }
}

fn is_among(comments: &[flashduty::Comment], mark: &str) -> bool {
    comments.iter().any(|c| text::contains(&c.text, mark))
}
