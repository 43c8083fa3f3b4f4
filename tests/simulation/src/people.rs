//! People and monitoring on both sides: a script that follows from the seed.
//!
//! Each line of the script is a decision of its own, and names the incident by
//! the line that opened it. So lines can be left out, and the others still mean
//! the same.

use crate::chance::Chance;
use crate::far_ends::FarEnds;
use crate::far_ends::Side;
use crate::setup::LABEL;
use crate::setup::Setup;
use crate::stage::Stage;
use serde_json::Value;
use simulators::Delivery;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::Assignment;
use simulators::flashduty::Merge;
use simulators::flashduty::NewIncident;
use simulators::flashduty::Reset;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use simulators::servicenow::Record;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Something that somebody does.
#[derive(Clone, Debug)]
pub struct Deed {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// The line that opened the incident; its own for one that opens it.
    pub incident: usize,
    /// Where.
    pub side: Side,
    /// What.
    pub what: What,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A person opens an incident.
    Open,
    /// An alert opens one; in Flashduty only.
    Alert,
    /// A new title.
    Title,
    /// A new description.
    Description,
    /// Another severity, or urgency.
    Severity(u8),
    /// A comment.
    Comment,
    /// A note that stays on its side; in ServiceNow only.
    WorkNote,
    /// Takes it: acknowledged, or In Progress.
    Take,
    /// Gives it back: the acknowledgement is withdrawn, or New.
    GiveBack,
    /// Puts it off, for so many minutes in Flashduty.
    Hold(u8),
    /// Ends that.
    Wake,
    /// Resolves it.
    Resolve,
    /// Reopens it.
    Reopen,
    /// Cancels it; in ServiceNow only.
    Cancel,
    /// Gives it to somebody else; in Flashduty only.
    Assign,
    /// Merges it into the incident that this line opened; in Flashduty only.
    Merge(usize),
    /// Deletes it, which nobody is told of.
    Delete,
    /// An operator takes the pair apart.
    Unlink,
    /// An operator joins again what was taken apart.
    Link,
    /// Sends it to the other side, with a button.
    Send,
}

/// A comment that somebody has written.
#[derive(Clone, Debug)]
pub struct Said {
    /// The line that opened its incident.
    pub incident: usize,
    /// Where.
    pub side: Side,
    /// Unlike that of any other.
    pub text: String,
}

/// How much people do, and how quickly.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Lines of the script.
    pub deeds: usize,
    /// One line in so many opens an incident.
    pub lines_per_incident: u64,
    /// Most of the time, the longest time from one line to the next, in
    /// milliseconds; now and then it is much longer.
    pub gap_ms: u64,
    /// What they do besides.
    pub habits: Habits,
}

/// What people do in some worlds only: where it is done, less can be said of
/// how things must be in the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Incidents are merged in Flashduty.
    pub merges: bool,
    /// Incidents are deleted.
    pub deletes: bool,
    /// Pairs are taken apart, and joined again.
    pub orders: bool,
    /// Incidents are sent to the other side.
    pub sends: bool,
    /// Records are canceled, and their incidents reopened, more often.
    pub cancels: bool,
}

/// Whether an operator wants two incidents to be a pair, as far as the gateways
/// have confirmed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// They are one, without that anybody has ever asked for it.
    Natural,
    /// An operator was told that they are one again.
    Linked,
    /// An operator was told that they are none any more.
    Unlinked,
    /// Nobody knows whether what an operator asked for was, or will be, done.
    Unknown,
}

