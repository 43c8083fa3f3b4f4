//! An operator, who takes pairs apart and joins them again, through whichever
//! gateway is there, and releases what was parked.

use crate::far_ends::Side;
use crate::people::Bond;
use crate::people::Deed;
use crate::people::What;
use crate::trouble::RULE;
use crate::world::World;
use integration_gateway::Incoming;
use integration_gateway::Runtime;
use serde_json::Value;
use serde_json::json;
use std::rc::Rc;

/// The secret that opens the operator's surface.
pub(crate) const TOKEN: &str = "operator-token";

impl<R: Runtime + Clone + 'static> World<R> {
    /// The two incidents that came of a line, if there are two.
    fn both(&self, line: usize) -> Option<(String, String)> {
        let on = |side| self.people.on(side, &self.far_ends, line);
        Some((on(Side::Flashduty)?, on(Side::ServiceNow)?))
    }

    /// Whether the store knows the two incidents that came of a line as a pair.
    pub(crate) fn is_paired(&self, line: usize) -> bool {
        self.both(line)
            .is_some_and(|(incident, record)| !self.pairs_of(&incident, &record).is_empty())
    }

    /// The pairs of two incidents that the store knows, by key.
    pub(crate) fn pairs_of(&self, incident: &str, record: &str) -> Vec<String> {
        let mut pairs = self.store.all("p.pair.");
        pairs.retain(|(_, pair)| {
            let pair: Value = serde_json::from_slice(pair).unwrap_or_default();
            pair["flashduty"] == incident && pair["servicenow"] == record
        });
        pairs.into_iter().map(|(key, _)| key).collect()
    }

    /// Takes a pair apart, or joins it again. True if somebody was asked. What
    /// came of an earlier order must be known, or nobody could say what the
    /// two together lead to.
    pub(crate) fn order(self: &Rc<Self>, deed: &Deed) -> bool {
        let line = deed.incident;
        let (what, wanted) = match (deed.what, self.people.bond(line)) {
            (What::Unlink, Bond::Natural | Bond::Linked) => ("unlink", Bond::Unlinked),
            (What::Link, Bond::Unlinked) => ("link", Bond::Linked),
            _ => return false,
        };
        let Some((incident, record)) = self
            .both(line)
            .filter(|_| what == "link" || self.is_paired(line))
        else {
            return false;
        };
        let process = self.stage.chance().below(self.machines.len() as u64) as usize;
        let gateway = self.machines.get(process).and_then(|m| m.gateway());
        let Some(gateway) = gateway else {
            return false;
        };
        self.stage.note(format_args!(
            "operator: {what} #{line} at gateway {process}"
        ));
        self.people.set_bond(line, Bond::Unknown);
        let body = match what {
            "link" => json!({ "flashduty": incident, "servicenow": record }),
            _ => json!({ "servicenow": record }),
        };
        let request = Incoming {
            method: "POST".to_owned(),
            path: format!("/plugin/{}/{what}", self.people.integration(line)),
            query: String::new(),
            headers: vec![("authorization".to_owned(), format!("Bearer {TOKEN}"))],
            body: body.to_string().into_bytes(),
        };
        let amnesias = self.amnesias.get();
        let this = Rc::clone(self);
        self.stage.spawn(process, async move {
            let response = gateway.operate(request).await;
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            this.stage.note(format_args!(
                "operator: {what} #{line}: {} {body}",
                response.status
            ));
            let is_done = response.status == 200 && body["status"] == format!("{what}ed");
            if is_done && amnesias == this.amnesias.get() {
                this.people.set_bond(line, wanted);
                this.stage
                    .report
                    .borrow_mut()
                    .count(&format!("pair {what}ed"));
            }
        });
        true
    }

    /// Releases what was parked because a rule of the instance refused it; the
    /// rule is gone by now. True if there was anything.
    pub(crate) fn release_what_a_rule_refused(&self) -> bool {
        let refused: Vec<String> = self
            .work()
            .filter(|(_, work)| {
                let reason = work["parked"]["reason"].as_str();
                reason.is_some_and(|reason| reason.contains(RULE))
            })
            .filter_map(|(key, _)| Some(key.strip_prefix("g.work.")?.to_owned()))
            .collect();
        let mut gateways = self.machines.iter().enumerate();
        let running = gateways.find_map(|(process, machine)| Some((process, machine.gateway()?)));
        if let Some((process, gateway)) = running {
            for key in refused.clone() {
                self.stage.note(format_args!("operator: releases {key}"));
                let gateway = Rc::clone(&gateway);
                self.stage.spawn(process, async move {
                    // If that was in vain, the operator comes again.
                    let _ = gateway.release(&key).await;
                });
            }
        }
        !refused.is_empty()
    }
}
