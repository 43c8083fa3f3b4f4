//! Works beside a request, and after it as long as that is worth it.
//!
//! An instance ends with its request, or when the runtime has had enough of it.
//! Nothing depends on when: work that was begun keeps its lease and is taken up
//! by another instance later.

use crate::environment::SpinEnvironment;
use crate::handler::SpinGateway;
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::Either;
use futures_util::future::pending;
use futures_util::future::select;
use futures_util::stream::FuturesUnordered;
use integration_gateway::Environment;
use integration_gateway::Next;
use std::pin::pin;

/// Work sessions at a time.
const SESSIONS: usize = 8;
/// How long an instance takes work that its request has left behind.
const AFTER_A_REQUEST_MS: u64 = 25_000;
/// It goes on for what falls due as soon as this, and leaves the rest.
const SOON_MS: u64 = 3000;

/// How long to work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// After this no session begins, on the steady clock.
    pub(crate) until_ms: u64,
    /// How far ahead of its time work is waited for.
    pub(crate) ahead_ms: u64,
    /// Whether to wait also for what other instances have in hand, which may be
    /// dead.
    pub(crate) watches: bool,
}

impl Bound {
    /// For what a request has left behind.
    pub(crate) fn after_a_request(environment: &SpinEnvironment) -> Self {
        Self {
            until_ms: environment.steady_ms() + AFTER_A_REQUEST_MS,
            ahead_ms: SOON_MS,
            watches: false,
        }
    }

    /// For somebody who wants to see everything done that can be done.
    pub(crate) fn of_a_tick(environment: &SpinEnvironment, seconds: u32) -> Self {
        let ms = u64::from(seconds) * 1000;
        Self {
            until_ms: environment.steady_ms() + ms,
            ahead_ms: ms,
            watches: true,
        }
    }

    /// Whether there is a reason to wait when nothing can be done at once and no
    /// session runs here. What is due and was not taken waits for something else.
    fn waits(&self, gateway: &SpinGateway, now_ms: u64) -> bool {
        self.watches && gateway.status().work.running > 0
            || gateway.falls_due(now_ms, now_ms + self.ahead_ms)
    }
}

/// Runs what is due, until the bound is reached, or nothing is left to wait for
/// and `is_over` says that nothing more will come; when it begins to say so, the
/// alarm has to be raised. Returns how many sessions there were; those that are
/// running at the bound come to their end.
pub(crate) async fn run(
    gateway: &SpinGateway,
    environment: &SpinEnvironment,
    bound: Bound,
    is_over: &dyn Fn() -> bool,
) -> u32 {
    let mut sessions = FuturesUnordered::new();
    let (mut ran, mut look_ms) = (0, 0);
    loop {
        let mut now_ms = environment.steady_ms();
        while now_ms < bound.until_ms && look_ms <= now_ms && sessions.len() < SESSIONS {
            let mut next = Box::pin(gateway.run_next());
            match next.as_mut().now_or_never() {
                Some(Next::Ran) => ran += 1,
                Some(Next::Idle { until_ms }) => look_ms = steady(environment, until_ms),
                None => sessions.push(next),
            }
            now_ms = environment.steady_ms();
        }
        let takes_more = now_ms < bound.until_ms;
        if sessions.is_empty()
            && (!takes_more || is_over() && !bound.waits(gateway, environment.now_ms()))
        {
            return ran;
        }
        let wake_ms = match sessions.len() {
            SESSIONS => bound.until_ms,
            _ => look_ms.min(bound.until_ms),
        };
        let change = async {
            if !takes_more {
                return pending().await;
            }
            let pause = environment.sleep(wake_ms.saturating_sub(now_ms));
            matches!(
                select(pin!(environment.alarm()), pin!(pause)).await,
                Either::Left(_)
            )
        };
        let end = async {
            match sessions.next().await {
                Some(next) => next,
                None => pending().await,
            }
        };
        match select(pin!(end), pin!(change)).await {
            Either::Left((Next::Ran, _)) => {
                ran += 1;
                look_ms = 0;
            }
            Either::Left((Next::Idle { until_ms }, _)) => look_ms = steady(environment, until_ms),
            Either::Right((true, _)) => look_ms = 0,
            Either::Right((false, _)) => {}
        }
    }
}

/// A time of the wall clock on the steady one.
fn steady(environment: &SpinEnvironment, until_ms: Option<u64>) -> u64 {
    until_ms.map_or(u64::MAX, |until_ms| {
        environment.steady_ms() + until_ms.saturating_sub(environment.now_ms())
    })
}