/// Writes the script.
pub fn script(seed: u64, pace: Pace) -> Vec<Deed> {
    let mut chance = Chance::of(seed, &[u64::from_be_bytes(*b"people__")]);
    let mut deeds: Vec<Deed> = Vec::with_capacity(pace.deeds);
    let mut opened: Vec<usize> = Vec::new();
    let mut at_ms = 5000;
    for line in 0..pace.deeds {
        at_ms += match chance.below(20) {
            0 => chance.below(pace.gap_ms * 20 + 1),
            1..=8 => chance.below(500),
            _ => chance.below(pace.gap_ms + 1),
        };
        let side = match chance.below(2) {
            0 => Side::Flashduty,
            _ => Side::ServiceNow,
        };
        if opened.is_empty() || chance.below(pace.lines_per_incident) == 0 {
            let by_alert = side == Side::Flashduty && chance.below(2) == 0;
            deeds.push(Deed {
                at_ms,
                incident: line,
                side,
                what: if by_alert { What::Alert } else { What::Open },
            });
            opened.push(line);
            continue;
        }
        // Somebody who is busy with an incident stays with it for a while.
        let again = deeds.last().filter(|_| chance.below(2) == 0);
        let incident = match again {
            Some(last) => last.incident,
            None => chance.one_of(&opened).copied().unwrap_or_default(),
        };
        deeds.push(Deed {
            at_ms,
            incident,
            side,
            what: what(&mut chance, pace.habits, &opened),
        });
    }
    deeds
}

impl What {
    /// What people do everywhere.
    pub fn of_every_day(chance: &mut Chance) -> Self {
        what(chance, Habits::default(), &[])
    }
}

fn what(chance: &mut Chance, habits: Habits, opened: &[usize]) -> What {
    let (merges, deletes, orders) = (
        u32::from(habits.merges),
        u32::from(habits.deletes),
        u32::from(habits.orders),
    );
    let (sends, cancels) = (u32::from(habits.sends), u32::from(habits.cancels));
    let kinds = [
        16,
        10,
        12,
        24,
        3,
        12,
        3,
        4,
        3,
        8,
        7 + 8 * cancels,
        1 + 7 * cancels,
        2,
        2 * merges,
        deletes,
        5 * orders,
        5 * orders,
        12 * sends,
    ];
    match chance.weighted(&kinds) {
        0 => What::Title,
        1 => What::Description,
        2 => What::Severity(chance.below(3) as u8),
        3 => What::Comment,
        4 => What::WorkNote,
        5 => What::Take,
        6 => What::GiveBack,
        7 => What::Hold(chance.within(1, 20) as u8),
        8 => What::Wake,
        9 => What::Resolve,
        10 => What::Reopen,
        11 => What::Cancel,
        12 => What::Assign,
        13 => What::Merge(chance.one_of(opened).copied().unwrap_or_default()),
        14 => What::Delete,
        15 => What::Unlink,
        16 => What::Link,
        _ => What::Send,
    }
}

/// Who knows which incidents are which, and what was said.
#[derive(Default)]
pub struct People {
    setup: Setup,
    /// The incidents that were opened, by line: where, and as what.
    opened: RefCell<BTreeMap<usize, (Side, String)>>,
    /// The integration that takes each.
    integrations: RefCell<BTreeMap<usize, usize>>,
    said: RefCell<Vec<Said>>,
    /// The titles of the incidents that one was merged into.
    merged: RefCell<BTreeMap<usize, BTreeSet<String>>>,
    /// Where what was opened, or came of it, was deleted, and how often.
    deleted: RefCell<BTreeMap<(usize, Side), usize>>,
    bonds: RefCell<BTreeMap<usize, Bond>>,
    /// Incidents of Flashduty that have met the condition at any time.
    wanted: RefCell<BTreeSet<String>>,
    /// What is known of the records that were sent to Flashduty.
    sent: RefCell<BTreeMap<usize, Sent>>,
    /// The records that people have ended.
    ended: RefCell<BTreeSet<usize>>,
}

/// What came of sending an incident, at best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// Nobody has tried.
    #[default]
    Never,
    /// Nobody knows.
    Perhaps,
    /// It was accepted.
    Accepted,
    /// Its counterpart was named.
    Synced,
}

