//! The decision: what each side must be told, and why.
//!
//! Pure. In go the configuration, what both sides last agreed on, and what
//! they hold now; out come the changes for each side, the agreement that
//! holds once they are made, and a decision for every field that moved.
//!
//! Each field is merged three ways. A side has *moved* if it holds something
//! else than it did at the last agreement. If one side moved, the other
//! follows; if both moved to the same, only the agreement moves; if they moved
//! apart, the field's preference decides. A value that has no counterpart, or
//! that the other side cannot take, is left alone and the decision says so;
//! it is not tried again until a side moves.

use crate::configuration::Direction;
use crate::configuration::Integration;
use crate::flashduty;
use crate::flashduty::Incident;
use crate::flashduty::Step;
use crate::pair::Agreed;
use crate::pair::Base;
use crate::servicenow;
use crate::servicenow::Body;
use crate::servicenow::Columns;
use crate::servicenow::Record;
use crate::severity;
use crate::severity::Grade;
use crate::severity::Severity;
use crate::state::Progress;
use crate::state::State;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;

/// What Flashduty holds, in the terms of the plan. A field that is absent is
/// not known and counts as unmoved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlashdutyView {
    /// The title, on one line.
    pub title: Option<String>,
    /// The description, without this product's own signature.
    pub description: Option<String>,
    /// The severity.
    pub severity: Option<Severity>,
    /// Where it stands.
    pub progress: Option<Progress>,
    /// Where it would stand were it not snoozed.
    pub awake: Option<Progress>,
    /// What was done about it, and its cause; may be empty.
    pub notes: String,
}

impl FlashdutyView {
    /// What an incident shows at `now_ms`. `signature` is what this product
    /// writes under descriptions of incidents that it creates.
    pub fn new(incident: &Incident, signature: Option<&str>, now_ms: u64) -> Self {
        let mut description = text::normal(&incident.description);
        if let Some(at) = signature.and_then(|signature| description.find(signature)) {
            description.truncate(at);
        }
        let root_cause = text::normal(&incident.root_cause);
        let notes = match (text::normal(&incident.resolution), root_cause) {
            (resolution, cause) if cause.is_empty() => resolution,
            (resolution, cause) => format!("{resolution}\n\nRoot cause: {cause}").trim().into(),
        };
        Self {
            title: Some(text::single_line(&incident.title)),
            description: Some(description.trim_end().into()),
            severity: incident.severity(),
            progress: incident.progress(now_ms),
            awake: incident.progress(u64::MAX),
            notes,
        }
    }
}

/// What ServiceNow holds, in the terms of the plan. A field that is absent is
/// not known and counts as unmoved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceNowView {
    /// The short description, on one line.
    pub title: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// Impact and urgency.
    pub grade: Option<Grade>,
    /// Where it stands.
    pub state: Option<State>,
    /// How it was resolved; may be empty.
    pub notes: String,
}

impl From<&Record> for ServiceNowView {
    fn from(record: &Record) -> Self {
        let grade = record.impact().zip(record.urgency());
        Self {
            title: Some(text::single_line(record.raw("short_description"))),
            description: Some(text::normal(record.raw("description"))),
            grade: grade.map(|(impact, urgency)| Grade { impact, urgency }),
            state: record.state(),
            notes: text::normal(record.raw("close_notes")),
        }
    }
}

impl From<&Body> for ServiceNowView {
    fn from(body: &Body) -> Self {
        let step = |label: &Option<String>| label.as_deref().and_then(severity::Step::parse);
        Self {
            title: body.short_description.as_deref().map(text::single_line),
            description: body.description.as_deref().map(text::normal),
            // Only the urgency moves a severity; the impact is along for the ride.
            grade: step(&body.urgency).map(|urgency| Grade {
                impact: step(&body.impact).unwrap_or(urgency),
                urgency,
            }),
            state: body.state.as_deref().and_then(State::parse),
            notes: String::new(),
        }
    }
}

/// What happens to a field that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Flashduty's value goes to ServiceNow.
    ToServicenow,
    /// ServiceNow's value goes to Flashduty.
    ToFlashduty,
    /// Both sides hold the same already.
    InStep,
    /// The other side is left as it is.
    Kept,
}

