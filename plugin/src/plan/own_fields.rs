//! The operator's own fields: what each side holds, and how one becomes the
//! other. A value that does not fit is never guessed at.

use crate::configuration::ColumnType;
use crate::configuration::CustomFieldType;
use crate::configuration::FieldRule;
use crate::configuration::OnEmpty;
use crate::date;
use crate::flashduty::Incident;
use crate::servicenow::Record;
use crate::text;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde_json::Value;

/// What passes for Unix seconds: the years 2001 to 2096. Less may be a day, and more
/// be milliseconds.
const UNIX_SECONDS: core::ops::Range<i64> = 1_000_000_000..4_000_000_000;

/// The longest text of a custom field.
const CUSTOM_FIELD: usize = 3000;

impl FieldRule {
    /// The column in which a record shows the value: for a reference, what
    /// stands in the record that it points to.
    pub(crate) fn shown_in(&self) -> Option<String> {
        let column = self.column.as_deref()?;
        Some(match self.kind {
            ColumnType::Reference if self.by != "sys_id" => format!("{column}.{}", self.by),
            _ => column.into(),
        })
    }

    /// What Flashduty holds; none where that is unknown.
    pub(super) fn in_flashduty(&self, incident: &Incident) -> Option<String> {
        match (&self.custom_field, &self.value) {
            (Some(name), _) => incident.custom_field(name),
            (None, Some(value)) => Some(value.render(&|name| incident.value(name))),
            (None, None) => None,
        }
        .map(|value| self.canonical(&value))
    }

    /// What ServiceNow holds; none where that is unknown.
    pub(super) fn in_servicenow(&self, record: &Record, instance: &str) -> Option<String> {
        let Some(column) = self.shown_in() else {
            let value = self.value.as_ref()?;
            let has = |name| record.is_whole() || record.value(name, instance).is_some();
            let is_known = value.names().all(has);
            let value = || value.render(&|name| record.value(name, instance));
            return is_known.then(value).map(|value| self.canonical(&value));
        };
        let stored = record.stored(&column);
        let is_meant = |(_, to): (&String, &String)| Some(to.as_str()) == stored;
        let value = match self.kind {
            // Values and labels are understood.
            ColumnType::Choice if !self.map.iter().any(is_meant) => record.shown(&column),
            _ => stored,
        };
        value.map(|value| self.canonical(value))
    }

    /// One form for values that mean the same: addresses and user names in
    /// lower case.
    fn canonical(&self, value: &str) -> String {
        let value = text::normal(value);
        match (self.kind, self.by.as_str()) {
            (ColumnType::Reference, "email" | "user_name") => text::lower_case(&value),
            _ => value,
        }
    }

    /// Whether a text of the map is this value, which is in the one form.
    fn means(&self, text: &str, value: &str) -> bool {
        self.canonical(text) == value
    }

    /// What a value of Flashduty's becomes in ServiceNow.
    pub(super) fn to_servicenow(&self, value: &str) -> Result<String, String> {
        if value.is_empty() {
            return self.emptied("Flashduty");
        }
        let mapped = self.mapped(value, &|part| {
            let meant = self.map.iter().find(|(from, _)| self.means(from, part));
            meant.map(|(_, to)| to).or(self.default.as_ref())
        });
        let mapped =
            &mapped.map_err(|part| format!("map has no entry for \"{part}\", and no default"))?;
        match self.kind {
            ColumnType::Text => Ok(text::cut(mapped, usize::from(self.max_length))),
            ColumnType::Choice | ColumnType::Reference => Ok(self.canonical(mapped)),
            ColumnType::Boolean => truth(mapped).map(|yes| yes.to_string()),
            ColumnType::Integer => match text::integer(mapped.trim()) {
                Some(number) => Ok(number.to_string()),
                None => Err(format!("expected a whole number, found \"{mapped}\"")),
            },
            ColumnType::DateTime => moment(mapped),
        }
    }

    /// What a value of ServiceNow's becomes in Flashduty.
    pub(super) fn to_flashduty(&self, value: &str) -> Result<String, String> {
        if value.is_empty() {
            return self.emptied("ServiceNow");
        }
        let from = |part: &str| Some(self.map.iter().find(|(_, to)| self.means(to, part))?.0);
        let mapped = self.mapped(value, &from);
        let mapped = &mapped.map_err(|part| format!("nothing in map leads to \"{part}\""))?;
        match self.custom_field_type {
            CustomFieldType::Text => Ok(text::cut(mapped, CUSTOM_FIELD)),
            CustomFieldType::SingleSelect | CustomFieldType::MultiSelect => Ok(mapped.into()),
            CustomFieldType::Checkbox => truth(mapped).map(|yes| yes.to_string()),
        }
    }

    /// What the map makes of a value, of several options of each; or the part of which
    /// it makes nothing.
    fn mapped<'a>(
        &'a self,
        value: &'a str,
        meant: &dyn Fn(&str) -> Option<&'a String>,
    ) -> Result<String, &'a str> {
        let mut pairs = self.map.iter();
        // One with a comma in its name is known as a whole only.
        let is_one = pairs.any(|(from, to)| from == value || to == value);
        let parts = match self.custom_field_type {
            CustomFieldType::MultiSelect if !is_one => options(value).collect(),
            _ => vec![value],
        };
        let mut mapped = Vec::new();
        for part in parts {
            let to = match meant(part) {
                Some(to) => to,
                None if self.map.is_empty() => part,
                None => return Err(part),
            };
            if !to.is_empty() && !mapped.contains(&to) {
                mapped.push(to);
            }
        }
        Ok(text::joined(&mapped, ","))
    }

    fn emptied(&self, where_to: &str) -> Result<String, String> {
        match self.on_empty {
            OnEmpty::Clear => Ok(String::new()),
            OnEmpty::Keep => Err(format!("it is empty in {where_to}, and on-empty is keep")),
        }
    }

    /// A value as the custom field takes it; none deletes it.
    pub(super) fn custom_field_value(&self, value: &str) -> Option<Value> {
        if value.is_empty() {
            return None;
        }
        Some(match self.custom_field_type {
            CustomFieldType::MultiSelect => options(value).collect::<Vec<_>>().into(),
            CustomFieldType::Checkbox => (value == "true").into(),
            CustomFieldType::Text | CustomFieldType::SingleSelect => value.into(),
        })
    }
}

fn options(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|o| !o.is_empty())
}

fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" => Ok(true),
        "false" | "no" | "0" | "off" => Ok(false),
        _ => Err(format!("expected true or false, found \"{text}\"")),
    }
}

/// A moment as ServiceNow stores it.
fn moment(text: &str) -> Result<String, String> {
    let text = text.trim();
    // As RFC 3339 writes it, in UTC.
    let plain = text.strip_suffix('Z').unwrap_or(text).replace('T', " ");
    // No day that a month does not have.
    let ms = date::unix_ms(&plain).filter(|ms| date::stamp(*ms) == plain);
    let seconds = text::integer(text).filter(|seconds| UNIX_SECONDS.contains(seconds));
    match ms.or(seconds.map(|seconds| seconds * 1000)) {
        Some(ms) => Ok(date::stamp(ms)),
        None => Err(format!(
            "expected YYYY-MM-DD HH:MM:SS in UTC or Unix seconds, found \"{text}\""
        )),
    }
}
