//! What has changed in ServiceNow.
//!
//! Records are read in the order of their last change, which an entry in a
//! journal counts as too. A page goes on behind the last record of the one
//! before, by time and id: pages that were counted off would leave records out,
//! since whatever changes meanwhile moves to the end.

use super::Look;
use super::OVERLAP_S;
use super::Pause;
use super::Poll;
use super::Row;
use super::memory::Memory;
use crate::date;
use crate::json;
use crate::keys::Entity;
use crate::servicenow::Query;
use crate::servicenow::Record;
use crate::servicenow::ServiceNowApi;
use crate::servicenow::SysId;
use crate::state::Progress as Where;
use crate::state::State;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;

/// How far ServiceNow has been asked. Times are its own, as it writes them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Up to which change all has been read.
    read_until: String,
    /// The last record that was read, if a pass is under way: when it was
    /// changed, and its id; and how many behind it could not be seen.
    behind: Option<Behind>,
    /// The newest change that this pass has seen.
    newest: String,
    /// Seen, and not part of a pair.
    seen: Memory,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Behind {
    changed: String,
    sys_id: Option<SysId>,
    skip: u64,
}

/// Polls ServiceNow; or, if that is not wanted, only sees to it that it is known
/// when this store first looked.
pub(super) async fn run(mut poll: Poll<'_>, polls: bool) -> Result<(), Pause> {
    let api = ServiceNowApi::new(poll.effects, poll.integration, false);
    let (has_looked, stored) = poll.known().await;
    let mut clock_ms = None;
    if api.is_available() && (!has_looked || polls && stored.is_none()) {
        poll.spend()?;
        let now = stamp(poll.effects.now_ms());
        api.changed(&now, None, 0).await?;
        clock_ms = api.clock_ms();
    }
    if !has_looked {
        poll.note_first_look(clock_ms).await;
    }
    if !polls {
        return Ok(());
    }
    let stored = stored.and_then(|entry| json::read::<Progress>(&entry.value).ok());
    let mut progress = stored.unwrap_or_else(|| Progress {
        read_until: stamp(clock_ms.unwrap_or(poll.effects.now_ms())),
        ..Progress::default()
    });
    let horizon = before(&progress.read_until);
    loop {
        let at = progress.behind.take().unwrap_or_else(|| Behind {
            changed: horizon.clone(),
            sys_id: None,
            skip: 0,
        });
        poll.spend()?;
        let page = api
            .changed(&at.changed, at.sys_id.as_ref(), at.skip)
            .await?;
        let next = match page.records.last() {
            Some(last) => Behind {
                changed: last.raw("sys_updated_on").to_owned(),
                sys_id: Some(last.sys_id.clone()),
                skip: 0,
            },
            None => Behind {
                skip: at.skip + page.size,
                ..at
            },
        };
        if next.changed > progress.newest {
            progress.newest.clone_from(&next.changed);
        }
        let rows = page.records.iter().map(row).collect();
        let mut looks = poll.changed(rows, &horizon, &progress.seen).await;
        leave_out(&mut poll, &api, &mut looks, &mut progress.seen).await?;
        poll.ask(looks, &mut progress.seen).await?;
        if !page.more {
            break;
        }
        progress.behind = Some(next);
        poll.save(&progress).await?;
    }
    let newest = core::mem::take(&mut progress.newest);
    if newest > progress.read_until {
        progress.read_until = newest;
    }
    progress.seen.forget_before(&before(&progress.read_until));
    poll.save(&progress).await
}

fn row(record: &Record) -> Row {
    let is_over = |state: State| state.progress() == Where::Closed;
    Row {
        about: Entity::ServiceNow(record.sys_id.clone()),
        version: record.version(),
        // What is over before Flashduty hears of it is not created there.
        may_be_new: !State::parse(record.raw("state")).is_some_and(is_over),
    }
}

/// Leaves out records without a pair that are not to be brought to Flashduty.
async fn leave_out(
    poll: &mut Poll<'_>,
    api: &ServiceNowApi<'_>,
    looks: &mut Vec<Look>,
    seen: &mut Memory,
) -> Result<(), Pause> {
    let new = looks.iter().filter(|look| look.is_new);
    let new: Vec<SysId> = new.filter_map(Look::sys_id).collect();
    let wanted = match poll.integration.reconcile.new_records.as_str() {
        "all" => return Ok(()),
        _ if new.is_empty() => return Ok(()),
        "none" => Vec::new(),
        query => match Query::given(query) {
            Some(query) => {
                poll.spend()?;
                api.among(&new, &query).await?
            }
            None => Vec::new(),
        },
    };
    looks.retain(|look| {
        let is_wanted = !look.is_new || look.sys_id().is_some_and(|id| wanted.contains(&id));
        if !is_wanted {
            seen.remember(&look.about, look.version.clone());
        }
        is_wanted
    });
    Ok(())
}

fn stamp(ms: u64) -> String {
    date::stamp(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The time from which is read again what was read until then.
fn before(time: &str) -> String {
    let ms = date::unix_ms(time).unwrap_or_default();
    date::stamp(ms - i64::try_from(OVERLAP_S * 1000).unwrap_or_default())
}
