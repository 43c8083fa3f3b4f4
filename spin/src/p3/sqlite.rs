//! SQLite databases.

pub(crate) use spin_sdk::sqlite::Connection;
pub(crate) use spin_sdk::sqlite::Error;
pub(crate) use spin_sdk::sqlite::Value;

/// Opens a database by the name that `spin.toml` gives it.
pub(crate) async fn open(database: &str) -> Result<Connection, Error> {
    Connection::open(database).await
}

/// Runs one statement, and returns its rows.
pub(crate) async fn execute(
    connection: &Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<Vec<Vec<Value>>, Error> {
    let found = connection.execute(statement, parameters).await?;
    let rows = found.collect().await?.into_iter();
    Ok(rows.map(|row| row.values).collect())
}