/// Why a field that moved was or was not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// `title`, `description`, `severity` or `state`.
    pub field: &'static str,
    /// What happens.
    pub outcome: Outcome,
    /// What Flashduty holds.
    pub flashduty: String,
    /// What ServiceNow holds.
    pub servicenow: String,
    /// The rule that decided.
    pub why: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            outcome,
            flashduty,
            servicenow,
            why,
        } = self;
        match outcome {
            Outcome::ToServicenow => {
                write!(
                    f,
                    "{field}: {flashduty} -> {servicenow} in ServiceNow ({why})"
                )
            }
            Outcome::ToFlashduty => {
                write!(
                    f,
                    "{field}: {servicenow} -> {flashduty} in Flashduty ({why})"
                )
            }
            Outcome::InStep => write!(f, "{field}: in step ({why})"),
            Outcome::Kept => write!(
                f,
                "{field}: {flashduty} in Flashduty, {servicenow} in ServiceNow; kept ({why})"
            ),
        }
    }
}

/// What to do to bring both sides in step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One decision for each field that moved.
    pub decisions: Vec<Decision>,
    /// ServiceNow columns to write; empty for none.
    pub columns: Columns,
    /// Steps to take in Flashduty, in order.
    pub steps: Vec<Step>,
    /// What both sides agree on once that is done.
    pub base: Base,
}

/// What the plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The rules.
    pub integration: &'a Integration,
    /// What both sides last agreed on.
    pub base: &'a Base,
    /// What Flashduty holds now, if that was read.
    pub flashduty: Option<&'a FlashdutyView>,
    /// What ServiceNow holds now, if that was read.
    pub servicenow: Option<&'a ServiceNowView>,
    /// Written under descriptions in Flashduty.
    pub signature: Option<&'a str>,
    /// Whether the pair was born in ServiceNow, whose title and description
    /// then win where both sides moved apart.
    pub born_in_servicenow: bool,
}

