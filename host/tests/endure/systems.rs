//! Both systems, and where they send their webhooks.

use crate::gateway::TOKEN;
use simulators::flashduty;
use simulators::flashduty::Flashduty;
use simulators::server::Server;
use simulators::server::ServerOptions;
use simulators::servicenow;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::ServiceNow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

/// When the last webhook was sent that was acknowledged, in Unix milliseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Heard {
    pub(crate) any: u64,
    /// Of a comment: others of Flashduty do not make the gateway look for any.
    pub(crate) comment: u64,
}

/// A ServiceNow instance and a Flashduty account.
pub(crate) struct Systems {
    pub(crate) servicenow: Server<ServiceNow>,
    pub(crate) flashduty: Server<Flashduty>,
    /// The webhooks of ServiceNow that were answered 200, by their number in
    /// its log, which keeps the newest only.
    acknowledged: BTreeMap<u64, (String, u64)>,
    _runtime: Runtime,
}

impl Systems {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let servicenow = ServiceNow::new(servicenow::Options::default());
        let servicenow = Server::start(servicenow, ServerOptions::default());
        let servicenow = runtime.block_on(servicenow).unwrap();
        let flashduty = Flashduty::new(flashduty::Options::default());
        let flashduty = Server::start(flashduty, ServerOptions::default());
        let flashduty = runtime.block_on(flashduty).unwrap();
        Self {
            servicenow,
            flashduty,
            acknowledged: BTreeMap::new(),
            _runtime: runtime,
        }
    }

    /// Has Flashduty send each webhook to all of these gateways.
    pub(crate) fn flashduty_sends_to(&self, gateways: &[SocketAddr]) {
        self.flashduty.poke(|f, _| {
            f.account_mut().webhooks.clear();
            for gateway in gateways {
                let webhook = flashduty::Webhook::new(&format!("http://{gateway}/flashduty/demo"));
                f.add_webhook(webhook.header("authorization", &format!("Bearer {TOKEN}")));
            }
        });
    }

    /// Has ServiceNow send its webhooks to this gateway.
    pub(crate) fn servicenow_sends_to(&self, gateway: SocketAddr) {
        let mut rule = BusinessRule::to(format!("http://{gateway}/servicenow/demo"));
        rule.headers = vec![("authorization".into(), format!("Bearer {TOKEN}"))];
        rule.delay_ms = 20;
        self.servicenow
            .poke(|s, _| s.options_mut().business_rule = Some(rule));
    }

    pub(crate) fn app_key(&self) -> String {
        let flashduty = self.flashduty.simulator();
        let key = flashduty.app_key(flashduty::INTEGRATION_MEMBER);
        key.unwrap().to_owned()
    }

    /// Takes note of the webhooks that were acknowledged since the last time.
    pub(crate) fn note_acknowledged(&mut self) {
        for entry in self.servicenow.simulator().outbound_log() {
            if entry.outcome == Some(Ok(200)) {
                let sent = (entry.sys_id.clone(), entry.at_ms);
                self.acknowledged.insert(entry.push, sent);
            }
        }
    }

    /// Whether each webhook has got its answer, or been given up.
    pub(crate) fn have_sent_all(&self) -> bool {
        let flashduty = self.flashduty.simulator().webhooks_pending();
        let servicenow = self.servicenow.simulator().webhooks_pending();
        flashduty + servicenow == 0
    }

    /// What was heard of each incident and record, and how many webhooks were
    /// acknowledged; and how many of Flashduty's were not.
    pub(crate) fn heard(&mut self) -> (BTreeMap<String, Heard>, usize, usize) {
        self.note_acknowledged();
        let mut heard = BTreeMap::<String, Heard>::new();
        for (sys_id, sent_ms) in self.acknowledged.values() {
            let heard = heard.entry(sys_id.clone()).or_default();
            heard.any = heard.any.max(*sent_ms);
            heard.comment = heard.any;
        }
        let (mut acknowledged, mut failed) = (self.acknowledged.len(), 0);
        for attempt in self.flashduty.simulator().deliveries() {
            if !attempt.succeeded() {
                failed += 1;
                continue;
            }
            acknowledged += 1;
            let heard = heard.entry(attempt.incident_id.clone()).or_default();
            heard.any = heard.any.max(attempt.sent_ms);
            if attempt.kind == flashduty::EventType::Comment {
                heard.comment = heard.comment.max(attempt.sent_ms);
            }
        }
        (heard, acknowledged, failed)
    }
}
