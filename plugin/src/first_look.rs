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
use alloc::string::ToString;

/// A clock that is behind by less has not been set back: it is another one.
const SET_BACK_MS: u64 = 300_000;

/// Reads when this store first looked at a side; if never, it is now. All is by
/// the side's own clock, in Unix milliseconds; `now_ms` is the latest that it may
/// show.
pub(crate) async fn first_look(
    effects: &Effects,
    integration: &str,
    side: Side,
    now_ms: u64,
) -> u64 {
    let key = keys::first_look(integration, side);
    let [entry] = effects.get([key.clone()]).await;
    let known = entry
        .as_ref()
        .and_then(|e| text::number(text::of(&e.value)));
    if let Some(first_ms) = known.filter(|first_ms| *first_ms < now_ms + SET_BACK_MS) {
        return first_ms;
    }
    // Nobody knows how long ago it was, if the clock was set back.
    let precondition = entry.map_or(Precondition::Absent, |e| Precondition::Revision(e.revision));
    let value = now_ms.to_string().into_bytes();
    // Whoever was quicker has looked at the same time.
    effects.write(key, precondition, Some(value)).await;
    now_ms
}
