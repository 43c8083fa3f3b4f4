//! The decision: what each side must be told, and why.
//!
//! Pure. In go the configuration, what both sides last agreed on, and what
//! they hold now; out come the changes for each side, the agreement that
//! holds once they are made, and a decision for every field that moved.
//!
//! Each field is merged three ways. A side has *moved* if it holds something
//! else than it did at the last agreement. If one side moved, the other
//! follows; if both moved to the same, only the agreement moves; if they moved
//! apart, the field's preference decides, and the losing value becomes a note
//! on its own side. A value that has no counterpart, or that the other side
//! cannot take, is left alone and the decision says so; it is not tried again
//! until a side moves.

mod decision;
mod merge;
mod own_fields;
mod progress;
mod view;

pub use decision::Decision;
pub use decision::Outcome;
pub use view::FlashdutyView;
pub use view::ServiceNowView;

use crate::configuration::ColumnType;
use crate::configuration::Direction;
use crate::configuration::FieldRule;
use crate::configuration::Integration;
use crate::configuration::WriteMode;
use crate::flashduty;
use crate::flashduty::Step;
use crate::json;
use crate::pair::Agreed;
use crate::pair::Base;
use crate::servicenow;
use crate::servicenow::Columns;
use crate::severity::Grade;
use crate::state::Progress;
use crate::text;
use crate::texts::Texts;
use alloc::string::String;
use alloc::vec::Vec;
use merge::Field;
use merge::Merge;
use merge::Merged;

/// One of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Flashduty.
    Flashduty,
    /// ServiceNow.
    ServiceNow,
}

/// Something to tell the people on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it is written.
    pub to: Side,
    /// What it says.
    pub text: String,
}

/// A column whose value must be looked up before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The column of the incident.
    pub column: String,
    /// The table that it points to.
    pub table: String,
    /// The column of that table which holds the value.
    pub by: String,
    /// The value.
    pub value: String,
}

/// What to do to bring both sides in step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One decision for each field that moved.
    pub decisions: Vec<Decision>,
    /// ServiceNow columns to write; empty for none.
    pub columns: Columns,
    /// Those of the columns whose value may be a label, or none of the instance's at all.
    pub choices: Vec<String>,
    /// ServiceNow columns to write once their values were looked up.
    pub references: Vec<Reference>,
    /// Steps to take in Flashduty, in order.
    pub steps: Vec<Step>,
    /// What to tell people.
    pub notes: Vec<Note>,
    /// Whether a new record must take the place of one that cannot be reopened.
    pub successor: bool,
    /// What both sides agree on once that is done.
    pub base: Base,
}

