use crate::configuration::Integration;
use crate::date;
use crate::flashduty::Incident;
use crate::servicenow::Record;
use crate::severity;
use crate::severity::Grade;
use crate::severity::Severity;
use crate::state::Progress;
use crate::state::State;
use crate::text;
use crate::texts::Texts;
use alloc::string::String;
use alloc::vec::Vec;

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
    /// E-mail address of who is on it.
    pub assignee: Option<String>,
    /// The operator's own fields, in the order of the configuration.
    pub fields: Vec<Option<String>>,
    /// What its end is called in ServiceNow: code and notes.
    pub closing: (String, String),
    /// When it was last changed, in Unix milliseconds.
    pub updated_ms: i64,
}

impl FlashdutyView {
    /// What an incident shows at `now_ms`. `signature` is what this product
    /// writes under descriptions of incidents that it creates.
    pub fn new(
        incident: &Incident,
        integration: &Integration,
        signature: Option<&str>,
        now_ms: u64,
    ) -> Self {
        let mut description = text::normal(incident.text("description"));
        if let Some(signature) = signature
            && let Some((above, below)) = text::rsplit_once(&description, signature)
        {
            // What people write below it is theirs.
            let (above, below) = (above.trim_end(), below.trim());
            let is_between = !above.is_empty() && !below.is_empty();
            description = format!("{above}{}{below}", if is_between { "\n\n" } else { "" });
        }
        let value = |name: &str| incident.value(name);
        let side = &integration.servicenow;
        let rules = integration.field.iter();
        Self {
            title: Some(text::single_line(incident.text("title"))),
            description: Some(description.trim_end().into()),
            severity: incident.severity(),
            progress: incident.progress(now_ms),
            awake: incident.progress(u64::MAX),
            assignee: incident.assignee().map(text::lower_case),
            fields: rules.map(|rule| rule.in_flashduty(incident)).collect(),
            closing: (
                side.close_code.render(&value).trim().into(),
                text::normal(&side.close_notes.render(&value)),
            ),
            updated_ms: incident.number("updated_at").saturating_mul(1000),
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
    /// E-mail address of who is on it; empty if nobody is.
    pub assignee: Option<String>,
    /// The operator's own fields, in the order of the configuration.
    pub fields: Vec<Option<String>>,
    /// What its end is called in Flashduty: resolution and root cause.
    pub closing: (String, String),
    /// When it was last changed, in Unix milliseconds.
    pub updated_ms: i64,
    /// When it was resolved, in Unix milliseconds, if that is known.
    pub resolved_ms: Option<i64>,
}

impl ServiceNowView {
    /// What a record shows.
    pub fn new(record: &Record, integration: &Integration) -> Self {
        let side = &integration.servicenow;
        let state = record.stored("state");
        let urgency = record.stored("urgency");
        let urgency =
            urgency.and_then(|text| severity::Step::parse(labelled(text, &side.urgency_labels)));
        let impact = record.stored("impact").and_then(severity::Step::parse);
        let value = |name: &str| record.value(name, &side.url);
        let moment = |column| date::unix_ms(record.raw(column));
        let rules = integration.field.iter();
        let flashduty = &integration.flashduty;
        Self {
            title: record.stored("short_description").map(text::single_line),
            description: record.stored("description").map(text::normal),
            // Only the urgency moves a severity; the impact is along for the ride.
            grade: urgency.map(|urgency| Grade {
                impact: impact.unwrap_or(urgency),
                urgency,
            }),
            state: state.and_then(|text| State::parse(labelled(text, &side.state_labels))),
            assignee: record.stored("assigned_to.email").map(text::lower_case),
            fields: rules
                .map(|rule| rule.in_servicenow(record, &side.url))
                .collect(),
            closing: (
                text::normal(&flashduty.resolution.render(&value)),
                text::normal(&flashduty.root_cause.render(&value)),
            ),
            updated_ms: moment("sys_updated_on").unwrap_or_default(),
            resolved_ms: moment("resolved_at"),
        }
    }
}

/// The value of a label, where the operator has given one; else the text itself.
fn labelled<'a>(text: &'a str, labels: &'a Texts) -> &'a str {
    let label = text::lower_case(text.trim());
    let mut labels = labels.iter();
    let found = labels.find(|(known, _)| text::lower_case(known) == label);
    found.map_or(text, |(_, value)| value)
}