impl People {
    /// Where the plugin is configured so.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            ..Self::default()
        }
    }

    /// The incidents that were opened: where, and as what.
    pub fn opened(&self) -> BTreeMap<usize, (Side, String)> {
        self.opened.borrow().clone()
    }

    /// The id of the integration that takes what a line opened.
    pub fn integration(&self, line: usize) -> &'static str {
        let integrations = self.integrations.borrow();
        let number = integrations.get(&line).copied().unwrap_or_default();
        let ids = self.setup.integrations();
        ids.get(number).copied().unwrap_or_default()
    }

    /// Whether an incident of Flashduty has met the condition at any time.
    pub fn was_wanted(&self, incident: &str) -> bool {
        self.wanted.borrow().contains(incident)
    }

    /// Takes down which incidents meet the condition.
    pub fn look_what_is_wanted(&self, far_ends: &FarEnds) {
        let flashduty = far_ends.flashduty.borrow();
        let wanted = flashduty.incidents().filter(|i| self.setup.wants(i));
        let mut all = self.wanted.borrow_mut();
        all.extend(wanted.map(|incident| incident.incident_id.clone()));
    }

    /// What is known of sending what a line opened to the other side.
    pub fn sent(&self, far_ends: &FarEnds, line: usize) -> Sent {
        let opened = self.opened.borrow();
        let Some((Side::Flashduty, id)) = opened.get(&line) else {
            return self.sent.borrow().get(&line).copied().unwrap_or_default();
        };
        let flashduty = far_ends.flashduty.borrow();
        let calls = flashduty.deliveries().iter().filter(|call| {
            call.incident_id == *id && far_ends.buttons.contains(&call.integration_id)
        });
        let sent = calls.map(|call| match &call.delivery {
            Delivery::Answered(answer) => Sent::of(answer.status, &answer.body),
            _ => Sent::Perhaps,
        });
        sent.max().unwrap_or_default()
    }

    /// Takes down what is known of sending a record.
    pub fn set_sent(&self, line: usize, sent: Sent) {
        let mut all = self.sent.borrow_mut();
        let known = all.entry(line).or_default();
        *known = sent.max(*known);
    }

    /// Whether people have ended the record of a line.
    pub fn has_ended(&self, line: usize) -> bool {
        self.ended.borrow().contains(&line)
    }

    /// What was said.
    pub fn said(&self) -> Vec<Said> {
        self.said.borrow().clone()
    }

    /// The titles of the incidents that those of these lines were merged into.
    pub fn merged(&self) -> BTreeMap<usize, BTreeSet<String>> {
        self.merged.borrow().clone()
    }

    /// What was deleted where, by the line that opened it, and how often: a store
    /// that forgets a record that was deleted lets it be made anew.
    pub fn deleted(&self) -> BTreeMap<(usize, Side), usize> {
        self.deleted.borrow().clone()
    }

    /// Whether the incident that a line opened and its counterpart shall be a
    /// pair.
    pub fn bond(&self, line: usize) -> Bond {
        let bonds = self.bonds.borrow();
        bonds.get(&line).copied().unwrap_or(Bond::Natural)
    }

    /// Takes down what is known of that by now.
    pub fn set_bond(&self, line: usize, bond: Bond) {
        self.bonds.borrow_mut().insert(line, bond);
    }

    /// A store that forgets may have forgotten what operators asked for.
    pub fn forget_orders(&self) {
        for bond in self.bonds.borrow_mut().values_mut() {
            *bond = Bond::Unknown;
        }
    }

    /// Does it, if it can be done. True if it was.
    pub fn act(&self, stage: &Stage, far_ends: &FarEnds, line: usize, deed: &Deed) -> bool {
        let done = match deed.what {
            What::Open | What::Alert => self.open(far_ends, line, deed),
            _ => self.change(far_ends, line, deed),
        };
        if let Some(how) = &done {
            stage.note(format_args!(
                "{:?}: {:?} #{} {how}",
                deed.side, deed.what, deed.incident
            ));
        }
        done.is_some()
    }

    fn open(&self, far_ends: &FarEnds, line: usize, deed: &Deed) -> Option<String> {
        let now_ms = far_ends.now_ms(deed.side);
        let title = format!("incident {line}");
        let integration = self
            .setup
            .integration(line, deed.side, deed.what == What::Alert);
        let channel = self.setup.channel(integration);
        let id = match (deed.side, deed.what) {
            (Side::Flashduty, What::Alert) => {
                let status = [Status::Info, Status::Warning, Status::Critical][line % 3];
                let event = AlertEvent::new(&title, &title, status).label(LABEL.0, LABEL.1);
                let mut flashduty = far_ends.flashduty.borrow_mut();
                let pushed = flashduty.push_alert(channel, event, now_ms);
                pushed.ok()?.incident_id?
            }
            (Side::Flashduty, _) => {
                let severity = *Severity::ALL.get(line % 3)?;
                let mut new = NewIncident::new(&title, severity, channel);
                new.description = format!("description of {line}");
                let mut flashduty = far_ends.flashduty.borrow_mut();
                flashduty.create(flashduty::ANA, new, now_ms).ok()?
            }
            (Side::ServiceNow, _) => {
                let grade = ["1", "2", "3"][line % 3];
                let description = format!("description of {line}");
                let mut fields = vec![
                    ("short_description", title.as_str()),
                    ("description", &description),
                    ("impact", grade),
                    ("urgency", grade),
                ];
                let category = self.setup.category(integration);
                fields.extend(category.map(|category| ("category", category)));
                let mut servicenow = far_ends.servicenow.borrow_mut();
                servicenow
                    .create_incident("abel.tuter", &fields, now_ms)
                    .ok()?
            }
        };
        let how = id.clone();
        self.integrations.borrow_mut().insert(line, integration);
        self.opened.borrow_mut().insert(line, (deed.side, id));
        Some(how)
    }

    fn change(&self, far_ends: &FarEnds, line: usize, deed: &Deed) -> Option<String> {
        let id = self.on(deed.side, far_ends, deed.incident)?;
        let text = format!("{:?} says {line}.", deed.side);
        let now_ms = far_ends.now_ms(deed.side);
        match deed.side {
            Side::Flashduty => {
                let mut action = match deed.what {
                    What::Merge(into) => return self.merge(far_ends, line, deed, &id, into),
                    What::Send => self.button(far_ends, deed.incident)?,
                    what => action(what, line, &text)?,
                };
                let person = [flashduty::ANA, flashduty::BO][line % 2];
                let mut flashduty = far_ends.flashduty.borrow_mut();
                let incident = flashduty.incident(&id)?;
                keep_signature(&incident.description, &mut action);
                flashduty.act(person, &id, &action, now_ms).ok()?;
            }
            Side::ServiceNow if deed.what == What::Delete => {
                let mut servicenow = far_ends.servicenow.borrow_mut();
                servicenow.delete_incident(&id).then_some(())?;
            }
            Side::ServiceNow => {
                let mut fields = columns(deed.what, line)?;
                if deed.what == What::Comment {
                    fields.push(("comments", text.clone()));
                }
                let fields: Vec<(&str, &str)> = fields
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                let person = ["abel.tuter", "beth.anglin"][line % 2];
                let mut servicenow = far_ends.servicenow.borrow_mut();
                servicenow
                    .update_incident(person, &id, &fields, now_ms)
                    .ok()?;
            }
        }
        if deed.side == Side::ServiceNow && matches!(deed.what, What::Resolve | What::Cancel) {
            self.ended.borrow_mut().insert(deed.incident);
        }
        if deed.what == What::Comment {
            self.said.borrow_mut().push(Said {
                incident: deed.incident,
                side: deed.side,
                text,
            });
        }
        if deed.what == What::Delete {
            self.count_as_deleted(deed.incident, deed.side);
        }
        Some(id)
    }

    /// The incident of a side that was opened by a line, or came of that.
    pub fn on(&self, side: Side, far_ends: &FarEnds, line: usize) -> Option<String> {
        let (born_in, id) = self.opened.borrow().get(&line).cloned()?;
        let on = match born_in == side {
            true => id.clone(),
            false => far_ends.counterparts(born_in, &id).into_iter().next()?,
        };
        if side == Side::Flashduty || !self.setup.replaces {
            return Some(on);
        }
        let incident = match born_in {
            Side::Flashduty => Some(id),
            Side::ServiceNow => far_ends.counterparts(born_in, &id).into_iter().next(),
        };
        let newest = incident.and_then(|incident| far_ends.records_of(&incident).pop());
        Some(newest.unwrap_or(on))
    }

    fn button(&self, far_ends: &FarEnds, line: usize) -> Option<Action> {
        let integrations = self.integrations.borrow();
        let button = far_ends.buttons.get(*integrations.get(&line)?)?;
        Some(Action::CustomAction {
            integration_id: *button,
        })
    }

    fn merge(
        &self,
        far_ends: &FarEnds,
        line: usize,
        deed: &Deed,
        source: &str,
        into: usize,
    ) -> Option<String> {
        let target = self.on(Side::Flashduty, far_ends, into)?;
        if target == source {
            return None;
        }
        let remove = line.is_multiple_of(4);
        let merge = Action::Merge(Merge {
            source_incident_ids: vec![source.to_owned()],
            remove_source_incidents: remove,
            ..Merge::default()
        });
        let now_ms = far_ends.now_ms(Side::Flashduty);
        let mut flashduty = far_ends.flashduty.borrow_mut();
        let title = flashduty.incident(&target)?.title.clone();
        flashduty
            .act(flashduty::ANA, &target, &merge, now_ms)
            .ok()?;
        let mut merged = self.merged.borrow_mut();
        merged.entry(deed.incident).or_default().insert(title);
        if remove {
            self.count_as_deleted(deed.incident, Side::Flashduty);
        }
        Some(format!("{source} into {target}"))
    }

    fn count_as_deleted(&self, line: usize, side: Side) {
        let mut deleted = self.deleted.borrow_mut();
        *deleted.entry((line, side)).or_default() += 1;
    }
}

