//! Clock, chance and alarm of a gateway that lives in an instance of Spin's.

use crate::wasi;
use integration_gateway::Environment;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;

/// The [`Environment`] of one instance. Clones share one alarm.
#[derive(Clone, Default)]
pub(crate) struct SpinEnvironment(Rc<Alarm>);

#[derive(Default)]
struct Alarm {
    is_raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl SpinEnvironment {
    /// Whether there is a reason to look for work that nobody has waited for yet.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.is_raised.get()
    }

    /// Lets whoever waits for work look again.
    pub(crate) fn raise(&self) {
        self.0.is_raised.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Waits until there is a reason to look for work: some was scheduled, or there
    /// was one since this was last waited for.
    pub(crate) async fn alarm(&self) {
        poll_fn(|context| {
            if self.0.is_raised.take() {
                return Poll::Ready(());
            }
            self.0.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Environment for SpinEnvironment {
    fn now_ms(&self) -> u64 {
        let (seconds, nanoseconds) = wasi::now();
        seconds * 1000 + u64::from(nanoseconds) / 1_000_000
    }

    fn steady_ms(&self) -> u64 {
        wasi::steady_ns() / 1_000_000
    }

    fn random(&self) -> u64 {
        wasi::random()
    }

    async fn sleep(&self, ms: u64) {
        wasi::sleep(ms.saturating_mul(1_000_000)).await;
    }

    fn work_due(&self, _due_ms: u64) {
        self.raise();
    }
}
