//! The clocks, and waiting for one.

use spin_sdk::wasip3::clocks::monotonic_clock;
use spin_sdk::wasip3::clocks::system_clock;

/// The time of day: seconds since 1970 in UTC, and nanoseconds.
pub(crate) fn now() -> (u64, u32) {
    let now = system_clock::now();
    (
        u64::try_from(now.seconds).unwrap_or_default(),
        now.nanoseconds,
    )
}

/// Nanoseconds since some moment, on a clock that nobody sets.
pub(crate) fn steady_ns() -> u64 {
    monotonic_clock::now()
}

/// Waits for so many nanoseconds.
pub(crate) async fn sleep(ns: u64) {
    monotonic_clock::wait_for(ns).await;
}
