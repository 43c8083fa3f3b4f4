//! The store in PostgreSQL: how it comes to be, what it refuses, and what it
//! survives. That it keeps every store's promises is in `conformance.rs`.
#![allow(clippy::unwrap_used)]

mod postgres;

use integration_gateway::Secret;
use integration_gateway::Store;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Write;
use postgres::Postgres;
use servicenow_sync::store::PostgresStore;
use tokio::task::JoinSet;

fn put(key: &str) -> Write {
    Write {
        key: key.to_owned(),
        precondition: Precondition::Absent,
        value: Some(b"kept".to_vec()),
    }
}

async fn refusal(url: &str) -> String {
    let opened = PostgresStore::connect(&Secret::new(url)).await;
    opened.err().expect("it opened").to_string()
}

#[tokio::test]
async fn gateways_that_start_together_make_one_store() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let mut starting = JoinSet::new();
    for _ in 0..8 {
        let url = Secret::new(postgres.url());
        starting.spawn(async move { PostgresStore::connect(&url).await.map(drop) });
    }
    for started in starting.join_all().await {
        started.unwrap();
    }
    assert_eq!(
        postgres.sql("SELECT name FROM servicenow_sync_meta ORDER BY name"),
        "history\nschema"
    );
}

/// What a store holds of two keys, of which one is there only while it has lost
/// nothing.
async fn told(store: &PostgresStore) -> [bool; 2] {
    let keys = [KEPT, FORGOTTEN].map(str::to_owned);
    let found = match store.get(&keys).await {
        Ok(found) => found,
        // The connections of before are only known to be closed when used.
        Err(_) => store.get(&keys).await.unwrap(),
    };
    [found[0].is_some(), found[1].is_some()]
}

const KEPT: &str = "p.pair";
const FORGOTTEN: &str = "p.unbroken.since";

/// A store with both.
async fn filled(postgres: &Postgres) -> PostgresStore {
    let store = postgres.store().await;
    for key in [KEPT, FORGOTTEN] {
        store.write(put(key)).await.unwrap().unwrap();
    }
    store
}

#[tokio::test]
async fn a_standby_that_takes_over_forgets_what_holds_only_while_nothing_is_lost() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    let store = filled(&postgres).await;
    postgres.kill();
    postgres.restart(&[]);
    assert_eq!(told(&store).await, [true, true], "only started again");
    postgres.kill();
    postgres.promote();
    let looked = PostgresStore::connect_existing(&Secret::new(postgres.url())).await;
    assert_eq!(told(&looked.unwrap()).await, [true, true], "it only looks");
    let mut together = JoinSet::new();
    for _ in 0..8 {
        let url = Secret::new(postgres.url());
        together.spawn(async move { told(&PostgresStore::connect(&url).await.unwrap()).await });
    }
    assert_eq!(together.join_all().await, [[true, false]; 8]);
    assert_eq!(told(&store).await, [true, false]);
    store.write(put(FORGOTTEN)).await.unwrap().unwrap();
    postgres.kill();
    postgres.restart(&[]);
    assert_eq!(told(&postgres.store().await).await, [true, true]);
}

#[tokio::test]
async fn a_copy_of_a_database_forgets_it_too() {
    let [Some(mut postgres), Some(other)] = [Postgres::start(), Postgres::start()] else {
        return;
    };
    drop(filled(&postgres).await);
    // A server that is as new as the first one was gives all its numbers again.
    postgres.dump_into(&other.url());
    assert_eq!(told(&other.store().await).await, [true, false]);
    postgres.kill();
    postgres.restart(&[]);
    postgres.copy_database("copy");
    let copy = Secret::new(postgres.url().replace("/postgres", "/copy"));
    let copy = PostgresStore::connect(&copy).await.unwrap();
    assert_eq!(told(&copy).await, [true, false]);
    assert_eq!(told(&postgres.store().await).await, [true, true]);
}

