//! PostgreSQL databases.

pub(crate) use crate::p3::bindings::postgres::Connection;
pub(crate) use crate::p3::bindings::postgres::DbValue;
pub(crate) use crate::p3::bindings::postgres::Error;
pub(crate) use crate::p3::bindings::postgres::ParameterValue;
use crate::p3::bindings::postgres::QueryError;
use std::fmt;

/// Connects, by a URL that `allowed_outbound_hosts` must cover.
pub(crate) async fn open(url: &str) -> Result<Connection, Error> {
    Connection::open_async(url.to_owned()).await
}

/// Runs one statement that returns rows.
pub(crate) async fn query(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> Result<Vec<Vec<DbValue>>, Error> {
    let asked = connection.query_async(statement.to_owned(), parameters);
    let (_, rows, end) = asked.await?;
    let rows = rows.collect().await;
    end.await?;
    Ok(rows)
}

/// Runs one statement that returns no rows.
pub(crate) async fn execute(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> Result<(), Error> {
    query(connection, statement, parameters).await.map(drop)
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(text) => text,
            Self::DbError(error) => &error.as_text,
        })
    }
}
