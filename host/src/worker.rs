//! Runs work when it falls due.

use crate::environment::SystemEnvironment;
use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::Next;
use integration_gateway::Runtime;
use integration_gateway::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The longest that a worker sleeps. The clock may be set while it does.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Takes work for as long as there is any that is due, and sleeps until there
/// is some again. When told to stop it finishes the session that it runs.
pub(crate) async fn work<R: Runtime, S: Store, C: Client>(
    gateway: Arc<Gateway<R, S, C, SystemEnvironment>>,
    environment: SystemEnvironment,
    mut stop: watch::Receiver<bool>,
) {
    let mut alarm = environment.alarm();
    while !*stop.borrow() {
        // Before the look, so that an alarm during the look is not missed.
        alarm.mark_unchanged();
        let Next::Idle { until_ms } = gateway.run_next().await else {
            continue;
        };
        let sleep = until_ms.map_or(LONGEST_SLEEP, |until_ms| {
            Duration::from_millis(until_ms.saturating_sub(environment.now_ms())).min(LONGEST_SLEEP)
        });
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            _ = alarm.changed() => {}
            _ = stop.changed() => {}
        }
    }
}
