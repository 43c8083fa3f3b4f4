//! What must be true when all is quiet: nothing lost, nothing doubled, both
//! sides in step.

use crate::far_ends::Side;
use crate::people::Bond;
use crate::people::Said;
use crate::people::Sent;
use crate::people::correlated;
use crate::setup::Setup;
use crate::stage::Violation;
use crate::world::World;
use integration_gateway::Runtime;
use serde_json::Value;
use simulators::flashduty;
use simulators::flashduty::INTEGRATION_MEMBER;
use simulators::flashduty::Incident;
use simulators::flashduty::Progress;
use simulators::servicenow::Record;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// To open an incident on the other side: it, a link on each, and the state.
const WRITES_TO_OPEN: u64 = 4;

/// Of whatever happened: the incident, its timeline, and the other side's record.
const READS_EACH: u64 = 3;

/// Lists of what is new, changed or was commented on.
const POLLS_A_MINUTE: u64 = 3;

/// A hundred are asked for at a time, at every fifth poll.
const PAIRS_POLLED_A_MINUTE: u64 = 500;

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

    /// Checks that neither system was asked or written to more than what happened
    /// is a reason for. Twice as much of either is found out in a few worlds.
    pub(crate) fn check_calls(&self) {
        let report = self.stage.report.borrow().clone();
        let opened = self.people.opened().len() as u64;
        let (faults, refused) = (report.faults(), report.refused);
        // A change goes to the other side, an incident is created, and both sides are
        // told; what went wrong or was refused may be tried again.
        let most_writes = report.events + WRITES_TO_OPEN * opened + faults + refused;
        // A side is read when something may have happened there, and polled.
        let minutes = report.virtual_ms / 60_000;
        let polls = self.setup.integrations().len() as u64;
        // Where a gateway starts, each integration's poll begins anew.
        let most_reads = READS_EACH * (report.events + report.webhooks + faults + refused)
            + polls * POLLS_A_MINUTE * (minutes + report.crashes())
            + polls * minutes * (opened / PAIRS_POLLED_A_MINUTE);
        for (what, count, most) in [
            ("writes", report.writes, most_writes),
            ("reads", report.reads, most_reads),
        ] {
            if count > most {
                let violation = format!(
                    "{count} {what}, more than {most}, for {} events on {opened} incidents, {} \
                     webhooks, {faults} faults, {refused} refusals and {minutes} minutes",
                    report.events, report.webhooks
                );
                self.stage.violation("few calls", violation);
            }
        }
    }

    /// What is not as it must be when all is quiet.
    pub(crate) fn findings(&self) -> Vec<Violation> {
        let mut found = Findings::default();
        self.look_at_everything(&mut found);
        self.check_records(&mut found);
        found.0
    }

    fn look_at_everything(&self, found: &mut Findings) {
        for (key, work) in self.work() {
            if work["parked"].is_object() && !self.is_anothers_and_gone(&key) {
                let violation = format!("{key} is parked: {}", work["parked"]["reason"]);
                found.violation("nothing is parked", violation);
            }
        }
        let deleted = self.people.deleted();
        let of_incidents = self.far_ends.all_counterparts(Side::Flashduty);
        let of_records = self.far_ends.all_counterparts(Side::ServiceNow);
        let mut pairs = BTreeMap::new();
        for (line, (born_in, id)) in self.people.opened() {
            let is_deleted = |side| deleted.contains_key(&(line, side));
            if is_deleted(Side::Flashduty) || is_deleted(Side::ServiceNow) {
                self.check_what_is_left(line, born_in, &id, &deleted, found);
                continue;
            }
            let others = match born_in {
                Side::Flashduty => of_incidents.get(&id),
                Side::ServiceNow => of_records.get(&id),
            };
            let others = others.cloned().unwrap_or_default();
            if let Some(pair) = self.check_line(line, born_in, id, others, found) {
                pairs.insert(line, pair);
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
        // A store that forgets does not know what was deleted, and a record may be
        // one of several.
        let is_known =
            |side| self.amnesias.get() == 0 && !(self.setup.replaces && side == Side::ServiceNow);
        let opened = self.people.opened().len();
        let left_in = |side| {
            opened
                - deleted
                    .keys()
                    .filter(|(_, s)| is_known(side) && *s == side)
                    .count()
        };
        let replaced = servicenow.incidents().filter_map(correlated);
        let replaced = match self.setup.replaces {
            true => replaced.filter(|(_, generation)| *generation > 0).count(),
            false => 0,
        };
        let (records, most) = (records - replaced, left_in(Side::ServiceNow));
        if incidents > left_in(Side::Flashduty) || records > most {
            found.violation(
                "one counterpart",
                format!(
                    "{opened} incidents were opened, {deleted:?} were deleted, and there are \
                     {incidents} in Flashduty and {records} in ServiceNow"
                ),
            );
        }
    }

    /// Whether work is about a record of another integration that was gone before
    /// it was read: an operator is told, since nobody knows whose it was.
    fn is_anothers_and_gone(&self, key: &str) -> bool {
        let name = key.strip_prefix("g.work.").unwrap_or_default();
        let record = name.split_once(".s-").map(|(_, sys_id)| sys_id);
        let servicenow = self.far_ends.servicenow.borrow();
        self.setup.split.is_some()
            && record.is_some_and(|sys_id| servicenow.incident(sys_id).is_none())
            && self.store.peek(&format!("p.pair.{name}")).is_none()
    }

    /// No two records are the same one, and no two integrations have one incident.
    fn check_records(&self, found: &mut Findings) {
        let servicenow = self.far_ends.servicenow.borrow();
        let mut named = BTreeSet::new();
        for record in servicenow.incidents() {
            let Some(name) = correlated(record) else {
                continue;
            };
            if !named.insert(name) {
                let violation = format!("there are two records of {name:?}");
                found.violation("one counterpart", violation);
            }
        }
        if self.setup.split.is_none() {
            return;
        }
        let mut owners: BTreeMap<(String, String), String> = BTreeMap::new();
        for (key, pair) in self.store.all("p.pair.") {
            let pair: Value = serde_json::from_slice(&pair).unwrap_or_default();
            if let (Some(incident), Some(record)) =
                (pair["flashduty"].as_str(), pair["servicenow"].as_str())
                && let Some(other) =
                    owners.insert((incident.to_owned(), record.to_owned()), key.clone())
            {
                let violation = format!("{key} is {other}");
                found.violation("one integration", violation);
            }
        }
    }

    /// What is not in step of what a line opened.
    pub(crate) fn findings_of(&self, line: usize) -> Vec<Violation> {
        let mut found = Findings::default();
        if let Some((born_in, id)) = self.people.opened().remove(&line) {
            let others = self.far_ends.counterparts(born_in, &id);
            if let Some((incident, record)) = self.check_line(line, born_in, id, others, &mut found)
            {
                for said in self.people.said().iter().filter(|s| s.incident == line) {
                    self.check_comment(said, &incident, &record, &mut found);
                }
            }
        }
        found.0
    }

    /// Checks what a line opened, and returns both incidents, if there are two.
    fn check_line(
        &self,
        line: usize,
        born_in: Side,
        id: String,
        others: Vec<String>,
        found: &mut Findings,
    ) -> Option<(String, String)> {
        if !others.is_empty() && !self.may_be_sent(line, born_in, &id) {
            let violation = format!("#{line} {id} has {}", others.join(", "));
            found.violation("only what takes part", violation);
        }
        let other = match self.counterpart(line, born_in, &id, others) {
            Ok(other) => other?,
            Err(why) => {
                found.violation("one counterpart", format!("#{line} {why}"));
                return None;
            }
        };
        let mut pair = match born_in {
            Side::Flashduty => (id, other),
            Side::ServiceNow => (other, id),
        };
        if self.setup.replaces
            && let Some(newest) = self.check_replaced(line, &pair.0, found)
        {
            pair.1 = newest;
        }
        if self.check_bond(line, found) {
            self.check_pair(line, &pair.0, &pair.1, found);
            self.check_merges(line, &pair.0, &pair.1, found);
        }
        Some(pair)
    }

    /// What is left of a pair of which one incident was deleted has at most one
    /// counterpart, and is told at most once of each that it lost.
    fn check_what_is_left(
        &self,
        line: usize,
        born_in: Side,
        id: &str,
        deleted: &BTreeMap<(usize, Side), usize>,
        found: &mut Findings,
    ) {
        let mut others = self.far_ends.counterparts(born_in, id);
        if self.setup.replaces && born_in == Side::Flashduty {
            others.truncate(1);
        }
        if others.len() > 1 {
            let others = others.join(", ");
            found.violation("one counterpart", format!("#{line} {id} has {others}"));
        }
        for (side, other) in [
            (Side::Flashduty, Side::ServiceNow),
            (Side::ServiceNow, Side::Flashduty),
        ] {
            let Some(id) = self.people.on(side, &self.far_ends, line) else {
                continue;
            };
            let lost = deleted.get(&(line, other)).copied().unwrap_or_default();
            let times = self.times_said(side, &id, "Not synced any more: ");
            if times > lost {
                let violation = format!(
                    "#{line}: {id} was told {times} times that it is alone, and lost {lost}"
                );
                found.violation("ends are told", violation);
            }
        }
    }

    /// How often a text stands in the comments of an incident.
    fn times_said(&self, side: Side, id: &str, text: &str) -> usize {
        match side {
            Side::Flashduty => {
                let flashduty = self.far_ends.flashduty.borrow();
                let timeline = flashduty.incident(id).map(|i| i.timeline.as_slice());
                let entries = timeline.unwrap_or_default().iter();
                let comments = entries.filter_map(|entry| entry.detail["comment"].as_str());
                comments.filter(|comment| comment.contains(text)).count()
            }
            Side::ServiceNow => {
                let journal = self.far_ends.servicenow.borrow().journal(id);
                let entries = journal.iter();
                entries.filter(|entry| entry.value.contains(text)).count()
            }
        }
    }

    /// Whether the two incidents of a line are a pair, which must be as the
    /// operator was told. True if nobody wanted it otherwise.
    fn check_bond(&self, line: usize, found: &mut Findings) -> bool {
        let bond = self.people.bond(line);
        let (agrees, shall) = match bond {
            Bond::Natural | Bond::Unknown => (true, ""),
            Bond::Linked => (self.is_paired(line), "be a pair"),
            Bond::Unlinked => (!self.is_paired(line), "be no pair"),
        };
        if !agrees {
            let violation = format!("#{line} should {shall}, as the operator was told");
            found.violation("orders are obeyed", violation);
        }
        matches!(bond, Bond::Natural | Bond::Linked)
    }

    /// Of records that took each other's place, all but the last are over. Returns
    /// the last.
    fn check_replaced(&self, line: usize, incident: &str, found: &mut Findings) -> Option<String> {
        let mut records = self.far_ends.records_of(incident);
        let newest = records.pop();
        records.retain(|record| !self.is_over(record));
        if !records.is_empty() {
            let records = records.join(", ");
            let violation = format!("#{line} {incident} has {records} beside {newest:?}");
            found.violation("one live record", violation);
        }
        newest
    }

    /// How often a text stands in a record, and in each of those whose place it took.
    fn times_told(&self, line: usize, incident: &str, sys_id: &str, text: &str) -> Vec<usize> {
        let mut records = vec![sys_id.to_owned()];
        if self.setup.replaces {
            records.extend(self.far_ends.records_of(incident));
            // One that ended before it was told of its incident names none.
            if let Some((Side::ServiceNow, born)) = self.people.opened().remove(&line) {
                records.push(born);
            }
            records.sort();
            records.dedup();
        }
        let times = records.iter();
        times
            .map(|record| self.times_said(Side::ServiceNow, record, text))
            .collect()
    }

    /// Whether what is to be told once may stand in several records of an incident,
    /// once in each: neither a new store nor one in which an operator took the pair
    /// apart knows what the ones before were told.
    fn may_be_told_again(&self, line: usize, times: &[usize]) -> bool {
        let has_forgotten = self.amnesias.get() > 0 || self.people.bond(line) != Bond::Natural;
        self.setup.replaces && has_forgotten && times.iter().all(|times| *times <= 1)
    }

    /// A record is told once of each incident that its own was merged into.
    fn check_merges(&self, line: usize, incident: &str, sys_id: &str, found: &mut Findings) {
        let Some(titles) = self.people.merged().remove(&line) else {
            return;
        };
        for title in titles {
            let told = format!("Merged into Flashduty incident \"{title}\"");
            let each = self.times_told(line, incident, sys_id, &told);
            let times: usize = each.iter().sum();
            if times != 1 && !(times > 1 && self.may_be_told_again(line, &each)) {
                let violation = format!("#{line}: {sys_id} was told {times} times: {told}");
                found.violation("merges are told", violation);
            }
        }
    }

    /// The one incident on the other side; none if there need not be any.
    fn counterpart(
        &self,
        line: usize,
        born_in: Side,
        id: &str,
        mut others: Vec<String>,
    ) -> Result<Option<String>, String> {
        if self.setup.replaces && born_in == Side::Flashduty {
            others = self.far_ends.records_of(id).pop().into_iter().collect();
        }
        match others.len() {
            1 => Ok(others.pop()),
            0 if born_in == Side::ServiceNow && self.is_over(id) => Ok(None),
            0 if !self.must_be_sent(line, born_in, id) => Ok(None),
            0 => Err(format!("{id}, born in {born_in:?}, has no counterpart")),
            _ => Err(format!(
                "{id}, born in {born_in:?}, has {}",
                others.join(", ")
            )),
        }
    }

    /// Whether what a line opened may have a counterpart.
    fn may_be_sent(&self, line: usize, born_in: Side, id: &str) -> bool {
        let is_sent = self.people.sent(&self.far_ends, line) > Sent::Never;
        (!self.setup.manual || is_sent)
            && (born_in == Side::ServiceNow || self.people.was_wanted(id))
    }

    /// Whether it must have one. What a store has forgotten need not be sent.
    fn must_be_sent(&self, line: usize, born_in: Side, id: &str) -> bool {
        let Setup {
            manual, conditions, ..
        } = self.setup;
        let is_wanted = || {
            let flashduty = self.far_ends.flashduty.borrow();
            flashduty.incident(id).is_some_and(|i| self.setup.wants(i))
        };
        let sent = self.people.sent(&self.far_ends, line);
        match born_in {
            Side::Flashduty if !manual => is_wanted(),
            // Who sends what the condition leaves out is told so, perhaps too late.
            Side::Flashduty if sent == Sent::Accepted && conditions => false,
            // Over before Flashduty heard of it, it stays alone, as long as nobody
            // sends it again.
            Side::ServiceNow if manual && self.people.has_ended(line) => false,
            _ => !manual || sent >= Sent::Accepted && self.amnesias.get() == 0,
        }
    }

    /// Whether a record is over. If that was so before Flashduty heard of it, it
    /// stays alone.
    fn is_over(&self, sys_id: &str) -> bool {
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
        let progress = progress(incident, self.far_ends.now_ms(Side::Flashduty));
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
            // Final: what is reopened in Flashduty, by a person, an acknowledgement or a
            // merge, goes on alone. The record is told of that, and of nothing else so.
            "7" | "8" if progress != "Closed" => {
                !self.setup.replaces
                    && self.times_said(Side::ServiceNow, sys_id, "Reopened in Flashduty.") > 0
            }
            "7" | "8" => true,
            _ => false,
        };
        if !agrees {
            differs("state in step", progress, state);
        }
    }

    fn check_comment(&self, said: &Said, incident: &str, sys_id: &str, found: &mut Findings) {
        let in_flashduty = self.times_said(Side::Flashduty, incident, &said.text);
        let each = self.times_told(said.incident, incident, sys_id, &said.text);
        let in_servicenow: usize = each.iter().sum();
        let is_told_again = in_servicenow > 1
            && said.side == Side::Flashduty
            && self.may_be_told_again(said.incident, &each);
        let is_right = match self.people.bond(said.incident) {
            Bond::Natural | Bond::Linked => {
                in_flashduty == 1 && (in_servicenow == 1 || is_told_again)
            }
            // What was said while they were no pair stays where it was said.
            Bond::Unlinked | Bond::Unknown => {
                in_flashduty <= 1 && (in_servicenow <= 1 || is_told_again)
            }
        };
        if !is_right {
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
