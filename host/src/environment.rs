//! Clock, chance and alarm of a gateway that runs on tokio.

use integration_gateway::Environment;
use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;
use tokio::sync::watch;

/// The [`Environment`] of a real gateway. Clones share one alarm.
#[derive(Clone, Debug, Default)]
pub struct SystemEnvironment(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    alarm: watch::Sender<()>,
    random: RandomState,
    drawn: AtomicU64,
}

impl SystemEnvironment {
    /// Changes whenever work was scheduled: whoever waits for work asks the
    /// gateway again, which knows what is due and when.
    pub fn alarm(&self) -> watch::Receiver<()> {
        self.0.alarm.subscribe()
    }
}

impl Environment for SystemEnvironment {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Of the clock that also counts the time that the machine is suspended,
    /// where the system has one.
    fn steady_ms(&self) -> u64 {
        #[cfg(target_os = "linux")]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: ClockId = ClockId::Monotonic;
        let now = clock_gettime(CLOCK);
        u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or_default()
    }

    /// SipHash over a counter, keyed by the operating system's randomness.
    fn random(&self) -> u64 {
        self.0
            .random
            .hash_one(self.0.drawn.fetch_add(1, Ordering::Relaxed))
    }

    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn work_due(&self, _due_ms: u64) {
        self.0.alarm.send_replace(());
    }
}
