//! Whether anything is going on between a gateway and the systems.

use simulators::flashduty::Flashduty;
use simulators::server::Exchange;
use simulators::server::Server;
use simulators::servicenow::ServiceNow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

/// Longer than any gateway takes between two requests of a session, or from a
/// webhook to the first.
const LONG: Duration = Duration::from_millis(1500);

/// When each system was asked last.
pub(crate) struct Quiet(Mutex<[Asked; 2]>);

struct Asked {
    exchanges: Receiver<Exchange>,
    last: Option<Instant>,
}

impl Quiet {
    pub(crate) fn between(servicenow: &Server<ServiceNow>, flashduty: &Server<Flashduty>) -> Self {
        let from_now_on = |exchanges| Asked {
            exchanges,
            last: None,
        };
        Self(Mutex::new(
            [servicenow.exchanges(), flashduty.exchanges()].map(from_now_on),
        ))
    }

    /// Whether both systems have been asked, and not for so long that nobody
    /// means to. A gateway looks at both when it starts.
    pub(crate) fn for_long(&self) -> bool {
        let mut systems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for system in systems.iter_mut() {
            while !matches!(
                system.exchanges.try_recv(),
                Err(TryRecvError::Empty | TryRecvError::Closed)
            ) {
                system.last = Some(Instant::now());
            }
        }
        let is_quiet = |system: &Asked| system.last.is_some_and(|last| last.elapsed() >= LONG);
        systems.iter().all(is_quiet)
    }
}
