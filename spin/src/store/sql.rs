//! A store in a table, for any database that runs one statement atomically.

use crate::store::postgres::Postgres;
use crate::store::sqlite;
use crate::store::sqlite::Sqlite;
use integration_gateway::Refused;
use integration_gateway::StoreError;
use integration_gateway::contract::Entry;
use integration_gateway::contract::KeyedEntry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use integration_gateway::sql;
use integration_gateway::sql::CREATE_KEY_IN_POSTGRES;
use integration_gateway::sql::PageStatement;
use integration_gateway::sql::REPLACE_KEY_IN_POSTGRES;

/// A database with a table `servicenow_sync_keys (key, value, revision)`, whose
/// keys compare by their bytes, and where no two writes make the same revision.
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Creates the key `$1` with the value `$2` unless there is one; returns its
    /// revision.
    fn create_key(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite::CREATE_KEY,
            Self::Postgres(_) => CREATE_KEY_IN_POSTGRES,
        }
    }

    /// Replaces the value of the key `$1` by `$2` if it stands at the revision
    /// `$3`; returns the new one.
    fn replace_key(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite::REPLACE_KEY,
            Self::Postgres(_) => REPLACE_KEY_IN_POSTGRES,
        }
    }

    /// Runs one statement, whose parameters are written `$1`, `$2`.
    async fn query(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        match self {
            Self::Sqlite(database) => database.query(statement, parameters).await,
            Self::Postgres(database) => database.query(statement, parameters).await,
        }
    }
}

/// What goes into a statement and comes out of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
    /// What no statement of ours has to do with.
    Other,
}

const DELETE_KEY: &str =
    "DELETE FROM servicenow_sync_keys WHERE key = $1 AND revision = $2 RETURNING revision";
const FIND_KEY: &str = "SELECT revision FROM servicenow_sync_keys WHERE key = $1";

/// A store in such a database.
pub(crate) struct SqlStore(pub(crate) Database);

impl SqlStore {
    pub(crate) async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<_> = (1..=keys.len()).map(|place| format!("${place}")).collect();
        let places = places.join(", ");
        let statement = format!(
            "SELECT key, value, revision FROM servicenow_sync_keys WHERE key IN ({places})"
        );
        let parameters = keys.iter().cloned().map(Value::Text).collect();
        let rows = self.0.query(&statement, parameters).await?;
        let found: Vec<KeyedEntry> = rows
            .into_iter()
            .map(keyed_entry)
            .collect::<Result<_, _>>()?;
        let entry = |key: &String| {
            let keyed = found.iter().find(|keyed| keyed.key == *key)?;
            Some(keyed.entry.clone())
        };
        Ok(keys.iter().map(entry).collect())
    }

    pub(crate) async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        let page = PageStatement::new(scan);
        let mut parameters = vec![
            Value::Text(page.from.to_owned()),
            Value::Integer(page.limit),
            Value::Integer(page.bytes),
        ];
        parameters.extend(page.end.map(Value::Text));
        let rows = self.0.query(&page.text, parameters).await?;
        let seen = match rows.first().and_then(|row| row.get(3)) {
            Some(Value::Integer(seen)) => *seen,
            _ => 0,
        };
        let entries: Result<Vec<_>, _> = rows.into_iter().map(keyed_entry).collect();
        Ok(sql::page(entries?, seen))
    }

    pub(crate) async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        let key = Value::Text(write.key);
        let expected = match sql::expected(&write.precondition) {
            Ok(expected) => expected.map(Value::Integer),
            Err(refused) => return Ok(Err(refused)),
        };
        let (value, deletes) = match write.value {
            Some(value) => (Some(Value::Blob(value)), false),
            None => (None, true),
        };
        let (statement, parameters) = match (value, expected) {
            (Some(value), None) => (self.0.create_key(), vec![key, value]),
            (Some(value), Some(expected)) => (self.0.replace_key(), vec![key, value, expected]),
            (None, Some(expected)) => (DELETE_KEY, vec![key, expected]),
            (None, None) => (FIND_KEY, vec![key]),
        };
        let only_looks = statement == FIND_KEY;
        let rows = self.0.query(statement, parameters).await?;
        match rows.first() {
            // Deleting what is not there succeeds by doing nothing.
            None if only_looks => Ok(Ok(0)),
            Some(_) if only_looks => Ok(Err(Refused)),
            None => Ok(Err(Refused)),
            Some(_) if deletes => Ok(Ok(0)),
            Some(row) => revision(row.first()).map(Ok),
        }
    }
}

fn keyed_entry(row: Vec<Value>) -> Result<KeyedEntry, StoreError> {
    let mut row = row.into_iter();
    match (row.next(), row.next(), row.next()) {
        (Some(Value::Text(key)), Some(Value::Blob(value)), number) => Ok(KeyedEntry {
            key,
            entry: Entry {
                value,
                revision: revision(number.as_ref())?,
            },
        }),
        _ => Err(StoreError(
            "expected a text and bytes in servicenow_sync_keys, found something else".to_owned(),
        )),
    }
}

fn revision(value: Option<&Value>) -> Result<u64, StoreError> {
    let found = match value {
        Some(Value::Integer(number @ 1..)) => return Ok(number.unsigned_abs()),
        Some(Value::Integer(number)) => &number.to_string(),
        _ => "something else",
    };
    Err(StoreError(format!(
        "expected a revision in servicenow_sync_keys, found {found}"
    )))
}
