//! What a write does, in the order in which the platform does it.
//!
//! Much is dropped without a word: unknown columns, columns that the user may
//! not write, columns that the platform fills in. A write that changes
//! nothing in the end is no update: no stamp, no count, no business rule.

use std::collections::BTreeMap;

use super::incident;
use super::incident::Writing;
use super::instance::Instance;
use super::instance::JOURNAL;
use super::instance::JournalEntry;
use super::instance::Record;
use super::instance::value;
use super::refusal::Refusal;
use super::schema::Column;
use super::schema::Kind;
use super::session::Session;
use super::stamp;

/// A write by one user at one time.
pub(super) struct Write<'a> {
    pub(super) session: &'a Session,
    pub(super) now_ms: u64,
    /// How long readers do not see it.
    pub(super) lag_ms: u64,
    /// Whether the values are as people see them.
    pub(super) display_values: bool,
}

/// A write that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) sys_id: String,
    /// Whether the record is new.
    pub(super) inserted: bool,
    /// The state of an incident before; empty if it is new.
    pub(super) state_before: String,
    /// Whether there was anything to write.
    pub(super) changed: bool,
}

/// What a client sends for one record: text by column.
pub(super) type Input = BTreeMap<String, String>;

/// Columns that the platform keeps by itself, in every table.
const SYSTEM: &[&str] = &[
    "sys_id",
    "sys_created_on",
    "sys_created_by",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
    "sys_tags",
];

impl Instance {
    /// Creates a record.
    pub(super) fn insert(
        &mut self,
        table: &str,
        input: &Input,
        write: &Write,
    ) -> Result<Written, Refusal> {
        if !may_write(table, write.session) {
            return Err(Refusal::acl("Insert"));
        }
        let sys_id = match input.get("sys_id") {
            Some(chosen) if self.options.accept_caller_sys_id && is_sys_id(chosen) => {
                chosen.clone()
            }
            _ => self.new_sys_id(),
        };
        if self.record(table, &sys_id).is_some() {
            return Err(Refusal::duplicate(&sys_id));
        }
        let stamp = stamp::utc(write.now_ms);
        let mut before: Record = self
            .schema
            .columns(table)
            .into_iter()
            .flat_map(|columns| columns.keys())
            .map(|column| (column.clone(), String::new()))
            .collect();
        if table == "incident" {
            let number = self.new_number();
            incident::fresh(&mut before, number, &write.session.user_id, &stamp);
        }
        let (mut after, journal) = self.accept(table, &before, input, write);
        if table == "incident" {
            self.apply_incident_rules(&before, &mut after, &journal, &stamp, write)?;
        }
        complete_name(table, &mut after);
        let user = &write.session.user_name;
        for (column, value) in [
            ("sys_id", sys_id.as_str()),
            ("sys_created_on", &stamp),
            ("sys_created_by", user),
            ("sys_updated_on", &stamp),
            ("sys_updated_by", user),
            ("sys_mod_count", "0"),
        ] {
            after.insert(column.to_owned(), value.to_owned());
        }
        self.store(table, after, write.now_ms, write.lag_ms);
        self.append(&sys_id, journal, &stamp, write);
        Ok(Written {
            sys_id,
            inserted: true,
            state_before: String::new(),
            changed: true,
        })
    }

    /// Changes a record.
    pub(super) fn update(
        &mut self,
        table: &str,
        sys_id: &str,
        input: &Input,
        write: &Write,
    ) -> Result<Written, Refusal> {
        let Some(before) = self.record(table, sys_id).cloned() else {
            return Err(Refusal::no_record());
        };
        if !self.may_see(table, sys_id, write.session) {
            return Err(Refusal::no_record());
        }
        if !may_write(table, write.session) {
            return Err(Refusal::acl("Update"));
        }
        let stamp = stamp::utc(write.now_ms);
        let (mut after, journal) = self.accept(table, &before, input, write);
        if table == "incident" {
            self.apply_incident_rules(&before, &mut after, &journal, &stamp, write)?;
        }
        complete_name(table, &mut after);
        let changed = after != before || !journal.is_empty();
        if changed {
            let count: u64 = value(&before, "sys_mod_count").parse().unwrap_or_default();
            after.insert("sys_mod_count".to_owned(), (count + 1).to_string());
            let user = write.session.user_name.clone();
            after.insert("sys_updated_by".to_owned(), user);
            after.insert("sys_updated_on".to_owned(), stamp.clone());
            self.store(table, after, write.now_ms, write.lag_ms);
            self.append(sys_id, journal, &stamp, write);
        }
        Ok(Written {
            sys_id: sys_id.to_owned(),
            inserted: false,
            state_before: value(&before, "state").to_owned(),
            changed,
        })
    }

    /// Deletes a record.
    pub(super) fn remove(
        &mut self,
        table: &str,
        sys_id: &str,
        session: &Session,
    ) -> Result<(), Refusal> {
        if self.record(table, sys_id).is_none() || !self.may_see(table, sys_id, session) {
            return Err(Refusal::no_record());
        }
        if !session.is_admin() {
            return Err(Refusal::acl("Delete"));
        }
        self.delete(table, sys_id);
        Ok(())
    }

    /// Whether a user may see a record of a table, or with an empty
    /// `sys_id` whether any at all.
    pub(super) fn may_see(&self, table: &str, sys_id: &str, session: &Session) -> bool {
        if session.is_admin() {
            return true;
        }
        match table {
            "incident" => session.may_read_incidents() && !self.hidden.contains(sys_id),
            JOURNAL => session.may_read_incidents() && !self.options.hide_journal,
            "sys_choice" => !self.options.hide_choices,
            _ => true,
        }
    }

