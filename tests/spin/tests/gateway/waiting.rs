//! Work that lies in a database, of which nobody has told the gateway under test.

use crate::postgres::Postgres;

/// Puts so many pieces of work there that are due.
pub(crate) fn add(postgres: &Postgres, count: usize) {
    postgres.sql(&format!(
        "INSERT INTO servicenow_sync_keys SELECT 'g.work.other.' || n, convert_to( \
             '{{\"schema\":2,\"due\":0,\"written\":0,\"reasons\":[],\"attempt\":0,\"waits\":0, \
             \"generation\":1}}', 'UTF8'), nextval('servicenow_sync_revision') \
         FROM generate_series(1, {count}) AS n"
    ));
}

/// How many pieces of work there are.
pub(crate) fn count(postgres: &Postgres) -> usize {
    let count = "SELECT count(*) FROM servicenow_sync_keys WHERE key LIKE 'g.work.%'";
    postgres.sql(count).parse().unwrap()
}
