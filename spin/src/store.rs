//! Where the gateway keeps its keys: in SQLite, which Spin brings, or in a
//! PostgreSQL database that it shares with other gateways of either kind.
//!
//! Every operation is one statement, which both carry out atomically. Spin's
//! key-value stores are not used: what they call compare-and-swap does not hold
//! for a key that is not there yet, or not in every one of their backends.

mod postgres;
mod sql;
mod sqlite;

use crate::store::postgres::Postgres;
pub(crate) use crate::store::postgres::checked as postgres_url;
use crate::store::sql::Database;
use crate::store::sql::SqlStore;
use crate::store::sqlite::Sqlite;
use integration_gateway::Refused;
use integration_gateway::Secret;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::contract::Entry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use std::rc::Rc;

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// In the application's SQLite database.
    Sqlite,
    /// In a database, by its URL, which holds a password.
    Postgres(Secret),
}

/// The store that a configuration names. It is opened when it is first used.
/// Clones share their connection.
#[derive(Clone)]
pub(crate) struct SpinStore(Rc<SqlStore>);

impl SpinStore {
    pub(crate) fn new(location: Location) -> Self {
        let database = match location {
            Location::Sqlite => Database::Sqlite(Sqlite::default()),
            Location::Postgres(url) => Database::Postgres(Postgres::new(url)),
        };
        Self(Rc::new(SqlStore(database)))
    }

    /// Told whenever the request that it is for waits for something. Connections
    /// to a server are few, and other instances wait for them.
    pub(crate) fn rest(&self) {
        if let Database::Postgres(database) = &self.0.0 {
            database.rest();
        }
    }
}

impl Store for SpinStore {
    /// Two requests at a time are two gateways.
    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.0.get(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.0.scan(scan).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        self.0.write(write).await
    }
}