    /// The record with the accepted part of the input, and what the input
    /// appends to journals: pairs of element and text.
    fn accept(
        &self,
        table: &str,
        before: &Record,
        input: &Input,
        write: &Write,
    ) -> (Record, Vec<(String, String)>) {
        let mut after = before.clone();
        let mut journal = Vec::new();
        for (name, text) in input {
            let Some(column) = self.schema.column(table, name) else {
                continue;
            };
            let closed = is_final(before) && self.options.closed_is_read_only;
            let may_write = self.may_write_column(table, name, write.session)
                && (!closed || write.session.is_admin() || is_state(name));
            if !may_write {
                continue;
            }
            if column.kind == Kind::Journal {
                if !text.is_empty() {
                    journal.push((name.clone(), text.clone()));
                }
                continue;
            }
            let text = if write.display_values {
                self.stored_value(table, column, text, write.session)
            } else {
                self.raw_value(table, column, text, write.session)
            };
            after.insert(name.clone(), cut(&text, column.max_length));
        }
        (after, journal)
    }

    /// The raw value of what should be one.
    fn raw_value(&self, table: &str, column: &Column, text: &str, session: &Session) -> String {
        if self.options.labels_as_values && column.kind == Kind::Choice {
            let value = self.value_of_label(&session.language, table, &column.name, text);
            return value.unwrap_or(text).to_owned();
        }
        normal_value(column.kind, text)
    }

    fn may_write_column(&self, table: &str, name: &str, session: &Session) -> bool {
        if SYSTEM.contains(&name) {
            return false;
        }
        if table != "incident" {
            return true;
        }
        let read_only = self.options.read_only_fields.contains(name);
        !incident::COMPUTED.contains(&name) && (session.is_admin() || !read_only)
    }

    /// The raw value of what a person would type.
    fn stored_value(&self, table: &str, column: &Column, shown: &str, session: &Session) -> String {
        if shown.is_empty() {
            return String::new();
        }
        let stored = match column.kind {
            Kind::Choice => self
                .value_of_label(&session.language, table, &column.name, shown)
                .map(str::to_owned),
            Kind::Reference(target) => {
                let found = self.by_reference_name(target, shown).map(str::to_owned);
                // A name that nobody has empties the field; an id stays.
                Some(found.unwrap_or_else(|| {
                    if is_sys_id(shown) {
                        shown.to_owned()
                    } else {
                        String::new()
                    }
                }))
            }
            Kind::DateTime => session.times.read(shown),
            _ => None,
        };
        stored.unwrap_or_else(|| normal_value(column.kind, shown))
    }

    fn apply_incident_rules(
        &self,
        before: &Record,
        after: &mut Record,
        journal: &[(String, String)],
        stamp: &str,
        write: &Write,
    ) -> Result<(), Refusal> {
        let close_code = value(after, "close_code");
        let writing = Writing {
            session: write.session,
            options: &self.options,
            stamp,
            comments: journal.iter().any(|(element, _)| element == "comments"),
            // What is stored already stays, even if its choice has gone.
            close_code_is_known: close_code == value(before, "close_code")
                || self.is_choice("close_code", close_code),
        };
        incident::apply(before, after, &writing)?;
        let mandatory = self.options.mandatory_fields.iter();
        let missing: Vec<&str> = mandatory
            .filter(|name| value(after, name).is_empty())
            .filter_map(|name| self.schema.column("incident", name))
            .map(|column| column.label.as_str())
            .collect();
        if missing.is_empty() || write.session.is_platform {
            Ok(())
        } else {
            Err(Refusal::mandatory(&missing))
        }
    }

    fn append(
        &mut self,
        incident: &str,
        journal: Vec<(String, String)>,
        stamp: &str,
        write: &Write,
    ) {
        for (element, value) in journal {
            let entry = JournalEntry {
                sys_id: self.new_sys_id(),
                element,
                value,
                created_on: stamp.to_owned(),
                created_by: write.session.user_name.clone(),
            };
            self.append_journal(incident, &entry, write.now_ms, write.lag_ms);
        }
    }
}

fn may_write(table: &str, session: &Session) -> bool {
    match table {
        "incident" => session.may_write_incidents(),
        // Entries come about by writing to the record they belong to, and
        // the columns of the simulator are fixed by its options.
        JOURNAL | "sys_dictionary" => false,
        _ => session.is_admin(),
    }
}

fn is_final(record: &Record) -> bool {
    matches!(
        value(record, "state"),
        incident::CLOSED | incident::CANCELED
    )
}

fn is_state(name: &str) -> bool {
    matches!(name, "state" | "incident_state")
}

pub(super) fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a column holds after a text was written to it. What is no value of
/// the column's type empties it, without a word.
fn normal_value(kind: Kind, text: &str) -> String {
    let is_valid = match kind {
        Kind::Boolean => {
            let is_true = ["1", "true", "yes"].iter();
            return match text {
                "" => String::new(),
                _ => is_true
                    .into_iter()
                    .any(|word| text.eq_ignore_ascii_case(word))
                    .to_string(),
            };
        }
        Kind::Integer => text.parse::<i64>().is_ok(),
        Kind::DateTime => stamp::ms(text).is_some(),
        _ => true,
    };
    if is_valid {
        text.to_owned()
    } else {
        String::new()
    }
}

fn cut(text: &str, max_length: usize) -> String {
    text.chars().take(max_length).collect()
}

/// The full name of a user is made of its parts.
fn complete_name(table: &str, record: &mut Record) {
    if table == "sys_user" {
        let name = format!(
            "{} {}",
            value(record, "first_name"),
            value(record, "last_name")
        );
        record.insert("name".to_owned(), name.trim().to_owned());
    }
}
