//! What can be wrong with the operator's own fields: names, combinations, maps
//! that lose a value on the way back, and values that are made from values.

use super::ColumnType;
use super::CustomFieldType;
use super::FieldRule;
use super::Integration;
use super::WriteMode;
use crate::flashduty::Incident;
use crate::servicenow::is_name;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Columns that the sync writes by rules of its own, or that nobody may write.
const OWN_COLUMNS: [&str; 19] = [
    "sys_id",
    "number",
    "short_description",
    "description",
    "state",
    "incident_state",
    "impact",
    "urgency",
    "priority",
    "hold_reason",
    "close_code",
    "close_notes",
    "comments",
    "work_notes",
    "correlation_id",
    "correlation_display",
    "sys_mod_count",
    "sys_created_on",
    "sys_updated_on",
];

impl Integration {
    /// What is wrong with the fields: each problem with the key it is at,
    /// behind `/field`.
    pub(super) fn field_problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (index, rule) in self.field.iter().enumerate() {
            let mut report = |key: &str, message: String| {
                problems.push((format!("/{index}{key}"), message));
            };
            if let Err(message) = self.shape(rule) {
                report("", message);
                continue;
            }
            self.names(rule, &mut report);
            Self::lossy(self.travels(rule), rule, &mut report);
            let earlier = self.field.iter().take(index);
            let is_twin = |other: &FieldRule| {
                let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
                same(&rule.column, &other.column) || same(&rule.custom_field, &other.custom_field)
            };
            if earlier.clone().any(is_twin) {
                let name = rule.key();
                report(
                    "",
                    format!("\"{name}\" is filled by an earlier field; remove one"),
                );
            }
        }
        if problems.is_empty()
            && let Some(chain) = self.chain()
        {
            let is_cycle = chain.first() == chain.last();
            let chain = text::joined(&chain, " -> ");
            let message = match is_cycle {
                true => format!("these values would feed each other for ever: {chain}; remove one"),
                false => format!("a value is made from another value: {chain}; name its source"),
            };
            problems.push((String::new(), message));
        }
        problems
    }

    /// Which sides a field is sent to: ServiceNow, Flashduty.
    fn travels(&self, rule: &FieldRule) -> (bool, bool) {
        let own = rule.direction.unwrap_or(self.direction);
        let (to, from) = (
            self.direction.to_servicenow() && own.to_servicenow(),
            self.direction.from_servicenow() && own.from_servicenow(),
        );
        (
            to && rule.column.is_some(),
            from && rule.custom_field.is_some(),
        )
    }

    fn shape(&self, rule: &FieldRule) -> Result<(), String> {
        let given = [
            rule.custom_field.is_some(),
            rule.column.is_some(),
            rule.value.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 2 {
            return Err(
                "expected two of custom-field, column and value: a custom field and a column \
                 follow each other, a value fills the one beside it"
                    .into(),
            );
        }
        if self.travels(rule) == (false, false) {
            return Err("it never travels; look at its direction and the integration's".into());
        }
        if (rule.kind == ColumnType::Reference) != rule.table.is_some() {
            return Err("expected type = \"reference\" and a table together".into());
        }
        let is_list = rule.custom_field_type == CustomFieldType::MultiSelect;
        if is_list && rule.kind != ColumnType::Text && self.travels(rule).0 {
            return Err(
                "several options go into a column of text only; remove type, or use another \
                 custom-field-type"
                    .into(),
            );
        }
        Ok(())
    }

    fn names(&self, rule: &FieldRule, report: &mut dyn FnMut(&str, String)) {
        if let Some(column) = &rule.column {
            if !is_name(column) {
                let message = "expected the name of a column, such as u_service, found";
                report("/column", format!("{message} \"{column}\""));
            } else if OWN_COLUMNS.contains(&column.as_str()) {
                let remedy = "to show it in Flashduty, put it into the value of a custom field";
                report(
                    "/column",
                    format!("\"{column}\" is the sync's own, or read-only; {remedy}"),
                );
            } else if self.assignee && column == "assigned_to" && self.travels(rule).0 {
                let message = "assignee = true fills it already; remove one of them";
                report("/column", message.into());
            }
        }
        if let Some(name) = &rule.custom_field {
            let ok = (1..=40).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.starts_with(|c: char| c.is_ascii_digit());
            if !ok {
                let message = "expected the name of a custom field, such as env, found";
                report("/custom-field", format!("{message} \"{name}\""));
            }
        }
        for (key, name) in [("/table", rule.table.as_ref()), ("/by", Some(&rule.by))] {
            if let Some(name) = name.filter(|name| !is_name(name)) {
                report(
                    key,
                    format!("expected a name such as sys_user, found \"{name}\""),
                );
            }
        }
        if let Some(value) = &rule.value {
            let problem = match rule.column.is_some() {
                true => value.problem(&Incident::has_value),
                false => value.problem(&|name| name.split('.').all(is_name)),
            };
            if let Some(problem) = problem {
                report("/value", problem);
            }
        }
        if !(1..=4000).contains(&rule.max_length) {
            let found = rule.max_length;
            report("/max-length", format!("expected 1 to 4000, found {found}"));
        }
    }

    /// A map whose values do not come back as what they were, or that stands for more
    /// than it seems to.
    fn lossy(travels: (bool, bool), rule: &FieldRule, report: &mut dyn FnMut(&str, String)) {
        if rule.default.is_some() && rule.map.is_empty() {
            let message = "it is for what map does not know, and there is no map; for a value \
                           that is missing write {{labels.team|Service Desk}}";
            report("/default", message.into());
        }
        if !travels.1 {
            return;
        }
        for (from, to) in rule.map.iter() {
            let twin = rule.map.iter().find(|(_, other)| *other == to);
            let remedy = if travels.0 { ", or a direction" } else { "" };
            if let Some((other, _)) = twin.filter(|(other, _)| *other != from) {
                report(
                    "/map",
                    format!(
                        "\"{other}\" and \"{from}\" are both \"{to}\" in ServiceNow, so the way \
                         back could not tell them apart; give each its own{remedy}"
                    ),
                );
            }
        }
        if rule.default.is_some() && travels.0 {
            let message = "a default would come back as another value; remove it, or use \
                           direction = \"to-servicenow\"";
            report("/default", message.into());
        }
    }

    /// A value that is made from another value: the place where the first comes
    /// from, the place that it fills, and the place that is filled from that.
    /// Where the last is the first, they would feed each other for ever; and
    /// even where it is not, one change would need several writes.
    fn chain(&self) -> Option<Vec<String>> {
        let values: Vec<(String, Vec<String>)> = self
            .field
            .iter()
            .filter_map(|rule| {
                let value = rule.value.as_ref()?;
                let names = value.names().map(str::to_owned).collect();
                Some((rule.key(), names))
            })
            .collect();
        // Whatever is written moves the time of its side's last change.
        let made_of = |times: &[&str], is_column: bool| {
            let mut rules = self.field.iter();
            let rule = rules.find(|rule| {
                let names = rule.value.iter().flat_map(|value| value.names());
                rule.column.is_some() == is_column
                    && rule.write == WriteMode::Always
                    && names.into_iter().any(|name| times.contains(&name))
            });
            rule.map(FieldRule::key)
        };
        if let Some(column) = made_of(&["updated_at"], true)
            && let Some(field) = made_of(&["sys_updated_on", "sys_mod_count"], false)
        {
            let at = || "updated_at".to_owned();
            return Some(vec![at(), column, field, at()]);
        }
        values.iter().find_map(|(filled, names)| {
            let (last, _) = values.iter().find(|(_, names)| names.contains(filled))?;
            let first = names.iter().find(|name| *name == last).or(names.first())?;
            Some(vec![first.clone(), filled.clone(), last.clone()])
        })
    }
}
