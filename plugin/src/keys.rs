//! The keys under which the plugin keeps things, all made here.
//!
//! An *entity* names an incident of one side: `f-` and its incident id, or
//! `s-` and its `sys_id`. A pair is named after the entity in which it was
//! born, so that two gateways which see an incident first compute the same
//! name. Integration ids hold no dot, so the parts cannot be mistaken.

use crate::flashduty::IncidentId;
use crate::plan::Side;
use crate::servicenow::SysId;
use alloc::string::String;
use core::fmt;

/// An incident of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    /// A Flashduty incident.
    Flashduty(IncidentId),
    /// A ServiceNow incident.
    ServiceNow(SysId),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entity::Flashduty(id) => write!(f, "f-{id}"),
            Entity::ServiceNow(id) => write!(f, "s-{id}"),
        }
    }
}

impl Entity {
    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_at_checked(2)? {
            ("f-", id) => IncidentId::parse(id).map(Entity::Flashduty),
            ("s-", id) => SysId::parse(id).map(Entity::ServiceNow),
            _ => None,
        }
    }
}

/// The key of the work item of a pair.
pub(crate) fn work(integration: &str, pair: &Entity) -> String {
    format!("{integration}.{pair}")
}

/// What a work item is for.
pub(crate) enum Job {
    /// To bring the pair of this name in step.
    Pair(Entity),
    /// To ask a side what has changed.
    Poll(Side),
}

/// Reads a work item's key: the integration and the job.
pub(crate) fn parse_work(key: &str) -> Option<(&str, Job)> {
    let (integration, job) = key.split_once('.')?;
    let job = match job {
        "poll-flashduty" => Job::Poll(Side::Flashduty),
        "poll-servicenow" => Job::Poll(Side::ServiceNow),
        entity => Job::Pair(Entity::parse(entity)?),
    };
    Some((integration, job))
}

/// The key of the work item that asks a side what has changed.
pub(crate) fn poll_work(integration: &str, side: Side) -> String {
    format!("{integration}.poll-{}", word(side))
}

/// How far a side has been asked what has changed.
pub(crate) fn poll(integration: &str, side: Side) -> String {
    format!("poll.{integration}.{}", word(side))
}

/// When this store first looked at a side. The gateway forgets it when its
/// store may have lost something.
pub(crate) fn first_look(integration: &str, side: Side) -> String {
    format!("unbroken.first-look.{integration}.{}", word(side))
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Flashduty => "flashduty",
        Side::ServiceNow => "servicenow",
    }
}

/// What was last seen of the two incidents of a pair.
pub(crate) fn watch(integration: &str, pair: &Entity) -> String {
    format!("{}{pair}", watches(integration))
}

/// The prefix of [`watch`].
pub(crate) fn watches(integration: &str) -> String {
    format!("watch.{integration}.")
}

/// The record of a pair.
pub(crate) fn pair(integration: &str, pair: &Entity) -> String {
    format!("pair.{integration}.{pair}")
}

/// Which pair the other incident of a pair belongs to.
pub(crate) fn member(integration: &str, member: &Entity) -> String {
    format!("member.{integration}.{member}")
}

/// The hints about an entity that are not yet worked off: a prefix.
pub(crate) fn hints(integration: &str, about: &Entity) -> String {
    format!("hint.{integration}.{about}.")
}

/// An answer of an integration's ServiceNow instance that is believed for a while.
pub(crate) fn answer(integration: &str, name: &str) -> String {
    format!("answer.{integration}.{name}")
}

/// What has been learnt about an integration's ServiceNow instance.
pub(crate) fn instance(integration: &str) -> String {
    format!("instance.{integration}")
}
