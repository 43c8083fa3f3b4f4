//! Clock, chance and alarm of a gateway that runs on tokio.

use integration_gateway::Environment;
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