/// Decides.
pub fn plan(situation: Situation<'_>) -> Plan {
    let Situation {
        integration,
        base,
        signature,
        ..
    } = situation;
    let nothing = (FlashdutyView::default(), ServiceNowView::default());
    let flashduty = situation.flashduty.unwrap_or(&nothing.0);
    let servicenow = situation.servicenow.unwrap_or(&nothing.1);
    let map = &integration.severity;
    let birth_side = |_: &String, _: &String| match situation.born_in_servicenow {
        true => (Side::ServiceNow, "ServiceNow, where it was born, wins"),
        false => (Side::Flashduty, "Flashduty, where it was born, wins"),
    };
    let mut plan = Plan::default();
    let mut merge = Merge {
        direction: integration.direction,
        decisions: &mut plan.decisions,
    };

    let title = merge.field(&Field {
        name: "title",
        base: &base.title,
        flashduty: flashduty.title.as_ref(),
        servicenow: servicenow.title.as_ref(),
        same: &|a, b| a == b,
        to_servicenow: &|title, _| Ok(text::cut(title, servicenow::SHORT_DESCRIPTION)),
        to_flashduty: &|title| fit(title, flashduty::TITLE, 0),
        prefer: &birth_side,
        show_flashduty: &quoted,
        show_servicenow: &quoted,
    });
    let signature_length = signature.map_or(0, |s| s.chars().count() + 2);
    let description = merge.field(&Field {
        name: "description",
        base: &base.description,
        flashduty: flashduty.description.as_ref(),
        servicenow: servicenow.description.as_ref(),
        same: &|a, b| a == b,
        to_servicenow: &|text, _| Ok(text::cut(text, servicenow::DESCRIPTION)),
        to_flashduty: &|text| fit(text, flashduty::DESCRIPTION, signature_length),
        prefer: &birth_side,
        show_flashduty: &quoted,
        show_servicenow: &quoted,
    });
    let severity = merge.field(&Field {
        name: "severity",
        base: &base.severity,
        flashduty: flashduty.severity.as_ref(),
        servicenow: servicenow.grade.as_ref(),
        same: &|a: &Grade, b: &Grade| a.urgency == b.urgency,
        to_servicenow: &|severity, _| Ok(map.grade(*severity)),
        to_flashduty: &|grade| {
            let urgency = grade.urgency.value();
            map.severity(grade.urgency)
                .ok_or_else(|| format!("no severity has urgency {urgency}"))
        },
        prefer: &|severity, grade| match map.severity(grade.urgency) {
            Some(theirs) if theirs > *severity => (Side::ServiceNow, "the graver wins"),
            _ => (Side::Flashduty, "the graver wins"),
        },
        show_flashduty: &|severity| severity.as_str().into(),
        show_servicenow: &|grade| {
            format!(
                "impact {} urgency {}",
                grade.impact.value(),
                grade.urgency.value()
            )
        },
    });
    let state = merge.field(&Field {
        name: "state",
        base: &base.state,
        flashduty: flashduty.progress.as_ref(),
        servicenow: servicenow.state.as_ref(),
        same: &|a: &State, b: &State| a.progress() == b.progress(),
        to_servicenow: &|progress, state| {
            let state = state.copied().unwrap_or(State::New);
            let label = state.label();
            state
                .towards(*progress)
                .ok_or_else(|| format!("{label} is final in ServiceNow"))
        },
        to_flashduty: &|state| Ok(state.progress()),
        prefer: &|progress, state| match state.progress() > *progress {
            true => (Side::ServiceNow, "the one further along wins"),
            false => (Side::Flashduty, "the one further along wins"),
        },
        show_flashduty: &|progress| progress.as_str().into(),
        show_servicenow: &|state| state.label().into(),
    });

    write_columns(
        &mut plan.columns,
        integration,
        flashduty,
        servicenow,
        &Written {
            title: title.to_servicenow.as_ref(),
            description: description.to_servicenow.as_ref(),
            grade: severity.to_servicenow,
            state: state.to_servicenow,
        },
    );
    if title.to_flashduty.is_some()
        || description.to_flashduty.is_some()
        || severity.to_flashduty.is_some()
    {
        plan.steps.push(Step::Reset {
            title: title.to_flashduty,
            description: description.to_flashduty.map(|text| sign(&text, signature)),
            severity: severity.to_flashduty,
        });
    }
    if let Some(to) = state.to_flashduty {
        let from = flashduty
            .progress
            .or(base.state.flashduty)
            .unwrap_or(Progress::Triggered);
        plan.steps.extend(steps(
            from,
            flashduty.awake.unwrap_or(from),
            to,
            integration,
            servicenow,
        ));
    }
    plan.base = Base {
        title: title.agreed,
        description: description.agreed,
        severity: severity.agreed,
        state: state.agreed,
    };
    plan
}

/// Corrects the agreement by what a record holds after `columns` were written:
/// a column may have been dropped without a word. Only what was written is
/// taken over. Another field that differs is what a person changed since the
/// record was read, and has yet to be carried.
pub fn confirm(base: &mut Base, columns: &Columns, held: ServiceNowView) {
    if columns.contains_key("short_description") {
        base.title.servicenow = held.title;
    }
    if columns.contains_key("description") {
        base.description.servicenow = held.description;
    }
    if columns.contains_key("impact") || columns.contains_key("urgency") {
        base.severity.servicenow = held.grade;
    }
    if columns.contains_key("state") {
        base.state.servicenow = held.state.or(base.state.servicenow);
    }
}

