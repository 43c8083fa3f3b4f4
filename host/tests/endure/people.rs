//! People and monitoring at work in both systems, who remember what they did.

use crate::systems::Heard;
use crate::systems::Systems;
use fastrand::Rng;
use simulators::flashduty::ANA;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::Incident;
use simulators::flashduty::PAYMENTS;
use simulators::flashduty::Progress;
use simulators::flashduty::Reset;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use simulators::servicenow::Record;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

const COMMENT_IN_FLASHDUTY: u8 = 0;
const COMMENT_IN_SERVICENOW: u8 = 1;

/// People who do one thing after another.
pub(crate) struct People {
    random: Rng,
    cases: Vec<Case>,
    changes: usize,
}

/// An incident, and what people want to see of it on both sides in the end.
///
/// What it is to hold is known, for each field is changed on one side only, and
/// so that it also wins where the gateway finds both for the first time: the
/// title where the incident was opened, the urgency is raised in ServiceNow, and
/// is acknowledged in Flashduty before it is resolved in ServiceNow.
struct Case {
    /// How its title begins on both sides, as no other one's does.
    name: String,
    incident: Option<String>,
    sys_id: Option<String>,
    /// The side that it was opened on, and when, as of all that follows, in Unix
    /// milliseconds.
    opened: (Side, u64),
    title: String,
    renamed: Option<u64>,
    acknowledged: Option<u64>,
    raised: Option<u64>,
    resolved: Option<u64>,
    comments: Vec<Comment>,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Flashduty,
    ServiceNow,
}

struct Comment {
    text: String,
    on: Side,
    at_ms: u64,
}

/// What is not as it should be.
struct Difference {
    what: String,
    /// Whether a webhook that tells of it was acknowledged.
    is_heard: bool,
}

/// What both systems hold in the end, compared with what people did.
#[derive(Default)]
pub(crate) struct Report {
    /// An incident, or a comment, that is there more than once.
    pub(crate) doubled: Vec<String>,
    /// What is not on the other side although a webhook that tells of it was
    /// acknowledged; or was changed where people had changed it.
    pub(crate) lost: Vec<String>,
    /// What is not on the other side, where no such webhook arrived.
    pub(crate) unheard: Vec<(usize, String)>,
    /// What is not on the other side yet, and known to be work that waits.
    waiting: usize,
    incidents: usize,
    changes: usize,
    comments: usize,
    acknowledged: usize,
    failed: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} changes on {} incidents, {} comments, {} webhooks acknowledged ({} of Flashduty's \
             not); {} lost, {} doubled, {} incidents still wait for an answer that was lost, of {} no \
             webhook arrived since the last change",
            self.changes,
            self.incidents,
            self.comments,
            self.acknowledged,
            self.failed,
            self.lost.len(),
            self.doubled.len(),
            self.waiting,
            self.unheard.len(),
        )
    }
}

impl Report {
    /// Nothing is doubled, and nothing lost that was acknowledged.
    pub(crate) fn assert_good(&self) {
        let Self { doubled, lost, .. } = self;
        assert!(
            doubled.is_empty() && lost.is_empty(),
            "{doubled:#?} {lost:#?}"
        );
    }

    /// Both sides are equal besides.
    pub(crate) fn assert_perfect(&self) {
        self.assert_good();
        assert!(self.unheard.is_empty(), "{:#?}", self.unheard);
    }
}

