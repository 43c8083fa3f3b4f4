//! The rules of the Incident table.
//!
//! A write first changes the columns it names; then these rules complete the
//! record or refuse it. They compare the record before with the one after, so
//! it does not matter whether a person or a program wrote, or in how many
//! steps a state was reached.

use super::instance::Record;
use super::instance::value;
use super::options::ForbiddenState;
use super::options::Options;
use super::refusal::Refusal;
use super::session::Session;

pub(super) const ON_HOLD: &str = "3";
pub(super) const RESOLVED: &str = "6";
pub(super) const CLOSED: &str = "7";
pub(super) const CANCELED: &str = "8";
pub(super) const IN_PROGRESS: &str = "2";

/// The value of `hold_reason` while the caller has to answer.
const AWAITING_CALLER: &str = "1";

/// Columns that the rules or the platform fill in. What a client sends for
/// them is dropped without a word.
pub(super) const COMPUTED: &[&str] = &[
    "active",
    "closed_at",
    "closed_by",
    "comments_and_work_notes",
    "priority",
    "reassignment_count",
    "reopen_count",
    "reopened_by",
    "reopened_time",
    "resolved_at",
    "resolved_by",
    "sys_class_name",
    "sys_domain",
    "sys_domain_path",
    "task_effective_number",
];

/// The values of a new incident that names none.
const DEFAULTS: &[(&str, &str)] = &[
    ("active", "true"),
    ("approval", "not requested"),
    ("category", "inquiry"),
    ("child_incidents", "0"),
    ("escalation", "0"),
    ("impact", "3"),
    ("incident_state", "1"),
    ("knowledge", "false"),
    ("made_sla", "true"),
    ("notify", "1"),
    ("priority", "5"),
    ("reassignment_count", "0"),
    ("reopen_count", "0"),
    ("severity", "3"),
    ("state", "1"),
    ("sys_class_name", "incident"),
    ("sys_domain", "global"),
    ("sys_domain_path", "/"),
    ("upon_approval", "proceed"),
    ("upon_reject", "cancel"),
    ("urgency", "3"),
];

/// Completes an empty record to the one that a new incident starts from.
pub(super) fn fresh(record: &mut Record, number: String, opened_by: &str, stamp: &str) {
    for (column, value) in DEFAULTS {
        set(record, column, value);
    }
    set(record, "task_effective_number", &number);
    record.insert("number".to_owned(), number);
    set(record, "opened_at", stamp);
    set(record, "opened_by", opened_by);
}

/// What the rules need to know of a write.
pub(super) struct Writing<'a> {
    pub(super) session: &'a Session,
    pub(super) options: &'a Options,
    pub(super) stamp: &'a str,
    /// Whether the write adds a comment.
    pub(super) comments: bool,
    /// Whether `close_code` is one of its choices.
    pub(super) close_code_is_known: bool,
}

/// Applies the rules to `after`. `before` is the default record for a new
/// incident.
pub(super) fn apply(before: &Record, after: &mut Record, writing: &Writing) -> Result<(), Refusal> {
    merge_states(before, after);
    guard_state(before, after, writing)?;
    caller_replied(before, after, writing);
    // An unknown resolution code counts as none, which the policy then
    // reports as a missing field.
    if !writing.close_code_is_known {
        set(after, "close_code", "");
    }
    change_state(before, after, writing);
    reassign(before, after);
    if let Some(priority) = priority(value(after, "impact"), value(after, "urgency")) {
        set(after, "priority", priority);
    }
    data_policy(before, after, writing)
}

/// `incident_state` is an old name of `state`; whichever was written counts.
fn merge_states(before: &Record, after: &mut Record) {
    let column = if value(after, "state") == value(before, "state") {
        "incident_state"
    } else {
        "state"
    };
    let state = value(after, column).to_owned();
    put_state(after, &state);
}