impl Plan {
    /// Whether fields are to be written in Flashduty.
    pub fn writes_to_flashduty(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Whether fields are to be written in ServiceNow.
    pub fn writes_to_servicenow(&self) -> bool {
        !(self.columns.is_empty() && self.references.is_empty())
    }
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
    /// The side where the pair was born.
    pub born_in: Side,
    /// Now, in Unix milliseconds.
    pub now_ms: u64,
    /// Whether fields that nobody changed get a decision too.
    pub explain: bool,
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
    let conflict = &integration.conflict;
    let sends = sends(integration.direction, None);
    let mut plan = Plan::default();
    let mut merge = Merge {
        birth: situation.born_in,
        newest: match flashduty.updated_ms >= servicenow.updated_ms {
            true => Side::Flashduty,
            false => Side::ServiceNow,
        },
        explain: situation.explain,
        decisions: &mut plan.decisions,
        notes: &mut plan.notes,
    };

    let title = merge.field(&Field {
        sends,
        conflict: conflict.title,
        to_servicenow: &|title: &String, _| Ok(text::cut(title, servicenow::SHORT_DESCRIPTION)),
        to_flashduty: &|title: &String| fit(title, flashduty::TITLE, 0),
        ..plain("title", &base.title, &flashduty.title, &servicenow.title)
    });
    let signature_length = signature.map_or(0, |s| text::length(s) + 2);
    let description = merge.field(&Field {
        sends,
        conflict: conflict.description,
        to_servicenow: &|text: &String, _| Ok(text::cut(text, servicenow::DESCRIPTION)),
        to_flashduty: &|text: &String| fit(text, flashduty::DESCRIPTION, signature_length),
        ..plain(
            "description",
            &base.description,
            &flashduty.description,
            &servicenow.description,
        )
    });
    let severity = merge.field(&Field {
        name: "severity",
        base: &base.severity,
        flashduty: flashduty.severity.as_ref(),
        servicenow: servicenow.grade.as_ref(),
        sends,
        same: &|a: &Grade, b: &Grade| a.urgency == b.urgency,
        to_servicenow: &|severity, _| Ok(map.grade(*severity)),
        to_flashduty: &|grade| {
            let urgency = grade.urgency.value();
            map.severity(grade.urgency)
                .ok_or_else(|| format!("no severity has urgency {urgency}"))
        },
        conflict: conflict.severity,
        higher: &|severity, grade| match map.severity(grade.urgency) {
            Some(theirs) if theirs > *severity => Some(Side::ServiceNow),
            _ => Some(Side::Flashduty),
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
    let assignee = match integration.assignee {
        true => merge.field(&Field {
            sends,
            conflict: conflict.fields,
            to_flashduty: &|email: &String| match email.as_str() {
                "" => Err("Flashduty cannot take a person off".into()),
                email => Ok(email.into()),
            },
            ..plain(
                "assignee",
                &base.assignee,
                &flashduty.assignee,
                &servicenow.assignee,
            )
        }),
        false => unmoved(&base.assignee),
    };
    let own: Vec<_> = integration
        .field
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            let agreed = Agreed {
                flashduty: base.flashduty_fields.get(&rule.key()).cloned(),
                servicenow: base.servicenow_fields.get(&rule.key()).cloned(),
            };
            let at = |fields: &Vec<Option<String>>| fields.get(index).cloned().flatten();
            let (f, s) = (at(&flashduty.fields), at(&servicenow.fields));
            own_field(&mut merge, integration, rule, &agreed, &f, &s)
        })
        .collect();
    let state = progress::merge(&mut merge, &situation, flashduty, servicenow);

    let Plan {
        columns,
        choices,
        references,
        steps,
        ..
    } = &mut plan;
    let mut set = |column: &str, value: &str| {
        json::set(columns, column, value);
    };
    if let Some(title) = &title.to_servicenow {
        set("short_description", title);
    }
    if let Some(description) = &description.to_servicenow {
        set("description", description);
    }
    if let Some(grade) = severity.to_servicenow {
        // Only what differs is sent, here as everywhere.
        let held = servicenow.grade;
        if held.is_none_or(|now| now.impact != grade.impact) {
            set("impact", grade.impact.value());
        }
        if held.is_none_or(|now| now.urgency != grade.urgency) {
            set("urgency", grade.urgency.value());
        }
    }
    if title.to_flashduty.is_some()
        || description.to_flashduty.is_some()
        || severity.to_flashduty.is_some()
    {
        steps.push(Step::Reset {
            title: title.to_flashduty,
            description: description.to_flashduty.map(|text| sign(&text, signature)),
            severity: severity.to_flashduty,
        });
    }
    if let Some(email) = &assignee.to_servicenow {
        references.push(Reference {
            column: "assigned_to".into(),
            table: "sys_user".into(),
            by: "email".into(),
            value: email.clone(),
        });
    }
    if let Some(email) = assignee.to_flashduty {
        steps.push(Step::Assign { email });
    }
    let mut fields = (Texts::default(), Texts::default());
    for (rule, merged) in integration.field.iter().zip(own) {
        if let (Some(column), Some(value)) = (&rule.column, &merged.to_servicenow) {
            let looked_up = matches!(rule.kind, ColumnType::Reference) && rule.by != "sys_id";
            match &rule.table {
                Some(table) if looked_up && !value.is_empty() => references.push(Reference {
                    column: column.clone(),
                    table: table.clone(),
                    by: rule.by.clone(),
                    value: value.clone(),
                }),
                _ => {
                    json::set(columns, column, value.as_str());
                    if rule.kind == ColumnType::Choice {
                        choices.push(column.clone());
                    }
                }
            }
        }
        if let (Some(name), Some(value)) = (&rule.custom_field, &merged.to_flashduty) {
            steps.push(Step::Field {
                name: name.clone(),
                value: rule.custom_field_value(value),
            });
        }
        let key = rule.key();
        if let Some(held) = merged.agreed.flashduty {
            fields.0.insert(key.clone(), held);
        }
        if let Some(held) = merged.agreed.servicenow {
            fields.1.insert(key, held);
        }
    }
    plan.base = Base {
        title: title.agreed,
        description: description.agreed,
        severity: severity.agreed,
        state: state.agreed.clone(),
        assignee: assignee.agreed,
        flashduty_fields: fields.0,
        servicenow_fields: fields.1,
    };
    progress::carry_out(&mut plan, &situation, &state, flashduty, servicenow);
    plan
}

/// Which sides may send: those of the integration, narrowed by a field's own.
fn sends(direction: Direction, own: Option<Direction>) -> (bool, bool) {
    let own = own.unwrap_or(direction);
    (
        direction.to_servicenow() && own.to_servicenow(),
        direction.from_servicenow() && own.from_servicenow(),
    )
}

/// A field that holds text on both sides, and keeps it.
fn plain<'a>(
    name: &'a str,
    base: &'a Agreed<String, String>,
    flashduty: &'a Option<String>,
    servicenow: &'a Option<String>,
) -> Field<'a, String, String> {
    Field {
        name,
        base,
        flashduty: flashduty.as_ref(),
        servicenow: servicenow.as_ref(),
        sends: (false, false),
        same: &|a, b| a == b,
        to_servicenow: &|text, _| Ok(text.clone()),
        to_flashduty: &|text| Ok(text.clone()),
        conflict: crate::configuration::Preference::Birth,
        higher: &|_, _| None,
        show_flashduty: &String::clone,
        show_servicenow: &String::clone,
    }
}

