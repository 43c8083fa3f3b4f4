use crate::configuration::Integration;
use crate::flashduty::IncidentId;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

/// The primary key of a record: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysId(String);

impl SysId {
    /// Takes 32 hexadecimal digits, in lower case from here on.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The id that the record for something must have: 128 bits of a hash, so
    /// the same thing cannot have two records where the instance honours it.
    pub fn derived_from(key: &str) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        Self(digest.iter().take(16).map(|b| format!("{b:02x}")).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where people look at the incident.
    pub fn link(&self, instance: &str) -> String {
        format!("{instance}/nav_to.do?uri=incident.do%3Fsys_id%3D{self}")
    }
}

impl fmt::Display for SysId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SysId> for String {
    fn from(id: SysId) -> Self {
        id.0
    }
}

impl TryFrom<String> for SysId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            let found = text::cut(&text, 40);
            format!("expected a sys_id of 32 hexadecimal digits, found \"{found}\"")
        })
    }
}

impl TryFrom<Value> for Record {
    type Error = String;

    fn try_from(columns: Value) -> Result<Self, String> {
        Self::from_result(columns).ok_or_else(|| "a record has no sys_id".into())
    }
}

/// The columns that every integration reads.
const COLUMNS: &str = "sys_id,number,short_description,description,state,impact,urgency,\
    priority,correlation_id,comments,work_notes,close_notes,resolved_at,sys_mod_count,\
    sys_created_on,sys_updated_on,sys_updated_by";

/// The name of the link to the record, among templates' values.
const LINK: &str = "link";

/// An incident record, read with `sysparm_display_value=all`: every column is
/// a pair of a raw value and what people see. A column that the user may not
/// read is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The primary key.
    pub sys_id: SysId,
    columns: Value,
    is_whole: bool,
}

impl Record {
    /// The columns that the sync reads for an integration, separated by commas.
    pub fn columns(integration: &Integration) -> String {
        let mut columns = String::from(COLUMNS);
        let mut add = |column: &str| {
            if !columns.split(',').any(|known| known == column) && column != LINK {
                columns.push(',');
                columns.push_str(column);
            }
        };
        if integration.assignee {
            add("assigned_to");
            add("assigned_to.email");
        }
        let side = &integration.flashduty;
        for name in side.resolution.names().chain(side.root_cause.names()) {
            add(name);
        }
        for rule in &integration.field {
            rule.column.iter().for_each(|column| add(column));
            rule.shown_in().iter().for_each(|column| add(column));
            if rule.column.is_none() {
                rule.value.iter().flat_map(|v| v.names()).for_each(&mut add);
            }
        }
        columns
    }

    /// Takes the `result` of a Table API answer.
    pub fn from_result(columns: Value) -> Option<Self> {
        let sys_id = raw(&columns, "sys_id").and_then(SysId::parse)?;
        Some(Self {
            sys_id,
            columns,
            is_whole: true,
        })
    }

    /// A record of which only these columns are known.
    pub(super) fn new(sys_id: SysId, columns: Value) -> Self {
        Self {
            sys_id,
            columns,
            is_whole: false,
        }
    }

    /// Whether a column that is missing is one that the user may not read.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The integration and the Flashduty incident that the `correlation_id` names.
    pub(crate) fn correlated(&self) -> Option<(&str, IncidentId)> {
        let rest = self.raw("correlation_id").strip_prefix("flashduty:")?;
        let (integration, rest) = rest.split_once(':')?;
        // A record that replaced another has its generation at the end.
        let incident = rest.split(':').next().and_then(IncidentId::parse)?;
        Some((integration, incident))
    }

    /// Names a state of the record; a later one is greater.
    pub(crate) fn version(&self) -> String {
        let (changed, count) = (self.raw("sys_updated_on"), self.raw("sys_mod_count"));
        format!("{changed} {count}")
    }

    /// How often it has been changed; 0 if that is not readable.
    pub(crate) fn changes(&self) -> u64 {
        text::number(self.raw("sys_mod_count")).unwrap_or_default()
    }

    /// The human id, for example `INC0010001`.
    pub fn number(&self) -> &str {
        self.raw("number")
    }

    /// A column's stored value; empty if it is empty or not readable.
    pub fn raw(&self, column: &str) -> &str {
        raw(&self.columns, column).unwrap_or_default()
    }

    /// What people see in a column.
    pub fn display(&self, column: &str) -> &str {
        self.shown(column).unwrap_or_default()
    }

    /// A column's stored value; none if it did not come along.
    pub fn stored(&self, column: &str) -> Option<&str> {
        raw(&self.columns, column)
    }

    /// What people see in a column; none if it did not come along.
    pub fn shown(&self, column: &str) -> Option<&str> {
        let column = &self.columns[column];
        column["display_value"].as_str().or(column.as_str())
    }

    /// A value by the name that templates know it by: a column as people see
    /// it, or the link to the record at the instance.
    pub fn value(&self, name: &str, instance: &str) -> Option<String> {
        match name {
            LINK => Some(self.sys_id.link(instance)),
            column => self.shown(column).map(str::to_owned),
        }
    }

    /// Whether a text stands in one of the record's journals.
    pub fn journals_contain(&self, text: &str) -> bool {
        ["comments", "work_notes"]
            .iter()
            .any(|column| text::contains(self.display(column), text))
    }
}

fn raw<'a>(columns: &'a Value, column: &str) -> Option<&'a str> {
    // Without `sysparm_display_value=all` the value would stand here itself.
    columns[column]["value"]
        .as_str()
        .or_else(|| columns[column].as_str())
}
