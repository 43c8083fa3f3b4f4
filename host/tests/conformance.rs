//! Both stores keep the promises that every store makes.
#![allow(clippy::unwrap_used)]

mod postgres;

use integration_gateway::Refused;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::conformance::is_linearizable;
use integration_gateway::conformance::keeps_its_promises;
use integration_gateway::contract::Entry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use postgres::Postgres;
use servicenow_sync::store::FileStore;
use servicenow_sync::store::PostgresStore;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use tempfile::tempdir;
use tokio::runtime::Handle;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_a_file() {
    let folder = tempdir().unwrap();
    let store = FileStore::open(&folder.path().join("s.redb")).unwrap();
    keeps_its_promises(&store).await;
    let handle = Handle::current();
    for seed in 0..3 {
        is_linearizable(&store, seed, |client| handle.block_on(client));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_postgresql() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let store = postgres.store().await;
    keeps_its_promises(&store).await;
    let handle = Handle::current();
    for seed in 0..5 {
        is_linearizable(&store, seed, |client| handle.block_on(client));
    }
}

/// Each client has connections of its own, as gateways on different machines.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_postgresql_among_gateways() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let stores = Rotating::new(&postgres).await;
    let handle = Handle::current();
    for seed in 0..5 {
        is_linearizable(&stores, seed, |client| handle.block_on(client));
    }
}

/// Every operation goes through the next of three stores on one database.
struct Rotating {
    stores: [PostgresStore; 3],
    turn: AtomicUsize,
}

impl Rotating {
    async fn new(postgres: &Postgres) -> Self {
        Self {
            stores: [
                postgres.store().await,
                postgres.store().await,
                postgres.store().await,
            ],
            turn: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> &PostgresStore {
        &self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % 3]
    }
}

impl Store for Rotating {
    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.next().get(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.next().scan(scan).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        self.next().write(write).await
    }
}