/// Puts the signature under a description.
pub fn sign(description: &str, signature: Option<&str>) -> String {
    match signature {
        Some(signature) => format!("{description}\n\n{signature}").trim_start().into(),
        None => description.into(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Flashduty,
    ServiceNow,
}

/// What Flashduty's value becomes in a record that holds the second argument,
/// or why it cannot be there.
type ToServiceNow<'a, F, S> = &'a dyn Fn(&F, Option<&S>) -> Result<S, String>;

/// What ServiceNow's value becomes, or why Flashduty cannot take it.
type ToFlashduty<'a, F, S> = &'a dyn Fn(&S) -> Result<F, String>;

/// One field on both sides and how its values translate.
struct Field<'a, F, S> {
    name: &'static str,
    base: &'a Agreed<F, S>,
    flashduty: Option<&'a F>,
    servicenow: Option<&'a S>,
    /// Whether two values of ServiceNow mean the same to Flashduty.
    same: &'a dyn Fn(&S, &S) -> bool,
    to_servicenow: ToServiceNow<'a, F, S>,
    to_flashduty: ToFlashduty<'a, F, S>,
    /// Who wins where both moved apart, and by which rule.
    prefer: &'a dyn Fn(&F, &S) -> (Side, &'static str),
    show_flashduty: &'a dyn Fn(&F) -> String,
    show_servicenow: &'a dyn Fn(&S) -> String,
}

/// What becomes of a field.
struct Merged<F, S> {
    agreed: Agreed<F, S>,
    to_flashduty: Option<F>,
    to_servicenow: Option<S>,
}

struct Merge<'a> {
    direction: Direction,
    decisions: &'a mut Vec<Decision>,
}

impl Merge<'_> {
    fn field<F, S>(&mut self, field: &Field<'_, F, S>) -> Merged<F, S>
    where
        F: Clone + PartialEq,
        S: Clone + PartialEq,
    {
        let f = field.flashduty.or(field.base.flashduty.as_ref());
        let s = field.servicenow.or(field.base.servicenow.as_ref());
        let agreed = Agreed {
            flashduty: f.cloned(),
            servicenow: s.cloned(),
        };
        let kept = Merged {
            agreed,
            to_flashduty: None,
            to_servicenow: None,
        };
        let f_moved = field
            .flashduty
            .is_some_and(|f| field.base.flashduty.as_ref() != Some(f));
        let s_moved = field.servicenow.is_some_and(|now| {
            !field
                .base
                .servicenow
                .as_ref()
                .is_some_and(|base| (field.same)(base, now))
        });
        if !f_moved && !s_moved {
            return kept;
        }
        let show_f = |f: Option<&F>| f.map_or_else(|| "unknown".into(), field.show_flashduty);
        let show_s = |s: Option<&S>| s.map_or_else(|| "unknown".into(), field.show_servicenow);
        let mut decide = |outcome, f: Option<&F>, s: Option<&S>, why: String| {
            self.decisions.push(Decision {
                field: field.name,
                outcome,
                flashduty: show_f(f),
                servicenow: show_s(s),
                why,
            });
        };
        let to_s = f.map(|f| (field.to_servicenow)(f, s));
        let to_f = s.map(field.to_flashduty);
        let in_step = matches!((&to_s, s), (Some(Ok(to)), Some(s)) if to == s)
            || (s_moved && matches!((&to_f, f), (Some(Ok(to)), Some(f)) if to == f));
        if in_step {
            decide(Outcome::InStep, f, s, "both sides hold the same".into());
            return kept;
        }
        // A side that may not write cannot win, or the other one's change would
        // be lost with it.
        let f_sends = f_moved && self.direction.to_servicenow();
        let s_sends = s_moved && self.direction.from_servicenow();
        let (winner, why) = match (f_sends, s_sends, f, s) {
            (true, true, Some(f), Some(s)) => {
                let (side, rule) = (field.prefer)(f, s);
                (side, format!("both sides moved; {rule}"))
            }
            (true, ..) => (Side::Flashduty, "changed in Flashduty".into()),
            (_, true, ..) => (Side::ServiceNow, "changed in ServiceNow".into()),
            _ => {
                let why = match f_moved {
                    true => "changed in Flashduty; the direction is from-servicenow",
                    false => "changed in ServiceNow; the direction is to-servicenow",
                };
                decide(Outcome::Kept, f, s, why.into());
                return kept;
            }
        };
        match winner {
            Side::Flashduty => match to_s {
                Some(Ok(to)) => {
                    decide(Outcome::ToServicenow, f, Some(&to), why);
                    let agreed = Agreed {
                        flashduty: f.cloned(),
                        servicenow: Some(to.clone()),
                    };
                    Merged {
                        agreed,
                        to_flashduty: None,
                        to_servicenow: Some(to),
                    }
                }
                Some(Err(cannot)) => {
                    decide(Outcome::Kept, f, s, format!("{why}; {cannot}"));
                    kept
                }
                None => kept,
            },
            Side::ServiceNow => match to_f {
                Some(Ok(to)) => {
                    decide(Outcome::ToFlashduty, Some(&to), s, why);
                    let agreed = Agreed {
                        flashduty: Some(to.clone()),
                        servicenow: s.cloned(),
                    };
                    Merged {
                        agreed,
                        to_flashduty: Some(to),
                        to_servicenow: None,
                    }
                }
                Some(Err(cannot)) => {
                    decide(Outcome::Kept, f, s, format!("{why}; {cannot}"));
                    kept
                }
                None => kept,
            },
        }
    }
}

