//! Turns of the executor, of which the instance has one.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

thread_local! {
    /// How many there were, for whichever request.
    static TURNS: Cell<u64> = const { Cell::new(0) };
}

/// Told by whoever the executor polls.
pub(crate) fn begin() {
    TURNS.set(TURNS.get().wrapping_add(1));
}

/// Lets an answer go that was given, since it goes between two turns. To be
/// polled twice is not enough: that may happen in one turn.
pub(crate) async fn turn() {
    let this = TURNS.get();
    poll_fn(|context| {
        if TURNS.get() != this {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
