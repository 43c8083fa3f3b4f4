//! What has changed in ServiceNow.
//!
//! Records are read in the order of their last change, which an entry in a
//! journal counts as too. A page goes on behind the last record of the one
//! before, by time and id: pages that were counted off would leave records out,
//! since whatever changes meanwhile moves to the end.

use super::Look;
use super::Page;
use super::Pause;
use super::Poll;
use super::Row;
use crate::date;
use crate::keys::Entity;
use crate::servicenow::CHANGED_PAGE;
use crate::servicenow::Query;
use crate::servicenow::SysId;
use crate::state::Progress;
use crate::state::State;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

impl Poll<'_> {
    /// A page of records that changed at `since` or later. `after` is a time,
    /// how many records behind it could not be seen, and the id of the last
    /// one that could.
    pub(super) async fn list_records(
        &self,
        since: &str,
        after: Option<String>,
    ) -> Result<Page, Pause> {
        let after = after.unwrap_or_else(|| format!("{since}|0|"));
        let mut parts = after.split('|');
        let mut part = || parts.next().unwrap_or_default();
        let (time, skip, behind) = (part(), part(), part());
        let (skip, behind) = (text::number(skip).unwrap_or(0), SysId::parse(behind));
        let changed = self.servicenow.changed(time, behind.as_ref(), skip).await?;
        let next = match changed.records.last() {
            Some(last) => format!("{}|0|{}", last.raw("sys_updated_on"), last.sys_id),
            None => {
                let behind = behind.as_ref().map_or("", SysId::as_str);
                format!("{time}|{}|{behind}", skip + CHANGED_PAGE)
            }
        };
        let newest = changed
            .records
            .last()
            .map(|last| last.raw("sys_updated_on"));
        let newest_ms = date::unix_ms(newest.unwrap_or(time)).unwrap_or(0);
        let is_over = |state: State| state.progress() == Progress::Closed;
        let rows = changed.records.iter().map(|record| {
            let owner = record.correlated().map(|(owner, _)| owner);
            let is_ours = owner == Some(&self.integration.id);
            Row {
                about: Entity::ServiceNow(record.sys_id.clone()),
                version: record.version(),
                // What is over before Flashduty hears of it is not created there, nor is
                // what another integration has there. A pair that the store has lost
                // is found again.
                may_be_new: is_ours
                    || owner.is_none() && !State::parse(record.raw("state")).is_some_and(is_over),
                is_ours,
            }
        });
        Ok(Page {
            rows: rows.collect(),
            next: changed.more.then_some(next),
            newest_s: u64::try_from(newest_ms / 1000).unwrap_or(0),
        })
    }

    /// Leaves out records without a pair that are not to be brought to
    /// Flashduty.
    pub(super) async fn wanted(&mut self, looks: Vec<Look>) -> Result<Vec<Look>, Pause> {
        let new = looks.iter().filter(|look| look.is_new);
        let new: Vec<SysId> = new.filter_map(Look::sys_id).collect();
        let records = self.integration.reconcile.new_records.as_str();
        if new.is_empty() || records == "all" {
            return Ok(looks);
        }
        let found = match Query::given(records) {
            Some(query) => self.servicenow.among(&new, &query).await?,
            None => Vec::new(),
        };
        let (wanted, unwanted): (Vec<Look>, Vec<Look>) = looks
            .into_iter()
            .partition(|look| !look.is_new || look.sys_id().is_none_or(|id| found.contains(&id)));
        for look in unwanted {
            self.progress.remember(&look.about, &look.version);
        }
        Ok(wanted)
    }
}
