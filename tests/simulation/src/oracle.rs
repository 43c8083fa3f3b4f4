//! What must be true when all is quiet: nothing lost, nothing doubled, both
//! sides in step.

use crate::far_ends::Side;
use crate::people::Said;
use crate::stage::Violation;
use crate::world::World;
use integration_gateway::Runtime;
use simulators::flashduty;
use simulators::flashduty::INTEGRATION_MEMBER;
use simulators::flashduty::Incident;
use simulators::flashduty::Progress;
use simulators::servicenow::Record;
use std::collections::BTreeMap;

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn violation(&mut self, kind: &'static str, what: String) {
        self.0.push(Violation { kind, what });
    }
}

impl<R: Runtime + Clone + 'static> World<R> {
    /// Checks everything, and takes down each violation.
    pub(crate) fn check(&self) {
        for Violation { kind, what } in self.findings() {
            self.stage.violation(kind, what);
        }
    }

    /// What is not as it must be when all is quiet.
    pub(crate) fn findings(&self) -> Vec<Violation> {
        let mut found = Findings::default();
        self.look_at_everything(&mut found);
        found.0
    }

    fn look_at_everything(&self, found: &mut Findings) {
        for (key, work) in self.work() {
            if work["parked"].is_object() {
                let violation = format!("{key} is parked: {}", work["parked"]["reason"]);
                found.violation("nothing is parked", violation);
            }
        }
        let mut pairs = BTreeMap::new();
        for (line, (born_in, id)) in self.people.opened() {
            match self.counterpart(born_in, &id) {
                Ok(Some(other)) => {
                    let pair = match born_in {
                        Side::Flashduty => (id, other),
                        Side::ServiceNow => (other, id),
                    };
                    self.check_pair(line, &pair.0, &pair.1, found);
                    pairs.insert(line, pair);
                }
                Ok(None) => {}
                Err(why) => found.violation("one counterpart", format!("#{line} {why}")),
            }
        }
        for said in self.people.said() {
            if let Some((incident, record)) = pairs.get(&said.incident) {
                self.check_comment(&said, incident, record, found);
            }
        }
        let (flashduty, servicenow) = (
            self.far_ends.flashduty.borrow(),
            self.far_ends.servicenow.borrow(),
        );
        let (incidents, records) = (
            flashduty.incidents().count(),
            servicenow.incidents().count(),
        );
        let opened = self.people.opened().len();
        if incidents.max(records) > opened {
            found.violation(
                "one counterpart",
                format!(
                    "{opened} incidents were opened, and there are {incidents} in Flashduty and \
                 {records} in ServiceNow"
                ),
            );
        }
    }

    /// The one incident on the other side; none if there need not be any.
    fn counterpart(&self, born_in: Side, id: &str) -> Result<Option<String>, String> {
        let mut others = self.far_ends.counterparts(born_in, id);
        match others.len() {
            1 => Ok(others.pop()),
            0 if born_in == Side::ServiceNow && self.was_over_at_once(id) => Ok(None),
            0 => Err(format!("{id}, born in {born_in:?}, has no counterpart")),
            _ => Err(format!(
                "{id}, born in {born_in:?}, has {}",
                others.join(", ")
            )),
        }
    }

    /// A record that is over before Flashduty hears of it stays alone.
    fn was_over_at_once(&self, sys_id: &str) -> bool {
        let servicenow = self.far_ends.servicenow.borrow();
        let record = servicenow.incident(sys_id);
        record.is_some_and(|record| matches!(value(record, "state"), "6" | "7" | "8"))
    }

    fn check_pair(&self, line: usize, incident: &str, sys_id: &str, found: &mut Findings) {
        let flashduty = self.far_ends.flashduty.borrow();
        let servicenow = self.far_ends.servicenow.borrow();
        let (Some(incident), Some(record)) =
            (flashduty.incident(incident), servicenow.incident(sys_id))
        else {
            found.violation("nothing is deleted", format!("#{line} is gone"));
            return;
        };
        let mut differs = |what: &'static str, f: &str, s: &str| {
            found.violation(
                what,
                format!(
                    "#{line} {} / {sys_id}: {f:?} in Flashduty, {s:?} in ServiceNow",
                    incident.incident_id
                ),
            );
        };
        let (title, short) = (incident.title.as_str(), value(record, "short_description"));
        if title != short {
            differs("title in step", title, short);
        }
        let (described, description) = (
            unsigned(&incident.description),
            value(record, "description"),
        );
        if described != description {
            differs("description in step", described, description);
        }
        let (severity, urgency) = (incident.severity.as_str(), value(record, "urgency"));
        let expected = match incident.severity {
            flashduty::Severity::Critical => "1",
            flashduty::Severity::Warning => "2",
            flashduty::Severity::Info => "3",
        };
        if urgency != expected {
            differs("severity in step", severity, urgency);
        }
        let progress = progress(incident, self.stage.unix_ms());
        let state = value(record, "state");
        let agrees = match state {
            // Only who has acknowledged an incident can give it back.
            "1" if progress == "Processing" => incident.responders.iter().any(|responder| {
                responder.acknowledged_at > 0 && responder.person_id != INTEGRATION_MEMBER
            }),
            "1" => progress == "Triggered",
            // What was resolved is never new again.
            "2" if value(record, "reopen_count") != "0" && progress == "Triggered" => true,
            "2" => progress == "Processing",
            "3" => progress == "Snoozed",
            "6" => progress == "Closed",
            // Final: what is reopened in Flashduty goes on alone.
            _ => true,
        };
        if !agrees {
            differs("state in step", progress, state);
        }
    }

    fn check_comment(&self, said: &Said, incident: &str, sys_id: &str, found: &mut Findings) {
        let flashduty = self.far_ends.flashduty.borrow();
        let servicenow = self.far_ends.servicenow.borrow();
        let times = |texts: &mut dyn Iterator<Item = &str>| {
            texts.filter(|text| text.contains(&said.text)).count()
        };
        let timeline = flashduty.incident(incident).map(|i| i.timeline.as_slice());
        let timeline = timeline.unwrap_or_default();
        let in_flashduty = times(
            &mut timeline
                .iter()
                .filter_map(|entry| entry.detail["comment"].as_str()),
        );
        let journal = servicenow.journal(sys_id);
        let in_servicenow = times(&mut journal.iter().map(|entry| entry.value.as_str()));
        if (in_flashduty, in_servicenow) != (1, 1) {
            found.violation(
                "every comment once",
                format!(
                    "#{} {:?} is there {in_flashduty} times in Flashduty ({incident}) and \
                 {in_servicenow} times in ServiceNow ({sys_id})",
                    said.incident, said.text
                ),
            );
        }
    }
}

/// Without what the integration has put below it.
fn unsigned(description: &str) -> &str {
    let at = description
        .rfind("ServiceNow INC")
        .filter(|_| description.contains("[snow:"));
    description[..at.unwrap_or(description.len())].trim_end()
}

/// A snooze is no progress in Flashduty, but it is what people see.
fn progress(incident: &Incident, now_ms: u64) -> &'static str {
    match incident.progress {
        Progress::Closed => "Closed",
        _ if incident.snoozed_before * 1000 > now_ms => "Snoozed",
        Progress::Triggered => "Triggered",
        Progress::Processing => "Processing",
    }
}

fn value<'a>(record: &'a Record, column: &str) -> &'a str {
    record.get(column).map_or("", String::as_str)
}
