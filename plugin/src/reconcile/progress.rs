//! How far a side has been asked what has changed.

use super::OVERLAP_S;
use crate::date;
use crate::keys::Entity;
use crate::plan::Side;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;

/// How far back new Flashduty incidents are listed, by when they began.
const RECENT_S: u64 = 3600;

/// How far ahead of the gateway's clock Flashduty's may be, before lists reach
/// the present only step by step.
const DAY_S: u64 = 24 * 3600;

/// The longest time that a list of Flashduty may span.
const WINDOW_S: u64 = 31 * DAY_S - 1;

/// How many polls there are from one pass over the pairs to the next.
const PAIRS_EVERY: u64 = 5;

/// How many polls there are from one pass over everything to the next, if that is
/// no more than a day.
const ALL_EVERY: u64 = 1440;

/// How many incidents without a pair are remembered. What is forgotten is
/// looked at once more.
const MOST: usize = 2000;

/// What a pass goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// What is new, and in ServiceNow what has changed.
    New,
    /// All that Flashduty lists.
    All,
}

/// How far a side has been asked. Seconds are of its own clock, milliseconds of
/// the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// When this store first asked the side, by the gateway's clock.
    #[serde(default)]
    asked_ms: u64,
    /// Until when what is new has been listed.
    until_s: u64,
    /// The newest change that was listed.
    pub(super) newest_s: u64,
    /// Where the list goes on, if a pass is under way.
    new_after: Option<String>,
    /// Incidents without a pair that lists still show: version and name.
    seen: Vec<String>,
    /// When the last pass over the pairs began.
    pairs_ms: u64,
    /// Behind which key it goes on, if it is under way.
    pub(super) pairs_after: Option<String>,
    /// When the last pass over everything began, by both clocks.
    all_ms: u64,
    all_s: u64,
    /// When the pass before that began.
    all_since_s: u64,
    /// Where it goes on, if it is under way.
    all_after: Option<String>,
}

impl Progress {
    /// Whether it is known from when on the side is asked.
    pub(super) fn has_begun(&self) -> bool {
        self.until_s > 0
    }

    /// Notes that the side is asked, and whether that is the first time.
    pub(super) fn ask_first(&mut self, now_ms: u64) -> bool {
        let is_first = self.asked_ms == 0;
        if is_first {
            self.asked_ms = now_ms;
        }
        is_first
    }

    /// Begins with what has happened since the side was first asked. Its own
    /// clock shows `clock_ms`, if that is known.
    pub(super) fn begin(&mut self, side: Side, clock_ms: Option<u64>, now_ms: u64) {
        let ago_ms = now_ms.saturating_sub(self.asked_ms);
        let asked_s = clock_ms.unwrap_or(now_ms).saturating_sub(ago_ms) / 1000;
        self.until_s = match side {
            Side::Flashduty => asked_s.saturating_sub(RECENT_S - OVERLAP_S),
            Side::ServiceNow => asked_s,
        };
        self.all_s = self.until_s;
    }

    /// Where a pass goes on.
    pub(super) fn after(&mut self, pass: Pass) -> &mut Option<String> {
        match pass {
            Pass::New => &mut self.new_after,
            Pass::All => &mut self.all_after,
        }
    }

    /// From which version on an incident without a pair is new to a pass.
    pub(super) fn horizon(&self, side: Side, pass: Pass) -> String {
        let since_s = match pass {
            Pass::New => self.until_s,
            Pass::All => self.all_since_s,
        };
        text(side, since_s.saturating_sub(OVERLAP_S))
    }

    /// From when on a pass lists incidents, and what is known to be past.
    pub(super) fn window(&self, pass: Pass) -> (u64, u64) {
        match pass {
            Pass::New => (self.until_s.saturating_sub(RECENT_S), self.until_s),
            Pass::All => (
                (self.all_s + OVERLAP_S).saturating_sub(WINDOW_S),
                self.all_s,
            ),
        }
    }

    /// Until when a list spans that begins then. The gateway's clock may be
    /// behind; Flashduty's has shown `known_s`.
    pub(super) fn end(since_s: u64, known_s: u64, now_ms: u64) -> u64 {
        let end_s = (now_ms / 1000).max(known_s) + DAY_S;
        end_s.min(since_s + WINDOW_S)
    }

    /// Ends a pass over what is new.
    pub(super) fn close(&mut self, side: Side, clock_ms: Option<u64>, now_ms: u64) {
        let listed_s = match (side, clock_ms) {
            (Side::Flashduty, Some(clock_ms)) => {
                // A list that ended before the present has not shown it.
                let (since_s, known_s) = self.window(Pass::New);
                (clock_ms / 1000).min(Self::end(since_s, known_s, now_ms) - OVERLAP_S)
            }
            (_, clock_ms) => {
                // A record may be dated in the future.
                let clock_s = clock_ms.map_or(u64::MAX, |ms| ms / 1000);
                self.until_s = self.until_s.min(clock_s);
                self.newest_s = self.newest_s.min(clock_s);
                self.newest_s
            }
        };
        self.until_s = self.until_s.max(listed_s);
        let horizon = self.horizon(side, Pass::New);
        self.seen.retain(|seen| *seen >= horizon);
    }

    /// Whether a pass over the pairs is to begin or to go on.
    pub(super) fn begins_pairs(&mut self, now_ms: u64, interval_ms: u64) -> bool {
        if self.pairs_after.is_some() {
            return true;
        }
        let is_due = is_due(
            self.pairs_ms,
            now_ms,
            PAIRS_EVERY * interval_ms - interval_ms / 2,
        );
        if is_due {
            self.pairs_ms = now_ms;
        }
        is_due
    }

    /// Whether a pass over everything is to begin or to go on.
    pub(super) fn begins_all(&mut self, now_ms: u64, interval_ms: u64) -> bool {
        if self.all_after.is_some() {
            return true;
        }
        let is_due = is_due(
            self.all_ms,
            now_ms,
            (ALL_EVERY * interval_ms).min(DAY_S * 1000),
        );
        if is_due {
            self.all_ms = now_ms;
            self.all_since_s = core::mem::replace(&mut self.all_s, self.until_s);
        }
        is_due
    }

    /// Whether an incident without a pair was seen in just this version.
    pub(super) fn has_seen(&self, about: &Entity, version: &str) -> bool {
        self.seen.contains(&format!("{version} {about}"))
    }

    /// Remembers an incident without a pair as it was seen.
    pub(super) fn remember(&mut self, about: &Entity, version: &str) {
        if self.seen.len() < MOST {
            self.seen.push(format!("{version} {about}"));
        }
    }
}

/// Whether so much time has passed. A clock that was set back has told nothing.
fn is_due(last_ms: u64, now_ms: u64, period_ms: u64) -> bool {
    last_ms > now_ms || now_ms - last_ms >= period_ms
}

/// A time as versions of a side begin: as text that sorts.
pub(super) fn text(side: Side, seconds: u64) -> String {
    match side {
        Side::Flashduty => format!("{seconds:010}"),
        Side::ServiceNow => date::stamp(i64::try_from(seconds).unwrap_or(0).saturating_mul(1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_gone_through_once_a_day_however_rare_polls_are() {
        for interval_s in [60, 3600] {
            let mut progress = Progress::default();
            let mut is_due = |at_s| progress.begins_all(at_s * 1000, interval_s * 1000);
            assert!(is_due(100 * DAY_S), "{interval_s}");
            assert!(!is_due(101 * DAY_S - 60), "{interval_s}");
            assert!(is_due(101 * DAY_S), "{interval_s}");
        }
    }
}
