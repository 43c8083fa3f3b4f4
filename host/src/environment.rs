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
use tokio::sync::Notify;

/// No work is known to fall due.
const NEVER: u64 = u64::MAX;

/// The [`Environment`] of a real gateway. Clones share one alarm.
#[derive(Clone, Debug)]
pub struct SystemEnvironment(Arc<Alarm>);

#[derive(Debug)]
struct Alarm {
    due_ms: AtomicU64,
    changed: Notify,
    random: RandomState,
    drawn: AtomicU64,
}

impl Default for SystemEnvironment {
    fn default() -> Self {
        Self(Arc::new(Alarm {
            due_ms: AtomicU64::new(NEVER),
            changed: Notify::new(),
            random: RandomState::new(),
            drawn: AtomicU64::new(0),
        }))
    }
}

impl SystemEnvironment {
    /// Waits until work falls due, or `longest` has passed: the store may be
    /// shared, and what another gateway puts there rings no alarm here.
    pub async fn until_work_is_due(&self, longest: Duration) {
        let end = tokio::time::Instant::now() + longest;
        loop {
            let changed = self.0.changed.notified();
            let due_ms = self.0.due_ms.load(Ordering::SeqCst);
            let now_ms = self.now_ms();
            if due_ms <= now_ms {
                // Whoever looks finds all the work; the next alarm is set anew.
                let taken = self.0.due_ms.compare_exchange(
                    due_ms,
                    NEVER,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
                if taken.is_ok() {
                    return;
                }
                continue;
            }
            let wait = Duration::from_millis(due_ms - now_ms).min(longest);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
                () = tokio::time::sleep_until(end) => return,
            }
        }
    }
}

impl Environment for SystemEnvironment {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// SipHash over a counter, keyed by the operating system's randomness.
    fn random(&self) -> u64 {
        self.0.random.hash_one(self.0.drawn.fetch_add(1, Ordering::Relaxed))
    }

    fn work_due(&self, due_ms: u64) {
        if self.0.due_ms.fetch_min(due_ms, Ordering::SeqCst) > due_ms {
            self.0.changed.notify_waiters();
        }
    }
}
