//! A condition: attribute and pattern, each on a line, then the value of the
//! attribute. Patterns are wildcards, networks, numbers and expressions.

use crate::first_line;
use crate::lossy;
use serde_json::json;
use servicenow_sync_plugin::condition::Condition;
use servicenow_sync_plugin::condition::Operator;
use servicenow_sync_plugin::condition::explained;
use servicenow_sync_plugin::condition::refusal;

pub(crate) fn run(data: &[u8]) {
    let (key, rest) = first_line(data);
    let (pattern, text) = first_line(rest);
    let text = lossy(text);
    let incident = json!({
        "incident_id": "6a1d2f45c0ffee0123456789",
        "title": text,
        "description": text,
        "channel_id": text.parse::<i64>().unwrap_or_default(),
        "incident_severity": text,
        "labels": { "a": text, "check": text },
    });
    let Ok(incident) = incident.try_into() else {
        panic!("no incident");
    };
    let condition = |oper| Condition {
        key: key.clone(),
        oper,
        vals: vec![pattern.clone()],
    };
    let (with, without) = (condition(Operator::In), condition(Operator::NotIn));
    let holds = with.holds(&incident);
    assert_ne!(holds, without.holds(&incident), "both or neither");
    if !with.problems().is_empty() {
        return;
    }
    let groups = [vec![with]];
    assert_eq!(refusal(&groups, &incident).is_none(), holds);
    let told = explained(&groups, &incident);
    assert_eq!(told.ends_with(": holds"), holds, "{told}");
}
