//! When a store first looked at a side.
//!
//! A store that is new, because it was lost or begun elsewhere, or was set back,
//! does not know whether it had a creation or a comment in the air before. So it
//! waits before it creates anything for an incident that was known then, or writes
//! a comment that was there then. What began after the first look, by the clock of
//! the side where it began, cannot have been known: that waits for nothing.

use crate::Precondition;
use crate::keys;
use crate::plan::Side;
use crate::session::Effects;
use crate::text;

/// When a store first looked at a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstLook {
    /// By the side's own clock, in Unix milliseconds.
    far_ms: u64,
    /// By the gateway's clock.
    at_ms: u64,
}

impl FirstLook {
    /// Reads when that was; if never, it is now. `far_ms` is what the side's
    /// own clock shows, if that is known.
    pub(crate) async fn at(
        effects: &Effects,
        integration: &str,
        side: Side,
        far_ms: Option<u64>,
    ) -> Self {
        let key = keys::first_look(integration, side);
        let [entry] = effects.get([key.clone()]).await;
        let now_ms = effects.now_ms();
        let known = entry.as_ref().and_then(|entry| Self::parse(&entry.value));
        let look = match known {
            Some(look) if look.at_ms <= now_ms => return look,
            // The clock was set back, so nobody knows how long ago that was.
            Some(look) => Self {
                at_ms: now_ms,
                ..look
            },
            None => Self {
                far_ms: far_ms.unwrap_or(now_ms),
                at_ms: now_ms,
            },
        };
        let precondition =
            entry.map_or(Precondition::Absent, |e| Precondition::Revision(e.revision));
        let value = format!("{} {}", look.far_ms, look.at_ms).into_bytes();
        // Whoever was quicker has looked at the same time.
        effects.write(key, precondition, Some(value)).await;
        look
    }

    /// When that was, by the gateway's clock, if an earlier store may have known
    /// an incident that began then, by the clock of its side.
    pub(crate) fn is_after(self, began_ms: Option<u64>) -> Option<u64> {
        let began_later = began_ms.is_some_and(|began_ms| began_ms > self.far_ms);
        (!began_later).then_some(self.at_ms)
    }

    fn parse(stored: &[u8]) -> Option<Self> {
        let (far, at) = core::str::from_utf8(stored).ok()?.split_once(' ')?;
        Some(Self {
            far_ms: text::number(far)?,
            at_ms: text::number(at)?,
        })
    }
}
