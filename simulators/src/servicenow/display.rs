//! How a record looks in an answer: `sysparm_display_value`,
//! `sysparm_exclude_reference_link`, `sysparm_fields`.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::instance::Instance;
use super::instance::JournalEntry;
use super::instance::Record;
use super::instance::value;
use super::schema::Column;
use super::schema::Kind;
use super::session::Session;

/// Which values an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DisplayMode {
    /// What the database holds.
    Raw,
    /// What people see.
    Shown,
    /// Both, side by side.
    Both,
}

impl DisplayMode {
    /// Clients write the parameter in any case; what is not understood
    /// counts as the default.
    pub(super) fn parse(text: &str) -> DisplayMode {
        match text.to_ascii_lowercase().as_str() {
            "true" => DisplayMode::Shown,
            "all" => DisplayMode::Both,
            _ => DisplayMode::Raw,
        }
    }
}

/// One way of showing records to one user.
pub(super) struct View<'a> {
    pub(super) instance: &'a Instance,
    pub(super) session: &'a Session,
    pub(super) now_ms: u64,
    /// Of the instance, for links.
    pub(super) base_url: &'a str,
    pub(super) mode: DisplayMode,
    pub(super) exclude_reference_link: bool,
    /// None shows all columns.
    pub(super) fields: Option<Vec<String>>,
}

struct Shown {
    value: String,
    display_value: String,
    link: Option<String>,
}

impl View<'_> {
    /// A record of a table as JSON.
    pub(super) fn record(&self, table: &str, record: &Record) -> Value {
        let mut fields = Map::new();
        match &self.fields {
            Some(paths) => {
                for path in paths {
                    if let Some(shown) = self.walk(table, record, path) {
                        fields.insert(path.clone(), self.json(shown));
                    }
                }
            }
            None => {
                for name in record.keys() {
                    if let Some(shown) = self.walk(table, record, name) {
                        fields.insert(name.clone(), self.json(shown));
                    }
                }
            }
        }
        Value::Object(fields)
    }

    /// The field at the end of a path such as `caller_id.name`; none if
    /// there is no such column, or if the user may not read it.
    fn walk(&self, table: &str, record: &Record, path: &str) -> Option<Shown> {
        let (head, rest) = match path.split_once('.') {
            None => (path, None),
            Some((head, rest)) => (head, Some(rest)),
        };
        let column = self.instance.schema.column(table, head)?;
        let unreadable = table == "incident"
            && self.instance.options.unreadable_fields.contains(head)
            && !self.session.is_admin();
        if unreadable {
            return None;
        }
        let Some(rest) = rest else {
            return Some(self.field(table, record, column));
        };
        let Kind::Reference(target) = column.kind else {
            return None;
        };
        let referenced = self
            .instance
            .seen(target, value(record, head), self.now_ms)
            .cloned()
            .unwrap_or_default();
        self.walk(target, &referenced, rest)
    }

    fn field(&self, table: &str, record: &Record, column: &Column) -> Shown {
        let raw = value(record, &column.name);
        let mut link = None;
        let display_value = match column.kind {
            Kind::Text | Kind::Integer | Kind::Boolean => raw.to_owned(),
            Kind::Choice => {
                let language = &self.session.language;
                self.instance.label(language, table, &column.name, raw)
            }
            Kind::DateTime => self.session.times.show(raw),
            Kind::Reference(target) => {
                if !raw.is_empty() && !self.exclude_reference_link {
                    let base_url = self.base_url;
                    link = Some(format!("{base_url}/api/now/table/{target}/{raw}"));
                }
                self.instance.reference_name(target, raw, self.now_ms)
            }
            Kind::Journal => self.journal(record, Some(&column.name)),
            Kind::JournalList => self.journal(record, None),
        };
        Shown {
            value: raw.to_owned(),
            display_value,
            link,
        }
    }

    /// The entries of one journal, or of all, newest first.
    fn journal(&self, record: &Record, element: Option<&str>) -> String {
        let entries = self.instance.journal(value(record, "sys_id"), self.now_ms);
        entries
            .iter()
            .rev()
            .filter(|entry| element.is_none_or(|element| entry.element == element))
            .map(|entry| self.entry(entry))
            .collect()
    }

    fn entry(&self, entry: &JournalEntry) -> String {
        let author = self
            .instance
            .accounts
            .get(&entry.created_by)
            .map(|account| {
                self.instance
                    .reference_name("sys_user", &account.sys_id, self.now_ms)
            });
        let author = author.as_deref().unwrap_or(&entry.created_by);
        let label = match (self.session.language.as_str(), entry.element.as_str()) {
            ("de", "comments") => "Zusätzliche Anmerkungen",
            ("de", "work_notes") => "Arbeitsnotizen",
            (_, "comments") => "Additional comments",
            (_, _) => "Work notes",
        };
        let time = self.session.times.show(&entry.created_on);
        format!("{time} - {author} ({label})\n{}\n\n", entry.value)
    }

    fn json(&self, shown: Shown) -> Value {
        let Shown {
            value,
            display_value,
            link,
        } = shown;
        match (self.mode, link) {
            (DisplayMode::Raw, None) => json!(value),
            (DisplayMode::Raw, Some(link)) => json!({"link": link, "value": value}),
            (DisplayMode::Shown, None) => json!(display_value),
            (DisplayMode::Shown, Some(link)) => {
                json!({"display_value": display_value, "link": link})
            }
            (DisplayMode::Both, None) => json!({"display_value": display_value, "value": value}),
            (DisplayMode::Both, Some(link)) => {
                json!({"display_value": display_value, "link": link, "value": value})
            }
        }
    }
}
