//! What the gateway writes into the two systems, told apart from what it reads.

use crate::World;
use simulators::Request;
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
        self.servicenow_requests().iter().map(line).collect()
    }

    /// What was written in Flashduty since the last look, for example `POST
    /// /incident/ack`.
    pub fn in_flashduty(&mut self) -> Vec<String> {
        self.flashduty_requests().iter().map(line).collect()
    }

    pub(crate) fn servicenow_requests(&mut self) -> Vec<Request> {
        let mut requests = requests(&mut self.servicenow);
        requests.retain(|request| request.method != "GET");
        requests
    }

    pub(crate) fn flashduty_requests(&mut self) -> Vec<Request> {
        let mut requests = requests(&mut self.flashduty);
        requests.retain(|request| !READS.contains(&request.path.as_str()));
        requests
    }
}

fn line(request: &Request) -> String {
    format!("{} {}", request.method, request.path)
}

fn requests(exchanges: &mut Receiver<Exchange>) -> Vec<Request> {
    let mut requests = Vec::new();
    loop {
        match exchanges.try_recv() {
            Ok(Exchange::Handled { request, .. }) => requests.push(request),
            Ok(Exchange::Pushed { .. }) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return requests,
            Err(TryRecvError::Lagged(lost)) => panic!("{lost} exchanges were missed"),
        }
    }
}
