//! The bugs that the simulation must notice: each breaks something that only
//! shows when several things happen at once.
//!
//! All of them are planted in one copy, each behind a switch that only the copy
//! has. So it is built once, and no line of the product is there for a test.

use super::replaced;
use anyhow::Result;

/// What stands in [`Planted::instead`] for "this bug is switched on".
const SWITCH: &str = "PLANTED";

/// The variable that says which bug is switched on, by its place in the list.
pub(super) const VARIABLE: &str = "PLANTED_BUG";

/// A deliberate bug.
pub(super) struct Planted {
    /// What it does.
    pub(super) name: &'static str,
    /// From the root of the workspace.
    pub(super) file: &'static str,
    /// Stands just once in the file.
    pub(super) text: &'static str,
    /// What takes its place, as it was unless [`SWITCH`] is true.
    pub(super) instead: &'static str,
}

impl Planted {
    /// The source with the bug in it, which `number` switches on.
    pub(super) fn plant(&self, number: usize, source: &str) -> Result<String> {
        // The plugin is built without the standard library.
        let switch = format!(
            "{{ extern crate std; std::env::var_os(\"{VARIABLE}\").is_some_and(|bug| bug == \"{number}\") }}"
        );
        let instead = self.instead.replace(SWITCH, &switch);
        replaced(self.file, self.text, &instead, source)
    }
}