impl Sent {
    /// What whoever sends is told.
    pub fn of(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match (status, body["status"].as_str()) {
            (200, Some("synced")) => Self::Synced,
            (200, _) => Self::Accepted,
            _ => Self::Perhaps,
        }
    }
}

fn action(what: What, line: usize, text: &str) -> Option<Action> {
    Some(match what {
        What::Title => Action::Reset(Reset {
            title: Some(format!("Flashduty's title {line}")),
            ..Reset::default()
        }),
        What::Description => Action::Reset(Reset {
            description: Some(format!("Flashduty's description {line}")),
            ..Reset::default()
        }),
        What::Severity(grade) => Action::Reset(Reset {
            incident_severity: Severity::ALL.get(usize::from(grade)).copied(),
            ..Reset::default()
        }),
        What::Comment => Action::Comment {
            comment: text.to_owned(),
            mute_reply: false,
        },
        What::Take => Action::Acknowledge,
        What::GiveBack => Action::Unacknowledge,
        What::Hold(minutes) => Action::Snooze {
            minutes: i64::from(minutes),
        },
        What::Wake => Action::Wake,
        What::Resolve => Action::Resolve {
            root_cause: None,
            resolution: Some(format!("resolution {line}")),
        },
        What::Reopen => Action::Reopen {
            reason: format!("reason {line}"),
        },
        What::Assign => Action::Assign(Assignment {
            person_ids: vec![flashduty::BO],
            ..Assignment::default()
        }),
        What::Delete => Action::Remove,
        What::Open
        | What::Alert
        | What::WorkNote
        | What::Cancel
        | What::Merge(_)
        | What::Unlink
        | What::Link
        | What::Send => return None,
    })
}