fn guard_state(before: &Record, after: &mut Record, writing: &Writing) -> Result<(), Refusal> {
    let old = value(before, "state").to_owned();
    let new = value(after, "state");
    if new == old {
        return Ok(());
    }
    let is_final = matches!(old.as_str(), CLOSED | CANCELED);
    let may_not_close = new == CLOSED && !writing.session.has_any(&["itil_admin"]);
    if !is_final && !may_not_close {
        return Ok(());
    }
    match writing.options.forbidden_state {
        ForbiddenState::Refused => Err(Refusal::acl("Update")),
        ForbiddenState::Dropped => {
            put_state(after, &old);
            Ok(())
        }
    }
}

/// An answer of the caller ends the wait for it.
fn caller_replied(before: &Record, after: &mut Record, writing: &Writing) {
    let waits = value(before, "state") == ON_HOLD
        && value(before, "hold_reason") == AWAITING_CALLER
        && value(after, "state") == ON_HOLD;
    if waits && writing.comments && value(after, "caller_id") == writing.session.user_id {
        put_state(after, IN_PROGRESS);
    }
}

fn change_state(before: &Record, after: &mut Record, writing: &Writing) {
    let old = value(before, "state").to_owned();
    let new = value(after, "state").to_owned();
    if new == old {
        return;
    }
    let user = &writing.session.user_id;
    if old == ON_HOLD {
        set(after, "hold_reason", "");
    }
    if old == RESOLVED && !matches!(new.as_str(), CLOSED | CANCELED) {
        increment(after, "reopen_count");
        set(after, "reopened_by", user);
        set(after, "reopened_time", writing.stamp);
        set(after, "resolved_by", "");
        set(after, "resolved_at", "");
    }
    let was_never_resolved = value(after, "resolved_at").is_empty();
    if new == RESOLVED || new == CLOSED && was_never_resolved {
        set(after, "resolved_by", user);
        set(after, "resolved_at", writing.stamp);
    }
    if matches!(new.as_str(), CLOSED | CANCELED) {
        set(after, "active", "false");
        set(after, "closed_by", user);
        set(after, "closed_at", writing.stamp);
    }
}

fn reassign(before: &Record, after: &mut Record) {
    let old = value(before, "assignment_group");
    if !old.is_empty() && old != value(after, "assignment_group") {
        increment(after, "reassignment_count");
    }
}

/// The priority lookup rules of a fresh instance; a combination without a
/// rule leaves the priority as it is.
fn priority(impact: &str, urgency: &str) -> Option<&'static str> {
    Some(match (impact, urgency) {
        ("1", "1") => "1",
        ("1", "2") | ("2", "1") => "2",
        ("1", "3") | ("2", "2") | ("3", "1") => "3",
        ("2", "3") | ("3", "2") => "4",
        ("3", "3") => "5",
        _ => return None,
    })
}

/// The policy holds for as long as the incident is resolved or closed, so it
/// also refuses to empty these fields later.
fn data_policy(before: &Record, after: &Record, writing: &Writing) -> Result<(), Refusal> {
    let state = value(after, "state");
    let mut missing = Vec::new();
    if matches!(state, RESOLVED | CLOSED) {
        if value(after, "close_code").is_empty() {
            missing.push("Resolution code");
        }
        if value(after, "close_notes").is_empty() {
            missing.push("Close notes");
        }
    }
    if writing.options.hold_reason_mandatory && state == ON_HOLD {
        let reason = value(after, "hold_reason");
        if reason.is_empty() {
            missing.push("On hold reason");
        }
        let entering = value(before, "state") != ON_HOLD;
        if entering && reason == AWAITING_CALLER && !writing.comments {
            missing.push("Additional comments");
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Refusal::mandatory(&missing))
    }
}

fn put_state(record: &mut Record, state: &str) {
    set(record, "state", state);
    set(record, "incident_state", state);
}

fn increment(record: &mut Record, column: &str) {
    let count: u64 = value(record, column).parse().unwrap_or_default();
    set(record, column, &(count + 1).to_string());
}

fn set(record: &mut Record, column: &str, value: &str) {
    record.insert(column.to_owned(), value.to_owned());
}