pub(super) const PLANTED: &[Planted] = &[
    Planted {
        name: "no look-up before a record is created",
        file: "plugin/src/sync/birth.rs",
        text: "if is_looked_for && self",
        instead: "if !PLANTED && is_looked_for && self",
    },
    Planted {
        name: "no waiting after a creation whose answer was lost",
        file: "plugin/src/sync/birth.rs",
        text: "if settled_ms <= now_ms.saturating_sub(self.elapsed_ms()) {",
        instead: "if PLANTED || settled_ms <= now_ms.saturating_sub(self.elapsed_ms()) {",
    },
    Planted {
        name: "the gateway's clock tells whether a creation can still happen",
        file: "plugin/src/sync/case.rs",
        text: "clock_ms.unwrap_or(self.effects.now_ms())",
        instead: "clock_ms.filter(|_| !PLANTED).unwrap_or(self.effects.now_ms())",
    },
    Planted {
        name: "the base stored before the record is written",
        file: "plugin/src/sync/converge.rs",
        text: "self.write_record(columns, &notes, &mut base).await?;",
        instead: "if PLANTED {\n            self.pair.base = base.clone();\n            \
                  self.save().await?;\n        }\n        \
                  self.write_record(columns, &notes, &mut base).await?;",
    },
    Planted {
        name: "a comment is not looked for before it is written",
        file: "plugin/src/sync/comments.rs",
        text: ".is_some_and(|r| r.journals_contain(&mark));",
        instead: ".is_some_and(|r| !PLANTED && r.journals_contain(&mark));",
    },
    Planted {
        name: "a record that is missing once is gone",
        file: "plugin/src/sync/ending.rs",
        text: "(since_ms.unwrap_or(now_ms) + GONE_MS).saturating_sub(now_ms);",
        instead: "(since_ms.unwrap_or(now_ms) + if PLANTED { 0 } else { GONE_MS }).saturating_sub(now_ms);",
    },
    Planted {
        name: "the incidents of pairs are never polled",
        file: "plugin/src/reconcile/progress.rs",
        text: "PAIRS_EVERY * interval_ms - interval_ms / 2,",
        instead: "PAIRS_EVERY * interval_ms * if PLANTED { 1_000_000 } else { 1 } - interval_ms / 2,",
    },
    Planted {
        name: "a lease that lapsed is not noticed",
        file: "gateway/src/session.rs",
        text: "work.is_none_or(|key| queue.holds(key, environment))",
        instead: "work.is_none_or(|key| PLANTED || queue.holds(key, environment))",
    },
    Planted {
        name: "a lease that lapsed while a token was fetched is not noticed",
        file: "gateway/src/exchange.rs",
        text: "if !self.may_go_on() {",
        instead: "if !PLANTED && !self.may_go_on() {",
    },
    Planted {
        name: "everything is read twice",
        file: "gateway/src/exchange.rs",
        text: "let mut result = self.send(outgoing(token.as_ref())?).await;",
        instead: "if PLANTED && [\"/table/\", \"/info\", \"/feed\", \"/list\"].iter().any(|read| request.url.contains(read))\n            \
                  && (request.method == \"GET\" || !request.url.contains(\"/table/\")) {\n            \
                  let _ = self.send(outgoing(token.as_ref())?).await;\n        }\n        \
                  let mut result = self.send(outgoing(token.as_ref())?).await;",
    },
    Planted {
        name: "a cancellation is not seen",
        file: "plugin/src/state.rs",
        text: ".find(|s| s.value() == text || s.label().eq_ignore_ascii_case(text))",
        instead: ".filter(|s| !PLANTED || *s != Self::Canceled)\n            \
                  .find(|s| s.value() == text || s.label().eq_ignore_ascii_case(text))",
    },
    Planted {
        name: "a lease is taken over before its term",
        file: "gateway/src/queue/index.rs",
        text: "let until = now.steady_ms.saturating_add(lease.term_ms);",
        instead: "let term_ms = if PLANTED { lease.term_ms / 20 } else { lease.term_ms };\n            \
                  let until = now.steady_ms.saturating_add(term_ms);",
    },
    Planted {
        name: "what was scheduled during a session is forgotten",
        file: "gateway/src/queue/record.rs",
        text: "let again = again?;",
        instead: "let again = again.filter(|again| !PLANTED || again.due > now_ms)?;",
    },
    Planted {
        name: "what nobody has sent is created too",
        file: "plugin/src/sync/birth.rs",
        text: "if refusal.is_none() && integration.trigger",
        instead: "if !PLANTED && refusal.is_none() && integration.trigger",
    },
    Planted {
        name: "no condition is looked at",
        file: "plugin/src/sync/birth.rs",
        text: "let refusal = condition::refusal(&integration.conditions, incident);",
        instead: "let refusal = condition::refusal(&integration.conditions, incident).filter(|_| !PLANTED);",
    },
    Planted {
        name: "conditions are not looked at again",
        file: "plugin/src/reconcile/flashduty.rs",
        text: "&& condition::refusal(&integration.conditions, incident).is_none()",
        instead: "&& condition::refusal(&integration.conditions, incident).is_none()\n                \
                  && !(PLANTED && incident.number(\"updated_at\") > incident.number(\"created_at\"))",
    },
    Planted {
        name: "a record that took another's place is not looked for",
        file: "plugin/src/sync/succession.rs",
        text: "let record = match found.into_iter().next() {",
        instead: "let record = match found.into_iter().next().filter(|_| !PLANTED) {",
    },
    Planted {
        name: "what is said in a record that is over is lost",
        file: "plugin/src/sync/comments.rs",
        text: "self.leave_out_before_link(&mut entries);",
        instead: "self.leave_out_before_link(&mut entries);\n        if PLANTED && matches!(self.pair.base.state.servicenow, Some(crate::state::State::Closed | crate::state::State::Canceled)) { entries.clear(); }",
    },
    Planted {
        name: "an incident that another integration made is taken for its own",
        file: "plugin/src/sync/birth.rs",
        text: "None if takes => Some(maker.unwrap_or(integration)),",
        instead: "None if takes => Some(maker.filter(|_| !PLANTED).unwrap_or(integration)),",
    },
    Planted {
        name: "what another integration brought is brought back",
        file: "plugin/src/sync/birth.rs",
        text: "if owner != integration.id {",
        instead: "if !PLANTED && owner != integration.id {",
    },
    Planted {
        name: "a poll finds changes of new records only where they come from",
        file: "plugin/src/reconcile/mod.rs",
        text: "watch.is_none() && row.may_be_new",
        instead: "(PLANTED || watch.is_none()) && row.may_be_new",
    },
];
