//! What a webhook said, a poll or a merge left, or somebody asked for, kept until the pair it
//! concerns has been worked on.

use crate::Precondition;
use crate::flashduty::Event;
use crate::flashduty::Person;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::servicenow::Body;
use crate::servicenow::SysId;
use crate::session::Effects;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use serde::Deserialize;
use serde::Serialize;

/// A hint that an incident may have changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Hint {
    /// From Flashduty.
    Flashduty {
        /// For example `i_ack`.
        event_type: String,
        /// Who did it.
        person: Option<Person>,
        /// The whole incident as JSON, where nothing better can be read.
        incident: Option<String>,
    },
    /// From ServiceNow.
    ServiceNow {
        /// What the script sent.
        body: Box<Body>,
    },
    /// A person asks for the incident to be sent to ServiceNow.
    Trigger,
    /// An operator joins the Flashduty incident to this record.
    Link {
        /// The record.
        servicenow: SysId,
    },
    /// An operator takes the pair apart.
    Unlink,
    /// An operator has both sides looked at in full.
    Sync,
    /// Nothing any more: it is about a record that another one has replaced.
    Stale,
}

impl Hint {
    /// That something happened to a Flashduty incident, no more.
    pub(crate) fn of(event_type: &str) -> Self {
        Self::Flashduty {
            event_type: event_type.to_owned(),
            person: None,
            incident: None,
        }
    }

    /// That a ServiceNow record may have changed, no more.
    pub(crate) fn about(record: &SysId) -> Self {
        Self::ServiceNow {
            body: Box::new(Body::about(record.clone())),
        }
    }

    /// Leaves it, as of now, for an entity's pair to find, as [`Kept::store`] does.
    pub(crate) async fn leave(
        self,
        effects: &Effects,
        integration: &str,
        about: &Entity,
        name: &str,
    ) {
        let kept = Kept {
            received_ms: effects.now_ms(),
            hint: self,
        };
        kept.store(effects, integration, about, name).await;
    }

    /// Keeps of an event what is needed: the incident only if it cannot be
    /// read from the API.
    pub(crate) fn from_event(event: Event, keep_incident: bool) -> Self {
        Self::Flashduty {
            event_type: event.event_type,
            person: event.person,
            incident: keep_incident.then(|| json::text(&event.incident.into())),
        }
    }
}

/// A hint as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// When it was left, in Unix milliseconds; orders hints of one side.
    pub(crate) received_ms: u64,
    /// What it said.
    pub(crate) hint: Hint,
}

impl Kept {
    /// Stores the hint for an entity's pair to find, under a name that is the
    /// same if it is given twice.
    pub(crate) async fn store(
        &self,
        effects: &Effects,
        integration: &str,
        about: &Entity,
        name: &str,
    ) {
        let key = keys::hints(integration, about) + name;
        let value = json::write(self);
        // A refusal means that this very hint is there already.
        effects.write(key, Precondition::Absent, Some(value)).await;
    }
}
