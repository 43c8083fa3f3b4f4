//! What an eavesdropper has: webhooks as both systems sent them.

use integration_gateway::Incoming;
use simulators::server::Exchange;
use support::World;
use support::wire::Answer;
use tokio::sync::broadcast::Receiver;

/// A webhook that was on the wire, with its proof.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Recorded {
    /// The webhooks that a system has sent.
    pub(crate) fn all(exchanges: &mut Receiver<Exchange>) -> Vec<Self> {
        let mut all = Vec::new();
        while let Ok(exchange) = exchanges.try_recv() {
            if let Exchange::Pushed { push, .. } = exchange {
                let path = push.url.splitn(4, '/').nth(3).unwrap();
                all.push(Self {
                    path: format!("/{path}"),
                    headers: push.headers,
                    body: push.body,
                });
            }
        }
        all
    }

    /// Sends it once more, to wherever the gateway listens now.
    pub(crate) async fn replay(&self, world: &World) -> Answer {
        let lines: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        world.send(&self.path, &lines, &self.body).await
    }

    /// As the gateway sees it behind its server.
    pub(crate) fn incoming(&self) -> Incoming {
        Incoming {
            method: "POST".to_owned(),
            path: self.path.clone(),
            query: String::new(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }

    pub(crate) fn header(&mut self, name: &str) -> &mut String {
        let header = self.headers.iter_mut().find(|(found, _)| found == name);
        &mut header.unwrap().1
    }
}
