//! The clocks, and waiting for one.

use crate::p2::bindings::monotonic_clock;
use crate::p2::bindings::wall_clock;
use crate::p2::reactor::ready;

/// The time of day: seconds since 1970 in UTC, and nanoseconds.
pub(crate) fn now() -> (u64, u32) {
    let now = wall_clock::now();
    (now.seconds, now.nanoseconds)
}

/// Nanoseconds since some moment, on a clock that nobody sets.
pub(crate) fn steady_ns() -> u64 {
    monotonic_clock::now()
}

/// Waits for so many nanoseconds.
pub(crate) async fn sleep(ns: u64) {
    ready(monotonic_clock::subscribe_duration(ns)).await;
}
