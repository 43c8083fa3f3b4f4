//! SQLite databases over SQLite itself: a file for each database, a
//! connection of its own for each time it is opened.

use crate::bindings::fermyon::spin::sqlite;
use crate::bindings::fermyon::spin::sqlite::QueryResult;
use crate::bindings::fermyon::spin::sqlite::RowResult;
use crate::bindings::fermyon::spin::sqlite::Value;
use crate::state::State;
use rusqlite::params_from_iter;
use rusqlite::types;
use rusqlite::types::ValueRef;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::task::spawn_blocking;
use wasmtime::component::Resource;

/// An open database.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the generated bindings name it")]
pub struct Connection(Arc<Mutex<rusqlite::Connection>>);

impl Connection {
    /// Runs one statement.
    pub(crate) async fn execute(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, sqlite::Error>> {
        let connection = Arc::clone(&self.0);
        let run = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            execute(&connection, &statement, parameters)
        };
        Ok(spawn_blocking(run).await?.map_err(|error| io(&error)))
    }
}

impl State {
    /// Opens a database that the component may have. As Spin does it: a
    /// connection each time, with the library's own settings.
    pub(crate) fn open_database(&self, database: &str) -> Result<Connection, sqlite::Error> {
        if !self.application.databases.iter().any(|d| d == database) {
            return Err(sqlite::Error::AccessDenied);
        }
        let opened = rusqlite::Connection::open(self.folder.join(format!("{database}.db")));
        let opened = opened.map_err(|error| io(&error))?;
        Ok(Connection(Arc::new(Mutex::new(opened))))
    }
}

impl sqlite::Host for State {}

impl sqlite::HostConnection for State {
    async fn open(
        &mut self,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, sqlite::Error>> {
        Ok(match self.open_database(&database) {
            Ok(connection) => Ok(self.table.push(connection)?),
            Err(error) => Err(error),
        })
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, sqlite::Error>> {
        let connection = self.table.get(&connection)?.clone();
        connection.execute(statement, parameters).await
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

fn execute(
    connection: &rusqlite::Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> rusqlite::Result<QueryResult> {
    let mut statement = connection.prepare(statement)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(parameters.into_iter().map(parameter)))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|at| row.get_ref(at).map(value));
        rows.push(RowResult {
            values: values.collect::<rusqlite::Result<_>>()?,
        });
    }
    Ok(QueryResult { columns, rows })
}

fn parameter(value: Value) -> types::Value {
    match value {
        Value::Integer(number) => types::Value::Integer(number),
        Value::Real(number) => types::Value::Real(number),
        Value::Text(text) => types::Value::Text(text),
        Value::Blob(bytes) => types::Value::Blob(bytes),
        Value::Null => types::Value::Null,
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Null => Value::Null,
    }
}

fn io(error: &rusqlite::Error) -> sqlite::Error {
    sqlite::Error::Io(error.to_string())
}
