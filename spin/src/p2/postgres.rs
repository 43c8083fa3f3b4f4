//! PostgreSQL databases.

pub(crate) use crate::p2::bindings::postgres::Connection;
pub(crate) use crate::p2::bindings::rdbms_types::DbValue;
pub(crate) use crate::p2::bindings::rdbms_types::Error;
pub(crate) use crate::p2::bindings::rdbms_types::ParameterValue;

/// Connects, by a URL that `allowed_outbound_hosts` must cover.
pub(crate) async fn open(url: &str) -> Result<Connection, Error> {
    Connection::open(url)
}

/// Runs one statement that returns rows, none of which has nothing but nulls.
///
/// In Spin 4.0 this call never comes back without a row (spinframework/spin#3671).
/// So there is one of nulls where nothing was found, and it is taken away again.
/// What is joined has no order, and the key comes first where there is one.
pub(crate) async fn query(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> Result<Vec<Vec<DbValue>>, Error> {
    let statement = format!(
        "WITH found AS ({statement}) \
         SELECT found.* FROM (SELECT 1) AS one LEFT JOIN found ON true ORDER BY 1"
    );
    let mut rows = connection.query(&statement, &parameters)?.rows;
    let is_null = |value: &DbValue| matches!(value, DbValue::DbNull);
    rows.retain(|row| !row.iter().all(is_null));
    Ok(rows)
}

/// Runs one statement that returns no rows.
pub(crate) async fn execute(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> Result<(), Error> {
    connection.execute(statement, &parameters).map(drop)
}
