//! SQLite databases.

use crate::p2::bindings::sqlite;
pub(crate) use crate::p2::bindings::sqlite::Connection;
pub(crate) use crate::p2::bindings::sqlite::Error;
pub(crate) use crate::p2::bindings::sqlite::Value;

/// Opens a database by the name that `spin.toml` gives it.
pub(crate) async fn open(database: &str) -> Result<Connection, Error> {
    Connection::open(database)
}

/// Runs one statement, and returns its rows.
pub(crate) async fn execute(
    connection: &Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<Vec<Vec<Value>>, Error> {
    let found = connection.execute(statement, &parameters)?;
    let rows = found.rows.into_iter();
    Ok(rows.map(|sqlite::RowResult { values }| values).collect())
}