impl People {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            cases: Vec::new(),
            changes: 0,
        }
    }

    /// How many things they have done.
    pub(crate) fn changes(&self) -> usize {
        self.changes
    }

    /// Somebody does something.
    pub(crate) fn act(&mut self, systems: &Systems) {
        if self.cases.is_empty() || self.random.u8(..8) == 0 {
            let number = self.cases.len();
            let case = match self.random.u8(..3) {
                0 => Case::opened_in_servicenow(systems, number),
                _ => Case::opened_in_flashduty(systems, number),
            };
            self.cases.push(case);
        } else {
            // Mostly of late ones, so that changes meet creations.
            let number = self.cases.len();
            let reach = self.random.usize(1..=number.min(40));
            let case = &mut self.cases[number - reach];
            case.find(systems);
            let text = format!("note {} by somebody", self.changes);
            if !case.change(systems, self.random.u8(..8), &text) {
                return;
            }
        }
        self.changes += 1;
    }

    /// Comments on both sides of what no webhook told of.
    pub(crate) fn make_up_for(&mut self, report: &Report, systems: &Systems) {
        for (number, _) in &report.unheard {
            let case = &mut self.cases[*number];
            case.find(systems);
            for kind in [COMMENT_IN_FLASHDUTY, COMMENT_IN_SERVICENOW] {
                let text = format!("note {} by somebody", self.changes);
                self.changes += usize::from(case.change(systems, kind, &text));
            }
        }
    }

    /// Compares both systems with what was done. `waiting` are the keys of the
    /// work that is still to be done.
    pub(crate) fn report(&mut self, systems: &mut Systems, waiting: &BTreeSet<String>) -> Report {
        let (heard, acknowledged, failed) = systems.heard();
        let mut report = Report {
            incidents: self.cases.len(),
            changes: self.changes,
            comments: self.cases.iter().map(|case| case.comments.len()).sum(),
            acknowledged,
            failed,
            ..Report::default()
        };
        let flashduty = systems.flashduty.simulator();
        let servicenow = systems.servicenow.simulator();
        let mut incidents = BTreeMap::<&str, Vec<&Incident>>::new();
        for incident in flashduty.incidents() {
            incidents
                .entry(name_of(&incident.title))
                .or_default()
                .push(incident);
        }
        let mut records = BTreeMap::<&str, Vec<&Record>>::new();
        for record in servicenow.incidents() {
            records
                .entry(name_of(value(record, "short_description")))
                .or_default()
                .push(record);
        }
        for (number, case) in self.cases.iter().enumerate() {
            let incidents = incidents
                .get(case.name.as_str())
                .map_or(&[][..], Vec::as_slice);
            let records = records
                .get(case.name.as_str())
                .map_or(&[][..], Vec::as_slice);
            let many = |count: usize, what: &str| format!("{}: {count} {what}", case.name);
            if incidents.len() > 1 {
                report
                    .doubled
                    .push(many(incidents.len(), "incidents in Flashduty"));
            }
            if records.len() > 1 {
                report
                    .doubled
                    .push(many(records.len(), "records in ServiceNow"));
            }
            let ids = incidents
                .iter()
                .map(|incident| incident.incident_id.as_str());
            let ids = ids.chain(records.iter().map(|record| value(record, "sys_id")));
            let of = |side: Side| {
                let id = match side {
                    Side::Flashduty => incidents.first().map(|i| i.incident_id.as_str()),
                    Side::ServiceNow => records.first().map(|record| value(record, "sys_id")),
                };
                let heard = id.and_then(|id| heard.get(id));
                heard.copied().unwrap_or_default()
            };
            let mut differences = Vec::new();
            match (incidents.first(), records.first()) {
                (Some(incident), Some(record)) => {
                    let notes = servicenow.journal(value(record, "sys_id"));
                    let notes: Vec<_> = notes.into_iter().map(|entry| entry.value).collect();
                    let (missing, doubled) = case.comments(&of, incident, &notes);
                    differences.extend(missing);
                    report.doubled.extend(doubled);
                    differences.extend(case.fields(&of, incident, record));
                }
                _ => differences.push(Difference {
                    what: "it is on one side only".to_owned(),
                    is_heard: of(case.opened.0).any > case.opened.1,
                }),
            }
            if differences.is_empty() {
                continue;
            }
            let mut keys = waiting.iter();
            if keys.any(|key| ids.clone().any(|id| key.ends_with(id))) {
                report.waiting += 1;
                continue;
            }
            for Difference { what, is_heard } in differences {
                let what = format!("{}: {what}", case.name);
                match is_heard {
                    true => report.lost.push(what),
                    false => report.unheard.push((number, what)),
                }
            }
        }
        let strangers = (flashduty.incidents().count() + servicenow.incidents().count())
            .saturating_sub(2 * self.cases.len());
        if strangers > 0 && report.doubled.is_empty() {
            report
                .doubled
                .push(format!("{strangers} records that nobody opened"));
        }
        report
    }
}

impl Case {
    fn new(number: usize, side: Side) -> Self {
        let name = format!("case {number}");
        Self {
            title: format!("{name}: disk full"),
            name,
            incident: None,
            sys_id: None,
            opened: (side, 0),
            renamed: None,
            acknowledged: None,
            raised: None,
            resolved: None,
            comments: Vec::new(),
        }
    }

