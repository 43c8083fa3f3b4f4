//! What can happen to a webhook on its way.
//!
//! Two ways to ask for it: exactly the next so many, for a test that needs one
//! certain mishap, and a share in per cent, for long runs. The share is drawn
//! from the simulator's seed, so a run can be repeated.

use serde::Deserialize;
use serde::Serialize;

use super::ids::Ids;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Never sent, and not in the history.
    Lose,
    /// Sent twice, with the same `event_id`.
    Duplicate,
    /// Sent after the next event of the same webhook.
    Reorder,
    /// Sent later, by [`Mishaps::delay_ms`].
    Delay,
}

/// How often it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mishaps {
    /// What happens to the next events, in this order.
    pub next: Vec<Mishap>,
    /// Per cent of the others that are lost.
    pub lose_percent: u8,
    /// Per cent that are sent twice.
    pub duplicate_percent: u8,
    /// Per cent that are overtaken.
    pub reorder_percent: u8,
    /// Per cent that are delayed.
    pub delay_percent: u8,
    /// How much later a delayed one is sent, in milliseconds.
    pub delay_ms: u64,
}

impl Default for Mishaps {
    fn default() -> Mishaps {
        Mishaps {
            next: Vec::new(),
            lose_percent: 0,
            duplicate_percent: 0,
            reorder_percent: 0,
            delay_percent: 0,
            delay_ms: 10_000,
        }
    }
}

/// What happens to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    None,
    Lost,
    Doubled,
    Overtaken,
    Delayed(u64),
}

impl Mishaps {
    /// Decides on the next event.
    pub(super) fn befall(&mut self, ids: &mut Ids) -> Fate {
        let mishap = if self.next.is_empty() {
            self.drawn(ids)
        } else {
            Some(self.next.remove(0))
        };
        match mishap {
            None => Fate::None,
            Some(Mishap::Lose) => Fate::Lost,
            Some(Mishap::Duplicate) => Fate::Doubled,
            Some(Mishap::Reorder) => Fate::Overtaken,
            Some(Mishap::Delay) => Fate::Delayed(self.delay_ms),
        }
    }

    fn drawn(&self, ids: &mut Ids) -> Option<Mishap> {
        let shares = [
            (Mishap::Lose, self.lose_percent),
            (Mishap::Duplicate, self.duplicate_percent),
            (Mishap::Reorder, self.reorder_percent),
            (Mishap::Delay, self.delay_percent),
        ];
        // Nothing is drawn when nothing can happen: ids stay the same then.
        if shares.iter().all(|(_, share)| *share == 0) {
            return None;
        }
        let mut ticket = ids.draw() % 100;
        for (mishap, share) in shares {
            let share = u64::from(share);
            if ticket < share {
                return Some(mishap);
            }
            ticket -= share;
        }
        None
    }
}
