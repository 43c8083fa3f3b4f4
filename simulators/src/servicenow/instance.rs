//! The database of an instance, and what can be seen of it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::Digest as _;
use sha2::Sha256;

use super::options::Options;
use super::schema::Kind;
use super::schema::Schema;
use super::session::Account;

/// A record: raw values by column, every column present.
pub type Record = BTreeMap<String, String>;

/// The time at which a reader sees what the database holds: the instance's
/// own scripts, and the answer to a write, do not lag behind.
pub(super) const NO_LAG: u64 = u64::MAX;

/// The table with the entries of all journals.
pub(super) const JOURNAL: &str = "sys_journal_field";

/// The raw value of a column; empty if there is no such column.
pub(super) fn value<'a>(record: &'a Record, column: &str) -> &'a str {
    record.get(column).map_or("", String::as_str)
}

/// A record in its table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) record: Record,
    /// What readers see until a moment, because reads lag behind writes:
    /// nothing of a new record, the former state of a changed one.
    lagging: Option<(u64, Option<Record>)>,
}

impl Row {
    /// The record as a reader sees it.
    pub(super) fn seen(&self, now_ms: u64) -> Option<&Record> {
        match &self.lagging {
            Some((until_ms, before)) if now_ms < *until_ms => before.as_ref(),
            _ => Some(&self.record),
        }
    }
}

/// One entry of an incident's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The entry's own id.
    pub sys_id: String,
    /// `comments` or `work_notes`.
    pub element: String,
    /// What was written.
    pub value: String,
    /// When, UTC in whole seconds.
    pub created_on: String,
    /// User name of the author.
    pub created_by: String,
}

/// The state of an instance.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) options: Options,
    pub(super) schema: Schema,
    tables: BTreeMap<&'static str, BTreeMap<String, Row>>,
    /// The journal entries of a record, oldest first.
    journals: BTreeMap<String, Vec<String>>,
    /// By user name.
    pub(super) accounts: BTreeMap<String, Account>,
    /// Incidents that only `admin` may see.
    pub(super) hidden: BTreeSet<String>,
    ids: u64,
    numbers: u64,
    /// When readers see the newest write that lags behind.
    seen_ms: u64,
    /// Known until something changes that it depends on.
    pub(super) next_autoclose: OnceCell<Option<(u64, String)>>,
}

impl Instance {
    /// An instance without any record.
    pub(super) fn new(options: Options) -> Instance {
        let schema = Schema::new(&options.custom_fields);
        let tables = schema.tables().map(|name| (name, BTreeMap::new()));
        Instance {
            tables: tables.collect(),
            schema,
            journals: BTreeMap::new(),
            accounts: BTreeMap::new(),
            hidden: BTreeSet::new(),
            ids: 0,
            numbers: 10_000,
            seen_ms: 0,
            next_autoclose: OnceCell::new(),
            options,
        }
    }

    /// A new sys_id: 32 lower-case hexadecimal digits.
    pub(super) fn new_sys_id(&mut self) -> String {
        self.ids += 1;
        let text = format!("sys_id {} {}", self.options.seed, self.ids);
        hex(&Sha256::digest(text)[..16])
    }

