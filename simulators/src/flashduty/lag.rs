//! A search index that lags behind.
//!
//! `/incident/list` may show an incident as it was some time ago, and not show
//! a new one at all, while `/incident/info` already does.

use std::collections::BTreeMap;

use super::incident::Incident;

/// Older versions of incidents, as far back as the lag reaches.
#[derive(Clone, Debug, Default)]
pub(super) struct Lag {
    /// How far lists lag behind, in milliseconds.
    pub(super) lag_ms: u64,
    /// By incident: versions, and until when each was current.
    past: BTreeMap<String, Vec<(u64, Incident)>>,
}

impl Lag {
    /// Keeps a version that is about to be changed.
    pub(super) fn remember(&mut self, incident: &Incident, now_ms: u64) {
        if self.lag_ms == 0 {
            return;
        }
        let horizon = now_ms.saturating_sub(self.lag_ms);
        let versions = self.past.entry(incident.incident_id.clone()).or_default();
        versions.retain(|(until_ms, _)| *until_ms > horizon);
        versions.push((now_ms, incident.clone()));
    }

    /// What a list shows of an incident.
    pub(super) fn seen<'a>(&'a self, incident: &'a Incident, now_ms: u64) -> Option<&'a Incident> {
        let then_ms = now_ms.saturating_sub(self.lag_ms);
        if self.lag_ms == 0 {
            return Some(incident);
        }
        if incident.created_ms > then_ms {
            return None;
        }
        self.past
            .get(&incident.incident_id)
            .and_then(|versions| versions.iter().find(|(until_ms, _)| *until_ms > then_ms))
            .map(|(_, version)| version)
            .or(Some(incident))
    }
}
