//! People and monitoring on both sides: a script that follows from the seed.
//!
//! Each line of the script is a decision of its own, and names the incident by
//! the line that opened it. So lines can be left out, and the others still mean
//! the same.

use crate::chance::Chance;
use crate::far_ends::FarEnds;
use crate::far_ends::Side;
use crate::stage::Stage;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::Assignment;
use simulators::flashduty::NewIncident;
use simulators::flashduty::Reset;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The integration of all runs.
pub const INTEGRATION: &str = "sim";

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
            what: what(&mut chance),
        });
    }
    deeds
}

fn what(chance: &mut Chance) -> What {
    let kinds = [16, 10, 12, 24, 3, 12, 3, 4, 3, 8, 7, 1, 2];
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
        _ => What::Assign,
    }
}

/// Who knows which incidents are which, and what was said.
#[derive(Default)]
pub struct People {
    /// The incidents that were opened, by line: where, and as what.
    opened: RefCell<BTreeMap<usize, (Side, String)>>,
    said: RefCell<Vec<Said>>,
}

impl People {
    /// The incidents that were opened: where, and as what.
    pub fn opened(&self) -> BTreeMap<usize, (Side, String)> {
        self.opened.borrow().clone()
    }

    /// What was said.
    pub fn said(&self) -> Vec<Said> {
        self.said.borrow().clone()
    }

    /// Does it, if it can be done. True if it was.
    pub fn act(&self, stage: &Stage, far_ends: &FarEnds, line: usize, deed: &Deed) -> bool {
        let done = match deed.what {
            What::Open | What::Alert => self.open(stage, far_ends, line, deed),
            _ => self.change(stage, far_ends, line, deed),
        };
        if let Some(how) = &done {
            stage.note(format_args!(
                "{:?}: {:?} #{} {how}",
                deed.side, deed.what, deed.incident
            ));
        }
        done.is_some()
    }

    fn open(&self, stage: &Stage, far_ends: &FarEnds, line: usize, deed: &Deed) -> Option<String> {
        let now_ms = stage.unix_ms();
        let title = format!("incident {line}");
        let id = match (deed.side, deed.what) {
            (Side::Flashduty, What::Alert) => {
                let status = [Status::Info, Status::Warning, Status::Critical][line % 3];
                let event = AlertEvent::new(&title, &title, status).label("service", "checkout");
                let mut flashduty = far_ends.flashduty.borrow_mut();
                let pushed = flashduty.push_alert(flashduty::PAYMENTS, event, now_ms);
                pushed.ok()?.incident_id?
            }
            (Side::Flashduty, _) => {
                let severity = *Severity::ALL.get(line % 3)?;
                let mut new = NewIncident::new(&title, severity, flashduty::PAYMENTS);
                new.description = format!("description of {line}");
                let mut flashduty = far_ends.flashduty.borrow_mut();
                flashduty.create(flashduty::ANA, new, now_ms).ok()?
            }
            (Side::ServiceNow, _) => {
                let grade = ["1", "2", "3"][line % 3];
                let description = format!("description of {line}");
                let fields = [
                    ("short_description", title.as_str()),
                    ("description", &description),
                    ("impact", grade),
                    ("urgency", grade),
                ];
                let mut servicenow = far_ends.servicenow.borrow_mut();
                servicenow
                    .create_incident("abel.tuter", &fields, now_ms)
                    .ok()?
            }
        };
        let how = id.clone();
        self.opened.borrow_mut().insert(line, (deed.side, id));
        Some(how)
    }

    fn change(
        &self,
        stage: &Stage,
        far_ends: &FarEnds,
        line: usize,
        deed: &Deed,
    ) -> Option<String> {
        let (born_in, id) = self.opened.borrow().get(&deed.incident).cloned()?;
        let id = match born_in == deed.side {
            true => id,
            false => far_ends.counterparts(born_in, &id).into_iter().next()?,
        };
        let text = format!("{:?} says {line}.", deed.side);
        let now_ms = stage.unix_ms();
        match deed.side {
            Side::Flashduty => {
                let mut action = action(deed.what, line, &text)?;
                let person = [flashduty::ANA, flashduty::BO][line % 2];
                let mut flashduty = far_ends.flashduty.borrow_mut();
                let incident = flashduty.incident(&id)?;
                keep_signature(&incident.description, &mut action);
                flashduty.act(person, &id, &action, now_ms).ok()?;
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
        if deed.what == What::Comment {
            self.said.borrow_mut().push(Said {
                incident: deed.incident,
                side: deed.side,
                text,
            });
        }
        Some(id)
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
        What::Open | What::Alert | What::WorkNote | What::Cancel => return None,
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
        What::Open | What::Alert | What::Assign => return None,
    })
}

impl FarEnds {
    /// The incidents on the other side that were made for this one.
    pub fn counterparts(&self, born_in: Side, id: &str) -> Vec<String> {
        match born_in {
            Side::Flashduty => {
                let correlation = format!("flashduty:{INTEGRATION}:{id}");
                let servicenow = self.servicenow.borrow();
                let records = servicenow.incidents();
                let named = records.filter(|r| {
                    r.get("correlation_id").is_some_and(|held| {
                        let rest = held.strip_prefix(&correlation);
                        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                    })
                });
                named.filter_map(|r| r.get("sys_id").cloned()).collect()
            }
            Side::ServiceNow => {
                let signature = format!("[snow:{id}]");
                let flashduty = self.flashduty.borrow();
                let signed = flashduty
                    .incidents()
                    .filter(|i| i.description.contains(&signature));
                signed.map(|i| i.incident_id.clone()).collect()
            }
        }
    }
}
