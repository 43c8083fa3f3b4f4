//! Where the gateway keeps its keys: in a file of its own, or in a PostgreSQL
//! database that it shares with other gateways.

mod file;
mod postgres;

use integration_gateway::Refused;
use integration_gateway::Secret;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::contract::Entry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use std::fmt;
use std::path::PathBuf;

pub use file::FileStore;
pub use file::OpenFileError;
pub use postgres::OpenPostgresError;
pub use postgres::PostgresStore;

/// The store that a configuration names.
#[derive(Clone)]
pub enum HostStore {
    /// For one gateway.
    File(FileStore),
    /// For any number of them.
    Postgres(PostgresStore),
}

/// Where a store is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// A database, by its URL, which holds a password.
    Postgres(Secret),
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // One for each kind of store.
pub enum OpenError {
    #[error(transparent)]
    File(#[from] OpenFileError),
    #[error(transparent)]
    Postgres(#[from] OpenPostgresError),
}

impl Location {
    /// Whether another one is meant by the same words: a secret may have changed.
    pub(crate) fn is_elsewhere(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) => !one.is(other),
            _ => false,
        }
    }

    /// Opens the store, and creates it if there is none.
    pub async fn open(&self) -> Result<HostStore, OpenError> {
        Ok(match self {
            Self::File(path) => HostStore::File(FileStore::open(path)?),
            Self::Postgres(url) => HostStore::Postgres(PostgresStore::connect(url).await?),
        })
    }

    /// Opens the store if there is one.
    pub async fn open_existing(&self) -> Result<HostStore, OpenError> {
        Ok(match self {
            Self::File(path) => HostStore::File(FileStore::open_existing(path)?),
            Self::Postgres(url) => HostStore::Postgres(PostgresStore::connect_existing(url).await?),
        })
    }

    /// The same, if its checksums are right. A server looks after its own.
    pub(crate) async fn open_verified(&self) -> Result<HostStore, OpenError> {
        match self {
            Self::File(path) => Ok(HostStore::File(FileStore::open_verified(path)?)),
            Self::Postgres(_) => self.open_existing().await,
        }
    }
}

impl HostStore {
    /// How many bytes the store takes on its disk.
    pub async fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        match self {
            Self::File(store) => store.bytes_on_disk(),
            Self::Postgres(store) => store.bytes_on_disk().await,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            // Not even the host: in a URL that is slightly wrong, a part of the
            // password stands in its place.
            Self::Postgres(_) => f.write_str("PostgreSQL"),
        }
    }
}

impl Store for HostStore {
    fn is_shared(&self) -> bool {
        match self {
            Self::File(store) => store.is_shared(),
            Self::Postgres(store) => store.is_shared(),
        }
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        match self {
            Self::File(store) => store.get(keys).await,
            Self::Postgres(store) => store.get(keys).await,
        }
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        match self {
            Self::File(store) => store.scan(scan).await,
            Self::Postgres(store) => store.scan(scan).await,
        }
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        match self {
            Self::File(store) => store.write(write).await,
            Self::Postgres(store) => store.write(write).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_elsewhere_if_its_secret_is_another_one() {
        let database = |url: &str| Location::Postgres(Secret::new(url));
        let here = database("postgresql://a:old@db/sync");
        assert!(!here.is_elsewhere(&database("postgresql://a:old@db/sync")));
        assert!(here.is_elsewhere(&database("postgresql://a:new@db/sync")));
    }
}