/// Whoever writes a new description leaves alone what the integration has put
/// below the old one.
fn keep_signature(old: &str, action: &mut Action) {
    if let Action::Reset(reset) = action
        && let Some(new) = &mut reset.description
        && let Some(signature) = old.lines().rfind(|line| line.contains("[snow:"))
    {
        new.push_str("\n\n");
        new.push_str(signature);
    }
}

fn columns(what: What, line: usize) -> Option<Vec<(&'static str, String)>> {
    let state = |state: &str| vec![("state", state.to_owned())];
    Some(match what {
        What::Title => vec![("short_description", format!("ServiceNow's title {line}"))],
        What::Description => vec![("description", format!("ServiceNow's description {line}"))],
        What::Severity(grade) => vec![("urgency", (grade + 1).to_string())],
        What::Comment => Vec::new(),
        What::WorkNote => vec![("work_notes", format!("for agents only {line}"))],
        What::Take | What::Wake | What::Reopen => state("2"),
        What::GiveBack => state("1"),
        What::Hold(_) => vec![("state", "3".to_owned()), ("hold_reason", "4".to_owned())],
        What::Resolve => vec![
            ("state", "6".to_owned()),
            ("close_code", "Solution provided".to_owned()),
            ("close_notes", format!("resolution {line}")),
        ],
        What::Cancel => state("8"),
        What::Open
        | What::Alert
        | What::Assign
        | What::Merge(_)
        | What::Delete
        | What::Unlink
        | What::Link
        | What::Send => return None,
    })
}