    fn opened_in_flashduty(systems: &Systems, number: usize) -> Self {
        let mut case = Self::new(number, Side::Flashduty);
        let event = AlertEvent::new(&case.name, &case.title, Status::Warning);
        systems.flashduty.poke(|f, now_ms| {
            case.incident = f.push_alert(PAYMENTS, event, now_ms).unwrap().incident_id;
            case.opened.1 = now_ms;
        });
        case
    }

    fn opened_in_servicenow(systems: &Systems, number: usize) -> Self {
        let mut case = Self::new(number, Side::ServiceNow);
        let title = case.title.clone();
        let fields = [
            ("short_description", title.as_str()),
            ("urgency", "2"),
            ("impact", "2"),
        ];
        systems.servicenow.poke(|s, now_ms| {
            case.sys_id = Some(s.create_incident("abel.tuter", &fields, now_ms).unwrap());
            case.opened.1 = now_ms;
        });
        case
    }

    /// Looks for it on the side where it was not opened.
    fn find(&mut self, systems: &Systems) {
        if self.incident.is_none() {
            let flashduty = systems.flashduty.simulator();
            let mut incidents = flashduty.incidents();
            let found = incidents.find(|incident| name_of(&incident.title) == self.name);
            self.incident = found.map(|incident| incident.incident_id.clone());
        }
        if self.sys_id.is_none() {
            let servicenow = systems.servicenow.simulator();
            let mut records = servicenow.incidents();
            let found =
                records.find(|record| name_of(value(record, "short_description")) == self.name);
            self.sys_id = found.map(|record| value(record, "sys_id").to_owned());
        }
    }

    /// Changes it in one of some ways, if that can be done now.
    fn change(&mut self, systems: &Systems, kind: u8, text: &str) -> bool {
        let is_open = self.resolved.is_none();
        let done = match kind {
            COMMENT_IN_FLASHDUTY | 2 => {
                let action = Action::Comment {
                    comment: text.to_owned(),
                    mute_reply: false,
                };
                let at_ms = self.in_flashduty(systems, &action);
                self.comments.extend(at_ms.map(|at_ms| Comment {
                    text: text.to_owned(),
                    on: Side::Flashduty,
                    at_ms,
                }));
                at_ms
            }
            COMMENT_IN_SERVICENOW | 3 => {
                let at_ms = self.in_servicenow(systems, &[("comments", text)]);
                self.comments.extend(at_ms.map(|at_ms| Comment {
                    text: text.to_owned(),
                    on: Side::ServiceNow,
                    at_ms,
                }));
                at_ms
            }
            // Once: a pair whose fields are written back and forth is held up.
            4 if self.renamed.is_none() => {
                let title = format!("{}: {text}", self.name);
                let reset = Reset {
                    title: Some(title.clone()),
                    ..Reset::default()
                };
                self.renamed = match self.opened.0 {
                    Side::Flashduty => self.in_flashduty(systems, &Action::Reset(reset)),
                    Side::ServiceNow => {
                        self.in_servicenow(systems, &[("short_description", &title)])
                    }
                };
                if self.renamed.is_some() {
                    self.title = title;
                }
                self.renamed
            }
            5 if self.acknowledged.is_none() && is_open => {
                self.acknowledged = self.in_flashduty(systems, &Action::Acknowledge);
                self.acknowledged
            }
            6 if self.raised.is_none() => {
                self.raised = self.in_servicenow(systems, &[("urgency", "1")]);
                self.raised
            }
            7 if is_open && self.is_in_step(systems) => {
                let resolved = [
                    ("state", "6"),
                    ("close_code", "Solution provided"),
                    ("close_notes", "Cleaned up"),
                ];
                self.resolved = self.in_servicenow(systems, &resolved);
                self.resolved
            }
            _ => None,
        };
        done.is_some()
    }

    /// Whether it may be resolved. What is over before the other system has heard
    /// of it is not created there; and nothing guards a field that people change
    /// on both sides within the same second.
    fn is_in_step(&self, systems: &Systems) -> bool {
        let servicenow = systems.servicenow.simulator();
        let record = self
            .sys_id
            .as_deref()
            .and_then(|sys_id| servicenow.incident(sys_id));
        let expected = if self.acknowledged.is_some() {
            "2"
        } else {
            "1"
        };
        self.incident.is_some() && record.is_some_and(|record| value(record, "state") == expected)
    }