fn unmoved(base: &Agreed<String, String>) -> Merged<String, String> {
    Merged {
        agreed: base.clone(),
        to_flashduty: None,
        to_servicenow: None,
    }
}

fn own_field(
    merge: &mut Merge<'_>,
    integration: &Integration,
    rule: &FieldRule,
    base: &Agreed<String, String>,
    flashduty: &Option<String>,
    servicenow: &Option<String>,
) -> Merged<String, String> {
    merge.field(&Field {
        sends: own_sends(integration, rule),
        conflict: rule.conflict.unwrap_or(integration.conflict.fields),
        to_servicenow: &|value: &String, held: Option<&String>| match rule.write {
            WriteMode::Once if base.flashduty.is_some() => Err("write is once".into()),
            WriteMode::IfEmpty if held.is_some_and(|held| !held.is_empty()) => {
                Err("the column is not empty, and write is if-empty".into())
            }
            _ => rule.to_servicenow(value),
        },
        to_flashduty: &|value: &String| rule.to_flashduty(value),
        ..plain(&rule.key(), base, flashduty, servicenow)
    })
}

/// Which sides may send a field of the operator's own. A value flows to the side
/// beside it, and never back.
fn own_sends(integration: &Integration, rule: &FieldRule) -> (bool, bool) {
    let (to, from) = sends(integration.direction, rule.direction);
    (
        to && rule.column.is_some(),
        from && rule.custom_field.is_some() && (rule.column.is_none() || rule.value.is_none()),
    )
}