impl FarEnds {
    /// The incidents on the other side that were made for this one.
    pub fn counterparts(&self, born_in: Side, id: &str) -> Vec<String> {
        let mut all = self.all_counterparts(born_in);
        all.remove(id).unwrap_or_default()
    }

    /// The incidents of a side for which there are others on the other side, with
    /// those.
    pub fn all_counterparts(&self, born_in: Side) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |id: &str, other: &str| {
            all.entry(id.to_owned()).or_default().push(other.to_owned());
        };
        match born_in {
            Side::Flashduty => {
                for record in self.servicenow.borrow().incidents() {
                    if let Some((incident, _)) = correlated(record)
                        && let Some(sys_id) = record.get("sys_id")
                    {
                        add(incident, sys_id);
                    }
                }
            }
            Side::ServiceNow => {
                for incident in self.flashduty.borrow().incidents() {
                    let signatures = incident.description.split("[snow:").skip(1);
                    for sys_id in signatures.filter_map(|rest| rest.split(']').next()) {
                        add(sys_id, &incident.incident_id);
                    }
                }
            }
        }
        all
    }

    /// The records of an incident that took each other's place, in that order.
    pub fn records_of(&self, incident: &str) -> Vec<String> {
        let servicenow = self.servicenow.borrow();
        let records = servicenow.incidents();
        let of_it = records.filter_map(|record| {
            let (_, generation) = correlated(record).filter(|(id, _)| *id == incident)?;
            Some((generation, record.get("sys_id")?.clone()))
        });
        let mut of_it: Vec<(u32, String)> = of_it.collect();
        of_it.sort();
        of_it.into_iter().map(|(_, sys_id)| sys_id).collect()
    }
}

/// The incident of Flashduty that a record belongs to, and whose place it took: 0
/// is the first.
pub(crate) fn correlated(record: &Record) -> Option<(&str, u32)> {
    let mut parts = record.get("correlation_id")?.split(':');
    let is_ours = parts.next() == Some("flashduty") && parts.next().is_some();
    let incident = parts.next().filter(|_| is_ours)?;
    let generation = parts.next().and_then(|number| number.parse().ok());
    Some((incident, generation.unwrap_or_default()))
}