/// Cuts text to what Flashduty takes, or says why it takes none of it.
/// `reserved` characters are added to it later.
fn fit(
    text: &str,
    limits: core::ops::RangeInclusive<usize>,
    reserved: usize,
) -> Result<String, String> {
    let (min, max) = limits.into_inner();
    if text.chars().count() + reserved < min {
        return Err(format!("Flashduty takes no fewer than {min} characters"));
    }
    Ok(text::cut(text, max - reserved))
}

#[allow(clippy::ptr_arg)] // The type of the field's value.
fn quoted(text: &String) -> String {
    format!("\"{}\"", text::cut(&text.replace('\n', " "), 60))
}

/// What goes to ServiceNow.
struct Written<'a> {
    title: Option<&'a String>,
    description: Option<&'a String>,
    grade: Option<Grade>,
    state: Option<State>,
}

fn write_columns(
    columns: &mut Columns,
    integration: &Integration,
    flashduty: &FlashdutyView,
    servicenow: &ServiceNowView,
    written: &Written<'_>,
) {
    let mut set = |column: &str, value: &str| {
        columns.insert(column.into(), value.into());
    };
    if let Some(title) = written.title {
        set("short_description", title);
    }
    if let Some(description) = written.description {
        set("description", description);
    }
    if let Some(grade) = written.grade {
        // Only what differs is sent, here as everywhere.
        if servicenow
            .grade
            .is_none_or(|now| now.impact != grade.impact)
        {
            set("impact", grade.impact.value());
        }
        if servicenow
            .grade
            .is_none_or(|now| now.urgency != grade.urgency)
        {
            set("urgency", grade.urgency.value());
        }
    }
    if let Some(state) = written.state {
        set("state", state.value());
        match state {
            State::OnHold => set("hold_reason", &integration.servicenow.hold_reason),
            State::Resolved => {
                let notes = match flashduty.notes.as_str() {
                    "" => &integration.servicenow.close_notes,
                    notes => notes,
                };
                set("close_code", &integration.servicenow.close_code);
                set("close_notes", &text::cut(notes, servicenow::DESCRIPTION));
            }
            _ => {}
        }
    }
}

/// The way from one progress to another. `awake` is where the incident stands
/// under its snooze.
fn steps(
    from: Progress,
    awake: Progress,
    to: Progress,
    integration: &Integration,
    servicenow: &ServiceNowView,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = from;
    if to == Progress::Closed {
        let resolution = match servicenow.notes.as_str() {
            "" => "Resolved in ServiceNow.".into(),
            notes => notes.to_owned(),
        };
        return vec![Step::Resolve { resolution }];
    }
    if at == Progress::Closed {
        steps.push(Step::Reopen {
            reason: "Reopened in ServiceNow.".into(),
        });
        at = Progress::Triggered;
    }
    if to == Progress::Snoozed {
        steps.push(Step::Snooze {
            minutes: integration.snooze_minutes,
        });
        return steps;
    }
    if at == Progress::Snoozed {
        steps.push(Step::Wake);
        at = awake;
    }
    match (at, to) {
        (Progress::Triggered, Progress::Processing) => steps.push(Step::Acknowledge),
        (Progress::Processing, Progress::Triggered) => steps.push(Step::Unacknowledge),
        _ => {}
    }
    steps
}
