//! What the gateway writes into the two systems, told apart from what it reads.

use crate::World;
use simulators::flashduty::READS;
use simulators::server::Exchange;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

/// Follows the requests to both systems.
pub struct Writes {
    servicenow: Receiver<Exchange>,
    flashduty: Receiver<Exchange>,
}

impl World {
    /// Follows what is written from now on.
    pub fn writes(&self) -> Writes {
        Writes {
            servicenow: self.servicenow.exchanges(),
            flashduty: self.flashduty.exchanges(),
        }
    }
}

impl Writes {
    /// What was written in ServiceNow since the last look, for example `PATCH
    /// /api/now/table/incident/…`.
    pub fn in_servicenow(&mut self) -> Vec<String> {
        let mut lines = requests(&mut self.servicenow);
        lines.retain(|line| !line.starts_with("GET "));
        lines
    }

    /// What was written in Flashduty since the last look, for example `POST
    /// /incident/ack`.
    pub fn in_flashduty(&mut self) -> Vec<String> {
        let mut lines = requests(&mut self.flashduty);
        lines.retain(|line| !READS.iter().any(|path| line.ends_with(path)));
        lines
    }
}

fn requests(exchanges: &mut Receiver<Exchange>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match exchanges.try_recv() {
            Ok(Exchange::Handled { request, .. }) => {
                lines.push(format!("{} {}", request.method, request.path));
            }
            Ok(Exchange::Pushed { .. }) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return lines,
            Err(TryRecvError::Lagged(lost)) => panic!("{lost} exchanges were missed"),
        }
    }
}
