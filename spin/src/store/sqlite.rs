//! The default store: a SQLite database that Spin keeps in a file of its own.
//!
//! A revision is the row's id, and SQLite never gives an id twice in a table
//! that says AUTOINCREMENT. So a key is replaced by a new row, and a key that is
//! deleted and created again never returns to a revision that it once had.

use crate::store::sql::Value;
use crate::wasi::sqlite;
use crate::wasi::sqlite::Connection;
use integration_gateway::StoreError;
use integration_gateway::sql::READ_SCHEMA;
use std::cell::OnceCell;

/// As `sqlite_databases` in `spin.toml` names it.
const NAME: &str = "default";
/// Of the tables below. It grows when an older program could not use them.
const SCHEMA: i64 = 1;
const EXISTS: &str = "SELECT 1 FROM sqlite_master WHERE name = 'servicenow_sync_meta'";
/// Each of them changes nothing the second time, and the last one makes the
/// store whole. So two instances may do it at the same time, and one may stop
/// in between.
const CREATE: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS servicenow_sync_keys ( \
        revision integer PRIMARY KEY AUTOINCREMENT, \
        key text NOT NULL UNIQUE, \
        value blob NOT NULL \
    )",
    "CREATE TABLE IF NOT EXISTS servicenow_sync_meta (name text PRIMARY KEY, value integer NOT NULL)",
    "INSERT INTO servicenow_sync_meta VALUES ('schema', 1) ON CONFLICT DO NOTHING",
];

/// For [`Database`](crate::store::sql::Database), which says what these do.
pub(crate) const CREATE_KEY: &str = "INSERT INTO servicenow_sync_keys (key, value) VALUES ($1, $2) \
    ON CONFLICT (key) DO NOTHING RETURNING revision";
pub(crate) const REPLACE_KEY: &str = "INSERT OR REPLACE INTO servicenow_sync_keys (key, value) \
    SELECT key, $2 FROM servicenow_sync_keys WHERE key = $1 AND revision = $3 \
    RETURNING revision";

/// Every request writes, on a connection of its own. Readers do not hold up
/// whoever writes, and writers wait for each other for longer than the five
/// seconds that are usual: a webhook would be answered 503 otherwise. A database
/// that is not a file of SQLite's own may know neither, and need neither.
const MANY_WRITERS: [&str; 2] = ["PRAGMA busy_timeout = 25000", "PRAGMA journal_mode = WAL"];

#[derive(Default)]
pub(crate) struct Sqlite(OnceCell<Connection>);

impl Sqlite {
    async fn connection(&self) -> Result<&Connection, StoreError> {
        if self.0.get().is_none() {
            let connection = sqlite::open(NAME).await.map_err(error)?;
            let run = async |statement: &str| run(&connection, statement, Vec::new()).await;
            for pragma in MANY_WRITERS {
                let _ = run(pragma).await;
            }
            prepare(run).await?;
            // Somebody else may have been faster; either will do.
            let _ = self.0.set(connection);
        }
        let opened = self.0.get();
        opened.ok_or_else(|| StoreError("the SQLite database was not opened".to_owned()))
    }
}

impl Sqlite {
    pub(crate) async fn query(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let connection = self.connection().await?;
        run(connection, &numbered(statement), parameters).await
    }
}

/// SQLite counts parameters by `?1`; what it calls `$1` is a name.
fn numbered(statement: &str) -> String {
    statement.replace('$', "?")
}

/// Creates what is not there yet, and checks that what is there can be used.
async fn prepare(
    run: impl AsyncFn(&str) -> Result<Vec<Vec<Value>>, StoreError>,
) -> Result<(), StoreError> {
    let mut schema = Vec::new();
    if !run(EXISTS).await?.is_empty() {
        schema = run(READ_SCHEMA).await?;
    }
    if schema.is_empty() {
        for statement in CREATE {
            run(statement).await?;
        }
        schema = run(READ_SCHEMA).await?;
    }
    let found = match schema.first().and_then(|row| row.first()) {
        Some(Value::Integer(SCHEMA)) => return Ok(()),
        Some(Value::Integer(found)) => found.to_string(),
        _ => "none".to_owned(),
    };
    Err(StoreError(format!(
        "expected a SQLite database of schema {SCHEMA}, found {found}; nothing was changed; run \
         the version that created it, or give the application another database"
    )))
}

async fn run(
    connection: &Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let parameters: Vec<_> = parameters.into_iter().map(to_sqlite).collect();
    let rows = sqlite::execute(connection, statement, parameters).await;
    let rows = rows.map_err(error)?.into_iter();
    Ok(rows
        .map(|row| row.into_iter().map(from_sqlite).collect())
        .collect())
}

fn to_sqlite(value: Value) -> sqlite::Value {
    match value {
        Value::Integer(number) => sqlite::Value::Integer(number),
        Value::Text(text) => sqlite::Value::Text(text),
        Value::Blob(bytes) => sqlite::Value::Blob(bytes),
        Value::Other => sqlite::Value::Null,
    }
}

fn from_sqlite(value: sqlite::Value) -> Value {
    match value {
        sqlite::Value::Integer(number) => Value::Integer(number),
        sqlite::Value::Text(text) => Value::Text(text),
        sqlite::Value::Blob(bytes) => Value::Blob(bytes),
        sqlite::Value::Real(_) | sqlite::Value::Null => Value::Other,
    }
}

fn error(error: sqlite::Error) -> StoreError {
    StoreError(match error {
        sqlite::Error::NoSuchDatabase => {
            format!("Spin has no SQLite database {NAME:?}; see --runtime-config-file")
        }
        sqlite::Error::AccessDenied => {
            format!("expected sqlite_databases = [{NAME:?}] in spin.toml, found no such name")
        }
        sqlite::Error::InvalidConnection => "the connection to SQLite is gone".to_owned(),
        sqlite::Error::DatabaseFull => "the SQLite database is full".to_owned(),
        sqlite::Error::Io(why) => format!("SQLite: {why}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn a_database_of_another_schema_is_left_as_it_is() {
        let said = |schema: Value| {
            let run = async |statement: &str| match statement {
                EXISTS => Ok(vec![vec![Value::Integer(1)]]),
                READ_SCHEMA => Ok(vec![vec![schema.clone()]]),
                other => panic!("{other}"),
            };
            let prepared = prepare(run).now_or_never().unwrap();
            prepared.map_err(|error| error.0)
        };
        assert_eq!(said(Value::Integer(1)), Ok(()));
        for (schema, found) in [(Value::Integer(2), "2"), (Value::Other, "none")] {
            let expected = format!(
                "expected a SQLite database of schema 1, found {found}; nothing was changed; run \
                 the version that created it, or give the application another database"
            );
            assert_eq!(said(schema), Err(expected));
        }
    }
}