    /// The next incident number. An instance counts on even if the number
    /// is not used in the end.
    pub(super) fn new_number(&mut self) -> String {
        self.numbers += 1;
        format!("INC{:07}", self.numbers)
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// The record as it is in the database, whatever readers see.
    pub(super) fn record(&self, table: &str, sys_id: &str) -> Option<&Record> {
        Some(&self.tables.get(table)?.get(sys_id)?.record)
    }

    /// The record as a reader sees it.
    pub(super) fn seen(&self, table: &str, sys_id: &str, now_ms: u64) -> Option<&Record> {
        self.tables.get(table)?.get(sys_id)?.seen(now_ms)
    }

    /// The raw value at the end of a path such as `caller_id.name`; empty if
    /// it leads nowhere.
    pub(super) fn raw<'a>(
        &'a self,
        table: &str,
        record: &'a Record,
        path: &str,
        now_ms: u64,
    ) -> &'a str {
        let Some((head, rest)) = path.split_once('.') else {
            return value(record, path);
        };
        let Some(Kind::Reference(target)) = self.schema.column(table, head).map(|c| c.kind) else {
            return "";
        };
        self.seen(target, value(record, head), now_ms)
            .map_or("", |referenced| self.raw(target, referenced, rest, now_ms))
    }

    /// All records of a table as they are in the database.
    pub(super) fn records(&self, table: &str) -> impl Iterator<Item = &Record> {
        self.tables
            .get(table)
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(|row| &row.record)
    }

    /// All records of a table as a reader sees them.
    pub(super) fn all_seen(&self, table: &str, now_ms: u64) -> impl Iterator<Item = &Record> {
        self.tables
            .get(table)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(move |row| row.seen(now_ms))
    }

    /// The rows of an incident's journal as a reader sees them, in the order of
    /// [`Instance::all_seen`].
    pub(super) fn journal_seen(&self, incident: &str, now_ms: u64) -> Vec<&Record> {
        let rows = self.journals.get(&incident.to_lowercase());
        let mut ids: Vec<&String> = rows.into_iter().flatten().collect();
        ids.sort();
        ids.into_iter()
            .filter_map(|sys_id| self.seen(JOURNAL, sys_id, now_ms))
            .collect()
    }

    /// Stores a record under its `sys_id`. Readers see it after `lag_ms`, and not
    /// before what was written before it.
    pub(super) fn store(&mut self, table: &str, record: Record, now_ms: u64, lag_ms: u64) {
        let Some(rows) = self.tables.get_mut(table) else {
            return;
        };
        let sys_id = value(&record, "sys_id").to_owned();
        let before = rows.get(&sys_id).and_then(|row| row.seen(now_ms).cloned());
        if lag_ms > 0 {
            self.seen_ms = self.seen_ms.max(now_ms + lag_ms);
        }
        let lagging = (self.seen_ms > now_ms).then_some((self.seen_ms, before));
        rows.insert(sys_id, Row { record, lagging });
        self.next_autoclose.take();
    }

    /// Deletes a record and its journal; tells whether there was one.
    pub(super) fn delete(&mut self, table: &str, sys_id: &str) -> bool {
        let Some(rows) = self.tables.get_mut(table) else {
            return false;
        };
        let existed = rows.remove(sys_id).is_some();
        self.next_autoclose.take();
        if let Some(entries) = self.journals.remove(sys_id)
            && let Some(rows) = self.tables.get_mut(JOURNAL)
        {
            for entry in entries {
                rows.remove(&entry);
            }
        }
        existed
    }

    /// Appends an entry to a journal of an incident.
    pub(super) fn append_journal(
        &mut self,
        incident: &str,
        entry: &JournalEntry,
        now_ms: u64,
        lag_ms: u64,
    ) {
        let record = Record::from(
            [
                ("element", entry.element.as_str()),
                ("element_id", incident),
                ("name", "incident"),
                ("sys_created_by", &entry.created_by),
                ("sys_created_on", &entry.created_on),
                ("sys_id", &entry.sys_id),
                ("sys_tags", ""),
                ("value", &entry.value),
            ]
            .map(|(column, value)| (column.to_owned(), value.to_owned())),
        );
        self.store(JOURNAL, record, now_ms, lag_ms);
        let entries = self.journals.entry(incident.to_owned()).or_default();
        entries.push(entry.sys_id.clone());
    }

    /// The journal of an incident, oldest entry first, as a reader sees it at
    /// `now_ms`.
    pub(super) fn journal(&self, incident: &str, now_ms: u64) -> Vec<JournalEntry> {
        let ids = self.journals.get(incident).into_iter().flatten();
        ids.filter_map(|sys_id| self.seen(JOURNAL, sys_id, now_ms))
            .map(|record| JournalEntry {
                sys_id: value(record, "sys_id").to_owned(),
                element: value(record, "element").to_owned(),
                value: value(record, "value").to_owned(),
                created_on: value(record, "sys_created_on").to_owned(),
                created_by: value(record, "sys_created_by").to_owned(),
            })
            .collect()
    }

    /// The label of a choice in a language, or else in English, or else the
    /// value itself. A choice of `incident` counts before one of `task`.
    pub(super) fn label(&self, language: &str, table: &str, element: &str, raw: &str) -> String {
        if raw.is_empty() {
            return String::new();
        }
        let label = |language| {
            let mut choices = self.choices(table, element);
            choices.find(|choice| {
                value(choice, "value") == raw && value(choice, "language") == language
            })
        };
        label(language)
            .or_else(|| label("en"))
            .map_or(raw, |choice| value(choice, "label"))
            .to_owned()
    }

    /// The value of the choice with a label in a language.
    pub(super) fn value_of_label(
        &self,
        language: &str,
        table: &str,
        element: &str,
        label: &str,
    ) -> Option<&str> {
        self.choices(table, element)
            .find(|choice| {
                value(choice, "language") == language
                    && value(choice, "label").eq_ignore_ascii_case(label)
            })
            .map(|choice| value(choice, "value"))
    }

    /// Whether a column of `incident` has this among its active choices.
    pub(super) fn is_choice(&self, element: &str, raw: &str) -> bool {
        self.choices("incident", element)
            .any(|choice| value(choice, "value") == raw && value(choice, "inactive") != "true")
    }

    /// The choices of a column. A table that has none of its own for it shows
    /// those of the table that it extends.
    fn choices<'a, 'b>(
        &'a self,
        table: &'b str,
        element: &'b str,
    ) -> impl Iterator<Item = &'a Record> + use<'a, 'b> {
        let of = move |table: &'b str| {
            self.records("sys_choice").filter(move |choice| {
                value(choice, "name") == table && value(choice, "element") == element
            })
        };
        let inherits = table == "incident" && of(table).next().is_none();
        of(if inherits { "task" } else { table })
    }

    /// What people see for a reference. Tables that the simulator lacks show
    /// nothing, like an id that leads nowhere.
    pub(super) fn reference_name(&self, table: &str, sys_id: &str, now_ms: u64) -> String {
        if table == "sys_user_group" && sys_id == "global" {
            return sys_id.to_owned();
        }
        let name = if table == "incident" {
            "number"
        } else {
            "name"
        };
        self.seen(table, sys_id, now_ms)
            .map_or("", |record| value(record, name))
            .to_owned()
    }

    /// The sys_id of the record with a display name.
    pub(super) fn by_reference_name(&self, table: &str, shown: &str) -> Option<&str> {
        let name = if table == "incident" {
            "number"
        } else {
            "name"
        };
        self.records(table)
            .find(|record| value(record, name).eq_ignore_ascii_case(shown))
            .map(|record| value(record, "sys_id"))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
