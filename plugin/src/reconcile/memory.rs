//! Incidents without a pair that a poll has seen.

use crate::keys::Entity;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::string::ToString;
use serde::Deserialize;
use serde::Serialize;

/// How many are remembered. What is forgotten is looked at once more.
const MOST: usize = 2000;

/// The versions in which incidents without a pair were seen, for as long as
/// lists show them again. Those with a pair have a [`Watch`](crate::watch::Watch).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory(BTreeMap<String, String>);

impl Memory {
    /// Whether an incident was seen in just this version.
    pub(super) fn knows(&self, about: &Entity, version: &str) -> bool {
        self.0.get(&about.to_string()).is_some_and(|v| v == version)
    }

    /// Remembers an incident as it was seen.
    pub(super) fn remember(&mut self, about: &Entity, version: String) {
        if self.0.len() < MOST {
            self.0.insert(about.to_string(), version);
        }
    }

    /// Forgets what changed before `horizon`: it is not taken for new again.
    pub(super) fn forget_before(&mut self, horizon: &str) {
        self.0.retain(|_, version| version.as_str() >= horizon);
    }
}
