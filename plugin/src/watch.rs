//! What was last seen of the two incidents of a pair: small, and apart from the
//! pair, so that a poll can go through thousands.
//!
//! A *version* names a state of an incident. The poll compares the version that
//! a list shows with the one that the pair's own work has read and with the one
//! that the poll itself has already asked that work to look at. So what a
//! webhook has brought is not brought again, and work that is put off or parked
//! is left alone.

use crate::json;
use crate::plan::Side;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;

/// How long a pair is watched closely after its incident is closed.
pub(crate) const CLOSE_MS: u64 = 24 * 60 * 60 * 1000;

/// How long it is watched at all. Flashduty lists as much.
pub(crate) const LONG_MS: u64 = 31 * CLOSE_MS;

/// What was last seen of a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// The Flashduty incident.
    pub(crate) flashduty: String,
    /// The version that the pair's work has read in Flashduty.
    #[serde(default)]
    pub(crate) flashduty_read: String,
    /// The version in Flashduty that a poll has asked to be looked at.
    #[serde(default)]
    pub(crate) flashduty_polled: String,
    /// The version that the pair's work has read in ServiceNow.
    #[serde(default)]
    pub(crate) servicenow_read: String,
    /// The version in ServiceNow that a poll has asked to be looked at.
    #[serde(default)]
    pub(crate) servicenow_polled: String,
    /// Since when the incident has been closed in Flashduty, in Unix
    /// milliseconds; 0 if it is not.
    #[serde(default)]
    pub(crate) closed_ms: u64,
}

impl Watch {
    /// Reads what [`write`](Self::write) wrote. What is unreadable is nothing.
    pub(crate) fn read(stored: &[u8]) -> Self {
        json::read(stored).unwrap_or_default()
    }

    /// As it is stored.
    pub(crate) fn write(&self) -> Vec<u8> {
        json::write(self)
    }

    /// Whether a version has been read, or asked to be.
    pub(crate) fn knows(&self, side: Side, version: &str) -> bool {
        let (read, polled) = match side {
            Side::Flashduty => (&self.flashduty_read, &self.flashduty_polled),
            Side::ServiceNow => (&self.servicenow_read, &self.servicenow_polled),
        };
        read == version || polled == version
    }

    /// Takes down what a poll has asked to be looked at.
    pub(crate) fn poll(&mut self, side: Side, version: String) {
        match side {
            Side::Flashduty => self.flashduty_polled = version,
            Side::ServiceNow => self.servicenow_polled = version,
        }
    }

    /// Whether it has been closed for longer than that.
    pub(crate) fn is_closed_for(&self, period_ms: u64, now_ms: u64) -> bool {
        self.closed_ms != 0 && now_ms.saturating_sub(self.closed_ms) > period_ms
    }
}