#[tokio::test]
async fn a_database_without_a_store_is_left_empty_by_whoever_only_looks() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let looked = PostgresStore::connect_existing(&Secret::new(postgres.url())).await;
    assert_eq!(
        looked.err().unwrap().to_string(),
        "store: this database holds no store; `serve` and `store import` create one"
    );
    let tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'servicenow%'";
    assert_eq!(postgres.sql(tables), "0");
}

#[tokio::test]
async fn an_unknown_schema_and_a_foreign_table_are_refused_and_left_alone() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("CREATE TABLE servicenow_sync_meta (name text PRIMARY KEY, value bigint)");
    assert_eq!(
        refusal(&postgres.url()).await,
        "store: this database has a table servicenow_sync_meta without a schema in it; nothing \
         was changed; name another database in `[store]`"
    );
    postgres.sql("INSERT INTO servicenow_sync_meta VALUES ('schema', 7)");
    assert_eq!(
        refusal(&postgres.url()).await,
        "store: this database has schema 7, and this program knows schema 1; nothing was changed; \
         run the version that created it, or name another database in `[store]`"
    );
    assert_eq!(
        postgres.sql("SELECT * FROM servicenow_sync_meta"),
        "schema|7"
    );
    assert_eq!(
        postgres.sql("SELECT count(*) FROM pg_class WHERE relname = 'servicenow_sync_keys'"),
        "0"
    );
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_is_told_without_the_password() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let wrong = postgres.url().replace("canary", "canary-guess");
    let error = refusal(&wrong).await;
    assert!(
        error.contains("password authentication failed for user \"sync\""),
        "{error}"
    );
    let plain = refusal(&format!("{}?sslmode=require", postgres.url())).await;
    assert!(plain.contains("server does not support TLS"), "{plain}");
    let nobody = refusal("postgresql://sync:canary@127.0.0.1:1/sync").await;
    assert!(nobody.contains("Connection refused"), "{nobody}");
    for error in [error, plain, nobody] {
        assert!(
            error.starts_with("store: PostgreSQL cannot be used: "),
            "{error}"
        );
        assert!(
            error.ends_with("; check the server and `url` in `[store]`"),
            "{error}"
        );
        assert!(!error.contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_forgets_is_refused() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    postgres.kill();
    postgres.restart(&["fsync=off"]);
    assert_eq!(
        refusal(&postgres.url()).await,
        "store: this server runs with fsync = off, so it loses what it confirmed when the power \
         fails; set fsync = on, or name another server in `[store]`"
    );
}

/// With this setting a server reports an error to whoever waited for another's
/// write, and he could not know that he was refused.
#[tokio::test]
async fn one_of_those_who_write_at_once_wins_whatever_isolation_the_role_is_used_to() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("ALTER ROLE sync SET default_transaction_isolation = 'serializable'");
    let store = postgres.store().await;
    let mut precondition = Precondition::Absent;
    for _ in 0..20 {
        let mut together = JoinSet::new();
        for _ in 0..8 {
            let write = Write {
                precondition,
                ..put("k")
            };
            let store = store.clone();
            together.spawn(async move { store.write(write).await });
        }
        let written = together.join_all().await;
        let won: Vec<u64> = written.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(won.len(), 1);
        precondition = Precondition::Revision(won[0]);
    }
}

/// With this setting a server answers before what it confirms is on its disk,
/// and here it would take its time.
#[tokio::test]
async fn what_was_confirmed_is_there_after_a_crash_whatever_the_role_is_used_to() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("ALTER ROLE sync SET synchronous_commit = off");
    postgres.kill();
    postgres.restart(&["wal_writer_delay=10s"]);
    let store = postgres.store().await;
    let keys: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    for key in &keys {
        store.write(put(key)).await.unwrap().unwrap();
    }
    postgres.kill();
    assert!(store.get(&keys).await.is_err());
    postgres.restart(&[]);
    let found = store.get(&keys).await;
    let found = match found {
        Ok(found) => found,
        // The connections of before are only known to be closed when used.
        Err(_) => store.get(&keys).await.unwrap(),
    };
    assert!(found.iter().all(Option::is_some));
}