/// What is agreed on with an incident that nobody has touched since it was created
/// for the other one: nothing but that its side holds it. What is not known is the
/// other one's. A field that the other one cannot send is news all the same.
pub fn held(
    flashduty: FlashdutyView,
    servicenow: ServiceNowView,
    integration: &Integration,
) -> Base {
    fn both<F, S>(flashduty: Option<F>, servicenow: Option<S>) -> Agreed<F, S> {
        Agreed {
            flashduty,
            servicenow,
        }
    }
    let mut fields = (Texts::default(), Texts::default());
    for (index, rule) in integration.field.iter().enumerate() {
        let (to, from) = own_sends(integration, rule);
        let sides = [
            (from, &flashduty.fields, &mut fields.0),
            (to, &servicenow.fields, &mut fields.1),
        ];
        for (other_sends, held, fields) in sides {
            if let Some(Some(held)) = held.get(index)
                && other_sends
            {
                fields.insert(rule.key(), held.clone());
            }
        }
    }
    Base {
        title: both(flashduty.title, servicenow.title),
        description: both(flashduty.description, servicenow.description),
        severity: both(flashduty.severity, servicenow.grade),
        state: both(flashduty.progress, servicenow.state),
        assignee: both(flashduty.assignee, servicenow.assignee),
        flashduty_fields: fields.0,
        servicenow_fields: fields.1,
    }
}

/// Corrects the agreement by what a record holds after `columns` were written:
/// a column may have been dropped without a word. Only what was written is
/// taken over. Another field that differs is what a person changed since the
/// record was read, and has yet to be carried.
pub fn confirm(
    base: &mut Base,
    columns: &Columns,
    held: ServiceNowView,
    integration: &Integration,
) {
    let written = |column: &str| columns.contains_key(column);
    if written("short_description") {
        base.title.servicenow = held.title;
    }
    if written("description") {
        base.description.servicenow = held.description;
    }
    if written("impact") || written("urgency") {
        base.severity.servicenow = held.grade;
    }
    if written("state") {
        base.state.servicenow = held.state.or(base.state.servicenow);
    }
    if written("assigned_to") {
        base.assignee.servicenow = held.assignee.or(base.assignee.servicenow.take());
    }
    for (rule, held) in integration.field.iter().zip(held.fields) {
        if rule.column.as_deref().is_some_and(written)
            && let Some(held) = held
        {
            base.servicenow_fields.insert(rule.key(), held);
        }
    }
}

/// Corrects the agreement by what Flashduty holds after a step that it may not
/// have taken, or that may have led elsewhere: what differs from the agreement
/// would pass for a change of theirs later.
pub fn confirm_step(base: &mut Base, step: &Step, held: &FlashdutyView, integration: &Integration) {
    let leads_to = match step {
        Step::Field { name, .. } => {
            for (rule, held) in integration.field.iter().zip(&held.fields) {
                if rule.custom_field.as_ref() == Some(name)
                    && let Some(held) = held
                {
                    base.flashduty_fields.insert(rule.key(), held.clone());
                }
            }
            return;
        }
        Step::Assign { .. } => {
            base.assignee.flashduty.clone_from(&held.assignee);
            // Whoever is on it now has not acknowledged it.
            Progress::Triggered
        }
        // What others have acknowledged stays so.
        Step::Unacknowledge => Progress::Processing,
        _ => return,
    };
    if held.progress == Some(leads_to) {
        base.state.flashduty = held.progress;
    }
}

/// Puts the signature under a description.
pub fn sign(description: &str, signature: Option<&str>) -> String {
    match signature {
        Some(signature) => format!("{description}\n\n{signature}").trim_start().into(),
        None => description.into(),
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
    if text::length(text) + reserved < min {
        return Err(format!("Flashduty takes no fewer than {min} characters"));
    }
    Ok(text::cut(text, max - reserved))
}