    /// When it was done, if it was.
    fn in_flashduty(&self, systems: &Systems, action: &Action) -> Option<u64> {
        let incident = self.incident.as_deref()?;
        systems.flashduty.poke(|f, now_ms| {
            let done = f.act(ANA, incident, action, now_ms);
            done.is_ok().then_some(now_ms)
        })
    }

    fn in_servicenow(&self, systems: &Systems, fields: &[(&str, &str)]) -> Option<u64> {
        let sys_id = self.sys_id.as_deref()?;
        systems.servicenow.poke(|s, now_ms| {
            let done = s.update_incident("beth.anglin", sys_id, fields, now_ms);
            done.is_ok().then_some(now_ms)
        })
    }

    /// Which comments are not on the other side, or more than once.
    fn comments(
        &self,
        heard: &impl Fn(Side) -> Heard,
        incident: &Incident,
        notes: &[String],
    ) -> (Vec<Difference>, Vec<String>) {
        let comments = incident.timeline.iter();
        let comments: Vec<_> = comments
            .filter_map(|entry| entry.detail["comment"].as_str().map(str::to_owned))
            .collect();
        let (mut missing, mut doubled) = (Vec::new(), Vec::new());
        for Comment { text, on, at_ms } in &self.comments {
            let there: &[String] = match on {
                Side::Flashduty => notes,
                Side::ServiceNow => &comments,
            };
            match there.iter().filter(|note| note.contains(text)).count() {
                0 => missing.push(Difference {
                    what: format!("{text:?} is not on the other side"),
                    is_heard: heard(*on).comment > *at_ms,
                }),
                1 => {}
                count => doubled.push(format!("{}: {text:?} {count} times", self.name)),
            }
        }
        (missing, doubled)
    }

    /// What both sides hold other than expected.
    fn fields(
        &self,
        heard: &impl Fn(Side) -> Heard,
        incident: &Incident,
        record: &Record,
    ) -> Vec<Difference> {
        use Side::Flashduty;
        use Side::ServiceNow;
        // Where nobody changed it, nothing is to be heard of first.
        let is_heard =
            |side: Side, since: Option<u64>| since.is_none_or(|at_ms| heard(side).any > at_ms);
        let (state, progress, changed) = match (self.resolved, self.acknowledged) {
            (Some(_), _) => ("6", Progress::Closed, ServiceNow),
            (None, Some(_)) => ("2", Progress::Processing, Flashduty),
            (None, None) => ("1", Progress::Triggered, Flashduty),
        };
        let (urgency, severity) = match self.raised {
            None => ("2", Severity::Warning),
            Some(_) => ("1", Severity::Critical),
        };
        let since = self.resolved.or(self.acknowledged);
        let title = self.title.as_str();
        let in_flashduty = [
            (title, incident.title.as_str(), self.opened.0, self.renamed),
            (
                severity.as_str(),
                incident.severity.as_str(),
                ServiceNow,
                self.raised,
            ),
            (
                progress.as_str(),
                incident.progress.as_str(),
                changed,
                since,
            ),
        ];
        let in_servicenow = [
            (
                title,
                value(record, "short_description"),
                self.opened.0,
                self.renamed,
            ),
            (urgency, value(record, "urgency"), ServiceNow, self.raised),
            (state, value(record, "state"), changed, since),
        ];
        let mut differences = Vec::new();
        for (there, fields) in [(Flashduty, in_flashduty), (ServiceNow, in_servicenow)] {
            for (expected, found, changed, since) in fields {
                if expected != found {
                    let where_ = match there {
                        Flashduty => "Flashduty",
                        ServiceNow => "ServiceNow",
                    };
                    differences.push(Difference {
                        what: format!("{where_} has {found:?} instead of {expected:?}"),
                        // What people wrote must stay where they wrote it.
                        is_heard: there == changed || is_heard(changed, since),
                    });
                }
            }
        }
        differences
    }
}

/// `case 7` of `case 7: disk full`.
fn name_of(title: &str) -> &str {
    title.split(':').next().unwrap_or_default()
}

fn value<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).map_or("", String::as_str)
}
