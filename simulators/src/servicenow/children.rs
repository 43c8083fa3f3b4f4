//! What happens to child incidents when their parent's state changes.
//!
//! Each child is a write of its own, in the name of whoever wrote to the
//! parent, so that one write causes a burst of webhooks.

use super::ServiceNow;
use super::incident::CANCELED;
use super::incident::CLOSED;
use super::incident::IN_PROGRESS;
use super::incident::ON_HOLD;
use super::incident::RESOLVED;
use super::instance::Record;
use super::instance::value;
use super::session::Session;
use super::write::Input;
use super::write::Write;
use super::write::Written;

impl ServiceNow {
    /// Resolves, holds or reopens the children of an incident with it.
    pub(super) fn follow_parent(&mut self, session: &Session, written: &Written, now_ms: u64) {
        let Some(parent) = self.instance.record("incident", &written.sys_id) else {
            return;
        };
        let before = written.state_before.as_str();
        let state = value(parent, "state");
        if before == state {
            return;
        }
        let Some(input) = change_of_children(before, parent) else {
            return;
        };
        let reopens = before == RESOLVED;
        let children: Vec<String> = self
            .instance
            .records("incident")
            .filter(|child| value(child, "parent_incident") == written.sys_id)
            .filter(|child| match value(child, "state") {
                CLOSED | CANCELED => false,
                RESOLVED => reopens,
                _ => !reopens,
            })
            .map(|child| value(child, "sys_id").to_owned())
            .collect();
        let unbound = session.unbound();
        for sys_id in children {
            let write = Write {
                session: &unbound,
                now_ms,
                lag_ms: self.faults.read_lag_ms(),
                display_values: false,
            };
            // A child that a policy keeps as it is stays behind.
            if let Ok(written) = self.instance.update("incident", &sys_id, &input, &write) {
                self.after_write("incident", session, &written, now_ms);
            }
        }
    }
}

fn change_of_children(before: &str, parent: &Record) -> Option<Input> {
    let state = value(parent, "state");
    let columns: &[&str] = match state {
        RESOLVED => &["state", "close_code", "close_notes"],
        ON_HOLD => &["state", "hold_reason"],
        IN_PROGRESS if before == RESOLVED => &["state"],
        _ => return None,
    };
    let copied = columns.iter().map(|column| {
        let column = (*column).to_owned();
        let text = value(parent, &column).to_owned();
        (column, text)
    });
    Some(copied.collect())
}
