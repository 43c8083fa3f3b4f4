//! What can be wrong with an integration beyond types.

use super::Integration;
use crate::Problem;
use crate::flashduty::Incident;
use crate::json;
use crate::servicenow::Query;
use crate::servicenow::is_name;
use crate::severity::Step;
use crate::state::State;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

impl Integration {
    /// What is wrong beyond types.
    pub(super) fn problems(&self, at: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, pointer: &str, message: String| {
            if !ok {
                problems.push(Problem {
                    pointer: format!("{at}{pointer}"),
                    message,
                });
            }
        };
        for (group, conditions) in self.conditions.iter().enumerate() {
            let message = "expected at least one condition in the group, found none";
            check(
                !conditions.is_empty(),
                &format!("/conditions/{group}"),
                message.into(),
            );
            for (index, condition) in conditions.iter().enumerate() {
                for (place, message) in condition.problems() {
                    check(
                        false,
                        &format!("/conditions/{group}/{index}{place}"),
                        message,
                    );
                }
            }
        }
        let id_ok = (1..=32).contains(&self.id.len())
            && self
                .id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        check(
            id_ok,
            "/id",
            format!(
                "expected 1 to 32 of a-z, 0-9 and -, found \"{}\"",
                text::cut(&self.id, 40)
            ),
        );
        check(
            (1..=1440).contains(&self.snooze_minutes),
            "/snooze-minutes",
            format!("expected 1 to 1440 minutes, found {}", self.snooze_minutes),
        );
        check(
            (1..=3600).contains(&self.reconcile.poll_seconds),
            "/reconcile/poll-seconds",
            format!(
                "expected 1 to 3600 seconds, found {}",
                self.reconcile.poll_seconds
            ),
        );
        let records = self.reconcile.new_records.as_str();
        check(
            matches!(records, "all" | "none") || Query::given(records).is_some(),
            "/reconcile/new-records",
            format!(
                "expected \"all\", \"none\" or an encoded query without ^NQ and ORDERBY, such as \
                 category=network, found \"{}\"",
                text::cut(records, 60)
            ),
        );
        for (url, pointer) in [
            (&self.flashduty.url, "/flashduty/url"),
            (&self.servicenow.url, "/servicenow/url"),
        ] {
            // Before an `@` a password may stand.
            let shown = text::rsplit_once(url, "@").map_or(url.as_str(), |(_, host)| host);
            check(
                is_origin(url),
                pointer,
                format!(
                    "expected an origin such as https://example.service-now.com, without a user \
                     or a path, found \"{shown}\""
                ),
            );
        }
        if self.direction.from_servicenow() {
            check(
                self.flashduty.credential.is_some(),
                "/flashduty",
                "expected a credential, since this direction writes to Flashduty; add \
                 credential = \"…\""
                    .into(),
            );
            check(
                !self.flashduty.channels.is_empty(),
                "/flashduty",
                "expected a channel in which to create ServiceNow's incidents; add \
                 channels = [<channel id>]"
                    .into(),
            );
            if let Some((a, b)) = self.severity.ambiguity() {
                let (a, b) = (a.as_str(), b.as_str());
                check(
                    false,
                    "/severity",
                    format!(
                        "{a} and {b} have the same urgency, so a change in ServiceNow could not \
                         tell them apart; give each its own, or use direction = \"to-servicenow\""
                    ),
                );
            }
        }
        if self.direction.to_servicenow() {
            check(
                self.servicenow.credential.is_some(),
                "/servicenow",
                "expected a credential, since this direction writes to ServiceNow; add \
                 credential = \"…\""
                    .into(),
            );
        }
        let side = &self.servicenow;
        for (value, pointer, example) in [
            (
                &side.close_code,
                "/servicenow/close-code",
                "{{fields.code|Solution provided}}",
            ),
            (
                &side.close_notes,
                "/servicenow/close-notes",
                "{{resolution|Closed in Flashduty.}}",
            ),
        ] {
            // These an incident always has.
            let least =
                |name: &str| matches!(name, "title" | "severity" | "id").then(|| name.into());
            check(
                !value.render(&least).trim().is_empty(),
                pointer,
                format!(
                    "expected a text that is never empty, since ServiceNow does not resolve \
                     without; name what stands for a value that is missing: {example}"
                ),
            );
            if let Some(problem) = value.problem(&Incident::has_value) {
                check(false, pointer, problem);
            }
        }
        for (value, pointer) in [
            (&self.flashduty.resolution, "/flashduty/resolution"),
            (&self.flashduty.root_cause, "/flashduty/root-cause"),
        ] {
            if let Some(problem) = value.problem(&|name| name.split('.').all(is_name)) {
                check(false, pointer, problem);
            }
        }
        for (place, message) in self.field_problems() {
            check(false, &format!("/field{place}"), message);
        }
        for (labels, pointer) in [
            (&self.servicenow.state_labels, "/servicenow/state-labels"),
            (
                &self.servicenow.urgency_labels,
                "/servicenow/urgency-labels",
            ),
        ] {
            let is_state = pointer.ends_with("state-labels");
            for (label, value) in labels.iter() {
                let known = match is_state {
                    true => State::parse(value).is_some(),
                    false => Step::parse(value).is_some(),
                };
                check(
                    known,
                    &format!("{pointer}/{}", json::step(label)),
                    format!(
                        "expected a value that ServiceNow stores, such as 1, found \"{value}\""
                    ),
                );
            }
        }
        check(
            (1..=40).contains(&text::length(self.servicenow.hold_reason.trim())),
            "/servicenow/hold-reason",
            format!(
                "expected \"1\" (caller), \"3\" (problem), \"4\" (vendor), \"5\" (change) or a \
                 reason of the instance's own, found \"{}\"",
                text::cut(&self.servicenow.hold_reason, 40)
            ),
        );
        problems
    }
}

/// `scheme://host[:port]`. The gateway parses it again with care and decides
/// whether it may be reached; here it only must not carry anything else.
fn is_origin(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    })
}
