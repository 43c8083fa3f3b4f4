//! PostgreSQL databases.

pub(crate) use crate::p2::bindings::postgres::Connection;
pub(crate) use crate::p2::bindings::rdbms_types::DbValue;
pub(crate) use crate::p2::bindings::rdbms_types::Error;
pub(crate) use crate::p2::bindings::rdbms_types::ParameterValue;

/// Connects, by a URL that `allowed_outbound_hosts` must cover.
pub(crate) async fn open(url: &str) -> Result<Connection, Error> {
    Connection::open(url)
}

/// Runs one statement, and returns its rows.
pub(crate) async fn query(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> Result<Vec<Vec<DbValue>>, Error> {
    Ok(connection.query(statement, &parameters)?.rows)
}
